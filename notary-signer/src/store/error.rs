//! What can go wrong with the database.

use std::io;
use std::path::PathBuf;

use diesel::ConnectionError;

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Another process uses the memory.
    #[error("{} is held by another notary-signer: stop that one first", .0.display())]
    Locked(PathBuf),
    /// There is no database at this path.
    #[error("{} does not exist: `notary-signer serve` makes it", .0.display())]
    NotThere(PathBuf),
    /// The tables are older than the program.
    #[error("{} is older than this program: start `notary-signer serve` once", .0.display())]
    NotMigrated(PathBuf),
    /// It is a copy, and what it does not know was not set yet.
    #[error(
        "{} is a copy, and more may have been signed since it was made: `notary-signer memory set \
         --after-restore` for {collections}, before it signs a second content for a version; \
         `--nothing-signed` where the server has no such collection",
        path.display()
    )]
    Unsettled {
        /// The database.
        path: PathBuf,
        /// Their names, separated by commas.
        collections: String,
    },
    /// It is in another file than before, and nobody has said yet what became of that one.
    #[error(
        "{} is not the file that its signer worked in: it is a copy, or was moved to another disk. \
         If the signer with the original is stopped for good and had signed all of it by then: \
         `notary-signer memory moved --reason TEXT`. If more may have been signed since: \
         `notary-signer memory set --after-restore` for {collections}, before it signs a second \
         content for a version",
        path.display()
    )]
    Moved {
        /// The database.
        path: PathBuf,
        /// Their names, separated by commas.
        collections: String,
    },
    /// Two paths lead to the database, and none of them is a symbolic link.
    #[error("{} has another name (a hard link), which nobody can lock: remove that one", .0.display())]
    Linked(PathBuf),
    /// The lock file does not take the note.
    #[error("cannot note in {} how far the audit is: {source}", path.display())]
    Note {
        /// The lock file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The audit has lost a line while it was open.
    #[error(
        "the audit has lost lines: an older copy was written into the database while this signer ran on \
         it. Stop it; the next start says what to do"
    )]
    SetBack,
    /// The file system refused.
    #[error("cannot open {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// SQLite does not open the file.
    #[error("{} does not open as a database: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ConnectionError,
    },
    /// The tables cannot be brought to the form that this program uses.
    #[error("the tables of {} cannot be migrated: {problem}", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A statement failed. Whether a transaction that it ended took effect is not known.
    #[error("the database failed: {0}")]
    Query(#[from] diesel::result::Error),
    /// A row holds what this program never writes.
    #[error("the database is damaged: {column} is {found:?}")]
    Damaged {
        /// The column.
        column: &'static str,
        /// What stands there, shortened.
        found: String,
    },
    /// A change was made, but the transaction that it is part of may not be on the disk.
    #[error("the database failed, and whether the change is on the disk is not known: {0}")]
    Uncommitted(String),
    /// The change was not made.
    #[error("the database did not begin with the change: it is busy, or does not open")]
    NotBegun,
    /// Something panicked while it used the connection.
    #[error("the database connection is in an unknown state: restart the signer")]
    Poisoned,
}

impl StoreError {
    pub(super) fn damaged(column: &'static str, found: impl ToString) -> StoreError {
        StoreError::Damaged { column, found: found.to_string().chars().take(100).collect() }
    }
}
