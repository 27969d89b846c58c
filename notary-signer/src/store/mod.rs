//! The signer's database: the only place with SQL.
//!
//! SQLite with a write-ahead log, one writer, and `synchronous=FULL`: what a transaction wrote is on
//! the disk when it returns. With less, a power cut could make the signer forget a version
//! that the server already serves, and sign it a second time.
//!
//! - [`keys`]: the online keys; [`key_states`]: where they are in their life
//! - [`memory`]: what was signed last
//! - [`audit`]: who asked for what; [`audit_lines`]: the chain of its lines; [`segments`]: old lines
//! - [`shared`]: changes of many requests in one transaction
//! - [`copies`]: what `backup` writes, and what other copies lack; [`identity`]: which file it is
//! - [`header`]: what the software store needs to open again
//! - [`lock`]: one signer for one memory; [`note`]: how far its audit was
//! - [`tables`]: the columns

pub(crate) mod audit;
pub(crate) mod audit_lines;
pub(crate) mod copies;
mod error;
pub(crate) mod header;
mod identity;
pub(crate) mod key_states;
pub(crate) mod keys;
mod lock;
pub(crate) mod memory;
mod note;
pub(crate) mod segments;
mod shared;
pub(crate) mod tables;

use std::fmt;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use notary_schema::name::{Gun, Incarnation};
use notary_schema::online::OnlineRole;
use serde::{Deserialize, Serialize};

pub(crate) use error::StoreError;
pub(crate) use lock::MemoryLock;
pub(crate) use shared::SharedDatabase;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../schema/migrations/signer-sqlite");

/// How long a command of an operator and the service wait for each other.
const BUSY_MILLISECONDS: u32 = 5_000;

/// One life of a collection: what keys and memory belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Collection {
    /// Its name.
    pub(crate) gun: Gun,
    /// Its life.
    pub(crate) incarnation: Incarnation,
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.gun, self.incarnation)
    }
}

/// One online role of one life of a collection: what a key belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Owner {
    /// The life of the collection.
    pub(crate) collection: Collection,
    /// The role.
    pub(crate) role: OnlineRole,
}

impl Owner {
    /// One role of a collection.
    pub(crate) fn new(gun: &Gun, incarnation: &Incarnation, role: OnlineRole) -> Owner {
        let collection = Collection { gun: gun.clone(), incarnation: incarnation.clone() };
        Owner { collection, role }
    }
}

/// An open database.
pub(crate) struct Database {
    path: PathBuf,
    connection: Mutex<SqliteConnection>,
    /// Of a command that no service may run beside; let go of when the connection is closed.
    _lock: Option<MemoryLock>,
}

impl Database {
    /// Opens or makes the database, and brings its tables to today's form. The lock says that no
    /// other signer works on it.
    ///
    /// # Errors
    /// Files that cannot be opened; tables of a newer program; [`StoreError::Unsettled`] and
    /// [`StoreError::Moved`], which the audit has.
    pub(crate) fn create(
        path: &Path,
        lock: &MemoryLock,
        now: DateTime<Utc>,
    ) -> Result<Database, StoreError> {
        // Before SQLite makes it: its log files have the mode of the database.
        lock.hold(path)?;
        let mut connection = connect(path)?;
        migrate(&mut connection).map_err(|problem| migration(path, problem))?;
        connection.immediate_transaction(audit_lines::chain_old)?;
        let database = Database::of(path, connection);
        database.compare_file(lock, now)?;
        database.read(|connection| copies::require_settled(connection, path))?;
        Ok(database)
    }

    /// Opens the database for a command of an operator, beside a running service.
    ///
    /// # Errors
    /// [`StoreError::NotThere`] where no signer ever ran, [`StoreError::NotMigrated`] where none of
    /// this version did.
    pub(crate) fn open(path: &Path) -> Result<Database, StoreError> {
        if !path.exists() {
            return Err(StoreError::NotThere(path.to_owned()));
        }
        let mut connection = connect(path)?;
        let pending = connection.has_pending_migration(MIGRATIONS);
        if pending.map_err(|problem| migration(path, problem))? {
            return Err(StoreError::NotMigrated(path.to_owned()));
        }
        Ok(Database::of(path, connection))
    }

    /// Opens the database for a command that changes what a service would judge by.
    ///
    /// # Errors
    /// Those of [`Database::open`]; [`StoreError::Locked`] beside a service; [`StoreError::Linked`].
    pub(crate) fn open_alone(path: &Path, now: DateTime<Utc>) -> Result<Database, StoreError> {
        let database = Database::open(path)?;
        let lock = MemoryLock::take(path)?;
        database.compare_file(&lock, now)?;
        Ok(Database { _lock: Some(lock), ..database })
    }

    fn of(path: &Path, connection: SqliteConnection) -> Database {
        Database { path: path.to_owned(), connection: Mutex::new(connection), _lock: None }
    }

    /// Runs one transaction: all of it is on the disk when this returns `Ok`, and on an error that
    /// `work` gave, nothing of it. It blocks the thread.
    ///
    /// # Errors
    /// Those of `work`; [`StoreError::Query`] where the transaction itself fails.
    pub(crate) fn transaction<T, E>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError> + From<diesel::result::Error>,
    {
        let mut connection = self.connection.lock().map_err(|_| StoreError::Poisoned)?;
        // Immediate: a deferred transaction that starts to write fails at once beside another
        // writer, however long the busy timeout is.
        connection.immediate_transaction(work)
    }

    /// Runs one transaction that only reads, and waits for no writer. It blocks the thread.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) fn read<T, E>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<StoreError> + From<diesel::result::Error>,
    {
        let mut connection = self.connection.lock().map_err(|_| StoreError::Poisoned)?;
        connection.transaction(work)
    }

    /// Writes the file anew, without what was replaced or deleted in it: SQLite leaves that where it was
    /// until something else is written there. It blocks the thread.
    ///
    /// # Errors
    /// Where there is no room for a second copy; the file is then as before.
    pub(crate) fn write_anew(&self) -> Result<(), StoreError> {
        let mut connection = self.connection.lock().map_err(|_| StoreError::Poisoned)?;
        Ok(connection.batch_execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?)
    }

    /// Puts a new connection in the place of one whose state is not known.
    fn reconnect(&self) -> Result<(), StoreError> {
        let connection = connect(&self.path)?;
        *self.connection.lock().map_err(|_| StoreError::Poisoned)? = connection;
        Ok(())
    }
}

/// Whether the database answers.
fn probe(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    diesel::select(1.into_sql::<Integer>()).execute(connection)?;
    Ok(())
}

fn create_private(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

/// A connection that sets nothing up: a copy stays one file.
fn plain(path: &Path) -> Result<SqliteConnection, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let url = path.to_str().ok_or_else(|| {
        open(ConnectionError::InvalidConnectionUrl("the path is not UTF-8".into()))
    })?;
    SqliteConnection::establish(url).map_err(open)
}

fn connect(path: &Path) -> Result<SqliteConnection, StoreError> {
    let open = |source| StoreError::Open { path: path.to_owned(), source };
    let mut connection = plain(path)?;
    connection
        .batch_execute(&format!(
            "PRAGMA busy_timeout = {BUSY_MILLISECONDS};
             PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL;"
        ))
        .map_err(|source| open(ConnectionError::CouldntSetupConfiguration(source)))?;
    Ok(connection)
}

fn migration(path: &Path, problem: impl ToString) -> StoreError {
    StoreError::Migration { path: path.to_owned(), problem: problem.to_string() }
}

fn migrate(connection: &mut SqliteConnection) -> Result<(), String> {
    use diesel::migration::{Migration, MigrationSource};
    let known: Vec<Box<dyn Migration<Sqlite>>> =
        MIGRATIONS.migrations().map_err(|error| error.to_string())?;
    let applied = connection.applied_migrations().map_err(|error| error.to_string())?;
    let unknown = applied
        .iter()
        .find(|version| known.iter().all(|known| known.name().version() != **version));
    if let Some(version) = unknown {
        return Err(format!("a newer program applied migration {version}; use that program"));
    }
    connection.run_pending_migrations(MIGRATIONS).map_err(|error| error.to_string())?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::keys::software::{Origin, StoreHeader};

    pub(crate) struct Scratch {
        pub(crate) database: Database,
        pub(crate) path: PathBuf,
        _lock: MemoryLock,
        directory: tempfile::TempDir,
    }

    impl Scratch {
        /// Closes the database, and keeps its directory.
        pub(crate) fn close(self) -> tempfile::TempDir {
            self.directory
        }
    }

    pub(crate) fn scratch() -> Scratch {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signer.sqlite");
        let lock = MemoryLock::take(&path).unwrap();
        let database = Database::create(&path, &lock, DateTime::UNIX_EPOCH).unwrap();
        Scratch { database, path, _lock: lock, directory }
    }

    pub(crate) fn owner(gun: &str, role: OnlineRole) -> Owner {
        Owner::new(&Gun::parse(gun).unwrap(), &Incarnation::from_random([7; 16]), role)
    }

    #[test]
    fn a_commit_is_on_the_disk_and_nobody_else_reads_the_files() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = scratch();
        let pragmas = scratch.database.transaction::<_, StoreError>(|connection| {
            let mut read = |name: &str| {
                let query = format!("SELECT {name} AS value FROM pragma_{name}");
                diesel::sql_query(query).get_result::<Pragma>(connection).unwrap().value
            };
            Ok((read("journal_mode"), read("synchronous")))
        });
        assert_eq!(pragmas.unwrap(), ("wal".to_owned(), "2".to_owned()));
        for file in std::fs::read_dir(scratch.path.parent().unwrap()).unwrap() {
            let file = file.unwrap();
            let mode = file.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?}", file.path());
        }
    }

    #[derive(QueryableByName)]
    struct Pragma {
        #[diesel(sql_type = diesel::sql_types::Text)]
        value: String,
    }

    #[test]
    fn the_tables_can_be_taken_down_and_built_again() {
        let scratch = scratch();
        let mut connection = connect(&scratch.path).unwrap();
        connection.revert_all_migrations(MIGRATIONS).unwrap();
        assert!(header::load(&mut connection).is_err(), "the tables are still there");
        migrate(&mut connection).unwrap();
        assert_eq!(header::load(&mut connection).unwrap(), None);
    }

    /// Lines that were written before there was a chain are bound to each other once, and for good.
    #[test]
    fn the_lines_of_an_older_program_get_their_place_in_the_chain() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signer.sqlite");
        let mut connection = connect(&path).unwrap();
        migrate(&mut connection).unwrap();
        connection.revert_last_migration(MIGRATIONS).unwrap();
        let line = "INSERT INTO audit (at, who, action, outcome) VALUES ('t', 'w', 'a', 'o');";
        connection.batch_execute(&line.repeat(3)).unwrap();
        let lock = MemoryLock::take(&path).unwrap();
        let database = Database::create(&path, &lock, DateTime::UNIX_EPOCH).unwrap();
        let walk = |connection: &mut SqliteConnection| -> Result<i64, StoreError> {
            let mut head = audit_lines::Head::default();
            for stored in audit_lines::from(connection, 1, 10)? {
                head.follow_stored(stored).unwrap();
            }
            assert_eq!(head, audit_lines::head(connection)?);
            Ok(head.seq)
        };
        assert_eq!(database.read(walk).unwrap(), 3);
        let change = "UPDATE audit SET hash = 'x' WHERE seq = 2";
        assert!(connection.batch_execute(change).unwrap_err().to_string().contains("appended"));
        drop(Database::create(&path, &lock, DateTime::UNIX_EPOCH).unwrap());
        assert_eq!(database.read(walk).unwrap(), 3);
    }

    #[test]
    fn the_database_of_a_newer_program_is_refused() {
        let scratch = scratch();
        let mut connection = connect(&scratch.path).unwrap();
        migrate(&mut connection).unwrap();
        connection
            .batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')")
            .unwrap();
        assert!(migrate(&mut connection).unwrap_err().contains("9999"));
    }

    #[test]
    fn a_transaction_that_fails_leaves_nothing() {
        let scratch = scratch();
        let origin = Origin::Passphrase { rounds: 1, salt: vec![1] };
        let header = StoreHeader { origin, check: vec![2] };
        let failed = scratch.database.transaction::<(), StoreError>(|connection| {
            header::save(connection, &header)?;
            Err(StoreError::Poisoned)
        });
        assert!(failed.is_err());
        let load = || scratch.database.transaction(header::load);
        assert_eq!(load().unwrap(), None);
        scratch.database.transaction(|connection| header::save(connection, &header)).unwrap();
        assert_eq!(load().unwrap(), Some(header));
    }
}
