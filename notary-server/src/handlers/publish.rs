//! Step 2 of a publish: a body within limits (see [`super::body`]), well formed, of roles that the
//! permit covers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::publish::Batch;
use notary_schema::wire::PublishAnswer;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::body::{self, Body, role_name};
use super::{collection_path, query, sha256};
use crate::auth::{Permit, Wanted};
use crate::error::ServiceError;
use crate::openapi::problems::Publishing;
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

/// What the parts of a body look like in the OpenAPI document.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the body is read part by part, never as a whole")]
struct Files {
    /// Signed metadata files.
    #[schema(value_type = Vec<String>, format = Binary, min_items = 1)]
    files: Vec<Vec<u8>>,
}

/// POST `/v2/{gun}/_trust/tuf/`.
#[utoipa::path(
    post, path = "/v2/{gun}/_trust/tuf/",
    params(
        ("gun" = Gun, Path),
        ("pending" = Option<Vec<String>>, Query, description = "roles that get a delegation and no file yet"),
        ("orphan" = Option<Vec<String>>, Query, description = "roles that become unverifiable on purpose"),
        ("replace" = Option<String>, Query, pattern = "^[0-9a-f]{64}$",
            description = "SHA-256 of the newest root of the tombstone that this root 1 replaces"),
    ),
    request_body(
        content = Files, content_type = "multipart/form-data",
        description = "parts named `files`, each with the role as its filename, without version and `.json`",
    ),
    responses((status = 200, body = PublishAnswer), Publishing),
    security(("token" = [])),
)]
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
    let covers = |role: &RoleName| permit.covers(role);
    let body = body::read(request.headers(), payload, limits, &service.body_memory, &covers);
    let body = timeout(Duration::from_secs(seconds), body).await;
    let body = body.map_err(|_| ServiceError::TooSlow(seconds))??;
    let _place = service.publisher.place()?;
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
