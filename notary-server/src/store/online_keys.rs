//! The online keys of a collection: what the signer said of them last, and what roots made of them.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use notary_schema::envelope::Envelope;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::online::{OnlineRole, Overlap, Plan, tells_of_lost_root};
use notary_schema::role::Root;
use notary_schema::wire::{KeyState, SignerKey};

use super::dialect::{self, Connection};
use super::queries::{bytes_of, column, number, parse, time, word, written};
use super::rows::{OnlineKeyRow, collections, online_keys};
use super::{CollectionId, OnlineKey, StoreResult, names};

pub(super) fn all(connection: &mut Connection, id: CollectionId) -> StoreResult<Vec<OnlineKey>> {
    let rows: Vec<OnlineKeyRow> = online_keys::table
        .filter(online_keys::collection_id.eq(id.0))
        .select(OnlineKeyRow::as_select())
        .load(connection)?;
    let key = |row: OnlineKeyRow| {
        Ok(OnlineKey {
            role: word(&row.role)?,
            keyid: key_id(&row.keyid)?,
            state: word(&row.state)?,
            taken_away_at: row.taken_away_at.map(time).transpose()?,
            is_found: row.found,
            standby_for: row.standby_for.as_deref().map(key_id).transpose()?,
        })
    };
    rows.into_iter().map(key).collect()
}

fn key_id(text: &str) -> StoreResult<KeyId> {
    column("a key id", KeyId::parse(text))
}

/// Notes that a root has taken these keys away.
pub(super) fn begin_overlap(
    connection: &mut Connection,
    id: CollectionId,
    overlap: &Overlap,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    for (role, keyid) in overlap.keys() {
        let name = role.name();
        let key = online_keys::table.find((id.0, name.as_str(), keyid.as_str()));
        diesel::update(key)
            .set(online_keys::taken_away_at.eq(Some(now.timestamp())))
            .execute(connection)?;
    }
    Ok(())
}

/// Notes that roots are here: those that name keys which had signed before, or one that takes the
/// place of these. A root that is neither is refused.
pub(super) fn note_named<'a>(
    connection: &mut Connection,
    id: CollectionId,
    roots: impl Iterator<Item = &'a Root>,
) -> StoreResult<()> {
    let found = || online_keys::table.filter(online_keys::collection_id.eq(id.0));
    let (mut changed, mut brings_root) = (0, false);
    for root in roots {
        brings_root = true;
        for role in OnlineRole::BOTH {
            let role = role.name();
            let named = root.role_keys(&role).map_or(&[][..], |role| &role.keyids);
            let named: Vec<&str> = named.iter().map(KeyId::as_str).collect();
            let keys = found()
                .filter(online_keys::found.eq(true))
                .filter(online_keys::role.eq(role.as_str()))
                .filter(online_keys::keyid.eq_any(named));
            changed +=
                diesel::update(keys).set(online_keys::found.eq(false)).execute(connection)?;
        }
    }
    if brings_root && changed == 0 {
        diesel::update(found()).set(online_keys::found.eq(false)).execute(connection)?;
    }
    Ok(())
}

/// Notes that these keys tell of a root that is lost, those apart that a root here has taken away and
/// those that nobody has asked to sign: a root may list one of a key and its stand-by.
pub(super) fn note_ahead(
    connection: &mut Connection,
    id: CollectionId,
    ahead: &Overlap,
) -> StoreResult<()> {
    for (role, keyid) in ahead.keys() {
        let role = role.name();
        let key = online_keys::table.find((id.0, role.as_str(), keyid.as_str()));
        let is_asked = online_keys::state.ne(written(&KeyState::Pending)?);
        diesel::update(key.filter(online_keys::taken_away_at.is_null()).filter(is_asked))
            .set(online_keys::found.eq(true))
            .execute(connection)?;
    }
    Ok(())
}

/// Notes that keys are asked to sign, before they are: one that has signed and was not asked tells of
/// a root that this database has lost.
pub(super) fn note_asked(
    connection: &mut Connection,
    id: CollectionId,
    plan: &Plan,
) -> StoreResult<()> {
    let snapshot = plan.snapshot.iter().map(|planned| (OnlineRole::Snapshot, &planned.keyids));
    for (role, keyids) in snapshot.chain([(OnlineRole::Timestamp, &plan.timestamp.keyids)]) {
        let role = role.name();
        let keys = online_keys::table
            .filter(online_keys::collection_id.eq(id.0))
            .filter(online_keys::role.eq(role.as_str()))
            .filter(online_keys::keyid.eq_any(keyids.iter().map(KeyId::as_str)))
            .filter(online_keys::state.eq(written(&KeyState::Pending)?));
        let state = online_keys::state.eq(written(&KeyState::Active)?);
        diesel::update(keys).set(state).execute(connection)?;
    }
    Ok(())
}

pub(super) fn save(
    connection: &mut Connection,
    id: CollectionId,
    keys: &[SignerKey],
) -> StoreResult<bool> {
    let life: i64 = collections::table.find(id.0).count().get_result(connection)?;
    if life == 0 {
        return Ok(false);
    }
    let newest = newest_root(connection, id)?;
    let newest = newest.as_ref().map(|root| root.signed());
    for key in keys {
        let role = key.role.name().as_str().to_owned();
        let known: Option<(String, bool)> = online_keys::table
            .find((id.0, &role, key.keyid.as_str()))
            .select((online_keys::state, online_keys::found))
            .first(connection)
            .optional()?;
        let (state, was_found) = match known {
            Some((state, found)) => (Some(word::<KeyState>(&state)?), found),
            None => (None, false),
        };
        let is_asked = state.is_some_and(|state| state != KeyState::Pending);
        let is_found = was_found
            || key.state == KeyState::Active
                && tells_of_lost_root(key.role, &key.keyid, is_asked, newest);
        let row = OnlineKeyRow {
            collection_id: id.0,
            role,
            keyid: key.keyid.as_str().to_owned(),
            key_object: column("a key", serde_json::to_string(&key.key))?,
            // What the signer said before it was asked to sign comes in late.
            state: match (state, key.state) {
                (Some(KeyState::Active), KeyState::Pending) => written(&KeyState::Active)?,
                (_, said) => written(&said)?,
            },
            taken_away_at: None,
            found: is_found,
            standby_for: key.standby_for.as_ref().map(|keyid| keyid.as_str().to_owned()),
        };
        dialect::save_online_key(connection, &row)?;
    }
    Ok(true)
}

fn newest_root(
    connection: &mut Connection,
    id: CollectionId,
) -> StoreResult<Option<Arc<Envelope<Root>>>> {
    let Some(newest) = names::newest_root(connection, id)? else { return Ok(None) };
    let bytes = bytes_of(connection, id.0, "root", number(newest.version.get()))?;
    parse(&RoleName::ROOT, &bytes).map(Some)
}
