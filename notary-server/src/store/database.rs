//! [`Store`] over SQL: what is asked of the tables, each with the connection that it needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::{Glob, Gun, KeyId, RoleName, Version};
use notary_schema::online::{Lifetimes, Overlap, Plan};
use notary_schema::publish::Head;
use notary_schema::role::Targets;
use notary_schema::wire::{CollectionSummary, RootPin, SignerKey};

use super::connections::Database;
use super::{
    Claim, Collection, CollectionId, Committed, EventQuery, Events, FileBytes, Incomplete, Joining,
    NewFeed, NewPolicy, NewProposal, NewReservation, NewRevocation, NewSlot, OnlineKey, Pause,
    Prepared, Proposal, Proposed, ProposedFile, ProposedSignature, Reserved, Revocation, Revoked,
    RevokedKey, Standing, State, Store, StoreError, StoreResult, Token, Unfinished, commit,
    dialect, events, names, online_keys, proposals, queries, revocations, slots, tokens,
};
use crate::grant::Grant;
use crate::panics::blocking;
use crate::signer_client::Release;

#[async_trait]
impl Store for Database {
    async fn ping(&self) -> StoreResult<()> {
        self.read(dialect::require_current).await
    }

    async fn standing(&self, gun: &Gun) -> StoreResult<Standing> {
        let gun = gun.clone();
        self.read(move |connection| names::standing(connection, &gun)).await
    }

    async fn newest_root(&self, id: CollectionId) -> StoreResult<Option<RootPin>> {
        self.read(move |connection| names::newest_root(connection, id)).await
    }

    async fn reserve(&self, new: NewReservation, now: DateTime<Utc>) -> StoreResult<Reserved> {
        self.write(move |connection| names::reserve(connection, &new, now)).await
    }

    async fn set_policy(
        &self,
        read: &Collection,
        policy: NewPolicy,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Collection>> {
        let read = read.clone();
        self.write(move |connection| names::set_policy(connection, &read, &policy, now)).await
    }

    async fn bury(&self, gun: &Gun, by: &str, now: DateTime<Utc>) -> StoreResult<Option<Standing>> {
        let (gun, by) = (gun.clone(), by.to_owned());
        self.write(move |connection| names::bury(connection, &gun, &by, now)).await
    }

    async fn events(&self, query: EventQuery) -> StoreResult<Events> {
        self.read(move |connection| events::page(connection, &query)).await
    }

    async fn is_public(&self, gun: &Gun) -> StoreResult<bool> {
        let gun = gun.clone();
        self.read(move |connection| names::is_public(connection, &gun)).await
    }

    async fn collections(
        &self,
        readable: Option<&Glob>,
        after: Option<&Gun>,
        limit: u32,
    ) -> StoreResult<Vec<CollectionSummary>> {
        let (readable, after) = (readable.cloned(), after.cloned());
        self.read(move |connection| {
            queries::summaries(connection, readable.as_ref(), after.as_ref(), limit)
        })
        .await
    }

    async fn due(&self, lifetimes: Lifetimes, now: DateTime<Utc>) -> StoreResult<Vec<Gun>> {
        self.read(move |connection| queries::due(connection, &lifetimes, now)).await
    }

    async fn lives(&self) -> StoreResult<Vec<(Collection, Version, Version)>> {
        self.read(queries::lives).await
    }

    async fn incomplete(&self) -> StoreResult<Vec<Incomplete>> {
        self.read(queries::incomplete).await
    }

    async fn load_head(&self, gun: &Gun, state: State) -> StoreResult<Option<(Collection, Head)>> {
        let gun = gun.clone();
        self.read(move |connection| queries::load_head(connection, &gun, state)).await
    }

    async fn load_files(
        &self,
        id: CollectionId,
        versions: Vec<(RoleName, Version)>,
    ) -> StoreResult<Vec<(RoleName, Arc<Envelope<Targets>>)>> {
        self.read(move |connection| {
            let mut files = Vec::with_capacity(versions.len());
            for (role, version) in versions {
                let version = queries::number(version.get());
                let bytes = queries::bytes_of(connection, id.0, role.as_str(), version)?;
                files.push((role.clone(), queries::parse(&role, &bytes)?));
            }
            Ok(files)
        })
        .await
    }

    async fn file(
        &self,
        id: CollectionId,
        role: &RoleName,
        version: Version,
    ) -> StoreResult<Option<FileBytes>> {
        let role = role.clone();
        self.read(move |connection| queries::file(connection, id, &role, version)).await
    }

    async fn sha256s(
        &self,
        id: CollectionId,
        versions: Vec<(RoleName, Version)>,
    ) -> StoreResult<BTreeMap<(RoleName, Version), String>> {
        self.read(move |connection| queries::sha256s(connection, id, versions)).await
    }

    async fn free_version(
        &self,
        id: CollectionId,
        role: &RoleName,
        from: Version,
    ) -> StoreResult<Version> {
        let role = role.clone();
        self.read(move |connection| queries::free_version(connection, id, &role, from)).await
    }

    async fn online_keys(&self, id: CollectionId) -> StoreResult<Vec<OnlineKey>> {
        self.read(move |connection| online_keys::all(connection, id)).await
    }

    async fn note_ahead(&self, id: CollectionId, ahead: &Overlap) -> StoreResult<()> {
        let ahead = ahead.clone();
        self.write(move |connection| online_keys::note_ahead(connection, id, &ahead)).await
    }

    async fn save_online_keys(&self, id: CollectionId, keys: &[SignerKey]) -> StoreResult<bool> {
        let keys = keys.to_vec();
        self.write(move |connection| online_keys::save(connection, id, &keys)).await
    }

    async fn prepare(
        &self,
        collection: &Collection,
        slot: NewSlot,
        now: DateTime<Utc>,
    ) -> StoreResult<Claim> {
        let collection = collection.clone();
        self.write(move |connection| slots::prepare(connection, &collection, slot, now)).await
    }

    async fn slot(&self, collection: &Collection) -> StoreResult<Option<Prepared>> {
        let collection = collection.clone();
        self.read(move |connection| slots::slot(connection, &collection)).await
    }

    async fn slots(&self) -> StoreResult<Vec<Unfinished>> {
        self.read(slots::waiting).await
    }

    async fn rebuild(
        &self,
        prepared: &Prepared,
        plan: Plan,
        joining: Joining,
        restored: Option<NewFeed>,
    ) -> StoreResult<Option<Prepared>> {
        let prepared = prepared.clone();
        self.write(move |connection| {
            let rebuilt = slots::rebuild(connection, &prepared, plan, joining)?;
            if let (Some(_), Some(feed)) = (&rebuilt, restored) {
                events::restart(connection, prepared.collection().id, &feed)?;
            }
            Ok(rebuilt)
        })
        .await
    }

    async fn pause(&self, prepared: &Prepared, pause: Pause) -> StoreResult<bool> {
        let prepared = prepared.clone();
        self.write(move |connection| slots::pause(connection, &prepared, &pause)).await
    }

    async fn drop_slot(&self, prepared: &Prepared) -> StoreResult<bool> {
        let prepared = prepared.clone();
        self.write(move |connection| slots::delete(connection, &prepared)).await
    }

    async fn commit(
        &self,
        release: Arc<Release>,
        lost: u64,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Committed>> {
        let compress = {
            let release = release.clone();
            move || commit::compressed(&release)
        };
        let outgoing = blocking(compress).await.map_err(|_| StoreError::Closing)?;
        self.write(move |connection| {
            commit::commit(connection, release.prepared(), &outgoing, lost, now)
        })
        .await
    }

    async fn proposals(
        &self,
        id: CollectionId,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Proposal>> {
        let after = after.to_owned();
        self.read(move |connection| proposals::list(connection, id, &after, limit)).await
    }

    async fn proposal(
        &self,
        collection: CollectionId,
        id: &str,
    ) -> StoreResult<Option<(Proposal, Vec<ProposedFile>)>> {
        let id = id.to_owned();
        self.read(move |connection| proposals::find(connection, collection, &id)).await
    }

    async fn propose(
        &self,
        collection: CollectionId,
        new: Arc<NewProposal>,
        over: &[Proposal],
        now: DateTime<Utc>,
    ) -> StoreResult<Proposed> {
        let over = over.to_vec();
        self.write(move |connection| proposals::create(connection, collection, &new, &over, now))
            .await
    }

    async fn sign_proposal(
        &self,
        read: &Proposal,
        role: &RoleName,
        signatures: Vec<ProposedSignature>,
    ) -> StoreResult<bool> {
        let (read, role) = (read.clone(), role.clone());
        self.write(move |connection| proposals::sign(connection, &read, &role, &signatures)).await
    }

    async fn cancel_proposal(&self, id: &str, now: DateTime<Utc>) -> StoreResult<bool> {
        let id = id.to_owned();
        self.write(move |connection| proposals::cancel(connection, &id, now)).await
    }

    async fn revocations(
        &self,
        id: CollectionId,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Revocation>> {
        let after = after.to_owned();
        self.read(move |connection| revocations::list(connection, id, &after, limit)).await
    }

    async fn revoke(
        &self,
        id: CollectionId,
        new: NewRevocation,
        now: DateTime<Utc>,
    ) -> StoreResult<RevokedKey> {
        self.write(move |connection| revocations::revoke(connection, id, new, now)).await
    }

    async fn unrevoke(
        &self,
        id: CollectionId,
        keyid: &KeyId,
        by: &str,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Collection>> {
        let (keyid, by) = (keyid.clone(), by.to_owned());
        self.write(move |connection| revocations::unrevoke(connection, id, &keyid, &by, now)).await
    }

    async fn find_key(&self, id: CollectionId, keyid: &KeyId) -> StoreResult<Option<Key>> {
        let keyid = keyid.clone();
        self.read(move |connection| revocations::find_key(connection, id, &keyid)).await
    }

    async fn token(&self, sha256: &str) -> StoreResult<Option<Token>> {
        let sha256 = sha256.to_owned();
        self.read(move |connection| tokens::token(connection, &sha256)).await
    }

    async fn token_by_id(&self, id: &str) -> StoreResult<Option<Token>> {
        let id = id.to_owned();
        self.read(move |connection| tokens::by_id(connection, &id)).await
    }

    async fn tokens_within(
        &self,
        grant: &Grant,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Token>> {
        let (grant, after) = (grant.clone(), after.to_owned());
        self.read(move |connection| tokens::within(connection, &grant, &after, limit)).await
    }

    async fn create_token(&self, token: Token, most: u64, now: DateTime<Utc>) -> StoreResult<bool> {
        self.write(move |connection| tokens::create_token(connection, &token, most, now)).await
    }

    async fn revoke_token(
        &self,
        id: &str,
        which: Revoked,
        now: DateTime<Utc>,
    ) -> StoreResult<bool> {
        let id = id.to_owned();
        self.write(move |connection| tokens::revoke_token(connection, &id, which, now)).await
    }

    async fn touch_tokens(&self, used: Vec<(String, DateTime<Utc>)>) -> StoreResult<()> {
        self.write(move |connection| tokens::touch_tokens(connection, used)).await
    }
}
