//! What stands under a name: reservations, collections, tombstones, and how one becomes another.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use notary_schema::name::{Gun, Incarnation};
use notary_schema::online::OwnLifetimes;
use notary_schema::wire::{EventKind, RootPin};

use super::dialect::Connection;
use super::events::record;
use super::queries::{column, number, time, version};
use super::rows::{
    CollectionRow, NewCollection, collections, current_files, online_keys, slot_files, slots,
};
use super::{
    Collection, CollectionId, NewPolicy, NewReservation, Reserved, Standing, State, StoreResult,
};

pub(super) fn state_name(state: State) -> &'static str {
    match state {
        State::Reserved => "reserved",
        State::Live => "live",
        State::Deleted => "deleted",
    }
}

pub(super) fn collection_of(row: CollectionRow) -> StoreResult<Collection> {
    let state = match row.state.as_str() {
        "reserved" => State::Reserved,
        "live" => State::Live,
        "deleted" => State::Deleted,
        other => return column("a state", Err(format!("{other:?} is not known"))),
    };
    Ok(Collection {
        id: CollectionId(row.id),
        gun: column("a collection's name", Gun::parse(&row.gun))?,
        incarnation: column("an incarnation", Incarnation::parse(&row.incarnation))?,
        state,
        is_public: row.is_public,
        lifetimes: own_lifetimes(&row.lifetimes)?,
        seq: row.seq.unsigned_abs(),
        changed_at: time(row.changed_at)?,
        deleted_at: row.deleted_at.map(time).transpose()?,
    })
}

pub(super) fn own_lifetimes(text: &str) -> StoreResult<OwnLifetimes> {
    column("lifetimes", serde_json::from_str(text))
}

pub(super) fn standing(connection: &mut Connection, gun: &Gun) -> StoreResult<Standing> {
    let rows: Vec<CollectionRow> = collections::table
        .filter(collections::gun.eq(gun.as_str()))
        .filter(collections::replaced_by.is_null())
        .select(CollectionRow::as_select())
        .load(connection)?;
    let mut standing = Standing::default();
    for row in rows {
        let found = collection_of(row)?;
        match found.state {
            State::Reserved => standing.reservation = Some(found),
            State::Live | State::Deleted => standing.life = Some(found),
        }
    }
    Ok(standing)
}

pub(super) fn is_public(connection: &mut Connection, gun: &Gun) -> StoreResult<bool> {
    let found: i64 = collections::table
        .filter(collections::gun.eq(gun.as_str()))
        .filter(collections::state.ne("reserved"))
        .filter(collections::replaced_by.is_null())
        .filter(collections::is_public)
        .count()
        .get_result(connection)?;
    Ok(found > 0)
}

pub(super) fn newest_root(
    connection: &mut Connection,
    id: CollectionId,
) -> StoreResult<Option<RootPin>> {
    let row: Option<(i64, String)> = current_files::table
        .find((id.0, "root"))
        .select((current_files::version, current_files::sha256))
        .first(connection)
        .optional()?;
    row.map(|(number, sha256)| Ok(RootPin { version: version(number)?, sha256 })).transpose()
}

// ---- reservations

pub(super) fn reserve(
    connection: &mut Connection,
    new: &NewReservation,
    now: DateTime<Utc>,
) -> StoreResult<Reserved> {
    let Standing { life, reservation } = standing(connection, &new.gun)?;
    match life {
        Some(life) if life.state == State::Live => return Ok(Reserved::As(life)),
        Some(tombstone) => {
            let newest = newest_root(connection, tombstone.id)?.map(|root| root.sha256);
            if newest.is_none() || newest != new.replaces {
                return Ok(Reserved::OnTombstone);
            }
        }
        None => {}
    }
    if let Some(taken) = reservation {
        return Ok(Reserved::As(taken));
    }
    let open = collections::table.filter(collections::state.eq("reserved"));
    let of_origin = open.filter(collections::reserved_by.eq(&new.origin));
    let (of_origin, open): (i64, i64) =
        (of_origin.count().get_result(connection)?, open.count().get_result(connection)?);
    for (found, most) in [(of_origin, new.most_of_origin), (open, new.most)] {
        if found >= number(most) {
            return Ok(Reserved::TooMany(most));
        }
    }
    let row = NewCollection {
        id: drawn_id(&new.incarnation),
        gun: new.gun.as_str(),
        incarnation: new.incarnation.as_str(),
        state: state_name(State::Reserved),
        is_public: new.is_public,
        reserved_by: &new.origin,
        reserved_at: now.timestamp(),
        changed_at: now.timestamp(),
    };
    let inserted = diesel::insert_into(collections::table).values(row);
    let row = inserted.returning(CollectionRow::as_returning()).get_result(connection)?;
    collection_of(row).map(Reserved::As)
}

/// An id that no life had before, also none that was dropped: whoever still holds a release of a
/// dropped one must not find it under the next.
fn drawn_id(incarnation: &Incarnation) -> i64 {
    const DIGITS: usize = 12; // 48 bits: exact in every language
    i64::from_str_radix(&incarnation.as_str()[..DIGITS], 16).expect("hexadecimal digits")
}

/// Drops a reservation with all that hangs on it, a refused first release included.
pub(super) fn drop_reservation(connection: &mut Connection, id: CollectionId) -> StoreResult<()> {
    diesel::delete(slot_files::table.filter(slot_files::collection_id.eq(id.0)))
        .execute(connection)?;
    diesel::delete(slots::table.find(id.0)).execute(connection)?;
    diesel::delete(online_keys::table.filter(online_keys::collection_id.eq(id.0)))
        .execute(connection)?;
    diesel::delete(collections::table.find(id.0)).execute(connection)?;
    Ok(())
}

// ---- what administrators do

pub(super) fn set_policy(
    connection: &mut Connection,
    read: &Collection,
    policy: &NewPolicy,
    now: DateTime<Utc>,
) -> StoreResult<Option<Collection>> {
    let life = standing(connection, &read.gun)?.life.filter(|life| life.state == State::Live);
    let Some(life) = life.filter(|life| (life.id, life.seq) == (read.id, read.seq)) else {
        return Ok(None);
    };
    let NewPolicy { is_public, lifetimes, by } = policy;
    if (life.is_public, &life.lifetimes) == (*is_public, lifetimes) {
        return Ok(Some(life));
    }
    let seq = record(connection, life.id, EventKind::Policy, std::slice::from_ref(by), &[], now)?;
    let row = diesel::update(collections::table.find(life.id.0))
        .set((
            collections::is_public.eq(is_public),
            collections::lifetimes.eq(column("lifetimes", serde_json::to_string(lifetimes))?),
            collections::seq.eq(seq),
        ))
        .returning(CollectionRow::as_returning())
        .get_result(connection)?;
    collection_of(row).map(Some)
}

/// The slot of a release stays as it is: what the signer may have signed must not be forgotten.
pub(super) fn bury(
    connection: &mut Connection,
    gun: &Gun,
    by: &str,
    now: DateTime<Utc>,
) -> StoreResult<Option<Standing>> {
    let Standing { life, reservation } = standing(connection, gun)?;
    match (&life, &reservation) {
        (_, Some(reservation)) => drop_reservation(connection, reservation.id)?,
        (Some(live), None) if live.state == State::Live => {
            let seq = record(connection, live.id, EventKind::Delete, &[by.to_owned()], &[], now)?;
            diesel::update(collections::table.find(live.id.0))
                .set((
                    collections::state.eq(state_name(State::Deleted)),
                    collections::deleted_at.eq(Some(now.timestamp())),
                    collections::seq.eq(seq),
                ))
                .execute(connection)?;
        }
        (Some(_), None) => {}
        (None, None) => return Ok(None),
    }
    standing(connection, gun).map(Some)
}

/// A reservation is about to become the collection: the tombstone beside it can only be read by
/// operators from now on.
pub(super) fn replace_tombstone(connection: &mut Connection, next: &Collection) -> StoreResult<()> {
    let tombstone = collections::table
        .filter(collections::gun.eq(next.gun.as_str()))
        .filter(collections::state.eq(state_name(State::Deleted)))
        .filter(collections::replaced_by.is_null());
    diesel::update(tombstone).set(collections::replaced_by.eq(next.id.0)).execute(connection)?;
    Ok(())
}

/// A tombstone is about to be a collection again: the reservation that was to replace it goes.
pub(super) fn drop_replacement(connection: &mut Connection, gun: &Gun) -> StoreResult<()> {
    match standing(connection, gun)?.reservation {
        Some(reservation) => drop_reservation(connection, reservation.id),
        None => Ok(()),
    }
}
