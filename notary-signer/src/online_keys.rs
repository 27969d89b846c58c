//! The life of an online key: pending until it first signs, then active; the one before is retiring
//! from then on, and signs on until an operator retires it.

use std::sync::Arc;

use diesel::sqlite::SqliteConnection;
use notary_schema::name::{Gun, KeyId};
use notary_schema::wire::{KeyRequest, KeyState, Page, SignerKey};

use crate::error::{Failure, Refusal};
use crate::sign::Signer;
use crate::store::audit::{self, Caller, Subject};
use crate::store::key_states;
use crate::store::keys::{self, HeldKey};
use crate::store::{Collection, Owner, StoreError};

/// Most keys of one page.
pub(crate) const MAX_PAGE: usize = 1_000;

impl Signer {
    /// The key of a role: without `rotate` the active one, or the pending one where none is
    /// active; with `rotate` the pending one. It is made where there is none, so that repeating
    /// the request answers the same key until that has signed. A pending key that the request excepts
    /// is retiring once there is another one.
    ///
    /// The future must be run to its end, as that of [`Signer::sign`].
    pub(crate) async fn online_key(
        self: Arc<Self>,
        caller: Caller,
        request: KeyRequest,
    ) -> Result<SignerKey, Failure> {
        let KeyRequest { collection, incarnation, role, rotate, except } = request;
        let owner = Owner::new(&collection, &incarnation, role);
        let _turn = self.turns.take(&owner.collection).await;

        let (wanted, by, max) = (owner.clone(), caller.clone(), self.keys_per_collection);
        let passed_over = except.clone();
        let find = move |connection: &mut SqliteConnection| -> Result<_, Failure> {
            let found = current(keys::of_role(connection, &wanted)?, rotate, &passed_over);
            match &found {
                Some(held) => audit::append(connection, &by, &Subject::of_key(held), "existing")?,
                None if keys::count(connection, &wanted.collection)? < max => {}
                None => return Err(Refusal::TooManyKeys { max }.into()),
            }
            Ok(found)
        };
        if let Some(held) = self.database.change(find).await? {
            return Ok(held.key);
        }
        let (backend, stored) =
            self.backends.new_key(&collection, role, &keys::purpose(&owner)).await?;
        let backend = backend.to_owned();
        let insert = move |connection: &mut SqliteConnection| -> Result<_, Failure> {
            if let Some(taken) = keys::by_id(connection, &stored.id())? {
                return Err(Refusal::KeyTaken { keyid: taken.key.keyid, backend }.into());
            }
            key_states::give_up(connection, &owner, &except)?;
            let held = keys::insert(connection, &owner, &backend, stored, caller.at)?;
            audit::append(connection, &caller, &Subject::of_key(&held), "created")?;
            Ok(held.key)
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
            Ok(keys::by_id(connection, &keyid)?.ok_or_else(unknown)?.key)
        };
        self.database.change(retire).await
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

/// The key that a request for one is answered with; of two active ones the newer.
fn current(held: Vec<HeldKey>, rotate: bool, except: &[KeyId]) -> Option<HeldKey> {
    let of = |state| held.iter().filter(move |held| held.key.state == state);
    let active = of(KeyState::Active).next_back().filter(|_| !rotate);
    let mut pending = of(KeyState::Pending).filter(|held| !except.contains(&held.key.keyid));
    active.or_else(|| pending.next_back()).cloned()
}
