//! What outlives the process: collections, files, the release slot, events, tokens.
//!
//! [`Store`] is the seam; [`Database`] keeps it over SQL (`database`), through `connections`;
//! [`copies`] are what `backup` and `restore` make of it, [`inspect`] is for `fsck`. `rows`
//! holds the tables; `names`, `queries`, `online_keys`, `slots`, `commit`, `proposals`, `revocations`,
//! `events` and `tokens` what is asked of them; `dialect` what differs between databases. Rows are
//! parsed into the types of `notary_schema` here and nowhere else.

mod commit;
mod connections;
pub mod copies;
mod database;
mod dialect;
mod events;
mod files;
pub mod inspect;
mod lock;
mod names;
mod online_keys;
mod proposals;
mod queries;
mod revocations;
mod rows;
mod slots;
mod tokens;
mod types;

use std::collections::BTreeMap;
use std::path::PathBuf;
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

use crate::grant::Grant;
use crate::signer_client::Release;
pub use connections::Database;
pub use events::{EventQuery, Events};
pub use files::{FileBytes, RoleFile, is_kept_open};
pub use lock::ServeLock;
pub use proposals::{
    Closed, NewProposal, Proposal, Proposed, ProposedFile, ProposedSignature, ProposedVersion,
};
pub use revocations::{NewRevocation, Revocation, RevokedKey};
pub use types::{
    Claim, Collection, CollectionId, Committed, Incomplete, Joining, NewFeed, NewPolicy,
    NewReservation, NewSlot, OnlineKey, Pause, Prepared, Purpose, Reserved, Revoked, Standing,
    State, Token, Unfinished,
};

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such file.
    #[error("there is no database at {0}; create it with `notary-server migrate`")]
    NoDatabase(PathBuf),
    /// The file does not open.
    #[error("cannot open the database {path}: {reason}")]
    Open {
        /// The file.
        path: PathBuf,
        /// The database's words.
        reason: String,
    },
    /// It is a database of something else, or an empty file.
    #[error("it is no database of notary-server: it has no table {missing}")]
    Foreign {
        /// A table that every database of the server has.
        missing: &'static str,
    },
    /// Another server works on it.
    #[error(
        "another notary-server uses this database: {0} is locked; stop it first, or give this one a \
         database of its own"
    )]
    Locked(PathBuf),
    /// The lock file cannot be used.
    #[error("cannot lock {path}: {error}")]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// A copy cannot be written, or not be put in its place.
    #[error("cannot write {path}: {error}")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// The tables are older than the program.
    #[error("the database is older than this program; run `notary-server migrate`")]
    NotMigrated,
    /// The tables are newer than the program.
    #[error("a newer program applied migration {migration}; use that program")]
    Newer {
        /// What this program does not know.
        migration: String,
    },
    /// A migration failed; the database is as it was before it.
    #[error("cannot migrate the database: {0}")]
    Migration(Box<dyn std::error::Error + Send + Sync>),
    /// A statement failed. For a write: nothing of it happened, or, when the connection broke while
    /// it was committed, that is unknown.
    #[error("the database failed: {0}")]
    Database(#[from] diesel::result::Error),
    /// A row does not hold what this program writes.
    #[error("the database holds {what} that is not readable: {reason}")]
    Corrupt {
        /// Which row.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The process is stopping.
    #[error("the database is being closed")]
    Closing,
}

/// A result of the store.
pub type StoreResult<T> = Result<T, StoreError>;

/// Durable state. Safe to use from many tasks and several processes at once.
///
/// Promises: what a method has written is durable when it returns, all of it or nothing; nothing is
/// retried inside; an answer is never older than a write that had returned before. A lost race is a
/// value (`Moved`, `None`, `false`), not an error. After an error of a *write*, whether it happened
/// is unknown: read again before speaking.
#[async_trait]
pub trait Store: Send + Sync {
    /// Answers when the database can be read.
    async fn ping(&self) -> StoreResult<()>;

    // ---- collections

    /// What a name is taken by.
    async fn standing(&self, gun: &Gun) -> StoreResult<Standing>;

    /// The newest root of a collection or tombstone.
    async fn newest_root(&self, id: CollectionId) -> StoreResult<Option<RootPin>>;

    /// Reserves a name if it is free, or holds the tombstone that was named; else answers what it
    /// is taken by.
    async fn reserve(&self, new: NewReservation, now: DateTime<Utc>) -> StoreResult<Reserved>;

    /// Gives a collection a policy; `None` when it is no longer as it was read. The policy that it
    /// has makes no event.
    async fn set_policy(
        &self,
        read: &Collection,
        policy: NewPolicy,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Collection>>;

    /// Drops the reservation of a name, or makes its collection a tombstone, also while a release
    /// is prepared: it is committed only if the tombstone is taken back. Answers what is left;
    /// `None` where nothing was.
    async fn bury(&self, gun: &Gun, by: &str, now: DateTime<Utc>) -> StoreResult<Option<Standing>>;

    /// Whether there is a collection of this name, served or a tombstone, that everybody may read.
    async fn is_public(&self, gun: &Gun) -> StoreResult<bool>;

    /// At most `limit` collections after a name, by name: public ones, and of the others those
    /// whose name is `readable`.
    async fn collections(
        &self,
        readable: Option<&Glob>,
        after: Option<&Gun>,
        limit: u32,
    ) -> StoreResult<Vec<CollectionSummary>>;

    /// The collections whose current timestamp or snapshot is due to be signed again, by these
    /// lifetimes or their own; first those that expire first.
    async fn due(&self, lifetimes: Lifetimes, now: DateTime<Utc>) -> StoreResult<Vec<Gun>>;

    /// Every collection that is served, with the versions of its snapshot and timestamp.
    async fn lives(&self) -> StoreResult<Vec<(Collection, Version, Version)>>;

    /// The collections whose snapshots list files that are not here.
    async fn incomplete(&self) -> StoreResult<Vec<Incomplete>>;

    // ---- files

    /// Step 3 of a publish: a collection and its head, both of one commit; `None` where there is
    /// none in this state. Loaded are root, snapshot, timestamp, targets and the files of roles
    /// that delegate.
    async fn load_head(&self, gun: &Gun, state: State) -> StoreResult<Option<(Collection, Head)>>;

    /// Files of targets roles that were committed.
    async fn load_files(
        &self,
        id: CollectionId,
        versions: Vec<(RoleName, Version)>,
    ) -> StoreResult<Vec<(RoleName, Arc<Envelope<Targets>>)>>;

    /// A committed file, current or earlier.
    async fn file(
        &self,
        id: CollectionId,
        role: &RoleName,
        version: Version,
    ) -> StoreResult<Option<FileBytes>>;

    /// The SHA-256 of those of these files that were committed, current or earlier.
    async fn sha256s(
        &self,
        id: CollectionId,
        versions: Vec<(RoleName, Version)>,
    ) -> StoreResult<BTreeMap<(RoleName, Version), String>>;

    /// The first version from this one on of which no file was committed.
    async fn free_version(
        &self,
        id: CollectionId,
        role: &RoleName,
        from: Version,
    ) -> StoreResult<Version>;

    // ---- online keys

    /// The keys that the signer answered for a collection.
    async fn online_keys(&self, id: CollectionId) -> StoreResult<Vec<OnlineKey>>;

    /// Stores keys that the signer answered, or their new state; `false` where the reservation that
    /// they were made for is gone.
    async fn save_online_keys(&self, id: CollectionId, keys: &[SignerKey]) -> StoreResult<bool>;

    /// Notes that these keys tell of a root that is lost, those apart that a root here has taken away.
    async fn note_ahead(&self, id: CollectionId, ahead: &Overlap) -> StoreResult<()>;

    // ---- the release slot

    /// Claims the slot of a collection under a new fence, if the collection is still as `collection`
    /// says.
    async fn prepare(
        &self,
        collection: &Collection,
        slot: NewSlot,
        now: DateTime<Utc>,
    ) -> StoreResult<Claim>;

    /// The prepared release of a collection.
    async fn slot(&self, collection: &Collection) -> StoreResult<Option<Prepared>>;

    /// The collections and reservations with a prepared release, and why the signer refuses it,
    /// where it does. Tombstones are left in peace.
    async fn slots(&self) -> StoreResult<Vec<Unfinished>>;

    /// Gives a slot another plan, and what joins or leaves it, under a new fence; `None` when somebody
    /// else went on.
    async fn rebuild(
        &self,
        prepared: &Prepared,
        plan: Plan,
        joining: Joining,
        restored: Option<NewFeed>,
    ) -> StoreResult<Option<Prepared>>;

    /// Notes why the signer refuses a slot; `false` when somebody else went on.
    async fn pause(&self, prepared: &Prepared, pause: Pause) -> StoreResult<bool>;

    /// Frees a slot whose files will never be signed; `false` when somebody else went on.
    async fn drop_slot(&self, prepared: &Prepared) -> StoreResult<bool>;

    /// Makes a release the head of its collection: **the commit point**. A reservation becomes the
    /// collection, also in the place of a tombstone; a tombstone whose release it is becomes a
    /// collection again. So many files that its snapshot lists are not here. `None` when somebody else
    /// went on.
    async fn commit(
        &self,
        release: Arc<Release>,
        lost: u64,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Committed>>;

    // ---- proposals

    /// At most `limit` proposals of a collection after an id, by id.
    async fn proposals(
        &self,
        id: CollectionId,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Proposal>>;

    /// A proposal of a collection with its files, in the order of their roles.
    async fn proposal(
        &self,
        collection: CollectionId,
        id: &str,
    ) -> StoreResult<Option<(Proposal, Vec<ProposedFile>)>>;

    /// Stores a proposal in the place of open ones that are still as they were read, unless another
    /// open one has a role of it or there are too many. The one that its author has made of the same
    /// before is that one. Of those of its collection that have ended, the newest are kept, as many as
    /// there may be open ones.
    async fn propose(
        &self,
        collection: CollectionId,
        new: Arc<NewProposal>,
        over: &[Proposal],
        now: DateTime<Utc>,
    ) -> StoreResult<Proposed>;

    /// Adds signatures to the file of a role, all or none; `false` when the proposal is no longer as
    /// it was read.
    async fn sign_proposal(
        &self,
        read: &Proposal,
        role: &RoleName,
        signatures: Vec<ProposedSignature>,
    ) -> StoreResult<bool>;

    /// Takes a proposal back; `false` when it was closed before.
    async fn cancel_proposal(&self, id: &str, now: DateTime<Utc>) -> StoreResult<bool>;

    // ---- revoked keys

    /// At most `limit` revocations of a collection after the id of a key, by these ids.
    async fn revocations(
        &self,
        id: CollectionId,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Revocation>>;

    /// Revokes a key, unless it is revoked already or there are too many. No release is prepared any
    /// more that was judged before.
    async fn revoke(
        &self,
        id: CollectionId,
        new: NewRevocation,
        now: DateTime<Utc>,
    ) -> StoreResult<RevokedKey>;

    /// Takes a revocation back; `None` where there is none, or the collection is not served any more.
    async fn unrevoke(
        &self,
        id: CollectionId,
        keyid: &KeyId,
        by: &str,
        now: DateTime<Utc>,
    ) -> StoreResult<Option<Collection>>;

    /// The key of an id: one of the signer's for this collection, of any of its roots, or of the
    /// newest versions of roles that delegate.
    async fn find_key(&self, id: CollectionId, keyid: &KeyId) -> StoreResult<Option<Key>>;

    // ---- the changefeed

    /// Events in commit order. A page of events that name very many files has fewer than it may.
    async fn events(&self, query: EventQuery) -> StoreResult<Events>;

    // ---- tokens

    /// The token with this SHA-256, also when it is expired or revoked.
    async fn token(&self, sha256: &str) -> StoreResult<Option<Token>>;

    /// The token of this id, also when it is expired or revoked.
    async fn token_by_id(&self, id: &str) -> StoreResult<Option<Token>>;

    /// At most `limit` tokens whose grant a grant includes, by id, after this one.
    async fn tokens_within(
        &self,
        grant: &Grant,
        after: &str,
        limit: u32,
    ) -> StoreResult<Vec<Token>>;

    /// Stores a new token; `false` when its origin has `most` that are neither revoked nor expired.
    /// Of the others of its origin the newest `most` are kept.
    async fn create_token(&self, token: Token, most: u64, now: DateTime<Utc>) -> StoreResult<bool>;

    /// Revokes a token; `false` when there is none of this id. The first revocation keeps its date.
    async fn revoke_token(&self, id: &str, which: Revoked, now: DateTime<Utc>)
    -> StoreResult<bool>;

    /// Notes when tokens were last used.
    async fn touch_tokens(&self, used: Vec<(String, DateTime<Utc>)>) -> StoreResult<()>;
}
