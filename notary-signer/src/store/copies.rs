//! Copies of the database: those that `backup` writes, and those that are found.
//!
//! What `backup` writes beside a running service is one file, at one commit, and has its name when it
//! is on the disk. What a copy remembers is unsettled, as is what it does not: the signer goes on
//! signing, and a second one that starts with the copy would sign other content for the same versions.
//! So a copy starts no signer before an operator has spoken of every role that has a key or a memory.

use std::fs::File;
use std::io;
use std::path::Path;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::note::{self, Note};
use super::tables::{memory, online_keys, role_text, unsettled};
use super::{Database, MemoryLock, Owner, StoreError, audit_lines, identity, plain};

/// Most collections that an error names.
const MAX_NAMES: usize = 10;

/// What made a database a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It remembers less than was signed: `backup` wrote it, or an older copy was written into its file.
    Behind,
    /// It is in another file than before.
    Moved,
}

impl Cause {
    fn text(self) -> &'static str {
        match self {
            Cause::Behind => "backup",
            Cause::Moved => "moved",
        }
    }
}

/// How much is in a copy.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Amount {
    /// Keys, retired ones included.
    pub(crate) keys: i64,
    /// Last signed files.
    pub(crate) memories: i64,
}

impl Database {
    /// Unsettles what it remembers where it is in another file than before, or was set back in its file.
    pub(super) fn compare_file(
        &self,
        lock: &MemoryLock,
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let noted = lock.noted();
        let (is_set_back, is_new) = self.transaction(|connection| -> Result<_, StoreError> {
            let is_set_back = note::is_set_back(connection, &self.path, noted.as_ref())?;
            if is_set_back {
                note::unsettle(connection, now)?;
            }
            Ok((is_set_back, identity::compare(connection, &self.path, now)?))
        })?;
        if is_new {
            // Who copies the file without its log copies the name with it.
            let mut connection = self.connection.lock().map_err(|_| StoreError::Poisoned)?;
            connection.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        let done = lock.note(self.read(audit_lines::head)?);
        if is_set_back {
            // What an operator settles from now on must not be unsettled by the former note.
            return done.and_then(|()| lock.sync());
        }
        done.unwrap_or_else(|error| tracing::warn!("{error}"));
        Ok(())
    }

    /// Whether a signer would start with it, without a change.
    ///
    /// # Errors
    /// [`StoreError::Unsettled`], [`StoreError::Moved`], [`StoreError::Linked`].
    pub(crate) fn require_startable(&self) -> Result<(), StoreError> {
        let noted = Note::beside(&self.path);
        self.read(|connection| {
            require_settled(connection, &self.path)?;
            let is_moved = identity::is_elsewhere(connection, &self.path)?;
            let is_set_back = note::is_set_back(connection, &self.path, noted.as_ref())?;
            let (path, collections) = (self.path.clone(), "each of its collections".to_owned());
            if is_empty(connection)? || !(is_moved || is_set_back) {
                Ok(())
            } else if is_set_back {
                Err(StoreError::Unsettled { path, collections })
            } else {
                Err(StoreError::Moved { path, collections })
            }
        })
    }
}

/// Writes a copy.
///
/// # Errors
/// Those of [`Database::open`]; a file that is there already or cannot be written;
/// [`StoreError::Damaged`] where the pages are not as they must be.
pub(crate) fn write(database: &Path, to: &Path) -> Result<Amount, StoreError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source: io::Error| StoreError::Io { path, source }
    };
    let directory = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let source = Database::open(database)?;
    let copy = tempfile::Builder::new().prefix(".notary-").tempfile_in(directory);
    let copy = copy.map_err(failed(directory))?.into_temp_path();
    {
        let mut connection = source.connection.lock().map_err(|_| StoreError::Poisoned)?;
        let copied = diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(copy.to_string_lossy());
        copied.execute(&mut *connection)?;
    }
    let amount = finish(&mut plain(&copy)?)?;
    File::open(&copy).and_then(|file| file.sync_all()).map_err(failed(&copy))?;
    copy.persist_noclobber(to).map_err(|error| failed(to)(error.error))?;
    File::open(directory).and_then(|open| open.sync_all()).map_err(failed(directory))?;
    Ok(amount)
}

/// Verifies a copy and makes it one.
fn finish(copy: &mut SqliteConnection) -> Result<Amount, StoreError> {
    let pages: Vec<String> =
        diesel::dsl::sql::<Text>("SELECT integrity_check FROM pragma_integrity_check")
            .load(copy)?;
    if let Some(problem) = pages.into_iter().find(|line| line != "ok") {
        return Err(StoreError::damaged("a page", problem));
    }
    diesel::delete(unsettled::table).execute(copy)?;
    unsettle(copy, Cause::Behind)?;
    identity::forget(copy)?;
    let keys = online_keys::table.count().get_result(copy)?;
    Ok(Amount { keys, memories: memory::table.count().get_result(copy)? })
}

/// Says of every role with a key or a memory that more may have been signed: a key that has signed
/// nothing here may have signed a first version elsewhere. What is unsettled stays so, and is behind from
/// now on where that is said. Says how many roles are unsettled anew, or for another cause.
pub(super) fn unsettle(
    connection: &mut SqliteConnection,
    cause: Cause,
) -> Result<usize, StoreError> {
    let every_role = "INSERT INTO unsettled (collection, incarnation, role, cause)
         SELECT collection, incarnation, role, ? FROM (
             SELECT collection, incarnation, role FROM memory
             UNION SELECT collection, incarnation, role FROM online_keys
         ) WHERE true
         ON CONFLICT DO UPDATE SET cause = excluded.cause
             WHERE excluded.cause = 'backup' AND unsettled.cause <> 'backup'";
    Ok(diesel::sql_query(every_role).bind::<Text, _>(cause.text()).execute(connection)?)
}

/// An operator has said what is remembered of a role. Says whether that was open.
pub(crate) fn settle(connection: &mut SqliteConnection, owner: &Owner) -> Result<bool, StoreError> {
    let row = unsettled::table
        .filter(unsettled::collection.eq(owner.collection.gun.as_str()))
        .filter(unsettled::incarnation.eq(owner.collection.incarnation.as_str()))
        .filter(unsettled::role.eq(role_text(owner.role)));
    Ok(diesel::delete(row).execute(connection)? > 0)
}

/// An operator has said that the original signs nothing any more, and that it is all here. Says how
/// many roles were open.
///
/// # Errors
/// [`StoreError::Unsettled`] for what `backup` wrote, and for what was set back.
pub(crate) fn settle_moved(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<usize, StoreError> {
    require_not_behind(connection, path)?;
    Ok(diesel::delete(unsettled::table).execute(connection)?)
}

/// Refuses a copy that would sign a second content for versions that it does not know of.
///
/// # Errors
/// [`StoreError::Unsettled`] and [`StoreError::Moved`] name the collections.
pub(super) fn require_settled(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    require_not_behind(connection, path)?;
    match open_collections(connection, Cause::Moved)? {
        None => Ok(()),
        Some(collections) => Err(StoreError::Moved { path: path.to_owned(), collections }),
    }
}

/// Whether there is nothing that a copy could sign.
fn is_empty(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let keys: i64 = online_keys::table.count().get_result(connection)?;
    let memories: i64 = memory::table.count().get_result(connection)?;
    Ok(keys == 0 && memories == 0)
}

fn require_not_behind(connection: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    match open_collections(connection, Cause::Behind)? {
        None => Ok(()),
        Some(collections) => Err(StoreError::Unsettled { path: path.to_owned(), collections }),
    }
}

/// The collections that are unsettled, for people.
fn open_collections(
    connection: &mut SqliteConnection,
    cause: Cause,
) -> Result<Option<String>, StoreError> {
    let names = unsettled::table.select(unsettled::collection).distinct();
    let names = names.filter(unsettled::cause.eq(cause.text())).order(unsettled::collection);
    let mut names: Vec<String> = names.load(connection)?;
    let further = names.len().saturating_sub(MAX_NAMES);
    names.truncate(MAX_NAMES);
    Ok(match (names.is_empty(), further) {
        (true, _) => None,
        (false, 0) => Some(names.join(", ")),
        (false, _) => Some(format!("{} and {further} more", names.join(", "))),
    })
}
