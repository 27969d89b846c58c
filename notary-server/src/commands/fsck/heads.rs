//! Is each current file the newest one, and the one that the snapshot lists?

use std::collections::BTreeMap;

use notary_schema::envelope::Envelope;
use notary_schema::publish::replaces_online_keys;
use notary_schema::role::{Root, Snapshot};

use super::RESTORE;
use super::files::Found;
use super::report::Report;
use crate::store::StoreResult;
use crate::store::inspect::{RawCurrent, RawLife, View};

/// What to do about a file that was lost.
const REPAIR: &str = "whoever has it brings it with `notary repair`; otherwise the version after it \
                      is published";

/// Answers the current versions that stand, by role.
pub(super) fn check(
    view: &mut View<'_>,
    life: &RawLife,
    found: &Found,
    report: &mut Report<'_>,
) -> StoreResult<BTreeMap<String, i64>> {
    let current = view.current(life.id)?;
    let mut standing = BTreeMap::new();
    for row in &current {
        match check_row(view, life, row, found)? {
            Ok(()) => drop(standing.insert(row.role.clone(), row.version)),
            Err(problem) => report.problem(Some(&row.role), Some(row.version), problem, RESTORE),
        }
    }
    for role in ["root", "snapshot", "targets", "timestamp"] {
        if !current.iter().any(|row| row.role == role) {
            report.problem(Some(role), None, "it has no current file".into(), RESTORE);
        }
    }
    if let Some(version) = standing.get("snapshot") {
        let bytes = view.bytes(life.id, "snapshot", *version)?.unwrap_or_default();
        if let Ok(snapshot) = Envelope::<Snapshot>::parse(bytes) {
            for lost in check_listed(&current, snapshot.signed(), report) {
                standing.remove(&lost);
            }
        }
    }
    Ok(standing)
}

fn check_row(
    view: &mut View<'_>,
    life: &RawLife,
    row: &RawCurrent,
    found: &Found,
) -> StoreResult<Result<(), String>> {
    let columns = view.columns(life.id, &row.role, row.version)?;
    let Some((sha256, length, expires, _)) = columns else {
        return Ok(Err("the current version is not among the files".into()));
    };
    if (sha256, length, expires) != (row.sha256.clone(), row.length, row.expires) {
        return Ok(Err("the current file has another hash, length or date than the file".into()));
    }
    let highest = view.highest(life.id, &row.role)?.unwrap_or_default();
    if highest != row.version && !is_recovered(view, life, row, highest)? {
        return Ok(Err(format!("version {highest} is stored and is not the current one")));
    }
    let delegates =
        row.role == "targets" || found.delegating.contains(&(row.role.clone(), row.version));
    Ok(match row.delegates == delegates {
        true => Ok(()),
        false => Err(format!("its row says delegates = {}, which it does not", row.delegates)),
    })
}

/// Whether a snapshot or timestamp may be lower than one before: it is the last that came, and
/// between both a root came that makes clients forget (TUF 5.3.11).
fn is_recovered(
    view: &mut View<'_>,
    life: &RawLife,
    row: &RawCurrent,
    highest: i64,
) -> StoreResult<bool> {
    if !matches!(row.role.as_str(), "snapshot" | "timestamp") {
        return Ok(false);
    }
    let came = |view: &mut View<'_>, role: &str, version| -> StoreResult<Option<i64>> {
        Ok(view.columns(life.id, role, version)?.map(|(_, _, _, seq)| seq))
    };
    let (from, to) = (came(view, &row.role, highest)?, came(view, &row.role, row.version)?);
    let (mut version, mut before) = (1, None);
    while let Some(seq) = came(view, "root", version)? {
        let bytes = view.bytes(life.id, "root", version)?.unwrap_or_default();
        let root = Envelope::<Root>::parse(bytes).ok();
        let is_between = from < Some(seq) && Some(seq) <= to;
        if let (true, Some(before), Some(root)) = (is_between, &before, &root)
            && replaces_online_keys(Envelope::signed(before), root.signed())
        {
            return Ok(true);
        }
        (version, before) = (version + 1, root);
    }
    Ok(false)
}

/// Both ways: a file that is not listed is hidden, one that is listed and not current is lost. Answers
/// the roles whose files are lost.
fn check_listed(
    current: &[RawCurrent],
    snapshot: &Snapshot,
    report: &mut Report<'_>,
) -> Vec<String> {
    let mut lost = Vec::new();
    let targets = |row: &&RawCurrent| !matches!(&row.role[..], "root" | "snapshot" | "timestamp");
    let mut unlisted: BTreeMap<String, &RawCurrent> =
        current.iter().filter(targets).map(|row| (format!("{}.json", row.role), row)).collect();
    for (name, entry) in snapshot.meta.iter() {
        let role = name.strip_suffix(".json").unwrap_or(name);
        let listed = i64::try_from(entry.version.get()).ok();
        let sha256 = entry.hashes.as_ref().and_then(|hashes| hashes.sha256());
        match unlisted.remove(name) {
            row if row.is_none_or(|row| Some(row.version) < listed) => {
                let sha256 = sha256.map_or(String::new(), |sha256| format!(" ({sha256})"));
                let problem = format!("the file that the snapshot lists{sha256} is not here");
                report.problem(Some(role), listed, problem, REPAIR);
                lost.push(role.to_owned());
            }
            Some(row) if Some(row.version) != listed => {
                let problem = format!("the snapshot lists version {}", entry.version);
                report.problem(Some(role), Some(row.version), problem, RESTORE);
            }
            Some(row) if sha256.is_some_and(|sha256| sha256 != row.sha256) => {
                let problem = "the snapshot lists another file".to_owned();
                report.problem(Some(role), Some(row.version), problem, RESTORE);
            }
            _ => {}
        }
    }
    for row in unlisted.into_values() {
        let problem = "the snapshot does not list it".to_owned();
        report.problem(Some(&row.role), Some(row.version), problem, RESTORE);
    }
    lost
}
