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
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::role::FileMeta;
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::updater::{Limits, Roles, remote_name};
use serde_json::json;

use crate::agent::Agent;
use crate::agent::roots::{Roots, climb};
use crate::args::ExportArgs;
use crate::exit::{Failure, Outcome};
use crate::session::Session;
use directory::{Exported, StaticDirectory};

/// Runs `notary export`.
pub(crate) async fn run(session: &Session, args: ExportArgs) -> Result<Outcome, Failure> {
    let now = session.now();
    let collected = collect(session, &args.gun, now).await?;
    let directory = StaticDirectory::new(args.directory.clone(), session);
    let named = |failure: Failure| failure.in_directory_of("DIR");
    let written = {
        let lock = async |patience| directory.lock(patience).await;
        let _lock = session.patiently(lock, args.directory.display()).await.map_err(named)?;
        let progress = session.output.files(collected.repository.len() as u64, "writing");
        directory.take(&collected.repository, progress).map_err(named)?
    };
    report(session, &args.gun, args.directory, &collected, written)
}

/// Most roots below the newest that are exported.
const MAX_ROOT_STEPS: u64 = 10_000;

/// A collection, read and verified.
struct Collected {
    trusted: TrustedSet,
    roots: Roots,
    repository: Exported,
    /// What the snapshot lists and nobody vouches for.
    left_out: Vec<String>,
}

async fn collect(session: &Session, gun: &Gun, now: DateTime<Utc>) -> Result<Collected, Failure> {
    let (_, _lock) = session.locked(gun).await?;
    let mut agent = session.refreshed(gun, now, Expiry::Reported).await?;
    let snapshot = agent.trusted()?.snapshot().cloned().expect("a refresh ends with a snapshot");
    agent.show(Some(session.output.files(snapshot.signed().meta.len() as u64, "reading")));
    let roots = climb(&agent, MAX_ROOT_STEPS, now).await?;
    let unread = agent.visit(Roles::All).await?;
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for (name, entry) in snapshot.signed().meta.iter() {
        let role = name.strip_suffix(".json").and_then(|role| RoleName::parse(role).ok());
        let file = match &role {
            Some(role) => file(&agent, role, &entry).await?,
            None => None,
        };
        match role.zip(file) {
            Some((role, file)) => files.push((role, entry.version, file)),
            None => left_out.push(name.to_owned()),
        }
    }
    agent.show(None);
    for one in unread.iter().filter(|one| !one.is_pending()) {
        let (role, delegator, error) = (&one.role, &one.delegator, &one.error);
        session.output.warn(format_args!("clients refuse {role} of {delegator}: {error}"));
    }
    if let Some((version, why)) = roots.gaps.last() {
        session
            .output
            .warn(format_args!("clients that start before root {version} cannot follow: {why}"));
    }
    let trusted = agent.trusted()?.clone();
    let repository = Exported::new(&trusted, &roots.files, files)?;
    Ok(Collected { trusted, roots, repository, left_out })
}

/// The current file of a role; `None` where neither a key nor a hash vouches for it.
async fn file(
    agent: &Agent<'_>,
    role: &RoleName,
    entry: &FileMeta,
) -> Result<Option<Arc<[u8]>>, Failure> {
    let trusted = agent.trusted()?;
    if let Some(file) = trusted.targets(role) {
        return Ok(Some(file.bytes().clone()));
    }
    if entry.hashes.is_none() {
        return Ok(None);
    }
    let name = remote_name(role, directory::named(trusted, entry.version));
    let found = agent.fetch(&name, Limits::default().targets_bytes).await?;
    Ok(found.filter(|file| entry.describes(file)))
}

fn report(
    session: &Session,
    gun: &Gun,
    directory: PathBuf,
    collected: &Collected,
    written: usize,
) -> Result<Outcome, Failure> {
    let Collected { trusted, roots, repository, left_out } = collected;
    let version = |file: Option<Version>| file.expect("a refresh ends with all of them");
    let (root, first) = (trusted.root().version(), oldest(trusted, roots));
    let snapshot = version(trusted.snapshot().map(|file| file.version()));
    let timestamp = version(trusted.timestamp().map(|file| file.version()));
    let fresh_until = trusted.timestamp().map(|file| file.expires());
    let total = repository.len();
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
