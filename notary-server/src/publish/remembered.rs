//! What the signer remembers of a collection, read: the last snapshot and the last timestamp that it
//! has signed. It decides for versions wherever the head alone cannot.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::name::{RoleName, Version};
use notary_schema::online::{
    Exhausted, OnlineRole, Plan, PlannedSnapshot, Versions, accept_answer, floors,
};
use notary_schema::publish::Head;
use notary_schema::role::{FileMeta, Role, Root, Snapshot, Timestamp};
use notary_schema::wire::{RememberedFile, SignerMemory};

use super::Publisher;
use super::plan::versions_after;
use crate::error::ServiceError;
use crate::signer_client::Trouble;
use crate::store::Collection;

/// The signer's memory, read.
pub(super) struct Remembered {
    snapshot: Option<Envelope<Snapshot>>,
    timestamp: Option<Envelope<Timestamp>>,
}

impl Remembered {
    fn read(memory: SignerMemory) -> Result<Remembered, ServiceError> {
        fn file<T: Role>(
            remembered: Option<RememberedFile>,
        ) -> Result<Option<Envelope<T>>, ServiceError> {
            let parsed = remembered.map(|found| Envelope::parse(found.file.into_bytes()));
            parsed.transpose().map_err(|error| {
                let reason = format!("its memory is not readable: {error}");
                ServiceError::SignerAway { trouble: Trouble::WrongAnswer, reason }
            })
        }
        Ok(Remembered { snapshot: file(memory.snapshot)?, timestamp: file(memory.timestamp)? })
    }

    /// One above what the head has and the signer remembers.
    pub(super) fn versions_after(&self, head: Option<&Head>) -> Result<Versions, Exhausted> {
        self.versions_above(versions_after(head)?)
    }

    /// One above what the signer remembers.
    pub(super) fn versions(&self) -> Result<Versions, Exhausted> {
        self.versions_above(Versions::FIRST)
    }

    fn versions_above(&self, least: Versions) -> Result<Versions, Exhausted> {
        let snapshot = self.snapshot.as_ref().map(Envelope::version);
        let timestamp = self.timestamp.as_ref().map(Envelope::version);
        least.above(snapshot, timestamp)
    }

    /// The last snapshot.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref().map(Envelope::signed)
    }

    /// What the last snapshot lists beyond another one.
    pub(super) fn beyond(&self, listed: Option<&Snapshot>) -> BTreeMap<RoleName, FileMeta> {
        let last = self.snapshot.as_ref();
        last.map_or_else(BTreeMap::new, |last| floors(last.signed(), listed))
    }

    /// Whether something was signed that neither a head nor the slot on it knows of: the database was
    /// set back. What the slot plans may have been signed for it.
    pub(super) fn is_ahead(&self, head: &Head, plan: &Plan, planned: Option<&Snapshot>) -> bool {
        let snapshot = self.snapshot.as_ref().is_some_and(|last| {
            let known = planned.unwrap_or(head.snapshot.signed());
            (last.version(), last.expires()) != (known.version, known.expires)
                && last.version() >= known.version
        });
        let timestamp = self.timestamp.as_ref().is_some_and(|last| {
            let known = &plan.timestamp;
            (last.version(), last.expires()) != (known.version, known.expires)
                && last.version() >= known.version
        });
        snapshot || timestamp
    }

    /// Whether the last snapshot is the planned one, and can be used.
    pub(super) fn has_signed(
        &self,
        planned: &PlannedSnapshot,
        root: &Root,
        now: DateTime<Utc>,
    ) -> bool {
        self.snapshot.as_ref().is_some_and(|last| {
            let (bytes, role) = (last.bytes().clone(), OnlineRole::Snapshot);
            !last.expires().is_past(now)
                && accept_answer::<Snapshot>(bytes, &planned.signed, role, root).is_ok()
        })
    }

    /// Whether the last snapshot is the one that is served, so that a timestamp can name it.
    pub(super) fn is_served_by(&self, head: Option<&Head>, now: DateTime<Utc>) -> bool {
        let (Some(last), Some(head)) = (&self.snapshot, head) else { return false };
        last.sha256() == head.snapshot.sha256() && !last.expires().is_past(now)
    }
}

impl Publisher {
    /// What the signer remembers now.
    pub(super) async fn remembered(
        &self,
        collection: &Collection,
    ) -> Result<Remembered, ServiceError> {
        let memory = self.signer.memory(&collection.gun, &collection.incarnation).await?;
        Remembered::read(memory)
    }

    /// Refuses a timestamp that does not follow from the one before and that the signer would not
    /// sign: it would find out when the snapshot is recorded already, and a release is not taken back
    /// from there.
    pub(super) fn require_reachable(
        &self,
        memory: &Remembered,
        timestamp: Version,
    ) -> Result<(), ServiceError> {
        let last = memory.timestamp.as_ref().map_or(0, |last| last.version().get());
        let most = self.largest_group() as u64;
        match timestamp.get().saturating_sub(last) > most {
            false => Ok(()),
            true => Err(ServiceError::SignerRefused {
                code: "version_jump".to_owned(),
                reason: format!(
                    "timestamp would jump from version {last} to {timestamp}, by more than {most}; \
                     an operator lets it with `notary-signer memory set` on the signer's host"
                ),
            }),
        }
    }
}
