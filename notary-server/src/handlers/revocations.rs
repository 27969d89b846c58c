//! Keys that sign nothing new in a collection.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::online::OnlineRole;
use notary_schema::publish::Head;
use notary_schema::reason::{Reason, plain};
use notary_schema::wire;
use notary_schema::wire::{NewRevocation, Page};

use super::problems::{NewRevocations, OneRevocation, Revocations};
use super::{
    Readable, collection_path, document, json_of, no_content, no_query, page, private_json,
};
use crate::auth::Wanted;
use crate::error::ServiceError;
use crate::served::Live;
use crate::service::Service;
use crate::store::{self, Revocation, RevokedKey};

/// GET `/v2/{gun}/_trust/revocations?after=&limit=`: the revoked keys of a collection, by their ids.
#[utoipa::path(
    get, path = "/v2/{gun}/_trust/revocations",
    operation_id = "revocations",
    params(
        ("gun" = Gun, Path),
        ("after" = Option<String>, Query, description = "the last id of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1),
    ),
    responses((status = 200, body = Page<wire::Revocation>), Revocations),
    security((), ("token" = [])),
)]
pub async fn list(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let (gun, _) = collection_path(&request)?;
    let (after, limit) = page(&request, service.config.limits.page)?;
    let live = Readable::find(&service, &request, &gun).await?.live(&gun)?;
    let (id, after) = (live.collection.id, after.unwrap_or_default());
    let revocations = service.store.revocations(id, &after, limit + 1).await?;
    let told = Told::of(&gun, &live.head);
    let items = revocations.into_iter().map(|revocation| told.tell(revocation)).collect();
    let name = |last: &wire::Revocation| last.keyid.to_string();
    Ok(json_of(live.collection.is_public, &Page::cut(items, limit as usize, name)))
}

/// POST `/v2/{gun}/_trust/revocations`: revokes a key. What is prepared from then on has none of its
/// signatures counted. A repeat, also under another id of the same public key, answers what is there.
#[utoipa::path(
    post, path = "/v2/{gun}/_trust/revocations",
    operation_id = "revoke",
    params(("gun" = Gun, Path)),
    request_body = NewRevocation,
    responses(
        (status = 201, body = wire::Revocation),
        (status = 200, body = wire::Revocation, description = "revoked before"),
        NewRevocations,
    ),
    security(("token" = [])),
)]
pub async fn create(
    service: Data<Service>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    no_query(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Admin, now).await?;
    let NewRevocation { keyid, key, reason } = document(&service, &request, payload).await?;
    let reason = Reason::parse(&reason)?.into();
    let live = live(&service, &gun).await?;
    let key = wanted_key(&service, &live, keyid, key).await?;
    let Some(public) = key.public().cloned() else {
        return Err(ServiceError::UnknownKeyType(key.id().to_string()));
    };
    let by = permit.token().id.clone();
    let most = service.config.limits.revocations;
    let new = store::NewRevocation { key, public, reason, by, most };
    let (status, revocation) = match service.store.revoke(live.collection.id, new, now).await? {
        RevokedKey::New(revocation, collection) => {
            service.served.forget_before(&collection);
            let (keyid, by) = (revocation.key.id(), &revocation.by);
            tracing::info!(%gun, by, %keyid, reason = revocation.reason, "key revoked");
            (StatusCode::CREATED, revocation)
        }
        RevokedKey::Before(revocation) => (StatusCode::OK, revocation),
        RevokedKey::TooMany(most) => return Err(ServiceError::TooManyRevocations(most)),
        RevokedKey::Gone => return Err(ServiceError::OnTombstone(gun)),
    };
    Ok(private_json(status, &Told::of(&gun, &live.head).tell(revocation)))
}

/// DELETE `/v2/{gun}/_trust/revocations/{keyid}`: takes a revocation back. From then on the key
/// counts again where it is named.
#[utoipa::path(
    delete, path = "/v2/{gun}/_trust/revocations/{keyid}",
    operation_id = "unrevoke",
    params(("gun" = Gun, Path), ("keyid" = KeyId, Path)),
    responses((status = 204, description = "taken back"), OneRevocation),
    security(("token" = [])),
)]
pub async fn delete(
    service: Data<Service>,
    request: HttpRequest,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    no_query(&request)?;
    let permit = service.gate.permit(request.headers(), &gun, Wanted::Admin, now).await?;
    let (id, by) = (live(&service, &gun).await?.collection.id, &permit.token().id);
    let keyid = path.into_inner().1;
    let unknown = || ServiceError::UnknownRevocation(shown(&keyid));
    let named = KeyId::parse(&keyid).map_err(|_| unknown())?;
    let changed = service.store.unrevoke(id, &named, by, now).await?.ok_or_else(unknown)?;
    service.served.forget_before(&changed);
    tracing::info!(%gun, by, %keyid, "revocation taken back");
    Ok(no_content())
}

/// The collection, for whoever changes something of it.
async fn live(service: &Service, gun: &Gun) -> Result<Arc<Live>, ServiceError> {
    let live = service.publisher.ground(gun).await?.live;
    live.ok_or_else(|| ServiceError::UnknownCollection(gun.clone()))
}

/// The key object that was sent, or the one that the collection has under the id.
async fn wanted_key(
    service: &Service,
    live: &Live,
    keyid: Option<KeyId>,
    key: Option<Key>,
) -> Result<Key, ServiceError> {
    match (keyid, key) {
        (None, None) => Err(ServiceError::Malformed("the body: it has no key and no keyid".into())),
        (Some(keyid), _) if keyid.as_str().is_empty() => {
            Err(ServiceError::Malformed("the body: its keyid is empty".into()))
        }
        (Some(keyid), Some(key)) if keyid != *key.id() => Err(ServiceError::Malformed(format!(
            "the body: the key has the id {}, not {}",
            key.id(),
            shown(keyid.as_str())
        ))),
        (_, Some(key)) => Ok(key),
        (Some(keyid), None) => {
            // What is read of large files takes many times their memory.
            let _core = service.publisher.core().await?;
            let found = service.store.find_key(live.collection.id, &keyid).await?;
            found.ok_or_else(|| ServiceError::UnknownKey(shown(keyid.as_str())))
        }
    }
}

/// As much of an id as a sentence may hold.
fn shown(id: &str) -> String {
    plain(&id.chars().take(80).collect::<String>())
}

/// What is told of revocations beside what is stored.
struct Told<'a> {
    gun: &'a Gun,
    head: &'a Head,
    named: BTreeMap<&'a PublicKey, BTreeSet<RoleName>>,
}

impl<'a> Told<'a> {
    fn of(gun: &'a Gun, head: &'a Head) -> Told<'a> {
        Told { gun, head, named: head.named_keys() }
    }

    fn tell(&self, revocation: Revocation) -> wire::Revocation {
        let Revocation { key, reason, at, by } = revocation;
        let listed_in = key.public().and_then(|public| self.named.get(public)).cloned();
        let warnings = self.warnings(&key);
        let listed_in = listed_in.unwrap_or_default().into_iter().collect();
        wire::Revocation { keyid: key.id().clone(), key, reason, at, by, listed_in, warnings }
    }

    fn warnings(&self, key: &Key) -> Vec<String> {
        let root = self.head.root.signed();
        let signs = |role: &OnlineRole| {
            let authority = root.authority(&role.name()).expect("a root lists the online roles");
            let mut listed = authority.role.keyids.iter().filter_map(|id| authority.keys.get(id));
            listed.any(|listed| key.public().is_some() && listed.public() == key.public())
        };
        let online = OnlineRole::BOTH.into_iter().filter(signs);
        let warning = |role: OnlineRole| {
            let (gun, role) = (self.gun, role.name());
            format!(
                "{role} is signed by it until a root leaves it out, since clients would refuse \
                 anything else: `notary rotate {gun} {role} --compromised`"
            )
        };
        online.map(warning).collect()
    }
}
