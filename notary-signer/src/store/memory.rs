//! What was signed last, for each life of a collection and each role, whichever key signed. The
//! version only rises here, but where an operator sets it; the rules of what may follow it stand in
//! `notary_schema::online`.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, Incarnation, Version};
use notary_schema::online::{Memory, OnlineRole};
use notary_schema::role::Role;
use notary_schema::wire::RememberedFile;

use super::tables::{memory, role_of, role_text, time_of, time_text};
use super::{Collection, Owner, StoreError, copies};

/// The files that were signed last, as they are stored.
pub(crate) fn files(
    connection: &mut SqliteConnection,
    collection: &Collection,
) -> Result<Vec<(OnlineRole, RememberedFile)>, StoreError> {
    let rows: Vec<(String, i64, String, Vec<u8>)> = memory::table
        .filter(memory::collection.eq(collection.gun.as_str()))
        .filter(memory::incarnation.eq(collection.incarnation.as_str()))
        .order(memory::role)
        .select((memory::role, memory::version, memory::sha256, memory::file))
        .load(connection)?;
    rows.into_iter()
        .map(|(role, version, sha256, file)| {
            if sha256_hex(&file) != sha256 {
                return Err(StoreError::damaged("file", format!("not the file {sha256}")));
            }
            let file = String::from_utf8(file);
            let file = file.map_err(|_| StoreError::damaged("file", "not UTF-8"))?;
            let version = version_of(version)?;
            Ok((role_of(&role)?, RememberedFile { version, sha256, file }))
        })
        .collect()
}

/// The files that were signed last, read.
pub(crate) fn load(
    connection: &mut SqliteConnection,
    collection: &Collection,
) -> Result<Memory, StoreError> {
    let mut memory = Memory::default();
    for (role, remembered) in files(connection, collection)? {
        match role {
            OnlineRole::Snapshot => memory.snapshot = Some(read(remembered)?),
            OnlineRole::Timestamp => memory.timestamp = Some(read(remembered)?),
        }
    }
    Ok(memory)
}

/// Replaces the file of version `last`, or of none, by its successor.
///
/// # Errors
/// [`StoreError::Damaged`] when another version is remembered than the caller judged by, which
/// nobody but a second writer can bring about.
pub(crate) fn remember(
    connection: &mut SqliteConnection,
    owner: &Owner,
    last: Option<Version>,
    (version, file): (Version, &[u8]),
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let columns = (
        memory::version.eq(number(version)),
        memory::sha256.eq(sha256_hex(file)),
        memory::signed_at.eq(time_text(now)),
        memory::file.eq(file),
        memory::set_by.eq(None::<String>),
        memory::set_reason.eq(None::<String>),
    );
    let changed = match last {
        None => diesel::insert_into(memory::table)
            .values((
                memory::collection.eq(owner.collection.gun.as_str()),
                memory::incarnation.eq(owner.collection.incarnation.as_str()),
                memory::role.eq(role_text(owner.role)),
                columns,
            ))
            .execute(connection)?,
        Some(last) => {
            let row = memory::table
                .filter(memory::collection.eq(owner.collection.gun.as_str()))
                .filter(memory::incarnation.eq(owner.collection.incarnation.as_str()))
                .filter(memory::role.eq(role_text(owner.role)))
                .filter(memory::version.eq(number(last)))
                .filter(memory::version.lt(number(version)));
            diesel::update(row).set(columns).execute(connection)?
        }
    };
    if changed == 1 { Ok(()) } else { Err(StoreError::damaged("version", version)) }
}

/// Puts another file in the place of whatever is remembered: an act of an operator, which settles
/// what a copy remembers.
pub(crate) fn set(
    connection: &mut SqliteConnection,
    owner: &Owner,
    (version, file): (Version, &[u8]),
    act: &Set,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let row = memory::table
        .filter(memory::collection.eq(owner.collection.gun.as_str()))
        .filter(memory::incarnation.eq(owner.collection.incarnation.as_str()))
        .filter(memory::role.eq(role_text(owner.role)));
    diesel::delete(row).execute(connection)?;
    remember(connection, owner, None, (version, file), now)?;
    let by = (memory::set_by.eq(&act.by), memory::set_reason.eq(&act.reason));
    diesel::update(row).set(by).execute(connection)?;
    copies::settle(connection, owner)?;
    Ok(())
}

/// One remembered file, for people.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Remembered {
    /// The life of the collection.
    pub(crate) incarnation: Incarnation,
    /// The role.
    pub(crate) role: OnlineRole,
    /// The version that was signed last.
    pub(crate) version: Version,
    /// SHA-256 of the file in hexadecimal.
    pub(crate) sha256: String,
    /// When it was signed, or set.
    pub(crate) signed_at: DateTime<Utc>,
    /// Who set it and why, where it was not signed here.
    pub(crate) set: Option<Set>,
}

/// The act of an operator that a file comes from.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Set {
    /// The operator.
    pub(crate) by: String,
    /// Why.
    pub(crate) reason: String,
}

/// What the audit calls it when an operator sets a memory.
pub(crate) const SET: &str = "memory set";

/// What is remembered of every life of a collection.
pub(crate) fn lives(
    connection: &mut SqliteConnection,
    gun: &Gun,
) -> Result<Vec<Remembered>, StoreError> {
    type Row = (String, String, i64, String, String, Option<String>, Option<String>);
    let rows: Vec<Row> = memory::table
        .filter(memory::collection.eq(gun.as_str()))
        .order((memory::incarnation, memory::role))
        .select((
            memory::incarnation,
            memory::role,
            memory::version,
            memory::sha256,
            memory::signed_at,
            memory::set_by,
            memory::set_reason,
        ))
        .load(connection)?;
    rows.into_iter()
        .map(|(incarnation, role, version, sha256, signed_at, by, reason)| {
            Ok(Remembered {
                incarnation: Incarnation::parse(&incarnation)
                    .map_err(|_| StoreError::damaged("incarnation", &incarnation))?,
                role: role_of(&role)?,
                version: version_of(version)?,
                sha256,
                signed_at: time_of(&signed_at)?,
                set: by.map(|by| Set { by, reason: reason.unwrap_or_default() }),
            })
        })
        .collect()
}

/// How many files are remembered, and their bytes.
pub(crate) fn size(connection: &mut SqliteConnection) -> Result<(i64, i64), StoreError> {
    use diesel::dsl::{count_star, sql};
    use diesel::sql_types::BigInt;
    let bytes = sql::<BigInt>("coalesce(sum(length(file)), 0)");
    Ok(memory::table.select((count_star(), bytes)).first(connection)?)
}

/// A role of one life of a collection, in the words of the database: collection, life, role.
pub(crate) type Place = (String, String, String);

/// The digest of every file that is remembered.
pub(crate) fn digests(
    connection: &mut SqliteConnection,
) -> Result<Vec<(Place, String)>, StoreError> {
    let place = (memory::collection, memory::incarnation, memory::role);
    Ok(memory::table.select((place, memory::sha256)).load(connection)?)
}

fn read<T: Role>(remembered: RememberedFile) -> Result<Envelope<T>, StoreError> {
    let file = Envelope::<T>::parse(remembered.file.into_bytes())
        .map_err(|error| StoreError::damaged("file", error))?;
    if file.version() != remembered.version {
        return Err(StoreError::damaged("version", remembered.version));
    }
    Ok(file)
}

fn number(version: Version) -> i64 {
    i64::try_from(version.get()).expect("a version is below 2^53")
}

fn version_of(number: i64) -> Result<Version, StoreError> {
    let version = u64::try_from(number).ok().and_then(|number| Version::new(number).ok());
    version.ok_or_else(|| StoreError::damaged("version", number))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Scratch, owner, scratch};
    use super::*;

    const ROLE: OnlineRole = OnlineRole::Snapshot;

    fn put(scratch: &Scratch, gun: &str, last: Option<u64>, next: u64) -> Result<(), StoreError> {
        let last = last.map(|last| Version::new(last).unwrap());
        let next = Version::new(next).unwrap();
        let file = format!("file {next}");
        scratch.database.transaction(|connection| {
            let file = (next, file.as_bytes());
            remember(connection, &owner(gun, ROLE), last, file, DateTime::UNIX_EPOCH)
        })
    }

    fn version(scratch: &Scratch, gun: &str) -> Option<u64> {
        let files = scratch
            .database
            .transaction(|connection| files(connection, &owner(gun, ROLE).collection));
        files.unwrap().first().map(|(_, file)| file.version.get())
    }

    #[test]
    fn each_file_takes_the_place_of_the_one_it_was_judged_against() {
        let scratch = scratch();
        put(&scratch, "a", None, 1).unwrap();
        put(&scratch, "a", Some(1), 2).unwrap();
        put(&scratch, "b", None, 1).unwrap();
        assert_eq!(version(&scratch, "a"), Some(2));
        assert_eq!(version(&scratch, "b"), Some(1));
        assert_eq!(version(&scratch, "c"), None);
    }

    #[test]
    fn a_memory_never_goes_back_nor_over_a_version_that_was_not_seen() {
        let scratch = scratch();
        put(&scratch, "a", None, 5).unwrap();
        for (last, next) in [(None, 6), (Some(4), 6), (Some(5), 5), (Some(5), 4), (Some(6), 7)] {
            assert!(put(&scratch, "a", last, next).is_err(), "{last:?} to {next}");
        }
        assert_eq!(version(&scratch, "a"), Some(5));
        put(&scratch, "a", Some(5), 6).unwrap();
    }

    #[test]
    fn a_changed_file_is_noticed() {
        let scratch = scratch();
        put(&scratch, "a", None, 1).unwrap();
        scratch
            .database
            .transaction::<_, StoreError>(|connection| {
                Ok(diesel::update(memory::table)
                    .set(memory::file.eq(&b"another"[..]))
                    .execute(connection)?)
            })
            .unwrap();
        let read = scratch
            .database
            .transaction(|connection| load(connection, &owner("a", ROLE).collection));
        assert!(matches!(read, Err(StoreError::Damaged { .. })));
    }
}
