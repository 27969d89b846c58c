//! Is each revocation what its row says, and where does a revoked key still stand?

use std::collections::BTreeMap;

use notary_schema::envelope::Envelope;
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::{Authority, Root, Targets};
use notary_schema::threshold::RevokedKeys;

use super::report::Report;
use crate::store::StoreResult;
use crate::store::inspect::{RawLife, RawRevocation, View};

/// What to do about a row that cannot be used.
const REVOKE_ANEW: &str = "delete the row, and revoke the key anew";
/// What to do about a key that is still named: what is stored stays good until then.
const LEAVE_OUT: &str = "have the next version leave it out: `notary revoke` with its id once more";

pub(super) fn check(
    view: &mut View<'_>,
    life: &RawLife,
    root: Option<&Envelope<Root>>,
    report: &mut Report<'_>,
) -> StoreResult<()> {
    let mut revoked = Vec::new();
    for row in view.revocations(life.id)? {
        match check_row(&row) {
            Ok(public) => revoked.push(public),
            Err(problem) => report.problem(None, None, problem, REVOKE_ANEW),
        }
    }
    let revoked: RevokedKeys = revoked.into_iter().collect();
    if revoked.is_empty() {
        return Ok(());
    }
    if let Some(root) = root {
        let roles = [RoleName::ROOT, RoleName::TARGETS, RoleName::SNAPSHOT, RoleName::TIMESTAMP];
        let signers = roles.iter().filter_map(|role| Some((role, root.signed().authority(role)?)));
        let version = i64::try_from(root.version().get()).unwrap_or(i64::MAX);
        note_named(("root", version), signers, &revoked, report);
    }
    for row in view.current(life.id)?.into_iter().filter(|row| row.delegates) {
        let bytes = view.bytes(life.id, &row.role, row.version)?.unwrap_or_default();
        // What is not readable is a problem that others have found.
        let Ok(file) = Envelope::<Targets>::parse(bytes) else { continue };
        let Some(delegations) = &file.signed().delegations else { continue };
        let first_bin = delegations.succinct().map(|succinct| succinct.bins.name(0));
        let listed = delegations.listed().iter().map(|delegated| &delegated.name);
        let signers = listed.chain(&first_bin).filter_map(|role| {
            let authority = delegations.authority(role)?;
            Some((role, authority))
        });
        note_named((&row.role, row.version), signers, &revoked, report);
    }
    Ok(())
}

fn check_row(row: &RawRevocation) -> Result<PublicKey, String> {
    let key: Key = serde_json::from_str(&row.key_object)
        .map_err(|error| format!("the revoked key {} is not readable: {error}", row.keyid))?;
    let Some(public) = key.public() else {
        return Err(format!("the revoked key {} is of an unknown kind", row.keyid));
    };
    if key.id().as_str() != row.keyid {
        return Err(format!("the revoked key {} is noted as {}", key.id(), row.keyid));
    }
    match hex::encode(public.to_spki()) == row.public_key {
        true => Ok(public.clone()),
        false => Err(format!("the revoked key {} is noted with another public key", row.keyid)),
    }
}

/// Notes each revoked key that a file names, with the first of its roles.
fn note_named<'a>(
    (file, version): (&str, i64),
    signers: impl Iterator<Item = (&'a RoleName, Authority<'a>)>,
    revoked: &RevokedKeys,
    report: &mut Report<'_>,
) {
    let mut named: BTreeMap<KeyId, Vec<&RoleName>> = BTreeMap::new();
    for (role, authority) in signers {
        for keyid in revoked.listed_by(authority) {
            named.entry(keyid.clone()).or_default().push(role);
        }
    }
    for (keyid, roles) in named {
        let others = match roles.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let note = format!("it still names the revoked key {keyid} for {}{others}", roles[0]);
        report.note(Some(file), Some(version), note, LEAVE_OUT);
    }
}
