//! A TUF client without I/O (TUF 5.1–5.7).
//!
//! The caller owns files and network and drives the [`Updater`] in a loop: it asks for the next
//! [`Step`], does it, and hands back what came of it. When the step is [`Step::Done`] the top-level
//! metadata is fresh; then [`Updater::find`] looks up a target, again in steps, and touches only the
//! roles on its way.
//!
//! Saves come in an order that a crash cannot harm: a new root before what it makes stale is
//! removed, a timestamp before the snapshot that it names. What is stored is what came, byte for
//! byte. A refused file changes nothing.
//!
//! ```
//! use std::collections::HashMap;
//! use notary_schema::updater::{Limits, Step, UpdateError, Updater};
//! use notary_schema::trusted::Expiry;
//!
//! /// Drives an updater over two maps: the client's files and the repository.
//! fn drive(
//!     updater: &mut Updater,
//!     local: &mut HashMap<String, Vec<u8>>,
//!     remote: &HashMap<String, Vec<u8>>,
//! ) -> Result<(), UpdateError> {
//!     loop {
//!         match updater.step() {
//!             Step::Load { name } => updater.loaded(local.get(&name).cloned())?,
//!             Step::Fetch { name, .. } => match remote.get(&name) {
//!                 Some(bytes) => updater.fetched(bytes.clone())?,
//!                 None => updater.not_found()?,
//!             },
//!             Step::Save { name, bytes } => {
//!                 local.insert(name, bytes.to_vec());
//!                 updater.stored();
//!             }
//!             Step::Remove { name } => {
//!                 local.remove(&name);
//!                 updater.stored();
//!             }
//!             Step::Done => return Ok(()),
//!         }
//!     }
//! }
//!
//! let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
//! let mut updater = Updater::new(now, Expiry::Enforced, Limits::default());
//! let refused = drive(&mut updater, &mut HashMap::new(), &HashMap::new());
//! assert!(matches!(refused, Err(UpdateError::NoTrustedRoot)), "trust starts with a root");
//! ```

mod names;
mod search;
mod steps;

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::name::{RoleName, Version};
use crate::role::FileMeta;
use crate::trusted::{Expiry, Source, TimestampChange, TrustError, TrustedSet};
pub use names::{local_name, remote_name, target_location};
use search::Search;
pub use steps::{Found, Limits, Step, UpdateError};

/// Which answer is awaited.
#[derive(Debug)]
enum State {
    LoadRoot,
    FetchRoot { left: u32 },
    LoadTimestamp,
    FetchTimestamp,
    LoadSnapshot,
    FetchSnapshot,
    LoadTargets { role: RoleName, delegator: RoleName },
    FetchTargets { role: RoleName, delegator: RoleName },
    Idle,
}

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
    search: Search,
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
            State::LoadTimestamp => load(&RoleName::TIMESTAMP),
            State::LoadSnapshot => load(&RoleName::SNAPSHOT),
            State::LoadTargets { role, .. } => load(role),
            State::Idle => Step::Done,
            fetching => {
                let (name, max_bytes) = self.request(fetching);
                Step::Fetch { name, max_bytes }
            }
        }
    }

    /// Looks up a target once the refresh is done: the next steps fetch what is on the way, then
    /// [`Updater::found`] answers.
    pub fn find(&mut self, name: &str) -> Result<(), UpdateError> {
        self.search = Search::for_target(name);
        self.continue_search()
    }

    /// Fetches the roles of a chain of delegations, from a role below `targets` to the last one,
    /// each verified against the one before it.
    pub fn follow(&mut self, chain: &[RoleName]) -> Result<(), UpdateError> {
        self.search = Search::for_chain(chain);
        self.continue_search()
    }

    /// The target of the last [`Updater::find`]; `None` when no trusted role lists it.
    pub fn found(&self) -> Option<&Found> {
        self.search.found()
    }

    /// The answer to [`Step::Load`]: the stored file, if there is one.
    pub fn loaded(&mut self, bytes: Option<impl Into<Arc<[u8]>>>) -> Result<(), UpdateError> {
        let bytes = bytes.map(Into::into);
        match std::mem::replace(&mut self.state, State::Idle) {
            State::LoadRoot => self.root_loaded(bytes),
            State::LoadTimestamp => {
                let trusted = self.trusting()?;
                let usable = bytes.as_ref().map(|bytes| trusted.update_timestamp(bytes.clone()));
                // An expired root is not the stored file's fault: it ends the refresh.
                if let Some(Err(expired @ TrustError::Expired { .. })) = usable {
                    return Err(expired.into());
                }
                self.drop_unless(usable.is_none_or(|u| u.is_ok()), &RoleName::TIMESTAMP);
                self.state = State::FetchTimestamp;
                Ok(())
            }
            State::LoadSnapshot => {
                let trusted = self.trusting()?;
                trusted.snapshot_entry()?;
                let load = |bytes| trusted.update_snapshot(bytes, Source::Local).is_ok();
                let usable = bytes.is_none_or(load);
                self.drop_unless(usable, &RoleName::SNAPSHOT);
                match self.trusting()?.snapshot_is_final() {
                    true => self.start_targets(),
                    false => self.go_on(State::FetchSnapshot),
                }
            }
            State::LoadTargets { role, delegator } => {
                let trusted = self.trusting()?;
                trusted.targets_entry(&role)?;
                let load = |bytes| trusted.update_targets(&role, &delegator, bytes).is_ok();
                match bytes.is_some_and(load) {
                    true => self.continue_search(),
                    false => self.go_on(State::FetchTargets { role, delegator }),
                }
            }
            other => self.wrong_answer(other),
        }
    }

    /// The answer to [`Step::Fetch`]: the whole body.
    pub fn fetched(&mut self, bytes: impl Into<Arc<[u8]>>) -> Result<(), UpdateError> {
        let bytes = bytes.into();
        let state = std::mem::replace(&mut self.state, State::Idle);
        if !state.is_fetching() {
            return self.wrong_answer(state);
        }
        let (name, max_bytes) = self.request(&state);
        if bytes.len() as u64 > max_bytes {
            return Err(UpdateError::TooLong { name, max_bytes });
        }
        let trusted = self.trusting()?;
        match state {
            State::FetchRoot { left } => {
                trusted.update_root(bytes.clone())?;
                self.save(&RoleName::ROOT, bytes);
                self.walk_roots(left)
            }
            State::FetchTimestamp => {
                if trusted.update_timestamp(bytes.clone())? == TimestampChange::New {
                    self.save(&RoleName::TIMESTAMP, bytes);
                }
                self.trusting()?.snapshot_entry()?;
                self.go_on(State::LoadSnapshot)
            }
            State::FetchSnapshot => {
                trusted.update_snapshot(bytes.clone(), Source::Remote)?;
                self.save(&RoleName::SNAPSHOT, bytes);
                self.start_targets()
            }
            State::FetchTargets { role, delegator } => {
                trusted.update_targets(&role, &delegator, bytes.clone())?;
                self.save(&role, bytes);
                self.continue_search()
            }
            other => self.wrong_answer(other),
        }
    }

    /// The answer to [`Step::Fetch`] where the repository says that there is no such file, and only
    /// then: it ends the walk along the roots.
    pub fn not_found(&mut self) -> Result<(), UpdateError> {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::FetchRoot { .. } => self.go_on(State::LoadTimestamp),
            state if state.is_fetching() => Err(UpdateError::NotFound(self.request(&state).0)),
            other => self.wrong_answer(other),
        }
    }

    /// The answer to [`Step::Fetch`] where anything else went wrong.
    pub fn failed(&mut self, why: impl Into<String>) -> Result<(), UpdateError> {
        let state = std::mem::replace(&mut self.state, State::Idle);
        if !state.is_fetching() {
            return self.wrong_answer(state);
        }
        Err(UpdateError::Failed { name: self.request(&state).0, why: why.into() })
    }

    /// The answer to [`Step::Save`] and [`Step::Remove`]: it is done, durably.
    pub fn stored(&mut self) {
        self.writes.pop_front();
    }

    fn root_loaded(&mut self, bytes: Option<Arc<[u8]>>) -> Result<(), UpdateError> {
        let bytes = bytes.ok_or(UpdateError::NoTrustedRoot)?;
        self.trusted = Some(TrustedSet::new(bytes, self.now, self.expiry)?);
        self.walk_roots(self.limits.roots)
    }

    fn walk_roots(&mut self, left: u32) -> Result<(), UpdateError> {
        match left.checked_sub(1) {
            Some(left) => self.go_on(State::FetchRoot { left }),
            None => self.go_on(State::LoadTimestamp),
        }
    }

    fn start_targets(&mut self) -> Result<(), UpdateError> {
        self.search = Search::for_chain(&[]);
        self.continue_search()
    }

    /// Asks the search for the role that it needs next.
    fn continue_search(&mut self) -> Result<(), UpdateError> {
        let trusted = self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)?;
        self.state = match self.search.next(trusted, self.limits.roles)? {
            Some((role, delegator)) => State::LoadTargets { role, delegator },
            None => State::Idle,
        };
        Ok(())
    }

    fn go_on(&mut self, state: State) -> Result<(), UpdateError> {
        self.state = state;
        Ok(())
    }

    fn wrong_answer(&mut self, state: State) -> Result<(), UpdateError> {
        self.state = state;
        Err(UpdateError::WrongAnswer)
    }

    fn trusting(&mut self) -> Result<&mut TrustedSet, UpdateError> {
        self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)
    }

    fn save(&mut self, role: &RoleName, bytes: Arc<[u8]>) {
        self.writes.push_back(Step::Save { name: local_name(role), bytes });
    }

    /// A stored file that the trusted keys no longer vouch for is dropped: after a change of keys
    /// its version must not hold up the client (TUF 5.3.11).
    fn drop_unless(&mut self, usable: bool, role: &RoleName) {
        if !usable {
            self.writes.push_back(Step::Remove { name: local_name(role) });
        }
    }

    /// Name and longest body of the file that a fetching state waits for.
    fn request(&self, state: &State) -> (String, u64) {
        let Some(trusted) = &self.trusted else { return (String::new(), 0) };
        let consistent = trusted.root().signed().consistent_snapshot == Some(true);
        let listed = |role: &RoleName, entry: Option<&FileMeta>, most: u64| {
            let version = entry.map(|entry| entry.version).filter(|_| consistent);
            let length = entry.and_then(|entry| entry.length).unwrap_or(most);
            (remote_name(role, version), length.min(most))
        };
        match state {
            State::FetchRoot { .. } => {
                let next = trusted.root().version().next().unwrap_or(Version::FIRST);
                (remote_name(&RoleName::ROOT, Some(next)), self.limits.small_bytes)
            }
            State::FetchSnapshot => {
                let entry = trusted.snapshot_entry().ok();
                listed(&RoleName::SNAPSHOT, entry, self.limits.snapshot_bytes)
            }
            State::FetchTargets { role, .. } => {
                listed(role, trusted.targets_entry(role).ok(), self.limits.targets_bytes)
            }
            _ => (remote_name(&RoleName::TIMESTAMP, None), self.limits.small_bytes),
        }
    }
}

impl State {
    fn is_fetching(&self) -> bool {
        matches!(
            self,
            State::FetchRoot { .. }
                | State::FetchTimestamp
                | State::FetchSnapshot
                | State::FetchTargets { .. }
        )
    }
}
