//! Changes that wait to be published, as values: how they are staged, applied, compared with what
//! somebody else published meanwhile, and dropped once they are there.

mod placing;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use notary_schema::draft::Draft;
use notary_schema::key::Key;
use notary_schema::name::{KeyId, NameError, RoleName, TargetPath, Version};
use notary_schema::role::{DelegatedRole, RoleKeys, SuccinctRoles, TargetFile, Targets};
use serde::{Deserialize, Serialize};

use crate::output::joined;
pub(crate) use placing::{role_for, role_to_remove_from};

/// Why a change is not staged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// More than one role would do.
    #[error("{name:?} could stand in {}; choose with --role", joined(.roles))]
    SeveralRoles {
        /// The target.
        name: String,
        /// The roles.
        roles: Vec<RoleName>,
    },
    /// No role would do.
    #[error("none of the keys here may sign a role for {name:?}{}", candidates(.roles))]
    NoRole {
        /// The target.
        name: String,
        /// The roles whose paths cover it, and their keys.
        roles: Vec<(RoleName, Vec<KeyId>)>,
    },
    /// No delegation leads to the role.
    #[error("no delegation leads to {0}; `notary delegation list` shows those that there are")]
    UnknownRole(RoleName),
    /// The paths of a delegation do not cover the target.
    #[error("{role} may not list {name:?}: the delegation to {via} covers {paths} only")]
    OutsidePaths {
        /// The role.
        role: RoleName,
        /// The target.
        name: String,
        /// The delegation that does not cover it.
        via: RoleName,
        /// What it covers.
        paths: String,
    },
    /// A role hands on what it is not trusted with itself.
    #[error(
        "the delegation to {via} covers {covered} only, so none below it reaches {path:?}, which \
         {role} would be trusted with"
    )]
    OutsideParent {
        /// The role that the new delegation is to.
        role: RoleName,
        /// What it would be trusted with.
        path: String,
        /// The delegation on the way to it that does not cover this.
        via: RoleName,
        /// What that one covers.
        covered: String,
    },
    /// A role whose names are divided into succinct bins lists no other roles.
    #[error(
        "{0} delegates to succinct bins, beside which no other role can stand (TAP 15); delegate \
         from another role with --parent"
    )]
    Succinct(RoleName),
    /// A target to remove that is not there.
    #[error("{name:?} is neither listed by a role that the keys here may sign nor staged")]
    NotListed {
        /// The target.
        name: String,
    },
    /// A name that is not published.
    #[error(transparent)]
    Name(#[from] NameError),
}

fn candidates(roles: &[(RoleName, Vec<KeyId>)]) -> String {
    let role = |(role, keys): &(RoleName, Vec<KeyId>)| format!("{role} ({})", joined(keys));
    match roles.is_empty() {
        true => "; no known role covers it".to_owned(),
        false => {
            let roles: Vec<String> = roles.iter().map(role).collect();
            format!("; these roles cover it, with the keys that would do: {}", roles.join(", "))
        }
    }
}

/// The changes of one collection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Staged {
    /// By the role whose next version holds them.
    #[serde(default)]
    pub(crate) roles: BTreeMap<RoleName, Changes>,
}

/// The changes of one role.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Changes {
    /// Targets by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) targets: BTreeMap<String, TargetChange>,
    /// Delegations by role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) delegations: BTreeMap<RoleName, NewDelegation>,
    /// Roles that are not delegated to any more.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) undelegated: BTreeSet<RoleName>,
    /// The roles that it delegates to in the order of their priority, where that changes. Those that
    /// are not named come after them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) order: Vec<RoleName>,
    /// Other signers for its succinct bins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) succinct: Option<SuccinctBins>,
    /// The role is signed anew, also where nothing in it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) witness: Option<Witness>,
}

/// Somebody vouches for a role as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Witness {
    /// The version that was looked at; absent where any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reviewed: Option<Version>,
}

/// What becomes of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TargetChange {
    /// It is listed so.
    Set(TargetFile),
    /// It is not listed any more.
    Remove,
}

impl TargetChange {
    fn wanted(&self) -> Option<&TargetFile> {
        match self {
            TargetChange::Set(file) => Some(file),
            TargetChange::Remove => None,
        }
    }
}

/// A delegation that is added, or replaces the one to the same role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDelegation {
    /// The delegation.
    pub(crate) delegation: DelegatedRole,
    /// The keys that it names, at least those that its delegator does not list yet.
    pub(crate) keys: Vec<Key>,
    /// The role's first signed file, byte for byte; absent for one that is published later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_file: Option<String>,
}

/// Succinct bins as they shall be described.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SuccinctBins {
    /// The bins and who signs them.
    pub(crate) roles: SuccinctRoles,
    /// The keys that are named and not listed yet.
    pub(crate) keys: Vec<Key>,
}

/// What the staged names were when the changes were applied to them first.
pub(crate) type Base = BTreeMap<String, Option<TargetFile>>;

impl Staged {
    /// Whether nothing is staged.
    pub(crate) fn is_empty(&self) -> bool {
        self.roles.values().all(Changes::is_empty)
    }

    /// How many changes are staged.
    pub(crate) fn len(&self) -> usize {
        self.roles.values().map(Changes::len).sum()
    }

    /// Stages what becomes of targets. The last word on a name counts, in whichever role it was staged
    /// before.
    pub(crate) fn set_targets(&mut self, targets: Vec<(RoleName, String, TargetChange)>) {
        let mut staged = HashMap::new();
        for (role, changes) in &self.roles {
            staged.extend(changes.targets.keys().map(|name| (name.clone(), role.clone())));
        }
        for (role, name, change) in targets {
            if let Some(other) = staged.get(&name).filter(|other| **other != role)
                && let Some(changes) = self.roles.get_mut(other)
            {
                changes.targets.remove(&name);
            }
            self.roles.entry(role).or_default().targets.insert(name, change);
        }
        self.roles.retain(|_, changes| !changes.is_empty());
    }

    /// Takes back what was staged for a target, in one role or in all; answers whether there was
    /// anything.
    pub(crate) fn unset_target(&mut self, name: &str, only: Option<&RoleName>) -> bool {
        let mut was_staged = false;
        for (role, changes) in &mut self.roles {
            if only.is_none_or(|wanted| wanted == role) {
                was_staged |= changes.targets.remove(name).is_some();
            }
        }
        self.roles.retain(|_, changes| !changes.is_empty());
        was_staged
    }

    /// The roles that are not delegated to any more.
    pub(crate) fn undelegated(&self) -> impl Iterator<Item = &RoleName> {
        self.roles.values().flat_map(|changes| &changes.undelegated)
    }

    /// A role was published as it was signed here.
    pub(crate) fn drop_witness(&mut self, role: &RoleName) {
        if let Some(changes) = self.roles.get_mut(role) {
            changes.witness = None;
            self.roles.retain(|_, changes| !changes.is_empty());
        }
    }

    /// Drops the changes that a role shows already. `has_file` tells whether a role was published.
    pub(crate) fn drop_present(
        &mut self,
        role: &RoleName,
        current: &Targets,
        has_file: impl Fn(&RoleName) -> bool,
    ) {
        let Some(changes) = self.roles.get_mut(role) else { return };
        changes
            .targets
            .retain(|name, change| current.targets.get(name).as_ref() != change.wanted());
        changes.delegations.retain(|role, new| {
            let delegated = current.delegation(role).as_deref() == Some(&new.delegation);
            !delegated || (new.first_file.is_some() && !has_file(role))
        });
        changes.undelegated.retain(|role| current.delegation(role).is_some());
        if changes.delegations.is_empty() && changes.order_after(Some(current)) == listed(current) {
            changes.order.clear();
        }
        if changes.succinct.as_ref().map(|new| &new.roles) == succinct(current) {
            changes.succinct = None;
        }
        self.roles.retain(|_, changes| !changes.is_empty());
    }
}

impl Changes {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many there are.
    fn len(&self) -> usize {
        let delegations = self.delegations.len() + self.undelegated.len();
        let wholes = [!self.order.is_empty(), self.succinct.is_some(), self.witness.is_some()];
        self.targets.len() + delegations + wholes.into_iter().filter(|is_there| *is_there).count()
    }

    /// Whether they say who may sign other roles.
    pub(crate) fn delegates(&self) -> bool {
        !self.delegations.is_empty() || self.succinct.is_some()
    }

    /// Who signs other roles afterwards; of succinct bins those among these.
    pub(crate) fn signers<'a>(
        &'a self,
        among: impl Iterator<Item = &'a RoleName>,
    ) -> impl Iterator<Item = (&'a RoleName, &'a RoleKeys)> {
        let listed = self.delegations.iter().map(|(role, new)| (role, &*new.delegation.signers));
        let bins = among.filter_map(|role| {
            let SuccinctRoles { bins, signers } = &self.succinct.as_ref()?.roles;
            bins.index(role).map(|_| (role, signers))
        });
        listed.chain(bins)
    }

    /// The keys that its delegations name, at least those that it does not list yet.
    pub(crate) fn new_keys(&self) -> impl Iterator<Item = &Key> {
        let bins = self.succinct.iter().flat_map(|succinct| &succinct.keys);
        self.delegations.values().flat_map(|new| &new.keys).chain(bins)
    }

    /// The roles that are delegated to afterwards, in the order of their priority.
    pub(crate) fn order_after(&self, current: Option<&Targets>) -> Vec<RoleName> {
        let mut roles = current.map(listed).unwrap_or_default();
        let there: BTreeSet<RoleName> = roles.iter().cloned().collect();
        roles.retain(|role| !self.undelegated.contains(role));
        roles.extend(self.delegations.keys().filter(|role| !there.contains(*role)).cloned());
        let ranks: BTreeMap<&RoleName, usize> = self.order.iter().zip(0..).collect();
        roles.sort_by_key(|role| ranks.get(role).copied().unwrap_or(usize::MAX));
        roles
    }

    /// Writes the changes into the next version of their role.
    pub(crate) fn apply(&self, draft: &mut Draft) -> Result<(), NameError> {
        for (name, change) in &self.targets {
            match change {
                TargetChange::Set(file) => draft.set_target(&TargetPath::parse(name)?, file),
                TargetChange::Remove => drop(draft.remove_target(name)),
            }
        }
        let (anew, gone): (BTreeSet<_>, BTreeSet<_>) =
            self.undelegated.iter().cloned().partition(|role| self.delegations.contains_key(role));
        if !anew.is_empty() {
            draft.remove_delegations(&anew);
        }
        if !self.delegations.is_empty() {
            let (roles, keys): (Vec<_>, Vec<_>) =
                self.delegations.values().map(|new| (new.delegation.clone(), &new.keys)).unzip();
            draft.set_delegations(&roles, &keys.into_iter().flatten().cloned().collect::<Vec<_>>());
        }
        // Afterwards: with a role go its keys, unless one of the new roles has them, too.
        if !gone.is_empty() {
            draft.remove_delegations(&gone);
        }
        if !self.order.is_empty() {
            draft.order_delegations(&self.order);
        }
        if let Some(SuccinctBins { roles, keys }) = &self.succinct {
            draft.set_succinct(roles, keys);
        }
        Ok(())
    }

    /// What the changed targets are now.
    pub(crate) fn base(&self, current: Option<&Targets>) -> Base {
        let listed = |name: &String| current.and_then(|file| file.targets.get(name));
        self.targets.keys().map(|name| (name.clone(), listed(name))).collect()
    }

    /// The targets that somebody else changed since `base`, to something other than what is staged.
    pub(crate) fn conflicts(&self, base: &Base, current: Option<&Targets>) -> Vec<String> {
        let changed = |(name, was): (&String, &Option<TargetFile>)| {
            let wanted = self.targets.get(name)?.wanted();
            let is = current.and_then(|file| file.targets.get(name));
            (is != *was && is.as_ref() != wanted).then(|| name.clone())
        };
        base.iter().filter_map(changed).collect()
    }
}

/// The roles that a file lists, in their order.
fn listed(file: &Targets) -> Vec<RoleName> {
    let roles = file.delegations.iter().flat_map(|all| all.listed());
    roles.map(|role| role.name.clone()).collect()
}

fn succinct(file: &Targets) -> Option<&SuccinctRoles> {
    file.delegations.as_ref()?.succinct()
}

#[cfg(test)]
mod tests;
