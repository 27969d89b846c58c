//! One server for each SQLite database.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::StoreError;

/// The right to be the one server of a database, held until it is dropped or the process ends, in
/// whatever way. What a server has in memory of a collection changes with its own commits alone: a
/// second one would serve old metadata for as long as it runs. Commands of the operator need no
/// lock.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

impl ServeLock {
    /// Takes the lock file next to the database, without waiting.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the lock file.
    pub fn take(database: &Path) -> Result<ServeLock, StoreError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let failed = |error| StoreError::Lock { path: path.clone(), error };
        let file = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(ServeLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path)),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
