//! What the command line says of a revocation.

use std::collections::BTreeSet;

use notary_schema::name::RoleName;
use notary_schema::revocation::{Choices, Content, Revoked, listings};
use notary_schema::threshold::RevokedKeys;
use notary_schema::wire::Revocation;

use crate::args::{OfRole, RevokeArgs};
use crate::exit::Failure;
use crate::publishing::revocation::{Known, Task};
use crate::session::Session;

/// What is to be done about these keys, of which those `before` were revoked already.
pub(super) fn task(args: &RevokeArgs, revocations: Vec<Revocation>, before: &[Revocation]) -> Task {
    let public = |one: &Revocation| one.key.public().cloned();
    let now: RevokedKeys = revocations.iter().filter_map(public).collect();
    let revoked = Revoked::new(now, before.iter().filter_map(public).collect());
    let again = revocations.iter().filter(|one| !is_new(one, before));
    let before = again.map(|one| one.keyid.clone()).collect();
    Task { revocations, before, revoked, empty: args.empty, max_versions: args.versions }
}

/// Whether a key was not revoked before.
pub(super) fn is_new(one: &Revocation, before: &[Revocation]) -> bool {
    before.iter().all(|old| old.keyid != one.keyid)
}

/// What is decided already.
pub(super) fn choices(
    session: &Session,
    args: &RevokeArgs,
    task: &Task,
    known: &Known,
) -> Result<Choices, Failure> {
    let keyring = session.keyring()?;
    let new_keys = args.new_key.iter().map(|reference| keyring.public(reference));
    let mut choices = Choices {
        new_keys: new_keys.collect::<Result<_, _>>()?,
        threshold: args.threshold,
        roles: args.roles.iter().cloned().collect(),
        ..Choices::default()
    };
    let listed = listings(known.present(), &task.revoked);
    let roles: BTreeSet<&RoleName> = listed.iter().map(|(_, role, _)| role).collect();
    let only = roles.iter().filter(|role| role.is_targets_role());
    let only: Vec<&RoleName> = only.copied().collect();
    let place = |of: &OfRole| match (&of.role, &only[..]) {
        (Some(role), _) => Ok(role.clone()),
        (None, [role]) => Ok((*role).clone()),
        (None, roles) => Err(Failure::Usage(format!(
            "{} roles list the key; say which one is meant: ROLE={}",
            roles.len(),
            of.version
        ))),
    };
    let reviewed = args.reviewed.iter().map(|of| (of, Content::Reviewed(of.version)));
    let restored = args.restore.iter().map(|of| (of, Content::Of(of.version)));
    // Where no role lists the key, all was done, and nothing is left to decide.
    for (of, content) in reviewed.chain(restored).filter(|_| !listed.is_empty()) {
        choices.content.insert(place(of)?, content);
    }
    Ok(choices)
}
