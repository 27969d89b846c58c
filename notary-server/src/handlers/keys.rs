//! The online keys of a collection, for the root that will name them.

use actix_web::http::StatusCode;
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use notary_schema::name::{Incarnation, KeyId};
use notary_schema::online::OnlineRole;
use notary_schema::wire::{KeyRequest, KeyState, OnlineKey, SignerKey};
use ring::rand::{SecureRandom, SystemRandom};

use super::problems::Keys;
use super::{boolean, collection_path, private_json, query, sha256};
use crate::auth::Wanted;
use crate::error::ServiceError;
use crate::service::Service;
use crate::store::{Collection, NewReservation, Reserved};

/// POST `/v2/{gun}/_trust/keys/{snapshot|timestamp}`: reserves a free name, draws its incarnation,
/// and answers the key that the signer holds for it, with its stand-by. A repeat answers the same.
/// With `private=true` only those with a grant will read what becomes of it; `replace=` names the
/// newest root of the tombstone under the name, and does nothing where there is none.
#[utoipa::path(
    post, path = "/v2/{gun}/_trust/keys/{role}",
    params(
        ("gun" = notary_schema::name::Gun, Path),
        ("role" = OnlineRole, Path),
        ("rotate" = Option<bool>, Query, description = "whether a new key is wanted"),
        ("private" = Option<bool>, Query, description = "whether only those with a grant may read it"),
        ("replace" = Option<String>, Query, pattern = "^[0-9a-f]{64}$",
            description = "SHA-256 of the newest root of the tombstone that the new collection replaces"),
    ),
    responses((status = 200, body = OnlineKey), Keys),
    security(("token" = [])),
)]
pub async fn online_key(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, rest) = collection_path(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Admin, now).await?;
    let role = match rest {
        "keys/snapshot" => OnlineRole::Snapshot,
        "keys/timestamp" => OnlineRole::Timestamp,
        _ => {
            let text =
                "the service signs snapshot and timestamp only: keys/snapshot, keys/timestamp";
            return Err(ServiceError::Malformed(text.into()));
        }
    };
    let asked = Asked::read(&request)?;
    let reservation = NewReservation {
        gun: gun.clone(),
        incarnation: Incarnation::from_random(random_bytes()),
        is_public: !asked.private.unwrap_or(false),
        origin: permit.token().origin.clone(),
        replaces: asked.replaces,
        most: service.config.limits.reservations,
        most_of_origin: service.config.limits.reservations_per_origin,
    };
    let collection = match service.store.reserve(reservation, now).await? {
        Reserved::As(collection) => collection,
        Reserved::OnTombstone => return Err(ServiceError::OnTombstone(gun)),
        Reserved::TooMany(most) => return Err(ServiceError::TooManyReservations(most)),
    };
    if asked.private.is_some_and(|private| private == collection.is_public) {
        return Err(ServiceError::ReservedOtherwise(gun));
    }
    let except = revoked_pending(&service, &collection).await?;
    let (incarnation, rotate) = (collection.incarnation.clone(), asked.rotate);
    let wanted = KeyRequest { collection: gun, incarnation, role, rotate, except };
    let key = service.signer.key(&wanted).await?;
    let keys = key.clone().with_standby();
    if !service.store.save_online_keys(collection.id, &keys).await? {
        return Err(ServiceError::Busy("the name was freed meanwhile"));
    }
    Ok(private_json(StatusCode::OK, &answer(key)))
}

fn answer(key: SignerKey) -> OnlineKey {
    let SignerKey { keyid, key, state, standby, .. } = key;
    OnlineKey { keyid, key, state, standby: standby.map(|standby| Box::new(answer(*standby))) }
}

/// The pending keys of a collection that are revoked: no root may name one, so who asks for a key gets
/// another.
async fn revoked_pending(
    service: &Service,
    collection: &Collection,
) -> Result<Vec<KeyId>, ServiceError> {
    let live = service.served.live(&collection.gun).await?;
    let Some(live) = live.filter(|live| !live.head.revoked.is_empty()) else {
        return Ok(Vec::new());
    };
    let keys = service.signer.keys(&collection.gun, &collection.incarnation).await?;
    let is_revoked =
        |key: &SignerKey| key.state == KeyState::Pending && live.head.revoked.contains(&key.key);
    Ok(keys.into_iter().filter(is_revoked).map(|key| key.keyid).collect())
}

/// The parameters of the request.
#[derive(Default)]
struct Asked {
    rotate: bool,
    /// Absent where the name may be either.
    private: Option<bool>,
    replaces: Option<String>,
}

impl Asked {
    fn read(request: &HttpRequest) -> Result<Asked, ServiceError> {
        let mut asked = Asked::default();
        for (name, value) in query(request, &["rotate", "private", "replace"], &[])? {
            match name.as_str() {
                "rotate" => asked.rotate = boolean(&name, &value)?,
                "private" => asked.private = Some(boolean(&name, &value)?),
                _ => asked.replaces = Some(sha256(value)?),
            }
        }
        Ok(asked)
    }
}

fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
