//! `notary-server fsck`: is everything that is stored what clients and the signer will take for true?
//!
//! | file | question |
//! |---|---|
//! | `files` | is each file what its row says, in both of its forms? |
//! | `heads` | is each current file the newest one, and the one that the snapshot lists? |
//! | `trust` | would a client that starts with root 1 accept all of it? |
//! | `history` | does every file come from an event, and are events numbered without gaps? |
//! | `slots` | can the release that is prepared still be signed and committed? |
//! | `proposals` | is each proposal what its rows say? |
//! | `keys` | are the online keys those of the root? |
//! | `revocations` | is each revocation what its row says, and where is a revoked key still named? |
//! | `signer` | does the signer remember what is stored here? |
//!
//! It reads, one collection at one commit at a time, and holds one file at a time.

mod files;
mod heads;
mod history;
mod keys;
mod proposals;
mod report;
mod revocations;
mod signer;
mod slots;
mod trust;

use std::process::ExitCode;

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{ConfigFile, complain, print};
use crate::signer_client::{HttpSigner, Signer};
use crate::store::inspect::{Inspector, RawLife, View};
use crate::store::{StoreError, StoreResult};
use report::Report;
pub use report::{Finding, Findings};

/// What to do about damage that only an older copy mends.
const RESTORE: &str = "restore the database from a backup; what was published since is sent again \
                       by `notary publish`";

/// Runs the command: 0 when all is well, 1 when something is not.
pub(super) async fn run(
    config: &ConfigFile,
    as_json: bool,
    now: DateTime<Utc>,
) -> Result<ExitCode, String> {
    let config = config.load()?;
    let mut inspector = Inspector::open(&config.database).map_err(|error| error.to_string())?;
    // Without its certificates, all but the signer's memory can be looked at.
    let signer = HttpSigner::new(&config.signer).map_err(|error| error.to_string());
    let signer = signer.as_ref().map(|signer| signer as &dyn Signer).map_err(String::as_str);
    let (findings, collections) = examine(&mut inspector, signer, now).await;
    match as_json {
        true => print(
            &json!({
                "ok": findings.problems.is_empty(),
                "collections": collections,
                "problems": findings.problems,
                "more_problems": findings.more_problems,
                "notes": findings.notes,
                "more_notes": findings.more_notes,
            })
            .to_string(),
        ),
        false => print_text(&findings, collections),
    }
    Ok(match findings.problems.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn print_text(findings: &Findings, collections: usize) {
    for note in &findings.notes {
        print(&format!("note: {note}"));
    }
    for problem in &findings.problems {
        complain(&problem.to_string());
    }
    let problems = findings.problems.len() + findings.more_problems;
    print(&format!("{collections} collections and reservations, {problems} problems"));
}

/// Looks at everything; answers also how many lives of names there are. Instead of the signer there
/// may be the reason why it cannot be asked.
pub async fn examine(
    inspector: &mut Inspector,
    signer: Result<&dyn Signer, &str>,
    now: DateTime<Utc>,
) -> (Findings, usize) {
    let mut findings = Findings::default();
    let lives = inspector.look(|view| {
        for problem in view.integrity()? {
            findings.of_database(problem, RESTORE);
        }
        history::check_numbers(view, &mut findings)?;
        view.lives()
    });
    let lives = lives.unwrap_or_else(|error| {
        findings.of_database(error.to_string(), RESTORE);
        Vec::new()
    });
    let mut absence = signer.err().map(str::to_owned);
    for life in &lives {
        let mut report = Report::of(&mut findings, life);
        let looked = inspector.look(|view| check_life(view, life.id, &mut report, now));
        if let Err(error) = looked {
            report.problem(None, None, error.to_string(), RESTORE);
        }
        if let (Ok(signer), None) = (signer, &absence) {
            absence = signer::check(inspector, signer, life, &mut report).await;
        }
    }
    if let Some(absence) = absence {
        findings.note_database(
            format!("not all of it was compared with the signer: {absence}"),
            "run fsck again when the signer answers",
        );
    }
    (findings, lives.len())
}

/// All that one life of a name holds, at one commit.
fn check_life(
    view: &mut View<'_>,
    id: i64,
    report: &mut Report<'_>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    // Gone since the list was read: a reservation that was dropped.
    let Some(life) = view.life(id)? else { return Ok(()) };
    let found = files::check(view, &life, report)?;
    history::check(view, &life, found.count, report)?;
    if is_served_once(&life) {
        let current = heads::check(view, &life, &found, report)?;
        let root = trust::check(view, &life, &current, report, now)?;
        keys::check(view, &life, root.as_deref(), report)?;
        revocations::check(view, &life, root.as_deref(), report)?;
    } else if found.count > 0 {
        let problem = format!("a name that is only reserved has {} files", found.count);
        report.problem(None, None, problem, RESTORE);
    }
    slots::check(view, &life, report)?;
    proposals::check(view, &life, report)
}

/// Whether it is a collection or was one; a reservation has no files yet.
fn is_served_once(life: &RawLife) -> bool {
    life.state != "reserved"
}

/// A value of a row that cannot be read is a problem of the row, not of the command.
fn readable<T>(
    value: StoreResult<T>,
    report: &mut Report<'_>,
    role: Option<&str>,
) -> StoreResult<Option<T>> {
    match value {
        Ok(value) => Ok(Some(value)),
        Err(StoreError::Corrupt { what, reason }) => {
            report.problem(role, None, format!("{what} is not readable: {reason}"), RESTORE);
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A version as a column.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
