//! Old lines of the audit go to files, so that the database does not grow without bound.
//!
//! It runs beside the service, on a connection of its own. A file is complete and on the disk before
//! the database names it, and lines leave the table only after that: stopped anywhere, the next run
//! goes on, and writes the very same file. A file that is there and says something else stays.

use std::fs::{self, DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use diesel::sqlite::SqliteConnection;
use notary_schema::key::sha256_hex;
use ring::digest::{Context, SHA256};
use tempfile::NamedTempFile;

use crate::config::Config;
use crate::store::audit_lines::{self, Break, Head};
use crate::store::segments::{self, Segment};
use crate::store::tables::time_text;
use crate::store::{Database, StoreError};

/// How many lines are read, or taken out, in one transaction: a signature waits for no more.
const STEP: i64 = 1_000;

/// Why old lines stay where they are. Nothing is lost.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(
        "{} holds other lines: this database is an older copy of the one that sealed them; move the \
         file to where you keep such things", .0.display()
    )]
    Other(PathBuf),
    #[error("the audit is damaged, so no line of it is sealed: {0}; see `audit verify`")]
    Damaged(#[from] Break),
}

/// Seals old lines until less than two segments are left, and takes what is sealed out of the table.
/// It gives the new segments.
///
/// # Errors
/// What was sealed before the error stays sealed.
pub(crate) fn seal(config: &Config, now: DateTime<Utc>) -> Result<Vec<Segment>, SealError> {
    let database = Database::open(&config.database)?;
    let lines = i64::from(config.audit.segment_lines);
    let mut made = Vec::new();
    loop {
        let unsealed = |connection: &mut SqliteConnection| -> Result<_, StoreError> {
            Ok((audit_lines::sealed(connection)?, audit_lines::head(connection)?))
        };
        let (sealed, head) = database.read(unsealed)?;
        if head.seq - sealed.seq < 2 * lines {
            break;
        }
        let segment = write(&database, &config.audit.directory, sealed, lines, now)?;
        database.transaction(|connection| segments::seal(connection, &segment))?;
        made.push(segment);
    }
    while database.transaction(|connection| segments::drop_sealed(connection, STEP))? > 0 {}
    Ok(made)
}

/// Writes the lines that follow to a file.
fn write(
    database: &Database,
    directory: &Path,
    sealed: Head,
    lines: i64,
    now: DateTime<Utc>,
) -> Result<Segment, SealError> {
    let (first_seq, last_seq) = (sealed.seq + 1, sealed.seq + lines);
    let name = format!("audit-{first_seq:012}-{last_seq:012}.jsonl");
    let path = directory.join(&name);
    let refuse = |source| SealError::Write { path: path.clone(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(refuse)?;
    let file = NamedTempFile::new_in(directory).map_err(refuse)?;
    let mut writer = BufWriter::new(file);
    let mut digest = Context::new(&SHA256);
    let mut head = sealed;
    while head.seq < last_seq {
        let (next, most) = (head.seq + 1, STEP.min(last_seq - head.seq));
        let found = database.read(|connection| audit_lines::from(connection, next, most))?;
        if found.is_empty() {
            return Err(Break::Gap { seq: last_seq, after: head.seq }.into());
        }
        for stored in found {
            let line = head.follow_stored(stored)?.json() + "\n";
            digest.update(line.as_bytes());
            writer.write_all(line.as_bytes()).map_err(refuse)?;
        }
    }
    let file = writer.into_inner().map_err(|error| refuse(error.into_error()))?;
    file.as_file().sync_all().map_err(refuse)?;
    let sha256 = hex::encode(digest.finish());
    if let Err(error) = file.persist_noclobber(&path) {
        // A run that was stopped here has written the same; a signer that was set back writes others.
        let is_there = error.error.kind() == io::ErrorKind::AlreadyExists;
        if !is_there || sha256_hex(&fs::read(&path).map_err(refuse)?) != sha256 {
            return Err(if is_there { SealError::Other(path) } else { refuse(error.error) });
        }
    }
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(refuse)?;
    Ok(Segment {
        last_seq,
        first_seq,
        file: name,
        sha256,
        last_hash: head.hash,
        sealed_at: time_text(now),
    })
}
