//! The overlap of a rotation: which keys sign for whom.
//!
//! A client reads the roots first and the other files after them. Where a root that replaces an
//! online key is published in between, the client has the root before, and would refuse what only the
//! new key has signed. Where a cache stands in between, it has the new root, and the cache still
//! answers what only the old key has signed. Therefore both keys sign the same bytes for a while,
//! from before the root is there until all have seen it. A key that somebody else has does not.

use std::collections::{BTreeMap, BTreeSet};

use super::{HeldKeys, MAX_SIGN_KEYS, OnlineRole};
use crate::name::{KeyId, RoleName};
use crate::role::Root;

/// What a new root changes in the keys of the online roles that nobody calls compromised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rotation {
    /// The keys that it adds: they sign before it is there.
    pub added: Overlap,
    /// The keys that it takes away: they sign on.
    pub taken_away: Overlap,
}

impl Rotation {
    /// What a root changes in the root before it.
    pub fn of(before: &Root, new: &Root, compromised: &BTreeSet<RoleName>) -> Rotation {
        let without = |root: &Root, other: &Root| -> Overlap {
            let sound =
                OnlineRole::BOTH.into_iter().filter(|role| !compromised.contains(&role.name()));
            let keys = sound.flat_map(|role| {
                let others = &role.listed_by(other).keyids;
                let alone =
                    role.listed_by(root).keyids.iter().filter(|keyid| !others.contains(keyid));
                alone.map(move |keyid| (role, keyid.clone()))
            });
            keys.collect()
        };
        Rotation { added: without(new, before), taken_away: without(before, new) }
    }

    /// The rotation of two roots in a row.
    pub fn then(&mut self, next: &Rotation) {
        self.added.add(&next.added);
        self.taken_away.add(&next.taken_away);
    }
}

/// Keys that sign online roles beside those that the root lists for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlap(BTreeMap<OnlineRole, Vec<KeyId>>);

impl Overlap {
    /// Adds keys behind those that are in it.
    pub fn add(&mut self, more: &Overlap) {
        self.extend(more.keys().map(|(role, keyid)| (role, keyid.clone())));
    }

    /// Whether no key is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys, each with its role; those of a role in the order in which they were added.
    pub fn keys(&self) -> impl Iterator<Item = (OnlineRole, &KeyId)> {
        self.0.iter().flat_map(|(role, keyids)| keyids.iter().map(|keyid| (*role, keyid)))
    }
}

impl FromIterator<(OnlineRole, KeyId)> for Overlap {
    fn from_iter<I: IntoIterator<Item = (OnlineRole, KeyId)>>(keys: I) -> Overlap {
        let mut overlap = Overlap::default();
        overlap.extend(keys);
        overlap
    }
}

impl Extend<(OnlineRole, KeyId)> for Overlap {
    fn extend<I: IntoIterator<Item = (OnlineRole, KeyId)>>(&mut self, keys: I) {
        for (role, keyid) in keys {
            let keyids = self.0.entry(role).or_default();
            if !keyids.contains(&keyid) {
                keyids.push(keyid);
            }
        }
    }
}

/// All that decides which keys sign the online roles.
#[derive(Debug, Clone, Copy)]
pub struct Signing<'a> {
    /// The root that clients will have.
    pub root: &'a Root,
    /// The keys that the signer would sign with. One that it does not hold any more blocks nothing.
    pub held: &'a HeldKeys,
    /// Keys of roots before or of the one to come, the latest ones first.
    pub overlap: &'a Overlap,
}

impl Signing<'_> {
    /// The keys that shall sign an online role, no more than one request may name: those of the root
    /// first. Of a key and its stand-by the root alone says which may sign: where it lists one of
    /// them, the signature of the other would be one that it does not ask for.
    pub fn keyids(&self, role: OnlineRole) -> Vec<KeyId> {
        let mut keyids = self.held.signing(self.root, role);
        let before = self.overlap.0.get(&role).into_iter().flatten();
        let before = before.filter(|keyid| self.held.holds(role, keyid));
        let before = before.filter(|one| !keyids.iter().any(|other| self.held.are_one(one, other)));
        let before: Vec<_> = before.filter(|keyid| !keyids.contains(keyid)).cloned().collect();
        keyids.extend(before);
        keyids.truncate(MAX_SIGN_KEYS);
        keyids
    }
}
