//! Step 6 of a publish: what must be signed, as which versions, with which keys.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::json;
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::online::{
    Lifetimes, OnlineRole, Plan, PlannedSnapshot, PlannedTimestamp, entry, expires_after,
    next_snapshot, signing_keys,
};
use notary_schema::publish::{Head, Refusal, StoredFile};
use notary_schema::role::{FileMeta, Root, Snapshot};
use notary_schema::wire::KeyState;

use super::Publisher;
use crate::error::ServiceError;
use crate::store::{Collection, RoleFile, StoreResult};

/// The keys that the signer holds for one collection and would sign with.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(BTreeMap<OnlineRole, BTreeSet<KeyId>>);

impl Held {
    fn of(keys: impl IntoIterator<Item = (OnlineRole, KeyId, KeyState)>) -> Held {
        let mut held = Held::default();
        let usable = keys.into_iter().filter(|(.., state)| *state != KeyState::Retired);
        for (role, keyid, _) in usable {
            held.0.entry(role).or_default().insert(keyid);
        }
        held
    }

    /// The keys of both roles.
    pub(super) fn all(&self) -> BTreeSet<KeyId> {
        self.0.values().flatten().cloned().collect()
    }

    /// Refuses a root whose online roles would not reach their thresholds: the signer signs with
    /// keys of the role itself, and with no more than one request names.
    pub(super) fn require_for(&self, root: &Root) -> Result<(), Refusal> {
        for role in [OnlineRole::Snapshot, OnlineRole::Timestamp] {
            let (name, held) = (role.name(), self.signing(root, role).len());
            let listed = root.role_keys(&name).expect("a root lists the online roles");
            let threshold = listed.threshold.get();
            if held < threshold as usize {
                return Err(Refusal::OnlineKeysNotHeld { role: name, held, threshold });
            }
        }
        Ok(())
    }

    fn signing(&self, root: &Root, role: OnlineRole) -> Vec<KeyId> {
        self.0.get(&role).map_or_else(Vec::new, |held| signing_keys(root, role, held))
    }
}

/// The versions of the next snapshot and timestamp.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions {
    pub(super) snapshot: Version,
    pub(super) timestamp: Version,
}

impl Versions {
    /// One above the head, or the first.
    pub(super) fn after(head: Option<&Head>) -> Result<Versions, ServiceError> {
        let Some(head) = head else {
            return Ok(Versions { snapshot: Version::FIRST, timestamp: Version::FIRST });
        };
        let snapshot = version_after(head.snapshot.version())?;
        Ok(Versions { snapshot, timestamp: version_after(head.timestamp.version())? })
    }
}

/// A signer lets nobody run the versions up, so there always is one.
pub(super) fn version_after(version: Version) -> Result<Version, ServiceError> {
    version.next().map_err(|error| ServiceError::Internal(error.to_string()))
}

/// Plans both online roles over the head with these files applied.
pub(super) fn plan(
    head: Option<&Head>,
    files: &[RoleFile],
    held: &Held,
    lifetimes: &Lifetimes,
    versions: Versions,
    now: DateTime<Utc>,
) -> Plan {
    let root = next_root(head, files);
    let expires = expires_after(now, lifetimes.snapshot_seconds);
    let previous = head.map(|head| head.snapshot.signed());
    let snapshot = next_snapshot(previous, entries(files), versions.snapshot, expires);
    Plan {
        snapshot: Some(PlannedSnapshot {
            version: versions.snapshot,
            signed: Unsigned::of::<Snapshot>(&snapshot).message().to_vec(),
            keyids: held.signing(&root, OnlineRole::Snapshot),
        }),
        timestamp: PlannedTimestamp {
            version: versions.timestamp,
            expires: expires_after(now, lifetimes.timestamp_seconds),
            keyids: held.signing(&root, OnlineRole::Timestamp),
        },
    }
}

/// The root that clients will have: the newest of the files, or that of the head.
pub(super) fn next_root(head: Option<&Head>, files: &[RoleFile]) -> Arc<Root> {
    let new = files.iter().rev().find_map(|file| match file {
        RoleFile::Root(root) => Some(root),
        RoleFile::Targets(..) => None,
    });
    let root: &Envelope<Root> = new
        .or(head.map(|head| &head.root))
        .expect("a first release has a root, every other one a head");
    Arc::new(root.signed().clone())
}

/// The snapshot entries of files; of two of one role the later one.
fn entries(files: &[RoleFile]) -> BTreeMap<RoleName, FileMeta> {
    let targets = files.iter().filter_map(|file| match file {
        RoleFile::Root(_) => None,
        RoleFile::Targets(role, file) => Some((role.clone(), entry(file))),
    });
    targets.collect()
}

/// The whole next head as a client would see it: the planned snapshot lists exactly the current file
/// of every role. What does not is never signed.
pub(super) fn require_whole(
    files: &BTreeMap<RoleName, StoredFile>,
    plan: &Plan,
) -> Result<(), ServiceError> {
    let Some(planned) = &plan.snapshot else { return Ok(()) };
    let snapshot: Snapshot = json::read(&planned.signed).expect("we wrote it");
    let is_listed = |role: &RoleName, file: &StoredFile| {
        snapshot.entry(role).is_some_and(|entry| {
            let sha256 = entry.hashes.as_ref().and_then(|hashes| hashes.sha256());
            entry.version == file.version && sha256.is_none_or(|sha256| sha256 == file.sha256)
        })
    };
    match files.iter().find(|(role, file)| !is_listed(role, file)) {
        Some((role, file)) => Err(ServiceError::Internal(format!(
            "the next snapshot does not list {role} {} of the database",
            file.version
        ))),
        None => Ok(()),
    }
}

impl Publisher {
    /// The keys that the signer holds now, noted in the store.
    pub(super) async fn held_now(&self, collection: &Collection) -> Result<Held, ServiceError> {
        let keys = self.signer.keys(&collection.gun, &collection.incarnation).await?;
        // A key belongs to one life of one collection; a signer that answers more is not believed.
        let own = |key: &notary_schema::wire::SignerKey| {
            key.collection == collection.gun && key.incarnation == collection.incarnation
        };
        let keys: Vec<_> = keys.into_iter().filter(own).collect();
        self.store.save_online_keys(collection.id, &keys).await?;
        Ok(Held::of(keys.into_iter().map(|key| (key.role, key.keyid, key.state))))
    }

    /// The keys that the signer held when it was last asked.
    pub(super) async fn held_then(&self, collection: &Collection) -> StoreResult<Held> {
        Ok(Held::of(self.store.online_keys(collection.id).await?))
    }
}
