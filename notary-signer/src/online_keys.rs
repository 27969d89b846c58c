//! The life of an online key: pending until it first signs, then active; the one before is retiring
//! from then on, and signs on until an operator retires it. A key and its stand-by are made together,
//! asked for together, and given up together.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::sqlite::SqliteConnection;
use notary_schema::name::{Gun, KeyId};
use notary_schema::wire::{KeyRequest, KeyState, Page, SignerKey};

use crate::backends::PlacedKey;
use crate::error::{Failure, Refusal};
use crate::sign::Signer;
use crate::store::audit::{self, Caller, Subject};
use crate::store::key_states;
use crate::store::keys::{self, HeldKey};
use crate::store::{Collection, Owner, StoreError};

/// Most keys of one page.
pub(crate) const MAX_PAGE: usize = 1_000;

impl Signer {
    /// The key of a role, with its stand-by where it has one: without `rotate` the active one, or the
    /// pending one where none is active; with `rotate` the pending one. It is made where there is none, so
    /// that repeating the request answers the same key until that has signed. A pending key that the
    /// request excepts, or whose stand-by it excepts, is retiring once there is another one.
    ///
    /// The future must be run to its end, as that of [`Signer::sign`].
    pub(crate) async fn online_key(
        self: Arc<Self>,
        caller: Caller,
        request: KeyRequest,
    ) -> Result<SignerKey, Failure> {
        let KeyRequest { collection, incarnation, role, rotate, except } = request;
        let owner = Owner::new(&collection, &incarnation, role);
        let _turn = self.turns.take(&owner.collection).await?;

        let (wanted, by, max) = (owner.clone(), caller.clone(), self.keys_per_collection);
        let more = self.backends.keys_at_once(&collection, role);
        let find = move |connection: &mut SqliteConnection| -> Result<_, Failure> {
            let found = current(keys::of_role(connection, &wanted)?, rotate, &except);
            match &found {
                Some(held) => audit::append(connection, &by, &held.subject(), "existing")?,
                None if keys::count(connection, &wanted.collection)? + more <= max => {}
                None => return Err(Refusal::TooManyKeys { max }.into()),
            }
            Ok(found)
        };
        if let Some(held) = self.database.change(find).await? {
            return Ok(held.answer());
        }
        let new = self.backends.new_keys(&collection, role, &keys::purpose(&owner)).await?;
        let insert = move |connection: &mut SqliteConnection| -> Result<_, Failure> {
            key_states::give_up(connection, &owner)?;
            let key = insert(connection, &owner, &new.key, None, caller.at)?;
            let standby = new.standby.as_ref().map(|standby| {
                insert(connection, &owner, standby, Some(&key.key.keyid), caller.at)
            });
            let made = Answered { standby: standby.transpose()?, key };
            audit::append(connection, &caller, &made.subject(), "created")?;
            Ok(made.answer())
        };
        self.database.change(insert).await
    }

    /// Lets a key sign nothing any more, where `may` allows it in the key's collection. A key that is
    /// retired already stays so.
    ///
    /// The future must be run to its end, as that of [`Signer::sign`].
    pub(crate) async fn retire(
        self: Arc<Self>,
        caller: Caller,
        keyid: KeyId,
        may: impl FnOnce(&Gun) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<SignerKey, Failure> {
        let retire = move |connection: &mut SqliteConnection| -> Result<_, Failure> {
            let unknown = || Refusal::NoSuchKey(keyid.clone());
            let held = keys::by_id(connection, &keyid)?.ok_or_else(unknown)?;
            may(&held.key.collection)?;
            let changed = key_states::retire(connection, &keyid)?;
            let outcome = if changed { "changed" } else { "repeated" };
            audit::append(connection, &caller, &Subject::of_key(&held), outcome)?;
            Ok(keys::by_id(connection, &keyid)?.ok_or_else(unknown)?)
        };
        let held = self.database.change(retire).await?;
        // It is not even asked for a signature that the record would refuse.
        self.held.invalidate(&held.owner());
        Ok(held.key)
    }

    /// A page of the keys of a collection, retired ones included.
    pub(crate) async fn online_keys(
        &self,
        caller: Caller,
        collection: Collection,
        after: Option<KeyId>,
        limit: usize,
    ) -> Result<Page<SignerKey>, Failure> {
        let limit = limit.clamp(1, MAX_PAGE);
        let read = move |connection: &mut SqliteConnection| -> Result<_, StoreError> {
            let mut held = keys::page(connection, &collection, after.as_ref(), limit + 1)?;
            let more = held.len() > limit;
            held.truncate(limit);
            let subject = Subject { collection: Some(collection), ..Subject::default() };
            audit::append(connection, &caller, &subject, "answered")?;
            Ok((held, more))
        };
        let (held, more) = self.database.change(read).await?;
        let items: Vec<SignerKey> = held.into_iter().map(|held| held.key).collect();
        let next = items.last().filter(|_| more).map(|last| last.keyid.to_string());
        Ok(Page { items, next })
    }
}

/// A key that a request for one is answered with, and its stand-by.
#[derive(Debug, Clone)]
struct Answered {
    key: HeldKey,
    standby: Option<HeldKey>,
}

impl Answered {
    fn both(&self) -> impl Iterator<Item = &HeldKey> {
        [&self.key].into_iter().chain(&self.standby)
    }

    fn subject(&self) -> Subject {
        let keyids = self.both().map(|held| held.key.keyid.clone()).collect();
        Subject { keyids, ..Subject::of(&self.key.owner()) }
    }

    fn answer(self) -> SignerKey {
        let standby = self.standby.map(|held| Box::new(held.key));
        SignerKey { standby, ..self.key.key }
    }
}

/// Adds a key that was made or attached.
fn insert(
    connection: &mut SqliteConnection,
    owner: &Owner,
    placed: &PlacedKey,
    standby_for: Option<&KeyId>,
    now: DateTime<Utc>,
) -> Result<HeldKey, Failure> {
    if let Some(taken) = keys::by_id(connection, &placed.stored.id())? {
        let backend = placed.backend.clone();
        return Err(Refusal::KeyTaken { keyid: taken.key.keyid, backend }.into());
    }
    Ok(keys::insert(connection, owner, placed, standby_for, now)?)
}

/// The key that a request for one is answered with; of two active ones the newer.
fn current(held: Vec<HeldKey>, rotate: bool, except: &[KeyId]) -> Option<Answered> {
    let (standbys, keys): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|held| held.key.standby_for.is_some());
    let with_standby = |key: HeldKey| {
        let standby = standbys.iter().find(|held| held.stands_by_for(&key.key.keyid)).cloned();
        Answered { key, standby }
    };
    let all: Vec<Answered> = keys.into_iter().map(with_standby).collect();
    // A root may name the stand-by alone.
    let is_active = |one: &&Answered| match one.key.key.state {
        KeyState::Active => true,
        KeyState::Pending => one.both().any(|held| held.key.state == KeyState::Active),
        KeyState::Retiring | KeyState::Retired => false,
    };
    let is_new = |one: &&Answered| {
        one.both()
            .all(|held| held.key.state == KeyState::Pending && !except.contains(&held.key.keyid))
    };
    let active = all.iter().rfind(is_active).filter(|_| !rotate);
    let mut found = active.or_else(|| all.iter().rfind(is_new)).cloned()?;
    found.standby = found.standby.filter(|held| held.key.state != KeyState::Retired);
    Some(found)
}
