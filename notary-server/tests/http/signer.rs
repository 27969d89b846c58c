//! A signer in memory: real keys, the real policy, and faults on demand. It asserts for itself that
//! no version ever gets two contents.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use notary_schema::envelope::{Envelope, assemble};
use notary_schema::key::{Key, PublicKey, sha256_hex};
use notary_schema::name::{Gun, Incarnation, KeyId};
use notary_schema::online::{
    DEFAULT_MAX_STEP, Judgement, Memory, OnlineRole, SignerPolicy, judge, refusal_code,
};
use notary_schema::wire::{
    KeyRequest, KeyState, RememberedFile, SignRequest, SignerKey, SignerLimits, SignerMemory,
};
use notary_server::signer_client::{Signer, SignerError, Trouble};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// A signing key of anybody.
pub struct TestKey {
    pair: Ed25519KeyPair,
    pub key: Key,
}

impl TestKey {
    pub fn draw() -> TestKey {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let public = PublicKey::Ed25519(pair.public_key().as_ref().try_into().unwrap());
        TestKey { pair, key: Key::new(public) }
    }

    pub fn sign(&self, message: &[u8]) -> (KeyId, Vec<u8>) {
        (self.key.id().clone(), self.pair.sign(message).as_ref().to_vec())
    }
}

/// What goes wrong with one request to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request gets lost.
    Lost,
    /// The answer gets lost, after it was recorded.
    AnswerLost,
    /// Refused with this code, nothing recorded.
    Refused(&'static str),
    /// A file comes that no key of the root has signed; nothing recorded.
    Unsigned,
}

struct HeldKey {
    key: TestKey,
    wire: SignerKey,
}

#[derive(Default)]
struct State {
    keys: Vec<HeldKey>,
    memory: HashMap<(Gun, Incarnation), Memory>,
    faults: BTreeMap<OnlineRole, VecDeque<Fault>>,
    /// Every content that was ever signed, by what it is.
    signed: HashMap<(Gun, Incarnation, OnlineRole, u64), Vec<u8>>,
    away: bool,
    /// New keys of the timestamp have a stand-by.
    pairs: bool,
    /// Keys whose place is away.
    down: BTreeSet<KeyId>,
    /// Asked for the keys of one collection it answers those of all.
    mixes_up: bool,
}

pub struct MemorySigner {
    state: Mutex<State>,
    clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Whoever holds it keeps every request to sign waiting.
    pub hold: tokio::sync::Mutex<()>,
    pub limits: Mutex<SignerLimits>,
}

impl MemorySigner {
    pub fn new(clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>) -> MemorySigner {
        let policy = SignerPolicy::default();
        let limits = SignerLimits {
            snapshot_max_seconds: policy.snapshot_max_seconds,
            timestamp_max_seconds: policy.timestamp_max_seconds,
            max_step: DEFAULT_MAX_STEP,
        };
        MemorySigner {
            state: Mutex::default(),
            clock,
            hold: tokio::sync::Mutex::default(),
            limits: Mutex::new(limits),
        }
    }

    /// The next requests for this role end like this, one after another.
    pub fn fail(&self, role: OnlineRole, faults: &[Fault]) {
        self.state.lock().unwrap().faults.entry(role).or_default().extend(faults);
    }

    /// No faults any more; answers how many were never met.
    pub fn heal(&self) -> usize {
        let mut state = self.state.lock().unwrap();
        state.away = false;
        std::mem::take(&mut state.faults).values().map(VecDeque::len).sum()
    }

    /// New keys of the timestamp have a stand-by.
    pub fn make_pairs(&self) {
        self.state.lock().unwrap().pairs = true;
    }

    /// The places of these keys, and of no others, are away.
    pub fn are_down(&self, keyids: &[&KeyId]) {
        self.state.lock().unwrap().down = keyids.iter().map(|keyid| (*keyid).clone()).collect();
    }

    /// Nothing is answered any more.
    pub fn go_away(&self) {
        self.state.lock().unwrap().away = true;
    }

    /// Asked for the keys of one collection it answers those of all.
    pub fn mix_up_collections(&self) {
        self.state.lock().unwrap().mixes_up = true;
    }

    /// The keys of a role sign nothing any more.
    pub fn retire(&self, gun: &Gun, role: OnlineRole) {
        let mut state = self.state.lock().unwrap();
        for held in &mut state.keys {
            if held.wire.collection == *gun && held.wire.role == role {
                held.wire.state = KeyState::Retired;
            }
        }
    }

    /// One key signs nothing any more.
    pub fn retire_key(&self, keyid: &KeyId) {
        let mut state = self.state.lock().unwrap();
        let held = state.keys.iter_mut().find(|held| held.wire.keyid == *keyid);
        held.expect("a key of this signer").wire.state = KeyState::Retired;
    }

    /// A retired key signs again.
    pub fn restore_key(&self, keyid: &KeyId) {
        let mut state = self.state.lock().unwrap();
        let held = state.keys.iter_mut().find(|held| held.wire.keyid == *keyid);
        held.expect("a key of this signer").wire.state = KeyState::Active;
    }

    /// A key is gone from the signer.
    pub fn lose_key(&self, keyid: &KeyId) {
        self.state.lock().unwrap().keys.retain(|held| held.wire.keyid != *keyid);
    }

    /// Puts a snapshot into the memory that the server does not know.
    pub fn remember(&self, gun: &Gun, edit: impl FnOnce(&mut Memory)) {
        let mut state = self.state.lock().unwrap();
        let entry = state.memory.iter_mut().find(|((other, _), _)| other == gun);
        edit(entry.expect("the collection has signed").1);
    }

    /// How often each version was signed for the first time.
    pub fn signatures(&self) -> usize {
        self.state.lock().unwrap().signed.len()
    }

    /// How many keys were ever made.
    pub fn keys(&self) -> usize {
        self.state.lock().unwrap().keys.len()
    }

    fn reached(&self) -> Result<std::sync::MutexGuard<'_, State>, SignerError> {
        let state = self.state.lock().unwrap();
        match state.away {
            true => Err(SignerError::unknown(Trouble::Unreachable, "connection refused")),
            false => Ok(state),
        }
    }
}

fn refused(code: &str, reason: &str) -> SignerError {
    SignerError::Refused { code: code.into(), reason: reason.into() }
}

#[async_trait]
impl Signer for MemorySigner {
    async fn limits(&self) -> Result<SignerLimits, SignerError> {
        drop(self.reached()?);
        Ok(self.limits.lock().unwrap().clone())
    }

    async fn key(&self, request: &KeyRequest) -> Result<SignerKey, SignerError> {
        let mut state = self.reached()?;
        let of = |held: &&HeldKey| {
            let SignerKey { collection, incarnation, role, .. } = &held.wire;
            (collection, incarnation, *role)
                == (&request.collection, &request.incarnation, request.role)
        };
        let standby = |keys: &[HeldKey], of: &KeyId| {
            let found = keys.iter().find(|held| held.wire.standby_for.as_ref() == Some(of));
            found.map(|held| Box::new(held.wire.clone()))
        };
        let find = |state: KeyState, keys: &[HeldKey]| {
            let is_wanted = |held: &&HeldKey| {
                state != KeyState::Pending || !request.except.contains(&held.wire.keyid)
            };
            let of_state =
                |held: &&HeldKey| held.wire.state == state && held.wire.standby_for.is_none();
            let found = keys.iter().filter(of).filter(is_wanted).rfind(of_state);
            found.map(|held| held.wire.clone())
        };
        let pending = find(KeyState::Pending, &state.keys);
        let active = find(KeyState::Active, &state.keys).filter(|_| !request.rotate);
        if let Some(key) = active.or(pending) {
            return Ok(SignerKey { standby: standby(&state.keys, &key.keyid), ..key });
        }
        let has_standby = state.pairs && request.role == OnlineRole::Timestamp;
        let mut make = |standby_for: Option<KeyId>| {
            let key = TestKey::draw();
            let wire = SignerKey {
                keyid: key.key.id().clone(),
                key: key.key.clone(),
                collection: request.collection.clone(),
                incarnation: request.incarnation.clone(),
                role: request.role,
                state: KeyState::Pending,
                created_at: (self.clock)(),
                standby_for,
                standby: None,
            };
            state.keys.push(HeldKey { key, wire: wire.clone() });
            wire
        };
        let key = make(None);
        let standby = has_standby.then(|| make(Some(key.keyid.clone())));
        Ok(SignerKey { standby: standby.map(Box::new), ..key })
    }

    async fn keys(
        &self,
        collection: &Gun,
        incarnation: &Incarnation,
    ) -> Result<Vec<SignerKey>, SignerError> {
        let state = self.reached()?;
        let keys = state.keys.iter().map(|held| &held.wire);
        let own =
            |key: &&SignerKey| (&key.collection, &key.incarnation) == (collection, incarnation);
        Ok(keys.filter(|key| state.mixes_up || own(key)).cloned().collect())
    }

    async fn memory(
        &self,
        collection: &Gun,
        incarnation: &Incarnation,
    ) -> Result<SignerMemory, SignerError> {
        fn remembered<T: notary_schema::role::Role>(file: &Envelope<T>) -> RememberedFile {
            RememberedFile {
                version: file.version(),
                sha256: sha256_hex(file.bytes()),
                file: String::from_utf8(file.bytes().to_vec()).unwrap(),
            }
        }
        let state = self.reached()?;
        let memory = state.memory.get(&(collection.clone(), incarnation.clone()));
        let memory = memory.cloned().unwrap_or_default();
        Ok(SignerMemory {
            snapshot: memory.snapshot.as_ref().map(remembered),
            timestamp: memory.timestamp.as_ref().map(remembered),
        })
    }

    async fn sign(&self, request: &SignRequest) -> Result<Bytes, SignerError> {
        drop(self.hold.lock().await);
        let now = (self.clock)();
        let max_step = self.limits.lock().unwrap().max_step;
        let policy = SignerPolicy { max_step, ..SignerPolicy::default() };
        let mut state = self.reached()?;
        let fault = state.faults.get_mut(&request.role).and_then(VecDeque::pop_front);
        let signed = request.signed.get().as_bytes();
        match fault {
            Some(Fault::Lost) => {
                return Err(SignerError::unknown(Trouble::Unreachable, "request lost"));
            }
            Some(Fault::Refused(code)) => return Err(refused(code, "as the test wants it")),
            Some(Fault::Unsigned) => return Ok(assemble(signed, &[]).into()),
            Some(Fault::AnswerLost) | None => {}
        }
        let life = (request.collection.clone(), request.incarnation.clone());
        let memory = state.memory.get(&life).cloned().unwrap_or_default();
        let judged = judge(request.role, signed, &memory, &policy, now);
        let judged = judged.map_err(|error| refused(error.code(), &error.to_string()))?;
        let file = match judged {
            Judgement::Repeat(file) => Bytes::from_owner(file),
            Judgement::Sign(version) => {
                let State { keys, down, .. } = &mut *state;
                let signatures = sign_with(keys, down, request, signed)?;
                let file = Bytes::from(assemble(signed, &signatures));
                let memory = state.memory.entry(life.clone()).or_default();
                let bytes = Arc::<[u8]>::from(&file[..]);
                match request.role {
                    OnlineRole::Snapshot => memory.snapshot = Some(Envelope::parse(bytes).unwrap()),
                    OnlineRole::Timestamp => {
                        memory.timestamp = Some(Envelope::parse(bytes).unwrap());
                    }
                }
                let what = (life.0, life.1, request.role, version.get());
                let before = state.signed.insert(what, signed.to_vec());
                assert_eq!(before, None, "a version was signed twice");
                file
            }
        };
        match fault {
            Some(Fault::AnswerLost) => Err(SignerError::unknown(Trouble::TimedOut, "answer lost")),
            _ => Ok(file),
        }
    }
}

fn sign_with(
    keys: &mut [HeldKey],
    down: &BTreeSet<KeyId>,
    request: &SignRequest,
    signed: &[u8],
) -> Result<Vec<(KeyId, Vec<u8>)>, SignerError> {
    let mut signatures = Vec::new();
    for keyid in &request.keyids {
        let own = |held: &&mut HeldKey| {
            let SignerKey { collection, incarnation, role, .. } = &held.wire;
            held.wire.keyid == *keyid
                && (collection, incarnation, *role)
                    == (&request.collection, &request.incarnation, request.role)
        };
        let held = keys
            .iter_mut()
            .find(own)
            .ok_or_else(|| refused(refusal_code::UNKNOWN_KEY, "no such key"))?;
        if held.wire.state == KeyState::Retired {
            return Err(refused(refusal_code::RETIRED_KEY, "the key is retired"));
        }
        held.wire.state = KeyState::Active;
        signatures.push(held.key.sign(signed));
    }
    assert!(!signatures.is_empty(), "a request without keys is never sent");
    // Of a key and its stand-by one signs.
    signatures.retain(|(keyid, _)| !down.contains(keyid));
    let have_signed: Vec<KeyId> = signatures.iter().map(|(keyid, _)| keyid.clone()).collect();
    let stands_by = |keyid: &KeyId| keys.iter().find(|held| held.wire.keyid == *keyid);
    signatures.retain(|(keyid, _)| {
        let of = stands_by(keyid).and_then(|held| held.wire.standby_for.as_ref());
        of.is_none_or(|of| !have_signed.contains(of))
    });
    match signatures.is_empty() {
        true => Err(SignerError::unknown(Trouble::Failed, "the places of the keys are away")),
        false => Ok(signatures),
    }
}
