//! The real database, with faults at the commit.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::{Glob, Gun, KeyId, RoleName, Version};
use notary_schema::online::{Lifetimes, Overlap, Plan};
use notary_schema::publish::Head;
use notary_schema::role::Targets;
use notary_schema::wire::{CollectionSummary, RootPin, SignerKey};
use notary_server::grant::Grant;
use notary_server::signer_client::Release;
use notary_server::store::{
    Claim, Collection, CollectionId, Committed, Database, EventQuery, Events, FileBytes,
    Incomplete, Joining, NewFeed, NewPolicy, NewProposal, NewReservation, NewRevocation, NewSlot,
    OnlineKey, Pause, Prepared, Proposal, Proposed, ProposedFile, ProposedSignature, Reserved,
    Revocation, Revoked, RevokedKey, Standing, State, Store, StoreError, StoreResult, Token,
    Unfinished,
};
use tokio::sync::oneshot;

/// How the next commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitFault {
    /// Nothing happens.
    Failed,
    /// It is committed, and the answer gets lost.
    AnswerLost,
}

/// Where a publish is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// When its head is read, before it is judged.
    Judge,
    /// Before it claims the slot.
    Prepare,
    /// When it has claimed it.
    Prepared,
    /// Before it joins the slot of another one.
    Join,
}

/// The two ends of a gate: somebody came to it, and may go on.
pub struct Gate {
    pub came: oneshot::Receiver<()>,
    pub go_on: oneshot::Sender<()>,
}

type Gated = (Held, oneshot::Sender<()>, oneshot::Receiver<()>);

pub struct FaultyStore {
    pub inner: Arc<Database>,
    /// The next one who comes there is held.
    pub gate: Mutex<Option<Gated>>,
    pub next_commit: Mutex<Option<CommitFault>>,
    /// A reservation that somebody deletes while the signer makes its key.
    pub freed_before_keys: Mutex<Option<Gun>>,
    /// How often a token was looked up.
    pub token_queries: AtomicUsize,
}

impl FaultyStore {
    /// Holds the next publish that comes there.
    pub fn hold(&self, held: Held) -> Gate {
        let ((tell, came), (go_on, wait)) = (oneshot::channel(), oneshot::channel());
        *self.gate.lock().unwrap() = Some((held, tell, wait));
        Gate { came, go_on }
    }

    async fn pass(&self, place: Held) {
        let gated = self.gate.lock().unwrap().take_if(|(held, ..)| *held == place);
        if let Some((_, tell, wait)) = gated {
            tell.send(()).unwrap();
            wait.await.unwrap();
        }
    }

    pub async fn slots_of_all(&self) -> Vec<Unfinished> {
        self.inner.slots().await.unwrap()
    }

    pub async fn standing_of(&self, gun: &str) -> Standing {
        self.inner.standing(&Gun::parse(gun).unwrap()).await.unwrap()
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn commit(
        &self,
        release: Arc<Release>,
        lost: u64,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Committed>> {
        let fault = self.next_commit.lock().unwrap().take();
        if fault == Some(CommitFault::Failed) {
            return Err(StoreError::Closing);
        }
        let committed = self.inner.commit(release, lost, now).await?;
        match fault {
            Some(_) => Err(StoreError::Closing),
            None => Ok(committed),
        }
    }

    async fn ping(&self) -> StoreResult<()> {
        self.inner.ping().await
    }
    async fn standing(&self, gun: &Gun) -> StoreResult<Standing> {
        self.inner.standing(gun).await
    }
    async fn newest_root(&self, id: CollectionId) -> StoreResult<Option<RootPin>> {
        self.inner.newest_root(id).await
    }
    async fn reserve(&self, new: NewReservation, now: DateTime<Utc>) -> StoreResult<Reserved> {
        self.inner.reserve(new, now).await
    }
    async fn set_policy(
        &self,
        read: &Collection,
        policy: NewPolicy,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Collection>> {
        self.inner.set_policy(read, policy, now).await
    }
    async fn bury(&self, gun: &Gun, by: &str, now: DateTime<Utc>) -> StoreResult<Option<Standing>> {
        self.inner.bury(gun, by, now).await
    }
    async fn events(&self, query: EventQuery) -> StoreResult<Events> {
        self.inner.events(query).await
    }
    async fn is_public(&self, gun: &Gun) -> StoreResult<bool> {
        self.inner.is_public(gun).await
    }
    async fn collections(
        &self,
        readable: Option<&Glob>,
        after: Option<&Gun>,
        limit: u32,
    ) -> StoreResult<Vec<CollectionSummary>> {
        self.inner.collections(readable, after, limit).await
    }
    async fn due(&self, lifetimes: Lifetimes, now: DateTime<Utc>) -> StoreResult<Vec<Gun>> {
        self.inner.due(lifetimes, now).await
    }
    async fn lives(&self) -> StoreResult<Vec<(Collection, Version, Version)>> {
        self.inner.lives().await
    }
    async fn incomplete(&self) -> StoreResult<Vec<Incomplete>> {
        self.inner.incomplete().await
    }
    async fn load_head(&self, gun: &Gun, state: State) -> StoreResult<Option<(Collection, Head)>> {
        self.inner.load_head(gun, state).await
    }
    async fn load_files(
        &self,
        id: CollectionId,
        versions: Vec<(RoleName, Version)>,
    ) -> StoreResult<Vec<(RoleName, Arc<Envelope<Targets>>)>> {
        self.inner.load_files(id, versions).await
    }
    async fn file(
        &self,
        id: CollectionId,
        role: &RoleName,
        version: Version,
    ) -> StoreResult<Option<FileBytes>> {
        self.inner.file(id, role, version).await
    }
    async fn sha256s(
        &self,
        id: CollectionId,
        versions: Vec<(RoleName, Version)>,
    ) -> StoreResult<BTreeMap<(RoleName, Version), String>> {
        self.pass(Held::Judge).await;
        self.inner.sha256s(id, versions).await
    }
    async fn free_version(
        &self,
        id: CollectionId,
        role: &RoleName,
        from: Version,
    ) -> StoreResult<Version> {
        self.inner.free_version(id, role, from).await
    }
    async fn online_keys(&self, id: CollectionId) -> StoreResult<Vec<OnlineKey>> {
        self.inner.online_keys(id).await
    }
    async fn save_online_keys(&self, id: CollectionId, keys: &[SignerKey]) -> StoreResult<bool> {
        let freed = self.freed_before_keys.lock().unwrap().take();
        if let Some(gun) = freed {
            self.inner.bury(&gun, "somebody", DateTime::UNIX_EPOCH).await?;
        }
        self.inner.save_online_keys(id, keys).await
    }
    async fn note_ahead(&self, id: CollectionId, ahead: &Overlap) -> StoreResult<()> {
        self.inner.note_ahead(id, ahead).await
    }
    async fn prepare(
        &self,
        collection: &Collection,
        slot: NewSlot,
        now: DateTime<Utc>,
    ) -> StoreResult<Claim> {
        self.pass(Held::Prepare).await;
        let claim = self.inner.prepare(collection, slot, now).await;
        self.pass(Held::Prepared).await;
        claim
    }
    async fn slot(&self, collection: &Collection) -> StoreResult<Option<Prepared>> {
        self.inner.slot(collection).await
    }
    async fn slots(&self) -> StoreResult<Vec<Unfinished>> {
        self.inner.slots().await
    }
    async fn rebuild(
        &self,
        prepared: &Prepared,
        plan: Plan,
        joining: Joining,
        restored: Option<NewFeed>,
    ) -> StoreResult<Option<Prepared>> {
        if !joining.files.is_empty() {
            self.pass(Held::Join).await;
        }
        self.inner.rebuild(prepared, plan, joining, restored).await
    }
    async fn pause(&self, prepared: &Prepared, pause: Pause) -> StoreResult<bool> {
        self.inner.pause(prepared, pause).await
    }
    async fn drop_slot(&self, prepared: &Prepared) -> StoreResult<bool> {
        self.inner.drop_slot(prepared).await
    }
    async fn proposals(
        &self,
        id: CollectionId,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Proposal>> {
        self.inner.proposals(id, after, limit).await
    }
    async fn proposal(
        &self,
        collection: CollectionId,
        id: &str,
    ) -> StoreResult<Option<(Proposal, Vec<ProposedFile>)>> {
        self.inner.proposal(collection, id).await
    }
    async fn propose(
        &self,
        collection: CollectionId,
        new: Arc<NewProposal>,
        over: &[Proposal],
        now: DateTime<Utc>,
    ) -> StoreResult<Proposed> {
        self.inner.propose(collection, new, over, now).await
    }
    async fn sign_proposal(
        &self,
        read: &Proposal,
        role: &RoleName,
        signatures: Vec<ProposedSignature>,
    ) -> StoreResult<bool> {
        self.inner.sign_proposal(read, role, signatures).await
    }
    async fn cancel_proposal(&self, id: &str, now: DateTime<Utc>) -> StoreResult<bool> {
        self.inner.cancel_proposal(id, now).await
    }
    async fn revocations(
        &self,
        id: CollectionId,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Revocation>> {
        self.inner.revocations(id, after, limit).await
    }
    async fn revoke(
        &self,
        id: CollectionId,
        new: NewRevocation,
        now: DateTime<Utc>,
    ) -> StoreResult<RevokedKey> {
        self.inner.revoke(id, new, now).await
    }
    async fn unrevoke(
        &self,
        id: CollectionId,
        keyid: &KeyId,
        by: &str,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Collection>> {
        self.inner.unrevoke(id, keyid, by, now).await
    }
    async fn find_key(&self, id: CollectionId, keyid: &KeyId) -> StoreResult<Option<Key>> {
        self.inner.find_key(id, keyid).await
    }
    async fn token(&self, sha256: &str) -> StoreResult<Option<Token>> {
        self.token_queries.fetch_add(1, Ordering::SeqCst);
        self.inner.token(sha256).await
    }
    async fn token_by_id(&self, id: &str) -> StoreResult<Option<Token>> {
        self.inner.token_by_id(id).await
    }
    async fn tokens_within(
        &self,
        grant: &Grant,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Token>> {
        self.inner.tokens_within(grant, after, limit).await
    }
    async fn create_token(&self, token: Token, most: u64, now: DateTime<Utc>) -> StoreResult<bool> {
        self.inner.create_token(token, most, now).await
    }
    async fn revoke_token(
        &self,
        id: &str,
        which: Revoked,
        now: DateTime<Utc>,
    ) -> StoreResult<bool> {
        self.inner.revoke_token(id, which, now).await
    }
    async fn touch_tokens(&self, used: Vec<(String, DateTime<Utc>)>) -> StoreResult<()> {
        self.inner.touch_tokens(used).await
    }
}
