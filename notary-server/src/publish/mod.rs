//! The path of one publish, from a judged request to a visible commit.
//!
//! | file | steps of a publish |
//! |---|---|
//! | `mod` | in through [`Publisher::publish`], one at a time in each collection |
//! | `batch` | 2: what is to be published, as it came
//! | `judge` | 3 and 4: the head, and whether the request is a legal step from it |
//! | `group`, `next` | 5: requests that wait are applied over one another; who gets which answer |
//! | `release` | 6 and 7: what was applied is planned, and claims the slot |
//! | `plan` | 6: what must be signed, with which keys |
//! | `recovery` | 6 after a root that makes clients forget; which versions are free |
//! | `ahead` | before 7, where a root replaces online keys: they sign what is served |
//! | `roll` | 8 and 9: sign, commit, and all that can come between |
//! | `rebuild`, `remembered` | 8 where the signer refuses: a new plan from what it remembers |
//! | `life` | how a tombstone comes back |
//! | `proposals` | what gathers signatures before it goes in through [`Publisher::publish`] |
//!
//! A publish is judged without a lock on any core. Then it waits for the turn of its collection.
//! Each brings a task along; the first that gets the turn takes everybody who waits.

mod ahead;
mod batch;
mod group;
mod judge;
mod life;
mod next;
mod plan;
mod proposals;
mod rebuild;
mod recovery;
mod release;
mod remembered;
mod roll;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName};
use notary_schema::online::{Lifetimes, SignerPolicy};
use notary_schema::publish::Batch;
use notary_schema::threshold::RevokedKeys;
use notary_schema::wire::{PublishAnswer, PublishedRole, RootPin, SignerLimits};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::Parts;
use crate::config::Limits;
use crate::error::ServiceError;
use crate::served::{Live, Served};
use crate::signer_client::Signer;
use crate::store::{Collection, CollectionId, Store};
use crate::trace::Traced;
use batch::Part;
pub use batch::PublishBatch;
pub(crate) use batch::{Named, Sent, share};
use judge::{Judged, Verdict};
pub use proposals::{Signing, Wish};
pub(crate) use release::Due;
pub(crate) use roll::Unfinished;

/// The right to read and judge one publish: parsed documents take many times the memory of their
/// bytes, and each keeps a core busy.
pub type Core = Arc<OwnedSemaphorePermit>;

/// Publishes, and keeps the online roles fresh.
pub struct Publisher {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) served: Arc<Served>,
    /// Those of the configuration; see [`Publisher::lifetimes_of`].
    pub(crate) lifetimes: Lifetimes,
    limits: Limits,
    /// How long a cache may keep what is current.
    longest_age: Duration,
    parts: Parts,
    /// Places for publishes that wait.
    places: Semaphore,
    /// Publishes that are read and judged right now: as many as there are cores.
    checks: Arc<Semaphore>,
    /// Proposals that are read for somebody who looks: one at a time, and not in the places of those
    /// who publish.
    looks: Semaphore,
    rooms: Mutex<HashMap<Gun, Weak<Room>>>,
    /// The id of the changefeed from when this process finds that the database was set back.
    next_feed: String,
    /// The lives of collections of which this process knows that the signer remembers no more.
    compared: Mutex<HashSet<CollectionId>>,
    /// What the signer said last of itself; see [`Publisher::note_limits`].
    signer_policy: RwLock<SignerPolicy>,
}

/// Where the publishes of one collection wait.
pub(crate) struct Room {
    gun: Gun,
    /// Held by whoever changes the collection in this process. Other processes are kept out by the
    /// slot and its fence.
    pub(crate) turn: tokio::sync::Mutex<()>,
    waiting: Mutex<VecDeque<Waiting>>,
}

/// What a release will be committed on.
#[derive(Debug, Clone)]
pub(crate) struct Ground {
    pub(crate) collection: Collection,
    /// Absent for a reservation.
    pub(crate) live: Option<Arc<Live>>,
    /// The newest root of the tombstone that a reservation is to replace.
    pub(crate) replaces: Option<RootPin>,
}

impl Ground {
    /// The keys that sign nothing new.
    fn revoked(&self) -> Option<&RevokedKeys> {
        self.live.as_ref().map(|live| &live.head.revoked)
    }

    /// Whether a publish may be made here: who replaces a tombstone says so.
    fn admit(&self, request: &PublishBatch) -> Result<(), ServiceError> {
        let named = |root: &RootPin| request.replaces() == Some(root.sha256.as_str());
        match self.replaces.as_ref().is_none_or(named) {
            true => Ok(()),
            false => Err(ServiceError::OnTombstone(self.collection.gun.clone())),
        }
    }
}

/// A publish that waits for its turn.
struct Waiting {
    request: Arc<PublishBatch>,
    /// What was read from its parts; absent once it was applied. Then it is read again where it has
    /// to be judged again, which is rare: read, files take more than twice the memory.
    batch: Option<Batch>,
    /// What it was found to be without the turn; absent when it could not be judged yet.
    judged: Option<Judged>,
    now: DateTime<Utc>,
    traced: Traced,
    /// The roles whose files stood in a slot on its behalf.
    sent: BTreeSet<RoleName>,
    answer: oneshot::Sender<Result<PublishAnswer, ServiceError>>,
}

impl Publisher {
    /// A publisher over these.
    pub fn new(
        store: Arc<dyn Store>,
        signer: Arc<dyn Signer>,
        served: Arc<Served>,
        (limits, lifetimes, longest_age): (Limits, Lifetimes, Duration),
        parts: Parts,
    ) -> Publisher {
        let mut id = [0; 16];
        SystemRandom::new().fill(&mut id).expect("the system gives random bytes");
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Publisher {
            places: Semaphore::new(limits.queue),
            checks: Arc::new(Semaphore::new(cores)),
            looks: Semaphore::new(1),
            rooms: Mutex::default(),
            compared: Mutex::default(),
            next_feed: hex::encode(id),
            signer_policy: RwLock::new(SignerPolicy {
                snapshot_max_seconds: u64::MAX,
                timestamp_max_seconds: u64::MAX,
                ..SignerPolicy::default()
            }),
            store,
            signer,
            served,
            lifetimes,
            limits,
            longest_age,
            parts,
        }
    }

    /// Notes what the signer says of itself.
    pub(crate) fn note_limits(&self, limits: &SignerLimits) {
        *self.signer_policy.write().unwrap_or_else(PoisonError::into_inner) = limits.into();
    }

    fn signer_policy(&self) -> SignerPolicy {
        *self.signer_policy.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Most publishes that share one snapshot: the signer lets the version of a role run ahead of
    /// the last one signed by no more.
    fn largest_group(&self) -> usize {
        usize::try_from(self.signer_policy().max_step.max(1)).unwrap_or(usize::MAX)
    }

    /// Whether it is known, since this process started, that the signer remembers no more of a collection
    /// than is told of it.
    pub(crate) fn is_compared(&self, id: CollectionId) -> bool {
        self.lock_compared().contains(&id)
    }

    /// Notes that what the signer remembers of a collection was looked at, or has been signed over.
    pub(crate) fn note_compared(&self, id: CollectionId) {
        self.lock_compared().insert(id);
    }

    fn lock_compared(&self) -> MutexGuard<'_, HashSet<CollectionId>> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the metadata of a collection lives: its own lifetimes before those of the
    /// configuration, and no longer than the signer allows by now.
    pub(crate) fn lifetimes_of(&self, collection: &Collection) -> Lifetimes {
        self.lifetimes.with(&collection.lifetimes).within(&self.signer_policy())
    }

    /// How many publishes may still wait.
    pub fn free_places(&self) -> usize {
        self.places.available_permits()
    }

    /// Takes a place among the publishes that wait, for a core and for the turn of their collection.
    /// It is held until the publish is answered.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] when all are taken.
    pub fn place(&self) -> Result<SemaphorePermit<'_>, ServiceError> {
        let place = self.places.try_acquire();
        place.map_err(|_| ServiceError::Busy("too many publishes are waiting"))
    }

    /// Waits for a core to read and judge a publish on.
    ///
    /// # Errors
    /// [`ServiceError::Busy`] when none is free for as long as a publish may wait.
    pub async fn core(&self) -> Result<Core, ServiceError> {
        let patience = Duration::from_secs(self.limits.queue_seconds);
        match timeout(patience, self.checks.clone().acquire_owned()).await {
            Ok(Ok(core)) => Ok(Arc::new(core)),
            _ => Err(ServiceError::Busy("other publishes are being checked")),
        }
    }

    /// Waits for the turn to look into a proposal.
    async fn look(&self) -> Result<SemaphorePermit<'_>, ServiceError> {
        let patience = Duration::from_secs(self.limits.queue_seconds);
        match timeout(patience, self.looks.acquire()).await {
            Ok(Ok(look)) => Ok(look),
            _ => Err(ServiceError::Busy("others look at proposals")),
        }
    }

    /// Publishes a batch. When it answers, the batch is durable and the next GET sees it. The core
    /// on which it was read is free once it is judged.
    ///
    /// # Errors
    /// Before step 7 nothing is kept. After it, an error with the status 503 leaves the files in the
    /// slot: they are published later, and a repeat of the request finds them.
    pub async fn publish(
        self: &Arc<Self>,
        request: PublishBatch,
        batch: Batch,
        core: Core,
        now: DateTime<Utc>,
    ) -> Result<PublishAnswer, ServiceError> {
        let request = Arc::new(request);
        let ground = self.ground_of(&request, &batch, &core, now).await?;
        let head = ground.live.as_ref().map(|live| live.head.clone());
        let judged = self.judge(&ground.collection, head, &request, &batch, &core, now);
        let judged = match judged.await {
            Ok(judged) => Some(judged),
            // The files of a prepared release may be the ones that it is a step from.
            Err(ServiceError::Refused(refusal)) => {
                if self.store.slot(&ground.collection).await?.is_none() {
                    // Taking large documents apart takes long, too.
                    spawn_blocking(move || drop((batch, core)));
                    return Err(refusal.into());
                }
                None
            }
            Err(error) => return Err(error),
        };
        if let (Some(judged), Some(live)) = (&judged, &ground.live)
            && judged.accepted.is_none()
        {
            return Ok(answer(&request, &judged.verdict, &BTreeSet::new(), live, now));
        }
        drop(core);
        self.join(request, batch, judged, now).await
    }

    /// Waits for the turn of the collection, and for what comes of it.
    async fn join(
        self: &Arc<Self>,
        request: Arc<PublishBatch>,
        batch: Batch,
        judged: Option<Judged>,
        now: DateTime<Utc>,
    ) -> Result<PublishAnswer, ServiceError> {
        let room = self.room(request.gun());
        let (answer, mut answered) = oneshot::channel();
        let (batch, sent) = (Some(batch), BTreeSet::new());
        let (request_too, traced) = (request.clone(), Traced::current());
        let waiting = Waiting { request: request_too, batch, judged, now, traced, sent, answer };
        room.waiting().push_back(waiting);
        // A task of its own: it goes on when the client that brought it hangs up.
        tokio::spawn(self.clone().lead(room.clone()));
        let patience = Duration::from_secs(self.limits.queue_seconds);
        let answered = match timeout(patience, &mut answered).await {
            Ok(answered) => answered,
            Err(_) if room.leave(&request) => {
                return Err(ServiceError::Busy("other publishes of this collection take long"));
            }
            // Somebody has taken it: it is being published.
            Err(_) => answered.await,
        };
        answered.unwrap_or_else(|_| Err(ServiceError::Internal("a publish was abandoned".into())))
    }

    /// The room of a collection, shared by all who are in it.
    pub(crate) fn room(&self, gun: &Gun) -> Arc<Room> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = rooms.get(gun).and_then(Weak::upgrade) {
            return room;
        }
        rooms.retain(|_, room| room.strong_count() > 0);
        let (turn, waiting) = (tokio::sync::Mutex::default(), Mutex::default());
        let room = Arc::new(Room { gun: gun.clone(), turn, waiting });
        rooms.insert(gun.clone(), Arc::downgrade(&room));
        room
    }

    /// The reference time of an operation that begins now.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.parts.clock)()
    }
}

impl Room {
    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request out of the queue; `false` when somebody has taken it already.
    fn leave(&self, request: &Arc<PublishBatch>) -> bool {
        let mut waiting = self.waiting();
        let place = waiting.iter().position(|other| Arc::ptr_eq(&other.request, request));
        place.and_then(|place| waiting.remove(place)).is_some()
    }
}

/// The answer to a request whose parts are all stored.
fn answer(
    request: &PublishBatch,
    verdict: &Verdict,
    sent: &BTreeSet<RoleName>,
    live: &Live,
    now: DateTime<Utc>,
) -> PublishAnswer {
    let role = |part: &Part| PublishedRole {
        name: part.role.clone(),
        version: part.version,
        sha256: part.sha256.clone(),
        published: !verdict.repeated.contains(&part.role) || sent.contains(&part.role),
    };
    let mut warnings = verdict.warnings.clone();
    if request.replaces().is_some() {
        warnings.push(format!(
            "{} is a new collection: clients that trust the one before must pin its root 1 anew, \
             and caches of it must be purged",
            request.gun()
        ));
    }
    PublishAnswer {
        roles: request.parts().iter().map(role).collect(),
        snapshot: live.head.snapshot.version(),
        timestamp: live.head.timestamp.version(),
        seq: live.collection.seq,
        expired: live.head.expired(now),
        warnings,
    }
}
