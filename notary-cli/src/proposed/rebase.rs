//! What a proposal changes, taken from the version that it was built on, so that it can be made again on
//! the version that is there now.
//!
//! Neither that version nor the proposal is verified: what comes of them is shown before it is made, and
//! is applied to what is trusted here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::role::{DelegatedRole, Delegations, RoleKeys, Root, Targets};

use super::Proposed;
use crate::exit::Failure;
use crate::publishing::signers::Rotation;
use crate::staged::{Base, Changes, NewDelegation, Staged, SuccinctBins, TargetChange, Witness};
use crate::view::View;

/// The files that a proposal was built on; the root is there where it has one.
#[derive(Default)]
pub(crate) struct Before {
    /// The root.
    pub(crate) root: Option<Envelope<Root>>,
    /// Those of targets roles that had one.
    pub(crate) targets: BTreeMap<RoleName, Envelope<Targets>>,
}

/// What a proposal changes.
pub(crate) enum Change {
    /// Targets and delegations.
    Targets(TargetsChange),
    /// The signers of a top-level role.
    Signers(Rotation),
}

/// What it changes in targets roles.
pub(crate) struct TargetsChange {
    /// The changes.
    pub(crate) staged: Staged,
    /// What the changed targets were.
    bases: BTreeMap<RoleName, Base>,
    /// What the changed delegations were.
    delegations: BTreeMap<RoleName, BTreeMap<RoleName, Option<DelegatedRole>>>,
}

impl Proposed {
    /// What the proposal changes in the files that it was built on.
    ///
    /// # Errors
    /// Where that cannot be said by itself: hash bins that are added, the signers of several roles.
    pub(crate) fn change(&self, gun: &Gun, before: &Before) -> Result<Change, Failure> {
        let targets = self.targets_change(before)?;
        let (Some(new), Some(old)) = (self.batch.root(), &before.root) else {
            return Ok(Change::Targets(targets));
        };
        let is_as_it_was = |changes: &Changes| changes.witness.is_some();
        match targets.staged.roles.values().all(is_as_it_was) {
            true => Ok(Change::Signers(self.signers(gun, old.signed(), new.signed())?)),
            false => Err(Failure::Refused(
                "it changes root and the targets below it; make it again in steps of its own"
                    .into(),
            )),
        }
    }

    fn signers(&self, gun: &Gun, old: &Root, new: &Root) -> Result<Rotation, Failure> {
        let roles = [RoleName::ROOT, RoleName::TARGETS, RoleName::SNAPSHOT, RoleName::TIMESTAMP];
        let is_changed = |role: &RoleName| old.role_keys(role) != new.role_keys(role);
        let mut changed = roles.into_iter().filter(is_changed);
        let (role, None) = (changed.next(), changed.next()) else {
            let online = [RoleName::SNAPSHOT, RoleName::TIMESTAMP];
            let command = match online.iter().all(|role| self.batch.compromised.contains(role)) {
                true => format!("`notary recover {gun} snapshot`"),
                false => format!("`notary rotate {gun}`, one role after the other"),
            };
            return Err(Failure::Refused(format!(
                "its root changes the signers of several roles; make it again with {command}"
            )));
        };
        let Some(role) = role else {
            return Err(Failure::Refused(format!(
                "its root changes nobody's signers; make it again with `notary witness {gun} root \
                 --publish`"
            )));
        };
        let keys = |root: &Root| root.role_keys(&role).cloned();
        let (Some(before), Some(after)) = (keys(old), keys(new)) else {
            return Err(Failure::Refused(format!("a root lists no keys for {role}")));
        };
        let without = |some: &RoleKeys, other: &RoleKeys| -> Vec<KeyId> {
            some.keyids.iter().filter(|id| !other.keyids.contains(id)).cloned().collect()
        };
        let added = without(&after, &before);
        let key = |id| {
            let unknown = || Failure::Refused(format!("its root names the key {id} and lacks it"));
            new.keys.get(id).cloned().ok_or_else(unknown)
        };
        Ok(Rotation {
            bins: false,
            new: added.iter().map(key).collect::<Result<_, _>>()?,
            dropped: without(&before, &after).iter().map(KeyId::to_string).collect(),
            threshold: (after.threshold != before.threshold).then_some(after.threshold.get()),
            compromised: self.batch.compromised.contains(&role),
            role,
        })
    }

    fn targets_change(&self, before: &Before) -> Result<TargetsChange, Failure> {
        let mut change = TargetsChange {
            staged: Staged::default(),
            bases: BTreeMap::new(),
            delegations: BTreeMap::new(),
        };
        let mut first_files = BTreeSet::new();
        for (role, new) in self.batch.targets_parts() {
            let old = before.targets.get(role).map(|old| old.signed());
            let changes = self.changes(role, old, new.signed(), before)?;
            first_files.extend(
                changes
                    .delegations
                    .iter()
                    .filter_map(|(name, new)| new.first_file.as_ref().map(|_| name.clone())),
            );
            let delegation = |name: &RoleName| {
                let was = old.and_then(|old| old.delegation(name));
                (name.clone(), was.map(|was| was.into_owned()))
            };
            let touched = changes.delegations.keys().chain(&changes.undelegated);
            change.delegations.insert(role.clone(), touched.map(delegation).collect());
            change.bases.insert(role.clone(), changes.base(old));
            change.staged.roles.insert(role.clone(), changes);
        }
        // They come with the delegations to them.
        change.staged.roles.retain(|role, _| !first_files.contains(role));
        Ok(change)
    }

    fn changes(
        &self,
        role: &RoleName,
        old: Option<&Targets>,
        new: &Targets,
        before: &Before,
    ) -> Result<Changes, Failure> {
        let mut changes = Changes::default();
        let names = old.into_iter().flat_map(|old| old.targets.keys()).chain(new.targets.keys());
        for name in names.collect::<BTreeSet<_>>() {
            let was = old.and_then(|old| old.targets.get(name));
            let change = match new.targets.get(name) {
                wanted if wanted == was => continue,
                Some(wanted) => TargetChange::Set(wanted),
                None => TargetChange::Remove,
            };
            changes.targets.insert(name.to_owned(), change);
        }
        self.delegations(role, &mut changes, old, new, before)?;
        if changes.is_empty() {
            changes.witness = Some(Witness { reviewed: None });
        }
        Ok(changes)
    }

    fn delegations(
        &self,
        role: &RoleName,
        changes: &mut Changes,
        old: Option<&Targets>,
        new: &Targets,
        before: &Before,
    ) -> Result<(), Failure> {
        let (was, all) = (old.and_then(|old| old.delegations.as_ref()), new.delegations.as_ref());
        let listed = |all: Option<&Delegations>| -> Vec<DelegatedRole> {
            all.map_or(&[][..], |all| all.listed()).to_vec()
        };
        let keys = |signers: &RoleKeys| -> Vec<Key> {
            let keys = all.map(|all| signers.keyids.iter().filter_map(|id| all.keys.get(id)));
            keys.into_iter().flatten().cloned().collect()
        };
        for delegation in listed(all) {
            let name = &delegation.name;
            let is_new = old.is_none_or(|old| old.delegation(name).is_none());
            if is_new && delegation.is_bin() {
                return Err(divided(role));
            }
            if old.and_then(|old| old.delegation(name)).as_deref() == Some(&delegation) {
                continue;
            }
            let is_first = is_new && !before.targets.contains_key(name);
            let first = self.batch.targets(name).filter(|_| is_first);
            let first_file = first.map(|file| String::from_utf8_lossy(file.bytes()).into_owned());
            let keys = keys(&delegation.signers);
            let new = NewDelegation { delegation: delegation.clone(), keys, first_file };
            changes.delegations.insert(name.clone(), new);
        }
        let wanted: Vec<RoleName> = listed(all).into_iter().map(|one| one.name).collect();
        let gone =
            listed(was).into_iter().map(|one| one.name).filter(|name| !wanted.contains(name));
        changes.undelegated.extend(gone);
        if changes.order_after(old) != wanted {
            changes.order = wanted;
        }
        let (was, wanted) =
            (was.and_then(Delegations::succinct), all.and_then(Delegations::succinct));
        if was.map(|one| &one.bins) != wanted.map(|one| &one.bins) {
            return Err(divided(role));
        }
        if let Some(roles) = wanted.filter(|wanted| was != Some(wanted)).cloned() {
            let keys = keys(&roles.signers);
            changes.succinct = Some(SuccinctBins { roles, keys });
        }
        Ok(())
    }
}

fn divided(role: &RoleName) -> Failure {
    Failure::Refused(format!(
        "it divides the names of {role} into bins; divide what is there now with `notary delegation \
         bins`"
    ))
}

impl TargetsChange {
    /// What is left to change in what is trusted here.
    ///
    /// # Errors
    /// What somebody else has changed since, to something else, by name.
    pub(crate) fn on(&self, view: &View) -> Result<Staged, Failure> {
        let mut conflicts = Vec::new();
        for (role, changes) in &self.staged.roles {
            let now: Option<&Arc<Envelope<Targets>>> = view.file(role);
            let now = now.map(|file| file.signed());
            conflicts.extend(changes.conflicts(&self.bases[role], now));
            for (name, was) in &self.delegations[role] {
                let is = now.and_then(|now| now.delegation(name)).map(|is| is.into_owned());
                let wanted = changes.delegations.get(name).map(|new| &new.delegation);
                if is != *was && is.as_ref() != wanted {
                    conflicts.push(format!("the delegation to {name}"));
                }
            }
        }
        if !conflicts.is_empty() {
            return Err(Failure::Conflict(format!(
                "somebody else has changed {} since; stage what is still wanted, and publish that",
                conflicts.join(", ")
            )));
        }
        let mut staged = self.staged.clone();
        for role in self.staged.roles.keys() {
            if let Some(file) = view.file(role) {
                staged.drop_present(role, file.signed(), |role| view.listed(role).is_some());
            }
        }
        Ok(staged)
    }
}
