//! How long metadata lives, and which lives make sense together.
//!
//! Those of a server are in its configuration; a collection may have its own of some. Both obey the
//! same rule, so that nobody waits for a signature that the signer refuses, or trusts a file that
//! the refresh cannot follow.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{DAY, LONGEST_CACHE_SECONDS, OnlineRole, SignerPolicy};

/// The shortest life that a root, targets or delegated role is given without being asked.
const LEAST_OFFLINE_SECONDS: u64 = 60 * 60;
/// The longest of all lives.
const MOST_SECONDS: u64 = 100 * 366 * DAY;
/// How often a refresh is tried at least before a life ends: an online role is signed again from half
/// of its life on.
const REFRESH_TRIES: u64 = 5;

/// How long metadata lives, in seconds from its signing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// What `notary` signs a root for.
    pub root_seconds: u64,
    /// What `notary` signs targets and delegated roles for.
    pub targets_seconds: u64,
    /// The longest life of a root, targets or delegated role that is accepted.
    pub offline_max_seconds: u64,
    /// The life of a snapshot.
    pub snapshot_seconds: u64,
    /// The life of a timestamp: how long a mirror can keep an agent from news.
    pub timestamp_seconds: u64,
    /// How long a key that a root takes away from snapshot or timestamp signs on beside the new
    /// ones; see [`Lifetimes::overlap`].
    pub overlap_seconds: u64,
}

impl Default for Lifetimes {
    fn default() -> Lifetimes {
        Lifetimes {
            root_seconds: 365 * DAY,
            targets_seconds: 365 * DAY,
            offline_max_seconds: 5 * 366 * DAY,
            snapshot_seconds: 7 * DAY,
            timestamp_seconds: DAY,
            overlap_seconds: DAY,
        }
    }
}

/// The name of one of [`Lifetimes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Lifetime {
    /// See [`Lifetimes::root_seconds`].
    #[serde(rename = "root_seconds")]
    Root,
    /// See [`Lifetimes::targets_seconds`].
    #[serde(rename = "targets_seconds")]
    Targets,
    /// See [`Lifetimes::offline_max_seconds`].
    #[serde(rename = "offline_max_seconds")]
    OfflineMax,
    /// See [`Lifetimes::snapshot_seconds`].
    #[serde(rename = "snapshot_seconds")]
    Snapshot,
    /// See [`Lifetimes::timestamp_seconds`].
    #[serde(rename = "timestamp_seconds")]
    Timestamp,
    /// See [`Lifetimes::overlap_seconds`].
    #[serde(rename = "overlap_seconds")]
    Overlap,
}

/// The lifetimes that a collection has of its own, in seconds; of the others it has the server's.
pub type OwnLifetimes = BTreeMap<Lifetime, u64>;

/// Why lifetimes are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifetimeRefusal {
    /// So short that it would end before the next signature can be there.
    #[error("{name} = {wanted} is too short: at least {least}, {}", reason_of(*lifetime), name = lifetime.name())]
    TooShort {
        /// Which one.
        lifetime: Lifetime,
        /// What was wanted, in seconds.
        wanted: u64,
        /// The least that is possible, in seconds.
        least: u64,
    },
    /// Longer than a life that it is part of.
    #[error(
        "{name} = {wanted} is more than {} = {most}, {}; shorten it, or lengthen the other first",
        other.name(),
        why_within(*lifetime),
        name = lifetime.name()
    )]
    AboveOther {
        /// Which one.
        lifetime: Lifetime,
        /// What was wanted, in seconds.
        wanted: u64,
        /// The one that bounds it.
        other: Lifetime,
        /// What that is, in seconds.
        most: u64,
    },
    /// Longer than any.
    #[error("{name} = {wanted} is more than a hundred years", name = lifetime.name())]
    TooLong {
        /// Which one.
        lifetime: Lifetime,
        /// What was wanted, in seconds.
        wanted: u64,
    },
    /// Longer than the signer signs.
    #[error(
        "{name} = {wanted} is more than the {most} that the signer allows; shorten it, or raise the \
         signer's policy",
        name = lifetime.name()
    )]
    AboveSigner {
        /// Which one.
        lifetime: Lifetime,
        /// What was wanted, in seconds.
        wanted: u64,
        /// What the signer allows, in seconds.
        most: u64,
    },
}

impl Lifetime {
    /// All of them.
    pub const ALL: [Lifetime; 6] = [
        Lifetime::Root,
        Lifetime::Targets,
        Lifetime::OfflineMax,
        Lifetime::Snapshot,
        Lifetime::Timestamp,
        Lifetime::Overlap,
    ];

    /// How it is written in a configuration and in a policy.
    pub fn name(self) -> &'static str {
        match self {
            Lifetime::Root => "root_seconds",
            Lifetime::Targets => "targets_seconds",
            Lifetime::OfflineMax => "offline_max_seconds",
            Lifetime::Snapshot => "snapshot_seconds",
            Lifetime::Timestamp => "timestamp_seconds",
            Lifetime::Overlap => "overlap_seconds",
        }
    }

    /// Whether a signer has a say in it.
    pub fn is_online(self) -> bool {
        matches!(self, Lifetime::Snapshot | Lifetime::Timestamp)
    }
}

impl LifetimeRefusal {
    /// The stable word for the rule.
    pub fn code(&self) -> &'static str {
        match self {
            LifetimeRefusal::TooShort { .. } => "lifetime_too_short",
            LifetimeRefusal::AboveOther { .. } => "lifetime_above_other",
            LifetimeRefusal::TooLong { .. } => "lifetime_too_long",
            LifetimeRefusal::AboveSigner { .. } => "lifetime_above_signer",
        }
    }
}

impl Lifetimes {
    /// One of them, in seconds.
    pub fn seconds(&self, lifetime: Lifetime) -> u64 {
        match lifetime {
            Lifetime::Root => self.root_seconds,
            Lifetime::Targets => self.targets_seconds,
            Lifetime::OfflineMax => self.offline_max_seconds,
            Lifetime::Snapshot => self.snapshot_seconds,
            Lifetime::Timestamp => self.timestamp_seconds,
            Lifetime::Overlap => self.overlap_seconds,
        }
    }

    fn seconds_mut(&mut self, lifetime: Lifetime) -> &mut u64 {
        match lifetime {
            Lifetime::Root => &mut self.root_seconds,
            Lifetime::Targets => &mut self.targets_seconds,
            Lifetime::OfflineMax => &mut self.offline_max_seconds,
            Lifetime::Snapshot => &mut self.snapshot_seconds,
            Lifetime::Timestamp => &mut self.timestamp_seconds,
            Lifetime::Overlap => &mut self.overlap_seconds,
        }
    }

    /// These with what a collection has of its own.
    pub fn with(mut self, own: &OwnLifetimes) -> Lifetimes {
        for (lifetime, seconds) in own {
            *self.seconds_mut(*lifetime) = *seconds;
        }
        self
    }

    /// These, cut to what a signer signs: it may allow less than when they were chosen.
    pub fn within(mut self, signer: &SignerPolicy) -> Lifetimes {
        self.snapshot_seconds = self.snapshot_seconds.min(signer.snapshot_max_seconds);
        self.timestamp_seconds = self.timestamp_seconds.min(signer.timestamp_max_seconds);
        self
    }

    /// Whether they make sense where what expires is looked for every so many seconds.
    ///
    /// # Errors
    /// The first rule that they break.
    pub fn require_sound(&self, refresh_interval_seconds: u64) -> Result<(), LifetimeRefusal> {
        use Lifetime::{OfflineMax, Overlap, Root, Snapshot, Targets, Timestamp};
        let least_online = refresh_interval_seconds.saturating_mul(2 * REFRESH_TRIES).max(1);
        for (lifetime, least) in [
            (Root, LEAST_OFFLINE_SECONDS),
            (Targets, LEAST_OFFLINE_SECONDS),
            (Snapshot, least_online),
            (Timestamp, least_online),
        ] {
            let wanted = self.seconds(lifetime);
            if wanted < least {
                return Err(LifetimeRefusal::TooShort { lifetime, wanted, least });
            }
        }
        for lifetime in Lifetime::ALL {
            let wanted = self.seconds(lifetime);
            if wanted > MOST_SECONDS {
                return Err(LifetimeRefusal::TooLong { lifetime, wanted });
            }
        }
        for (lifetime, other) in
            [(Root, OfflineMax), (Targets, OfflineMax), (Timestamp, Snapshot), (Overlap, Root)]
        {
            let (wanted, most) = (self.seconds(lifetime), self.seconds(other));
            if wanted > most {
                return Err(LifetimeRefusal::AboveOther { lifetime, wanted, other, most });
            }
        }
        Ok(())
    }

    /// Whether a signer signs for so long.
    ///
    /// # Errors
    /// [`LifetimeRefusal::AboveSigner`].
    pub fn require_allowed(&self, signer: &SignerPolicy) -> Result<(), LifetimeRefusal> {
        let cut = self.within(signer);
        let is_cut = |lifetime: &Lifetime| cut.seconds(*lifetime) < self.seconds(*lifetime);
        match Lifetime::ALL.into_iter().find(is_cut) {
            Some(lifetime) => Err(LifetimeRefusal::AboveSigner {
                lifetime,
                wanted: self.seconds(lifetime),
                most: cut.seconds(lifetime),
            }),
            None => Ok(()),
        }
    }

    /// When an online role expires that need not be signed again: half of its life is still to come,
    /// and it was not signed for a longer life than it is given now.
    pub fn fresh(&self, role: OnlineRole, now: DateTime<Utc>) -> RangeInclusive<DateTime<Utc>> {
        let life = match role {
            OnlineRole::Snapshot => self.snapshot_seconds,
            OnlineRole::Timestamp => self.timestamp_seconds,
        };
        let after =
            |seconds| now.checked_add_signed(delta(seconds)).unwrap_or(DateTime::<Utc>::MAX_UTC);
        after(life / 2)..=after(life)
    }

    /// How long the overlap of a rotation is: never shorter than a timestamp of before the rotation
    /// may be found in a cache.
    pub fn overlap(&self) -> TimeDelta {
        let least = self.timestamp_seconds.saturating_add(LONGEST_CACHE_SECONDS);
        delta(self.overlap_seconds.max(least))
    }
}

fn delta(seconds: u64) -> TimeDelta {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    TimeDelta::try_seconds(seconds).unwrap_or(TimeDelta::MAX)
}

fn reason_of(lifetime: Lifetime) -> &'static str {
    match lifetime.is_online() {
        true => "ten times refresh.interval_seconds, so that a refresh that fails is tried again",
        false => "an hour",
    }
}

fn why_within(lifetime: Lifetime) -> &'static str {
    match lifetime {
        Lifetime::Timestamp => "and it would outlive the snapshot that it names",
        Lifetime::Overlap => "and a key would sign on for longer than the root that took it away",
        _ => "so what is signed for it would be refused",
    }
}
