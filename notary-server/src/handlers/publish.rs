//! Step 2 of a publish: a body within limits (see [`super::body`]), well formed, of roles that the
//! permit covers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::publish::Batch;
use notary_schema::wire::PublishAnswer;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::body::{self, Body, EarlierRoots, role_name};
use super::{boolean, collection_path, query, sha256};
use crate::auth::{Permit, Wanted};
use crate::error::ServiceError;
use crate::openapi::problems::Publishing;
use crate::panics::blocking;
use crate::startup::Service;

/// What somebody who may wants to publish: readable, not yet judged. It comes from a request, or from
/// a proposal that has all its signatures.
///
/// It holds the bytes that came. What was read from them is a [`Batch`] beside it, which lives no
/// longer than somebody looks into it.
#[derive(Debug)]
pub struct PublishBatch {
    gun: Gun,
    sent: Sent,
    parts: Vec<Part>,
    /// Beside them: earlier roots, and snapshot and timestamp of a repository that is taken over.
    foreign: Vec<(RoleName, Arc<[u8]>)>,
    named: Named,
    /// The share of the memory for bodies, given back with the batch.
    _memory: Option<OwnedSemaphorePermit>,
}

impl PublishBatch {
    /// The collection.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The ids of the tokens with which it came.
    pub fn by(&self) -> &[String] {
        &self.sent.by
    }

    /// Whether it may make the collection.
    pub fn may_create(&self) -> bool {
        self.sent.may_create
    }

    /// What it names beside its parts.
    pub(crate) fn named(&self) -> &Named {
        &self.named
    }

    /// The SHA-256 of the newest root of the tombstone that it replaces.
    pub fn replaces(&self) -> Option<&str> {
        self.named.replaces.as_deref()
    }

    /// The parts, in the order in which they came.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The version of its root, if it has one.
    pub fn root_version(&self) -> Option<Version> {
        self.parts.iter().find(|part| part.role == RoleName::ROOT).map(|part| part.version)
    }

    /// Reads the parts once more.
    pub fn read_again(&self) -> Batch {
        let mut batch = self.named.batch();
        let parts = self.parts.iter().map(|part| (&part.role, &part.bytes));
        let foreign = self.foreign.iter().map(|(name, bytes)| (name, bytes));
        for (role, bytes) in parts.chain(foreign) {
            batch.add(role.clone(), bytes.clone()).expect("it was read before");
        }
        batch
    }

    /// Reads a body.
    ///
    /// # Errors
    /// Where a part is not metadata of the role that it is named after.
    pub(super) fn read(
        gun: Gun,
        permit: &Permit,
        body: Body,
        named: Named,
    ) -> Result<(PublishBatch, Batch), ServiceError> {
        let by = vec![permit.token().id.clone()];
        let sent = Sent { by, may_create: permit.covers_administration() };
        let parts = body.parts.into_iter().map(|(role, bytes)| (role, bytes.into())).collect();
        let (mut request, batch) = PublishBatch::of(gun, sent, parts, named)?;
        request._memory = body.memory;
        Ok((request, batch))
    }

    /// Reads parts that were judged before, in a collection that is there; their bytes have a share
    /// of the memory for bodies.
    ///
    /// # Errors
    /// Where a part is not metadata of the role that it is named after.
    pub(crate) fn of_proposal(
        gun: Gun,
        by: Vec<String>,
        parts: Vec<(RoleName, Arc<[u8]>)>,
        named: Named,
        memory: OwnedSemaphorePermit,
    ) -> Result<(PublishBatch, Batch), ServiceError> {
        let sent = Sent { by, may_create: false };
        let (mut request, batch) = PublishBatch::of(gun, sent, parts, named)?;
        request._memory = Some(memory);
        Ok((request, batch))
    }

    fn of(
        gun: Gun,
        sent: Sent,
        parts: Vec<(RoleName, Arc<[u8]>)>,
        named: Named,
    ) -> Result<(PublishBatch, Batch), ServiceError> {
        let mut batch = named.batch();
        for (role, bytes) in &parts {
            batch.add(role.clone(), bytes.clone())?;
        }
        let known = batch.parts().map(|(role, version, sha256)| (role, (version, sha256)));
        let known: BTreeMap<RoleName, (Version, &str)> = known.collect();
        let is_part = |(role, _): &(RoleName, Arc<[u8]>)| known.contains_key(role);
        let (parts, foreign): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_part);
        let part = |(role, bytes)| {
            let (version, sha256) = known[&role];
            Part { role, version, sha256: sha256.to_owned(), bytes }
        };
        let parts = parts.into_iter().map(part).collect();
        Ok((PublishBatch { gun, sent, parts, foreign, named, _memory: None }, batch))
    }
}

/// Who sent it.
#[derive(Debug)]
struct Sent {
    by: Vec<String>,
    may_create: bool,
}

/// One file of a publish, as it came.
#[derive(Debug)]
pub struct Part {
    /// The role that it is named after.
    pub role: RoleName,
    /// Its version.
    pub version: Version,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    bytes: Arc<[u8]>,
}

/// What the parts of a body look like in the OpenAPI document.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "the body is read part by part, never as a whole")]
pub(super) struct Files {
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
        ("compromised" = Option<Vec<String>>, Query,
            description = "roles whose keys the root replaces without an overlap, since somebody else has them"),
        ("adopt" = Option<bool>, Query,
            description = "this takes over a repository: beside its files and all of its roots there are parts named snapshot and timestamp"),
        ("replace" = Option<String>, Query, pattern = "^[0-9a-f]{64}$",
            description = "SHA-256 of the newest root of the tombstone that this root 1 replaces"),
    ),
    request_body(
        content = Files, content_type = "multipart/form-data",
        description = "parts named `files`, each with the role as its filename, without version and `.json`; where several roots are sent, those before the newest one as `2.root`, `3.root`",
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
    let adopts = named.adopt && permit.covers_administration();
    let covers = |role: &RoleName| match Batch::is_earlier_root(role) {
        true => permit.covers(&RoleName::ROOT),
        false => permit.covers(role) || adopts,
    };
    let earlier_roots = EarlierRoots::Come;
    let memory = &service.body_memory;
    let body = body::read(request.headers(), payload, limits, memory, &covers, earlier_roots);
    let body = timeout(Duration::from_secs(seconds), body).await;
    let body = body.map_err(|_| ServiceError::TooSlow(seconds))??;
    let _place = service.publisher.place()?;
    let core = service.publisher.core().await?;
    let (read, core) =
        blocking(move || (PublishBatch::read(gun, &permit, body, named), core)).await?;
    let (request, batch) = read?;
    let (gun, token) = (request.gun().clone(), request.by().join(","));
    let answer = service.publisher.publish(request, batch, core, now).await?;
    let published = answer.roles.iter().filter(|role| role.published).count();
    tracing::info!(%gun, token, seq = answer.seq, published, "published");
    Ok(Json(answer))
}

/// What the parameters of a publish name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) pending: BTreeSet<RoleName>,
    pub(crate) orphan: BTreeSet<RoleName>,
    pub(crate) compromised: BTreeSet<RoleName>,
    pub(crate) replaces: Option<String>,
    pub(crate) adopt: bool,
}

impl Named {
    pub(crate) fn batch(&self) -> Batch {
        let mut batch = if self.adopt { Batch::adopting() } else { Batch::default() };
        (batch.pending, batch.orphan) = (self.pending.clone(), self.orphan.clone());
        batch.compromised = self.compromised.clone();
        batch
    }

    fn read(request: &HttpRequest) -> Result<Named, ServiceError> {
        let mut named = Named::default();
        let known = ["pending", "orphan", "compromised", "replace", "adopt"];
        for (parameter, value) in query(request, &known)? {
            match parameter.as_str() {
                "replace" => named.replaces = Some(sha256(value)?),
                "adopt" => named.adopt = boolean(&parameter, &value)?,
                list => named.add(list, &value)?,
            }
        }
        Ok(named)
    }

    /// Adds a role to a list.
    pub(super) fn add(&mut self, list: &str, role: &str) -> Result<(), ServiceError> {
        let roles = match list {
            "pending" => &mut self.pending,
            "orphan" => &mut self.orphan,
            _ => &mut self.compromised,
        };
        roles.insert(role_name(role)?);
        Ok(())
    }
}
