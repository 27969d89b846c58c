//! A copy of the database, made beside a running service.
//!
//! It is one file, at one commit, and has its name when it is on the disk. Its memory is unsettled:
//! the signer goes on signing, and a second one that starts with the copy would sign other content
//! for the same versions. So a copy starts no signer before an operator has set what it remembers.

use std::fs::File;
use std::io;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;

use super::tables::{memory, online_keys, role_text, unsettled};
use super::{Database, Owner, StoreError, plain};

/// How much is in a copy.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Amount {
    /// Keys, retired ones included.
    pub(crate) keys: i64,
    /// Last signed files.
    pub(crate) memories: i64,
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
    let amount = unsettle(&mut plain(&copy)?)?;
    File::open(&copy).and_then(|file| file.sync_all()).map_err(failed(&copy))?;
    copy.persist_noclobber(to).map_err(|error| failed(to)(error.error))?;
    File::open(directory).and_then(|open| open.sync_all()).map_err(failed(directory))?;
    Ok(amount)
}

fn unsettle(copy: &mut SqliteConnection) -> Result<Amount, StoreError> {
    let pages: Vec<String> =
        diesel::dsl::sql::<Text>("SELECT integrity_check FROM pragma_integrity_check")
            .load(copy)?;
    if let Some(problem) = pages.into_iter().find(|line| line != "ok") {
        return Err(StoreError::damaged("a page", problem));
    }
    copy.batch_execute(
        "INSERT OR IGNORE INTO unsettled SELECT collection, incarnation, role FROM memory",
    )?;
    let keys = online_keys::table.count().get_result(copy)?;
    Ok(Amount { keys, memories: memory::table.count().get_result(copy)? })
}

/// An operator has said what is remembered of a role.
pub(super) fn settle(connection: &mut SqliteConnection, owner: &Owner) -> Result<(), StoreError> {
    let row = unsettled::table
        .filter(unsettled::collection.eq(owner.collection.gun.as_str()))
        .filter(unsettled::incarnation.eq(owner.collection.incarnation.as_str()))
        .filter(unsettled::role.eq(role_text(owner.role)));
    diesel::delete(row).execute(connection)?;
    Ok(())
}

/// Refuses a copy that would sign a second content for versions that it does not know of.
///
/// # Errors
/// [`StoreError::Unsettled`] names the collections.
pub(super) fn require_settled(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), StoreError> {
    let names = unsettled::table.select(unsettled::collection).distinct();
    let names: Vec<String> = names.order(unsettled::collection).load(connection)?;
    match names.is_empty() {
        true => Ok(()),
        false => {
            let (path, collections) = (path.to_owned(), names.join(", "));
            Err(StoreError::Unsettled { path, collections })
        }
    }
}
