//! A head with a batch laid over it: the graph of delegations as it would be, and what the batch
//! changes in it.
//!
//! Bins are looked at where they have a file: the names of succinct roles are never listed, so that
//! the work is linear in what is stored and sent, whatever a file claims.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Batch, Head, StoredFile};
use crate::envelope::Envelope;
use crate::key::Key;
use crate::name::{KeyId, RoleName, Version};
use crate::role::{Authority, Bins, DelegatedRole, Delegations, Root, SuccinctRoles, Targets};
use crate::threshold::RevokedKeys;

static TARGETS: RoleName = RoleName::TARGETS;

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
    pub(super) name: &'a RoleName,
    pub(super) delegated: Cow<'a, DelegatedRole>,
    keys: &'a BTreeMap<KeyId, Key>,
}

impl Delegator<'_> {
    /// Whose signatures this delegation counts.
    pub(super) fn authority(&self) -> Authority<'_> {
        Authority { keys: self.keys, role: &self.delegated.signers }
    }
}

/// A role that delegates to succinct bins.
#[derive(Clone, Copy)]
pub(super) struct BinOwner<'a> {
    pub(super) name: &'a RoleName,
    pub(super) roles: &'a SuccinctRoles,
    keys: &'a BTreeMap<KeyId, Key>,
}

/// A head with a batch laid over it: the collection as it would be.
pub(super) struct View<'a> {
    head: Option<&'a Head>,
    batch: &'a Batch,
    /// For each listed role, who delegates to it, as far as delegations lead there from `targets`.
    listed: BTreeMap<&'a RoleName, Vec<Delegator<'a>>>,
    /// The roles that delegate to succinct bins, by the prefix of the bins' names.
    bin_owners: BTreeMap<&'a str, Vec<BinOwner<'a>>>,
    /// How many delegations lead from `targets` to the farthest role.
    pub(super) depth: usize,
    /// The delegations that the batch adds, alters (names, keys or threshold) or removes; of
    /// succinct ones those to bins that have a file.
    pub(super) changes: BTreeMap<Edge, Change>,
}

impl<'a> View<'a> {
    pub(super) fn new(head: Option<&'a Head>, batch: &'a Batch) -> View<'a> {
        let (listed, bin_owners, changes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut view = View { head, batch, listed, bin_owners, depth: 0, changes };
        view.follow_delegations();
        view.changes = view.changed_delegations();
        view
    }

    fn follow_delegations(&mut self) {
        let mut queue = VecDeque::from([(&TARGETS, 0)]);
        let mut reached = BTreeSet::from([&TARGETS]);
        while let Some((name, depth)) = queue.pop_front() {
            let delegations = self.delegating_file(name).and_then(|t| t.delegations.as_ref());
            let Some(delegations) = delegations.filter(|all| all.count() > 0) else { continue };
            self.depth = self.depth.max(depth + 1);
            let keys = &delegations.keys;
            for delegated in delegations.listed() {
                let delegator = Delegator { name, delegated: Cow::Borrowed(delegated), keys };
                self.listed.entry(&delegated.name).or_default().push(delegator);
                if reached.insert(&delegated.name) {
                    queue.push_back((&delegated.name, depth + 1));
                }
            }
            if let Some(roles) = delegations.succinct() {
                let owner = BinOwner { name, roles, keys };
                self.bin_owners.entry(roles.bins.name_prefix()).or_default().push(owner);
                let bins = self.bins_with_file(&roles.bins).into_iter();
                let delegating = bins.filter(|bin| self.delegating_file(bin).is_some());
                let new: Vec<_> = delegating.filter(|bin| reached.insert(bin)).collect();
                queue.extend(new.into_iter().map(|bin| (bin, depth + 1)));
            }
        }
    }

    pub(super) fn root(&self) -> Option<&'a Envelope<Root>> {
        let stored = || self.head.map(|head| head.root.as_ref());
        self.batch.root().map(Arc::as_ref).or_else(stored)
    }

    /// The stored root.
    pub(super) fn root_before(&self) -> Option<&'a Root> {
        self.head.map(|head| head.root.signed())
    }

    /// The keys that sign nothing new.
    pub(super) fn revoked(&self) -> RevokedKeys {
        self.head.map_or_else(RevokedKeys::default, |head| head.revoked.clone())
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

    /// The version of a role that delegates.
    pub(super) fn version(&self, role: &RoleName) -> Version {
        let new = self.batch.targets(role).map(|file| file.version());
        let stored = || self.stored(role).map(|stored| stored.version);
        new.or_else(stored).expect("it was read")
    }

    /// Whether the current file of the role is lost, and not part of the batch.
    pub(super) fn is_lost(&self, role: &RoleName) -> bool {
        let is_lost = self.head.is_some_and(|head| head.lost.contains_key(role));
        is_lost && self.batch.targets(role).is_none()
    }

    /// Whether the role has a file, new, stored, or lost.
    pub(super) fn has_file(&self, role: &RoleName) -> bool {
        self.batch.targets(role).is_some() || self.stored(role).is_some() || self.is_lost(role)
    }

    /// The bins that have a file, new, stored, or lost.
    pub(super) fn bins_with_file(&self, bins: &'a Bins) -> BTreeSet<&'a RoleName> {
        let heads = || self.head.into_iter();
        let stored = heads().flat_map(|head| bins.among(&head.files));
        let lost = heads().flat_map(|head| bins.among(&head.lost));
        stored.chain(lost).chain(bins.among(&self.batch.targets)).collect()
    }

    /// Who delegates to a role.
    pub(super) fn delegators(&self, role: &RoleName) -> Vec<Delegator<'a>> {
        let mut delegators = self.listed.get(role).cloned().unwrap_or_default();
        let prefix = role.as_str().rsplit_once('-').map(|(prefix, _)| prefix);
        let owners = prefix.and_then(|prefix| self.bin_owners.get(prefix));
        delegators.extend(owners.into_iter().flatten().filter_map(|owner| {
            let delegated = owner.roles.delegation(owner.roles.bins.index(role)?);
            Some(Delegator { name: owner.name, delegated: Cow::Owned(delegated), keys: owner.keys })
        }));
        delegators
    }

    /// Whether clients find the role: `targets`, and all that delegations lead to.
    pub(super) fn is_reachable(&self, role: &RoleName) -> bool {
        *role == RoleName::TARGETS || !self.delegators(role).is_empty()
    }

    /// Whether the role is a hash bin to everybody who delegates to it.
    pub(super) fn is_bin(&self, role: &RoleName) -> bool {
        let delegators = self.delegators(role);
        !delegators.is_empty() && delegators.iter().all(|delegator| delegator.delegated.is_bin())
    }

    /// Every name in use: delegated, sent, or stored from earlier.
    pub(super) fn names_in_use(&self) -> BTreeSet<&RoleName> {
        let stored = |head: &'a Head| head.files.keys().chain(head.lost.keys());
        let stored = self.head.into_iter().flat_map(stored);
        self.listed.keys().copied().chain(self.batch.targets.keys()).chain(stored).collect()
    }

    /// The roles that some role lists.
    pub(super) fn listed_names(&self) -> impl Iterator<Item = &'a RoleName> {
        self.listed.keys().copied()
    }

    /// The roles that delegate to succinct bins.
    pub(super) fn bin_owners(&self) -> impl Iterator<Item = BinOwner<'a>> {
        self.bin_owners.values().flatten().copied()
    }

    /// Every delegation on the way from `targets` to a role.
    pub(super) fn chain(&self, role: &RoleName) -> Vec<Delegator<'a>> {
        let mut chain = self.delegators(role);
        let mut seen = BTreeSet::from([role]);
        let mut next = 0;
        while let Some(name) = chain.get(next).map(|delegator| delegator.name) {
            next += 1;
            if seen.insert(name) {
                chain.extend(self.delegators(name));
            }
        }
        chain
    }

    fn changed_delegations(&self) -> BTreeMap<Edge, Change> {
        let mut changes = BTreeMap::new();
        for (delegator, new) in self.batch.targets_parts() {
            let new = new.signed().delegations.as_ref();
            let old = self.delegations_before(delegator);
            if old == new {
                continue;
            }
            let (old, new) = (self.by_role(old), self.by_role(new));
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

    /// The delegations of the stored file of a role.
    pub(super) fn delegations_before(&self, role: &RoleName) -> Option<&'a Delegations> {
        let stored = self.stored(role)?.file.as_ref();
        stored.and_then(|file| file.signed().delegations.as_ref())
    }

    /// What each delegation says, with the key objects that it names.
    fn by_role(&self, delegations: Option<&'a Delegations>) -> BTreeMap<&'a RoleName, Words<'a>> {
        let Some(all) = delegations else { return BTreeMap::new() };
        let listed = all.listed().iter().map(|role| (&role.name, Cow::Borrowed(role)));
        let bins = all.succinct().into_iter().flat_map(|succinct| {
            let bin =
                |name| Some((name, Cow::Owned(succinct.delegation(succinct.bins.index(name)?))));
            self.bins_with_file(&succinct.bins).into_iter().filter_map(bin)
        });
        let words = |role: Cow<'a, DelegatedRole>| {
            let keys = role.signers.keyids.iter().map(|id| all.keys.get(id)).collect();
            (role, keys)
        };
        listed.chain(bins).map(|(name, role)| (name, words(role))).collect()
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
                for name in self.delegated_names(file.signed().delegations.as_ref()) {
                    if all.insert(name.clone()) {
                        queue.push(name.clone());
                    }
                }
            }
        }
        all
    }

    fn delegated_names(&self, delegations: Option<&'a Delegations>) -> Vec<&'a RoleName> {
        let listed = delegations.into_iter().flat_map(Delegations::listed).map(|role| &role.name);
        let succinct = delegations.and_then(Delegations::succinct).into_iter();
        let bins = succinct.flat_map(|succinct| self.bins_with_file(&succinct.bins));
        listed.chain(bins).collect()
    }
}

/// What a delegation says, and the key objects that it names.
type Words<'a> = (Cow<'a, DelegatedRole>, Vec<Option<&'a Key>>);
