//! Step 2 of a publish: a body within limits (see [`super::body`]), well formed, of roles that the
//! permit covers.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use notary_schema::name::{Gun, RoleName};
use notary_schema::publish::Batch;
use notary_schema::wire::PublishAnswer;
use tokio::time::timeout;

use super::body::{self, Body, EarlierRoots, role_name};
use super::problems::Publishing;
use super::{boolean, collection_path, query, sha256};
use crate::auth::{Permit, Wanted};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::publish::{Named, PublishBatch, Sent};
use crate::service::Service;

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
    let (read, core) = blocking(move || (batch(gun, &permit, body, named), core)).await?;
    let (request, batch) = read?;
    let (gun, token) = (request.gun().clone(), request.by().join(","));
    let answer = service.publisher.publish(request, batch, core, now).await?;
    let published = answer.roles.iter().filter(|role| role.published).count();
    tracing::info!(%gun, token, seq = answer.seq, published, "published");
    Ok(Json(answer))
}

/// Reads a body.
///
/// # Errors
/// Where a part is not metadata of the role that it is named after.
pub(super) fn batch(
    gun: Gun,
    permit: &Permit,
    body: Body,
    named: Named,
) -> Result<(PublishBatch, Batch), ServiceError> {
    let by = vec![permit.token().id.clone()];
    let sent = Sent { by, may_create: permit.covers_administration() };
    let parts = body.parts.into_iter().map(|(role, bytes)| (role, bytes.into())).collect();
    PublishBatch::read(gun, sent, parts, named, body.memory)
}

impl Named {
    /// The parameters that each name any number of roles.
    pub(super) const LISTS: [&str; 3] = ["pending", "orphan", "compromised"];

    fn read(request: &HttpRequest) -> Result<Named, ServiceError> {
        let mut named = Named::default();
        for (parameter, value) in query(request, &["replace", "adopt"], &Named::LISTS)? {
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
