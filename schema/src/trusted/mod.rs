//! The client workflow of the specification (TUF 5.3–5.6) on bytes.
//!
//! A [`TrustedSet`] holds what one client trusts and takes files one after another. The order of the
//! steps is kept by the object: what comes too early is refused, and nothing that was refused
//! changes what is trusted. One reference time is given at the start and used for all of it.
//!
//! What the client stored before comes in through [`TrustedSet::restore`]: it says what may not go
//! back, and is used again where it still is what the repository lists.
//!
//! Update agents enforce expiry. Somebody who publishes must be able to read a collection whose
//! metadata has expired, in order to repair it, and asks for it to be reported instead.

mod error;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::envelope::Envelope;
use crate::name::{RoleName, Version};
use crate::role::{Authority, Expires, FileMeta, Role, Root, Snapshot, Targets, Timestamp};
use crate::threshold::{self, ThresholdNotMet};
pub use error::TrustError;

/// What becomes of expired metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It is refused: the rule for update agents.
    Enforced,
    /// It is used, and listed in [`TrustedSet::expired`]: for those who repair it.
    Reported,
}

/// What a timestamp changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampChange {
    /// It is newer than the one before, or the first.
    New,
    /// It has the version of the one before, which is kept.
    Same,
}

/// What a client trusts.
#[derive(Debug, Clone)]
pub struct TrustedSet {
    now: DateTime<Utc>,
    expiry: Expiry,
    root: Arc<Envelope<Root>>,
    timestamp: Option<Arc<Envelope<Timestamp>>>,
    /// The client's own, until there is the current one: what may not go back.
    stored_snapshot: Option<Arc<Envelope<Snapshot>>>,
    snapshot: Option<Arc<Envelope<Snapshot>>>,
    targets: BTreeMap<RoleName, TrustedTargets>,
    /// Length of the files in `targets`.
    held_bytes: u64,
}

/// A targets role and the delegators against which it was verified.
#[derive(Debug, Clone)]
struct TrustedTargets {
    file: Arc<Envelope<Targets>>,
    delegators: Vec<RoleName>,
}

/// What a file that the client stored is worth under the root of today.
enum Stored<T> {
    Trusted(Arc<Envelope<T>>),
    /// Unreadable, or a higher threshold is asked for now. It says nothing and does no harm.
    Unusable,
    /// A key that signed it was taken away, and the others do not suffice.
    Rotated,
}

impl TrustedSet {
    /// Starts with a root that is trusted already: shipped with the client, or stored by it. It
    /// must carry the signatures that it asks for itself.
    pub fn new(
        root: impl Into<Arc<[u8]>>,
        now: DateTime<Utc>,
        expiry: Expiry,
    ) -> Result<TrustedSet, TrustError> {
        let root = Arc::new(read::<Root>(&RoleName::ROOT, root.into())?);
        require(&root, &RoleName::ROOT, root.signed())?;
        Ok(TrustedSet {
            now,
            expiry,
            root,
            timestamp: None,
            stored_snapshot: None,
            snapshot: None,
            targets: BTreeMap::new(),
            held_bytes: 0,
        })
    }

    /// The trusted root.
    pub fn root(&self) -> &Arc<Envelope<Root>> {
        &self.root
    }

    /// The trusted timestamp: the stored one, until there is a newer.
    pub fn timestamp(&self) -> Option<&Arc<Envelope<Timestamp>>> {
        self.timestamp.as_ref()
    }

    /// The snapshot that the trusted timestamp lists.
    pub fn snapshot(&self) -> Option<&Arc<Envelope<Snapshot>>> {
        self.snapshot.as_ref()
    }

    /// The targets roles that are trusted, in the order of their names.
    pub fn targets_roles(&self) -> impl Iterator<Item = &RoleName> {
        self.targets.keys()
    }

    /// A trusted targets role, whoever delegates to it.
    pub fn targets(&self, role: &RoleName) -> Option<&Arc<Envelope<Targets>>> {
        self.targets.get(role).map(|trusted| &trusted.file)
    }

    /// How many bytes of files of targets roles are held in memory.
    pub fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// Lets go of these delegated roles; they are trusted again when they are handed in again.
    pub fn forget_delegated(&mut self, which: impl Fn(&RoleName) -> bool) {
        self.targets.retain(|role, _| *role == RoleName::TARGETS || !which(role));
        self.held_bytes = self.targets.values().map(|trusted| length(&trusted.file)).sum();
    }

    /// What is used although it is expired (with [`Expiry::Reported`]).
    pub fn expired(&self) -> Vec<(RoleName, Expires)> {
        let timestamp = self.timestamp.iter().map(|file| (RoleName::TIMESTAMP, file.expires()));
        let snapshot = self.snapshot.iter().map(|file| (RoleName::SNAPSHOT, file.expires()));
        let targets = self.targets.iter().map(|(role, t)| (role.clone(), t.file.expires()));
        let root = [(RoleName::ROOT, self.root.expires())].into_iter();
        let all = root.chain(timestamp).chain(snapshot).chain(targets);
        all.filter(|(_, expires)| expires.is_past(self.now)).collect()
    }

    /// Takes the next root (TUF 5.3.4–5.3.7): signed by the trusted one and by itself, one version
    /// on. Intermediate roots may be expired.
    pub fn update_root(&mut self, bytes: impl Into<Arc<[u8]>>) -> Result<(), TrustError> {
        if self.timestamp.is_some() || self.stored_snapshot.is_some() {
            return Err(TrustError::OutOfOrder("roots come before the timestamp"));
        }
        let root = Arc::new(read::<Root>(&RoleName::ROOT, bytes.into())?);
        require(&root, &RoleName::ROOT, self.root.signed())?;
        let (expected, found) = (self.root.version().next()?, root.version());
        if found != expected {
            return Err(TrustError::RootVersion { expected, found });
        }
        require(&root, &RoleName::ROOT, root.signed())?;
        self.root = root;
        Ok(())
    }

    /// Takes what this client stored, under the last root (TUF 5.3.10, 5.3.11). Expired files still
    /// say what may not go back. Answers which files to remove, in this order: those signed by a key
    /// that was taken away since, so that whoever had that key cannot hold up this client with high
    /// versions. Where that is the snapshot, the timestamp goes too: it lists its version.
    ///
    /// # Errors
    /// When the last root is expired, and after a timestamp.
    pub fn restore(
        &mut self,
        timestamp: Option<Arc<[u8]>>,
        snapshot: Option<Arc<[u8]>>,
    ) -> Result<Vec<RoleName>, TrustError> {
        if self.timestamp.is_some() || self.stored_snapshot.is_some() {
            return Err(TrustError::OutOfOrder("stored files come before those of the repository"));
        }
        self.check_life(&RoleName::ROOT, &self.root)?;
        let had_timestamp = timestamp.is_some();
        let timestamp = self.stored::<Timestamp>(&RoleName::TIMESTAMP, timestamp);
        let snapshot = self.stored::<Snapshot>(&RoleName::SNAPSHOT, snapshot);
        let mut to_remove = Vec::new();
        match (timestamp, &snapshot) {
            (Stored::Rotated, _) => to_remove.push(RoleName::TIMESTAMP),
            (_, Stored::Rotated) if had_timestamp => to_remove.push(RoleName::TIMESTAMP),
            (Stored::Trusted(file), _) => self.timestamp = Some(file),
            (Stored::Unusable, _) => {}
        }
        match snapshot {
            Stored::Trusted(file) => self.stored_snapshot = Some(file),
            Stored::Rotated => to_remove.push(RoleName::SNAPSHOT),
            Stored::Unusable => {}
        }
        Ok(to_remove)
    }

    fn stored<T: Role>(&self, role: &RoleName, bytes: Option<Arc<[u8]>>) -> Stored<T> {
        let Some(Ok(file)) = bytes.map(|bytes| read::<T>(role, bytes)) else {
            return Stored::Unusable;
        };
        match require(&file, role, self.root.signed()) {
            Ok(()) => Stored::Trusted(Arc::new(file)),
            Err(missed) if missed.report.unknown.is_empty() => Stored::Unusable,
            Err(_) => Stored::Rotated,
        }
    }

    /// Takes the repository's timestamp (TUF 5.4).
    ///
    /// # Errors
    /// Also when the last root is expired (TUF 5.3.10).
    pub fn update_timestamp(
        &mut self,
        bytes: impl Into<Arc<[u8]>>,
    ) -> Result<TimestampChange, TrustError> {
        if self.snapshot.is_some() {
            return Err(TrustError::OutOfOrder("the timestamp comes before the snapshot"));
        }
        self.check_life(&RoleName::ROOT, &self.root)?;
        let new = Arc::new(read::<Timestamp>(&RoleName::TIMESTAMP, bytes.into())?);
        require(&new, &RoleName::TIMESTAMP, self.root.signed())?;
        if let Some(old) = &self.timestamp {
            refuse_rollback("timestamp", old.version(), new.version())?;
            if new.version() == old.version() {
                return Ok(TimestampChange::Same);
            }
            let (old, new) = (&old.signed().meta.snapshot, &new.signed().meta.snapshot);
            refuse_rollback("snapshot.json", old.version, new.version)?;
        }
        self.check_life(&RoleName::TIMESTAMP, &new)?;
        self.timestamp = Some(new);
        Ok(TimestampChange::New)
    }

    /// What the trusted timestamp says of the snapshot.
    ///
    /// # Errors
    /// When there is no timestamp yet, or it is expired (TUF 5.4.4).
    pub fn snapshot_entry(&self) -> Result<&FileMeta, TrustError> {
        let early = TrustError::OutOfOrder("the snapshot comes after the timestamp");
        let timestamp = self.timestamp.as_ref().ok_or(early)?;
        self.check_life(&RoleName::TIMESTAMP, timestamp)?;
        Ok(&timestamp.signed().meta.snapshot)
    }

    /// Takes the stored snapshot as the current one where it is: the file that the timestamp lists,
    /// and not expired. Answers whether it is.
    ///
    /// # Errors
    /// As [`TrustedSet::snapshot_entry`].
    pub fn reuse_snapshot(&mut self) -> Result<bool, TrustError> {
        let listed = self.snapshot_entry()?;
        let is_current = |stored: &Arc<Envelope<Snapshot>>| {
            listed.version == stored.version()
                && listed.describes(stored.bytes())
                && self.check_life(&RoleName::SNAPSHOT, stored).is_ok()
        };
        let current = self.stored_snapshot.as_ref().is_some_and(is_current);
        if current {
            self.snapshot = self.stored_snapshot.take();
        }
        Ok(current)
    }

    /// Takes the repository's snapshot (TUF 5.5).
    pub fn update_snapshot(&mut self, bytes: impl Into<Arc<[u8]>>) -> Result<(), TrustError> {
        if self.snapshot.is_some() {
            return Err(TrustError::OutOfOrder("the snapshot comes before targets"));
        }
        let bytes = bytes.into();
        let listed = self.snapshot_entry()?;
        if !listed.describes(&bytes) {
            return Err(TrustError::OtherFile(RoleName::SNAPSHOT));
        }
        let new = Arc::new(read::<Snapshot>(&RoleName::SNAPSHOT, bytes)?);
        require(&new, &RoleName::SNAPSHOT, self.root.signed())?;
        same_version(&RoleName::SNAPSHOT, listed.version, new.version())?;
        let (stored, next) = (self.stored_snapshot.iter(), &new.signed().meta);
        for (name, old, new) in stored.flat_map(|stored| stored.signed().meta.changes(next)) {
            let Some(new) = new else { return Err(TrustError::EntryGone(name.to_owned())) };
            refuse_rollback(name, old.version, new.version)?;
        }
        self.check_life(&RoleName::SNAPSHOT, &new)?;
        (self.snapshot, self.stored_snapshot) = (Some(new), None);
        Ok(())
    }

    /// What the snapshot says of a role.
    ///
    /// # Errors
    /// When there is no snapshot yet, or it does not list the role (TUF 5.6.7).
    pub fn targets_entry(&self, role: &RoleName) -> Result<FileMeta, TrustError> {
        let early = TrustError::OutOfOrder("targets come after the snapshot");
        let snapshot = self.snapshot.as_ref().ok_or(early)?;
        snapshot.signed().entry(role).ok_or_else(|| TrustError::NotListed(role.clone()))
    }

    /// Takes `targets` or a delegated role (TUF 5.6), verified against the delegator that leads to
    /// it: `root` for `targets`, otherwise a targets role that is trusted already.
    pub fn update_targets(
        &mut self,
        role: &RoleName,
        delegator: &RoleName,
        bytes: impl Into<Arc<[u8]>>,
    ) -> Result<(), TrustError> {
        let bytes = bytes.into();
        let listed = self.targets_entry(role)?;
        if !listed.describes(&bytes) {
            return Err(TrustError::OtherFile(role.clone()));
        }
        let file = Arc::new(read::<Targets>(role, bytes)?);
        threshold::require(&file, role, delegator, self.authority(role, delegator)?)?;
        same_version(role, listed.version, file.version())?;
        self.check_life(role, &file)?;
        self.held_bytes += length(&file);
        let new = TrustedTargets { file, delegators: vec![delegator.clone()] };
        let old = self.targets.insert(role.clone(), new);
        self.held_bytes -= old.map_or(0, |old| length(&old.file));
        Ok(())
    }

    /// Whether a role is here and verified against this delegator; one that came in through another
    /// delegator is verified now.
    pub fn trusts(&mut self, role: &RoleName, delegator: &RoleName) -> bool {
        let Some(trusted) = self.targets.get(role) else { return false };
        if trusted.delegators.contains(delegator) {
            return true;
        }
        let authority = self.authority(role, delegator);
        let verified = authority.is_ok_and(|a| threshold::count(&trusted.file, a).is_met());
        if verified && let Some(trusted) = self.targets.get_mut(role) {
            trusted.delegators.push(delegator.clone());
        }
        verified
    }

    /// Whose signatures count for a role below this delegator, which is trusted already.
    ///
    /// # Errors
    /// When the delegator does not delegate to the role.
    pub fn authority(
        &self,
        role: &RoleName,
        delegator: &RoleName,
    ) -> Result<Authority<'_>, TrustError> {
        let found = if *delegator == RoleName::ROOT {
            Some(role)
                .filter(|role| **role == RoleName::TARGETS)
                .and_then(|role| self.root.signed().authority(role))
        } else {
            self.targets(delegator).and_then(|file| file.signed().authority(role))
        };
        let (role, delegator) = (role.clone(), delegator.clone());
        found.ok_or(TrustError::NotDelegated { role, delegator })
    }

    fn check_life<T: Role>(&self, role: &RoleName, file: &Envelope<T>) -> Result<(), TrustError> {
        let expires = file.expires();
        if self.expiry == Expiry::Enforced && expires.is_past(self.now) {
            return Err(TrustError::Expired { role: role.clone(), expires });
        }
        Ok(())
    }
}

fn length<T>(file: &Envelope<T>) -> u64 {
    file.bytes().len() as u64
}

fn read<T: Role>(role: &RoleName, bytes: Arc<[u8]>) -> Result<Envelope<T>, TrustError> {
    Envelope::parse(bytes).map_err(|error| TrustError::Unreadable { role: role.clone(), error })
}

fn require<T>(file: &Envelope<T>, role: &RoleName, root: &Root) -> Result<(), ThresholdNotMet> {
    let authority = root.authority(role).expect("a root lists the top-level roles");
    threshold::require(file, role, &RoleName::ROOT, authority).map(drop)
}

fn refuse_rollback(file: &str, trusted: Version, found: Version) -> Result<(), TrustError> {
    if found < trusted {
        return Err(TrustError::Rollback { file: file.to_owned(), trusted, found });
    }
    Ok(())
}

fn same_version(role: &RoleName, listed: Version, found: Version) -> Result<(), TrustError> {
    if found != listed {
        return Err(TrustError::OtherVersion { role: role.clone(), listed, found });
    }
    Ok(())
}
