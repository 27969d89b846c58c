//! Copies of the database: made beside a running server, put in its place while none runs.
//!
//! A copy is one file, and holds the database at one commit. It has its name when it is whole and on
//! the disk, and not before.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::{ServeLock, StoreError, StoreResult, dialect};

/// How the name of a copy begins that has none yet.
const PREFIX: &str = ".notary-copy-";

/// A copy without a name. It is gone when it is dropped; what a process leaves that is killed goes with
/// the next copy in its directory.
#[derive(Debug)]
pub struct Copy {
    file: TempPath,
    /// Tells others that somebody works on it.
    _locked: File,
}

impl Copy {
    /// An empty one in this directory, which its owner alone may read. Copies that nobody works on any
    /// more are removed from there.
    ///
    /// # Errors
    /// [`StoreError::File`] names the directory.
    pub fn in_directory_of(target: &Path) -> StoreResult<Copy> {
        let directory = directory_of(target);
        sweep(directory).map_err(failed(directory))?;
        loop {
            let file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(directory);
            let (locked, file) = file.map_err(failed(directory))?.into_parts();
            locked.lock().map_err(failed(&file))?;
            // Somebody else may have swept it away before it was locked.
            if file.exists() {
                return Ok(Copy { file, _locked: locked });
            }
        }
    }

    /// Where it is meanwhile.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Fills it with a database as it is at one commit. Writers of that database do not wait.
    ///
    /// # Errors
    /// [`StoreError::NoDatabase`], or what the database says, for instance of a full disk.
    pub fn fill(&self, database: &Path) -> StoreResult<()> {
        let mut connection = dialect::open_as_it_is(database)?;
        dialect::copy(&mut connection, &self.file)
    }

    /// Requires that it is a copy of a server's database, of whatever age.
    ///
    /// # Errors
    /// [`StoreError::Foreign`].
    pub fn require_ours(&self) -> StoreResult<()> {
        dialect::require_ours(&self.file)
    }

    /// Removes it and what stands beside it: a process that is told to end calls it.
    pub fn remove(path: &Path) {
        for ending in [""].iter().chain(&LEFT_BESIDE) {
            drop(fs::remove_file(with(path, ending)));
        }
    }

    /// Brings its tables up to date, and gives its changefeed an id of its own: numbers repeat from
    /// here on. Answers the migrations that were applied.
    ///
    /// # Errors
    /// What the database says.
    pub fn renew(&self) -> StoreResult<Vec<String>> {
        let applied = dialect::migrate(&self.file)?;
        dialect::draw_feed(&mut dialect::open(&self.file)?)?;
        // Closing it does the same, and would not say that it failed.
        dialect::close_log(&self.file)?;
        Ok(applied)
    }

    /// Gives it its name, which nothing else has.
    ///
    /// # Errors
    /// [`StoreError::File`] where something has the name.
    pub fn keep_as(self, target: &Path) -> StoreResult<()> {
        self.sync()?;
        self.file.persist_noclobber(target).map_err(|error| failed(target)(error.error))?;
        sync_directory(target)
    }

    /// Puts it in the place of a database that no server uses, with its owner and mode; what is there
    /// keeps its content under the other name. A crash leaves the one or the other.
    ///
    /// # Errors
    /// [`StoreError::File`] names the file with which it did not go on.
    pub fn replace(self, database: &Path, aside: &Path, _lock: &ServeLock) -> StoreResult<()> {
        if let Ok(before) = fs::metadata(database) {
            let own = fs::metadata(&self.file).map_err(failed(&self.file))?;
            if (own.uid(), own.gid()) != (before.uid(), before.gid()) {
                let given = chown(&self.file, Some(before.uid()), Some(before.gid()));
                given.map_err(failed(database))?;
            }
            let mode = fs::set_permissions(&self.file, before.permissions());
            mode.map_err(failed(&self.file))?;
        }
        self.sync()?;
        if database.exists() {
            // Its log would be taken for that of the copy. A damaged database may not let it be
            // closed: then it moves along.
            drop(dialect::close_log(database));
            fs::hard_link(database, aside).map_err(failed(aside))?;
        }
        for log in dialect::LOGS {
            match fs::rename(with(database, log), with(aside, log)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed(&with(database, log))(error));
                }
                _ => {}
            }
        }
        self.file.persist(database).map_err(|error| failed(database)(error.error))?;
        sync_directory(database)
    }

    fn sync(&self) -> StoreResult<()> {
        File::open(&self.file).and_then(|file| file.sync_all()).map_err(failed(&self.file))
    }
}

/// What SQLite may have beside a copy that it fills or changes.
const LEFT_BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// Removes the copies in a directory on which nobody works.
fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_copy = name.starts_with(PREFIX)
            && !LEFT_BESIDE.iter().any(|ending| name.ends_with(ending))
            && entry.file_type()?.is_file();
        let file = is_copy.then(|| File::open(entry.path()).ok()).flatten();
        if let Some(file) = file
            && file.try_lock().is_ok()
        {
            Copy::remove(&entry.path());
        }
    }
    Ok(())
}

fn with(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_directory(file: &Path) -> StoreResult<()> {
    let directory = directory_of(file);
    File::open(directory).and_then(|open| open.sync_all()).map_err(failed(directory))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StoreError + '_ {
    |error| StoreError::File { path: path.to_owned(), error }
}
