//! The bins that the names of a role are divided into, looked at as one whole.

use notary_schema::role::{Bins, Delegations, RoleKeys};

/// Bins that a role has, as one whole.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PresentBins {
    /// Their names.
    pub(crate) bins: Bins,
    /// Whether they are described as a whole.
    pub(crate) succinct: bool,
    /// Who signs them.
    pub(crate) signers: RoleKeys,
}

impl PresentBins {
    /// The bins of a role, where they are one whole with common keys.
    pub(crate) fn of(all: &Delegations) -> Option<PresentBins> {
        if let Some(succinct) = all.succinct() {
            let (bins, signers) = (succinct.bins.clone(), succinct.signers.clone());
            return Some(PresentBins { bins, succinct: true, signers });
        }
        let listed: Vec<_> = all.listed().iter().filter(|role| role.is_bin()).collect();
        let first = listed.first().filter(|_| listed.len().is_power_of_two())?;
        let (prefix, _) = first.name.as_str().rsplit_once('-')?;
        let bins = Bins::new(prefix, listed.len().trailing_zeros().into()).ok()?;
        let is_whole = (0..)
            .zip(&listed)
            .all(|(index, role)| **role == bins.delegation(index, first.signers.clone(), false));
        let signers = RoleKeys::clone(&first.signers);
        is_whole.then_some(PresentBins { bins, succinct: false, signers })
    }
}
