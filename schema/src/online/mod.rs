//! The online roles: what the next snapshot and timestamp say, and what a signer may sign.
//!
//! The server plans ([`plan()`]), the signer judges ([`judge()`]), and the server verifies the answer
//! ([`accept_answer`]) before anything is stored. Both sides work on the same documents, so that a
//! stolen server can at most keep what is there: it cannot make the signer go back, name two
//! contents for one version, or run the version numbers up.

mod answer;
mod floors;
mod judge;
mod lifetimes;
mod memory;
mod overlap;
mod plan;
pub mod refusal_code;
mod restore;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::name::{KeyId, RoleName};
use crate::role::{Authority, Expires, RoleKeys, Root};
use crate::threshold;
pub use answer::{AnswerError, accept_answer};
pub use floors::{floors, signed_ahead, tells_of_lost_root};
pub use judge::{Judgement, SignRefusal, SignerPolicy, judge};
pub use lifetimes::{Lifetime, LifetimeRefusal, Lifetimes, OwnLifetimes};
pub use memory::{Loss, Memory, MemoryRefusal, OnlineFile};
pub use overlap::{Overlap, Rotation, Signing};
pub use plan::{
    Exhausted, Plan, PlannedSnapshot, PlannedTimestamp, Versions, entry, next_snapshot, plan,
};
pub use restore::Served;

/// Most keys that one request may name: two rotations of a key with a stand-by within one overlap are
/// six, of which three sign.
pub const MAX_SIGN_KEYS: usize = 8;
/// Longest time that a cache may keep a file whose name stays.
pub const LONGEST_CACHE_SECONDS: u64 = 5;
/// How far a version may run ahead of the last one signed, unless configured otherwise.
pub const DEFAULT_MAX_STEP: u64 = 64;

const DAY: u64 = 24 * 60 * 60;

/// A role whose keys the signer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum OnlineRole {
    /// snapshot.
    Snapshot,
    /// timestamp.
    Timestamp,
}

impl OnlineRole {
    /// Both of them, in the order in which they are signed.
    pub const BOTH: [OnlineRole; 2] = [OnlineRole::Snapshot, OnlineRole::Timestamp];

    /// The keys and threshold that a root lists for it.
    pub fn listed_by(self, root: &Root) -> &RoleKeys {
        match self {
            OnlineRole::Snapshot => &root.roles.snapshot,
            OnlineRole::Timestamp => &root.roles.timestamp,
        }
    }

    /// The name of the role.
    pub fn name(self) -> RoleName {
        match self {
            OnlineRole::Snapshot => RoleName::SNAPSHOT,
            OnlineRole::Timestamp => RoleName::TIMESTAMP,
        }
    }
}

/// `now` and so many seconds, or the last date that metadata can spell.
pub fn expires_after(now: DateTime<Utc>, seconds: u64) -> Expires {
    let delta = i64::try_from(seconds).ok().and_then(TimeDelta::try_seconds);
    let last = DateTime::from_timestamp(253_402_300_799, 0).expect("the end of the year 9999");
    Expires::at(delta.and_then(|delta| now.checked_add_signed(delta)).unwrap_or(last).min(last))
}

/// The keys that the signer holds for one collection and would sign with, for each role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeldKeys {
    held: BTreeMap<OnlineRole, BTreeSet<KeyId>>,
    /// Stand-bys, each with the key that it stands by for.
    standbys: BTreeMap<KeyId, KeyId>,
}

impl HeldKeys {
    /// The same, where these are stand-bys, each with the key that it stands by for: where a request
    /// names both, one of them signs.
    pub fn with_standbys(self, standbys: impl IntoIterator<Item = (KeyId, KeyId)>) -> HeldKeys {
        HeldKeys { standbys: standbys.into_iter().collect(), ..self }
    }

    fn holds(&self, role: OnlineRole, keyid: &KeyId) -> bool {
        self.held.get(&role).is_some_and(|held| held.contains(keyid))
    }

    /// Whether one of these two stands by for the other.
    fn are_one(&self, one: &KeyId, other: &KeyId) -> bool {
        self.standbys.get(one) == Some(other) || self.standbys.get(other) == Some(one)
    }

    /// The other one of a key and its stand-by.
    fn other_half(&self, keyid: &KeyId) -> Option<&KeyId> {
        let standby = || self.standbys.iter().find(|(_, of)| *of == keyid).map(|(keyid, _)| keyid);
        self.standbys.get(keyid).or_else(standby)
    }

    /// The keys that the root lists for an online role and the signer holds for it, no more than one
    /// request may name.
    pub fn signing(&self, root: &Root, role: OnlineRole) -> Vec<KeyId> {
        let listed = &role.listed_by(root).keyids;
        listed.iter().filter(|keyid| self.holds(role, keyid)).take(MAX_SIGN_KEYS).cloned().collect()
    }

    /// How many distinct keys of those that the root lists for an online role can sign it.
    pub fn reachable(&self, root: &Root, role: OnlineRole) -> usize {
        self.reachable_by(&self.signing(root, role), root, role)
    }

    /// How many of the signatures that a root asks for come of a request that names these keys: of a
    /// key and its stand-by one.
    pub fn reachable_by(&self, named: &[KeyId], root: &Root, role: OnlineRole) -> usize {
        let listed = role.listed_by(root);
        let is_listed = |keyid: &&KeyId| listed.keyids.contains(keyid);
        let named: Vec<&KeyId> = named.iter().filter(is_listed).collect();
        let is_second =
            |keyid: &KeyId| self.standbys.get(keyid).is_some_and(|of| named.contains(&of));
        let keyids = named.iter().filter(|keyid| !is_second(keyid)).map(|keyid| (*keyid).clone());
        let signers = RoleKeys { keyids: keyids.collect(), ..listed.clone() };
        threshold::reachable(Authority { keys: &root.keys, role: &signers })
    }
}

impl FromIterator<(OnlineRole, KeyId)> for HeldKeys {
    fn from_iter<I: IntoIterator<Item = (OnlineRole, KeyId)>>(keys: I) -> HeldKeys {
        let mut held = HeldKeys::default();
        for (role, keyid) in keys {
            held.held.entry(role).or_default().insert(keyid);
        }
        held
    }
}
