//! Files that a crash leaves whole: the old content or the new, never a part.

use std::fs::TryLockError;
use std::io::Write;
use std::path::{Path, PathBuf};

use notary_schema::name::Gun;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::{Builder, NamedTempFile};

use super::StateError;
use crate::StopPoint;

/// How the names of files begin and end that have no name of their own yet.
const TEMPORARY: (&str, &str) = (".notary-", ".tmp");

/// Reads a file; `None` when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, StateError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StateError::io("read", path, error)),
    }
}

/// Reads a JSON file of ours; `None` when there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StateError> {
    let Some(bytes) = read(path)? else { return Ok(None) };
    let value = serde_json::from_slice(&bytes)
        .map_err(|error| StateError::Corrupt { path: path.to_owned(), why: error.to_string() })?;
    Ok(Some(value))
}

/// Where a file is written that belongs to a collection, unless somebody says otherwise: beside who says
/// the command, `acme-app.KIND` of `acme/app`.
pub(crate) fn named_after(gun: &Gun, kind: &str) -> PathBuf {
    PathBuf::from(format!("{}.{kind}", gun.as_str().replace('/', "-")))
}

/// Replaces a file at once or not at all, durably: a temporary file beside it is written and synced,
/// takes its name, and the directory is synced.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    write_with(path, bytes, &|_| {})
}

/// [`write()`] that passes these points.
pub(crate) fn write_with(
    path: &Path,
    bytes: &[u8],
    stop: &dyn Fn(StopPoint),
) -> Result<(), StateError> {
    replace(path, bytes, temporary_in, stop)
}

/// [`write()`] of a file that only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    replace(path, bytes, private_in, &|_| {})
}

fn replace(
    path: &Path,
    bytes: &[u8],
    temporary: impl Fn(&Path) -> std::io::Result<NamedTempFile>,
    stop: &dyn Fn(StopPoint),
) -> Result<(), StateError> {
    let directory = parent(path);
    create_dir(&directory)?;
    let failed = |error| StateError::io("write", path, error);
    let mut file = temporary(&directory).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    stop(StopPoint::Written);
    file.persist(path).map_err(|error| failed(error.error))?;
    sync_dir(&directory)?;
    stop(StopPoint::Renamed);
    Ok(())
}

/// [`write()`] of a JSON document.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), StateError> {
    write(path, &serde_json::to_vec(value).expect("what we store is JSON"))
}

/// Removes a file, durably; none to remove is fine.
pub(crate) fn remove(path: &Path) -> Result<(), StateError> {
    match std::fs::remove_file(path) {
        Ok(()) => sync_dir(&parent(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StateError::io("remove", path, error)),
    }
}

/// Removes a directory and all in it, durably; none to remove is fine.
pub(crate) fn remove_all(path: &Path) -> Result<(), StateError> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => sync_dir(&parent(path)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StateError::io("remove", path, error)),
    }
}

/// The names of the directories in a directory, as far as they are UTF-8; none where it is not there.
pub(crate) fn directories(path: &Path) -> Result<Vec<String>, StateError> {
    let failed = |error| StateError::io("read", path, error);
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if entry.file_type().map_err(failed)?.is_dir() {
            names.extend(entry.file_name().into_string().ok());
        }
    }
    Ok(names)
}

/// Makes a directory and those above it, each durably.
pub(crate) fn create_dir(path: &Path) -> Result<(), StateError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    create_dir(&above)?;
    match std::fs::create_dir(path) {
        Ok(()) => sync_dir(&above),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StateError::io("create", path, error)),
    }
}

/// A temporary file that takes its final name later, and vanishes if it does not. It has the
/// permissions of any new file: nothing but private keys is secret here.
pub(crate) fn temporary_in(directory: &Path) -> std::io::Result<NamedTempFile> {
    let mut builder = builder();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    temporary(directory, &builder)
}

/// [`temporary_in`] that only its owner may read.
pub(crate) fn private_in(directory: &Path) -> std::io::Result<NamedTempFile> {
    temporary(directory, &builder())
}

/// Whether a file of this name may be one of ours that has no name of its own yet.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// Removes the temporary files that processes have left which were killed: those that nobody holds.
/// What cannot be removed stays, and so does what is no file: others may write into a directory, too,
/// and who opens a pipe waits.
pub(crate) fn sweep(directory: &Path) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(is_temporary)
            && entry.file_type().is_ok_and(|kind| kind.is_file());
        // Opened for writing too, so that a pipe that takes its place meanwhile is not waited for.
        let open = || std::fs::File::options().read(true).write(true).open(entry.path());
        if is_ours
            && let Ok(file) = open()
            && file.try_lock().is_ok()
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// A temporary file that is held as long as this process lives, so that [`sweep`] leaves it alone.
fn temporary(directory: &Path, builder: &Builder<'_, '_>) -> std::io::Result<NamedTempFile> {
    loop {
        let file = builder.tempfile_in(directory)?;
        // Somebody may sweep between the two: then the next one is taken.
        if !matches!(file.as_file().try_lock(), Err(TryLockError::WouldBlock))
            && file.path().exists()
        {
            return Ok(file);
        }
    }
}

fn builder<'a>() -> Builder<'a, 'a> {
    let mut builder = Builder::new();
    builder.prefix(TEMPORARY.0).suffix(TEMPORARY.1);
    builder
}

/// The directory of a file; that of a bare name is the current one.
pub(crate) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes durable which files a directory holds.
pub(crate) fn sync_dir(path: &Path) -> Result<(), StateError> {
    // A directory cannot be opened on Windows, where a rename is durable by itself.
    if cfg!(unix) {
        let synced = std::fs::File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| StateError::io("sync", path, error))?;
    }
    Ok(())
}
