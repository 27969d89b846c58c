//! `notary export`: a collection as files that any web server can serve to any TUF client.
//!
//! It holds the whole chain of roots, and the current file of every role that the snapshot lists: a
//! client that holds an older state asks for nothing else. Each file is the one that was served, and
//! is verified before it is written: by the keys of a delegator, or, where nobody delegates to its
//! role any more, by the hash that the snapshot lists. What earlier exports wrote stays, for clients
//! that have read an older timestamp. [`directory`] knows the order of writing and what the files are
//! called.

mod directory;

use std::fmt::Write;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, Version};
use notary_schema::trusted::{Expiry, TrustedSet};
use serde_json::json;

use crate::agent::roots::Roots;
use crate::agent::whole::{Whole, read_whole};
use crate::args::ExportArgs;
use crate::exit::{Failure, Outcome};
use crate::session::Session;
use directory::{Exported, StaticDirectory};

/// Runs `notary export`.
pub(crate) async fn run(session: &Session, args: ExportArgs) -> Result<Outcome, Failure> {
    let now = session.now();
    let whole = read(session, &args.gun, now).await?;
    let repository = Exported::new(&whole.trusted, &whole.roots.files, &whole.files)?;
    let directory = StaticDirectory::new(args.directory.clone(), session);
    let named = |failure: Failure| failure.in_directory_of("DIR");
    let written = {
        let lock = async |patience| directory.lock(patience).await;
        let _lock = session.patiently(lock, args.directory.display()).await.map_err(named)?;
        let progress = session.output.files(repository.len() as u64, "writing");
        directory.take(&repository, progress).map_err(named)?
    };
    report(session, &args.gun, args.directory, &whole, (written, repository.len()))
}

async fn read(session: &Session, gun: &Gun, now: DateTime<Utc>) -> Result<Whole, Failure> {
    let (_, _lock) = session.locked(gun).await?;
    let mut agent = session.refreshed(gun, now, Expiry::Reported).await?;
    Ok(read_whole(&mut agent, &session.output, now).await?)
}

fn report(
    session: &Session,
    gun: &Gun,
    directory: PathBuf,
    whole: &Whole,
    (written, total): (usize, usize),
) -> Result<Outcome, Failure> {
    let Whole { trusted, roots, left_out, .. } = whole;
    let version = |file: Option<Version>| file.expect("a refresh ends with all of them");
    let (root, first) = (trusted.root().version(), oldest(trusted, roots));
    let snapshot = version(trusted.snapshot().map(|file| file.version()));
    let timestamp = version(trusted.timestamp().map(|file| file.version()));
    let fresh_until = trusted.timestamp().map(|file| file.expires());
    let value = json!({
        "collection": gun, "directory": directory, "files": total, "written": written,
        "roots": { "first": first, "last": root }, "snapshot": snapshot, "timestamp": timestamp,
        "fresh_until": fresh_until, "left_out": left_out,
    });
    let mut text = format!(
        "exported {gun} to {}: roots {first} to {root}, snapshot {snapshot}, timestamp {timestamp}\n",
        directory.display()
    );
    if let Some(until) = fresh_until {
        writeln!(text, "{written} of {total} files are new; clients take them until {until}")
            .expect("a String takes all");
    }
    session.output.result(&value, &text)?;
    if let [first, others @ ..] = left_out.as_slice() {
        session.output.warn(format_args!(
            "{first} and {} others are not exported: the snapshot lists them, and the server has no \
             file that it or a key vouches for",
            others.len()
        ));
        return Ok(Outcome::NotVerified);
    }
    Ok(Outcome::Done)
}

/// The first root of the chain.
fn oldest(trusted: &TrustedSet, roots: &Roots) -> u64 {
    trusted.root().version().get() + 1 - roots.files.len() as u64
}
