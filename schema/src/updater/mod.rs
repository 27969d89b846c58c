//! A TUF client without I/O (TUF 5.1–5.7).
//!
//! The caller owns files and network and drives the [`Updater`] in a loop: it asks for the next
//! [`Step`], does it, and hands back what came of it. When the step is [`Step::Done`] the top-level
//! metadata is fresh; then [`Updater::find`] looks up a target, again in steps, and touches only the
//! roles on its way.
//!
//! An answer that is refused changes nothing, whatever the error: what is trusted stays, and so does
//! the step, so that another answer to it may be handed in (from another replica, or later). Whoever
//! gives up drops the updater, or begins another look-up.
//!
//! Saves and removals come before anything that builds on them, and in an order that a crash cannot
//! harm: a timestamp is stored before the snapshot that it names, and a root that makes both stale is
//! stored beside the old one until they are removed. So whatever is stored came under the stored root,
//! or under one before it whose keys of timestamp and snapshot all count still. After a cut at any
//! point the next updater goes on from there and trusts no less than the one before. What is stored is
//! what came, byte for byte.
//!
//! `schema/examples/` has a blocking and an asynchronous driver over real files; this one drives an
//! updater over two maps:
//!
//! ```
//! use std::collections::{BTreeMap, HashMap};
//!
//! use chrono::{DateTime, TimeDelta};
//! use notary_schema::draft::Draft;
//! use notary_schema::envelope::{Envelope, Unsigned};
//! use notary_schema::key::{Key, PublicKey};
//! use notary_schema::name::{RoleName, TargetPath, Version};
//! use notary_schema::online::{PlannedTimestamp, next_snapshot};
//! use notary_schema::path::{PathPattern, PathSet};
//! use notary_schema::role::{
//!     DelegatedRole, Expires, FileMeta, Hashes, RoleKeys, Root, TargetFile, TopLevelRoles,
//! };
//! use notary_schema::trusted::Expiry;
//! use notary_schema::updater::{Limits, Step, UpdateError, Updater};
//! use ring::signature::{Ed25519KeyPair, KeyPair};
//!
//! /// Drives an updater over two maps: the client's files and the repository.
//! fn drive(
//!     updater: &mut Updater,
//!     stored: &mut HashMap<String, Vec<u8>>,
//!     repository: &HashMap<String, Vec<u8>>,
//! ) -> Result<(), UpdateError> {
//!     loop {
//!         match updater.step() {
//!             Step::Load { name } => updater.loaded(stored.get(&name).cloned())?,
//!             Step::Fetch { name, .. } => match repository.get(&name) {
//!                 Some(bytes) => updater.fetched(bytes.clone())?,
//!                 None => updater.not_found()?,
//!             },
//!             Step::Save { name, bytes } => {
//!                 stored.insert(name, bytes.to_vec());
//!                 updater.stored();
//!             }
//!             Step::Remove { name } => {
//!                 stored.remove(&name);
//!                 updater.stored();
//!             }
//!             Step::Done => return Ok(()),
//!         }
//!     }
//! }
//!
//! // A repository: `targets` delegates `docs/*` to `docs`. One key signs everything here.
//! let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
//! let (first, expires) = (Version::FIRST, Expires::at(now + TimeDelta::days(1)));
//! let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
//! let key = Key::new(PublicKey::Ed25519(pair.public_key().as_ref().try_into()?));
//! let signers = RoleKeys::new(vec![key.id().clone()], 1)?;
//! let sign = |document: &Unsigned| {
//!     let signature = pair.sign(document.message()).as_ref().to_vec();
//!     document.with_signatures(&[(key.id().clone(), signature)])
//! };
//! let keys = BTreeMap::from([(key.id().clone(), key.clone())]);
//! let roles = TopLevelRoles {
//!     root: signers.clone(),
//!     snapshot: signers.clone(),
//!     targets: signers.clone(),
//!     timestamp: signers.clone(),
//! };
//! let root = sign(&Unsigned::of(&Root::new(first, expires, keys, roles)));
//!
//! let docs_role = RoleName::parse("docs")?;
//! let paths = PathSet::Paths(vec![PathPattern::new("docs/*")]);
//! let delegation =
//!     DelegatedRole { name: docs_role.clone(), signers: signers.into(), terminating: false, paths };
//! let mut targets = Draft::first_targets(expires);
//! targets.set_delegation(&delegation, &[key.clone()]);
//! let targets = sign(&targets.finish());
//! let mut docs = Draft::first_targets(expires);
//! let file = TargetFile { length: 5, hashes: Hashes::sha256_of("ab".repeat(32)), custom: None };
//! docs.set_target(&TargetPath::parse("docs/a.txt")?, &file);
//! let docs = sign(&docs.finish());
//!
//! let entries = [(RoleName::TARGETS, &targets), (docs_role.clone(), &docs)];
//! let entries = entries.map(|(role, file)| (role, FileMeta::of(first, file)));
//! let snapshot = sign(&Unsigned::of(&next_snapshot(None, entries, first, expires)));
//! let timestamp = PlannedTimestamp { version: first, expires, keyids: vec![] };
//! let timestamp = sign(&timestamp.document(&Envelope::parse(snapshot.clone())?));
//! let files = [
//!     ("timestamp.json", timestamp),
//!     ("1.snapshot.json", snapshot),
//!     ("1.targets.json", targets),
//!     ("1.docs.json", docs),
//! ];
//! let mut repository = HashMap::from(files.map(|(name, file)| (name.to_owned(), file)));
//!
//! // A client that starts from the root brings its files up to date and looks up a target.
//! let mut stored = HashMap::from([("root.json".to_owned(), root)]);
//! let mut updater = Updater::new(now, Expiry::Enforced, Limits::default());
//! drive(&mut updater, &mut stored, &repository)?;
//! assert_eq!(stored.len(), 4, "root, timestamp, snapshot and targets");
//! updater.find("docs/a.txt")?;
//! drive(&mut updater, &mut stored, &repository)?;
//! let found = updater.found().expect("docs lists it");
//! assert_eq!((&found.role, found.file.length), (&docs_role, 5));
//!
//! // A file that nobody signed is refused, and nothing changes.
//! let before = stored.clone();
//! repository.insert("timestamp.json".to_owned(), b"{}".to_vec());
//! let mut updater = Updater::new(now, Expiry::Enforced, Limits::default());
//! let refused = drive(&mut updater, &mut stored, &repository);
//! assert!(matches!(refused, Err(UpdateError::Trust(_))));
//! assert_eq!(stored, before);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod look_ups;
mod names;
mod search;
mod state;
mod steps;

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::name::RoleName;
use crate::trusted::{Expiry, RootChange, TimestampChange, TrustedSet};
use names::NEXT_ROOT;
pub use names::{local_name, remote_name, target_location};
use search::Search;
pub use search::{Roles, Unanswered, look_up, visits};
use state::State;
pub use steps::{Found, Limits, Step, UpdateError};

/// A TUF client without I/O; see the module's text.
#[derive(Debug)]
pub struct Updater {
    now: DateTime<Utc>,
    expiry: Expiry,
    limits: Limits,
    state: State,
    /// Saves and removals to do before anything else.
    writes: VecDeque<Step>,
    trusted: Option<TrustedSet>,
    search: Search<'static>,
}

impl Updater {
    /// A client at the time `now`, which stands still for all that this updater does.
    pub fn new(now: DateTime<Utc>, expiry: Expiry, limits: Limits) -> Updater {
        let (state, writes, trusted) = (State::LoadRoot, VecDeque::new(), None);
        Updater { now, expiry, limits, state, writes, trusted, search: Search::default() }
    }

    /// What is trusted so far; `None` before the stored root was loaded.
    pub fn trusted(&self) -> Option<&TrustedSet> {
        self.trusted.as_ref()
    }

    /// What the caller does next. Asking again gives the same step.
    pub fn step(&self) -> Step {
        if let Some(write) = self.writes.front() {
            return write.clone();
        }
        let load = |role: &RoleName| Step::Load { name: local_name(role) };
        match &self.state {
            State::LoadRoot => load(&RoleName::ROOT),
            State::LoadNextRoot => Step::Load { name: NEXT_ROOT.to_owned() },
            State::LoadTimestamp => load(&RoleName::TIMESTAMP),
            State::LoadSnapshot { .. } => load(&RoleName::SNAPSHOT),
            State::LoadTargets { role, .. } => load(role),
            _ => match self.request() {
                Some((name, max_bytes)) => Step::Fetch { name, max_bytes },
                None => Step::Done,
            },
        }
    }

    /// The answer to [`Step::Load`]: the stored file, if there is one.
    pub fn loaded(&mut self, bytes: Option<impl Into<Arc<[u8]>>>) -> Result<(), UpdateError> {
        let bytes = bytes.map(Into::into);
        match (&self.state, self.writes.is_empty()) {
            (State::LoadRoot, true) => {
                let bytes = bytes.ok_or(UpdateError::NoTrustedRoot)?;
                self.trusted = Some(TrustedSet::new(bytes, self.now, self.expiry)?);
                self.go_on(State::LoadNextRoot)
            }
            (State::LoadNextRoot, true) => {
                if let Some(bytes) = bytes {
                    match self.trusting()?.update_root(bytes.clone()) {
                        Ok(_) => self.replace_root(bytes),
                        // It is the trusted root by now, or damaged.
                        Err(_) => self.writes.push_back(Step::Remove { name: NEXT_ROOT.into() }),
                    }
                }
                self.walk_roots(self.limits.roots)
            }
            (State::LoadTimestamp, true) => self.go_on(State::LoadSnapshot { timestamp: bytes }),
            (State::LoadSnapshot { timestamp }, true) => {
                let timestamp = timestamp.clone();
                self.trusting()?.restore(timestamp, bytes)?;
                self.go_on(State::FetchTimestamp)
            }
            (State::LoadTargets { role, delegator }, true) => {
                let (role, delegator) = (role.clone(), delegator.clone());
                self.make_room(&role)?;
                let trusted = self.trusting()?;
                trusted.targets_entry(&role)?;
                trusted.authority(&role, &delegator)?;
                let load = |bytes| trusted.update_targets(&role, &delegator, bytes).is_ok();
                match bytes.is_some_and(load) {
                    true => self.continue_search(),
                    false => self.go_on(State::FetchTargets { role, delegator }),
                }
            }
            _ => Err(UpdateError::WrongAnswer),
        }
    }

    /// The answer to [`Step::Fetch`]: the whole body.
    pub fn fetched(&mut self, bytes: impl Into<Arc<[u8]>>) -> Result<(), UpdateError> {
        let bytes = bytes.into();
        let (name, max_bytes) = self.awaited()?;
        if bytes.len() as u64 > max_bytes {
            return Err(UpdateError::TooLong { name, max_bytes });
        }
        let trusted = self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)?;
        match &self.state {
            State::FetchRoot { left, .. } => {
                let left = *left;
                match trusted.update_root(bytes.clone())? {
                    RootChange::KeysStay => self.save(&RoleName::ROOT, bytes),
                    RootChange::KeyTakenAway => {
                        let name = NEXT_ROOT.to_owned();
                        self.writes.push_back(Step::Save { name, bytes: bytes.clone() });
                        self.replace_root(bytes);
                    }
                }
                self.walk_roots(left)
            }
            State::FetchTimestamp => {
                if trusted.update_timestamp(bytes.clone())? == TimestampChange::New {
                    self.save(&RoleName::TIMESTAMP, bytes);
                }
                match self.trusting()?.reuse_snapshot()? {
                    true => self.go_on(State::top_level_targets()),
                    false => self.go_on(State::FetchSnapshot),
                }
            }
            State::FetchSnapshot => {
                trusted.update_snapshot(bytes.clone())?;
                self.save(&RoleName::SNAPSHOT, bytes);
                self.go_on(State::top_level_targets())
            }
            State::FetchTargets { role, delegator } => {
                let role = role.clone();
                trusted.update_targets(&role, delegator, bytes.clone())?;
                self.save(&role, bytes);
                self.continue_search()
            }
            _ => Err(UpdateError::WrongAnswer),
        }
    }

    /// The answer to [`Step::Fetch`] where the repository says that there is no such file, and only
    /// then: it ends the walk along the roots.
    pub fn not_found(&mut self) -> Result<(), UpdateError> {
        match (self.awaited()?, &self.state) {
            (_, State::FetchRoot { .. }) => self.go_on(State::LoadTimestamp),
            ((name, _), _) => Err(UpdateError::NotFound(name)),
        }
    }

    /// The answer to [`Step::Fetch`] where anything else went wrong.
    pub fn failed(&mut self, why: impl Into<String>) -> Result<(), UpdateError> {
        let (name, _) = self.awaited()?;
        Err(UpdateError::Failed { name, why: why.into() })
    }

    /// The answer to [`Step::Save`] and [`Step::Remove`]: it is done, durably.
    pub fn stored(&mut self) {
        self.writes.pop_front();
    }

    /// The last version that there is ends the walk as a missing one does (TUF 5.3.3).
    fn walk_roots(&mut self, left: u32) -> Result<(), UpdateError> {
        let next = self.trusting()?.root().version().next();
        match (left.checked_sub(1), next) {
            (Some(left), Ok(version)) => self.go_on(State::FetchRoot { version, left }),
            _ => self.go_on(State::LoadTimestamp),
        }
    }

    fn go_on(&mut self, state: State) -> Result<(), UpdateError> {
        self.state = state;
        Ok(())
    }

    fn trusting(&mut self) -> Result<&mut TrustedSet, UpdateError> {
        self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)
    }

    /// Forgets the stored timestamp and snapshot, and then the root that they came under. Stored
    /// beside it, the new root stands for all of that: after a cut it is done again. Were the new one
    /// in its place first, nobody could tell them from files that are to stay; were they gone first, a
    /// mirror that does not show the new root could go back to any of the old one.
    fn replace_root(&mut self, root: Arc<[u8]>) {
        let remove = |name| Step::Remove { name };
        self.writes.push_back(remove(local_name(&RoleName::SNAPSHOT)));
        self.writes.push_back(remove(local_name(&RoleName::TIMESTAMP)));
        self.save(&RoleName::ROOT, root);
        self.writes.push_back(remove(NEXT_ROOT.to_owned()));
    }

    fn save(&mut self, role: &RoleName, bytes: Arc<[u8]>) {
        self.writes.push_back(Step::Save { name: local_name(role), bytes });
    }

    /// Name and longest body of the file that is awaited from the repository now.
    fn awaited(&self) -> Result<(String, u64), UpdateError> {
        self.request().filter(|_| self.writes.is_empty()).ok_or(UpdateError::WrongAnswer)
    }

    fn request(&self) -> Option<(String, u64)> {
        self.state.request(self.trusted.as_ref()?, &self.limits)
    }
}
