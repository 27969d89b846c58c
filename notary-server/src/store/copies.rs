//! Copies of the database: made beside a running server, put in its place while none runs.
//!
//! A copy is one file, and holds the database at one commit. It has its name when it is whole and on
//! the disk, and not before.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempPath;

use super::{ServeLock, StoreError, StoreResult, dialect};

/// A copy without a name. It is gone when it is dropped.
#[derive(Debug)]
pub struct Copy {
    file: TempPath,
}

impl Copy {
    /// An empty one in this directory, which its owner alone may read.
    ///
    /// # Errors
    /// [`StoreError::File`] names the directory.
    pub fn in_directory_of(target: &Path) -> StoreResult<Copy> {
        let directory = directory_of(target);
        let file = tempfile::Builder::new().prefix(".notary-").tempfile_in(directory);
        let file = file.map_err(failed(directory))?;
        Ok(Copy { file: file.into_temp_path() })
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

    /// Puts it in the place of a database that no server uses; what is there keeps its content under
    /// the other name. A crash leaves the one or the other.
    ///
    /// # Errors
    /// [`StoreError::File`] names the file with which it did not go on.
    pub fn replace(self, database: &Path, aside: &Path, _lock: &ServeLock) -> StoreResult<()> {
        self.sync()?;
        if database.exists() {
            // Its log would be taken for that of the copy. A damaged database may not let it be
            // closed: then it moves along.
            drop(dialect::close_log(database));
            std::fs::hard_link(database, aside).map_err(failed(aside))?;
        }
        for log in dialect::LOGS {
            match std::fs::rename(with(database, log), with(aside, log)) {
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
