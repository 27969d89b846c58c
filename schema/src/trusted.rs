//! The client workflow of the specification (TUF 5.3–5.6) on bytes.
//!
//! A [`TrustedSet`] holds what one client trusts and takes files one after another. The order of the
//! steps is kept by the object: what comes too early is refused, and nothing that was refused
//! changes what is trusted. One reference time is given at the start and used for all of it.
//!
//! Update agents enforce expiry. Somebody who publishes must be able to read a collection whose
//! metadata has expired, in order to repair it, and asks for it to be reported instead.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::envelope::{Envelope, EnvelopeError};
use crate::name::{NameError, RoleName, Version};
use crate::role::{Authority, Expires, FileMeta, Role, Root, Snapshot, Targets, Timestamp};
use crate::threshold::{self, ThresholdNotMet};

/// What becomes of expired metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// It is refused: the rule for update agents.
    Enforced,
    /// It is used, and listed in [`TrustedSet::expired`]: for those who repair it.
    Reported,
}

/// Where a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Stored by this client when it trusted it: an older snapshot still says what may not go back.
    Local,
    /// From the repository: it must be exactly the file that is listed.
    Remote,
}

/// What a timestamp changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampChange {
    /// It is newer than the one before, or the first.
    New,
    /// It has the version of the one before, which is kept.
    Same,
}

/// Why a file is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// It is not readable metadata of its role.
    #[error("{role}: {error}")]
    Unreadable {
        /// The role.
        role: RoleName,
        /// What is wrong.
        error: EnvelopeError,
    },
    /// Too few keys have signed it.
    #[error(transparent)]
    Threshold(#[from] ThresholdNotMet),
    /// A root that is not the version after the trusted one.
    #[error("root: version {found} where {expected} was expected")]
    RootVersion {
        /// The version after the trusted one.
        expected: Version,
        /// The version in the file.
        found: Version,
    },
    /// A version, of the file or of an entry, is lower than one that was trusted before.
    #[error("{file} goes back from version {trusted} to {found}")]
    Rollback {
        /// `timestamp`, `snapshot` or the file name of an entry.
        file: String,
        /// The version that was trusted.
        trusted: Version,
        /// The version that was offered.
        found: Version,
    },
    /// An entry of the trusted snapshot is missing in the next one.
    #[error("snapshot: the entry {0:?} of the trusted snapshot is missing")]
    EntryGone(String),
    /// No entry of the snapshot is for this role.
    #[error("{0} is delegated to and not listed in the snapshot")]
    NotListed(RoleName),
    /// It does not have the length or the hashes that are listed.
    #[error("{0} does not have the length and hashes that are listed for it")]
    OtherFile(RoleName),
    /// It does not have the version that is listed.
    #[error("{role}: version {found} where version {listed} is listed")]
    OtherVersion {
        /// The role.
        role: RoleName,
        /// The version in the timestamp or snapshot.
        listed: Version,
        /// The version in the file.
        found: Version,
    },
    /// It is expired.
    #[error("{role} expired at {expires}")]
    Expired {
        /// The role.
        role: RoleName,
        /// When it expired.
        expires: Expires,
    },
    /// The delegator does not delegate to this role.
    #[error("{delegator} does not delegate to {role}")]
    NotDelegated {
        /// The role.
        role: RoleName,
        /// Who was said to delegate to it.
        delegator: RoleName,
    },
    /// A step was taken before the one that it builds on, or after one that must come later.
    #[error("{0}")]
    OutOfOrder(&'static str),
    /// The root has the last version that there is.
    #[error(transparent)]
    NoNextVersion(#[from] NameError),
}

/// What a client trusts.
#[derive(Debug, Clone)]
pub struct TrustedSet {
    now: DateTime<Utc>,
    expiry: Expiry,
    root: Arc<Envelope<Root>>,
    timestamp: Option<Arc<Envelope<Timestamp>>>,
    snapshot: Option<Arc<Envelope<Snapshot>>>,
    targets: BTreeMap<RoleName, TrustedTargets>,
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
        let (timestamp, snapshot, targets) = (None, None, BTreeMap::new());
        Ok(TrustedSet { now, expiry, root, timestamp, snapshot, targets })
    }

    /// The trusted root.
    pub fn root(&self) -> &Arc<Envelope<Root>> {
        &self.root
    }

    /// The trusted timestamp.
    pub fn timestamp(&self) -> Option<&Arc<Envelope<Timestamp>>> {
        self.timestamp.as_ref()
    }

    /// The trusted snapshot.
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
        if self.timestamp.is_some() {
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

    /// Takes a timestamp (TUF 5.4). Its date is looked at when the snapshot comes: a stored
    /// timestamp that has expired still says what may not go back.
    ///
    /// # Errors
    /// Also when the final root is expired (TUF 5.3.10).
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

    /// Takes a snapshot (TUF 5.5). A local one may be older than the timestamp says: it is kept for
    /// what may not go back, and is not final.
    pub fn update_snapshot(
        &mut self,
        bytes: impl Into<Arc<[u8]>>,
        source: Source,
    ) -> Result<(), TrustError> {
        if !self.targets.is_empty() {
            return Err(TrustError::OutOfOrder("the snapshot comes before targets"));
        }
        let bytes = bytes.into();
        let listed = self.snapshot_entry()?;
        if source == Source::Remote && !listed.describes(&bytes) {
            return Err(TrustError::OtherFile(RoleName::SNAPSHOT));
        }
        let new = Arc::new(read::<Snapshot>(&RoleName::SNAPSHOT, bytes)?);
        require(&new, &RoleName::SNAPSHOT, self.root.signed())?;
        if source == Source::Remote {
            same_version(&RoleName::SNAPSHOT, listed.version, new.version())?;
        }
        for (name, old) in self.snapshot.iter().flat_map(|old| &old.signed().meta) {
            let Some(new) = new.signed().meta.get(name) else {
                return Err(TrustError::EntryGone(name.clone()));
            };
            refuse_rollback(name, old.version, new.version)?;
        }
        self.snapshot = Some(new);
        Ok(())
    }

    /// Whether the trusted snapshot is the file that the timestamp lists.
    pub fn snapshot_is_final(&self) -> bool {
        let (Some(timestamp), Some(snapshot)) = (&self.timestamp, &self.snapshot) else {
            return false;
        };
        let listed = &timestamp.signed().meta.snapshot;
        listed.version == snapshot.version() && listed.describes(snapshot.bytes())
    }

    /// What the final snapshot says of a role.
    ///
    /// # Errors
    /// When there is no snapshot yet, it is not the one that the timestamp lists, it is expired
    /// (TUF 5.5.6), or it does not list the role (5.6.7).
    pub fn targets_entry(&self, role: &RoleName) -> Result<&FileMeta, TrustError> {
        let early = TrustError::OutOfOrder("targets come after the snapshot");
        let snapshot = self.snapshot.as_ref().ok_or(early)?;
        let listed = self.snapshot_entry()?;
        same_version(&RoleName::SNAPSHOT, listed.version, snapshot.version())?;
        self.check_life(&RoleName::SNAPSHOT, snapshot)?;
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
        let delegators = vec![delegator.clone()];
        self.targets.insert(role.clone(), TrustedTargets { file, delegators });
        Ok(())
    }

    /// Whether a role is here and verified against this delegator; one that came in through another
    /// delegator is verified now.
    pub fn trusts(&mut self, role: &RoleName, delegator: &RoleName) -> Result<bool, TrustError> {
        let Some(trusted) = self.targets.get(role) else { return Ok(false) };
        if !trusted.delegators.contains(delegator) {
            let authority = self.authority(role, delegator)?;
            threshold::require(&trusted.file, role, delegator, authority)?;
            let trusted = self.targets.get_mut(role).expect("it was there");
            trusted.delegators.push(delegator.clone());
        }
        Ok(true)
    }

    fn authority(
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
