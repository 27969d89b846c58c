//! One signer for one memory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::audit_lines::Head;
use super::identity::Identity;
use super::note::Note;
use super::{StoreError, create_private};

/// The right to be the one signer of a memory, held until it is dropped or the process ends, in
/// whatever way. Two signers with copies of one memory would sign two contents for one version.
#[derive(Debug)]
pub(crate) struct MemoryLock {
    path: PathBuf,
    /// The database, from when there is one: it is the same under every name, whereas the lock file
    /// beside it has the name that it was found under. Let go of after every connection: what closes a
    /// file takes the locks away that SQLite has on it in this process.
    database: OnceLock<File>,
    /// The file beside it, which has the [`Note`]. Let go of last: who finds it free finds all free.
    file: File,
}

impl MemoryLock {
    /// Takes the lock file next to the database, without waiting. A link to the database has the lock
    /// of what it leads to; a copy of it has another one.
    ///
    /// # Errors
    /// [`StoreError::Locked`] names the lock file.
    pub(crate) fn take(database: &Path) -> Result<MemoryLock, StoreError> {
        let path = path(database);
        let file = locked(&path)?;
        let lock = MemoryLock { path, database: OnceLock::new(), file };
        if database.exists() {
            lock.hold(database)?;
        }
        Ok(lock)
    }

    /// Takes the database itself, which is made where there is none.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where a signer has it under another name.
    pub(super) fn hold(&self, database: &Path) -> Result<(), StoreError> {
        if self.database.get().is_none() {
            // The error says that somebody else has it for this lock.
            drop(self.database.set(locked(database)?));
        }
        Ok(())
    }

    /// Which line of the audit the database that is held had last, as far as is known.
    pub(super) fn noted(&self) -> Option<Note> {
        Note::read(&self.file, Identity::of_metadata(&self.database.get()?.metadata().ok()?))
    }

    /// Notes a line of the audit that is on the disk. The note need not be there after a power cut.
    ///
    /// # Errors
    /// [`StoreError::Note`].
    pub(super) fn note(&self, end: Head) -> Result<(), StoreError> {
        let Some(database) = self.database.get() else { return Ok(()) };
        let noted = match end.seq {
            // Nothing is older than an empty audit.
            0 => self.file.set_len(0),
            _ => database.metadata().and_then(|metadata| {
                Note { file: Identity::of_metadata(&metadata), end }.write(&self.file)
            }),
        };
        noted.map_err(|source| StoreError::Note { path: self.path.clone(), source })
    }

    /// Has the note outlive a power cut.
    ///
    /// # Errors
    /// [`StoreError::Note`].
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let synced = self.file.sync_all();
        synced.map_err(|source| StoreError::Note { path: self.path.clone(), source })
    }
}

/// The file that is locked beside a database.
pub(super) fn path(database: &Path) -> PathBuf {
    // What is not there yet is no link.
    let database = database.canonicalize().unwrap_or_else(|_| database.to_owned());
    let mut path = database.into_os_string();
    path.push(".lock");
    path.into()
}

/// A file that nobody else has locked.
fn locked(path: &Path) -> Result<File, StoreError> {
    let file = create_private(path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(StoreError::Io { path: path.to_owned(), source }),
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

    /// A signer runs on what was renamed under it, and the name says nothing of that.
    #[test]
    fn a_memory_that_is_renamed_is_held_under_its_new_name_too() {
        let scratch = scratch();
        let renamed = scratch.path.with_file_name("renamed.sqlite");
        std::fs::rename(&scratch.path, &renamed).unwrap();
        let refused = MemoryLock::take(&renamed).unwrap_err();
        assert!(refused.to_string().contains("renamed.sqlite is held"), "{refused}");
        drop(scratch);
    }

    #[test]
    fn a_released_memory_can_be_taken_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signer.sqlite");
        drop(MemoryLock::take(&path).unwrap());
        assert!(MemoryLock::take(&path).is_ok());
    }
}
