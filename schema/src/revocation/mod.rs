//! What becomes of a collection when a key is revoked.
//!
//! A revoked **public key** counts for nothing, under whatever id it is listed. Three things follow,
//! each a pure function of files:
//!
//! - [`standing`] judges one version: does it reach its threshold without that key?
//! - [`History`] looks back over the versions of a role, the newest first: the last good one, what the
//!   key has signed, what came in with it.
//! - [`plan`] writes the next versions: delegators that list the key no more, and the last good content
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

use std::collections::{BTreeMap, BTreeSet};

pub use history::{History, Planted, SignedTarget, SignedVersion};
pub use plan::{
    Changed, Choices, Content, Dates, Open, Origin, Plan, Present, Problem, RolePlan, listings,
};
pub use planner::plan;

use crate::envelope::Envelope;
use crate::key::{Key, PublicKey};
use crate::name::KeyId;
use crate::role::{Authority, RoleKeys};
use crate::threshold::{self, Report};

/// Public keys that count for nothing.
#[derive(Debug, Clone, Default)]
pub struct Denied(BTreeSet<PublicKey>);

impl FromIterator<PublicKey> for Denied {
    fn from_iter<T: IntoIterator<Item = PublicKey>>(keys: T) -> Denied {
        Denied(keys.into_iter().collect())
    }
}

impl Denied {
    /// Whether this is one of them, under whatever id.
    pub fn is(&self, key: &Key) -> bool {
        key.public().is_some_and(|public| self.0.contains(public))
    }

    /// The ids under which an authority lists them.
    pub fn listed(&self, authority: Authority<'_>) -> Vec<KeyId> {
        let is = |id: &&KeyId| authority.keys.get(*id).is_some_and(|key| self.is(key));
        authority.role.keyids.iter().filter(is).cloned().collect()
    }

    /// Who has signed a file, as if none of them had.
    pub fn count<T>(&self, file: &Envelope<T>, authority: Authority<'_>) -> Report {
        let named = authority.role.keyids.iter().filter_map(|id| authority.keys.get_key_value(id));
        let others = named.filter(|(_, key)| !self.is(key));
        let keys = others.map(|(id, key)| (id.clone(), key.clone())).collect();
        threshold::count(file, Authority { keys: &keys, role: authority.role })
    }

    /// Whether one of them has signed a file, be it listed for that or not.
    pub fn has_signed<T>(&self, file: &Envelope<T>) -> bool {
        let mut signatures = file.signatures().iter().filter_map(|s| s.bytes.as_deref());
        signatures.any(|bytes| self.0.iter().any(|key| key.verifies(file.message(), bytes)))
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
    /// Others alone have signed it.
    Untouched,
    /// One of the keys has signed it, and enough others have.
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
/// use notary_schema::revocation::{Denied, Standing, standing};
/// use notary_schema::role::{Authority, Expires, RoleKeys, Targets};
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
/// let denied: Denied = stolen.public().cloned().into_iter().collect();
/// assert_eq!(standing(&signed(0)?, authority, &denied), Standing::Needed);
/// assert_eq!(standing(&signed(1)?, authority, &denied), Standing::Untouched);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn standing<T>(file: &Envelope<T>, authority: Authority<'_>, denied: &Denied) -> Standing {
    if denied.count(file, authority).is_met() {
        return if denied.has_signed(file) { Standing::Stands } else { Standing::Untouched };
    }
    match threshold::count(file, authority).is_met() {
        true => Standing::Needed,
        false => Standing::Unverified,
    }
}
