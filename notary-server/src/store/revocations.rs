//! Revoked keys of collections. They belong to one life of a name: whoever replaces a tombstone
//! begins without any.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use notary_schema::envelope::Envelope;
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::{Root, Targets};
use notary_schema::threshold::RevokedKeys;
use notary_schema::wire::{EventKind, EventRevocation};

use super::dialect::Connection;
use super::events::record_revocation;
use super::names::{collection_of, state_name};
use super::queries::{bytes_of, column, number, time};
use super::rows::{
    CollectionRow, RevocationRow, collections, current_files, files, online_keys, revocations,
};
use super::{Collection, CollectionId, State, StoreResult};

/// How many versions of a role that delegates are searched for a key, the newest ones: a key that
/// was taken out longer ago is sent as a whole.
const SEARCHED_VERSIONS: i64 = 16;

/// A key that is revoked in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The key object with which it was revoked.
    pub key: Key,
    /// Why, in words.
    pub reason: String,
    /// Since when.
    pub at: DateTime<Utc>,
    /// The id of the token with which it was revoked.
    pub by: String,
}

/// Asks for the revocation of a key.
#[derive(Debug)]
pub struct NewRevocation {
    /// The key object.
    pub key: Key,
    /// The public key in it.
    pub public: PublicKey,
    /// Why, in words.
    pub reason: String,
    /// The id of the token with which it is revoked.
    pub by: String,
    /// Most revocations of one collection.
    pub most: u64,
}

/// What became of asking for a revocation.
#[derive(Debug)]
pub enum RevokedKey {
    /// It is revoked from now on; the collection as that left it.
    New(Revocation, Collection),
    /// It was revoked before, under this id or another.
    Before(Revocation),
    /// There are so many already.
    TooMany(u64),
    /// The collection is not served any more.
    Gone,
}

/// The keys that are revoked. Each commit asks for them, so no key object is read for it.
pub(super) fn keys(connection: &mut Connection, id: CollectionId) -> StoreResult<RevokedKeys> {
    let keys: Vec<String> = revocations::table
        .filter(revocations::collection_id.eq(id.0))
        .select(revocations::public_key)
        .load(connection)?;
    let public = |key: String| {
        let der = column("a revoked key", hex::decode(key))?;
        column("a revoked key", PublicKey::from_spki(&der))
    };
    keys.into_iter().map(public).collect()
}

/// At most `limit` revocations after an id, by the ids of the keys.
pub(super) fn list(
    connection: &mut Connection,
    id: CollectionId,
    after: &str,
    limit: u32,
) -> StoreResult<Vec<Revocation>> {
    let rows: Vec<RevocationRow> = revocations::table
        .filter(revocations::collection_id.eq(id.0))
        .filter(revocations::keyid.gt(after))
        .order(revocations::keyid.asc())
        .limit(i64::from(limit))
        .select(RevocationRow::as_select())
        .load(connection)?;
    rows.into_iter().map(revocation_of).collect()
}

/// Revokes a key, unless it is revoked already or there are too many.
pub(super) fn revoke(
    connection: &mut Connection,
    id: CollectionId,
    new: NewRevocation,
    now: DateTime<Utc>,
) -> StoreResult<RevokedKey> {
    let of_collection = revocations::table.filter(revocations::collection_id.eq(id.0));
    let public_key = hex::encode(new.public.to_spki());
    let before: Option<RevocationRow> = of_collection
        .filter(revocations::public_key.eq(&public_key))
        .select(RevocationRow::as_select())
        .first(connection)
        .optional()?;
    if let Some(before) = before {
        return revocation_of(before).map(RevokedKey::Before);
    }
    let count: i64 = of_collection.count().get_result(connection)?;
    if count >= number(new.most) {
        return Ok(RevokedKey::TooMany(new.most));
    }
    let row = RevocationRow {
        collection_id: id.0,
        public_key,
        keyid: new.key.id().to_string(),
        key_object: column("a key", serde_json::to_string(&new.key))?,
        reason: new.reason,
        created_at: now.timestamp(),
        created_by: new.by,
    };
    let Some(collection) = commit(connection, id, (EventKind::Revoke, &row), &row.created_by, now)?
    else {
        return Ok(RevokedKey::Gone);
    };
    diesel::insert_into(revocations::table).values(row.clone()).execute(connection)?;
    Ok(RevokedKey::New(revocation_of(row)?, collection))
}

/// Takes a revocation back; `None` where there is none, or the collection is not served any more.
pub(super) fn unrevoke(
    connection: &mut Connection,
    id: CollectionId,
    keyid: &KeyId,
    by: &str,
    now: DateTime<Utc>,
) -> StoreResult<Option<Collection>> {
    let row: Option<RevocationRow> = revocations::table
        .filter(revocations::collection_id.eq(id.0))
        .filter(revocations::keyid.eq(keyid.as_str()))
        .select(RevocationRow::as_select())
        .first(connection)
        .optional()?;
    let Some(row) = row else { return Ok(None) };
    let collection = commit(connection, id, (EventKind::Unrevoke, &row), by, now)?;
    if collection.is_some() {
        diesel::delete(revocations::table.find((id.0, &row.public_key))).execute(connection)?;
    }
    Ok(collection)
}

/// Notes what becomes of a key as a commit of its own: what was judged before is judged again. The
/// collection after it; `None` where it is not served any more.
fn commit(
    connection: &mut Connection,
    id: CollectionId,
    (kind, row): (EventKind, &RevocationRow),
    by: &str,
    now: DateTime<Utc>,
) -> StoreResult<Option<Collection>> {
    let live = collections::table
        .find(id.0)
        .filter(collections::state.eq(state_name(State::Live)))
        .count()
        .get_result::<i64>(connection)?;
    if live == 0 {
        return Ok(None);
    }
    let keyid = column("a key id", KeyId::parse(&row.keyid))?;
    let told = EventRevocation { keyid, reason: row.reason.clone() };
    let seq = record_revocation(connection, id, (kind, &told), by, now)?;
    let row = diesel::update(collections::table.find(id.0))
        .set(collections::seq.eq(seq))
        .returning(CollectionRow::as_returning())
        .get_result(connection)?;
    collection_of(row).map(Some)
}

fn revocation_of(row: RevocationRow) -> StoreResult<Revocation> {
    Ok(Revocation {
        key: parse_key(&row.key_object)?,
        reason: row.reason,
        at: time(row.created_at)?,
        by: row.created_by,
    })
}

fn parse_key(object: &str) -> StoreResult<Key> {
    column("a key", serde_json::from_str(object))
}

// ---- keys by their ids

/// The key of an id, where it is one of the signer's for this collection, or any root has it, or a
/// role that delegates in one of its newest versions. An id that is not the hash of its key says
/// nothing.
pub(super) fn find_key(
    connection: &mut Connection,
    id: CollectionId,
    keyid: &KeyId,
) -> StoreResult<Option<Key>> {
    let online: Option<String> = online_keys::table
        .filter(online_keys::collection_id.eq(id.0))
        .filter(online_keys::keyid.eq(keyid.as_str()))
        .select(online_keys::key_object)
        .first(connection)
        .optional()?;
    if let Some(object) = online {
        return parse_key(&object).map(Some);
    }
    let roles: Vec<String> = current_files::table
        .filter(current_files::collection_id.eq(id.0))
        .filter(current_files::delegates.or(current_files::role.eq_any(["root", "targets"])))
        .order(current_files::role.asc())
        .select(current_files::role)
        .load(connection)?;
    for role in roles {
        let most = if role == RoleName::ROOT.as_str() { i64::MAX } else { SEARCHED_VERSIONS };
        let versions: Vec<i64> = files::table
            .filter(files::collection_id.eq(id.0))
            .filter(files::role.eq(&role))
            .order(files::version.desc())
            .limit(most)
            .select(files::version)
            .load(connection)?;
        for version in versions {
            let bytes = bytes_of(connection, id.0, &role, version)?;
            if let Some(key) = key_in(&role, bytes, keyid) {
                return Ok(Some(key));
            }
        }
    }
    Ok(None)
}

/// The key of an id in a file. Most files do not have it, so they are not read to the end.
fn key_in(role: &str, bytes: Vec<u8>, keyid: &KeyId) -> Option<Key> {
    let id = keyid.as_str().as_bytes();
    if id.is_empty() || !bytes.windows(id.len()).any(|part| part == id) {
        return None;
    }
    let key = match role == RoleName::ROOT.as_str() {
        true => Envelope::<Root>::parse(bytes).ok()?.signed().keys.get(keyid).cloned(),
        false => {
            let file = Envelope::<Targets>::parse(bytes).ok()?;
            file.signed().delegations.as_ref()?.keys.get(keyid).cloned()
        }
    };
    key.filter(|key| key.id() == keyid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a foreign repository may name its keys.
    #[test]
    fn an_id_that_is_not_the_hash_of_its_key_leads_to_no_key() {
        let object = r#"{"keytype":"ed25519","keyval":{"public":"KEY"},"scheme":"ed25519"}"#;
        let object = object.replace("KEY", &"5a".repeat(32));
        let key: Key = serde_json::from_str(&object).unwrap();
        let other = "0".repeat(64);
        let file = |id: &str| {
            let delegations = format!(r#"{{"keys":{{"{id}":{object}}},"roles":[]}}"#);
            format!(
                r#"{{"signatures":[],"signed":{{"_type":"targets","delegations":{delegations},
                "expires":"2030-01-31T12:00:00Z","spec_version":"1.0.31","targets":{{}},"version":1}}}}"#
            )
        };
        let found = |id: &str| key_in("targets", file(id).into(), &KeyId::parse(id).unwrap());
        assert_eq!(found(key.id().as_str()), Some(key.clone()));
        assert_eq!(found(&other), None);
    }
}
