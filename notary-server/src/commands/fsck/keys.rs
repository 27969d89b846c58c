//! Are the online keys those of the root?

use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::KeyId;
use notary_schema::online::{HeldKeys, OnlineRole};
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
    let rows = view.keys(life.id)?;
    let (mut noted, mut standbys) = (Vec::new(), Vec::new());
    for row in &rows {
        let checked = check_key(row).and_then(|keyid| Ok((keyid, check_standby(row, &rows)?)));
        match checked {
            Ok((keyid, of)) => {
                standbys.extend(of.map(|of| (keyid.clone(), of)));
                noted.push((row.role.as_str(), keyid));
            }
            Err(problem) => report.problem(Some(&row.role), None, problem, ASK_AGAIN),
        }
    }
    let Some(root) = root.map(Envelope::signed) else { return Ok(()) };
    let online = noted.into_iter().filter_map(|(name, keyid)| {
        let role = OnlineRole::BOTH.into_iter().find(|role| role.name().as_str() == name)?;
        Some((role, keyid))
    });
    let held = online.collect::<HeldKeys>().with_standbys(standbys);
    for role in OnlineRole::BOTH {
        let known = held.reachable(root, role);
        let needed = role.listed_by(root).threshold.get();
        if (known as u64) < u64::from(needed) {
            let problem = format!(
                "of the keys that root names for it, {known} are noted as the signer's (a key and its \
                 stand-by as one), and {needed} must sign"
            );
            report.problem(Some(role.name().as_str()), None, problem, ASK_AGAIN);
        }
    }
    Ok(())
}

fn check_key(row: &RawKey) -> Result<KeyId, String> {
    let key: Key = serde_json::from_str(&row.key_object)
        .map_err(|error| format!("the key {} is not readable: {error}", row.keyid))?;
    match key.id().as_str() == row.keyid {
        true => Ok(key.id().clone()),
        false => Err(format!("the key {} is noted as {}", key.id(), row.keyid)),
    }
}

/// The key that a stand-by stands by for: one of its role that is none itself, and has no other one.
fn check_standby(row: &RawKey, rows: &[RawKey]) -> Result<Option<KeyId>, String> {
    let Some(of) = &row.standby_for else { return Ok(None) };
    let problem = |what: &str| Err(format!("the key {} stands by for {of}, {what}", row.keyid));
    let of_role = || rows.iter().filter(|other| other.role == row.role);
    match of_role().find(|other| other.keyid == *of) {
        None => return problem("which is no key of its role"),
        Some(key) if key.standby_for.is_some() => return problem("which is a stand-by itself"),
        Some(_) => {}
    }
    if of_role().any(|other| other.keyid != row.keyid && other.standby_for.as_ref() == Some(of)) {
        return problem("and so does another one");
    }
    match KeyId::parse(of) {
        Ok(keyid) => Ok(Some(keyid)),
        Err(_) => problem("which is no key id"),
    }
}
