//! Whom a batch may name where keys are revoked.
//!
//! Nothing names a revoked key that did not name it before. What names one already may stay as it
//! is: the next version of a file that changes something else must not have to wait until everybody
//! has signed who is needed to leave the key out, and until then it does no harm, since none of its
//! new signatures count.

use super::view::View;
use super::{Batch, Refusal};
use crate::name::RoleName;
use crate::role::Authority;
use crate::threshold::{self, RevokedKeys};

/// Judges who may sign by the roots and delegations of a batch.
pub(super) fn check(batch: &Batch, view: &View<'_>) -> Result<(), Refusal> {
    let revoked = view.revoked();
    if revoked.is_empty() {
        return Ok(());
    }
    let mut before = view.root_before();
    for root in batch.earlier_roots().chain(batch.root()) {
        for role in [RoleName::ROOT, RoleName::TARGETS, RoleName::SNAPSHOT, RoleName::TIMESTAMP] {
            let now = root.signed().authority(&role).expect("a root lists the top-level roles");
            let before = before.and_then(|before| before.authority(&role));
            check_signers((&RoleName::ROOT, &role), now, before, &revoked)?;
        }
        before = Some(root.signed());
    }
    for (delegator, file) in batch.targets_parts() {
        let Some(delegations) = &file.signed().delegations else { continue };
        let listed = delegations.listed().iter().map(|delegated| delegated.name.clone());
        // All bins have the same signers.
        let bins = delegations.succinct().map(|succinct| succinct.bins.name(0));
        let before = view.delegations_before(delegator);
        for role in listed.chain(bins) {
            let now = delegations.authority(&role).expect("it delegates to the role");
            let before = before.and_then(|before| before.authority(&role));
            check_signers((delegator, &role), now, before, &revoked)?;
        }
    }
    Ok(())
}

fn check_signers(
    (listed_in, role): (&RoleName, &RoleName),
    now: Authority<'_>,
    before: Option<Authority<'_>>,
    revoked: &RevokedKeys,
) -> Result<(), Refusal> {
    let known = before.map_or_else(RevokedKeys::default, |before| revoked.among(before));
    let is_new = |keyid: &&_| !known.contains(&now.keys[*keyid]);
    let (listed_in, role) = (listed_in.clone(), role.clone());
    if let Some(keyid) = revoked.listed_by(now).find(is_new) {
        return Err(Refusal::KeyRevoked { listed_in, role, keyid: keyid.clone() });
    }
    let threshold = now.role.threshold.get();
    let usable = threshold::reachable_without(now, revoked);
    let is_unaltered = before.is_some_and(|before| before.role == now.role);
    if usable < threshold as usize && !is_unaltered {
        return Err(Refusal::ThresholdUnreachable { listed_in, role, threshold, usable });
    }
    Ok(())
}
