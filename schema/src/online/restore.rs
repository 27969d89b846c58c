//! The memory of a signer that was restored from a backup.
//!
//! What it has signed since the backup it does not know. What is served says so up to the last
//! commit; beyond that a gap in the versions does.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::OnlineRole;
use super::memory::{Memory, MemoryRefusal, unsigned};
use crate::envelope::Envelope;
use crate::name::Version;
use crate::role::{Role, Root, Snapshot, Timestamp};
use crate::trusted::{Expiry, TrustError, TrustedSet};

/// What a repository serves, verified as a client would.
#[derive(Debug, Clone)]
pub struct Served {
    root: Arc<Envelope<Root>>,
    snapshot: Arc<Envelope<Snapshot>>,
    timestamp: Arc<Envelope<Timestamp>>,
}

impl Served {
    /// Verifies a timestamp and the snapshot that it lists from a root that somebody trusts along the
    /// roots after it. What is expired still says what was signed.
    ///
    /// # Errors
    /// The first file that does not follow from the ones before.
    pub fn verify(
        trusted_root: Arc<[u8]>,
        next_roots: impl IntoIterator<Item = Arc<[u8]>>,
        timestamp: Arc<[u8]>,
        snapshot: Arc<[u8]>,
        now: DateTime<Utc>,
    ) -> Result<Served, TrustError> {
        let mut set = TrustedSet::new(trusted_root, now, Expiry::Reported)?;
        for root in next_roots {
            set.update_root(root)?;
        }
        set.update_timestamp(timestamp)?;
        set.update_snapshot(snapshot)?;
        let taken = "it was just taken";
        Ok(Served {
            root: set.root().clone(),
            snapshot: set.snapshot().expect(taken).clone(),
            timestamp: set.timestamp().expect(taken).clone(),
        })
    }

    /// The newest root.
    pub fn root(&self) -> &Root {
        self.root.signed()
    }
}

impl Memory {
    /// The memory of a signer that was restored from a backup and may have signed more since: of each
    /// version the highest that it remembers or that is served, and of snapshot and timestamp at
    /// least `gap` above what is served, for what it signed and nobody has committed.
    ///
    /// # Errors
    /// [`MemoryRefusal::Contradiction`], [`MemoryRefusal::NoRoom`].
    pub fn after_restore(&self, served: &Served, gap: u64) -> Result<Memory, MemoryRefusal> {
        Ok(Memory {
            snapshot: Some(self.restored_snapshot(&served.snapshot, gap)?),
            timestamp: Some(self.restored_timestamp(&served.timestamp, gap)?),
        })
    }

    fn restored_snapshot(
        &self,
        served: &Envelope<Snapshot>,
        gap: u64,
    ) -> Result<Envelope<Snapshot>, MemoryRefusal> {
        let role = OnlineRole::Snapshot;
        let least = above(role, served.version(), gap)?;
        let Some(last) = &self.snapshot else {
            let document = Snapshot { version: least, ..served.signed().clone() };
            return Ok(unsigned(&document));
        };
        require_same(role, last, served)?;
        let (remembered, served) = (last.signed(), served.signed());
        let mut document = Snapshot { version: last.version().max(least), ..remembered.clone() };
        for (name, entry, old) in served.meta.changes(&remembered.meta) {
            match old.map(|old| old.version) {
                Some(old) if old > entry.version => {}
                Some(old) if old == entry.version => {
                    let (what, version) = (name.to_owned(), old);
                    return Err(MemoryRefusal::Contradiction { what, version });
                }
                _ => document.meta.insert(name, &entry),
            }
        }
        if document.meta == remembered.meta && document.version == remembered.version {
            return Ok(last.clone());
        }
        if document.version == remembered.version {
            document.version = above(role, remembered.version, 1)?;
        }
        Ok(unsigned(&document))
    }

    fn restored_timestamp(
        &self,
        served: &Envelope<Timestamp>,
        gap: u64,
    ) -> Result<Envelope<Timestamp>, MemoryRefusal> {
        let role = OnlineRole::Timestamp;
        let least = above(role, served.version(), gap)?;
        match &self.timestamp {
            None => Ok(unsigned(&Timestamp { version: least, ..served.signed().clone() })),
            Some(last) => {
                require_same(role, last, served)?;
                Ok(match last.version() >= least {
                    true => last.clone(),
                    false => unsigned(&Timestamp { version: least, ..served.signed().clone() }),
                })
            }
        }
    }
}

fn above(role: OnlineRole, version: Version, gap: u64) -> Result<Version, MemoryRefusal> {
    let least = version.get().checked_add(gap).and_then(|least| Version::new(least).ok());
    least.ok_or(MemoryRefusal::NoRoom { role, version })
}

/// One version says one thing.
fn require_same<T: Role>(
    role: OnlineRole,
    remembered: &Envelope<T>,
    served: &Envelope<T>,
) -> Result<(), MemoryRefusal> {
    let version = served.version();
    match remembered.version() == version && remembered.message() != served.message() {
        true => Err(MemoryRefusal::Contradiction { what: role.name().to_string(), version }),
        false => Ok(()),
    }
}
