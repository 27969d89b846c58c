//! Signing a snapshot or timestamp: judge, sign, verify, record, and only then answer.
//!
//! What is judged by and what is recorded must not drift apart, so one life of a collection has one
//! request in here at a time, for both roles: a timestamp is judged by the last snapshot too.
//! Different collections go side by side. The record is the point of no return: a crash before it
//! leaves nothing, and the same request is signed anew; a crash after it leaves the file, and the
//! same request is answered with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use diesel::sqlite::SqliteConnection;
use notary_schema::envelope::{self, Envelope, EnvelopeError};
use notary_schema::key::sha256_hex;
use notary_schema::name::{KeyId, Version};
use notary_schema::online::{self, Judgement, MAX_SIGN_KEYS, Memory, OnlineRole, SignerPolicy};
use notary_schema::role::Role;
use notary_schema::wire::{KeyState, SignRequest, SignerMemory};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Semaphore;

use crate::backends::Backends;
use crate::error::{Broken, Failure, Refusal};
use crate::signatures::{Signature, Signatures};
use crate::store::audit::{self, Caller, Subject};
use crate::store::keys::HeldKey;
use crate::store::{Collection, Owner, SharedDatabase, StoreError, key_states, keys, memory};
use crate::turns::Turns;
use crate::{Parts, StopPoint};

/// The signer: keys, memory, and the rules between them.
pub(crate) struct Signer {
    /// Where the private keys are.
    pub(crate) backends: Backends,
    /// Where everything else is.
    pub(crate) database: SharedDatabase,
    /// What is signed at most.
    pub(crate) policy: SignerPolicy,
    /// Most keys of one life of a collection.
    pub(crate) keys_per_collection: usize,
    /// Clock and stop points.
    pub(crate) parts: Parts,
    /// Who works on which collection.
    pub(crate) turns: Turns,
    /// The signatures of stand-bys in the place of their keys.
    pub(crate) by_standbys: Counter,
    /// Long documents that are taken apart right now: as many as there are cores. Each takes many
    /// times the memory of its bytes, and keeps a core busy.
    pub(crate) cores: Semaphore,
    /// Memories as they are in the database. Changed by whoever has the collection's turn, after
    /// the commit, and dropped when it is not known whether a commit happened.
    pub(crate) remembered: moka::sync::Cache<Collection, Arc<Memory>>,
    /// Keys as they were when they were read last: of a key only its state changes, and that is judged
    /// again in the transaction that records a signature.
    pub(crate) held: moka::sync::Cache<Owner, Arc<Vec<HeldKey>>>,
}

/// Most keys that are kept ready, about a kilobyte each.
const READY_KEYS: u64 = 20_000;

/// A cache of the keys of roles.
pub(crate) fn key_cache() -> moka::sync::Cache<Owner, Arc<Vec<HeldKey>>> {
    let weight =
        |_: &Owner, keys: &Arc<Vec<HeldKey>>| u32::try_from(keys.len()).unwrap_or(u32::MAX);
    moka::sync::Cache::builder().weigher(weight).max_capacity(READY_KEYS).build()
}

/// Longest documents, in bytes, that are taken apart on a thread that serves requests: another one
/// would not have begun sooner than it is done.
const SHORT_BYTES: usize = 16 * 1024;

/// A cache of memories that together hold so many bytes of files.
pub(crate) fn memory_cache(bytes: u64) -> moka::sync::Cache<Collection, Arc<Memory>> {
    let weight = |_: &Collection, memory: &Arc<Memory>| {
        // The parsed form is about as large again.
        u32::try_from(2 * bytes_of(memory) + 1024).unwrap_or(u32::MAX)
    };
    moka::sync::Cache::builder().weigher(weight).max_capacity(bytes).build()
}

fn bytes_of(memory: &Memory) -> usize {
    let snapshot = memory.snapshot.as_ref().map_or(0, |file| file.bytes().len());
    snapshot + memory.timestamp.as_ref().map_or(0, |file| file.bytes().len())
}

impl Signer {
    /// The complete signed file of a document, durable when it is answered.
    ///
    /// The future must be run to its end: dropped in between, it would leave the collection's turn
    /// to the next request while its own record is under way.
    ///
    /// # Errors
    /// A refusal records nothing.
    pub(crate) async fn sign(
        self: Arc<Self>,
        caller: Caller,
        request: SignRequest,
    ) -> Result<Arc<[u8]>, Failure> {
        let SignRequest { collection, incarnation, role, keyids, signed } = request;
        check_keyids(&keyids)?;
        let owner = Owner::new(&collection, &incarnation, role);
        let _turn = self.turns.take(&owner.collection).await?;
        let memory = self.memory(&owner.collection).await?;
        let now = caller.at;
        let bytes = bytes_of(&memory) + signed.get().len();
        let (policy, judged_by) = (self.policy, memory.clone());
        let judge = move || {
            let judgement = online::judge(role, signed.get().as_bytes(), &judged_by, &policy, now);
            Ok((judgement.map_err(Refusal::from)?, signed))
        };
        let (judgement, signed) = self.on_a_core(bytes, judge).await?;
        match judgement {
            Judgement::Repeat(file) => self.repeat(caller, owner, file).await,
            Judgement::Sign(version) => {
                let signed = signed.get().as_bytes();
                let signatures = self.signatures(&owner, &keyids, signed).await?;
                let file = envelope::assemble(signed, &signatures);
                let signers = signatures.into_iter().map(|(keyid, _)| keyid).collect();
                let succession =
                    self.on_a_core(bytes, move || succeed(&memory, role, file)).await?;
                self.stop_at(StopPoint::BeforeRecord).await?;
                self.record(caller, owner, Signed { keyids, signers, version, succession }).await
            }
        }
    }

    /// Runs what takes long with so many bytes away from the threads that serve requests, once a
    /// core is free.
    async fn on_a_core<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        if bytes <= SHORT_BYTES {
            return work();
        }
        let _core = self.cores.acquire().await.map_err(|_| Failure::Busy)?;
        on_another_thread(work).await
    }

    async fn stop_at(&self, point: StopPoint) -> Result<(), Failure> {
        let Some(stop) = self.parts.stop.clone() else { return Ok(()) };
        let stop = move || {
            stop(point);
            Ok(())
        };
        on_another_thread(stop).await
    }

    /// What was signed last in a collection.
    async fn memory(&self, collection: &Collection) -> Result<Arc<Memory>, Failure> {
        if let Some(memory) = self.remembered.get(collection) {
            return Ok(memory);
        }
        let wanted = collection.clone();
        let load = move |connection: &mut SqliteConnection| memory::load(connection, &wanted);
        let loaded = Arc::new(self.database.read(load).await?);
        self.remembered.insert(collection.clone(), loaded.clone());
        Ok(loaded)
    }

    /// The files that were signed last in a collection.
    pub(crate) async fn last_signed(
        &self,
        caller: Caller,
        collection: Collection,
    ) -> Result<SignerMemory, Failure> {
        let read = move |connection: &mut SqliteConnection| -> Result<_, StoreError> {
            let mut answer = SignerMemory::default();
            for (role, file) in memory::files(connection, &collection)? {
                match role {
                    OnlineRole::Snapshot => answer.snapshot = Some(file),
                    OnlineRole::Timestamp => answer.timestamp = Some(file),
                }
            }
            let subject = Subject { collection: Some(collection), ..Subject::default() };
            audit::append(connection, &caller, &subject, "answered")?;
            Ok(answer)
        };
        Ok(self.database.change(read).await?)
    }

    async fn repeat(
        &self,
        caller: Caller,
        owner: Owner,
        file: Arc<[u8]>,
    ) -> Result<Arc<[u8]>, Failure> {
        let subject = Subject { sha256: Some(sha256_hex(&file)), ..Subject::of(&owner) };
        let append = move |connection: &mut SqliteConnection| {
            audit::append(connection, &caller, &subject, "repeated")
        };
        self.database.change(append).await?;
        Ok(file)
    }

    /// The signatures of the named keys; of a key and its stand-by one.
    async fn signatures(
        &self,
        owner: &Owner,
        keyids: &[KeyId],
        message: &[u8],
    ) -> Result<Vec<Signature>, Failure> {
        let ready = self.held.get(owner).filter(|held| usable(held, keyids).is_ok());
        let held = match ready {
            Some(held) => held,
            None => self.read_keys(owner).await?,
        };
        let keys = usable(&held, keyids)?;
        let Signer { backends, by_standbys, .. } = self;
        let signed = Signatures { backends, by_standbys }.of(&keys, message).await;
        if signed.is_err() {
            // No record will find out that an operator has retired the key whose place is away, and
            // whoever asks goes on without it only where it is refused.
            usable(&self.read_keys(owner).await?, keyids)?;
        }
        signed
    }

    /// The keys of a role as they are in the database.
    async fn read_keys(&self, owner: &Owner) -> Result<Arc<Vec<HeldKey>>, Failure> {
        let wanted = owner.clone();
        let load = move |connection: &mut SqliteConnection| keys::of_role(connection, &wanted);
        let held = Arc::new(self.database.read(load).await?);
        self.held.insert(owner.clone(), held.clone());
        Ok(held)
    }

    /// Makes a signed file the one that counts: memory, states of the keys and audit line in one
    /// transaction.
    async fn record(
        &self,
        caller: Caller,
        owner: Owner,
        signed: Signed,
    ) -> Result<Arc<[u8]>, Failure> {
        let Signed { keyids, signers, version, succession } = signed;
        let Succession { memory, last, file } = succession;
        let (collection, recorded) = (owner.collection.clone(), file.clone());
        let (held, role) = (self.held.clone(), owner.clone());
        let record = move |connection: &mut SqliteConnection| -> Result<(), Failure> {
            // An operator may have retired one since it signed.
            if let Some(retired) = key_states::have_signed(connection, &owner, &keyids)? {
                held.invalidate(&role);
                return Err(Refusal::RetiredKey(retired).into());
            }
            memory::remember(connection, &owner, last, (version, &recorded), caller.at)?;
            let sha256 = Some(sha256_hex(&recorded));
            let (keyids, version) = (signers, Some(version));
            let subject = Subject { sha256, version, keyids, ..Subject::of(&owner) };
            Ok(audit::append(connection, &caller, &subject, audit::SIGNED)?)
        };
        // Not known until the transaction is through, and still not if that fails.
        self.remembered.invalidate(&collection);
        self.database.change(record).await?;
        // From here on the file is the one that counts, whether or not anybody hears of it.
        self.stop_at(StopPoint::AfterRecord).await?;
        self.remembered.insert(collection, Arc::new(memory));
        Ok(file)
    }
}

/// The keys that are named, in the order in which they are.
fn usable<'a>(held: &'a [HeldKey], keyids: &[KeyId]) -> Result<Vec<&'a HeldKey>, Refusal> {
    let usable = |keyid: &KeyId| {
        let key = held.iter().find(|held| held.key.keyid == *keyid);
        let key = key.ok_or_else(|| Refusal::UnknownKey(keyid.clone()))?;
        match key.key.state {
            KeyState::Retired => Err(Refusal::RetiredKey(keyid.clone())),
            KeyState::Pending | KeyState::Active | KeyState::Retiring => Ok(key),
        }
    };
    keyids.iter().map(usable).collect()
}

async fn on_another_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.map_err(|error| Failure::Broken(Broken::Bug(error.to_string())))?
}

/// A document with its signatures, which nobody may hear of before it is recorded.
struct Signed {
    /// The keys that the request named.
    keyids: Vec<KeyId>,
    /// Those of them that have signed.
    signers: Vec<KeyId>,
    version: Version,
    succession: Succession,
}

/// A signed file that takes the place of the one before.
struct Succession {
    /// The memory with the file in it.
    memory: Memory,
    /// The version before.
    last: Option<Version>,
    /// The file.
    file: Arc<[u8]>,
}

fn succeed(memory: &Memory, role: OnlineRole, file: Vec<u8>) -> Result<Succession, Failure> {
    let mut memory = memory.clone();
    let (last, file) = match role {
        OnlineRole::Snapshot => replace(&mut memory.snapshot, file),
        OnlineRole::Timestamp => replace(&mut memory.timestamp, file),
    }
    .map_err(|error| Failure::Broken(Broken::Bug(format!("the signed file: {error}"))))?;
    Ok(Succession { memory, last, file })
}

/// Puts a file in the place of the one before; reading it back proves that clients can, too.
fn replace<T: Role>(
    place: &mut Option<Envelope<T>>,
    file: Vec<u8>,
) -> Result<(Option<Version>, Arc<[u8]>), EnvelopeError> {
    let file = Envelope::<T>::parse(file)?;
    let bytes = file.bytes().clone();
    let last = place.replace(file).map(|last| last.version());
    Ok((last, bytes))
}

fn check_keyids(keyids: &[KeyId]) -> Result<(), Refusal> {
    if !(1..=MAX_SIGN_KEYS).contains(&keyids.len()) {
        let problem = format!("\"keyids\" names {} keys, not 1 to {MAX_SIGN_KEYS}", keyids.len());
        return Err(Refusal::Malformed(problem));
    }
    let mut seen = BTreeSet::new();
    match keyids.iter().find(|keyid| !seen.insert(*keyid)) {
        Some(twice) => Err(Refusal::Malformed(format!("\"keyids\" names {twice} twice"))),
        None => Ok(()),
    }
}
