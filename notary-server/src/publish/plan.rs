//! Step 6 of a publish: what must be signed, as which versions, with which keys.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::json;
use notary_schema::name::RoleName;
use notary_schema::online::{
    self, Exhausted, HeldKeys, Lifetimes, Overlap, Plan, Signing, Versions,
};
use notary_schema::publish::{Head, snapshot_entries};
use notary_schema::role::{Root, Snapshot, Targets};
use notary_schema::wire::KeyState;

use super::Publisher;
use crate::error::ServiceError;
use crate::served::apply;
use crate::store::{Collection, OnlineKey, RoleFile, StoreResult};

/// One above the head, or the first.
///
/// # Errors
/// At the last version.
pub(super) fn versions_after(head: Option<&Head>) -> Result<Versions, Exhausted> {
    let (snapshot, timestamp) =
        (head.map(|head| head.snapshot.version()), head.map(|head| head.timestamp.version()));
    Versions::FIRST.above(snapshot, timestamp)
}

/// Plans both online roles over the head with these files applied: what is lost stays listed.
pub(super) fn plan(
    head: Option<&Head>,
    files: &[RoleFile],
    keys: &Keys,
    lifetimes: &Lifetimes,
    versions: Versions,
    now: DateTime<Utc>,
) -> Plan {
    let previous = head.map(|head| head.snapshot.signed());
    let root = next_root(head, files);
    let lost = head.map_or_else(BTreeMap::new, |head| head.lost.clone());
    let entries = lost.into_iter().chain(snapshot_entries(head, newest(files)));
    let signing = Signing { root: &root, held: &keys.held, overlap: &keys.overlap };
    online::plan(previous, entries, signing, lifetimes, versions, now)
}

/// Plans both online roles of a first release whose entries are known: those of the repository that it
/// takes over, or those of the plan before. They stay in the form in which they were signed.
pub(super) fn plan_anew(
    entries: &Snapshot,
    files: &[RoleFile],
    keys: &Keys,
    lifetimes: &Lifetimes,
    versions: Versions,
    now: DateTime<Utc>,
) -> Plan {
    let root = next_root(None, files);
    let signing = Signing { root: &root, held: &keys.held, overlap: &keys.overlap };
    online::plan(Some(entries), [], signing, lifetimes, versions, now)
}

/// The online keys of a collection.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Those that the signer would sign with.
    pub(super) held: HeldKeys,
    /// Those that roots have taken away and that sign on, the latest ones first; then those of a root
    /// that was lost, for clients that have it.
    pub(super) overlap: Overlap,
    /// Those of roots that were lost when the database was set back, whether they sign or not.
    pub(super) of_lost_roots: Overlap,
}

impl Keys {
    fn of(mut keys: Vec<OnlineKey>, lifetimes: &Lifetimes, now: DateTime<Utc>) -> Keys {
        keys.sort_by_key(|key| Reverse(key.taken_away_at));
        let begun = now.checked_sub_signed(lifetimes.overlap()).unwrap_or(DateTime::<Utc>::MIN_UTC);
        let named = |key: &OnlineKey| (key.role, key.keyid.clone());
        let lasting = keys.iter().filter(|key| key.taken_away_at.is_some_and(|at| at > begun));
        let found = keys.iter().filter(|key| key.is_found);
        let sign_along = found.clone().filter(|key| key.taken_away_at.is_none());
        let overlap = lasting.chain(sign_along).map(named).collect();
        let of_lost_roots = found.map(named).collect();
        let usable = keys.iter().filter(|key| key.state != KeyState::Retired);
        let standbys =
            keys.iter().filter_map(|key| Some((key.keyid.clone(), key.standby_for.clone()?)));
        let held: HeldKeys = usable.map(named).collect();
        Keys { held: held.with_standbys(standbys), overlap, of_lost_roots }
    }

    /// The same, and keys that a root takes away which is not committed yet.
    pub(super) fn and(mut self, begins: &Overlap) -> Keys {
        let all = begins.keys().chain(self.overlap.keys());
        self.overlap = all.map(|(role, keyid)| (role, keyid.clone())).collect();
        self
    }
}

/// The root that clients will have: the newest of the files, or that of the head.
pub(super) fn next_root(head: Option<&Head>, files: &[RoleFile]) -> Arc<Root> {
    let new = files.iter().rev().find_map(|file| match file {
        RoleFile::Root(root) => Some(root),
        RoleFile::Targets(..) | RoleFile::Closed(_) => None,
    });
    let root: &Envelope<Root> = new
        .or(head.map(|head| &head.root))
        .expect("a first release has a root, every other one a head");
    Arc::new(root.signed().clone())
}

/// A head with files laid over it.
pub(super) fn with_files(head: &Head, files: &[RoleFile]) -> Head {
    let (mut root, mut all) = (Some(head.root.clone()), head.files.clone());
    // The rules may want to look into them, and they are not where others are loaded from.
    apply(&files.iter().map(RoleFile::opened).collect::<Vec<_>>(), &mut root, &mut all);
    let root = root.expect("it had one");
    let (snapshot, timestamp) = (head.snapshot.clone(), head.timestamp.clone());
    head.with(root, snapshot, timestamp, all)
}

/// The targets roles among files; of two of one role the later one.
pub(super) fn newest(files: &[RoleFile]) -> BTreeMap<RoleName, Arc<Envelope<Targets>>> {
    let targets = files.iter().filter_map(|file| match file.opened() {
        RoleFile::Targets(role, file) => Some((role, file)),
        _ => None,
    });
    targets.collect()
}

/// The snapshot of a plan, read.
pub(super) fn planned_snapshot(plan: &Plan) -> Option<Snapshot> {
    let planned = plan.snapshot.as_ref()?;
    Some(json::read(&planned.signed).expect("we wrote it"))
}

/// The whole next head as a client would see it: the planned snapshot lists exactly the current file
/// of every role. What does not is never signed.
pub(super) fn require_whole(head: &Head, plan: &Plan) -> Result<(), ServiceError> {
    let Some(snapshot) = planned_snapshot(plan) else { return Ok(()) };
    match head.first_unlisted(&snapshot) {
        Some(role) => Err(ServiceError::Internal(format!(
            "the next snapshot does not list {role} as it is in the database"
        ))),
        None => Ok(()),
    }
}

impl Publisher {
    /// The keys and what the signer says of them now, noted in the store. Needed where the answer decides
    /// something for good: whether a new root is accepted, or what a refused slot becomes.
    pub(super) async fn keys_now(&self, collection: &Collection) -> Result<Keys, ServiceError> {
        let keys = self.signer.keys(&collection.gun, &collection.incarnation).await?;
        // A key belongs to one life of one collection; a signer that answers more is not believed.
        let own = |key: &notary_schema::wire::SignerKey| {
            key.collection == collection.gun && key.incarnation == collection.incarnation
        };
        let keys: Vec<_> = keys.into_iter().filter(own).collect();
        // Where the reservation is gone, what was judged on it is found to be outdated later.
        self.store.save_online_keys(collection.id, &keys).await?;
        let mut all = self.store.online_keys(collection.id).await?;
        all.retain(|known| keys.iter().any(|key| key.keyid == known.keyid));
        Ok(Keys::of(all, &self.lifetimes_of(collection), self.now()))
    }

    /// The keys and what the signer said of them when it was last asked. Enough to plan with, since it
    /// costs no request and a wrong guess is mended: the signer refuses a key that it does not use, the
    /// answer lacks a signature, and either has the slot rebuilt with [`Publisher::keys_now`].
    pub(super) async fn keys_then(&self, collection: &Collection) -> StoreResult<Keys> {
        let keys = self.store.online_keys(collection.id).await?;
        Ok(Keys::of(keys, &self.lifetimes_of(collection), self.now()))
    }
}
