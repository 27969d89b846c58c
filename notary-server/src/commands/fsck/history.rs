//! Does every file come from an event, and are events numbered without gaps?

use notary_schema::wire::{EventFile, EventRevocation};

use super::RESTORE;
use super::report::{Findings, Report};
use crate::store::StoreResult;
use crate::store::inspect::{RawEvent, RawLife, View};

/// The events of all collections are numbered 1, 2, 3 … up to the number that was given last.
pub(super) fn check_numbers(view: &mut View<'_>, findings: &mut Findings) -> StoreResult<()> {
    let (count, highest, last) = view.numbers()?;
    if count != highest || highest != last {
        let problem = format!(
            "there are {count} events, the highest number is {highest}, and {last} was given last"
        );
        findings.of_database(problem, RESTORE);
    }
    Ok(())
}

/// Each event names files that it brought; together they are all files there are.
pub(super) fn check(
    view: &mut View<'_>,
    life: &RawLife,
    files: u64,
    report: &mut Report<'_>,
) -> StoreResult<()> {
    let (mut at, mut brought) = (0, 0);
    while let Some(event) = view.event_after(life.id, at)? {
        at = event.seq;
        brought += check_event(view, life, &event, report)?;
    }
    if at != life.seq {
        let problem =
            format!("its last event is {at}, its row says that its last commit is {}", life.seq);
        report.problem(None, None, problem, RESTORE);
    }
    if brought != files {
        let problem = format!("its events have brought {brought} files, and it has {files}");
        report.problem(None, None, problem, RESTORE);
    }
    Ok(())
}

fn check_event(
    view: &mut View<'_>,
    life: &RawLife,
    event: &RawEvent,
    report: &mut Report<'_>,
) -> StoreResult<u64> {
    let revocation = event.revocation.as_deref().map(serde_json::from_str::<EventRevocation>);
    let brought = revocation.transpose().and_then(|_| serde_json::from_str(&event.roles));
    let brought: Vec<EventFile> = match brought {
        Ok(brought) => brought,
        Err(error) => {
            let problem = format!("event {} is not readable: {error}", event.seq);
            report.problem(None, None, problem, RESTORE);
            return Ok(0);
        }
    };
    for file in &brought {
        let version = i64::try_from(file.version.get()).unwrap_or(i64::MAX);
        let columns = view.columns(life.id, file.name.as_str(), version)?;
        let same = |(sha256, _, _, seq): &(String, i64, i64, i64)| {
            *sha256 == file.sha256 && *seq == event.seq
        };
        if !columns.as_ref().is_some_and(same) {
            let problem = format!("event {} has brought another file than is stored", event.seq);
            report.problem(Some(file.name.as_str()), Some(version), problem, RESTORE);
        }
    }
    Ok(brought.len() as u64)
}
