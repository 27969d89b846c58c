//! The state of a collection that a publish is judged on, and the view of it with a batch applied.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Batch;
use crate::envelope::Envelope;
use crate::key::Key;
use crate::name::{KeyId, RoleName, Version};
use crate::role::{
    Authority, DelegatedRole, Delegations, Expires, Root, Snapshot, Targets, Timestamp,
};

/// What a collection consists of right now.
///
/// `targets` and files of roles that delegate are always loaded, since the graph of delegations is
/// read from them; other files only where [`Head::missing`] names them, so that one change in a
/// collection of thousands of bins reads one bin.
#[derive(Debug, Clone)]
pub struct Head {
    /// The newest root.
    pub root: Arc<Envelope<Root>>,
    /// The snapshot that clients see.
    pub snapshot: Arc<Envelope<Snapshot>>,
    /// The timestamp that clients see.
    pub timestamp: Arc<Envelope<Timestamp>>,
    /// `targets` and every delegated role that was ever published, also those that no delegation
    /// leads to any more.
    pub files: BTreeMap<RoleName, StoredFile>,
}

/// The current file of a targets role.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// Its version.
    pub version: Version,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// When it expires.
    pub expires: Expires,
    /// The file, where it is loaded.
    pub file: Option<Arc<Envelope<Targets>>>,
}

impl StoredFile {
    /// A file that is at hand.
    pub fn loaded(file: Arc<Envelope<Targets>>) -> StoredFile {
        StoredFile {
            version: file.version(),
            length: file.bytes().len() as u64,
            sha256: file.sha256().to_owned(),
            expires: file.expires(),
            file: Some(file),
        }
    }
}

impl Head {
    /// The files that [`super::check`] wants to look into for this batch and that are not loaded.
    pub fn missing(&self, batch: &Batch) -> BTreeSet<RoleName> {
        let view = View::new(Some(self), batch);
        let stored = view.touched().into_iter().filter(|role| batch.targets(role).is_none());
        let unloaded = |role: &RoleName| self.files.get(role).is_some_and(|f| f.file.is_none());
        stored.filter(unloaded).collect()
    }

    /// The current version of root or of a targets role.
    pub fn version(&self, role: &RoleName) -> Option<Version> {
        match *role == RoleName::ROOT {
            true => Some(self.root.version()),
            false => self.files.get(role).map(|file| file.version),
        }
    }

    /// The roles whose current metadata is expired, in the order of their names.
    pub fn expired(&self, now: DateTime<Utc>) -> Vec<RoleName> {
        let roots = [
            (RoleName::ROOT, self.root.expires()),
            (RoleName::SNAPSHOT, self.snapshot.expires()),
            (RoleName::TIMESTAMP, self.timestamp.expires()),
        ];
        let files = self.files.iter().map(|(role, file)| (role.clone(), file.expires));
        let past = files.chain(roots).filter(|(_, expires)| expires.is_past(now));
        past.map(|(role, _)| role).collect()
    }
}

/// The whole next head as a client would see it: the snapshot lists exactly these files. Answers the
/// first one that it does not list as it is.
pub fn first_unlisted<'a>(
    files: &'a BTreeMap<RoleName, StoredFile>,
    snapshot: &Snapshot,
) -> Option<(&'a RoleName, &'a StoredFile)> {
    files.iter().find(|(role, file)| {
        let is_listed = snapshot.entry(role).is_some_and(|entry| {
            let sha256 = entry.hashes.as_ref().and_then(|hashes| hashes.sha256());
            entry.version == file.version && sha256.is_none_or(|sha256| sha256 == file.sha256)
        });
        !is_listed
    })
}

/// A delegation: who delegates, to whom.
pub(super) type Edge = (RoleName, RoleName);

/// What a batch does to a delegation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Altered,
    Removed,
}

/// Who delegates to a role, and with which words.
#[derive(Clone)]
pub(super) struct Delegator<'a> {
    pub(super) name: RoleName,
    pub(super) delegated: &'a DelegatedRole,
    keys: &'a BTreeMap<KeyId, Key>,
}

impl<'a> Delegator<'a> {
    /// Whose signatures this delegation counts.
    pub(super) fn authority(&self) -> Authority<'a> {
        Authority { keys: self.keys, role: &self.delegated.signers }
    }
}

/// A head with a batch laid over it: the collection as it would be.
pub(super) struct View<'a> {
    head: Option<&'a Head>,
    batch: &'a Batch,
    /// For each role, who delegates to it, as far as delegations lead there from `targets`.
    delegators: BTreeMap<RoleName, Vec<Delegator<'a>>>,
    /// How many delegations lead from `targets` to the farthest role.
    pub(super) depth: usize,
    /// The delegations that the batch adds, alters (names, keys or threshold) or removes.
    pub(super) changes: BTreeMap<Edge, Change>,
}

impl<'a> View<'a> {
    pub(super) fn new(head: Option<&'a Head>, batch: &'a Batch) -> View<'a> {
        let (delegators, changes) = (BTreeMap::new(), BTreeMap::new());
        let mut view = View { head, batch, delegators, depth: 0, changes };
        let mut queue = VecDeque::from([(RoleName::TARGETS, 0)]);
        let mut reached = BTreeSet::from([RoleName::TARGETS]);
        while let Some((name, depth)) = queue.pop_front() {
            view.depth = view.depth.max(depth);
            let delegations = view.delegating_file(&name).and_then(|t| t.delegations.as_ref());
            let Some(Delegations { keys, roles }) = delegations else { continue };
            for delegated in roles {
                let delegator = Delegator { name: name.clone(), delegated, keys };
                view.delegators.entry(delegated.name.clone()).or_default().push(delegator);
                if reached.insert(delegated.name.clone()) {
                    queue.push_back((delegated.name.clone(), depth + 1));
                }
            }
        }
        view.changes = view.changed_delegations();
        view
    }

    pub(super) fn root(&self) -> Option<&'a Envelope<Root>> {
        let stored = || self.head.map(|head| head.root.as_ref());
        self.batch.root().map(Arc::as_ref).or_else(stored)
    }

    /// What a role says, where it may delegate: a stored file that is not loaded does not.
    fn delegating_file(&self, role: &RoleName) -> Option<&'a Targets> {
        let stored = || self.stored(role)?.file.as_deref();
        self.batch.targets(role).map(Arc::as_ref).or_else(stored).map(Envelope::signed)
    }

    /// The stored file of a role.
    pub(super) fn stored(&self, role: &RoleName) -> Option<&'a StoredFile> {
        self.head.and_then(|head| head.files.get(role))
    }

    /// The new file of a role, or the stored one that a rule has to look into.
    pub(super) fn file(&self, role: &RoleName) -> Option<&'a Envelope<Targets>> {
        if let Some(new) = self.batch.targets(role) {
            return Some(new);
        }
        let stored = self.stored(role)?.file.as_deref();
        Some(stored.expect("the store has loaded what Head::missing names"))
    }

    /// Whether the role has a file, new or stored.
    pub(super) fn has_file(&self, role: &RoleName) -> bool {
        self.batch.targets(role).is_some() || self.stored(role).is_some()
    }

    /// Who delegates to a role.
    pub(super) fn delegators(&self, role: &RoleName) -> &[Delegator<'a>] {
        self.delegators.get(role).map_or(&[], Vec::as_slice)
    }

    /// Whether clients find the role: `targets`, and all that delegations lead to.
    pub(super) fn is_reachable(&self, role: &RoleName) -> bool {
        *role == RoleName::TARGETS || self.delegators.contains_key(role)
    }

    /// Every name in use: delegated, or stored from earlier.
    pub(super) fn names_in_use(&self) -> BTreeSet<&RoleName> {
        let stored = self.head.into_iter().flat_map(|head| head.files.keys());
        self.delegators.keys().chain(stored).collect()
    }

    /// Every delegation on the way from `targets` to a role.
    pub(super) fn chain(&self, role: &RoleName) -> Vec<&Delegator<'a>> {
        let mut chain = Vec::new();
        let mut seen = BTreeSet::from([role]);
        let mut queue = VecDeque::from([role]);
        while let Some(role) = queue.pop_front() {
            for delegator in self.delegators(role) {
                chain.push(delegator);
                if seen.insert(&delegator.name) {
                    queue.push_back(&delegator.name);
                }
            }
        }
        chain
    }

    fn changed_delegations(&self) -> BTreeMap<Edge, Change> {
        let mut changes = BTreeMap::new();
        for (delegator, new) in self.batch.targets_parts() {
            let old = self.stored(delegator).and_then(|stored| stored.file.as_ref());
            let old = old.and_then(|file| file.signed().delegations.as_ref());
            let new = new.signed().delegations.as_ref();
            if old == new {
                continue;
            }
            let (old, new) = (by_role(old), by_role(new));
            for role in old.keys().chain(new.keys()).copied() {
                let change = match (old.get(role), new.get(role)) {
                    (None, _) => Change::Added,
                    (_, None) => Change::Removed,
                    (old, new) if old == new => continue,
                    _ => Change::Altered,
                };
                changes.insert((delegator.clone(), role.clone()), change);
            }
        }
        changes
    }

    /// The roles that the batch delegates to for the first time.
    pub(super) fn added(&self) -> impl Iterator<Item = &Edge> {
        self.changes.iter().filter(|(_, change)| **change == Change::Added).map(|(edge, _)| edge)
    }

    /// The roles whose trust may have changed: those of changed delegations, and below them.
    pub(super) fn touched(&self) -> BTreeSet<RoleName> {
        self.with_descendants(self.changes.keys().map(|(_, role)| role.clone()).collect())
    }

    /// These roles and all that they delegate to, before or after.
    fn with_descendants(&self, roles: BTreeSet<RoleName>) -> BTreeSet<RoleName> {
        let mut queue: Vec<RoleName> = roles.iter().cloned().collect();
        let mut all = roles;
        while let Some(role) = queue.pop() {
            let stored = self.stored(&role).and_then(|stored| stored.file.as_deref());
            let new = self.batch.targets(&role).map(Arc::as_ref);
            for file in [stored, new].into_iter().flatten() {
                for delegated in file.signed().delegated_roles() {
                    if all.insert(delegated.name.clone()) {
                        queue.push(delegated.name.clone());
                    }
                }
            }
        }
        all
    }
}

/// What each delegation says, with the key objects that it names.
fn by_role(
    delegations: Option<&Delegations>,
) -> BTreeMap<&RoleName, (&DelegatedRole, Vec<Option<&Key>>)> {
    let roles = delegations.into_iter().flat_map(|all| all.roles.iter().map(move |r| (all, r)));
    roles
        .map(|(all, role)| {
            let keys = role.signers.keyids.iter().map(|id| all.keys.get(id)).collect();
            (&role.name, (role, keys))
        })
        .collect()
}
