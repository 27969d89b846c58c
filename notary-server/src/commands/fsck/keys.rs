//! Are the online keys those of the root?

use std::collections::BTreeSet;

use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::RoleName;
use notary_schema::role::Root;

use super::report::Report;
use crate::store::StoreResult;
use crate::store::inspect::{RawKey, RawLife, View};

/// What to do about notes of keys.
const ASK_AGAIN: &str = "POST keys/snapshot and keys/timestamp again: the server asks the signer \
                         and notes the keys anew";

pub(super) fn check(
    view: &mut View<'_>,
    life: &RawLife,
    root: Option<&Envelope<Root>>,
    report: &mut Report<'_>,
) -> StoreResult<()> {
    let mut noted = BTreeSet::new();
    for row in view.keys(life.id)? {
        match check_key(&row) {
            Ok(()) => drop(noted.insert((row.role, row.keyid))),
            Err(problem) => report.problem(Some(&row.role), None, problem, ASK_AGAIN),
        }
    }
    let Some(root) = root.map(Envelope::signed) else { return Ok(()) };
    for role in [RoleName::SNAPSHOT, RoleName::TIMESTAMP] {
        let signers = root.role_keys(&role).expect("a root lists the top-level roles");
        let is_noted = |id: &&notary_schema::name::KeyId| {
            noted.contains(&(role.to_string(), id.as_str().to_owned()))
        };
        let known = signers.keyids.iter().filter(is_noted).count();
        let needed = signers.threshold.get();
        if (known as u64) < u64::from(needed) {
            let problem = format!(
                "of the keys that root names for it, {known} are noted as the signer's, and \
                 {needed} must sign"
            );
            report.problem(Some(role.as_str()), None, problem, ASK_AGAIN);
        }
    }
    Ok(())
}

fn check_key(row: &RawKey) -> Result<(), String> {
    let key: Key = serde_json::from_str(&row.key_object)
        .map_err(|error| format!("the key {} is not readable: {error}", row.keyid))?;
    match key.id().as_str() == row.keyid {
        true => Ok(()),
        false => Err(format!("the key {} is noted as {}", key.id(), row.keyid)),
    }
}
