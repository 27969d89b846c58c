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
//! harm: each new root before what it makes stale is removed, a timestamp before the snapshot that it
//! names. After a cut at any point the next updater goes on from what is stored and trusts no less
//! than the one before. What is stored is what came, byte for byte.
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
mod state;
mod steps;

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::name::RoleName;
use crate::trusted::{Expiry, TimestampChange, TrustedSet};
pub use names::{local_name, remote_name, target_location};
use search::Search;
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
            State::LoadSnapshot { .. } => load(&RoleName::SNAPSHOT),
            State::LoadTargets { role, .. } => load(role),
            _ => match self.request() {
                Some((name, max_bytes)) => Step::Fetch { name, max_bytes },
                None => Step::Done,
            },
        }
    }

    /// Looks up a target once the refresh is done: the next steps fetch what is on the way, then
    /// [`Updater::found`] answers. It ends a look-up that is under way.
    ///
    /// # Errors
    /// Before the refresh is done.
    pub fn find(&mut self, name: &str) -> Result<(), UpdateError> {
        self.search_for(Search::for_target(name))
    }

    /// Fetches the roles of a chain of delegations, from a role below `targets` to the last one,
    /// each verified against the one before it. It ends a look-up that is under way.
    ///
    /// # Errors
    /// Before the refresh is done.
    pub fn follow(&mut self, chain: &[RoleName]) -> Result<(), UpdateError> {
        self.search_for(Search::for_chain(chain))
    }

    /// The target of the last [`Updater::find`]; `None` when no trusted role lists it.
    pub fn found(&self) -> Option<&Found> {
        self.search.found()
    }

    /// The answer to [`Step::Load`]: the stored file, if there is one.
    pub fn loaded(&mut self, bytes: Option<impl Into<Arc<[u8]>>>) -> Result<(), UpdateError> {
        let bytes = bytes.map(Into::into);
        match (&self.state, self.writes.is_empty()) {
            (State::LoadRoot, true) => {
                let bytes = bytes.ok_or(UpdateError::NoTrustedRoot)?;
                self.trusted = Some(TrustedSet::new(bytes, self.now, self.expiry)?);
                self.walk_roots(self.limits.roots)
            }
            (State::LoadTimestamp, true) => self.go_on(State::LoadSnapshot { timestamp: bytes }),
            (State::LoadSnapshot { timestamp }, true) => {
                let timestamp = timestamp.clone();
                let stale = self.trusting()?.restore(timestamp, bytes)?;
                let remove = |role: &RoleName| Step::Remove { name: local_name(role) };
                self.writes.extend(stale.iter().map(remove));
                self.go_on(State::FetchTimestamp)
            }
            (State::LoadTargets { role, delegator }, true) => {
                let (role, delegator) = (role.clone(), delegator.clone());
                self.make_room()?;
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
                trusted.update_root(bytes.clone())?;
                self.save(&RoleName::ROOT, bytes);
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

    fn search_for(&mut self, search: Search) -> Result<(), UpdateError> {
        let trusted = self.trusted.as_mut().ok_or(UpdateError::NotRefreshed)?;
        if trusted.targets(&RoleName::TARGETS).is_none() {
            return Err(UpdateError::NotRefreshed);
        }
        self.search = search;
        self.continue_search()
    }

    /// The last version that there is ends the walk as a missing one does (TUF 5.3.3).
    fn walk_roots(&mut self, left: u32) -> Result<(), UpdateError> {
        let next = self.trusting()?.root().version().next();
        match (left.checked_sub(1), next) {
            (Some(left), Ok(version)) => self.go_on(State::FetchRoot { version, left }),
            _ => self.go_on(State::LoadTimestamp),
        }
    }

    /// Goes to the role that the search needs next, if any.
    fn continue_search(&mut self) -> Result<(), UpdateError> {
        let trusted = self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)?;
        let next = self.search.next(trusted, self.limits.roles);
        self.go_on(
            next.map_or(State::Idle, |(role, delegator)| State::LoadTargets { role, delegator }),
        )
    }

    /// Whether one more role may be looked at.
    fn make_room(&mut self) -> Result<(), UpdateError> {
        let Limits { roles, look_up_bytes, kept_bytes, .. } = self.limits;
        if self.search.visits() >= roles {
            return Err(UpdateError::TooManyRoles(roles));
        }
        let trusted = self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)?;
        if trusted.held_bytes() > kept_bytes {
            trusted.forget_delegated(|role| !self.search.has_visited(role));
        }
        if trusted.held_bytes() > look_up_bytes {
            return Err(UpdateError::TooManyBytes(look_up_bytes));
        }
        Ok(())
    }

    fn go_on(&mut self, state: State) -> Result<(), UpdateError> {
        self.state = state;
        Ok(())
    }

    fn trusting(&mut self) -> Result<&mut TrustedSet, UpdateError> {
        self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)
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
