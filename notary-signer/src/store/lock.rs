//! One signer for one memory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::{StoreError, create_private};

/// The right to be the one signer of a memory, held until it is dropped or the process ends, in
/// whatever way. Two signers with copies of one memory would sign two contents for one version.
#[derive(Debug)]
pub(crate) struct MemoryLock {
    _file: File,
}

impl MemoryLock {
    /// Takes the lock file next to the database, without waiting. A link to the database has the lock
    /// of what it leads to; a copy of it has another one.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the lock file.
    pub(crate) fn take(database: &Path) -> Result<MemoryLock, StoreError> {
        // What is not there yet is no link.
        let database = database.canonicalize().unwrap_or_else(|_| database.to_owned());
        let mut path = database.into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let file = create_private(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(MemoryLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path)),
            Err(TryLockError::Error(source)) => Err(StoreError::Io { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::scratch;
    use super::*;

    #[test]
    fn one_memory_has_one_signer() {
        let scratch = scratch();
        let refused = MemoryLock::take(&scratch.path).unwrap_err();
        assert!(refused.to_string().contains("signer.sqlite.lock"), "{refused}");
        let other = MemoryLock::take(&scratch.path.with_file_name("other.sqlite"));
        assert!(other.is_ok());
    }

    #[test]
    fn a_link_to_a_memory_is_that_memory() {
        let scratch = scratch();
        let link = scratch.path.with_file_name("link.sqlite");
        std::os::unix::fs::symlink(&scratch.path, &link).unwrap();
        let refused = MemoryLock::take(&link).unwrap_err();
        assert!(refused.to_string().contains("signer.sqlite.lock"), "{refused}");
    }

    #[test]
    fn a_released_memory_can_be_taken_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signer.sqlite");
        drop(MemoryLock::take(&path).unwrap());
        assert!(MemoryLock::take(&path).is_ok());
    }
}
