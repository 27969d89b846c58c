//! The rules between files: versions, names, paths, and what becomes of stored roles.

use std::collections::{BTreeMap, BTreeSet};

use super::view::{Delegator, View};
use super::{Batch, Head, Refusal, Standing};
use crate::envelope::Envelope;
use crate::name::{RoleName, Version};
use crate::path::Candidate;
use crate::role::{Delegations, FileMeta, Root, SuccinctRoles, Targets};
use crate::threshold;

/// Every part is the version after the stored one; the first publish is root 1 with targets 1.
pub(super) fn versions(head: Option<&Head>, batch: &Batch) -> Result<(), Refusal> {
    if head.is_none() {
        if batch.root().is_none() {
            return Err(Refusal::FirstPublish(RoleName::ROOT));
        }
        if batch.targets(&RoleName::TARGETS).is_none() {
            return Err(Refusal::FirstPublish(RoleName::TARGETS));
        }
    }
    let mut newest = head.map(|head| head.root.clone());
    for root in batch.earlier_roots().chain(batch.root()) {
        let current = newest.as_ref().map(|root| (root.version(), root.sha256().to_owned()));
        require_next(RoleName::ROOT, current, root.version())?;
        newest = Some(root.clone());
    }
    if batch.root().is_none() && batch.earlier_roots().next().is_some() {
        return Err(Refusal::NoNewestRoot);
    }
    for (role, file) in batch.targets_parts() {
        if let Some(listed) = head.and_then(|head| head.lost.get(role)) {
            require_after_lost(role, listed, file.version())?;
            continue;
        }
        let current = head.and_then(|head| {
            head.files.get(role).map(|stored| (stored.version, stored.sha256.clone()))
        });
        require_next(role.clone(), current, file.version())?;
    }
    Ok(())
}

/// A lost file that is not found is followed by the version after it: what clients have seen is never
/// another file.
fn require_after_lost(role: &RoleName, listed: &FileMeta, sent: Version) -> Result<(), Refusal> {
    match listed.version.next().is_ok_and(|next| next == sent) {
        true => Ok(()),
        false => Err(Refusal::Lost { role: role.clone(), listed: listed.clone(), sent }),
    }
}

fn require_next(
    role: RoleName,
    current: Option<(Version, String)>,
    sent: Version,
) -> Result<(), Refusal> {
    let expected = match &current {
        Some((version, _)) => version.next().unwrap_or(*version),
        None => Version::FIRST,
    };
    let exhausted = current.as_ref().is_some_and(|(version, _)| *version == expected);
    match sent != expected || exhausted {
        true => Err(Refusal::VersionConflict { role, current, expected, sent }),
        false => Ok(()),
    }
}

/// A delegation leads to every delegated role.
pub(super) fn delegated(view: &View<'_>, batch: &Batch) -> Result<(), Refusal> {
    match delegated_parts(batch).find(|(role, _)| view.delegators(role).is_empty()) {
        Some((role, _)) => Err(Refusal::NotDelegated(role.clone())),
        None => Ok(()),
    }
}

pub(super) fn delegated_parts(
    batch: &Batch,
) -> impl Iterator<Item = (&RoleName, &Envelope<Targets>)> {
    let parts = batch.targets_parts().map(|(role, file)| (role, file.as_ref()));
    parts.filter(|(role, _)| **role != RoleName::TARGETS)
}

/// No role is farther from `targets` than clients follow.
pub(super) fn depth(view: &View<'_>, limit: usize) -> Result<(), Refusal> {
    match view.depth {
        depth if depth > limit => Err(Refusal::TooDeep { depth, limit }),
        _ => Ok(()),
    }
}

/// A delegated role lists only targets that every delegation on the way to it covers.
pub(super) fn paths(view: &View<'_>, batch: &Batch) -> Result<(), Refusal> {
    delegated_parts(batch).try_for_each(|(role, file)| inside_paths(view, role, file))
}

pub(super) fn inside_paths(
    view: &View<'_>,
    role: &RoleName,
    file: &Envelope<Targets>,
) -> Result<(), Refusal> {
    if file.signed().targets.is_empty() {
        return Ok(());
    }
    let mut chain = view.chain(role);
    chain.retain(|step| !view.is_lost(step.name));
    for name in file.signed().targets.keys() {
        let candidate = Candidate::new(name);
        if let Some(outside) = chain.iter().find(|step| !step.delegated.covers(&candidate)) {
            return Err(Refusal::OutsidePaths {
                role: role.clone(),
                target: name.to_owned(),
                delegator: outside.name.clone(),
                via: outside.delegated.name.clone(),
            });
        }
    }
    Ok(())
}

/// Stored roles that stop being reachable, verifiable or inside their paths are named, and no
/// others are.
pub(super) fn orphans(view: &View<'_>, batch: &Batch) -> Result<(), Refusal> {
    let stored = view.touched().into_iter().filter(|role| view.has_file(role));
    let kept = stored.filter(|role| batch.targets(role).is_none());
    let orphaned: BTreeSet<RoleName> = kept.filter(|role| !still_trusted(view, role)).collect();
    let unnamed: Vec<RoleName> = orphaned.difference(&batch.orphan).cloned().collect();
    if !unnamed.is_empty() {
        return Err(Refusal::WouldOrphan(unnamed));
    }
    named_with_need("orphan", &batch.orphan, &orphaned)
}

fn still_trusted(view: &View<'_>, role: &RoleName) -> bool {
    if !view.is_reachable(role) {
        return false;
    }
    // Nobody can tell; it comes back under what is said of it then, or is published anew.
    if view.is_lost(role) {
        return true;
    }
    let file = view.file(role).expect("only stored roles are asked for");
    let edge = |delegator: &Delegator<'_>| (delegator.name.clone(), role.clone());
    let delegators = view.delegators(role).into_iter();
    let mut changed = delegators.filter(|delegator| view.changes.contains_key(&edge(delegator)));
    changed.all(|delegator| threshold::count(file, delegator.authority()).is_met())
        && inside_paths(view, role, file).is_ok()
}

/// New delegations come with the first file of their role, or are named; no others are. Succinct
/// bins all have a file (TAP 15).
pub(super) fn pending(view: &View<'_>, batch: &Batch) -> Result<(), Refusal> {
    for (delegator, file) in batch.targets_parts() {
        let succinct = file.signed().delegations.as_ref().and_then(Delegations::succinct);
        let Some(SuccinctRoles { bins, .. }) = succinct else { continue };
        let there = view.bins_with_file(bins);
        if (there.len() as u64) < bins.count() {
            let missing = bins.names().filter(|bin| !there.contains(bin)).collect();
            return Err(Refusal::MissingBins { delegator: delegator.clone(), missing });
        }
    }
    let added = view.added().map(|(_, role)| role);
    let waiting: BTreeSet<RoleName> = added.filter(|role| !view.has_file(role)).cloned().collect();
    let unnamed: Vec<RoleName> = waiting.difference(&batch.pending).cloned().collect();
    if !unnamed.is_empty() {
        return Err(Refusal::Pending(unnamed));
    }
    named_with_need("pending", &batch.pending, &waiting)
}

fn named_with_need(
    parameter: &'static str,
    named: &BTreeSet<RoleName>,
    needed: &BTreeSet<RoleName>,
) -> Result<(), Refusal> {
    let roles: Vec<RoleName> = named.difference(needed).cloned().collect();
    if roles.is_empty() { Ok(()) } else { Err(Refusal::NamedWithoutNeed { parameter, roles }) }
}

/// What is said to be compromised is replaced by the root of the batch.
pub(super) fn compromised(head: Option<&Head>, batch: &Batch) -> Result<(), Refusal> {
    let roots = head.map(|head| &head.root).zip(batch.root());
    let replaced = |role: &&RoleName| {
        let keys = |root: &Envelope<Root>| root.signed().role_keys(role).cloned();
        roots.is_some_and(|(before, after)| keys(before) != keys(after))
    };
    let replaced = batch.compromised.iter().filter(replaced).cloned().collect();
    named_with_need("compromised", &batch.compromised, &replaced)
}

/// The stored versions that the rules above looked at.
pub(super) fn relied_on(
    head: Option<&Head>,
    view: &View<'_>,
    batch: &Batch,
) -> BTreeMap<RoleName, Option<Standing>> {
    let mut roles = BTreeSet::from([RoleName::ROOT, RoleName::TARGETS]);
    for (role, _) in batch.targets_parts() {
        roles.extend(view.chain(role).into_iter().map(|step| step.name.clone()));
        roles.insert(role.clone());
    }
    roles.extend(view.touched());
    let standing = |role: &RoleName| head.and_then(|head| head.standing(role));
    roles.into_iter().map(|role| (role.clone(), standing(&role))).collect()
}
