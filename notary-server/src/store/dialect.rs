//! What differs between databases: opening, transactions, and statements that the query builder
//! cannot say for all of them. Nothing else in the crate names a database.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use diesel::connection::{Connection as _, SimpleConnection};
use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
// Linked for its bundled SQLite only.
use libsqlite3_sys as _;

use super::StoreError;
use super::rows::{CurrentFileRow, OnlineKeyRow, current_files, online_keys};

/// A connection to the database.
pub(super) type Connection = SqliteConnection;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../schema/migrations/server-sqlite");

/// How long a writer waits for a writer of another process (`token create`), in milliseconds.
const BUSY_MILLISECONDS: u32 = 10_000;

/// Opens a database that exists.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    if !path.is_file() {
        return Err(StoreError::NoDatabase(path.to_owned()));
    }
    connect(path)
}

/// Opens a database that exists and is not written: a copy, which has no log beside it and gets none.
pub(super) fn open_as_it_is(path: &Path) -> Result<Connection, StoreError> {
    if !path.is_file() {
        return Err(StoreError::NoDatabase(path.to_owned()));
    }
    let mut connection = establish(path)?;
    connection.batch_execute(&format!("PRAGMA busy_timeout = {BUSY_MILLISECONDS}"))?;
    Ok(connection)
}

fn establish(path: &Path) -> Result<Connection, StoreError> {
    SqliteConnection::establish(&path.to_string_lossy())
        .map_err(|error| StoreError::Open { path: path.to_owned(), reason: error.to_string() })
}

fn connect(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = establish(path)?;
    // FULL: an acknowledged commit survives a power cut. With NORMAL a cut would put the signer's
    // memory ahead of this database. WAL: readers never wait for the writer.
    connection.batch_execute(&format!(
        "PRAGMA busy_timeout = {BUSY_MILLISECONDS};
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;"
    ))?;
    Ok(connection)
}

/// Tables that every release has had, in the order in which a foreign database is told apart.
const TABLES: [&str; 6] =
    ["__diesel_schema_migrations", "collections", "files", "slots", "feed", "tokens"];

/// Refuses what is no database of this program, however old: it would be filled with its tables.
pub(super) fn require_ours(path: &Path) -> Result<(), StoreError> {
    use diesel::sql_types::Text;
    let mut connection = open_as_it_is(path)?;
    let there: Vec<String> =
        diesel::dsl::sql::<Text>("SELECT name FROM sqlite_master WHERE type = 'table'")
            .load(&mut connection)?;
    match TABLES.iter().find(|table| !there.iter().any(|there| there == *table)) {
        Some(missing) => Err(StoreError::Foreign { missing }),
        None => Ok(()),
    }
}

/// Creates the database where there is none, for its owner alone, and brings its tables up to date;
/// answers the migrations that were applied.
pub(super) fn migrate(path: &Path) -> Result<Vec<String>, StoreError> {
    let mut options = OpenOptions::new();
    // What stands beside it while it is open gets the same mode.
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options
        .open(path)
        .map_err(|error| StoreError::Open { path: path.to_owned(), reason: error.to_string() })?;
    let mut connection = connect(path)?;
    require_known(&mut connection)?;
    let applied = connection.run_pending_migrations(MIGRATIONS).map_err(StoreError::Migration)?;
    Ok(applied.iter().map(ToString::to_string).collect())
}

/// Refuses a database whose tables are older or newer than this program.
pub(super) fn require_current(connection: &mut Connection) -> Result<(), StoreError> {
    require_known(connection)?;
    match connection.has_pending_migration(MIGRATIONS).map_err(StoreError::Migration)? {
        true => Err(StoreError::NotMigrated),
        false => Ok(()),
    }
}

/// Refuses a database that a newer program has changed: what it keeps there would be lost or
/// misunderstood.
fn require_known(connection: &mut Connection) -> Result<(), StoreError> {
    let known: Vec<Box<dyn Migration<Sqlite>>> =
        MIGRATIONS.migrations().map_err(StoreError::Migration)?;
    let applied = connection.applied_migrations().map_err(StoreError::Migration)?;
    let unknown = applied
        .iter()
        .find(|version| known.iter().all(|known| known.name().version() != **version));
    match unknown {
        Some(unknown) => Err(StoreError::Newer { migration: unknown.to_string() }),
        None => Ok(()),
    }
}

/// Runs a write transaction: all of `work` or nothing of it. The only way to write.
///
/// The transaction takes the write lock at its start: one that begins as a reader fails at once
/// when another writer was faster, whatever the busy time-out. A panic of `work` goes on after the
/// transaction is rolled back: left open, it would hold all later ones, and none would be durable.
pub(super) fn write_tx<T>(
    connection: &mut Connection,
    work: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut panic = None;
    let ended = connection.immediate_transaction(|connection| {
        let worked = catch_unwind(AssertUnwindSafe(|| work(connection)));
        worked.unwrap_or_else(|payload| {
            panic = Some(payload);
            Err(diesel::result::Error::RollbackTransaction.into())
        })
    });
    match panic {
        Some(payload) => resume_unwind(payload),
        None => ended,
    }
}

/// What stands beside the file of a database that is open.
pub(super) const LOGS: [&str; 2] = ["-wal", "-shm"];

/// Writes what the database holds at one commit into a file that is empty. Writers do not wait.
pub(super) fn copy(connection: &mut Connection, to: &Path) -> Result<(), StoreError> {
    let copied = diesel::sql_query("VACUUM INTO ?");
    copied.bind::<diesel::sql_types::Text, _>(to.to_string_lossy()).execute(connection)?;
    Ok(())
}

/// Takes into the file of a database what is in the log beside it, which goes.
pub(super) fn close_log(path: &Path) -> Result<(), StoreError> {
    Ok(open_as_it_is(path)?.batch_execute("PRAGMA journal_mode = DELETE")?)
}

/// Gives the changefeed an id that nobody has seen.
pub(super) fn draw_feed(connection: &mut Connection) -> Result<(), StoreError> {
    Ok(connection.batch_execute("UPDATE feed SET feed_id = lower(hex(randomblob(16)))")?)
}

/// What the database finds wrong with its own pages, indexes and references: not more than
/// a hundred lines and one for each pair of tables.
pub(super) fn integrity(connection: &mut Connection) -> Result<Vec<String>, StoreError> {
    use diesel::sql_types::Text;
    let pages: Vec<String> =
        diesel::dsl::sql::<Text>("SELECT integrity_check FROM pragma_integrity_check")
            .load(connection)?;
    let references: Vec<String> = diesel::dsl::sql::<Text>(
        "SELECT DISTINCT 'a row of ' || \"table\" || ' refers to a row of ' || parent || ' that is \
         missing' FROM pragma_foreign_key_check",
    )
    .load(connection)?;
    Ok(pages.into_iter().filter(|line| line != "ok").chain(references).collect())
}

/// Makes a file the current one of its role.
pub(super) fn set_current(
    connection: &mut Connection,
    row: &CurrentFileRow,
) -> Result<(), StoreError> {
    diesel::insert_into(current_files::table)
        .values(row)
        .on_conflict((current_files::collection_id, current_files::role))
        .do_update()
        .set(row)
        .execute(connection)?;
    Ok(())
}

/// Stores a key, or its new state, what it tells and what it stands by for.
pub(super) fn save_online_key(
    connection: &mut Connection,
    row: &OnlineKeyRow,
) -> Result<(), StoreError> {
    diesel::insert_into(online_keys::table)
        .values(row)
        .on_conflict((online_keys::collection_id, online_keys::role, online_keys::keyid))
        .do_update()
        .set((
            online_keys::state.eq(&row.state),
            online_keys::found.eq(row.found),
            online_keys::standby_for.eq(&row.standby_for),
        ))
        .execute(connection)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::rows::{collections, slot_files};
    use crate::store::{EventQuery, events, tokens};

    fn reserve(connection: &mut Connection, gun: &str) -> Result<usize, StoreError> {
        let row = format!(
            "INSERT INTO collections (gun, incarnation, state, reserved_at, changed_at)
             VALUES ('{gun}', '{gun}', 'reserved', 0, 0)"
        );
        Ok(diesel::sql_query(row).execute(connection)?)
    }

    #[test]
    fn a_panic_in_a_transaction_takes_back_its_own_writes_and_no_later_ones() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.sqlite");
        migrate(&path).unwrap();
        let mut connection = open(&path).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            write_tx(&mut connection, |connection| -> Result<(), StoreError> {
                reserve(connection, "before")?;
                panic!("a mistake")
            })
        }));
        assert_eq!(*panicked.unwrap_err().downcast_ref::<&str>().unwrap(), "a mistake");
        write_tx(&mut connection, |connection| reserve(connection, "after")).unwrap();
        let mut other = open(&path).unwrap();
        let guns: Vec<String> =
            collections::table.select(collections::gun).load(&mut other).unwrap();
        assert_eq!(guns, ["after"]);
    }

    /// A database as the first release made it, with one collection of two commits.
    const FIRST: &str = "
        INSERT INTO collections (id, gun, incarnation, state, seq, reserved_at, changed_at)
        VALUES (1, 'acme/app', '00000000000000000000000000000000', 'live', 2, 1, 2);
        INSERT INTO files (collection_id, role, version, sha256, length, expires, seq, bytes)
        VALUES (1, 'root', 1, 'aa', 1, 9, 1, 'x'), (1, 'timestamp', 1, 'bb', 1, 9, 1, 'x'),
               (1, 'timestamp', 2, 'cc', 1, 9, 2, 'x');
        INSERT INTO events (seq, collection_id, kind, at, roles)
        VALUES (1, 1, 'publish', 1, '[]'), (2, 1, 'refresh', 2, '[]');
        UPDATE feed SET last_seq = 2;
        INSERT INTO tokens (id, sha256, grant_name, collection_glob, role_globs, created_at, created_by)
        VALUES ('t', 'ff', 'admin', '**', '[]', 1, 'notary-server');
        INSERT INTO slots (collection_id, fence, purpose, timestamp_version, timestamp_expires,
                           timestamp_keyids, prepared_at)
        VALUES (1, 1, 'refresh', 3, 9, '[]', 1);
        INSERT INTO slot_files (collection_id, role, version, bytes) VALUES (1, 'docs', 1, 'x');";

    fn all_events(connection: &mut Connection) -> Vec<(u64, usize)> {
        let query = EventQuery { of: None, readable: None, after: 0, feed: None, limit: 10 };
        let page = match events::page(connection, &query).unwrap() {
            events::Events::After(page) => page,
            other => panic!("{other:?}"),
        };
        page.items.iter().map(|event| (event.seq, event.roles.len())).collect()
    }

    #[test]
    fn a_database_of_the_first_release_is_brought_up_to_date_and_back() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection = connect(&directory.path().join("server.sqlite")).unwrap();
        let first = connection.run_next_migration(MIGRATIONS).unwrap();
        assert_eq!(first.to_string(), "0001");
        connection.batch_execute(FIRST).unwrap();
        assert!(matches!(require_current(&mut connection), Err(StoreError::NotMigrated)));
        for _ in 0..2 {
            connection.run_pending_migrations(MIGRATIONS).unwrap();
            require_current(&mut connection).unwrap();
            assert_eq!(all_events(&mut connection), [(1, 2), (2, 1)]);
            let token = tokens::by_id(&mut connection, "t").unwrap().unwrap();
            assert_eq!(
                (token.origin.as_str(), token.is_open(chrono::DateTime::UNIX_EPOCH)),
                ("t", true)
            );
            let files: i64 = slot_files::table.count().get_result(&mut connection).unwrap();
            assert_eq!(files, 1);
            // What the older program does not know does not keep it from its numbers.
            let last = "INSERT INTO events (seq, collection_id, kind, at, roles)
                        SELECT last_seq + 1, 1, 'revoke', 3, '[]' FROM feed;
                        DELETE FROM events WHERE seq > 3";
            connection.batch_execute(last).unwrap();
            while connection.applied_migrations().unwrap().len() > 1 {
                connection.revert_last_migration(MIGRATIONS).unwrap();
            }
            let kinds: Vec<String> =
                diesel::dsl::sql::<diesel::sql_types::Text>("SELECT kind FROM events ORDER BY seq")
                    .load(&mut connection)
                    .unwrap();
            assert_eq!(kinds, ["publish", "refresh", "refresh"]);
            connection.batch_execute("DELETE FROM events WHERE seq = 3").unwrap();
        }
    }
}
