//! What an administrator decides about a collection.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use notary_schema::name::Gun;
use notary_schema::wire::CollectionPolicy;

use super::{Readable, collection_path, document, json_of, no_query};
use crate::auth::Wanted;
use crate::error::ServiceError;
use crate::openapi::problems::{Collection as OfCollection, Policies};
use crate::startup::Service;
use crate::store::{Collection, State};

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
    Ok(policy_of(&live.collection))
}

/// PATCH `/v2/{gun}/_trust/policy`: changes what is named. Who may read is asked from the next
/// request on.
#[utoipa::path(
    patch, path = "/v2/{gun}/_trust/policy",
    operation_id = "change_policy",
    params(("gun" = Gun, Path)),
    request_body = CollectionPolicy,
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
    let wanted: CollectionPolicy = document(&service, &request, payload).await?;
    if let Some(public) = wanted.public {
        let by = &permit.token().id;
        if let Some(changed) = service.store.set_public(&gun, public, by, now).await? {
            service.served.forget_before(&changed);
            tracing::info!(%gun, by, public, "policy changed");
        }
    }
    match service.store.standing(&gun).await?.life {
        Some(life) if life.state == State::Live => Ok(policy_of(&life)),
        Some(_) => Err(ServiceError::OnTombstone(gun)),
        None => Err(ServiceError::UnknownCollection(gun)),
    }
}

fn policy_of(collection: &Collection) -> HttpResponse {
    let policy = CollectionPolicy { public: Some(collection.is_public) };
    json_of(collection.is_public, &policy)
}
