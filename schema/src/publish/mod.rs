//! Every rule of what may be published.
//!
//! [`check`] judges a [`Batch`] on a [`Head`] and answers what to store, or the first rule that is
//! broken. It is pure, so a publish can be judged on all cores without a lock and judged again when
//! its ground moved. The rules of single files stand in `files`, those between files in `chain`,
//! whose signatures they need in `signatures`, which keys they may name no more in `revoked`.
//!
//! Three principles run through them. *Expired metadata never blocks its own repair*: what is stored
//! may be expired, only what is new must not be. *A revoked key signs nothing new*, and what it has
//! signed stays until its delegator leaves it out. *Nothing stored becomes unverifiable by accident*:
//! a batch that orphans a role says so.

mod adopted;
mod batch;
mod chain;
mod files;
mod head;
mod lost;
mod names;
pub mod proposal;
mod recovery;
mod refusal;
mod revoked;
mod signatures;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::envelope::Envelope;
use crate::name::RoleName;
use crate::online::{HeldKeys, Overlap, Rotation};
use crate::role::{FileMeta, Root, Targets};
use crate::threshold::RevokedKeys;
pub use adopted::Adopted;
pub use batch::Batch;
pub use files::check_target;
use head::Standing;
pub use head::{Head, StoredFile};
pub use recovery::{entries_over, replaces_online_keys, starts_over};
pub use refusal::Refusal;
pub use signatures::{Demand, Purpose};
use view::View;

/// How much one file may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest root, in bytes.
    pub root_bytes: u64,
    /// Most targets in one role.
    pub targets_per_role: u64,
    /// Most delegations of one role.
    pub delegations_per_role: u64,
    /// Most keys that one role names.
    pub keys_per_role: u64,
    /// Most keys in one file.
    pub keys_per_file: u64,
    /// Longest `custom` of a target, in bytes of compact JSON.
    pub custom_bytes: u64,
    /// Longest chain of delegations.
    pub delegation_depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            root_bytes: 1 << 20,
            targets_per_role: 250_000,
            delegations_per_role: 20_000,
            keys_per_role: 64,
            keys_per_file: 4_096,
            custom_bytes: 16 << 10,
            delegation_depth: 32,
        }
    }
}

/// What a check takes for given beside the head.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// How much one file may hold.
    pub limits: Limits,
    /// The longest life of a root, targets or delegated role, in seconds.
    pub offline_max_seconds: u64,
    /// The keys that the signer holds for this collection. Looked at when the batch has a root.
    pub held_keys: HeldKeys,
    /// Online keys of a root that was lost when the database was set back. Looked at when the batch
    /// has a root.
    pub of_lost_roots: Overlap,
}

/// A batch that may be stored on the head that it was judged on.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The roots between the stored one and the new one.
    pub earlier_roots: Vec<Arc<Envelope<Root>>>,
    /// The new root, if there is one.
    pub root: Option<Arc<Envelope<Root>>>,
    /// The new files of targets roles.
    pub files: BTreeMap<RoleName, Arc<Envelope<Targets>>>,
    /// The versions that the judgement looked at; `None` where a role had no file.
    relied_on: BTreeMap<RoleName, Option<Standing>>,
    /// Whether it adds a delegation, for which every name in use was looked at.
    adds_names: bool,
    /// The keys that signed nothing new when it was judged.
    revoked: RevokedKeys,
    /// What the new root changes in the keys of the online roles.
    pub rotation: Rotation,
    /// What clients in the field would trip over.
    pub warnings: Vec<String>,
    /// The repository of somebody else that it takes over.
    pub adopted: Option<Adopted>,
}

impl Accepted {
    /// Whether the judgement also holds on a later head of the same collection: nothing that it
    /// looked at has moved.
    pub fn holds_on(&self, head: &Head) -> bool {
        let relied =
            |(role, standing): (&RoleName, &Option<Standing>)| head.standing(role) == *standing;
        !self.adds_names && self.revoked == head.revoked && self.relied_on.iter().all(relied)
    }
}

/// The snapshot entries of accepted files: version, length and SHA-256, and of hash bins the version
/// alone, since thousands of them are in every snapshot. A role keeps the form that it was listed in
/// before, so that no entry is ever signed in two forms under one version.
pub fn snapshot_entries(
    head: Option<&Head>,
    files: BTreeMap<RoleName, Arc<Envelope<Targets>>>,
) -> BTreeMap<RoleName, FileMeta> {
    let batch = Batch { targets: files, ..Batch::default() };
    let view = View::new(head, &batch);
    let entry = |(role, file): (&RoleName, &Arc<Envelope<Targets>>)| {
        let listed = head.and_then(|head| head.entry(role));
        let is_bin = match &listed {
            Some(listed) => listed.hashes.is_none(),
            None => view.is_bin(role),
        };
        let entry = match (listed, is_bin) {
            // A lost file that is found: as it was signed.
            (Some(listed), false) if listed.version == file.version() => listed,
            (_, true) => FileMeta { version: file.version(), length: None, hashes: None },
            (_, false) => FileMeta::of(file.version(), file.bytes()),
        };
        (role.clone(), entry)
    };
    batch.targets_parts().map(entry).collect()
}

/// Judges a batch, from which stored parts are taken out, on the head of its collection; `None` for
/// the first publish.
///
/// # Errors
/// The first rule that the batch breaks.
pub fn check(
    head: Option<&Head>,
    batch: &Batch,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<Accepted, Refusal> {
    if let (None, Some(foreign)) = (head, &batch.foreign) {
        return adopted::check(foreign, batch, rules, now);
    }
    let view = View::new(head, batch);
    check_content(head, batch, rules, now)?;
    signatures::require(head, batch, &view)?;
    Ok(Accepted {
        earlier_roots: batch.earlier_roots.values().cloned().collect(),
        root: batch.root.clone(),
        files: batch.targets.clone(),
        relied_on: chain::relied_on(head, &view, batch),
        adds_names: view.added().next().is_some(),
        revoked: view.revoked(),
        rotation: rotation(head, batch),
        warnings: files::warnings(batch),
        adopted: None,
    })
}

fn rotation(head: Option<&Head>, batch: &Batch) -> Rotation {
    let roots = head.map(|head| head.root.signed()).zip(batch.root());
    let rotation = |(before, new): (&Root, &Arc<Envelope<Root>>)| {
        Rotation::of(before, new.signed(), &batch.compromised)
    };
    roots.map(rotation).unwrap_or_default()
}

/// Judges a batch that is still to be signed: by every rule of [`check`] but those on signatures.
/// Answers what clients in the field would trip over.
///
/// # Errors
/// The first rule that the batch breaks.
pub fn check_unsigned(
    head: Option<&Head>,
    batch: &Batch,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<Vec<String>, Refusal> {
    check_content(head, batch, rules, now)?;
    Ok(files::warnings(batch))
}

/// Every threshold that a batch has to reach, and who has signed towards it: what a batch that is
/// right by [`check_unsigned`] still lacks.
pub fn demands(head: Option<&Head>, batch: &Batch) -> Vec<Demand> {
    signatures::demands(head, batch, &View::new(head, batch)).collect()
}

/// The same of a root alone, where nothing else of its collection can be read: as the root before it
/// says, and as it says itself, where these keys are revoked.
pub fn demands_of_root(
    before: &Envelope<Root>,
    root: &Envelope<Root>,
    revoked: &RevokedKeys,
) -> Vec<Demand> {
    signatures::of_root(root, Some(before), revoked).collect()
}

/// Every rule but those on signatures. What was lost and is found is part of what the rest is judged
/// on.
fn check_content(
    head: Option<&Head>,
    batch: &Batch,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let (found, new) = lost::split(head, batch);
    let Some(before) = head.filter(|_| !found.is_empty()) else {
        return check_new(head, batch, &View::new(head, batch), rules, now);
    };
    lost::found_paths(&View::new(head, batch), &found)?;
    let ground = lost::with_found(before, &found);
    check_new(Some(&ground), &new, &View::new(Some(&ground), &new), rules, now)
}

fn check_new(
    head: Option<&Head>,
    batch: &Batch,
    view: &View<'_>,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    chain::versions(head, batch)?;
    chain::compromised(head, batch)?;
    lost::root(head, batch, &rules.of_lost_roots)?;
    for (role, file) in batch.targets_parts() {
        files::check_life(role, file.as_ref(), rules, now)?;
        files::check_targets(role, file, &rules.limits)?;
    }
    for root in batch.earlier_roots() {
        files::check_root(root, &rules.limits)?;
    }
    if let Some(root) = batch.root() {
        files::check_life(&RoleName::ROOT, root.as_ref(), rules, now)?;
        files::check_root(root, &rules.limits)?;
        files::check_online_keys(root, rules)?;
    }
    revoked::check(batch, view)?;
    lost::delegators(view, batch)?;
    // First, so that below every new delegation is one that clients find.
    chain::delegated(view, batch)?;
    names::names(view, batch)?;
    chain::depth(view, rules.limits.delegation_depth)?;
    chain::paths(view, batch)?;
    chain::orphans(view, batch)?;
    chain::pending(view, batch)
}
