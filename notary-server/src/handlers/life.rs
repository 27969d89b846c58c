//! The end of a collection, and its return.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use notary_schema::name::Gun;
use notary_schema::wire::{CollectionLife, CollectionState};

use super::problems::{Deleting, Undeleting};
use super::{collection_path, no_query, private_json, query};
use crate::auth::Wanted;
use crate::error::ServiceError;
use crate::service::Service;
use crate::store::{Collection, State};

/// DELETE `/v2/{gun}/_trust/tuf/?confirm={gun}`: drops a reservation, or makes the collection a
/// tombstone. A repeat is fine.
#[utoipa::path(
    delete, path = "/v2/{gun}/_trust/tuf/",
    params(
        ("gun" = Gun, Path),
        ("confirm" = Gun, Query, description = "the collection once more"),
    ),
    responses((status = 200, body = CollectionLife), Deleting),
    security(("token" = [])),
)]
pub async fn delete(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Admin, now).await?;
    let parameters = query(&request, &["confirm"], &[])?;
    if !matches!(&parameters[..], [(_, confirmed)] if confirmed == gun.as_str()) {
        let text = format!("to delete the collection, name it once more: ?confirm={gun}");
        return Err(ServiceError::Malformed(text));
    }
    let by = &permit.token().id;
    let Some(left) = service.store.bury(&gun, by, now).await? else {
        return Err(ServiceError::UnknownCollection(gun));
    };
    if let Some(tombstone) = &left.life {
        service.served.forget_before(tombstone);
    }
    tracing::info!(%gun, by, "deleted");
    answer(&service, gun, left.life).await
}

/// POST `/v2/{gun}/_trust/undelete`: makes a tombstone a collection again, with fresh online roles.
/// A repeat is fine.
#[utoipa::path(
    post, path = "/v2/{gun}/_trust/undelete",
    params(("gun" = Gun, Path)),
    responses((status = 200, body = CollectionLife), Undeleting),
    security(("token" = [])),
)]
pub async fn undelete(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Admin, now).await?;
    no_query(&request)?;
    let collection = service.publisher.undelete(&gun, &permit.token().id).await?;
    answer(&service, gun, Some(collection)).await
}

async fn answer(
    service: &Service,
    gun: Gun,
    life: Option<Collection>,
) -> Result<HttpResponse, ServiceError> {
    let root = match &life {
        Some(life) => service.store.newest_root(life.id).await?,
        None => None,
    };
    let state = match &life {
        None => CollectionState::Free,
        Some(life) if life.state == State::Deleted => CollectionState::Deleted,
        Some(_) => CollectionState::Live,
    };
    let deleted_at = life.and_then(|life| life.deleted_at);
    Ok(private_json(StatusCode::OK, &CollectionLife { gun, state, root, deleted_at }))
}
