//! The release slot: claiming it, changing its plan, and the commit that empties it.
//!
//! Every statement that ends or changes a slot is bound to the fence that its author read. Whoever
//! finds 0 rows has been overtaken and reads again.

use chrono::{DateTime, Utc};
use diesel::connection::Connection as _;
use diesel::prelude::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::online::{Plan, PlannedSnapshot, PlannedTimestamp};
use notary_schema::role::Expires;
use std::io::Write as _;

use super::dialect::{self, Connection};
use super::queries::{column, number, parse, time, version};
use super::rows::{
    CurrentFileRow, NewEvent, NewFile, NewSlotFile, SlotFileRow, SlotRow, collections, events,
    feed, files, slot_files, slots,
};
use super::types::OutgoingFile;
use super::{
    Claim, Collection, CollectionId, Committed, NewSlot, Pause, Prepared, Purpose, RoleFile, State,
    StoreError, StoreResult,
};
use crate::signer_client::Release;

pub(super) fn prepare(
    connection: &mut Connection,
    collection: &Collection,
    slot: NewSlot,
    now: DateTime<Utc>,
) -> StoreResult<Claim> {
    let id = collection.id;
    let taken: i64 = slots::table.find(id.0).count().get_result(connection)?;
    if taken > 0 {
        return Ok(Claim::Taken);
    }
    // The row of the collection is locked from here on.
    let fence = next_fence(connection, id)?;
    let unmoved: i64 = collections::table
        .find(id.0)
        .filter(collections::seq.eq(number(collection.seq)))
        .filter(collections::state.eq(state_name(collection.state)))
        .count()
        .get_result(connection)?;
    if unmoved == 0 {
        return Ok(Claim::Moved);
    }
    let prepared = Prepared {
        collection: collection.clone(),
        fence,
        slot,
        rebuilds: 0,
        pause: None,
        prepared_at: now,
    };
    diesel::insert_into(slots::table).values(row_of(&prepared)?).execute(connection)?;
    insert_files(connection, id, &prepared.slot.files)?;
    Ok(Claim::Prepared(Box::new(prepared)))
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Reserved => "reserved",
        State::Live => "live",
    }
}

/// A fence that no slot of the collection had.
fn next_fence(connection: &mut Connection, id: CollectionId) -> StoreResult<i64> {
    let bumped = diesel::update(collections::table.find(id.0))
        .set(collections::fence.eq(collections::fence + 1i64));
    Ok(bumped.returning(collections::fence).get_result(connection)?)
}

fn insert_files(
    connection: &mut Connection,
    id: CollectionId,
    files: &[RoleFile],
) -> StoreResult<()> {
    for file in files {
        let role = file.role();
        let row = NewSlotFile {
            collection_id: id.0,
            role: role.as_str(),
            version: number(file.version().get()),
            bytes: file.bytes(),
        };
        diesel::insert_into(slot_files::table).values(row).execute(connection)?;
    }
    Ok(())
}

pub(super) fn slot(
    connection: &mut Connection,
    collection: &Collection,
) -> StoreResult<Option<Prepared>> {
    let id = collection.id.0;
    let (row, files) = connection.transaction::<_, StoreError, _>(|connection| {
        let row =
            slots::table.find(id).select(SlotRow::as_select()).first(connection).optional()?;
        let files: Vec<SlotFileRow> = slot_files::table
            .filter(slot_files::collection_id.eq(id))
            .order((slot_files::role.asc(), slot_files::version.asc()))
            .select(SlotFileRow::as_select())
            .load(connection)?;
        Ok((row, files))
    })?;
    let Some(row) = row else { return Ok(None) };
    let files = files.iter().map(role_file).collect::<StoreResult<_>>()?;
    prepared_of(collection, row, files).map(Some)
}

fn role_file(row: &SlotFileRow) -> StoreResult<RoleFile> {
    let role = column("a role name", RoleName::parse(&row.role))?;
    if role == RoleName::ROOT {
        return Ok(RoleFile::Root(parse(&role, &row.bytes)?));
    }
    Ok(RoleFile::Targets(role.clone(), parse(&role, &row.bytes)?))
}

pub(super) fn waiting(connection: &mut Connection) -> StoreResult<Vec<(Gun, Option<Pause>)>> {
    type Row = (String, Option<String>, Option<String>, Option<i64>);
    let rows: Vec<Row> = slots::table
        .inner_join(collections::table)
        .order(slots::prepared_at.asc())
        .select((collections::gun, slots::reason_code, slots::reason, slots::retry_at))
        .load(connection)?;
    let waiting = |(gun, code, reason, retry_at): Row| {
        Ok((column("a collection's name", Gun::parse(&gun))?, pause_of(code, reason, retry_at)?))
    };
    rows.into_iter().map(waiting).collect()
}

fn pause_of(
    code: Option<String>,
    reason: Option<String>,
    retry_at: Option<i64>,
) -> StoreResult<Option<Pause>> {
    let (Some(code), Some(reason), Some(retry_at)) = (code, reason, retry_at) else {
        return Ok(None);
    };
    Ok(Some(Pause { code, reason, retry_at: time(retry_at)? }))
}

pub(super) fn rebuild(
    connection: &mut Connection,
    prepared: &Prepared,
    plan: Plan,
    added: Vec<RoleFile>,
) -> StoreResult<Option<Prepared>> {
    let id = prepared.collection.id;
    let fence = next_fence(connection, id)?;
    let rebuilds = prepared.rebuilds + 1;
    let mut rebuilt = Prepared { fence, rebuilds, pause: None, ..prepared.clone() };
    rebuilt.slot.plan = plan;
    if !added.is_empty() {
        rebuilt.slot.purpose = Purpose::Publish;
    }
    let changed = diesel::update(slots::table.find(id.0).filter(slots::fence.eq(prepared.fence)))
        .set(row_of(&rebuilt)?)
        .execute(connection)?;
    if changed == 0 {
        return Ok(None);
    }
    insert_files(connection, id, &added)?;
    rebuilt.slot.files.extend(added);
    Ok(Some(rebuilt))
}

pub(super) fn pause(
    connection: &mut Connection,
    prepared: &Prepared,
    pause: &Pause,
) -> StoreResult<bool> {
    let slot = slots::table.find(prepared.collection.id.0).filter(slots::fence.eq(prepared.fence));
    let noted = (
        slots::reason_code.eq(Some(&pause.code)),
        slots::reason.eq(Some(&pause.reason)),
        slots::retry_at.eq(Some(pause.retry_at.timestamp())),
    );
    Ok(diesel::update(slot).set(noted).execute(connection)? == 1)
}

pub(super) fn delete(connection: &mut Connection, prepared: &Prepared) -> StoreResult<bool> {
    let slot = slots::table.find(prepared.collection.id.0).filter(slots::fence.eq(prepared.fence));
    Ok(diesel::delete(slot).execute(connection)? == 1)
}

// ---- the commit

/// A file with its compressed form, made before the transaction begins.
pub(super) struct Compressed {
    file: OutgoingFile,
    gzip: Option<Vec<u8>>,
}

/// The files of a release, in the order in which they become current.
pub(super) fn compressed(release: &Release) -> Vec<Compressed> {
    let files = release.prepared().files().iter().map(OutgoingFile::of);
    let snapshot =
        release.snapshot().map(|file| OutgoingFile::online(RoleName::SNAPSHOT, file.as_ref()));
    let timestamp = OutgoingFile::online(RoleName::TIMESTAMP, release.timestamp().as_ref());
    let all = files.chain(snapshot).chain([timestamp]);
    all.map(|file| Compressed { gzip: gzip(&file.bytes), file }).collect()
}

/// The bytes under gzip, if that makes them shorter.
fn gzip(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().filter(|gzip| gzip.len() < bytes.len())
}

pub(super) fn commit(
    connection: &mut Connection,
    prepared: &Prepared,
    outgoing: &[Compressed],
    now: DateTime<Utc>,
) -> StoreResult<Option<Committed>> {
    if !delete(connection, prepared)? {
        return Ok(None);
    }
    let id = prepared.collection.id;
    let seq: i64 = diesel::update(feed::table.find(1))
        .set(feed::last_seq.eq(feed::last_seq + 1i64))
        .returning(feed::last_seq)
        .get_result(connection)?;
    for Compressed { file, gzip } in outgoing {
        let (role, version) = (file.role.as_str(), number(file.version.get()));
        let (length, expires) = (number(file.bytes.len() as u64), file.expires.time().timestamp());
        let (collection_id, sha256, bytes) = (id.0, file.sha256.as_str(), &file.bytes[..]);
        let gzip = gzip.as_deref();
        let row =
            NewFile { collection_id, role, version, sha256, length, expires, seq, bytes, gzip };
        diesel::insert_into(files::table).values(row).execute(connection)?;
        let (role, sha256, delegates) = (role.to_owned(), sha256.to_owned(), file.delegates);
        let current =
            CurrentFileRow { collection_id, role, version, sha256, length, expires, delegates };
        dialect::set_current(connection, &current)?;
    }
    let collection = advance(connection, prepared, seq, now)?;
    let roles: Vec<_> = prepared.files().iter().map(event_role).collect();
    let event = NewEvent {
        seq,
        collection_id: id.0,
        kind: purpose_name(prepared.purpose()),
        at: now.timestamp(),
        roles: serde_json::Value::from(roles).to_string(),
    };
    diesel::insert_into(events::table).values(event).execute(connection)?;
    Ok(Some(Committed { collection }))
}

fn event_role(file: &RoleFile) -> serde_json::Value {
    let (name, version) = (file.role(), file.version());
    serde_json::json!({ "name": name, "version": version, "sha256": file.sha256() })
}

fn advance(
    connection: &mut Connection,
    prepared: &Prepared,
    seq: i64,
    now: DateTime<Utc>,
) -> StoreResult<Collection> {
    let mut collection = prepared.collection.clone();
    collection.state = State::Live;
    collection.seq = seq.unsigned_abs();
    if prepared.purpose() == Purpose::Publish {
        collection.changed_at = now;
    }
    diesel::update(collections::table.find(collection.id.0))
        .set((
            collections::state.eq(state_name(collection.state)),
            collections::seq.eq(seq),
            collections::changed_at.eq(collection.changed_at.timestamp()),
        ))
        .execute(connection)?;
    Ok(collection)
}

// ---- rows of slots

fn purpose_name(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::Publish => "publish",
        Purpose::Refresh => "refresh",
    }
}

fn row_of(prepared: &Prepared) -> StoreResult<SlotRow> {
    let Plan { snapshot, timestamp } = &prepared.slot.plan;
    let keyids = |keyids: &[KeyId]| column("key ids", serde_json::to_string(keyids));
    Ok(SlotRow {
        collection_id: prepared.collection.id.0,
        fence: prepared.fence,
        purpose: purpose_name(prepared.slot.purpose).to_owned(),
        snapshot_version: snapshot.as_ref().map(|snapshot| number(snapshot.version.get())),
        snapshot_signed: snapshot.as_ref().map(|snapshot| snapshot.signed.clone()),
        snapshot_keyids: snapshot.as_ref().map(|snap| keyids(&snap.keyids)).transpose()?,
        timestamp_version: number(timestamp.version.get()),
        timestamp_expires: timestamp.expires.time().timestamp(),
        timestamp_keyids: keyids(&timestamp.keyids)?,
        rebuilds: i64::from(prepared.rebuilds),
        reason_code: prepared.pause.as_ref().map(|pause| pause.code.clone()),
        reason: prepared.pause.as_ref().map(|pause| pause.reason.clone()),
        retry_at: prepared.pause.as_ref().map(|pause| pause.retry_at.timestamp()),
        prepared_at: prepared.prepared_at.timestamp(),
    })
}

fn prepared_of(
    collection: &Collection,
    row: SlotRow,
    files: Vec<RoleFile>,
) -> StoreResult<Prepared> {
    let keyids = |text: &str| column("key ids", serde_json::from_str::<Vec<KeyId>>(text));
    let snapshot = match (row.snapshot_version, row.snapshot_signed, row.snapshot_keyids) {
        (Some(number), Some(signed), Some(ids)) => {
            Some(PlannedSnapshot { version: version(number)?, signed, keyids: keyids(&ids)? })
        }
        _ => None,
    };
    let timestamp = PlannedTimestamp {
        version: version(row.timestamp_version)?,
        expires: Expires::at(time(row.timestamp_expires)?),
        keyids: keyids(&row.timestamp_keyids)?,
    };
    let purpose = match row.purpose.as_str() {
        "publish" => Purpose::Publish,
        "refresh" => Purpose::Refresh,
        other => return column("a slot", Err(format!("{other:?} is no purpose"))),
    };
    Ok(Prepared {
        collection: collection.clone(),
        fence: row.fence,
        slot: NewSlot { purpose, files, plan: Plan { snapshot, timestamp } },
        rebuilds: u32::try_from(row.rebuilds).unwrap_or(u32::MAX),
        pause: pause_of(row.reason_code, row.reason, row.retry_at)?,
        prepared_at: time(row.prepared_at)?,
    })
}
