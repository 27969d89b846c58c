//! The commit of a release: one transaction that empties the slot and makes its files current.
//!
//! Like all that ends a slot it is bound to the fence that its author read.

use std::io::Write as _;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use notary_schema::name::RoleName;
use notary_schema::wire::EventKind;

use super::dialect::{self, Connection};
use super::events::record;
use super::files::OutgoingFile;
use super::names::{self, collection_of, state_name};
use super::online_keys::{begin_overlap, note_named};
use super::queries::number;
use super::rows::{CollectionRow, CurrentFileRow, NewFile, collections, files};
use super::{
    Collection, CollectionId, Committed, Prepared, Purpose, State, StoreResult, proposals,
    revocations, slots,
};
use crate::signer_client::Release;

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
    lost: u64,
    now: DateTime<Utc>,
) -> StoreResult<Option<Committed>> {
    // A tombstone that came while the signer was asked stays one, and keeps the slot.
    if !stands(connection, &prepared.collection)? || !slots::delete(connection, prepared)? {
        return Ok(None);
    }
    let before = &prepared.collection;
    let kind = match (before.state, prepared.purpose()) {
        (State::Deleted, _) => EventKind::Undelete,
        (_, Purpose::Publish) => EventKind::Publish,
        (_, Purpose::Refresh) => EventKind::Refresh,
    };
    let brought: Vec<_> = outgoing.iter().map(|outgoing| outgoing.file.event()).collect();
    let seq = record(connection, before.id, kind, &prepared.slot.by, &brought, now)?;
    insert_committed(connection, before.id, seq, outgoing)?;
    begin_overlap(connection, before.id, &prepared.slot.overlap, now)?;
    note_named(connection, before.id, prepared.roots())?;
    proposals::close_published(connection, before.id, prepared.files(), now)?;
    match before.state {
        State::Reserved => names::replace_tombstone(connection, before)?,
        State::Deleted => names::drop_replacement(connection, &before.gun)?,
        State::Live => {}
    }
    let collection = advance(connection, prepared, seq, lost, now)?;
    let revoked = revocations::keys(connection, collection.id)?;
    Ok(Some(Committed { collection, revoked }))
}

/// Whether a collection is still where it was in its life.
fn stands(connection: &mut Connection, collection: &Collection) -> StoreResult<bool> {
    let same: i64 = collections::table
        .find(collection.id.0)
        .filter(collections::state.eq(state_name(collection.state)))
        .count()
        .get_result(connection)?;
    Ok(same == 1)
}

fn insert_committed(
    connection: &mut Connection,
    id: CollectionId,
    seq: i64,
    outgoing: &[Compressed],
) -> StoreResult<()> {
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
    Ok(())
}

/// The collection as the commit leaves it. What administrators change meanwhile stays as they left
/// it.
fn advance(
    connection: &mut Connection,
    prepared: &Prepared,
    seq: i64,
    lost: u64,
    now: DateTime<Utc>,
) -> StoreResult<Collection> {
    let changed_at = match prepared.purpose() {
        Purpose::Publish => now,
        Purpose::Refresh => prepared.collection.changed_at,
    };
    let row = diesel::update(collections::table.find(prepared.collection.id.0))
        .set((
            collections::state.eq(state_name(State::Live)),
            collections::seq.eq(seq),
            collections::changed_at.eq(changed_at.timestamp()),
            collections::deleted_at.eq(None::<i64>),
            collections::lost.eq(number(lost)),
        ))
        .returning(CollectionRow::as_returning())
        .get_result(connection)?;
    collection_of(row)
}
