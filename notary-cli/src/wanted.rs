//! Which roles a publisher has to read: of thousands of bins, those that are changed.

use std::collections::BTreeSet;

use notary_schema::name::{KeyId, RoleName};
use notary_schema::path::Candidate;
use notary_schema::role::Targets;

use crate::keyring::KeyEntry;
use crate::view::bins;

/// What a change is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// Roles that are changed.
    pub(crate) roles: &'a [RoleName],
    /// Targets that are changed.
    pub(crate) names: Names<'a>,
    /// Roles that are wanted with all below them, but for succinct bins.
    pub(crate) subtrees: &'a [RoleName],
    /// Roles whose bins are wanted.
    pub(crate) bins_of: &'a [RoleName],
    /// The keys that may be used: bins of other keys are of no use for a name without a role.
    pub(crate) keys: &'a [KeyEntry],
}

/// Names of targets.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) enum Names<'a> {
    /// No names.
    #[default]
    None,
    /// The role of each is still to be found.
    Open(&'a [String]),
    /// They belong to `roles`, or to bins below these.
    Placed(&'a [String]),
}

impl Wanted<'_> {
    /// The roles among those that a file delegates to that are wanted, or might have to be for
    /// the names. The way leads to the role of the file, which is its last.
    pub(crate) fn below(&self, way: &[RoleName], file: &Targets) -> BTreeSet<RoleName> {
        let Some(delegations) = &file.delegations else { return BTreeSet::new() };
        let is_delegated = |role: &&RoleName| delegations.authority(role).is_some();
        let mut below: BTreeSet<RoleName> =
            self.roles.iter().chain(self.subtrees).filter(is_delegated).cloned().collect();
        if way.iter().any(|above| self.subtrees.contains(above)) {
            below.extend(delegations.listed().iter().map(|role| role.name.clone()));
        }
        if way.last().is_some_and(|role| self.bins_of.contains(role)) {
            below.extend(bins(file));
        }
        let (names, is_open) = match self.names {
            Names::None => return below,
            Names::Open(names) => (names, true),
            Names::Placed(names) => (names, false),
        };
        let held: BTreeSet<&KeyId> = self.keys.iter().map(|key| &key.keyid).collect();
        for name in names {
            for delegated in delegations.covering(&Candidate::new(name.as_str())) {
                let is_held = || delegated.signers.keyids.iter().any(|id| held.contains(id));
                let is_wanted = match is_open {
                    true => !delegated.is_bin() || is_held(),
                    false => delegated.is_bin(),
                };
                if is_wanted {
                    below.insert(delegated.name.clone());
                }
            }
        }
        below
    }
}
