//! What `backup` and `restore` have in common: to make a copy, verify it, and say what is in it.

use std::collections::BTreeMap;
use std::io;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::fsck::{Findings, examine};
use crate::store::StoreResult;
use crate::store::copies::Copy;
use crate::store::inspect::{Inspector, RawLife};

/// How often the operator hears how far a copy has come.
const PROGRESS: Duration = Duration::from_secs(5);
const MIB: u64 = 1 << 20;
/// The exit code of a process that a signal has ended, without the number of the signal.
const SIGNALLED: i32 = 128;

/// What is in a copy.
#[derive(Debug, Serialize)]
pub(super) struct Contents {
    /// The number of the last event.
    last_event: i64,
    collections: Vec<Life>,
}

/// One life of a name, and the newest versions of the top-level roles.
#[derive(Debug, Serialize)]
struct Life {
    collection: String,
    incarnation: String,
    state: String,
    versions: BTreeMap<String, i64>,
}

impl Contents {
    /// Reads what is in a copy that is readable.
    pub(super) fn of(copy: &Path) -> StoreResult<Contents> {
        Inspector::open_copy(copy)?.look(|view| {
            let (_, _, last_event) = view.numbers()?;
            let mut collections = Vec::new();
            for RawLife { id, gun, incarnation, state, .. } in view.lives()? {
                let mut versions = BTreeMap::new();
                for role in ["root", "targets", "snapshot", "timestamp"] {
                    versions.extend(view.highest(id, role)?.map(|found| (role.to_owned(), found)));
                }
                collections.push(Life { collection: gun, incarnation, state, versions });
            }
            Ok(Contents { last_event, collections })
        })
    }

    /// A line for each life.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.collections.iter().map(|life| {
            let mut line = format!("{} {}", life.collection, life.state);
            for role in ["root", "targets", "snapshot", "timestamp"] {
                if let Some(version) = life.versions.get(role) {
                    line += &format!(" {role} {version}");
                }
            }
            line
        })
    }

    /// How much it is, in words.
    pub(super) fn summary(&self) -> String {
        let (many, last) = (self.collections.len(), self.last_event);
        format!("{many} collections and reservations, last event {last}")
    }
}

/// Fills a copy, and says on stderr how far it has come where that takes long.
pub(super) fn fill(copy: &Copy, database: &Path) -> StoreResult<()> {
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len() / MIB);
    std::thread::scope(|scope| {
        let (ended, end) = mpsc::channel::<()>();
        let work = scope.spawn(move || {
            let filled = copy.fill(database);
            drop(ended);
            filled
        });
        while end.recv_timeout(PROGRESS) == Err(RecvTimeoutError::Timeout) {
            eprintln!("{} of about {} MiB", size(copy.path()), size(database));
        }
        work.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

/// Lets a process that is told to end leave no copy behind which has no name yet.
pub(super) fn remove_when_stopped(copy: &Copy) -> Result<(), String> {
    let failed = |error: io::Error| format!("cannot listen for signals: {error}");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let listen = |kind| {
        let _entered = runtime.enter();
        signal(kind).map_err(failed)
    };
    let (mut interrupted, mut terminated) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let path = copy.path().to_owned();
    std::thread::spawn(move || {
        let kind = runtime.block_on(async {
            tokio::select! {
                _ = interrupted.recv() => SignalKind::interrupt(),
                _ = terminated.recv() => SignalKind::terminate(),
            }
        });
        Copy::remove(&path);
        #[expect(clippy::disallowed_methods, reason = "main is in the middle of a copy")]
        std::process::exit(SIGNALLED + kind.as_raw_value())
    });
    Ok(())
}

/// What `fsck` finds wrong in a copy by itself.
pub(super) async fn verify(copy: &Path, now: DateTime<Utc>) -> StoreResult<Findings> {
    let mut inspector = Inspector::open_copy(copy)?;
    let signer = Err("a copy is behind the signer as soon as something is signed");
    Ok(examine(&mut inspector, signer, now).await.0)
}

/// The SHA-256 of a file, and its length in bytes.
pub(super) fn sha256(path: &Path) -> io::Result<(String, u64)> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    let mut file = std::fs::File::open(path)?;
    let length = io::copy(&mut file, &mut Hashed(&mut context))?;
    Ok((hex::encode(context.finish()), length))
}

struct Hashed<'a>(&'a mut ring::digest::Context);

impl io::Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A time as part of the name of a file.
pub(super) fn stamp(now: DateTime<Utc>) -> String {
    now.format("%Y%m%dT%H%M%SZ").to_string()
}
