//! Online keys: rows of public key, handle and state. No row is ever deleted.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::{Gun, Incarnation, KeyId};
use notary_schema::wire::{KeyState, SignerKey};

use super::tables::{
    memory, online_keys, role_of, role_text, state_of, state_text, time_of, time_text,
};
use super::{Collection, Owner, StoreError};
use crate::backends::PlacedKey;
use crate::keys::{KeyHandle, StoredKey};

/// A key that the signer holds, with the way to its private part.
#[derive(Debug, Clone)]
pub(crate) struct HeldKey {
    /// What the world may know.
    pub(crate) key: SignerKey,
    /// The public key and the handle of the private one.
    pub(crate) stored: StoredKey,
    /// The place of the private one, by its name in the configuration.
    pub(crate) backend: String,
}

impl HeldKey {
    /// Whether it stands by for this key.
    pub(crate) fn stands_by_for(&self, keyid: &KeyId) -> bool {
        self.key.standby_for.as_ref() == Some(keyid)
    }

    /// What the key belongs to.
    pub(crate) fn owner(&self) -> Owner {
        let SignerKey { collection, incarnation, role, .. } = &self.key;
        Owner::new(collection, incarnation, *role)
    }
}

/// What a key is for, in words. The software store binds a key to it, so that a handle which was copied to
/// the row of another collection or role does not open. Other places have it as a label at most: what a
/// copied handle signs there does not verify with the public key of the row.
pub(crate) fn purpose(owner: &Owner) -> String {
    let Owner { collection, role } = owner;
    format!("{} {} {}", collection.gun, collection.incarnation, role_text(*role))
}

/// Adds a pending key, as a stand-by where it is to stand by for another one.
pub(crate) fn insert(
    connection: &mut SqliteConnection,
    owner: &Owner,
    placed: &PlacedKey,
    standby_for: Option<&KeyId>,
    now: DateTime<Utc>,
) -> Result<HeldKey, StoreError> {
    let PlacedKey { backend, stored } = placed;
    let keyid = stored.id();
    diesel::insert_into(online_keys::table)
        .values((
            online_keys::keyid.eq(keyid.as_str()),
            online_keys::collection.eq(owner.collection.gun.as_str()),
            online_keys::incarnation.eq(owner.collection.incarnation.as_str()),
            online_keys::role.eq(role_text(owner.role)),
            online_keys::state.eq(state_text(KeyState::Pending)),
            online_keys::public_key.eq(stored.public.to_spki()),
            online_keys::backend.eq(backend),
            online_keys::standby_for.eq(standby_for.map(KeyId::as_str)),
            online_keys::handle.eq(&stored.handle.opaque),
            online_keys::created_at.eq(time_text(now)),
        ))
        .execute(connection)?;
    by_id(connection, &keyid)?.ok_or_else(|| StoreError::damaged("keyid", keyid))
}

/// Changes how a store finds a key again, which stays the same key.
pub(crate) fn seal_anew(
    connection: &mut SqliteConnection,
    keyid: &KeyId,
    handle: &KeyHandle,
) -> Result<(), StoreError> {
    diesel::update(online_keys::table.filter(online_keys::keyid.eq(keyid.as_str())))
        .set(online_keys::handle.eq(&handle.opaque))
        .execute(connection)?;
    Ok(())
}

/// The keys of one role, oldest first.
pub(crate) fn of_role(
    connection: &mut SqliteConnection,
    owner: &Owner,
) -> Result<Vec<HeldKey>, StoreError> {
    let rows: Vec<Row> = online_keys::table
        .filter(online_keys::collection.eq(owner.collection.gun.as_str()))
        .filter(online_keys::incarnation.eq(owner.collection.incarnation.as_str()))
        .filter(online_keys::role.eq(role_text(owner.role)))
        .order(online_keys::seq)
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(Row::read).collect()
}

/// At most `limit` keys of a collection in the order of their ids, from after a key id on.
pub(crate) fn page(
    connection: &mut SqliteConnection,
    collection: &Collection,
    after: Option<&KeyId>,
    limit: usize,
) -> Result<Vec<HeldKey>, StoreError> {
    let rows: Vec<Row> = online_keys::table
        .filter(online_keys::collection.eq(collection.gun.as_str()))
        .filter(online_keys::incarnation.eq(collection.incarnation.as_str()))
        .filter(online_keys::keyid.gt(after.map_or("", KeyId::as_str)))
        .order(online_keys::keyid)
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(Row::read).collect()
}

/// How many keys a collection has, in whatever state.
pub(crate) fn count(
    connection: &mut SqliteConnection,
    collection: &Collection,
) -> Result<usize, StoreError> {
    let number: i64 = online_keys::table
        .filter(online_keys::collection.eq(collection.gun.as_str()))
        .filter(online_keys::incarnation.eq(collection.incarnation.as_str()))
        .count()
        .get_result(connection)?;
    usize::try_from(number).map_err(|_| StoreError::damaged("count", number))
}

/// The lives of a collection that have a key or a memory.
pub(crate) fn lives(
    connection: &mut SqliteConnection,
    gun: &Gun,
) -> Result<Vec<Incarnation>, StoreError> {
    let keys = online_keys::table
        .filter(online_keys::collection.eq(gun.as_str()))
        .select(online_keys::incarnation);
    let remembered =
        memory::table.filter(memory::collection.eq(gun.as_str())).select(memory::incarnation);
    let lives: Vec<String> = keys.union(remembered).load(connection)?;
    let parse = |life: String| {
        Incarnation::parse(&life).map_err(|_| StoreError::damaged("incarnation", &life))
    };
    lives.into_iter().map(parse).collect()
}

/// Every key of the signer, oldest first.
pub(crate) fn all(connection: &mut SqliteConnection) -> Result<Vec<HeldKey>, StoreError> {
    let rows: Vec<Row> =
        online_keys::table.order(online_keys::seq).select(Row::as_select()).load(connection)?;
    rows.into_iter().map(Row::read).collect()
}

/// One key.
pub(crate) fn by_id(
    connection: &mut SqliteConnection,
    keyid: &KeyId,
) -> Result<Option<HeldKey>, StoreError> {
    let row: Option<Row> = online_keys::table
        .filter(online_keys::keyid.eq(keyid.as_str()))
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    row.map(Row::read).transpose()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = online_keys)]
struct Row {
    keyid: String,
    collection: String,
    incarnation: String,
    role: String,
    state: String,
    public_key: Vec<u8>,
    handle: Vec<u8>,
    created_at: String,
    backend: String,
    standby_for: Option<String>,
}

impl Row {
    fn read(self) -> Result<HeldKey, StoreError> {
        let gun = Gun::parse(&self.collection);
        let gun = gun.map_err(|_| StoreError::damaged("collection", &self.collection))?;
        let incarnation = Incarnation::parse(&self.incarnation);
        let incarnation =
            incarnation.map_err(|_| StoreError::damaged("incarnation", &self.incarnation))?;
        let role = role_of(&self.role)?;
        let owner = Owner::new(&gun, &incarnation, role);
        let public = PublicKey::from_spki(&self.public_key)
            .map_err(|_| StoreError::damaged("public_key", &self.keyid))?;
        let key = Key::new(public.clone());
        if key.id().as_str() != self.keyid {
            return Err(StoreError::damaged("keyid", &self.keyid));
        }
        let standby_for = self.standby_for.map(|text| match KeyId::parse(&text) {
            Ok(keyid) => Ok(keyid),
            Err(_) => Err(StoreError::damaged("standby_for", text)),
        });
        let handle = KeyHandle { purpose: purpose(&owner), opaque: self.handle };
        Ok(HeldKey {
            key: SignerKey {
                keyid: key.id().clone(),
                key,
                collection: gun,
                incarnation,
                role,
                state: state_of(&self.state)?,
                created_at: time_of(&self.created_at)?,
                standby_for: standby_for.transpose()?,
                standby: None,
            },
            stored: StoredKey { public, handle },
            backend: self.backend,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use notary_schema::online::OnlineRole;

    use super::super::key_states;
    use super::super::tests::{Scratch, owner, scratch};
    use super::*;
    use crate::keys::Algorithm;
    use crate::keys::private::PrivateKey;

    pub(crate) const ROLE: OnlineRole = OnlineRole::Snapshot;

    /// Adds a key with a handle that no store would open: no rule here looks into it.
    pub(crate) fn add(scratch: &Scratch, role: OnlineRole) -> KeyId {
        add_standby(scratch, role, None)
    }

    pub(crate) fn add_standby(scratch: &Scratch, role: OnlineRole, of: Option<&KeyId>) -> KeyId {
        let public = PrivateKey::generate(Algorithm::Ed25519).unwrap().public().clone();
        let owner = owner("acme/app", role);
        let handle = KeyHandle { purpose: purpose(&owner), opaque: vec![1] };
        let stored = StoredKey { public, handle };
        let placed = PlacedKey { backend: "software".to_owned(), stored };
        let insert = |connection: &mut SqliteConnection| {
            insert(connection, &owner, &placed, of, DateTime::UNIX_EPOCH)
        };
        scratch.database.transaction(insert).unwrap().key.keyid
    }

    /// Whether these keys may have been named by one request that is recorded now.
    pub(crate) fn sign_with(scratch: &Scratch, keyids: &[&KeyId]) -> bool {
        let keyids: Vec<KeyId> = keyids.iter().copied().cloned().collect();
        let named = |connection: &mut SqliteConnection| {
            key_states::have_signed(connection, &owner("acme/app", ROLE), &keyids)
        };
        scratch.database.transaction(named).unwrap().is_none()
    }

    pub(crate) fn held(scratch: &Scratch, keyid: &KeyId) -> HeldKey {
        scratch.database.transaction(|connection| by_id(connection, keyid)).unwrap().unwrap()
    }

    #[test]
    #[should_panic(expected = "UNIQUE")]
    fn there_is_one_pending_key_at_most() {
        let scratch = scratch();
        add(&scratch, ROLE);
        add(&scratch, ROLE);
    }

    #[test]
    #[should_panic(expected = "UNIQUE")]
    fn a_key_has_one_standby_at_most() {
        let scratch = scratch();
        let key = add(&scratch, ROLE);
        let first = add_standby(&scratch, ROLE, Some(&key));
        assert_eq!(held(&scratch, &first).key.standby_for, Some(key.clone()));
        assert!(sign_with(&scratch, &[&key, &first]), "no second pending one is in the way");
        add_standby(&scratch, ROLE, Some(&key));
    }

    #[test]
    fn no_key_can_be_deleted() {
        let scratch = scratch();
        let key = add(&scratch, ROLE);
        let delete = |connection: &mut SqliteConnection| -> Result<usize, StoreError> {
            Ok(diesel::delete(online_keys::table).execute(connection)?)
        };
        let refused = scratch.database.transaction(delete).unwrap_err();
        assert!(refused.to_string().contains("never deleted"), "{refused}");
        assert_eq!(held(&scratch, &key).key.keyid, key);
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let scratch = scratch();
        for _ in 0..5 {
            let key = add(&scratch, ROLE);
            assert!(sign_with(&scratch, &[&key]));
        }
        let mut seen: Vec<KeyId> = Vec::new();
        loop {
            let after = seen.last().cloned();
            let page = scratch.database.transaction(move |connection| {
                page(connection, &owner("acme/app", ROLE).collection, after.as_ref(), 2)
            });
            let page = page.unwrap();
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 2);
            seen.extend(page.into_iter().map(|held| held.key.keyid));
        }
        assert_eq!(seen.len(), 5);
        assert!(seen.is_sorted());
    }
}
