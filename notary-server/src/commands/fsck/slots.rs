//! Can the release that is prepared still be signed and committed?

use notary_schema::json;
use notary_schema::role::Snapshot;

use super::report::Report;
use super::{RESTORE, number, readable};
use crate::store::inspect::{RawLife, View};
use crate::store::{Prepared, Purpose, StoreResult};

pub(super) fn check(
    view: &mut View<'_>,
    life: &RawLife,
    report: &mut Report<'_>,
) -> StoreResult<()> {
    let Some(fence) = view.fence(life.id)? else { return Ok(()) };
    if fence > life.fence {
        let problem = format!(
            "its prepared release has the fence {fence}, its row counted to {}",
            life.fence
        );
        report.problem(None, None, problem, RESTORE);
    }
    let collection = view.collection(life.id);
    let Some(collection) = readable(collection, report, None)? else { return Ok(()) };
    let slot = view.slot(&collection);
    let Some(Some(prepared)) = readable(slot, report, None)? else { return Ok(()) };
    check_plan(view, life, &prepared, report)?;
    for file in prepared.files() {
        let (role, version) = (file.role(), number(file.version().get()));
        if let Some((sha256, ..)) = view.columns(life.id, role.as_str(), version)? {
            let problem = format!("it is prepared, and committed as {sha256}");
            report.problem(Some(role.as_str()), Some(version), problem, RESTORE);
        }
    }
    if prepared.purpose() == Purpose::Refresh && !prepared.files().is_empty() {
        let problem = "its prepared release is a refresh and has files".to_owned();
        report.problem(None, None, problem, RESTORE);
    }
    Ok(())
}

/// What will be signed comes after what is stored.
fn check_plan(
    view: &mut View<'_>,
    life: &RawLife,
    prepared: &Prepared,
    report: &mut Report<'_>,
) -> StoreResult<()> {
    let plan = prepared.plan();
    let mut planned = vec![("timestamp", plan.timestamp.version)];
    if let Some(snapshot) = &plan.snapshot {
        planned.push(("snapshot", snapshot.version));
        match json::read::<Snapshot>(&snapshot.signed) {
            Ok(read) if read.version == snapshot.version => {}
            Ok(_) => {
                let problem = "the snapshot that is prepared has another version".to_owned();
                report.problem(Some("snapshot"), None, problem, RESTORE);
            }
            Err(error) => {
                let problem = format!("the snapshot that is prepared is not readable: {error}");
                report.problem(Some("snapshot"), None, problem, RESTORE);
            }
        }
    }
    for (role, version) in planned {
        let version = number(version.get());
        if view.highest(life.id, role)?.is_some_and(|highest| highest >= version) {
            let problem = "it is prepared, and stored already".to_owned();
            report.problem(Some(role), Some(version), problem, RESTORE);
        }
    }
    Ok(())
}
