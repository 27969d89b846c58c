//! Which names new delegations may take.
//!
//! A role name belongs to one delegator, whatever its case: clients store files by it, on disks that
//! may not tell cases apart. Succinct bins own every name that starts with their prefix and a hyphen
//! (TAP 15), whether or not it is one of the bins.

use std::collections::{BTreeMap, BTreeSet};

use super::view::{BinOwner, View};
use super::{Batch, Refusal};
use crate::name::RoleName;
use crate::role::Delegations;

/// A new delegation has a name that may be created and that nobody has.
pub(super) fn names(view: &View<'_>, batch: &Batch) -> Result<(), Refusal> {
    let new_owners = new_owners(view, batch);
    if view.added().next().is_none() && new_owners.is_empty() {
        return Ok(());
    }
    let mut spellings: BTreeMap<String, BTreeSet<&RoleName>> = BTreeMap::new();
    for name in view.names_in_use() {
        spellings.entry(lower(name.as_str())).or_default().insert(name);
    }
    let prefixes = Prefixes::of(view);
    for owner in &new_owners {
        owns_its_prefix(view, owner, &prefixes)?;
    }
    for (delegator, role) in view.added() {
        role.check_creatable()
            .map_err(|error| Refusal::DelegatedName { delegator: delegator.clone(), error })?;
        let delegators = view.delegators(role);
        if let Some(other) = delegators.iter().find(|other| other.name != delegator) {
            return taken(delegator, role, format!("{} delegates to it", other.name));
        }
        if let Some(owner) = prefixes.owner(role.as_str()).filter(|o| o.name != delegator) {
            return taken(delegator, role, owner.claim());
        }
        let alike = spellings.get(&lower(role.as_str())).into_iter().flatten();
        if let Some(other) = alike.copied().find(|other| *other != role) {
            return taken(delegator, role, format!("it differs only in case from {other}"));
        }
    }
    Ok(())
}

/// Nobody else lists a role, or has bins, whose names start like these bins.
fn owns_its_prefix(
    view: &View<'_>,
    owner: &BinOwner<'_>,
    prefixes: &Prefixes<'_>,
) -> Result<(), Refusal> {
    let first = owner.roles.bins.name(0);
    let delegator = owner.name;
    first
        .check_creatable()
        .map_err(|error| Refusal::DelegatedName { delegator: delegator.clone(), error })?;
    let own = lower(&format!("{}-", owner.roles.bins.name_prefix()));
    if let Some(name) = view.listed_names().find(|name| lower(name.as_str()).starts_with(&own)) {
        return taken(delegator, &first, format!("the role {name} has a name like the bins"));
    }
    match prefixes.overlapping(&own).find(|other| other.name != delegator) {
        Some(other) => taken(delegator, &first, other.claim()),
        None => Ok(()),
    }
}

/// The roles of a batch that delegate to other succinct bins than before.
fn new_owners<'a>(view: &View<'a>, batch: &Batch) -> Vec<BinOwner<'a>> {
    let sent = view.bin_owners().filter(|owner| batch.targets(owner.name).is_some());
    let before = |name| view.delegations_before(name).and_then(Delegations::succinct);
    let is_new = |owner: &BinOwner<'a>| {
        before(owner.name).is_none_or(|before| before.bins != owner.roles.bins)
    };
    sent.filter(is_new).collect()
}

/// The prefixes of all succinct bins with their hyphen, in lower case.
struct Prefixes<'a>(BTreeMap<String, Vec<BinOwner<'a>>>);

impl<'a> Prefixes<'a> {
    fn of(view: &View<'a>) -> Prefixes<'a> {
        let mut prefixes: BTreeMap<String, Vec<BinOwner<'a>>> = BTreeMap::new();
        for owner in view.bin_owners() {
            let prefix = lower(&format!("{}-", owner.roles.bins.name_prefix()));
            prefixes.entry(prefix).or_default().push(owner);
        }
        Prefixes(prefixes)
    }

    /// Whose bins own a name.
    fn owner(&self, name: &str) -> Option<&BinOwner<'a>> {
        let name = lower(name);
        let starts = name.match_indices('-').map(|(hyphen, _)| &name[..=hyphen]);
        starts.filter_map(|start| self.0.get(start)).flatten().next()
    }

    /// Whose prefix starts with this one, or the other way round.
    fn overlapping<'b>(&'b self, prefix: &'b str) -> impl Iterator<Item = &'b BinOwner<'a>> {
        let longer = self.0.range(prefix.to_owned()..);
        let longer = longer.take_while(move |(other, _)| other.starts_with(prefix));
        let starts = prefix.match_indices('-').map(move |(hyphen, _)| &prefix[..=hyphen]);
        let shorter = starts.filter_map(|start| self.0.get(start));
        longer.map(|(_, owners)| owners).chain(shorter).flatten()
    }
}

impl BinOwner<'_> {
    fn claim(&self) -> String {
        format!("the bins of {} own every {}-…", self.name, self.roles.bins.name_prefix())
    }
}

fn taken(delegator: &RoleName, role: &RoleName, taken_by: String) -> Result<(), Refusal> {
    let (delegator, role) = (delegator.clone(), role.clone());
    Err(Refusal::RoleNameTaken { delegator, role, taken_by })
}

fn lower(name: &str) -> String {
    name.to_ascii_lowercase()
}
