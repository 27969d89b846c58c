//! The delegations that a collection has, as a file.

use notary_schema::name::RoleName;
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{DelegatedRole, Delegations, RoleKeys};

use super::{Declared, DeclaredBins, DeclaredRole};
use crate::view::{PresentBins, View};

impl Declared {
    /// What is there, as far as the files of a view tell.
    pub(crate) fn present(view: &View) -> Declared {
        let (roles, bins) = below(view, &RoleName::TARGETS, 0);
        Declared { roles: roles.unwrap_or_default(), bins }
    }
}

/// No chain of delegations that clients follow is longer.
const MAX_DEPTH: usize = 32;

fn below(
    view: &View,
    delegator: &RoleName,
    depth: usize,
) -> (Option<Vec<DeclaredRole>>, Option<DeclaredBins>) {
    let file = view.file(delegator).map(|file| file.signed());
    let Some(all) = file.and_then(|file| file.delegations.as_ref()) else { return (None, None) };
    let bins = PresentBins::of(all);
    let declared = |role: &DelegatedRole| {
        // Where several delegate to a role, what it delegates to is said once.
        let is_led = view.role(&role.name).is_some_and(|known| known.delegator == *delegator);
        let (roles, bins) = match is_led && depth < MAX_DEPTH {
            true => below(view, &role.name, depth + 1),
            false => (None, None),
        };
        let (paths, prefixes) = match &role.paths {
            PathSet::Paths(paths) => {
                (Some(paths.iter().map(PathPattern::as_str).map(str::to_owned).collect()), None)
            }
            PathSet::HashPrefixes(prefixes) => {
                (None, Some(prefixes.iter().map(str::to_owned).collect()))
            }
        };
        DeclaredRole {
            name: role.name.clone(),
            paths,
            path_hash_prefixes: prefixes,
            terminating: role.terminating,
            keys: ids(&role.signers),
            threshold: role.signers.threshold.get(),
            request: None,
            pending: view.listed(&role.name).is_none(),
            roles: roles.filter(|roles| !roles.is_empty()),
            bins,
        }
    };
    let listed = teams(all, bins.as_ref()).map(declared).collect();
    (Some(listed), bins.as_ref().map(of_bins))
}

/// The listed roles but for those that are bins of one whole.
pub(super) fn teams<'a>(
    all: &'a Delegations,
    bins: Option<&'a PresentBins>,
) -> impl Iterator<Item = &'a DelegatedRole> {
    let is_bin = move |role: &DelegatedRole| {
        bins.is_some_and(|present| present.bins.index(&role.name).is_some())
    };
    all.listed().iter().filter(move |role| !is_bin(role))
}

fn of_bins(present: &PresentBins) -> DeclaredBins {
    DeclaredBins {
        prefix: present.bins.name_prefix().to_owned(),
        count: present.bins.count(),
        succinct: present.succinct,
        keys: ids(&present.signers),
        threshold: present.signers.threshold.get(),
    }
}

fn ids(signers: &RoleKeys) -> Vec<String> {
    signers.keyids.iter().map(ToString::to_string).collect()
}
