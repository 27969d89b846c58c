//! What must be signed to make a change visible.

use chrono::{DateTime, Utc};

use super::{Lifetimes, OnlineRole, Signing, expires_after};
use crate::envelope::{Envelope, Unsigned};
use crate::name::{KeyId, RoleName, Version};
use crate::role::{
    Expires, FileMeta, Listing, Role, Snapshot, SpecVersion, Targets, Timestamp, TimestampMeta,
};

/// What must be signed to make a change visible. Everything in it is fixed before the first request
/// leaves, so that both requests can be repeated byte for byte.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The next snapshot; absent when only the timestamp is refreshed.
    pub snapshot: Option<PlannedSnapshot>,
    /// The next timestamp.
    pub timestamp: PlannedTimestamp,
}

/// A snapshot to sign.
#[derive(Debug, Clone)]
pub struct PlannedSnapshot {
    /// Its version.
    pub version: Version,
    /// The document, canonical.
    pub signed: Vec<u8>,
    /// The keys that shall sign it.
    pub keyids: Vec<KeyId>,
}

/// A timestamp to sign; its document also needs the signed snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTimestamp {
    /// Its version.
    pub version: Version,
    /// When it expires.
    pub expires: Expires,
    /// The keys that shall sign it.
    pub keyids: Vec<KeyId>,
}

impl PlannedTimestamp {
    /// The document that names this snapshot file: a pure function of plan and file.
    pub fn document(&self, snapshot: &Envelope<Snapshot>) -> Unsigned {
        Unsigned::of(&Timestamp {
            type_name: Timestamp::TYPE.to_owned(),
            spec_version: SpecVersion::default(),
            version: self.version,
            expires: self.expires,
            meta: TimestampMeta { snapshot: FileMeta::of(snapshot.version(), snapshot.bytes()) },
        })
    }
}

/// The snapshot after `previous`: every entry of it stays (TUF 5.5.5), `changed` replaces or adds.
pub fn next_snapshot(
    previous: Option<&Snapshot>,
    changed: impl IntoIterator<Item = (RoleName, FileMeta)>,
    version: Version,
    expires: Expires,
) -> Snapshot {
    let mut meta = previous.map_or_else(Listing::default, |previous| previous.meta.clone());
    for (role, entry) in changed {
        meta.insert(&role.file_name(), &entry);
    }
    let (type_name, spec_version) = (Snapshot::TYPE.to_owned(), SpecVersion::default());
    Snapshot { type_name, spec_version, version, expires, meta }
}

/// A role has the last version that there is, 2^53-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{role} has the last version that there is: an operator sets the signer's memory lower with \
     `notary-signer memory set`, then `notary recover` replaces all keys of snapshot and timestamp",
    role = .0.name()
)]
pub struct Exhausted(pub OnlineRole);

/// The versions of the next snapshot and timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// Of the snapshot.
    pub snapshot: Version,
    /// Of the timestamp.
    pub timestamp: Version,
}

impl Versions {
    /// The first of both.
    pub const FIRST: Versions = Versions { snapshot: Version::FIRST, timestamp: Version::FIRST };

    /// One above these of snapshot and timestamp, where they are further.
    ///
    /// # Errors
    /// At 2^53-1 there is none.
    pub fn above(
        self,
        snapshot: Option<Version>,
        timestamp: Option<Version>,
    ) -> Result<Versions, Exhausted> {
        let above = |role, next: Version, last: Option<Version>| match last {
            Some(last) => last.next().map(|above| next.max(above)).map_err(|_| Exhausted(role)),
            None => Ok(next),
        };
        let timestamp = above(OnlineRole::Timestamp, self.timestamp, timestamp)?;
        let snapshot = above(OnlineRole::Snapshot, self.snapshot, snapshot)?;
        Ok(Versions { snapshot, timestamp })
    }

    /// Those of a plan, where they are further.
    pub fn no_lower_than(self, plan: &Plan) -> Versions {
        let snapshot = plan.snapshot.as_ref().map_or(self.snapshot, |planned| planned.version);
        let timestamp = self.timestamp.max(plan.timestamp.version);
        Versions { snapshot: self.snapshot.max(snapshot), timestamp }
    }
}

/// Plans both online roles: the snapshot after `previous` with these entries, and the timestamp that
/// will name it.
pub fn plan(
    previous: Option<&Snapshot>,
    changed: impl IntoIterator<Item = (RoleName, FileMeta)>,
    signing: Signing<'_>,
    lifetimes: &Lifetimes,
    versions: Versions,
    now: DateTime<Utc>,
) -> Plan {
    let expires = expires_after(now, lifetimes.snapshot_seconds);
    let snapshot = next_snapshot(previous, changed, versions.snapshot, expires);
    Plan {
        snapshot: Some(PlannedSnapshot {
            version: versions.snapshot,
            signed: Unsigned::of(&snapshot).message().to_vec(),
            keyids: signing.keyids(OnlineRole::Snapshot),
        }),
        timestamp: PlannedTimestamp {
            version: versions.timestamp,
            expires: expires_after(now, lifetimes.timestamp_seconds),
            keyids: signing.keyids(OnlineRole::Timestamp),
        },
    }
}

/// The entry of a snapshot for a targets file.
pub fn entry(file: &Envelope<Targets>) -> FileMeta {
    FileMeta::of(file.version(), file.bytes())
}
