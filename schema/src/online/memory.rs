//! What a signer remembers, and how an operator changes that.
//!
//! The memory is what the next document is judged by ([`judge()`](super::judge())), so it lets no
//! version be signed twice. It is wrong where clients have seen something else: a repository of
//! somebody else that is taken over, a version that ran away, a signer restored from a backup. Then
//! an operator puts another file in its place, or the same at another version: a file that need not
//! be signed, since nobody is ever given it as an answer to what it does not say.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::OnlineRole;
use crate::envelope::{Envelope, EnvelopeError, Unsigned};
use crate::name::Version;
use crate::role::{Role, Snapshot, Timestamp};

/// What was signed last for one collection and incarnation, whichever key signed.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// The last snapshot that was answered.
    pub snapshot: Option<Envelope<Snapshot>>,
    /// The last timestamp that was answered.
    pub timestamp: Option<Envelope<Timestamp>>,
}

/// A file of an online role.
#[derive(Debug, Clone)]
pub enum OnlineFile {
    /// A snapshot.
    Snapshot(Envelope<Snapshot>),
    /// A timestamp.
    Timestamp(Envelope<Timestamp>),
}

impl OnlineFile {
    /// Reads a file as the role that it says it is of. Its signatures are not looked at.
    ///
    /// # Errors
    /// When it is neither a snapshot nor a timestamp.
    pub fn parse(bytes: impl Into<Arc<[u8]>>) -> Result<OnlineFile, EnvelopeError> {
        let bytes = bytes.into();
        match Envelope::parse(bytes.clone()) {
            Err(EnvelopeError::WrongType { found, .. }) if found == Timestamp::TYPE => {
                Envelope::parse(bytes).map(OnlineFile::Timestamp)
            }
            snapshot => snapshot.map(OnlineFile::Snapshot),
        }
    }

    /// Whether it is a file that an operator made of a version: nobody has signed it.
    pub fn is_unsigned(&self) -> bool {
        match self {
            OnlineFile::Snapshot(file) => file.signatures().is_empty(),
            OnlineFile::Timestamp(file) => file.signatures().is_empty(),
        }
    }

    /// The role of the file.
    pub fn role(&self) -> OnlineRole {
        match self {
            OnlineFile::Snapshot(_) => OnlineRole::Snapshot,
            OnlineFile::Timestamp(_) => OnlineRole::Timestamp,
        }
    }
}

/// What a memory would no longer keep from being signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The role whose file is replaced.
    pub role: OnlineRole,
    /// `snapshot`, `timestamp`, or the file name of an entry.
    pub what: String,
    /// The version that is remembered.
    pub from: Version,
    /// The version that would be remembered; `None` for an entry that would be gone.
    pub to: Option<Version>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Loss { what, from, to, .. } = self;
        match to {
            None => write!(f, "{what} {from} is forgotten"),
            Some(to) if to == from => write!(f, "{what} {from} gets another content"),
            Some(to) => write!(f, "{what} goes back from version {from} to {to}"),
        }
    }
}

/// Why a memory is not set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemoryRefusal {
    /// A version without a file, and none is remembered.
    #[error("no {role} is remembered, so a version alone says too little: give a file",
        role = .0.name())]
    NothingRemembered(OnlineRole),
    /// It would let something be signed again, and nobody has said so.
    #[error("{}; what was signed in between could be signed again with other content: only a root \
             that replaces all keys of snapshot and timestamp makes clients forget it; say so with \
             {}", list(.losses), confirmation(.losses, .remembered))]
    Loses {
        /// All that is not confirmed.
        losses: Vec<Loss>,
        /// The versions that are remembered.
        remembered: BTreeMap<OnlineRole, Version>,
    },
    /// Something is said to be given up that is not, or not at this version.
    #[error("nothing of {role} is given up at version {version}: it is not what is remembered, or \
             it does not go back", role = .role.name())]
    NothingLost {
        /// The role.
        role: OnlineRole,
        /// The version that was named.
        version: Version,
    },
    /// The same version says one thing here and another there.
    #[error(
        "{what} {version} is remembered with another content than is served: one of both is \
             not of this collection, or somebody else has the keys; `notary recover` replaces them"
    )]
    Contradiction {
        /// `snapshot`, `timestamp`, or the file name of an entry.
        what: String,
        /// The version.
        version: Version,
    },
    /// So near to the last version that there is none beyond.
    #[error("{role} is at version {version}, and none is left that many above it: set a lower one, \
             then replace all keys with `notary recover`", role = .role.name())]
    NoRoom {
        /// The role.
        role: OnlineRole,
        /// Its version.
        version: Version,
    },
}

fn list(losses: &[Loss]) -> String {
    losses.iter().map(Loss::to_string).collect::<Vec<_>>().join(", ")
}

fn confirmation(losses: &[Loss], remembered: &BTreeMap<OnlineRole, Version>) -> String {
    let lost = remembered.iter().filter(|(role, _)| losses.iter().any(|loss| loss.role == **role));
    let flags = lost.map(|(role, version)| format!("--forget {}={version}", role.name()));
    flags.collect::<Vec<_>>().join(" ")
}

impl Memory {
    /// The versions that are remembered.
    pub fn versions(&self) -> BTreeMap<OnlineRole, Version> {
        let snapshot = self.snapshot.iter().map(|file| (OnlineRole::Snapshot, file.version()));
        let timestamp = self.timestamp.iter().map(|file| (OnlineRole::Timestamp, file.version()));
        snapshot.chain(timestamp).collect()
    }

    /// The remembered file of a role.
    pub fn file(&self, role: OnlineRole) -> Option<&Arc<[u8]>> {
        match role {
            OnlineRole::Snapshot => self.snapshot.as_ref().map(Envelope::bytes),
            OnlineRole::Timestamp => self.timestamp.as_ref().map(Envelope::bytes),
        }
    }

    /// The memory with this file as the last one of its role.
    pub fn with(mut self, file: OnlineFile) -> Memory {
        match file {
            OnlineFile::Snapshot(file) => self.snapshot = Some(file),
            OnlineFile::Timestamp(file) => self.timestamp = Some(file),
        }
        self
    }

    /// The memory with the same content of a role as this version.
    ///
    /// # Errors
    /// [`MemoryRefusal::NothingRemembered`] where there is no content.
    pub fn at(mut self, role: OnlineRole, version: Version) -> Result<Memory, MemoryRefusal> {
        let missing = MemoryRefusal::NothingRemembered(role);
        match role {
            OnlineRole::Snapshot => {
                let file = self.snapshot.take().ok_or(missing)?;
                self.snapshot = Some(at_version(file, version, |document, version| Snapshot {
                    version,
                    ..document
                }));
            }
            OnlineRole::Timestamp => {
                let file = self.timestamp.take().ok_or(missing)?;
                self.timestamp = Some(at_version(file, version, |document, version| Timestamp {
                    version,
                    ..document
                }));
            }
        }
        Ok(self)
    }

    /// What could be signed again if the next memory took the place of this one.
    pub fn losses(&self, next: &Memory) -> Vec<Loss> {
        let mut losses = Vec::new();
        let role = OnlineRole::Snapshot;
        if let Some(last) = &self.snapshot {
            losses.extend(loss_of_file(role, last, next.snapshot.as_ref()));
            let none = crate::role::Listing::default();
            let after = next.snapshot.as_ref().map_or(&none, |file| &file.signed().meta);
            for (what, last, next) in last.signed().meta.changes(after) {
                let to = next.map(|entry| entry.version);
                if to.is_none_or(|to| to <= last.version) {
                    losses.push(Loss { role, what: what.to_owned(), from: last.version, to });
                }
            }
        }
        if let Some(last) = &self.timestamp {
            let next = next.timestamp.as_ref();
            losses.extend(loss_of_file(OnlineRole::Timestamp, last, next));
        }
        losses
    }

    /// Requires that whoever replaces this memory knows what that gives up: `forgotten` names each
    /// role that loses something at the version that is remembered, and no other.
    ///
    /// # Errors
    /// [`MemoryRefusal::Loses`] and [`MemoryRefusal::NothingLost`].
    pub fn require_confirmed(
        &self,
        next: &Memory,
        forgotten: &BTreeMap<OnlineRole, Version>,
    ) -> Result<(), MemoryRefusal> {
        let (remembered, mut losses) = (self.versions(), self.losses(next));
        for (role, version) in forgotten {
            let is_lost = losses.iter().any(|loss| loss.role == *role);
            if !is_lost || remembered.get(role) != Some(version) {
                return Err(MemoryRefusal::NothingLost { role: *role, version: *version });
            }
        }
        losses.retain(|loss| !forgotten.contains_key(&loss.role));
        match losses.is_empty() {
            true => Ok(()),
            false => Err(MemoryRefusal::Loses { losses, remembered }),
        }
    }
}

fn loss_of_file<T: Role>(
    role: OnlineRole,
    last: &Envelope<T>,
    next: Option<&Envelope<T>>,
) -> Option<Loss> {
    let (from, to) = (last.version(), next.map(Envelope::version));
    let is_kept = next.is_some_and(|next| {
        next.version() > from || next.version() == from && next.message() == last.message()
    });
    (!is_kept).then(|| Loss { role, what: role.name().to_string(), from, to })
}

fn at_version<T: Role + Serialize + Clone>(
    file: Envelope<T>,
    version: Version,
    set: impl FnOnce(T, Version) -> T,
) -> Envelope<T> {
    match file.version() == version {
        true => file,
        false => unsigned(&set(file.signed().clone(), version)),
    }
}

/// The file of a document that nobody has signed.
pub(super) fn unsigned<T: Role + Serialize>(document: &T) -> Envelope<T> {
    let file = Unsigned::of(document).with_signatures(&[]);
    Envelope::parse(file).expect("a role that was read can be read again")
}
