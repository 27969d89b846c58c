//! How the keys of a delegated role, or of hash bins, are replaced.
//!
//! The keys stand in the file of the delegator. Where a stored file below it does not reach the new
//! threshold, its next version goes into the same batch, signed by the new keys: one snapshot lists
//! both, so no client sees one without the other. Where too few of these keys are here, the batch is
//! proposed to those who hold the others.

use std::collections::BTreeMap;

use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::{Authority, Delegations, RoleKeys, SuccinctRoles};
use notary_schema::threshold;

use super::Publisher;
use super::delivery::Delivered;
use super::signers::Rotation;
use crate::exit::Failure;
use crate::staged::{Changes, NewDelegation, StageError, Staged, SuccinctBins, Witness};
use crate::view::{View, bins};
use crate::wanted::Wanted;

/// What a rotation came to.
pub(crate) struct Replaced {
    /// What became of it.
    pub(crate) delivered: Delivered,
    /// Who signed before.
    pub(crate) before: RoleKeys,
    /// Who signs now.
    pub(crate) after: RoleKeys,
}

/// The delegations whose signers change, all in the same way.
struct Affected<'a> {
    delegator: RoleName,
    roles: Vec<RoleName>,
    delegations: &'a Delegations,
    before: Authority<'a>,
}

impl Publisher<'_> {
    /// Publishes other signers for a delegated role or for bins; `None` where that changes nothing.
    pub(crate) async fn rotate_delegated(
        &self,
        rotation: &Rotation,
    ) -> Result<Option<Replaced>, Failure> {
        // What was asked for before has to be there first; it may be this very rotation.
        let resent = match self.resend().await?.0 {
            Some(Delivered::Proposed(_)) => return Ok(None),
            Some(Delivered::Published(_)) => true,
            None => false,
        };
        let roles = std::slice::from_ref(&rotation.role);
        let bins_of = if rotation.bins { roles } else { &[] };
        let wanted = Wanted { roles, bins_of, keys: &self.keys, ..Wanted::default() };
        let mut signers = None;
        let change = |view: &View| {
            let affected = Affected::of(view, rotation)?;
            if resent && rotation.is_done(affected.before) {
                return Ok(Staged::default());
            }
            let after = rotation.signers_after(affected.before)?;
            let staged = match *affected.before.role == after {
                true => Staged::default(),
                false => other_signers(view, rotation, &affected, &after),
            };
            signers = Some((affected.before.role.clone(), after));
            Ok(staged)
        };
        let why = format!("other signers for {}", rotation.role);
        let delivered = self.publish_at_once(wanted, &why, change).await?;
        let replaced = |(delivered, (before, after))| Replaced { delivered, before, after };
        Ok(delivered.zip(signers).map(replaced))
    }
}

/// The changes that give a role, or bins, other signers.
fn other_signers(
    view: &View,
    rotation: &Rotation,
    affected: &Affected<'_>,
    after: &RoleKeys,
) -> Staged {
    let keys = affected.keys_after(rotation);
    let authority = Authority { keys: &keys, role: after };
    let mut staged = Staged::default();
    for role in affected.roles.iter().filter(|role| must_sign_anew(view, role, authority)) {
        let witness = Some(Witness { reviewed: None });
        staged.roles.insert(role.clone(), Changes { witness, ..Changes::default() });
    }
    let changes = staged.roles.entry(affected.delegator.clone()).or_default();
    match affected.delegations.succinct() {
        Some(SuccinctRoles { bins, .. }) => {
            let roles = SuccinctRoles { bins: bins.clone(), signers: after.clone() };
            changes.succinct = Some(SuccinctBins { roles, keys: rotation.new.clone() });
        }
        None => {
            let signers = std::sync::Arc::new(after.clone());
            for role in &affected.roles {
                let listed = affected.delegations.delegation(role).expect("it is one of them");
                let mut delegation = listed.into_owned();
                delegation.signers = signers.clone();
                let keys = rotation.new.clone();
                let new = NewDelegation { delegation, keys, first_file: None };
                changes.delegations.insert(role.clone(), new);
            }
        }
    }
    staged
}

/// Whether the stored file of a role is not signed by enough of these keys, so that its next version
/// goes with them.
pub(crate) fn must_sign_anew(view: &View, role: &RoleName, after: Authority<'_>) -> bool {
    view.file(role).is_some_and(|file| !threshold::count(file, after).is_met())
}

impl<'a> Affected<'a> {
    /// The key objects that the signers before and after are among.
    fn keys_after(&self, rotation: &Rotation) -> BTreeMap<KeyId, Key> {
        let new = rotation.new.iter().map(|key| (key.id().clone(), key.clone()));
        self.before.keys.clone().into_iter().chain(new).collect()
    }

    fn of(view: &'a View, rotation: &Rotation) -> Result<Affected<'a>, Failure> {
        let role = &rotation.role;
        let unknown = || StageError::UnknownRole(role.clone());
        let known = view.role(role).ok_or_else(unknown)?;
        let delegator = if rotation.bins { role.clone() } else { known.delegator.clone() };
        let file = view.file(&delegator).ok_or_else(unknown)?.signed();
        let roles = if rotation.bins { bins(file) } else { vec![role.clone()] };
        let (Some(first), Some(delegations)) = (roles.first(), &file.delegations) else {
            return Err(Failure::NotFound(format!(
                "the names of {role} are not divided into bins"
            )));
        };
        if delegations.succinct().is_some() && !rotation.bins {
            return Err(Failure::Usage(format!(
                "{role} is one of the bins of {delegator}, which have their keys in common: rotate \
                 {delegator} with --bins"
            )));
        }
        let before = delegations.authority(first).expect("it is delegated to");
        let signers = |bin: &RoleName| delegations.authority(bin).map(|authority| authority.role);
        if let Some(other) = roles.iter().find(|bin| signers(bin) != Some(before.role)) {
            return Err(Failure::Refused(format!(
                "{first} and {other} have different keys; rotate each bin of {role} by its name"
            )));
        }
        Ok(Affected { delegator, roles, delegations, before })
    }
}
