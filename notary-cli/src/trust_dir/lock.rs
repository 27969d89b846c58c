//! One process at a time: an advisory lock on a file beside what it guards. The file stays; the operating
//! system lets go of the lock when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::StateError;

/// How often somebody who waits looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Keeps other processes out until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits so long for the lock on this file, in a directory that is there.
    pub(super) async fn take(path: PathBuf, patience: Duration) -> Result<Lock, StateError> {
        let opened = File::options().create(true).truncate(false).write(true).open(&path);
        let file = opened.map_err(|error| StateError::io("open", &path, error))?;
        let end = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => return Err(StateError::Locked { path }),
                Err(TryLockError::Error(error)) => {
                    return Err(StateError::io("lock", &path, error));
                }
            }
        }
    }
}
