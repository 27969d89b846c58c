//! The life of an online key: pending until it first signs, then active; the one before is retiring
//! from then on, and signs on until an operator retires it. A key and its stand-by are made together,
//! asked for together, and given up together.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::sqlite::SqliteConnection;
use notary_schema::name::{Gun, KeyId};
use notary_schema::wire::{KeyRequest, KeyState, Page, SignerKey};

use crate::backends::{PlacedKey, Spot};
use crate::error::{Failure, Refusal};
use crate::keys::KeyStore;
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
    /// request excepts, or whose stand-by it excepts, is retiring once there is another one; one from
    /// before the rules asked for a stand-by gets one.
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

        let (key, standby) = self.backends.spots(&collection, role);
        let (wanted, by, max) = (owner.clone(), caller.clone(), self.keys_per_collection);
        let standby_in = standby.map(|spot| spot.backend.to_owned());
        let find = move |connection: &mut SqliteConnection| -> Result<_, Failure> {
            let found = current(keys::of_role(connection, &wanted)?, rotate, &except);
            let lacks = |found: &Answered| found.lacks_standby(standby_in.as_deref());
            let more = match &found {
                Some(found) if !lacks(found) => {
                    audit::append(connection, &by, &found.subject(), "existing")?;
                    0
                }
                Some(_) => 1,
                None => 1 + usize::from(standby_in.is_some()),
            };
            match more > 0 && keys::count(connection, &wanted.collection)? + more > max {
                true => Err(Refusal::TooManyKeys { max }.into()),
                false => Ok((found, more)),
            }
        };
        let (held, spots) = match self.database.change(find).await? {
            (Some(found), 0) => return Ok(found.answer()),
            (Some(found), _) => (Some(found.key), vec![standby]),
            (None, _) => (None, vec![Some(key), standby]),
        };
        let spots: Vec<Spot<'_>> = spots.into_iter().flatten().collect();
        let new = self.new_keys(&owner, &spots).await?;
        let insert = move |connection: &mut SqliteConnection| -> Result<_, Failure> {
            let made = insert(connection, &owner, held, &new, caller.at)?;
            let keyids = new.iter().map(|placed| placed.stored.id()).collect();
            let subject = Subject { keyids, ..Subject::of(&owner) };
            audit::append(connection, &caller, &subject, "created")?;
            Ok(made.answer())
        };
        self.database.change(insert).await
    }

    /// Keys in these places, of which the second one is the stand-by's. One that is there already and
    /// is somebody's, or a place of a stand-by that is away, is found before a key is made that nobody
    /// would use: private keys are never deleted.
    async fn new_keys(&self, owner: &Owner, spots: &[Spot<'_>]) -> Result<Vec<PlacedKey>, Failure> {
        let purpose = keys::purpose(owner);
        for standby in spots.iter().skip(1) {
            self.backends.place(standby.backend)?.check().await?;
        }
        let mut attached = Vec::new();
        for spot in spots {
            attached.push(self.backends.attached(*spot, &purpose).await?);
        }
        let (of, looked_at) = (owner.clone(), attached.clone());
        let look = move |connection: &mut SqliteConnection| {
            looked_at.iter().flatten().try_for_each(|placed| require_free(connection, &of, placed))
        };
        self.database.read(look).await?;
        let mut placed = Vec::new();
        for (spot, attached) in spots.iter().zip(attached) {
            placed.push(match attached {
                Some(attached) => attached,
                None => self.backends.create(*spot, &purpose).await?,
            });
        }
        Ok(placed)
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
    /// Whether it has had a stand-by, which may be retired by now: it gets no second one.
    had_standby: bool,
}

impl Answered {
    /// Whether it gets a stand-by in this place: no root names it yet, and it was made before the rules
    /// asked for one.
    fn lacks_standby(&self, place: Option<&str>) -> bool {
        let is_new = self.key.key.state == KeyState::Pending && !self.had_standby;
        is_new && place.is_some_and(|place| place != self.key.backend)
    }

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

/// Adds keys that were made or attached: to the one that is there its stand-by, or a key and its
/// stand-by in the place of those that are pending.
fn insert(
    connection: &mut SqliteConnection,
    owner: &Owner,
    held: Option<HeldKey>,
    new: &[PlacedKey],
    now: DateTime<Utc>,
) -> Result<Answered, Failure> {
    let mut new = new.iter();
    let key = match held {
        Some(held) => held,
        None => {
            key_states::give_up(connection, owner)?;
            let placed = new.next().expect("there is a place for the key");
            add(connection, owner, placed, None, now)?
        }
    };
    let standby = new.next().map(|it| add(connection, owner, it, Some(&key.key.keyid), now));
    let standby = standby.transpose()?;
    Ok(Answered { had_standby: standby.is_some(), key, standby })
}

fn add(
    connection: &mut SqliteConnection,
    owner: &Owner,
    placed: &PlacedKey,
    standby_for: Option<&KeyId>,
    now: DateTime<Utc>,
) -> Result<HeldKey, Failure> {
    require_free(connection, owner, placed)?;
    Ok(keys::insert(connection, owner, placed, standby_for, now)?)
}

/// A key belongs to one role of one life of a collection.
fn require_free(
    connection: &mut SqliteConnection,
    owner: &Owner,
    placed: &PlacedKey,
) -> Result<(), Failure> {
    let Some(taken) = keys::by_id(connection, &placed.stored.id())? else { return Ok(()) };
    let is_own = taken.owner() == *owner;
    let backend = placed.backend.clone();
    Err(Refusal::KeyTaken { keyid: taken.key.keyid, backend, is_own }.into())
}

/// The key that a request for one is answered with; of two active ones the newer.
fn current(held: Vec<HeldKey>, rotate: bool, except: &[KeyId]) -> Option<Answered> {
    let (standbys, keys): (Vec<_>, Vec<_>) =
        held.into_iter().partition(|held| held.key.standby_for.is_some());
    let with_standby = |key: HeldKey| {
        let standby = standbys.iter().find(|held| held.stands_by_for(&key.key.keyid)).cloned();
        Answered { had_standby: standby.is_some(), key, standby }
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
