//! What becomes of a collection when a key is revoked.
//!
//! A revoked **public key** counts for nothing, under whatever id it is listed. Three things follow,
//! each a pure function of files:
//!
//! - [`standing`] judges one version: does it reach its threshold without that key?
//! - [`History`] looks back over the versions of a role, the newest first: the last good one, what the
//!   key has signed, what came in with it.
//! - [`plan()`] writes the next versions: delegators that list the key no more, and the last good content
//!   of roles that the key alone could have changed.
//!
//! **Which versions are good?** Those that keys of *today* reach the threshold with, not the revoked
//! one. What a delegator said in the past does not count: a key that it dropped since may have been
//! dropped because it was stolen, too, and with it a thief of then would write the good version of now.
//! "Today" begins at the root: where the revoked key could have changed a delegator, it is the last good
//! content of that which says who signs the roles below it. A version that later keys alone have signed
//! again is good whatever it was built on: what came in with the stolen key and is still there is told.

mod history;
mod plan;
mod planner;

use std::collections::BTreeMap;

pub use history::{Gap, History, Planted, SignedTarget, SignedVersion};
pub use plan::{
    Changed, Choices, Content, Dates, Left, Open, Origin, Plan, Present, Problem, RolePlan,
    listings, signers_listing,
};
pub use planner::plan;

use crate::envelope::Envelope;
use crate::key::Key;
use crate::name::KeyId;
use crate::role::{Authority, RoleKeys};
use crate::threshold::{self, RevokedKeys};

/// The keys that it is about.
#[derive(Debug, Clone, Default)]
pub struct Revoked {
    /// Those that are to be left out everywhere.
    pub now: RevokedKeys,
    /// All that count for nothing: these, and others that some role may still list.
    pub all: RevokedKeys,
}

impl Revoked {
    /// These keys are to be left out; those were revoked before.
    pub fn new(now: RevokedKeys, before: RevokedKeys) -> Revoked {
        let all = now.and(before);
        Revoked { now, all }
    }

    /// The ids under which an authority lists keys that are to be left out.
    pub fn listed(&self, authority: Authority<'_>) -> Vec<KeyId> {
        self.now.listed_by(authority).cloned().collect()
    }
}

/// Who signs a role: an authority that borrows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signers {
    /// The key objects.
    pub keys: BTreeMap<KeyId, Key>,
    /// Their ids and the threshold.
    pub role: RoleKeys,
}

impl Signers {
    /// The keys that this authority names.
    pub fn of(authority: Authority<'_>) -> Signers {
        let named = authority.role.keyids.iter().filter_map(|id| authority.keys.get_key_value(id));
        let keys = named.map(|(id, key)| (id.clone(), key.clone())).collect();
        Signers { keys, role: authority.role.clone() }
    }

    /// Whose signatures count.
    pub fn authority(&self) -> Authority<'_> {
        Authority { keys: &self.keys, role: &self.role }
    }
}

/// What a version is worth when some keys count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Others alone have signed it, of those who may today.
    Untouched,
    /// One of the keys, which may sign it today, has signed it, and enough others have.
    Stands,
    /// Without them it does not reach its threshold.
    Needed,
    /// It does not reach it with them: by the keys of today nobody vouches for it.
    Unverified,
}

impl Standing {
    /// Whether the content may be published again.
    pub fn is_good(self) -> bool {
        matches!(self, Standing::Untouched | Standing::Stands)
    }
}

/// Judges a version of a role by who signs it today.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use chrono::DateTime;
/// use notary_schema::envelope::{Envelope, Unsigned};
/// use notary_schema::key::{Key, PublicKey};
/// use notary_schema::name::Version;
/// use notary_schema::revocation::{Standing, standing};
/// use notary_schema::role::{Authority, Expires, RoleKeys, Targets};
/// use notary_schema::threshold::RevokedKeys;
/// use ring::signature::{Ed25519KeyPair, KeyPair};
///
/// let pairs = [1, 2].map(|seed| Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap());
/// let public = |pair: &Ed25519KeyPair| pair.public_key().as_ref().try_into().unwrap();
/// let [stolen, other] = [0, 1].map(|at| Key::new(PublicKey::Ed25519(public(&pairs[at]))));
/// let ids = vec![stolen.id().clone(), other.id().clone()];
/// let keys = BTreeMap::from([&stolen, &other].map(|key| (key.id().clone(), key.clone())));
/// let role = RoleKeys::new(ids.clone(), 1)?;
/// let authority = Authority { keys: &keys, role: &role };
///
/// let expires = Expires::at(DateTime::from_timestamp(1_900_000_000, 0).unwrap());
/// let document = Unsigned::of(&Targets::empty(Version::FIRST, expires));
/// let signed = |by: usize| {
///     let signature = pairs[by].sign(document.message()).as_ref().to_vec();
///     Envelope::<Targets>::parse(document.with_signatures(&[(ids[by].clone(), signature)]))
/// };
/// let revoked: RevokedKeys = stolen.public().cloned().into_iter().collect();
/// assert_eq!(standing(&signed(0)?, authority, &revoked), Standing::Needed);
/// assert_eq!(standing(&signed(1)?, authority, &revoked), Standing::Untouched);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn standing<T>(
    file: &Envelope<T>,
    authority: Authority<'_>,
    revoked: &RevokedKeys,
) -> Standing {
    let all = threshold::count(file, authority);
    let without = threshold::count_new(file, authority, revoked);
    // Only keys that the authority lists are tried: hundreds of others may be revoked, and each file
    // may have as many signatures as it likes that nobody asked for.
    let is_touched = all.valid.iter().any(|keyid| without.revoked.contains(keyid));
    match (without.is_met(), all.is_met()) {
        (true, _) if is_touched => Standing::Stands,
        (true, _) => Standing::Untouched,
        (false, true) => Standing::Needed,
        (false, false) => Standing::Unverified,
    }
}
