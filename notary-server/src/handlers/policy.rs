//! What an administrator decides about a collection.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use notary_schema::name::Gun;
use notary_schema::online::OwnLifetimes;
use notary_schema::wire::{CollectionPolicy, PolicyChange};

use super::problems::{Collection as OfCollection, Policies};
use super::{Readable, collection_path, document, json_of, no_query};
use crate::auth::Wanted;
use crate::error::ServiceError;
use crate::service::Service;
use crate::store::{Collection, NewPolicy, State};

/// How often a change starts again because somebody else was faster.
const MAX_MOVES: usize = 8;

/// GET `/v2/{gun}/_trust/policy`.
#[utoipa::path(
    get, path = "/v2/{gun}/_trust/policy",
    operation_id = "policy",
    params(("gun" = Gun, Path)),
    responses((status = 200, body = CollectionPolicy), OfCollection),
    security((), ("token" = [])),
)]
pub async fn show(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let (gun, _) = collection_path(&request)?;
    no_query(&request)?;
    let live = Readable::find(&service, &request, &gun).await?.live(&gun)?;
    Ok(policy_of(&service, &live.collection))
}

/// PATCH `/v2/{gun}/_trust/policy`: changes what is named. Who may read is asked from the next
/// request on; what is signed from then on lives as long as it says, and the refresh signs again what
/// lives longer.
#[utoipa::path(
    patch, path = "/v2/{gun}/_trust/policy",
    operation_id = "change_policy",
    params(("gun" = Gun, Path)),
    request_body = PolicyChange,
    responses((status = 200, body = CollectionPolicy), Policies),
    security(("token" = [])),
)]
pub async fn change(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    no_query(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Admin, now).await?;
    let wanted: PolicyChange = document(&service, &request, payload).await?;
    let by = &permit.token().id;
    for _ in 0..MAX_MOVES {
        let read = match service.store.standing(&gun).await?.life {
            Some(life) if life.state == State::Live => life,
            Some(_) => return Err(ServiceError::OnTombstone(gun)),
            None => return Err(ServiceError::UnknownCollection(gun)),
        };
        let is_public = wanted.public.unwrap_or(read.is_public);
        let lifetimes = wanted.applied_to(read.lifetimes.clone());
        require_good(&service, &wanted, &lifetimes).await?;
        let policy = NewPolicy { is_public, lifetimes, by: by.clone() };
        if let Some(changed) = service.store.set_policy(&read, policy, now).await? {
            if changed.seq != read.seq {
                service.served.forget_before(&changed);
                tracing::info!(%gun, by, ?wanted, "policy changed");
            }
            return Ok(policy_of(&service, &changed));
        }
    }
    Err(ServiceError::Busy("others change this collection"))
}

/// Refuses lifetimes that make no sense together, or that the signer does not allow. Who changes
/// something else is not asked about them.
async fn require_good(
    service: &Service,
    wanted: &PolicyChange,
    own: &OwnLifetimes,
) -> Result<(), ServiceError> {
    if wanted.lifetimes.is_empty() {
        return Ok(());
    }
    let lifetimes = service.config.lifetimes.with(own);
    lifetimes.require_sound(service.config.refresh.interval_seconds)?;
    if wanted.lifetimes.keys().any(|lifetime| lifetime.is_online()) {
        let limits = service.signer.limits().await?;
        service.publisher.note_limits(&limits);
        lifetimes.require_allowed(&(&limits).into())?;
    }
    Ok(())
}

fn policy_of(service: &Service, collection: &Collection) -> HttpResponse {
    let policy = CollectionPolicy {
        public: collection.is_public,
        lifetimes: service.publisher.lifetimes_of(collection),
        own_lifetimes: collection.lifetimes.clone(),
    };
    json_of(collection.is_public, &policy)
}
