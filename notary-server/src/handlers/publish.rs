//! Step 2 of a publish: a body within limits, well formed, of roles that the permit covers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::web::{Data, Json, Payload};
use actix_web::{HttpMessage, HttpRequest, http::header::CONTENT_LENGTH};
use futures_util::TryStreamExt;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::publish::{Batch, Refusal};
use notary_schema::wire::PublishAnswer;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{collection_path, query, sha256};
use crate::auth::{Permit, Wanted};
use crate::config::Limits;
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::startup::Service;

/// What somebody who may wants to publish: readable, not yet judged. Only [`publish`] makes one.
#[derive(Debug)]
pub struct PublishBatch {
    gun: Gun,
    permit: Permit,
    batch: Batch,
    parts: Vec<(RoleName, Version, String)>,
    replaces: Option<String>,
    /// The share of the memory for bodies, given back with the batch.
    _memory: Option<OwnedSemaphorePermit>,
}

impl PublishBatch {
    /// The collection.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// Who sent it.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The SHA-256 of the newest root of the tombstone that it replaces.
    pub fn replaces(&self) -> Option<&str> {
        self.replaces.as_deref()
    }

    /// The parsed parts.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Role, version and SHA-256 of each part, in the order in which they came.
    pub fn parts(&self) -> &[(RoleName, Version, String)] {
        &self.parts
    }

    fn new(
        gun: Gun,
        permit: Permit,
        body: Body,
        named: Named,
    ) -> Result<PublishBatch, ServiceError> {
        let mut batch = Batch::default();
        (batch.pending, batch.orphan) = (named.pending, named.orphan);
        let mut order = Vec::with_capacity(body.parts.len());
        for (role, bytes) in body.parts {
            order.push(role.clone());
            batch.add(role, bytes.into())?;
        }
        let known =
            batch.parts().map(|(role, version, sha256)| (role, (version, sha256.to_owned())));
        let mut known: BTreeMap<RoleName, (Version, String)> = known.collect();
        let of_role = |role| known.remove(&role).map(|(version, sha256)| (role, version, sha256));
        let parts = order.into_iter().filter_map(of_role).collect();
        Ok(PublishBatch {
            gun,
            permit,
            batch,
            parts,
            replaces: named.replaces,
            _memory: body.memory,
        })
    }
}

/// POST `/v2/{gun}/_trust/tuf/`.
pub async fn publish(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<PublishAnswer>, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    let gate = &service.gate;
    let permit = gate.permit(request.headers(), &gun, Wanted::Publish, now).await?;
    let named = Named::read(&request)?;
    let limits = &service.config.limits;
    let seconds = limits.body_seconds;
    let body = read_body(&request, payload, limits, service.body_memory.clone(), &permit);
    let body = timeout(Duration::from_secs(seconds), body).await;
    let body = body.map_err(|_| ServiceError::TooSlow(seconds))??;
    let core = service.publisher.core().await?;
    let (batch, core) =
        blocking(move || (PublishBatch::new(gun, permit, body, named), core)).await?;
    let batch = batch?;
    let (gun, token) = (batch.gun().clone(), batch.permit().token().id.clone());
    let answer = service.publisher.publish(batch, core, now).await?;
    let published = answer.roles.iter().filter(|role| role.published).count();
    tracing::info!(%gun, token, seq = answer.seq, published, "published");
    Ok(Json(answer))
}

/// What the parameters of a publish name.
#[derive(Debug, Default)]
struct Named {
    pending: BTreeSet<RoleName>,
    orphan: BTreeSet<RoleName>,
    replaces: Option<String>,
}

impl Named {
    fn read(request: &HttpRequest) -> Result<Named, ServiceError> {
        let mut named = Named::default();
        for (parameter, value) in query(request, &["pending", "orphan", "replace"])? {
            match parameter.as_str() {
                "pending" => drop(named.pending.insert(role_name(&value)?)),
                "orphan" => drop(named.orphan.insert(role_name(&value)?)),
                _ => named.replaces = Some(sha256(value)?),
            }
        }
        Ok(named)
    }
}

fn role_name(text: &str) -> Result<RoleName, ServiceError> {
    RoleName::parse(text).map_err(|error| ServiceError::Malformed(error.to_string()))
}

/// The parts of a body as they came.
#[derive(Debug, Default)]
struct Body {
    parts: Vec<(RoleName, Vec<u8>)>,
    length: u64,
    memory: Option<OwnedSemaphorePermit>,
}

/// Reads a body part by part. Each limit is applied before memory is spent on what exceeds it.
async fn read_body(
    request: &HttpRequest,
    payload: Payload,
    limits: &Limits,
    memory: Arc<Semaphore>,
    permit: &Permit,
) -> Result<Body, ServiceError> {
    let too_long = ServiceError::TooLarge { what: "bytes", limit: limits.body_bytes };
    let told = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if told.and_then(|told| told.parse().ok()).is_some_and(|told: u64| told > limits.body_bytes) {
        return Err(too_long);
    }
    if !request.content_type().eq_ignore_ascii_case("multipart/form-data") {
        return Err(ServiceError::Malformed("the body must be multipart/form-data".into()));
    }
    let mut multipart = Multipart::new(request.headers(), payload);
    let mut body = Body::default();
    let mut roles = BTreeSet::new();
    while let Some(field) = multipart.try_next().await.map_err(unreadable)? {
        if body.parts.len() as u64 == limits.parts {
            return Err(ServiceError::TooLarge { what: "parts", limit: limits.parts });
        }
        let role = role_of(&field)?;
        if !roles.insert(role.clone()) {
            return Err(Refusal::RepeatedPart(role).into());
        }
        if !permit.covers(&role) {
            return Err(ServiceError::Forbidden(format!("the token does not cover {role}")));
        }
        let bytes = read_part(field, limits, &memory, &mut body).await?;
        body.parts.push((role, bytes));
    }
    match body.parts.is_empty() {
        true => Err(ServiceError::Malformed("the body has no part named \"files\"".into())),
        false => Ok(body),
    }
}

/// The role that a part is named after.
fn role_of(field: &Field) -> Result<RoleName, ServiceError> {
    if field.name() != Some("files") {
        let name = shortened(field.name().unwrap_or_default());
        return Err(ServiceError::Malformed(format!(
            "the part {name:?} is not known; send each file as a part named \"files\""
        )));
    }
    match field.content_disposition().and_then(|disposition| disposition.get_filename()) {
        Some(name) => match role_of_file(name) {
            Some(role) => Err(ServiceError::Malformed(format!(
                "the filename {:?} is not a role; name the part after its role alone: {:?}",
                shortened(name),
                shortened(role)
            ))),
            None => role_name(name),
        },
        None => Err(ServiceError::Malformed("a part has no filename; it names the role".into())),
    }
}

/// The role that a file name like `2.docs.json` means. No role may have such a name, so it is
/// always a mistake.
fn role_of_file(name: &str) -> Option<&str> {
    let plain = name.strip_suffix(".json").unwrap_or(name);
    let role = match plain.split_once('.') {
        Some((version, role)) if Version::parse(version).is_ok() => role,
        _ => plain,
    };
    (role != name).then_some(role)
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

async fn read_part(
    mut field: Field,
    limits: &Limits,
    memory: &Arc<Semaphore>,
    body: &mut Body,
) -> Result<Vec<u8>, ServiceError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.try_next().await.map_err(unreadable)? {
        body.length += chunk.len() as u64;
        if body.length > limits.body_bytes {
            return Err(ServiceError::TooLarge { what: "bytes", limit: limits.body_bytes });
        }
        if (bytes.len() + chunk.len()) as u64 > limits.part_bytes {
            let what = "bytes in one part";
            return Err(ServiceError::TooLarge { what, limit: limits.part_bytes });
        }
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let share = memory.clone().try_acquire_many_owned(length);
        let share = share.map_err(|_| ServiceError::Busy("other publishes fill its memory"))?;
        match &mut body.memory {
            Some(held) => held.merge(share),
            none => *none = Some(share),
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn unreadable(error: MultipartError) -> ServiceError {
    ServiceError::Malformed(format!("the body is not readable multipart/form-data: {error}"))
}
