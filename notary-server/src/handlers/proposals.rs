//! Proposals: metadata that gathers signatures.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};
use notary_schema::name::Gun;
use notary_schema::publish::proposal::ProposalRefusal;
use notary_schema::reason::Reason;
use notary_schema::wire::{NewSignatures, Page, Proposal, ProposalSummary, SignedProposal};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::timeout;

use super::problems::{NewProposals, OneProposal, OwnProposals, ProposalLists, SigningProposals};
use super::publish::{Files, batch};
use super::{
    Readable, body, collection_path, document, json_of, no_content, no_query, page, private_json,
    query,
};
use crate::auth::Wanted;
use crate::config::Limits;
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::publish::{Named, Signing, Wish};
use crate::service::Service;
use crate::store::ProposedSignature;

/// Random bytes of an id, after its time.
const ID_BYTES: usize = 4;

/// POST `/v2/{gun}/_trust/proposals`: keeps metadata that is right and lacks signatures. A repeat by
/// its author finds the one that is kept.
#[utoipa::path(
    post, path = "/v2/{gun}/_trust/proposals",
    operation_id = "propose",
    params(
        ("gun" = Gun, Path),
        ("reason" = String, Query, min_length = 1, max_length = 500,
            description = "why it is made, on one line, for everybody who may read the collection"),
        ("lapses_at" = Option<DateTime<Utc>>, Query,
            description = "when it lapses, at the latest a day before the first of its files expires; without it after 30 days, or then"),
        ("pending" = Option<Vec<String>>, Query, description = "as for a publish"),
        ("orphan" = Option<Vec<String>>, Query, description = "as for a publish"),
        ("compromised" = Option<Vec<String>>, Query, description = "as for a publish"),
    ),
    request_body(
        content = Files, content_type = "multipart/form-data",
        description = "as for a publish, with the signatures that there are",
    ),
    responses((status = 201, body = Proposal), NewProposals),
    security(("token" = [])),
)]
pub async fn create(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Publish, now).await?;
    let (wish, named) = wish_of(&request, now)?;
    let limits = &service.config.limits;
    let seconds = limits.body_seconds;
    let of_proposal = Limits { body_bytes: limits.proposal_bytes, ..limits.clone() };
    let covers = |role: &_| permit.covers(role);
    let memory = &service.body_memory;
    let roots = body::EarlierRoots::Not;
    let body = body::read(request.headers(), payload, &of_proposal, memory, &covers, roots);
    let body = timeout(Duration::from_secs(seconds), body).await;
    let body = body.map_err(|_| ServiceError::TooSlow(seconds))??;
    let _place = service.publisher.place()?;
    let core = service.publisher.core().await?;
    let (token, of) = (permit.token().id.clone(), gun.clone());
    let (request, batch) = blocking(move || batch(of, &permit, body, named)).await??;
    let proposal = service.publisher.propose(request, batch, core, wish, now).await?;
    tracing::info!(%gun, token, proposal = proposal.summary.id, "proposed");
    Ok(private_json(StatusCode::CREATED, &proposal))
}

/// GET `/v2/{gun}/_trust/proposals?after=&limit=`: the proposals of a collection, the oldest first.
#[utoipa::path(
    get, path = "/v2/{gun}/_trust/proposals",
    operation_id = "proposals",
    params(
        ("gun" = Gun, Path),
        ("after" = Option<String>, Query, description = "the last id of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1),
    ),
    responses((status = 200, body = Page<ProposalSummary>), ProposalLists),
    security((), ("token" = [])),
)]
pub async fn list(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let (gun, _) = collection_path(&request)?;
    let (after, limit) = page(&request, service.config.limits.page)?;
    let live = Readable::find(&service, &request, &gun).await?.live(&gun)?;
    let after = after.unwrap_or_default();
    let (publisher, now) = (&service.publisher, service.now());
    let items = publisher.list_proposals(&live, &after, limit + 1, now).await?;
    let body = Page::cut(items, limit as usize, |last: &ProposalSummary| last.id.clone());
    Ok(json_of(live.collection.is_public, &body))
}

/// GET `/v2/{gun}/_trust/proposals/{id}`: its files, who has signed, and who is missing.
#[utoipa::path(
    get, path = "/v2/{gun}/_trust/proposals/{id}",
    operation_id = "proposal",
    params(("gun" = Gun, Path), ("id" = String, Path)),
    responses((status = 200, body = Proposal), OneProposal),
    security((), ("token" = [])),
)]
pub async fn show(
    service: Data<Service>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ServiceError> {
    let (gun, _) = collection_path(&request)?;
    no_query(&request)?;
    let live = Readable::find(&service, &request, &gun).await?.live(&gun)?;
    let (_, id) = path.into_inner();
    let proposal = service.publisher.show_proposal(&live, &id, service.now()).await?;
    Ok(json_of(live.collection.is_public, &proposal))
}

/// POST `/v2/{gun}/_trust/proposals/{id}/signatures`: with the last signature that is needed it is
/// published. A repeat is fine, and goes on with a publish that did not come to its end.
#[utoipa::path(
    post, path = "/v2/{gun}/_trust/proposals/{id}/signatures",
    operation_id = "sign_proposal",
    params(("gun" = Gun, Path), ("id" = String, Path)),
    request_body = NewSignatures,
    responses((status = 200, body = SignedProposal), SigningProposals),
    security(("token" = [])),
)]
pub async fn sign(
    service: Data<Service>,
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    no_query(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Sign, now).await?;
    let NewSignatures { role, signatures } = document(&service, &request, payload).await?;
    if signatures.is_empty() {
        return Err(ServiceError::Malformed("the body: it has no signatures".into()));
    }
    let (id, by) = (path.into_inner().1, &permit.token().id);
    let mut given = Vec::with_capacity(signatures.len());
    for new in signatures {
        let Ok(bytes) = hex::decode(new.sig) else {
            return Err(ProposalRefusal::BadSignature { role, keyid: new.keyid }.into());
        };
        given.push(ProposedSignature { keyid: new.keyid, bytes, at: now, by: by.clone() });
    }
    let _place = service.publisher.place()?;
    let (publisher, memory) = (&service.publisher, &service.body_memory);
    let signing = Signing { gun, proposal: id, role, signatures: given };
    let signed = publisher.sign_proposal(&signing, memory, now).await?;
    let Signing { gun, proposal: id, .. } = signing;
    tracing::info!(%gun, token = by, proposal = id, state = ?signed.state, "proposal signed");
    Ok(private_json(StatusCode::OK, &signed))
}

/// DELETE `/v2/{gun}/_trust/proposals/{id}`: takes it back. Signatures that were given stay valid:
/// whoever has the file can publish it, until another version of its role is published.
#[utoipa::path(
    delete, path = "/v2/{gun}/_trust/proposals/{id}",
    operation_id = "cancel_proposal",
    params(("gun" = Gun, Path), ("id" = String, Path)),
    responses((status = 204, description = "cancelled"), OwnProposals),
    security(("token" = [])),
)]
pub async fn cancel(
    service: Data<Service>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    no_query(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Sign, now).await?;
    let live = service.publisher.ground(&gun).await?.live;
    let live = live.ok_or_else(|| ServiceError::UnknownCollection(gun.clone()))?;
    let (id, by) = (path.into_inner().1, permit.token().id.as_str());
    let who = (by, permit.covers_administration());
    service.publisher.cancel_proposal(&live, &id, who, now).await?;
    tracing::info!(%gun, token = by, proposal = id, "proposal cancelled");
    Ok(no_content())
}

fn wish_of(request: &HttpRequest, now: DateTime<Utc>) -> Result<(Wish, Named), ServiceError> {
    let malformed = |text: String| Err(ServiceError::Malformed(text));
    let mut named = Named::default();
    let (mut reason, mut lapses_at) = (String::new(), None);
    for (parameter, value) in query(request, &["reason", "lapses_at"], &Named::LISTS)? {
        match parameter.as_str() {
            "reason" => reason = value,
            "lapses_at" => match DateTime::parse_from_rfc3339(&value) {
                Ok(time) => lapses_at = Some(time.with_timezone(&Utc)),
                Err(_) => {
                    return malformed("lapses_at is a time like 2030-01-31T12:00:00Z".into());
                }
            },
            list => named.add(list, &value)?,
        }
    }
    let reason = Reason::parse(&reason)?.into();
    match lapses_at {
        Some(time) if time <= now => malformed(format!("lapses_at {time} has passed")),
        _ => Ok((Wish { id: draw_id(now), reason, lapses_at }, named)),
    }
}

/// A new id. Later ones are higher.
fn draw_id(now: DateTime<Utc>) -> String {
    let mut random = [0; ID_BYTES];
    SystemRandom::new().fill(&mut random).expect("the system gives random bytes");
    format!("{:08x}{}", now.timestamp(), hex::encode(random))
}
