//! A first publish that takes over a repository of somebody else.
//!
//! What they have published is verified as a client would verify it, and becomes the head on which
//! their next root is judged like any other: it is the only new thing in the batch. What they have
//! signed in the past is not asked to obey the rules of today, but for how much it may hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::view::View;
use super::{Accepted, Batch, Head, Limits, Refusal, Rotation, Rules, StoredFile};
use super::{chain, check_content, files, signatures};
use crate::envelope::{Allowance, Envelope, EnvelopeError};
use crate::name::{RoleName, Version};
use crate::role::{Snapshot, Timestamp};
use crate::threshold::RevokedKeys;
use crate::trusted::{Expiry, TrustError, TrustedSet};

/// What is sent beside roots and targets roles: what the new root is a step from.
#[derive(Debug, Clone, Default)]
pub(super) struct Foreign {
    snapshot: Option<Arc<Envelope<Snapshot>>>,
    timestamp: Option<Arc<Envelope<Timestamp>>>,
}

/// A repository that was taken over.
#[derive(Debug, Clone)]
pub struct Adopted {
    /// What it was before the new root.
    pub head: Arc<Head>,
}

impl Foreign {
    /// Reads a part, where it is one of these; answers whether it is.
    pub(super) fn add(
        &mut self,
        name: &RoleName,
        bytes: &Arc<[u8]>,
        left: &mut Allowance,
    ) -> Result<bool, Refusal> {
        let unreadable = |error: EnvelopeError| Refusal::Unreadable { role: name.clone(), error };
        let repeated = if *name == RoleName::SNAPSHOT {
            let file = Envelope::parse_within(bytes.clone(), left).map_err(unreadable)?;
            self.snapshot.replace(Arc::new(file)).is_some()
        } else if *name == RoleName::TIMESTAMP {
            let file = Envelope::parse_within(bytes.clone(), left).map_err(unreadable)?;
            self.timestamp.replace(Arc::new(file)).is_some()
        } else {
            return Ok(false);
        };
        if repeated { Err(Refusal::RepeatedPart(name.clone())) } else { Ok(true) }
    }
}

/// Judges a batch with all that it is a step from.
pub(super) fn check(
    foreign: &Foreign,
    batch: &Batch,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<Accepted, Refusal> {
    if batch.root.is_none() {
        return Err(Refusal::FirstPublish(RoleName::ROOT));
    }
    let trusted = verify(foreign, batch, now)?;
    let head = Arc::new(head(&trusted, batch)?);
    let new = Batch { earlier_roots: BTreeMap::new(), ..batch.clone() };
    let view = View::new(None, &new);
    within(batch, &view, &rules.limits)?;
    vouched(&head, &view)?;
    // Every role, as each delegator leads to it.
    signatures::require(None, &new, &view)?;
    let new = Batch { targets: BTreeMap::new(), ..new };
    let view = View::new(Some(&head), &new);
    check_content(Some(&head), &new, rules, now)?;
    signatures::require(Some(&head), &new, &view)?;
    Ok(Accepted {
        earlier_roots: batch.earlier_roots.values().cloned().collect(),
        root: batch.root.clone(),
        files: batch.targets.clone(),
        relied_on: chain::relied_on(None, &View::new(None, batch), batch),
        adds_names: false,
        revoked: RevokedKeys::default(),
        // Their keys are not the signer's, and whoever sees the new root asked for it first.
        rotation: Rotation::default(),
        warnings: files::warnings(&new),
        adopted: Some(Adopted { head }),
    })
}

/// Takes the roots one after the other, then timestamp and snapshot; expired ones, too.
fn verify(foreign: &Foreign, batch: &Batch, now: DateTime<Utc>) -> Result<TrustedSet, Refusal> {
    let roots = &batch.earlier_roots;
    let first = roots.get(&Version::FIRST).map(|root| root.bytes().clone());
    let roots = roots.values().skip(1).map(|root| root.bytes().clone());
    let first = first.ok_or_else(|| Refusal::NotWhole("1.root".to_owned()))?;
    let mut trusted = TrustedSet::new(first, now, Expiry::Reported).map_err(Refusal::Adopted)?;
    for root in roots {
        trusted.update_root(root).map_err(Refusal::Adopted)?;
    }
    let missing = |role: RoleName| Refusal::NotWhole(role.to_string());
    let timestamp = foreign.timestamp.as_ref().ok_or_else(|| missing(RoleName::TIMESTAMP))?;
    let snapshot = foreign.snapshot.as_ref().ok_or_else(|| missing(RoleName::SNAPSHOT))?;
    trusted.update_timestamp(timestamp.bytes().clone()).map_err(Refusal::Adopted)?;
    trusted.update_snapshot(snapshot.bytes().clone()).map_err(Refusal::Adopted)?;
    Ok(trusted)
}

/// Every file that the snapshot lists, and no other.
fn head(trusted: &TrustedSet, batch: &Batch) -> Result<Head, Refusal> {
    let whole = "it was verified";
    let snapshot = trusted.snapshot().expect(whole).clone();
    let mut files = BTreeMap::new();
    for (name, entry) in snapshot.signed().meta.iter() {
        let role = RoleName::of_file(name);
        let file = role.as_ref().and_then(|role| batch.targets(role));
        let Some((role, file)) = role.zip(file) else {
            return Err(Refusal::NotWhole(name.to_owned()));
        };
        if !entry.describes(file.bytes()) {
            return Err(Refusal::Adopted(TrustError::OtherFile(role)));
        }
        if entry.version != file.version() {
            let (listed, found) = (entry.version, file.version());
            return Err(Refusal::Adopted(TrustError::OtherVersion { role, listed, found }));
        }
        files.insert(role, StoredFile::loaded(file.clone()));
    }
    if !files.contains_key(&RoleName::TARGETS) {
        return Err(Refusal::FirstPublish(RoleName::TARGETS));
    }
    if let Some((role, _)) = batch.targets_parts().find(|(role, _)| !files.contains_key(*role)) {
        return Err(Refusal::Adopted(TrustError::NotListed(role.clone())));
    }
    let root = trusted.root().clone();
    let timestamp = trusted.timestamp().expect(whole).clone();
    Ok(Head::new(root, snapshot, timestamp, files))
}

/// It holds no more than what is published here: later publishes build on it.
fn within(batch: &Batch, view: &View<'_>, limits: &Limits) -> Result<(), Refusal> {
    batch.earlier_roots().try_for_each(|root| files::root_within(root, limits))?;
    for (role, file) in batch.targets_parts() {
        files::targets_within(role, file, limits)?;
        let mut targets = file.signed().targets.iter();
        targets.try_for_each(|(_, target)| files::custom_within(role, &target, limits))?;
    }
    chain::depth(view, limits.delegation_depth)
}

/// A file that no delegation leads to, so that no key is asked for, is the listed one by its hash.
fn vouched(head: &Head, view: &View<'_>) -> Result<(), Refusal> {
    let has_hash = |role: &RoleName| head.entry(role).is_some_and(|entry| entry.hashes.is_some());
    match head.files.keys().find(|role| !view.is_reachable(role) && !has_hash(role)) {
        Some(role) => Err(Refusal::NotVouched(role.clone())),
        None => Ok(()),
    }
}
