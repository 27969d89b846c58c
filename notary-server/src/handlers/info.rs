//! What collections there are, and what one is made of.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::path::PathSet;
use notary_schema::publish::{Head, StoredFile};
use notary_schema::role::{DelegatedRole, Role, RoleKeys};
use notary_schema::wire::{CollectionInfo, CollectionSummary, FileInfo, Page, RoleInfo};

use super::{collection_path, no_query, query};
use crate::error::ServiceError;
use crate::startup::Service;

/// GET `/v2/_trust/collections?after=&limit=`.
pub async fn collections(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<Json<Page<CollectionSummary>>, ServiceError> {
    let malformed = |error: &dyn std::fmt::Display| ServiceError::Malformed(error.to_string());
    let (mut after, mut limit) = (None, service.config.limits.page);
    for (name, value) in query(&request, &["after", "limit"])? {
        match name.as_str() {
            "after" => after = Some(Gun::parse(&value).map_err(|error| malformed(&error))?),
            _ => {
                let wanted: u32 = value
                    .parse()
                    .ok()
                    .filter(|wanted| *wanted > 0)
                    .ok_or_else(|| malformed(&"limit is a number from 1"))?;
                limit = wanted.min(limit);
            }
        }
    }
    // One more than the page tells whether there is another one.
    let mut items = service.store.collections(after.as_ref(), limit.saturating_add(1)).await?;
    let has_more = items.len() > limit as usize;
    items.truncate(limit as usize);
    let next = items.last().filter(|_| has_more).map(|last| last.gun.to_string());
    Ok(Json(Page { items, next }))
}

/// GET `/v2/{gun}/_trust/`.
pub async fn collection(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<Json<CollectionInfo>, ServiceError> {
    let now = service.now();
    let (gun, _) = collection_path(&request)?;
    no_query(&request)?;
    let Some(live) = service.served.live(&gun).await? else {
        return Err(ServiceError::UnknownCollection(gun));
    };
    let slot = service.store.slot(&live.collection).await?;
    let mut list = RoleList { head: &live.head, now, roles: Vec::new(), keys: BTreeMap::new() };
    list.add_top_level();
    list.add_delegated();
    Ok(Json(CollectionInfo {
        gun,
        incarnation: live.collection.incarnation.clone(),
        seq: live.collection.seq,
        roles: list.roles,
        keys: list.keys,
        lifetimes: service.config.lifetimes,
        unfinished: slot.map(|slot| notary_schema::wire::UnfinishedRelease {
            prepared_at: slot.prepared_at(),
            reason: slot.pause().map(|pause| pause.reason.clone()),
            retry_at: slot.pause().map(|pause| pause.retry_at),
        }),
    }))
}

/// The roles of a head and the keys that they name.
struct RoleList<'a> {
    head: &'a Head,
    now: DateTime<Utc>,
    roles: Vec<RoleInfo>,
    keys: BTreeMap<KeyId, Key>,
}

impl RoleList<'_> {
    fn add_top_level(&mut self) {
        let head = self.head;
        let root = head.root.signed();
        let files = [
            (RoleName::ROOT, Some(self.envelope(&head.root))),
            (RoleName::TARGETS, head.files.get(&RoleName::TARGETS).map(|file| self.stored(file))),
            (RoleName::SNAPSHOT, Some(self.envelope(&head.snapshot))),
            (RoleName::TIMESTAMP, Some(self.envelope(&head.timestamp))),
        ];
        for (name, file) in files {
            let signers = root.role_keys(&name).expect("a root lists the top-level roles");
            self.add_keys(signers, &root.keys);
            self.roles.push(role_info(name, file, signers));
        }
    }

    /// The delegated roles in the order in which a look-up meets them (TUF 5.6.7), each once for
    /// each delegator.
    fn add_delegated(&mut self) {
        let head = self.head;
        let below = |delegator: &RoleName| {
            let file = head.files.get(delegator).and_then(|stored| stored.file.as_ref());
            let delegations = file.and_then(|file| file.signed().delegations.as_ref());
            let roles = delegations.into_iter().flat_map(|all| all.roles.iter().rev());
            let edge = |role| (delegator.clone(), delegations.map(|all| &all.keys), role);
            roles.map(edge).collect::<Vec<_>>()
        };
        let mut visited = BTreeSet::from([RoleName::TARGETS]);
        let mut stack = below(&RoleName::TARGETS);
        while let Some((delegator, keys, delegated)) = stack.pop() {
            self.add_keys(&delegated.signers, keys.expect("a delegation has keys beside it"));
            let file = head.files.get(&delegated.name).map(|file| self.stored(file));
            self.roles.push(delegated_info(delegated, file, &delegator));
            if visited.insert(delegated.name.clone()) {
                stack.extend(below(&delegated.name));
            }
        }
    }

    fn add_keys(&mut self, signers: &RoleKeys, keys: &BTreeMap<KeyId, Key>) {
        for keyid in &signers.keyids {
            if let Some(key) = keys.get(keyid) {
                self.keys.insert(keyid.clone(), key.clone());
            }
        }
    }

    fn envelope<T: Role>(&self, file: &Envelope<T>) -> FileInfo {
        FileInfo {
            version: file.version(),
            length: file.bytes().len() as u64,
            sha256: file.sha256().to_owned(),
            expires: file.expires().time(),
            expired: file.expires().is_past(self.now),
        }
    }

    fn stored(&self, file: &StoredFile) -> FileInfo {
        FileInfo {
            version: file.version,
            length: file.length,
            sha256: file.sha256.clone(),
            expires: file.expires.time(),
            expired: file.expires.is_past(self.now),
        }
    }
}

fn role_info(name: RoleName, file: Option<FileInfo>, signers: &RoleKeys) -> RoleInfo {
    RoleInfo {
        name,
        file,
        keyids: signers.keyids.clone(),
        threshold: signers.threshold.get(),
        delegated_by: None,
        paths: None,
        path_hash_prefixes: None,
        terminating: false,
    }
}

fn delegated_info(
    delegated: &DelegatedRole,
    file: Option<FileInfo>,
    delegator: &RoleName,
) -> RoleInfo {
    let (paths, path_hash_prefixes) = match &delegated.paths {
        PathSet::Paths(paths) => {
            (Some(paths.iter().map(|path| path.as_str().to_owned()).collect()), None)
        }
        PathSet::HashPrefixes(prefixes) => (None, Some(prefixes.clone())),
    };
    RoleInfo {
        delegated_by: Some(delegator.clone()),
        paths,
        path_hash_prefixes,
        terminating: delegated.terminating,
        ..role_info(delegated.name.clone(), file, &delegated.signers)
    }
}
