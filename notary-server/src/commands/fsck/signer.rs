//! Does the signer remember what is stored here?
//!
//! Between two equal answers of the signer nothing was signed, so what the database holds between
//! them can be compared with them, also beside a running server.

use notary_schema::name::{Gun, Incarnation};
use notary_schema::online::OnlineFile;
use notary_schema::wire::{RememberedFile, SignerMemory};

use super::report::Report;
use crate::signer_client::Signer;
use crate::store::StoreResult;
use crate::store::inspect::{Inspector, RawLife, View};

/// How often a collection is looked at again that is published to meanwhile.
const TRIES: usize = 10;
const SERVER_BEHIND: &str = "this database was set back to an older copy: start the server, which \
                             goes on from there, and see its runbook";
const SIGNER_BEHIND: &str = "the signer's memory was restored from an older backup: restore a \
                             newer one, or set it with `notary-signer memory set`";

/// What is held of an online role.
#[derive(Debug, Default)]
struct Held {
    /// Version and SHA-256 of the current file.
    stored: Option<(i64, String)>,
    /// The version that is prepared.
    prepared: Option<i64>,
}

/// Answers why the signer does not answer, where it does not.
pub(super) async fn check(
    inspector: &mut Inspector,
    signer: &dyn Signer,
    life: &RawLife,
    report: &mut Report<'_>,
) -> Option<String> {
    let names = (Gun::parse(&life.gun), Incarnation::parse(&life.incarnation));
    let (Ok(gun), Ok(incarnation)) = names else { return None };
    let mut before = None;
    for _ in 0..TRIES {
        let memory = match signer.memory(&gun, &incarnation).await {
            Ok(memory) => memory,
            Err(error) => return Some(error.to_string()),
        };
        if let Some((old, held)) = &before
            && versions(old) == versions(&memory)
        {
            compare(held, &memory, report);
            return None;
        }
        match inspector.look(|view| held(view, life.id)) {
            Ok(held) => before = Some((memory, held)),
            // Reported where the collection itself was looked at.
            Err(_) => return None,
        }
    }
    let note = "it was published to all the time".to_owned();
    report.note(None, None, note, "to compare it with the signer, run fsck again");
    None
}

fn versions(memory: &SignerMemory) -> [Option<&str>; 2] {
    [&memory.snapshot, &memory.timestamp].map(|file| file.as_ref().map(|file| file.sha256.as_str()))
}

fn held(view: &mut View<'_>, id: i64) -> StoreResult<[Held; 2]> {
    let mut held = [Held::default(), Held::default()];
    for row in view.current(id)? {
        match row.role.as_str() {
            "snapshot" => held[0].stored = Some((row.version, row.sha256)),
            "timestamp" => held[1].stored = Some((row.version, row.sha256)),
            _ => {}
        }
    }
    if view.life(id)?.is_some() {
        let collection = view.collection(id)?;
        if let Some(slot) = view.slot(&collection)? {
            let plan = slot.plan();
            let number = |version: notary_schema::name::Version| {
                i64::try_from(version.get()).unwrap_or(i64::MAX)
            };
            held[0].prepared = plan.snapshot.as_ref().map(|snapshot| number(snapshot.version));
            held[1].prepared = Some(number(plan.timestamp.version));
        }
    }
    Ok(held)
}

/// Whether an operator has put it there: it is signed by nobody.
fn is_set(remembered: &RememberedFile) -> bool {
    let file = OnlineFile::parse(remembered.file.clone().into_bytes());
    file.is_ok_and(|file| file.is_unsigned())
}

fn compare(held: &[Held; 2], memory: &SignerMemory, report: &mut Report<'_>) {
    for (role, held, remembered) in
        [("snapshot", &held[0], &memory.snapshot), ("timestamp", &held[1], &memory.timestamp)]
    {
        let stored = held.stored.as_ref().map_or(0, |(version, _)| *version);
        let Some(remembered) = remembered else {
            if stored > 0 {
                let problem = "the signer remembers no file of it".to_owned();
                report.problem(Some(role), Some(stored), problem, SIGNER_BEHIND);
            }
            continue;
        };
        let signed = i64::try_from(remembered.version.get()).unwrap_or(i64::MAX);
        let most = held.prepared.unwrap_or(stored).max(stored);
        if signed < stored {
            let problem = format!("the signer remembers version {signed} as the last one");
            report.problem(Some(role), Some(stored), problem, SIGNER_BEHIND);
        } else if signed > most && is_set(remembered) {
            let note = format!("an operator has set the signer's memory to version {signed}");
            report.note(Some(role), Some(stored), note, "the next release will be above it");
        } else if signed > most {
            let problem = format!("the signer has signed version {signed}");
            report.problem(Some(role), Some(stored), problem, SERVER_BEHIND);
        } else if signed == stored
            && held.stored.as_ref().is_some_and(|(_, sha256)| *sha256 != remembered.sha256)
        {
            let problem = format!("the signer has signed {} as this version", remembered.sha256);
            report.problem(Some(role), Some(stored), problem, super::RESTORE);
        }
    }
}
