//! What is asked of the tables about collections, files and tokens, and how rows become values.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::connection::{Connection as _, DefaultLoadingMode};
use diesel::prelude::*;
use diesel::sql_types::Bool;
use notary_schema::envelope::Envelope;
use notary_schema::name::{Glob, Gun, RoleName, Version};
use notary_schema::online::{Lifetimes, OnlineRole};
use notary_schema::publish::{Head, StoredFile};
use notary_schema::role::{Expires, Role, Targets};
use notary_schema::wire::CollectionSummary;

use super::dialect::Connection;
use super::rows::{CollectionRow, CurrentFileRow, FileRow, collections, current_files, files};
use super::{
    Collection, CollectionId, FileBytes, Incomplete, State, StoreError, StoreResult, names,
    revocations,
};

/// The column of a collection that has no lifetimes of its own.
const NO_LIFETIMES: &str = "{}";

// ---- values of columns

/// Reads a column that this program wrote.
pub(super) fn column<T, E: Display>(what: &str, value: Result<T, E>) -> StoreResult<T> {
    value.map_err(|error| StoreError::Corrupt { what: what.into(), reason: error.to_string() })
}

pub(super) fn version(number: i64) -> StoreResult<Version> {
    column("a version", Version::new(number.unsigned_abs()))
}

pub(super) fn time(seconds: i64) -> StoreResult<DateTime<Utc>> {
    column("a time", DateTime::from_timestamp(seconds, 0).ok_or("out of range"))
}

pub(super) fn role(name: &str) -> StoreResult<RoleName> {
    column("a role name", RoleName::parse(name))
}

/// Reads a column that holds one word of an enumeration.
pub(super) fn word<T: serde::de::DeserializeOwned>(text: &str) -> StoreResult<T> {
    column("an enumeration", serde_json::from_value(serde_json::Value::String(text.to_owned())))
}

/// The word of an enumeration.
pub(super) fn written<T: serde::Serialize>(value: &T) -> StoreResult<String> {
    let text = column("an enumeration", serde_json::to_value(value))?;
    column("an enumeration", text.as_str().map(str::to_owned).ok_or("not a word"))
}

/// A length, version or sequence number as a column: all of them are below 2^53.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).expect("numbers of metadata are below 2^53")
}

// ---- collections

pub(super) fn summaries(
    connection: &mut Connection,
    readable: Option<&Glob>,
    after: Option<&Gun>,
    limit: u32,
) -> StoreResult<Vec<CollectionSummary>> {
    let rows = collections::table
        .filter(collections::state.eq("live"))
        .filter(collections::is_public.or(readable.is_some().into_sql::<Bool>()))
        .filter(collections::gun.gt(after.map_or("", Gun::as_str)))
        .order(collections::gun.asc())
        .select(CollectionRow::as_select())
        .load_iter::<CollectionRow, DefaultLoadingMode>(connection)?;
    let is_readable = |row: &Result<CollectionRow, _>| {
        let matches = |row: &CollectionRow| readable.is_some_and(|glob| glob.matches(&row.gun));
        row.as_ref().map_or(true, |row| row.is_public || matches(row))
    };
    let page: Vec<CollectionRow> =
        rows.filter(is_readable).take(limit as usize).collect::<Result<_, _>>()?;
    let ids: Vec<i64> = page.iter().map(|row| row.id).collect();
    let versions: Vec<(i64, String, i64)> = current_files::table
        .filter(current_files::collection_id.eq_any(&ids))
        .filter(current_files::role.eq_any(["root", "snapshot", "timestamp"]))
        .select((current_files::collection_id, current_files::role, current_files::version))
        .load(connection)?;
    let versions: BTreeMap<(i64, String), i64> =
        versions.into_iter().map(|(id, role, number)| ((id, role), number)).collect();
    let summary = |row: CollectionRow| {
        let current = |role: &str| {
            let found = versions.get(&(row.id, role.to_owned())).ok_or("it has no such file");
            version(*column(&format!("the {role} of {}", row.gun), found)?)
        };
        Ok(CollectionSummary {
            root: current("root")?,
            snapshot: current("snapshot")?,
            timestamp: current("timestamp")?,
            changed_at: time(row.changed_at)?,
            gun: column("a collection's name", Gun::parse(&row.gun))?,
        })
    };
    page.into_iter().map(summary).collect()
}

pub(super) fn due(
    connection: &mut Connection,
    lifetimes: &Lifetimes,
    now: DateTime<Utc>,
) -> StoreResult<Vec<Gun>> {
    let stale = |role: OnlineRole| {
        let fresh = lifetimes.fresh(role, now);
        let (from, to) = (fresh.start().timestamp(), fresh.end().timestamp());
        let expires = current_files::expires;
        current_files::role.eq(name_of(role)).and(expires.lt(from).or(expires.gt(to)))
    };
    let live = || {
        let live = current_files::table.inner_join(collections::table);
        live.filter(collections::state.eq("live")).order(current_files::expires.asc())
    };
    let mut found: Vec<(i64, String)> = live()
        .filter(collections::lifetimes.eq(NO_LIFETIMES))
        .filter(stale(OnlineRole::Timestamp).or(stale(OnlineRole::Snapshot)))
        .select((current_files::expires, collections::gun))
        .load(connection)?;
    // Few have lifetimes of their own, and each another.
    let with_own: Vec<(i64, String, String, String)> = live()
        .filter(collections::lifetimes.ne(NO_LIFETIMES))
        .filter(
            current_files::role.eq_any([OnlineRole::Timestamp, OnlineRole::Snapshot].map(name_of)),
        )
        .select((
            current_files::expires,
            collections::gun,
            current_files::role,
            collections::lifetimes,
        ))
        .load(connection)?;
    for (expires, gun, role, own) in with_own {
        let lifetimes = lifetimes.with(&names::own_lifetimes(&own)?);
        if !lifetimes.fresh(word(&role)?, now).contains(&time(expires)?) {
            found.push((expires, gun));
        }
    }
    found.sort();
    let parse = |(_, gun): (i64, String)| column("a collection's name", Gun::parse(&gun));
    found.into_iter().map(parse).collect()
}

fn name_of(role: OnlineRole) -> &'static str {
    match role {
        OnlineRole::Snapshot => "snapshot",
        OnlineRole::Timestamp => "timestamp",
    }
}

/// Every collection that is served, with the versions of its snapshot and timestamp.
pub(super) fn lives(
    connection: &mut Connection,
) -> StoreResult<Vec<(Collection, Version, Version)>> {
    let rows: Vec<(CollectionRow, String, i64)> = current_files::table
        .inner_join(collections::table)
        .filter(collections::state.eq("live"))
        .filter(current_files::role.eq_any(["snapshot", "timestamp"]))
        .order((collections::id.asc(), current_files::role.asc()))
        .select((CollectionRow::as_select(), current_files::role, current_files::version))
        .load(connection)?;
    let mut lives = Vec::with_capacity(rows.len() / 2);
    let mut rows = rows.into_iter();
    while let (Some((row, _, snapshot)), Some((_, _, timestamp))) = (rows.next(), rows.next()) {
        lives.push((names::collection_of(row)?, version(snapshot)?, version(timestamp)?));
    }
    Ok(lives)
}

/// The collections whose snapshots list files that are not here, and how many.
pub(super) fn incomplete(connection: &mut Connection) -> StoreResult<Vec<Incomplete>> {
    let rows: Vec<(String, bool, i64)> = collections::table
        .filter(collections::state.eq("live"))
        .filter(collections::lost.gt(0))
        .order(collections::gun.asc())
        .select((collections::gun, collections::is_public, collections::lost))
        .load(connection)?;
    let incomplete = |(gun, is_public, lost): (String, bool, i64)| {
        let gun = column("a collection's name", Gun::parse(&gun))?;
        Ok(Incomplete { gun, is_public, lost: lost.unsigned_abs() })
    };
    rows.into_iter().map(incomplete).collect()
}

// ---- files

pub(super) fn load_head(
    connection: &mut Connection,
    gun: &Gun,
    state: State,
) -> StoreResult<Option<(Collection, Head)>> {
    // One transaction: all rows are of one commit.
    let rows = connection.transaction::<_, StoreError, _>(|connection| {
        let life = names::standing(connection, gun)?.life;
        let Some(live) = life.filter(|found| found.state == state) else { return Ok(None) };
        let current: Vec<CurrentFileRow> = current_files::table
            .filter(current_files::collection_id.eq(live.id.0))
            .select(CurrentFileRow::as_select())
            .load(connection)?;
        let mut loaded: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let wanted = |row: &&CurrentFileRow| {
            row.delegates || matches!(row.role.as_str(), "root" | "snapshot" | "timestamp")
        };
        for row in current.iter().filter(wanted) {
            let bytes = bytes_of(connection, live.id.0, &row.role, row.version)?;
            loaded.insert(row.role.clone(), bytes);
        }
        let revoked = revocations::keys(connection, live.id)?;
        Ok(Some((live, current, loaded, revoked)))
    })?;
    let Some((collection, current, loaded, revoked)) = rows else { return Ok(None) };
    let mut files = BTreeMap::new();
    for row in current {
        let name = role(&row.role)?;
        if name.is_targets_role() {
            let file = loaded.get(&row.role).map(|bytes| parse(&name, bytes)).transpose()?;
            files.insert(name, stored_file(row, file)?);
        }
    }
    let bytes = |name: &RoleName| {
        let found = loaded.get(name.as_str()).ok_or("it is missing");
        column(&format!("the {name} of {gun}"), found)
    };
    let head = Head::new(
        parse(&RoleName::ROOT, bytes(&RoleName::ROOT)?)?,
        parse(&RoleName::SNAPSHOT, bytes(&RoleName::SNAPSHOT)?)?,
        parse(&RoleName::TIMESTAMP, bytes(&RoleName::TIMESTAMP)?)?,
        files,
    );
    let head = Head { revoked, ..head };
    Ok(Some((collection, head)))
}

fn stored_file(
    row: CurrentFileRow,
    file: Option<Arc<Envelope<Targets>>>,
) -> StoreResult<StoredFile> {
    Ok(StoredFile {
        version: version(row.version)?,
        length: row.length.unsigned_abs(),
        sha256: row.sha256,
        expires: Expires::at(time(row.expires)?),
        file,
    })
}

pub(super) fn parse<T: Role>(name: &RoleName, bytes: &[u8]) -> StoreResult<Arc<Envelope<T>>> {
    column(&format!("a file of {name}"), Envelope::parse(bytes)).map(Arc::new)
}

pub(super) fn bytes_of(
    connection: &mut Connection,
    id: i64,
    role: &str,
    version: i64,
) -> StoreResult<Vec<u8>> {
    Ok(files::table.find((id, role, version)).select(files::bytes).first(connection)?)
}

pub(super) fn file(
    connection: &mut Connection,
    id: CollectionId,
    role: &RoleName,
    version: Version,
) -> StoreResult<Option<FileBytes>> {
    let row = files::table
        .find((id.0, role.as_str(), number(version.get())))
        .select(FileRow::as_select())
        .first(connection)
        .optional()?;
    let file_bytes = |row: FileRow| {
        Ok(FileBytes {
            bytes: row.bytes.into(),
            gzip: row.gzip.map(Into::into),
            sha256: row.sha256,
            expires: Expires::at(time(row.expires)?),
        })
    };
    row.map(file_bytes).transpose()
}

pub(super) fn sha256s(
    connection: &mut Connection,
    id: CollectionId,
    versions: Vec<(RoleName, Version)>,
) -> StoreResult<BTreeMap<(RoleName, Version), String>> {
    let mut found = BTreeMap::new();
    for (role, version) in versions {
        let sha256 = files::table
            .find((id.0, role.as_str(), number(version.get())))
            .select(files::sha256)
            .first(connection)
            .optional()?;
        if let Some(sha256) = sha256 {
            found.insert((role, version), sha256);
        }
    }
    Ok(found)
}

/// How many versions are read at once.
const VERSIONS_AT_ONCE: i64 = 4_096;

pub(super) fn free_version(
    connection: &mut Connection,
    id: CollectionId,
    role: &RoleName,
    from: Version,
) -> StoreResult<Version> {
    let mut free = number(from.get());
    loop {
        let taken: Vec<i64> = files::table
            .filter(files::collection_id.eq(id.0))
            .filter(files::role.eq(role.as_str()))
            .filter(files::version.ge(free))
            .order(files::version.asc())
            .limit(VERSIONS_AT_ONCE)
            .select(files::version)
            .load(connection)?;
        let in_a_row = (free..).zip(&taken).take_while(|(free, taken)| free == *taken).count();
        free += i64::try_from(in_a_row).unwrap_or(VERSIONS_AT_ONCE);
        if in_a_row < taken.len() || taken.is_empty() {
            return version(free);
        }
    }
}
