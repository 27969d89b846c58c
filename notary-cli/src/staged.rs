//! Changes that wait to be published, as values: how they are staged, applied, compared with what
//! somebody else published meanwhile, and dropped once they are there.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use notary_schema::draft::Draft;
use notary_schema::key::Key;
use notary_schema::name::{KeyId, NameError, RoleName, TargetPath, Version};
use notary_schema::path::Candidate;
use notary_schema::role::{DelegatedRole, TargetFile, Targets};
use serde::{Deserialize, Serialize};

use crate::keyring::{KeyEntry, listed};
use crate::view::{KnownRole, View};

/// Why a change is not staged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    /// More than one role would do.
    #[error("{name:?} could stand in {}; choose with --role", names(.roles))]
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

fn names(roles: &[RoleName]) -> String {
    roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(", ")
}

fn candidates(roles: &[(RoleName, Vec<KeyId>)]) -> String {
    let ids = |ids: &[KeyId]| ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    let role = |(role, keys): &(RoleName, Vec<KeyId>)| format!("{role} ({})", ids(keys));
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
    /// The keys that it names.
    pub(crate) keys: Vec<Key>,
    /// The role's first signed file, byte for byte; absent for one that is published later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_file: Option<String>,
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

    /// Moves changes to the bins of their names, where the names of a role were divided since they
    /// were staged. What a role still lists itself is removed from it.
    pub(crate) fn move_into_bins(&mut self, view: &View) {
        for role in self.roles.keys().cloned().collect::<Vec<_>>() {
            let (Some(known), Some(changes)) = (view.role(&role), self.roles.get_mut(&role)) else {
                continue;
            };
            let listed = view.file(&role).map(|file| &file.signed().targets);
            let (mut stay, mut moved) = (BTreeMap::new(), Vec::new());
            for (name, change) in std::mem::take(&mut changes.targets) {
                let is_removal = change == TargetChange::Remove;
                let stays = is_removal && listed.is_some_and(|targets| targets.contains_key(&name));
                match view.bin(&known, &Candidate::new(name.as_str())).filter(|_| !stays) {
                    Some(bin) => moved.push((bin.name, name, change)),
                    None => drop(stay.insert(name, change)),
                }
            }
            changes.targets = stay;
            for (bin, name, change) in moved {
                self.roles.entry(bin).or_default().targets.insert(name, change);
            }
        }
        self.roles.retain(|_, changes| !changes.is_empty());
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
        self.targets.len() + delegations + usize::from(self.witness.is_some())
    }

    /// Writes the changes into the next version of their role.
    pub(crate) fn apply(&self, draft: &mut Draft) -> Result<(), NameError> {
        for (name, change) in &self.targets {
            match change {
                TargetChange::Set(file) => draft.set_target(&TargetPath::parse(name)?, file),
                TargetChange::Remove => drop(draft.remove_target(name)),
            }
        }
        for role in &self.undelegated {
            draft.remove_delegation(role);
        }
        for new in self.delegations.values() {
            draft.set_delegation(&new.delegation, &new.keys);
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

/// The role whose next version lists a target: the one that is wanted, or the only one that an
/// available key may sign and whose paths cover the name. Where its names are divided into bins, the
/// bin of the name stands in its place.
pub(crate) fn role_for(
    view: &View,
    available: &[KeyEntry],
    name: &str,
    wanted: Option<&RoleName>,
) -> Result<RoleName, StageError> {
    let candidate = Candidate::new(name);
    if let Some(wanted) = wanted {
        let role = view.role(wanted).ok_or_else(|| StageError::UnknownRole(wanted.clone()))?;
        inside_paths(&role, &candidate)?;
        return Ok(view.bin(&role, &candidate).map_or_else(|| wanted.clone(), |bin| bin.name));
    }
    let mut covering = view.covering(&candidate);
    covering.retain(|role| view.bin(role, &candidate).is_none());
    let signs = |role: &&KnownRole| !listed(available, view.authority(role)).is_empty();
    let roles: Vec<RoleName> =
        covering.iter().filter(signs).map(|role| role.name.clone()).collect();
    let name = name.to_owned();
    match <[RoleName; 1]>::try_from(roles) {
        Ok([role]) => Ok(role),
        Err(roles) if roles.is_empty() => {
            let keys = |role: &KnownRole| view.authority(role).role.keyids.clone();
            let roles = covering.iter().map(|role| (role.name.clone(), keys(role))).collect();
            Err(StageError::NoRole { name, roles })
        }
        Err(roles) => Err(StageError::SeveralRoles { name, roles }),
    }
}

/// The role whose next version does not list a target any more.
pub(crate) fn role_to_remove_from(
    view: &View,
    available: &[KeyEntry],
    name: &str,
    wanted: Option<&RoleName>,
) -> Result<RoleName, StageError> {
    let wanted = match wanted {
        Some(wanted) => {
            let role = view.role(wanted).ok_or_else(|| StageError::UnknownRole(wanted.clone()))?;
            let bin = view.bin(&role, &Candidate::new(name)).map(|bin| bin.name);
            Some([Some(wanted.clone()), bin])
        }
        None => None,
    };
    let lists = |role: &&KnownRole| {
        let file = view.file(&role.name);
        file.is_some_and(|file| file.signed().targets.contains_key(name))
    };
    let is_wanted = |role: &&KnownRole| match &wanted {
        Some(wanted) => wanted.iter().flatten().any(|wanted| role.name == *wanted),
        None => !listed(available, view.authority(role)).is_empty(),
    };
    let roles = view.roles().iter().filter(lists).filter(is_wanted);
    let name = name.to_owned();
    match <[RoleName; 1]>::try_from(roles.map(|role| role.name.clone()).collect::<Vec<_>>()) {
        Ok([role]) => Ok(role),
        Err(roles) if roles.is_empty() => Err(StageError::NotListed { name }),
        Err(roles) => Err(StageError::SeveralRoles { name, roles }),
    }
}

fn inside_paths(role: &KnownRole, candidate: &Candidate<'_>) -> Result<(), StageError> {
    let Some(outside) = role.chain.iter().find(|step| !step.covers(candidate)) else {
        return Ok(());
    };
    Err(StageError::OutsidePaths {
        role: role.name.clone(),
        name: candidate.name().to_owned(),
        via: outside.name.clone(),
        paths: crate::view::spelled(&outside.paths),
    })
}

#[cfg(test)]
mod tests;
