//! Which file a database is in.
//!
//! A copy that somebody made with `cp` has the same keys and the same memory, and would sign a second
//! content beside its original. So the database names its file, by inode and time of birth: both stay
//! as they are when it is written, renamed or vacuumed, and no copy has them. A snapshot of a whole
//! disk has, and is not noticed. A file that an older copy is written into has, too:
//! [the note](super::note) tells that.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::audit::{self, Caller, Subject};
use super::copies::{self, Cause};
use super::tables::identity;

/// What the audit calls it when a signer finds its database in another file.
const NOTICED: &str = "memory found in another file";

/// A file, as its file system tells it from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    inode: i64,
    /// Nanoseconds since 1970; not every file system says it.
    born: Option<i64>,
}

impl Identity {
    /// The file that is there.
    ///
    /// # Errors
    /// [`StoreError::Linked`]; a file that cannot be looked at.
    pub(super) fn of(path: &Path) -> Result<Identity, StoreError> {
        let file = fs::metadata(path);
        let file = file.map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        // SQLite keeps a log for each name, and the lock has the name, too.
        if file.nlink() > 1 {
            return Err(StoreError::Linked(path.to_owned()));
        }
        Ok(Identity::of_metadata(&file))
    }

    /// The file that has been looked at.
    pub(super) fn of_metadata(file: &Metadata) -> Identity {
        let born = file.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let born = born.and_then(|born| i64::try_from(born.as_nanos()).ok());
        Identity { inode: file.ino().cast_signed(), born }
    }

    /// Whether both are of one file, as far as is known of both.
    pub(super) fn fits(self, other: Identity) -> bool {
        let same_birth = self.born.zip(other.born).is_none_or(|(one, other)| one == other);
        self.inode == other.inode && same_birth
    }
}

/// Compares the file with the one that the database names; a database that names none takes it. In
/// another file everything is unsettled, the audit says so, and the database names that file from now
/// on: what an operator settles after that stays settled. Says whether it names another one than before.
///
/// # Errors
/// [`StoreError::Linked`]; a file that cannot be looked at.
pub(super) fn compare(
    connection: &mut SqliteConnection,
    path: &Path,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let found = Identity::of(path)?;
    if let Some(named) = named(connection)? {
        if found.fits(named) {
            return Ok(false);
        }
        copies::unsettle(connection, Cause::Moved)?;
        let caller = Caller::operator(NOTICED, now);
        audit::append(connection, &caller, &Subject::default(), "unsettled")?;
    }
    diesel::replace_into(identity::table)
        .values((
            identity::id.eq(1),
            identity::inode.eq(found.inode),
            identity::born.eq(found.born),
        ))
        .execute(connection)?;
    Ok(true)
}

/// Whether the database names another file than the one that it is in. Nothing is changed.
///
/// # Errors
/// Those of [`compare`].
pub(super) fn is_elsewhere(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<bool, StoreError> {
    let found = Identity::of(path)?;
    Ok(named(connection)?.is_some_and(|named| !found.fits(named)))
}

fn named(connection: &mut SqliteConnection) -> Result<Option<Identity>, StoreError> {
    let named = identity::table.select((identity::inode, identity::born));
    let named: Option<(i64, Option<i64>)> = named.first(connection).optional()?;
    Ok(named.map(|(inode, born)| Identity { inode, born }))
}

/// Has a copy name no file: the one that it is opened in is its own.
pub(super) fn forget(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    diesel::delete(identity::table).execute(connection)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use diesel::connection::SimpleConnection;
    use notary_schema::online::OnlineRole;

    use super::super::keys::tests::add;
    use super::super::tests::{Scratch, scratch};
    use super::super::{Database, MemoryLock, connect};
    use super::*;

    fn open(path: &Path) -> Result<Database, StoreError> {
        let lock = MemoryLock::take(path).unwrap();
        Database::create(path, &lock, DateTime::UNIX_EPOCH)
    }

    /// A database with a key, whose log is in its file, and what is done to that.
    fn with_key(done: impl FnOnce(&Path, &Path)) -> (Scratch, PathBuf) {
        let scratch = scratch();
        add(&scratch, OnlineRole::Snapshot);
        connect(&scratch.path).unwrap().batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let other = scratch.path.with_file_name("other.sqlite");
        done(&scratch.path, &other);
        (scratch, other)
    }

    #[test]
    fn a_copy_is_noticed_and_its_original_is_not_disturbed() {
        let (scratch, copy) = with_key(|original, copy| {
            fs::copy(original, copy).unwrap();
        });
        for _ in 0..2 {
            let refused = open(&copy).err().unwrap().to_string();
            assert!(refused.contains("memory moved") && refused.contains("acme/app"), "{refused}");
        }
        let noticed = |path: &Path| {
            let lines = super::super::tables::audit::table.count();
            lines.get_result::<i64>(&mut connect(path).unwrap()).unwrap()
        };
        assert_eq!((noticed(&copy), noticed(&scratch.path)), (1, 0));
        scratch
            .database
            .transaction(|connection| compare(connection, &scratch.path, DateTime::UNIX_EPOCH))
            .unwrap();
        scratch
            .database
            .transaction(|connection| copies::require_settled(connection, &scratch.path))
            .unwrap();
    }

    #[test]
    fn a_file_that_is_renamed_or_vacuumed_stays_itself() {
        let (scratch, renamed) =
            with_key(|original, renamed| fs::rename(original, renamed).unwrap());
        let _directory = scratch.close();
        open(&renamed).unwrap();
        connect(&renamed).unwrap().batch_execute("VACUUM").unwrap();
        open(&renamed).unwrap();
    }

    #[test]
    fn a_file_with_two_names_is_refused() {
        let (scratch, link) = with_key(|original, link| fs::hard_link(original, link).unwrap());
        let original = scratch.path.clone();
        let _directory = scratch.close();
        let refused = open(&link).err().unwrap().to_string();
        assert!(refused.contains("another name"), "{refused}");
        fs::remove_file(original).unwrap();
        open(&link).unwrap();
    }

    #[test]
    fn a_database_that_names_no_file_takes_the_one_that_it_is_in() {
        let (_scratch, copy) = with_key(|original, copy| {
            forget(&mut connect(original).unwrap()).unwrap();
            connect(original).unwrap().batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
            fs::copy(original, copy).unwrap();
        });
        open(&copy).unwrap();
        let other = copy.with_file_name("third.sqlite");
        fs::copy(&copy, &other).unwrap();
        assert!(open(&other).is_err());
    }

    /// As it is made of a database that was there before it named its file, beside its service.
    #[test]
    fn a_copy_without_the_log_has_the_name_too() {
        let (scratch, copy) = with_key(|original, _| {
            let mut connection = connect(original).unwrap();
            forget(&mut connection).unwrap();
            connection.batch_execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        });
        let original = scratch.path.clone();
        let _directory = scratch.close();
        let _running = open(&original).unwrap();
        fs::copy(&original, &copy).unwrap();
        assert!(open(&copy).is_err());
    }

    #[test]
    fn where_a_birth_is_not_known_the_inode_decides() {
        let of = |inode, born| Identity { inode, born };
        assert!(of(1, Some(5)).fits(of(1, None)) && of(1, None).fits(of(1, Some(5))));
        assert!(of(1, Some(5)).fits(of(1, Some(5))));
        assert!(!of(1, Some(5)).fits(of(1, Some(6))));
        assert!(!of(1, None).fits(of(2, None)));
    }
}
