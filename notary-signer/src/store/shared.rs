//! The database as the service uses it: many requests, one disk.
//!
//! Changes go through one thread. It takes whatever has come in the meantime into one transaction,
//! each change in a savepoint of its own: one wait for the disk carries them all, and a change that
//! fails takes no other one with it. Nobody hears of a change before the transaction is on the disk.
//! What only reads has a connection of its own, and sees what is on the disk.

use std::iter;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::connection::{AnsiTransactionManager, TransactionManager};
use diesel::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::{Database, MemoryLock, StoreError, note};

/// Most changes of one transaction: what comes later does not keep the first one waiting for ever.
const MAX_GROUP: usize = 128;

/// Makes a change in a savepoint of its own.
type Change = Box<dyn FnOnce(&mut SqliteConnection) -> Made + Send>;

type Tell = Box<dyn FnOnce(Result<(), &str>) + Send>;

/// A change that was made, or was undone.
struct Made {
    /// Tells the caller, once it is known what became of the transaction; the text says why it may
    /// not be on the disk.
    tell: Tell,
    /// The transaction is over: its savepoint could not be left. A full disk does that.
    is_over: bool,
}

/// The open database of a running service.
pub(crate) struct SharedDatabase {
    /// Always there until the value is dropped.
    writer: Option<Writer>,
    reader: Arc<Database>,
    counts: Arc<Counts>,
    /// Let go of when both connections are closed.
    lock: MemoryLock,
}

#[derive(Default)]
struct Counts {
    changes: AtomicU64,
    commits: AtomicU64,
}

struct Writer {
    changes: mpsc::Sender<Change>,
    thread: thread::JoinHandle<()>,
}

impl SharedDatabase {
    /// Opens or makes the database, and brings its tables to today's form. The lock says that no
    /// other signer works on it; it is held until the last change is made.
    ///
    /// # Errors
    /// Those of [`Database::create`].
    pub(crate) fn create(
        path: &Path,
        lock: MemoryLock,
        now: DateTime<Utc>,
    ) -> Result<SharedDatabase, StoreError> {
        let database = Database::create(path, &lock, now)?;
        let reader = Arc::new(Database::open(path)?);
        let (changes, asked) = mpsc::channel();
        let counts = Arc::new(Counts::default());
        let counted = counts.clone();
        let work = move || write(&database, &asked, &counted);
        let thread = thread::Builder::new().name("database".to_owned()).spawn(work);
        let thread = thread.map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        Ok(SharedDatabase { writer: Some(Writer { changes, thread }), reader, counts, lock })
    }

    /// Makes a change: all of it is on the disk when this gives `Ok`, and where `work` gave an
    /// error, nothing of it.
    ///
    /// Once begun, the change is made whether or not the future is polled on.
    ///
    /// # Errors
    /// Those of `work`; [`StoreError::Uncommitted`] where it is not known whether the change is on
    /// the disk; [`StoreError::NotBegun`].
    pub(crate) async fn change<T, E>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let span = tracing::Span::current();
        let change = move |connection: &mut SqliteConnection| {
            let (done, left) = span.in_scope(|| in_savepoint(connection, work));
            let is_over = left.is_err();
            let tell = move |committed: Result<(), &str>| {
                let answer = done.and_then(|value| match committed {
                    Ok(()) => Ok(value),
                    Err(problem) => Err(StoreError::Uncommitted(problem.to_owned()).into()),
                });
                // The error says that nobody waits any more.
                let _ = tell.send(answer);
            };
            Made { tell: Box::new(tell), is_over }
        };
        let writer = self.writer.as_ref().expect("it is there until the drop");
        writer.changes.send(Box::new(change)).map_err(|_| StoreError::Poisoned)?;
        told.await.unwrap_or_else(|_| Err(StoreError::NotBegun.into()))
    }

    /// Reads what is on the disk, away from the threads that serve requests.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) async fn read<T, E>(
        &self,
        work: impl FnOnce(&mut SqliteConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + From<diesel::result::Error> + Send + 'static,
    {
        let reader = self.reader.clone();
        let span = tracing::Span::current();
        let work = move || span.in_scope(|| reader.read(work));
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|_| StoreError::Poisoned)?
    }

    /// Whether it answers, and takes changes.
    ///
    /// # Errors
    /// [`StoreError::Poisoned`] where no more changes are made: a change has panicked.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let writer = self.writer.as_ref().expect("it is there until the drop");
        if writer.thread.is_finished() {
            return Err(StoreError::Poisoned);
        }
        self.read(super::probe).await
    }

    /// Notes beside the database how far its audit is: whoever opens it next knows whether it was set back.
    ///
    /// # Errors
    /// [`StoreError::SetBack`], [`StoreError::Note`].
    pub(crate) async fn note_end(&self) -> Result<(), StoreError> {
        let noted = self.lock.noted();
        let end = self.read(move |connection| note::next(connection, noted.as_ref())).await?;
        // It waits for no disk.
        self.lock.note(end)
    }

    /// How many changes are on the disk, and how many transactions carried them: fewer, where changes
    /// came together.
    pub(crate) fn changes_and_commits(&self) -> (u64, u64) {
        let Counts { changes, commits } = &*self.counts;
        (changes.load(Ordering::Relaxed), commits.load(Ordering::Relaxed))
    }
}

impl Drop for SharedDatabase {
    /// Waits for the changes that were asked for.
    fn drop(&mut self) {
        if let Some(Writer { changes, thread }) = self.writer.take() {
            drop(changes);
            // The error says that a change panicked, which the log has.
            let _ = thread.join();
        }
    }
}

/// Does work in a savepoint, and leaves that. The second value says whether it could be left: an
/// error of the work does not hide behind one of the savepoint.
fn in_savepoint<T, E: From<diesel::result::Error>>(
    connection: &mut SqliteConnection,
    work: impl FnOnce(&mut SqliteConnection) -> Result<T, E>,
) -> (Result<T, E>, QueryResult<()>) {
    type Savepoint = AnsiTransactionManager;
    if let Err(error) = Savepoint::begin_transaction(connection) {
        return (Err(error.into()), Err(diesel::result::Error::NotInTransaction));
    }
    let done = work(connection);
    let left = match done {
        Ok(_) => Savepoint::commit_transaction(connection),
        Err(_) => Savepoint::rollback_transaction(connection),
    };
    (done, left)
}

/// Makes changes until nobody can ask for one any more.
fn write(database: &Database, asked: &mpsc::Receiver<Change>, counts: &Counts) {
    while let Ok(first) = asked.recv() {
        // What comes while the first ones are made goes with them.
        let group = iter::once(first).chain(asked.try_iter()).take(MAX_GROUP);
        let mut made = Vec::new();
        let committed = database.transaction(|connection| -> Result<(), StoreError> {
            for change in group {
                let Made { tell, is_over } = change(connection);
                made.push(tell);
                if is_over {
                    return Err(diesel::result::Error::NotInTransaction.into());
                }
            }
            Ok(())
        });
        let committed = committed.map_err(|error| {
            tracing::error!("a transaction failed: {error}");
            // What state the connection is in is not known.
            if let Err(error) = database.reconnect() {
                tracing::error!("the database does not open again: {error}");
            }
            error.to_string()
        });
        if committed.is_ok() {
            counts.changes.fetch_add(made.len() as u64, Ordering::Relaxed);
            counts.commits.fetch_add(1, Ordering::Relaxed);
        }
        for tell in made {
            tell(committed.as_ref().map(|_| ()).map_err(String::as_str));
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::prelude::*;
    use futures_util::future::{BoxFuture, FutureExt, join_all};

    use super::*;

    type Noted = Result<(), StoreError>;

    async fn shared() -> (Arc<SharedDatabase>, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signer.sqlite");
        let lock = MemoryLock::take(&path).unwrap();
        let database = Arc::new(SharedDatabase::create(&path, lock, DateTime::UNIX_EPOCH).unwrap());
        let table = "CREATE TABLE notes (number INTEGER UNIQUE, filler BLOB)";
        database.change(run(table.to_owned())).await.unwrap();
        (database, directory)
    }

    fn run(statement: String) -> impl FnOnce(&mut SqliteConnection) -> Noted {
        move |connection| {
            diesel::sql_query(statement).execute(connection)?;
            Ok(())
        }
    }

    /// Notes a number, with so many bytes.
    fn note(database: &Arc<SharedDatabase>, number: u32, bytes: u32) -> BoxFuture<'static, Noted> {
        let statement = format!("INSERT INTO notes VALUES ({number}, zeroblob({bytes}))");
        let database = database.clone();
        async move { database.change(run(statement)).await }.boxed()
    }

    async fn noted(database: &SharedDatabase) -> Vec<i32> {
        #[derive(QueryableByName)]
        struct Note {
            #[diesel(sql_type = diesel::sql_types::Integer)]
            number: i32,
        }
        let read = |connection: &mut SqliteConnection| -> Result<Vec<Note>, StoreError> {
            Ok(diesel::sql_query("SELECT number FROM notes ORDER BY number").load(connection)?)
        };
        database.read(read).await.unwrap().into_iter().map(|note| note.number).collect()
    }

    /// Makes these changes in one group: the first one ends when all are asked for.
    async fn together(
        database: &Arc<SharedDatabase>,
        changes: Vec<BoxFuture<'static, Noted>>,
    ) -> Vec<Noted> {
        let (all_asked, wait) = mpsc::channel();
        let gate = move |_: &mut SqliteConnection| -> Noted {
            wait.recv().unwrap();
            Ok(())
        };
        let gate = {
            let database = database.clone();
            async move { database.change(gate).await }
        };
        let open = async move {
            all_asked.send(()).unwrap();
            Ok(())
        };
        let all = [gate.boxed()].into_iter().chain(changes).chain([open.boxed()]);
        let mut done = join_all(all).await;
        done.pop();
        done.split_off(1)
    }

    #[tokio::test]
    async fn changes_that_come_together_share_one_commit_and_a_failed_one_fails_alone() {
        let (database, _directory) = shared().await;
        note(&database, 1, 0).await.unwrap();
        let (_, before) = database.changes_and_commits();
        let refused = {
            let database = database.clone();
            let work = |connection: &mut SqliteConnection| {
                run("INSERT INTO notes VALUES (9, x'')".to_owned())(connection)?;
                Err(StoreError::Poisoned)
            };
            async move { database.change(work).await }.boxed()
        };
        let changes =
            vec![note(&database, 2, 0), refused, note(&database, 1, 0), note(&database, 3, 0)];
        let done = together(&database, changes).await;
        let went: Vec<bool> = done.iter().map(Result::is_ok).collect();
        assert_eq!(went, [true, false, false, true], "{done:?}");
        assert_eq!(noted(&database).await, [1, 2, 3]);
        assert_eq!(database.changes_and_commits().1, before + 1);
    }

    #[tokio::test]
    async fn a_full_disk_leaves_what_was_told_and_nothing_else() {
        let (database, _directory) = shared().await;
        // The connection may not make the file longer than it is.
        database.change(run("PRAGMA max_page_count = 1".to_owned())).await.unwrap();
        let changes =
            vec![note(&database, 1, 0), note(&database, 2, 1_000_000), note(&database, 3, 0)];
        let done = together(&database, changes).await;
        assert!(done[1].is_err(), "{done:?}");
        let told = done.iter().zip(1..).filter_map(|(done, number)| done.is_ok().then_some(number));
        assert_eq!(noted(&database).await, told.collect::<Vec<_>>(), "{done:?}");
        // With room again, it goes on.
        note(&database, 4, 0).await.unwrap();
        note(&database, 5, 1_000_000).await.unwrap();
        assert!(noted(&database).await.ends_with(&[4, 5]));
    }

    #[tokio::test]
    async fn it_says_that_it_takes_no_more_changes() {
        let (database, _directory) = shared().await;
        assert!(database.change(|_| -> Noted { Err(StoreError::NotBegun) }).await.is_err());
        database.probe().await.unwrap();
        let panics = |_: &mut SqliteConnection| -> Noted { panic!("on purpose") };
        assert!(database.change(panics).await.is_err());
        // Whoever asked hears of it while the thread is still ending.
        while !database.writer.as_ref().unwrap().thread.is_finished() {
            tokio::task::yield_now().await;
        }
        assert!(matches!(database.probe().await, Err(StoreError::Poisoned)));
    }

    #[tokio::test]
    async fn the_end_of_the_audit_is_noted_and_the_note_never_goes_back() {
        use super::super::audit::{self, Caller, Subject};
        let (database, _directory) = shared().await;
        let append = |connection: &mut SqliteConnection| {
            let caller = Caller::operator("x", DateTime::UNIX_EPOCH);
            audit::append(connection, &caller, &Subject::default(), "y")
        };
        let noted = || database.lock.noted().map(|note| note.end.seq);
        assert_eq!(noted(), None);
        for number in 1..=2 {
            database.change(append).await.unwrap();
            database.note_end().await.unwrap();
            assert_eq!(noted(), Some(number));
        }
        database
            .change(run("DROP TRIGGER audit_is_never_deleted_unsealed".to_owned()))
            .await
            .unwrap();
        database.change(run("DELETE FROM audit WHERE seq = 2".to_owned())).await.unwrap();
        let refused = database.note_end().await.unwrap_err().to_string();
        assert!(refused.contains("lost lines"), "{refused}");
        assert_eq!(noted(), Some(2));
    }

    #[tokio::test]
    async fn the_memory_is_held_until_the_last_change_is_made() {
        let (database, directory) = shared().await;
        let path = directory.path().join("signer.sqlite");
        assert!(MemoryLock::take(&path).is_err());
        let (release, wait) = mpsc::channel::<()>();
        let slow = move |_: &mut SqliteConnection| -> Noted {
            wait.recv().unwrap();
            Ok(())
        };
        // Asked for by somebody who hangs up.
        assert!(database.change(slow).now_or_never().is_none());
        let closing = thread::spawn(move || drop(database));
        assert!(MemoryLock::take(&path).is_err());
        release.send(()).unwrap();
        closing.join().unwrap();
        MemoryLock::take(&path).unwrap();
    }
}
