//! The release slot: claiming it, changing its plan, giving it up.
//!
//! Every statement that ends or changes a slot is bound to the fence that its author read. Whoever
//! finds 0 rows has been overtaken and reads again.

use chrono::{DateTime, Utc};
use diesel::connection::Connection as _;
use diesel::prelude::*;
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::online::{OnlineRole, Plan, PlannedSnapshot, PlannedTimestamp};
use notary_schema::role::Expires;

use super::dialect::Connection;
use super::names::state_name;
use super::online_keys::note_asked;
use super::queries::{column, number, parse, time, version};
use super::rows::{NewSlotFile, SlotFileRow, SlotRow, collections, slot_files, slots};
use super::{
    Claim, Collection, CollectionId, Joining, NewSlot, Pause, Prepared, Purpose, RoleFile, State,
    StoreError, StoreResult, Unfinished,
};

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
    if !is_unmoved(connection, collection)? {
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
    note_asked(connection, id, &prepared.slot.plan)?;
    Ok(Claim::Prepared(Box::new(prepared)))
}

/// Whether nothing was committed since the collection was read, also by administrators: a key that
/// was revoked meanwhile must not have signed what is prepared.
fn is_unmoved(connection: &mut Connection, collection: &Collection) -> StoreResult<bool> {
    let unmoved: i64 = collections::table
        .find(collection.id.0)
        .filter(collections::seq.eq(number(collection.seq)))
        .filter(collections::state.eq(state_name(collection.state)))
        .count()
        .get_result(connection)?;
    Ok(unmoved == 1)
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

pub(super) fn waiting(connection: &mut Connection) -> StoreResult<Vec<Unfinished>> {
    type Row = (String, String, bool, (Option<String>, Option<String>, Option<i64>));
    let rows: Vec<Row> = slots::table
        .inner_join(collections::table)
        .filter(collections::state.ne(state_name(State::Deleted)))
        .order(slots::prepared_at.asc())
        .select((
            collections::gun,
            collections::state,
            collections::is_public,
            (slots::reason_code, slots::reason, slots::retry_at),
        ))
        .load(connection)?;
    let unfinished = |(gun, state, is_public, (code, reason, retry_at)): Row| {
        Ok(Unfinished {
            gun: column("a collection's name", Gun::parse(&gun))?,
            is_public: is_public && state == state_name(State::Live),
            pause: pause_of(code, reason, retry_at)?,
        })
    };
    rows.into_iter().map(unfinished).collect()
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
    joining: Joining,
) -> StoreResult<Option<Prepared>> {
    let id = prepared.collection.id;
    let fence = next_fence(connection, id)?;
    if !joining.files.is_empty() && !is_unmoved(connection, &prepared.collection)? {
        return Ok(None);
    }
    let rebuilds = prepared.rebuilds + 1;
    let mut rebuilt = Prepared { fence, rebuilds, pause: None, ..prepared.clone() };
    rebuilt.slot.plan = plan;
    if !joining.leaving.is_empty() {
        let leaves = |file: &RoleFile| joining.leaving.contains(&(file.role(), file.version()));
        rebuilt.slot.files.retain(|file| !leaves(file));
        (rebuilt.slot.by, rebuilt.slot.overlap) = Default::default();
        rebuilt.slot.purpose = match rebuilt.slot.files.is_empty() {
            true => Purpose::Refresh,
            false => Purpose::Publish,
        };
    }
    if !joining.files.is_empty() {
        rebuilt.slot.purpose = Purpose::Publish;
        rebuilt.slot.by.extend(joining.by);
    }
    rebuilt.slot.overlap.extend(joining.overlap.keys().map(|(role, keyid)| (role, keyid.clone())));
    let changed = diesel::update(slots::table.find(id.0).filter(slots::fence.eq(prepared.fence)))
        .set(row_of(&rebuilt)?)
        .execute(connection)?;
    if changed == 0 {
        return Ok(None);
    }
    for (role, version) in &joining.leaving {
        let leaving = slot_files::table.find((id.0, role.as_str(), number(version.get())));
        diesel::delete(leaving).execute(connection)?;
    }
    insert_files(connection, id, &joining.files)?;
    note_asked(connection, id, &rebuilt.slot.plan)?;
    rebuilt.slot.files.extend(joining.files);
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
    let overlap: Vec<_> = prepared.slot.overlap.keys().collect();
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
        done_by: (!prepared.slot.by.is_empty()).then(|| prepared.slot.by.join(",")),
        overlap: column("an overlap", serde_json::to_string(&overlap))?,
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
    let overlap: Vec<(OnlineRole, KeyId)> =
        column("an overlap", serde_json::from_str(&row.overlap))?;
    let overlap = overlap.into_iter().collect();
    let by = row.done_by.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
    Ok(Prepared {
        collection: collection.clone(),
        fence: row.fence,
        slot: NewSlot { purpose, files, plan: Plan { snapshot, timestamp }, overlap, by },
        rebuilds: u32::try_from(row.rebuilds).unwrap_or(u32::MAX),
        pause: pause_of(row.reason_code, row.reason, row.retry_at)?,
        prepared_at: time(row.prepared_at)?,
    })
}
