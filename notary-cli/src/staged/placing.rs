//! Which role a change to a target belongs to.

use std::borrow::Cow;
use std::collections::BTreeMap;

use notary_schema::name::RoleName;
use notary_schema::path::Candidate;

use super::{StageError, Staged, TargetChange};
use crate::keyring::{KeyEntry, listed};
use crate::view::{KnownRole, PresentBins, View};

impl Staged {
    /// Moves changes to the bins of their names, where the names of a role were divided since they
    /// were staged, or divided anew. What a role still lists itself is removed from it.
    pub(crate) fn move_into_bins(&mut self, view: &View) {
        for role in self.roles.keys().cloned().collect::<Vec<_>>() {
            let Some(changes) = self.roles.get_mut(&role) else { continue };
            let known = view.role(&role);
            let owner = match &known {
                Some(known) => view.role(&known.delegator).filter(|_| known.is_bin()),
                None => owner_of_bin(view, &role).map(Cow::Borrowed),
            };
            let place = |name: &Candidate<'_>| {
                let covers =
                    |role: &KnownRole| role.chain.last().is_none_or(|step| step.covers(name));
                let known = known.as_ref().filter(|known| owner.is_none() || covers(known));
                view.bin(known.or(owner.as_ref())?, name)
            };
            let listed = view.file(&role).map(|file| &file.signed().targets);
            let (mut stay, mut moved) = (BTreeMap::new(), Vec::new());
            for (name, change) in std::mem::take(&mut changes.targets) {
                let is_removal = change == TargetChange::Remove;
                let stays = is_removal && listed.is_some_and(|targets| targets.contains_key(&name));
                match place(&Candidate::new(name.as_str())).filter(|_| !stays) {
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
}

/// Whose names a bin held that nobody delegates to any more: the snapshot lists bins by version alone,
/// and those that came after it begin like it.
fn owner_of_bin<'a>(view: &'a View, gone: &RoleName) -> Option<&'a KnownRole> {
    let entry = view.trusted().snapshot()?.signed().entry(gone)?;
    let (prefix, _) = gone.as_str().rsplit_once('-').filter(|_| entry.hashes.is_none())?;
    view.roles().iter().find(|role| {
        let file = view.file(&role.name);
        let present = file.and_then(|f| PresentBins::of(f.signed().delegations.as_ref()?));
        present.is_some_and(|present| present.bins.name_prefix() == prefix)
    })
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
