//! Which roles a publisher has to read: of thousands of bins, those that are changed.

use std::collections::BTreeSet;

use notary_schema::name::{KeyId, RoleName};
use notary_schema::path::{Candidate, PathSet};
use notary_schema::role::Targets;

use crate::keyring::KeyEntry;

/// What a change is about.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted<'a> {
    /// Roles that are changed.
    pub(crate) roles: &'a [RoleName],
    /// Targets whose role is still to be found.
    pub(crate) names: &'a [String],
    /// The keys that may be used: bins of other keys are of no use for `names`.
    pub(crate) keys: &'a [KeyEntry],
}

impl Wanted<'_> {
    /// The roles among those that a file delegates to that are changed, or might have to be for
    /// `names`.
    pub(crate) fn below(&self, file: &Targets) -> BTreeSet<RoleName> {
        let Some(delegations) = &file.delegations else { return BTreeSet::new() };
        let is_delegated = |role: &&RoleName| delegations.authority(role).is_some();
        let mut below: BTreeSet<RoleName> =
            self.roles.iter().filter(is_delegated).cloned().collect();
        let held: BTreeSet<&KeyId> = self.keys.iter().map(|key| &key.keyid).collect();
        for name in self.names {
            for delegated in delegations.covering(&Candidate::new(name.as_str())) {
                let is_held = delegated.signers.keyids.iter().any(|id| held.contains(id));
                if is_held || matches!(delegated.paths, PathSet::Paths(_)) {
                    below.insert(delegated.name.clone());
                }
            }
        }
        below
    }
}
