//! How far the audit had come, noted beside the database.
//!
//! An older copy that somebody writes into the file of the database has everything that the file had: its
//! name of itself, its keys, and the memory of then. So the file that is locked beside it says which line
//! of the audit was there: a database that ends before that line, or has another one, was set back.
//!
//! The note is behind the database, never ahead of it: what a transaction reads is on the disk. It is not
//! waited for, so a power cut may leave an older one, which the database has, too, or none that can be
//! read, which says nothing.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use diesel::sqlite::SqliteConnection;
use notary_schema::key::sha256_hex;
use serde::{Deserialize, Serialize};

use super::audit::{self, Caller, Subject};
use super::audit_lines::{self, Head};
use super::copies::{self, Cause};
use super::identity::{self, Identity};
use super::{StoreError, lock};

/// What the audit calls it when a signer finds that its database was set back.
const NOTICED: &str = "memory found set back";
/// More than any note.
const MAX_BYTES: usize = 1_024;

/// A line of the audit, and the file of the database that had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// What is put under this name from another file has another past.
    pub(super) file: Identity,
    /// The line.
    pub(super) end: Head,
}

impl Note {
    /// What stands in a lock file, where that is a whole note of this database.
    pub(super) fn read(file: &File, of: Identity) -> Option<Note> {
        let mut bytes = [0; MAX_BYTES];
        let length = file.read_at(&mut bytes, 0).ok()?;
        let (line, _) = std::str::from_utf8(&bytes[..length]).ok()?.split_once('\n')?;
        let (digest, json) = line.split_once(' ')?;
        let is_whole = digest == sha256_hex(json.as_bytes());
        let note: Note = serde_json::from_str(json).ok().filter(|_| is_whole)?;
        note.file.fits(of).then_some(note)
    }

    /// What stands beside a database, which somebody else may have locked.
    pub(super) fn beside(database: &Path) -> Option<Note> {
        Note::read(&File::open(lock::path(database)).ok()?, Identity::of(database).ok()?)
    }

    /// Puts it in the place of the one before.
    pub(super) fn write(&self, file: &File) -> std::io::Result<()> {
        let json = serde_json::to_string(self).expect("plain values are JSON");
        let line = format!("{} {json}\n", sha256_hex(json.as_bytes()));
        file.write_all_at(line.as_bytes(), 0)?;
        file.set_len(line.len() as u64)
    }
}

/// Whether the database was set back in its file since the note was made. It has to be read after the note.
///
/// # Errors
/// Those of [`identity::is_elsewhere`].
pub(super) fn is_set_back(
    connection: &mut SqliteConnection,
    path: &Path,
    noted: Option<&Note>,
) -> Result<bool, StoreError> {
    let Some(noted) = noted else { return Ok(false) };
    // What names another file is no older state of what was in this one.
    Ok(!identity::is_elsewhere(connection, path)?
        && !audit_lines::may_have(connection, &noted.end)?)
}

/// Unsettles all of a database that was set back, and tells the audit, unless it is unsettled anyway: so is
/// what `backup` wrote.
pub(super) fn unsettle(
    connection: &mut SqliteConnection,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    if copies::unsettle(connection, Cause::Behind)? > 0 {
        let caller = Caller::operator(NOTICED, now);
        audit::append(connection, &caller, &Subject::default(), "unsettled")?;
    }
    Ok(())
}

/// The end of the audit, to be noted.
///
/// # Errors
/// [`StoreError::SetBack`]: the note stays, and the next start tells.
pub(super) fn next(
    connection: &mut SqliteConnection,
    noted: Option<&Note>,
) -> Result<Head, StoreError> {
    match noted {
        Some(noted) if !audit_lines::may_have(connection, &noted.end)? => Err(StoreError::SetBack),
        _ => audit_lines::head(connection),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use diesel::connection::SimpleConnection;
    use diesel::prelude::*;
    use notary_schema::online::OnlineRole;

    use super::super::keys::tests::add;
    use super::super::segments::{self, Segment};
    use super::super::tests::{owner, scratch};
    use super::super::{Database, MemoryLock, connect};
    use super::*;

    fn open(path: &Path) -> Result<Database, StoreError> {
        let lock = MemoryLock::take(path).unwrap();
        Database::create(path, &lock, DateTime::UNIX_EPOCH)
    }

    fn refused(path: &Path) -> String {
        open(path).err().expect("it opens").to_string()
    }

    /// Further lines of the audit, in the file itself.
    fn append(path: &Path, action: &str, times: usize) {
        let mut connection = connect(path).unwrap();
        for _ in 0..times {
            let caller = Caller::operator(action, DateTime::UNIX_EPOCH);
            audit::append(&mut connection, &caller, &Subject::default(), "x").unwrap();
        }
        connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    }

    fn noticed(path: &Path) -> i64 {
        let lines = super::super::tables::audit::table;
        let lines = lines.filter(super::super::tables::audit::action.eq(NOTICED)).count();
        lines.get_result(&mut connect(path).unwrap()).unwrap()
    }

    /// A closed database with a key, whose third line is noted, and a copy of when it had one line.
    struct Scene {
        path: PathBuf,
        older: PathBuf,
        _directory: tempfile::TempDir,
    }

    fn scene() -> Scene {
        let scratch = scratch();
        add(&scratch, OnlineRole::Snapshot);
        let path = scratch.path.clone();
        let older = path.with_file_name("older.sqlite");
        append(&path, "first", 1);
        fs::copy(&path, &older).unwrap();
        append(&path, "more", 2);
        let _directory = scratch.close();
        open(&path).unwrap();
        Scene { path, older, _directory }
    }

    #[test]
    fn an_older_copy_in_the_file_is_noticed_once_and_what_goes_on_is_not() {
        let Scene { path, older, _directory } = scene();
        append(&path, "from a command", 1);
        open(&path).unwrap();
        assert_eq!(noticed(&path), 0);
        fs::copy(&older, &path).unwrap();
        for _ in 0..2 {
            let refused = refused(&path);
            assert!(refused.contains("--after-restore` for acme/app"), "{refused}");
            assert!(!refused.contains("memory moved"), "{refused}");
        }
        assert_eq!(noticed(&path), 1);
        let mut connection = connect(&path).unwrap();
        assert!(copies::settle_moved(&mut connection, &path).is_err());
        assert!(copies::settle(&mut connection, &owner("acme/app", OnlineRole::Snapshot)).unwrap());
        for _ in 0..2 {
            open(&path).unwrap();
        }
        assert_eq!(noticed(&path), 1);
    }

    /// As where a signer has signed with the copy elsewhere, on a file system that tells no births.
    #[test]
    fn another_line_of_the_noted_number_is_noticed() {
        let Scene { path, older, _directory } = scene();
        append(&older, "elsewhere", 5);
        fs::copy(&older, &path).unwrap();
        assert!(refused(&path).contains("--after-restore"));
    }

    #[test]
    fn a_noted_line_that_was_sealed_away_says_nothing() {
        let Scene { path, _directory, .. } = scene();
        append(&path, "more", 2);
        let mut connection = connect(&path).unwrap();
        let segment = Segment {
            last_seq: 4,
            first_seq: 1,
            file: "x".to_owned(),
            sha256: "x".to_owned(),
            last_hash: "x".to_owned(),
            sealed_at: "x".to_owned(),
        };
        segments::seal(&mut connection, &segment).unwrap();
        assert_eq!(segments::drop_sealed(&mut connection, 10).unwrap(), 4);
        open(&path).unwrap();
        assert_eq!(noticed(&path), 0);
    }

    #[test]
    fn a_note_that_is_torn_or_not_there_says_nothing() {
        let Scene { path, older, _directory } = scene();
        let lock = lock::path(&path);
        let whole = fs::read_to_string(&lock).unwrap();
        let other = whole.replace("\"seq\":3", "\"seq\":9");
        assert_ne!(whole, other);
        for torn in ["", &whole[..whole.len() / 2], whole.trim_end(), &other, "\0\0\0\n"] {
            fs::copy(&older, &path).unwrap();
            fs::write(&lock, torn).unwrap();
            open(&path).unwrap();
        }
        fs::copy(&older, &path).unwrap();
        fs::write(&lock, &whole).unwrap();
        refused(&path);
        // What is longer leaves nothing behind.
        fs::write(&lock, whole.clone() + &"x".repeat(300)).unwrap();
        refused(&path);
        assert_eq!(fs::read_to_string(&lock).unwrap().lines().count(), 1);
        fs::copy(&older, &path).unwrap();
        fs::remove_file(&lock).unwrap();
        // Whatever was unsettled, it was in the file that is overwritten.
        open(&path).unwrap();
    }

    #[test]
    fn a_note_of_another_file_says_nothing() {
        let Scene { path, older, _directory } = scene();
        let away = path.with_file_name("away.sqlite");
        fs::rename(&path, &away).unwrap();
        identity::forget(&mut connect(&older).unwrap()).unwrap();
        connect(&older).unwrap().batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        fs::copy(&older, &path).unwrap();
        open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        // A signer that begins anew.
        open(&path).unwrap();
        assert_eq!(MemoryLock::take(&path).unwrap().noted(), None);
        // Without its lock, under another name, and back again.
        open(&away).unwrap();
        fs::remove_file(&path).unwrap();
        fs::rename(&away, &path).unwrap();
        open(&path).unwrap();
        assert_eq!(noticed(&path), 0);
    }

    #[test]
    fn an_emptied_file_has_no_note_from_then_on() {
        let Scene { path, _directory, .. } = scene();
        fs::write(&path, "").unwrap();
        open(&path).unwrap();
        assert_eq!(fs::read(lock::path(&path)).unwrap(), b"");
    }

    /// One word settles it, as where there was no file.
    #[test]
    fn a_database_of_elsewhere_that_is_written_into_the_file_is_moved() {
        let Scene { path, older, _directory } = scene();
        let mut connection = connect(&older).unwrap();
        assert!(open(&older).is_err());
        copies::settle_moved(&mut connection, &older).unwrap();
        drop(connection);
        open(&older).unwrap();
        fs::copy(&older, &path).unwrap();
        let refused = refused(&path);
        assert!(refused.contains("memory moved"), "{refused}");
        copies::settle_moved(&mut connect(&path).unwrap(), &path).unwrap();
        open(&path).unwrap();
    }

    #[test]
    fn what_backup_wrote_is_settled_once_in_the_file_too() {
        let Scene { path, older, _directory } = scene();
        let backup = path.with_file_name("backup.sqlite");
        append(&older, "x", 1);
        copies::write(&older, &backup).unwrap();
        fs::copy(&backup, &path).unwrap();
        assert!(refused(&path).contains("--after-restore"));
        assert_eq!(noticed(&path), 0);
        let owner = owner("acme/app", OnlineRole::Snapshot);
        assert!(copies::settle(&mut connect(&path).unwrap(), &owner).unwrap());
        for _ in 0..2 {
            open(&path).unwrap();
        }
    }

    /// `memory moved` would settle it otherwise.
    #[test]
    fn what_was_taken_for_moved_is_behind_from_then_on() {
        let Scene { path, older, _directory } = scene();
        let mut connection = connect(&older).unwrap();
        copies::unsettle(&mut connection, Cause::Moved).unwrap();
        connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(connection);
        fs::copy(&older, &path).unwrap();
        assert!(refused(&path).contains("is a copy, and more"));
        let mut connection = connect(&path).unwrap();
        assert_eq!(copies::unsettle(&mut connection, Cause::Moved).unwrap(), 0);
        assert!(copies::settle_moved(&mut connection, &path).is_err());
    }
}
