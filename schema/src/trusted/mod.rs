//! The client workflow of the specification (TUF 5.3–5.6) on bytes.
//!
//! A [`TrustedSet`] holds what one client trusts and takes files one after another. The order of the
//! steps is kept by the object: what comes too early is refused, and nothing that was refused
//! changes what is trusted. One reference time is given at the start and used for all of it.
//!
//! What the client stored before comes in through [`TrustedSet::restore`]: it says what may not go
//! back, and is used again where it still is what the repository lists. A root that takes a key of
//! timestamp or snapshot away makes the client forget both, so that whoever had that key cannot hold
//! it up with high versions; [`TrustedSet::update_root`] tells.
//!
//! Update agents enforce expiry. Somebody who publishes must be able to read a collection whose
//! metadata has expired, in order to repair it, and asks for it to be reported instead.

mod error;
mod known;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::envelope::Envelope;
use crate::name::{RoleName, Version};
use crate::role::{Authority, Expires, FileMeta, Role, Root, Snapshot, Targets, Timestamp};
use crate::threshold::{self, ThresholdNotMet};
pub use error::TrustError;
use known::{Known, authority};

/// What becomes of expired metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It is refused: the rule for update agents.
    Enforced,
    /// It is used, and listed in [`TrustedSet::expired`]: for those who repair it.
    Reported,
}

/// What the next root changed for what is stored (TUF 5.3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootChange {
    /// Each key of timestamp and snapshot still counts, whatever came to them.
    KeysStay,
    /// A key of timestamp or snapshot was taken away: before this root is stored in place of the one
    /// under which they came, the stored timestamp and snapshot are to be removed.
    KeyTakenAway,
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
    /// The client's own, until there is a newer one.
    timestamp: Option<Known<Timestamp>>,
    /// The client's own, until there is the current one.
    stored_snapshot: Option<Known<Snapshot>>,
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
        self.timestamp.as_ref()?.trusted()
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
        let timestamp =
            self.timestamp().into_iter().map(|file| (RoleName::TIMESTAMP, file.expires()));
        let snapshot = self.snapshot.iter().map(|file| (RoleName::SNAPSHOT, file.expires()));
        let targets = self.targets.iter().map(|(role, t)| (role.clone(), t.file.expires()));
        let root = [(RoleName::ROOT, self.root.expires())].into_iter();
        let all = root.chain(timestamp).chain(snapshot).chain(targets);
        all.filter(|(_, expires)| expires.is_past(self.now)).collect()
    }

    /// Takes the next root (TUF 5.3.4–5.3.7): signed by the trusted one and by itself, one version
    /// on. Intermediate roots may be expired.
    pub fn update_root(&mut self, bytes: impl Into<Arc<[u8]>>) -> Result<RootChange, TrustError> {
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
        let old = std::mem::replace(&mut self.root, root);
        Ok(match known::takes_key_away(old.signed(), self.root.signed()) {
            true => RootChange::KeyTakenAway,
            false => RootChange::KeysStay,
        })
    }

    /// Takes what this client stored, under the last root (TUF 5.3.10). Expired files, and those of
    /// which the root now asks for more signatures, still say what may not go back; what cannot be
    /// read says nothing.
    ///
    /// # Errors
    /// When the last root is expired, and after a timestamp.
    pub fn restore(
        &mut self,
        timestamp: Option<Arc<[u8]>>,
        snapshot: Option<Arc<[u8]>>,
    ) -> Result<(), TrustError> {
        if self.timestamp.is_some() || self.stored_snapshot.is_some() {
            return Err(TrustError::OutOfOrder("stored files come before those of the repository"));
        }
        self.check_life(&RoleName::ROOT, &self.root)?;
        let root = self.root.signed();
        self.timestamp = timestamp.and_then(|file| Known::stored(&RoleName::TIMESTAMP, file, root));
        self.stored_snapshot =
            snapshot.and_then(|file| Known::stored(&RoleName::SNAPSHOT, file, root));
        Ok(())
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
        if let Some(known) = &self.timestamp {
            let old = known.file();
            refuse_rollback("timestamp", old.version(), new.version())?;
            if new.version() == old.version() && known.trusted().is_some() {
                return Ok(TimestampChange::Same);
            }
            let (old, new) = (&old.signed().meta.snapshot, &new.signed().meta.snapshot);
            refuse_rollback("snapshot.json", old.version, new.version)?;
        }
        self.check_life(&RoleName::TIMESTAMP, &new)?;
        self.timestamp = Some(Known::Trusted(new));
        Ok(TimestampChange::New)
    }

    /// What the trusted timestamp says of the snapshot.
    ///
    /// # Errors
    /// When there is no timestamp yet, or it is expired (TUF 5.4.4).
    pub fn snapshot_entry(&self) -> Result<&FileMeta, TrustError> {
        let early = TrustError::OutOfOrder("the snapshot comes after the timestamp");
        let timestamp = self.timestamp().ok_or(early)?;
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
        let stored = self.stored_snapshot.as_ref().and_then(Known::trusted);
        let Some(current) = stored.filter(|stored| is_current(stored)).cloned() else {
            return Ok(false);
        };
        (self.snapshot, self.stored_snapshot) = (Some(current), None);
        Ok(true)
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
        let changes = stored.flat_map(|stored| stored.file().signed().meta.changes(next));
        for (name, old, new) in changes {
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

    /// A trusted targets role, if it was verified against this delegator.
    pub fn verified(
        &self,
        role: &RoleName,
        delegator: &RoleName,
    ) -> Option<&Arc<Envelope<Targets>>> {
        let trusted = self.targets.get(role)?;
        trusted.delegators.contains(delegator).then_some(&trusted.file)
    }

    /// Verifies a role that came in through another delegator against this one. Answers whether it is
    /// verified.
    pub fn verify_again(&mut self, role: &RoleName, delegator: &RoleName) -> bool {
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
    threshold::require(file, role, &RoleName::ROOT, authority(root, role)).map(drop)
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
