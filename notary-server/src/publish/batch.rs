//! Step 2 of a publish: what is to be published, read and not yet judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::publish::Batch;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ServiceError;

/// What somebody who may wants to publish: readable, not yet judged. It comes from a request, or from
/// a proposal that has all its signatures.
///
/// It holds the bytes that came. What was read from them is a [`Batch`] beside it, which lives no
/// longer than somebody looks into it.
#[derive(Debug)]
pub struct PublishBatch {
    gun: Gun,
    sent: Sent,
    parts: Vec<Part>,
    /// Beside them: earlier roots, and snapshot and timestamp of a repository that is taken over.
    foreign: Vec<(RoleName, Arc<[u8]>)>,
    named: Named,
    /// The share of the memory for bodies, given back with the batch.
    _memory: Option<OwnedSemaphorePermit>,
}

impl PublishBatch {
    /// The collection.
    pub fn gun(&self) -> &Gun {
        &self.gun
    }

    /// The ids of the tokens with which it came.
    pub fn by(&self) -> &[String] {
        &self.sent.by
    }

    /// Whether it may make the collection.
    pub fn may_create(&self) -> bool {
        self.sent.may_create
    }

    /// What it names beside its parts.
    pub(crate) fn named(&self) -> &Named {
        &self.named
    }

    /// The SHA-256 of the newest root of the tombstone that it replaces.
    pub fn replaces(&self) -> Option<&str> {
        self.named.replaces.as_deref()
    }

    /// The parts, in the order in which they came.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The version of its root, if it has one.
    pub fn root_version(&self) -> Option<Version> {
        self.parts.iter().find(|part| part.role == RoleName::ROOT).map(|part| part.version)
    }

    /// Reads the parts once more.
    pub fn read_again(&self) -> Batch {
        let mut batch = self.named.batch();
        let parts = self.parts.iter().map(|part| (&part.role, &part.bytes));
        let foreign = self.foreign.iter().map(|(name, bytes)| (name, bytes));
        for (role, bytes) in parts.chain(foreign) {
            batch.add(role.clone(), bytes.clone()).expect("it was read before");
        }
        batch
    }

    /// Reads parts; their bytes have this share of the memory for bodies.
    ///
    /// # Errors
    /// Where a part is not metadata of the role that it is named after.
    pub(crate) fn read(
        gun: Gun,
        sent: Sent,
        parts: Vec<(RoleName, Arc<[u8]>)>,
        named: Named,
        memory: Option<OwnedSemaphorePermit>,
    ) -> Result<(PublishBatch, Batch), ServiceError> {
        let mut batch = named.batch();
        for (role, bytes) in &parts {
            batch.add(role.clone(), bytes.clone())?;
        }
        let known = batch.parts().map(|(role, version, sha256)| (role, (version, sha256)));
        let known: BTreeMap<RoleName, (Version, &str)> = known.collect();
        let is_part = |(role, _): &(RoleName, Arc<[u8]>)| known.contains_key(role);
        let (parts, foreign): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_part);
        let part = |(role, bytes)| {
            let (version, sha256) = known[&role];
            Part { role, version, sha256: sha256.to_owned(), bytes }
        };
        let parts = parts.into_iter().map(part).collect();
        Ok((PublishBatch { gun, sent, parts, foreign, named, _memory: memory }, batch))
    }
}

/// Who sent it.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The ids of the tokens with which it came.
    pub(crate) by: Vec<String>,
    /// Whether it may make the collection.
    pub(crate) may_create: bool,
}

/// One file of a publish, as it came.
#[derive(Debug)]
pub struct Part {
    /// The role that it is named after.
    pub role: RoleName,
    /// Its version.
    pub version: Version,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    bytes: Arc<[u8]>,
}

/// What the parameters of a publish name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    pub(crate) pending: BTreeSet<RoleName>,
    pub(crate) orphan: BTreeSet<RoleName>,
    pub(crate) compromised: BTreeSet<RoleName>,
    pub(crate) replaces: Option<String>,
    pub(crate) adopt: bool,
}

impl Named {
    /// A batch without parts.
    pub(crate) fn batch(&self) -> Batch {
        let mut batch = if self.adopt { Batch::adopting() } else { Batch::default() };
        (batch.pending, batch.orphan) = (self.pending.clone(), self.orphan.clone());
        batch.compromised = self.compromised.clone();
        batch
    }
}

/// A share of the memory for bodies.
///
/// # Errors
/// [`ServiceError::Busy`] when so much is not left.
pub(crate) fn share(
    memory: &Arc<Semaphore>,
    bytes: usize,
) -> Result<OwnedSemaphorePermit, ServiceError> {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let share = memory.clone().try_acquire_many_owned(bytes);
    share.map_err(|_| ServiceError::Busy("other publishes fill its memory"))
}
