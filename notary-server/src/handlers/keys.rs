//! The online keys of a collection, for the root that will name them.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use notary_schema::name::Incarnation;
use notary_schema::online::OnlineRole;
use notary_schema::wire::{KeyRequest, OnlineKey};
use ring::rand::{SecureRandom, SystemRandom};

use super::{collection_path, query};
use crate::auth::Wanted;
use crate::error::ServiceError;
use crate::startup::Service;

/// POST `/v2/{gun}/_trust/keys/{snapshot|timestamp}`: reserves a free name, draws its incarnation,
/// and answers the key that the signer holds for it. A repeat answers the same.
pub async fn online_key(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<Json<OnlineKey>, ServiceError> {
    let now = service.now();
    let (gun, rest) = collection_path(&request)?;
    service.gate.permit(request.headers(), &gun, Wanted::Admin, now).await?;
    let role = match rest {
        "keys/snapshot" => OnlineRole::Snapshot,
        "keys/timestamp" => OnlineRole::Timestamp,
        _ => {
            let text =
                "the service signs snapshot and timestamp only: keys/snapshot, keys/timestamp";
            return Err(ServiceError::Malformed(text.into()));
        }
    };
    let mut rotate = false;
    for (_, value) in query(&request, &["rotate"])? {
        rotate = match value.as_str() {
            "true" => true,
            "false" => false,
            _ => return Err(ServiceError::Malformed("rotate is true or false".into())),
        };
    }
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    let most = service.config.limits.reservations;
    let reserved = service.store.reserve(&gun, &Incarnation::from_random(bytes), most, now).await?;
    let collection = reserved.ok_or(ServiceError::TooManyReservations(most))?;
    let incarnation = collection.incarnation.clone();
    let key =
        service.signer.key(&KeyRequest { collection: gun, incarnation, role, rotate }).await?;
    service.store.save_online_keys(collection.id, std::slice::from_ref(&key)).await?;
    Ok(Json(OnlineKey { keyid: key.keyid, key: key.key, state: key.state }))
}
