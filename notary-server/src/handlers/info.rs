//! What collections there are, and what one is made of.

mod role_list;

use std::collections::BTreeSet;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use notary_schema::name::{Gun, RoleName};
use notary_schema::role::FileMeta;
use notary_schema::wire::{CollectionInfo, CollectionSummary, LostFile, Page};

use super::problems::{Collection, Lists};
use super::{Readable, collection_path, json_of, page, query, readable_names};
use crate::error::ServiceError;
use crate::service::Service;
use role_list::RoleList;

/// Most roles that one request names. No configuration key: a client that needs more asks several
/// times, and must know how many.
const MAX_NAMED_ROLES: usize = 100;

/// GET `/v2/_trust/collections?after=&limit=`.
#[utoipa::path(
    get, path = "/v2/_trust/collections",
    params(
        ("after" = Option<Gun>, Query, description = "the last name of the page before"),
        ("limit" = Option<u32>, Query, minimum = 1),
    ),
    responses((status = 200, body = Page<CollectionSummary>), Lists),
    security((), ("token" = [])),
)]
pub async fn collections(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let readable = readable_names(&service, &request).await?;
    let (after, limit) = page(&request, service.config.limits.page)?;
    let after = after.map(|after| Gun::parse(&after)).transpose();
    let after = after.map_err(|error| ServiceError::Malformed(error.to_string()))?;
    let (names, wanted) = (readable.as_ref(), limit.saturating_add(1));
    let items = service.store.collections(names, after.as_ref(), wanted).await?;
    let page = Page::cut(items, limit as usize, |last: &CollectionSummary| last.gun.to_string());
    Ok(json_of(readable.is_none(), &page))
}

/// GET `/v2/{gun}/_trust/?role=…`.
#[utoipa::path(
    get, path = "/v2/{gun}/_trust/",
    params(
        ("gun" = Gun, Path),
        ("role" = Option<Vec<String>>, Query, max_items = 100,
            description = "only these roles beside the top-level ones, bins among them, and those \
                on the way to them; repeated, at most 100 times"),
    ),
    responses((status = 200, body = CollectionInfo), Collection),
    security((), ("token" = [])),
)]
pub async fn collection(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    let wanted = wanted_roles(&request)?;
    let live = Readable::find(&service, &request, &gun).await?.live(&gun)?;
    let slot = service.store.slot(&live.collection).await?;
    let online_keys = service.store.online_keys(live.collection.id).await?;
    let list = RoleList::of(&live.head, wanted, now);
    let info = CollectionInfo {
        gun,
        incarnation: live.collection.incarnation.clone(),
        seq: live.collection.seq,
        roles: list.roles,
        bins: list.bins,
        keys: list.keys,
        lifetimes: service.publisher.lifetimes_of(&live.collection),
        lost: live.head.lost.iter().map(lost_file).collect(),
        lost_root: online_keys.iter().any(|key| key.is_found),
        not_compared: !service.publisher.is_compared(live.collection.id),
        unfinished: slot.map(|slot| notary_schema::wire::UnfinishedRelease {
            prepared_at: slot.prepared_at(),
            reason: slot.pause().map(|pause| pause.reason.clone()),
            retry_at: slot.pause().map(|pause| pause.retry_at),
        }),
    };
    Ok(json_of(live.collection.is_public, &info))
}

fn lost_file((role, listed): (&RoleName, &FileMeta)) -> LostFile {
    LostFile {
        name: role.clone(),
        version: listed.version,
        length: listed.length,
        sha256: listed.hashes.as_ref().and_then(|it| it.sha256()).map(str::to_owned),
    }
}

/// The roles of `role=`; `None` where all are wanted.
fn wanted_roles(request: &HttpRequest) -> Result<Option<BTreeSet<RoleName>>, ServiceError> {
    let named = query(request, &[], &["role"])?;
    if named.len() > MAX_NAMED_ROLES {
        let text = format!("more than {MAX_NAMED_ROLES} roles are named; ask for some at a time");
        return Err(ServiceError::Malformed(text));
    }
    let parse = |(_, role): &(String, String)| {
        RoleName::parse(role).map_err(|error| ServiceError::Malformed(error.to_string()))
    };
    let roles = named.iter().map(parse).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(Some(roles).filter(|roles| !roles.is_empty()))
}
