//! The connections to the database: one that writes, several that read, all used on blocking threads.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, Semaphore};

use super::dialect::{self, Connection};
use super::{StoreError, StoreResult, Token, tokens};
use crate::panics::blocking;

/// The database behind the service.
pub struct Database {
    /// The only connection of this process that writes.
    writer: Arc<Mutex<Connection>>,
    /// Connections that nobody reads with right now; as many as `free` has permits.
    readers: Arc<std::sync::Mutex<Vec<Connection>>>,
    free: Arc<Semaphore>,
}

impl Database {
    /// Opens a database that `migrate` has made, with so many connections for reading.
    pub fn open(path: &Path, readers: usize) -> StoreResult<Database> {
        let mut writer = dialect::open(path)?;
        dialect::require_current(&mut writer)?;
        let pool: Vec<_> =
            (0..readers.max(1)).map(|_| dialect::open(path)).collect::<StoreResult<_>>()?;
        Ok(Database {
            writer: Arc::new(Mutex::new(writer)),
            free: Arc::new(Semaphore::new(pool.len())),
            readers: Arc::new(std::sync::Mutex::new(pool)),
        })
    }

    /// Creates the database where there is none and brings its tables up to date; answers the
    /// migrations that were applied.
    pub fn migrate(path: &Path) -> StoreResult<Vec<String>> {
        dialect::migrate(path)
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let permit = self.free.clone().acquire_owned().await.map_err(|_| StoreError::Closing)?;
        let readers = self.readers.clone();
        let run = move || {
            let _permit = permit;
            work(&mut Lent::from(&readers))
        };
        blocking(run).await.map_err(|_| StoreError::Closing)?
    }

    /// A write goes on when its caller has gone away.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> StoreResult<T> + Send + 'static,
    ) -> StoreResult<T> {
        let mut writer = self.writer.clone().lock_owned().await;
        let run = move || dialect::write_tx(&mut writer, work);
        blocking(run).await.map_err(|_| StoreError::Closing)?
    }

    /// All tokens, the oldest first.
    pub async fn tokens(&self) -> StoreResult<Vec<Token>> {
        self.read(tokens::all_tokens).await
    }
}

/// A connection to read with. It goes back whatever becomes of the work.
pub(super) struct Lent<'a> {
    connection: Option<Connection>,
    readers: &'a std::sync::Mutex<Vec<Connection>>,
}

impl<'a> Lent<'a> {
    /// There is one: whoever asks holds a permit.
    pub(super) fn from(readers: &'a std::sync::Mutex<Vec<Connection>>) -> Lent<'a> {
        let connection = readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent { connection, readers }
    }
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("as many connections as permits")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        self.connection.as_mut().expect("as many connections as permits")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        readers.extend(self.connection.take());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use crate::panics::caught;

    #[tokio::test]
    async fn a_panic_while_reading_goes_on_in_the_caller_and_costs_no_connection() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.sqlite");
        Database::migrate(&path).unwrap();
        let database = Database::open(&path, 2).unwrap();
        for _ in 0..3 {
            let work = database.read(|_| -> StoreResult<()> { panic!("a mistake") });
            assert_eq!(caught(work).await.unwrap_err(), "a mistake");
            database.ping().await.unwrap();
        }
    }
}
