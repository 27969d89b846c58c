//! What an updater does after the refresh: it looks up targets and fetches delegated roles.

use super::search::Search;
use super::state::State;
use super::{Found, Limits, Roles, UpdateError, Updater};
use crate::name::RoleName;

impl Updater {
    /// Looks up a target once the refresh is done: the next steps fetch what is on the way, then
    /// [`Updater::found`] answers. It ends a look-up that is under way.
    ///
    /// # Errors
    /// Before the refresh is done.
    pub fn find(&mut self, name: &str) -> Result<(), UpdateError> {
        self.search_for(Search::for_target(name.to_owned()))
    }

    /// Fetches the roles of a chain of delegations, from a role below `targets` to the last one,
    /// each verified against the one before it. It ends a look-up that is under way.
    ///
    /// # Errors
    /// Before the refresh is done.
    pub fn follow(&mut self, chain: &[RoleName]) -> Result<(), UpdateError> {
        self.search_for(Search::for_chain(chain))
    }

    /// Fetches one role, verified against a delegator that is trusted already. It ends a look-up that
    /// is under way.
    ///
    /// # Errors
    /// Before the refresh is done.
    pub fn follow_one(&mut self, role: &RoleName, delegator: &RoleName) -> Result<(), UpdateError> {
        self.search_for(Search::for_role(role.clone(), delegator.clone()))
    }

    /// Fetches these roles, each verified against every delegator that leads to it, in the order of a
    /// look-up. It ends a look-up that is under way. Then [`super::look_up`] tells of any name what
    /// [`Updater::find`] would.
    ///
    /// # Errors
    /// Before the refresh is done.
    pub fn visit(&mut self, roles: Roles) -> Result<(), UpdateError> {
        self.search_for(Search::for_roles(roles))
    }

    /// Goes on with [`Updater::visit`] without the role that the step is about. Answers which that is,
    /// and which delegator led to it; `None`, and nothing changes, where there is none.
    pub fn skip(&mut self) -> Result<Option<(RoleName, RoleName)>, UpdateError> {
        let (State::LoadTargets { .. } | State::FetchTargets { .. }) = self.state else {
            return Ok(None);
        };
        if !self.search.is_for_roles() || !self.writes.is_empty() {
            return Ok(None);
        }
        let skipped = self.search.skip();
        self.continue_search()?;
        Ok(skipped)
    }

    /// The target of the last [`Updater::find`]; `None` when no trusted role lists it.
    pub fn found(&self) -> Option<&Found> {
        self.search.found()
    }

    fn search_for(&mut self, search: Search<'static>) -> Result<(), UpdateError> {
        let trusted = self.trusted.as_mut().ok_or(UpdateError::NotRefreshed)?;
        if trusted.targets(&RoleName::TARGETS).is_none() {
            return Err(UpdateError::NotRefreshed);
        }
        self.search = search;
        self.continue_search()
    }

    /// Goes to the role that the search needs next, if any.
    pub(super) fn continue_search(&mut self) -> Result<(), UpdateError> {
        let trusted = self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)?;
        let most_roles = self.search.most_roles(&self.limits);
        let next = loop {
            match self.search.next(trusted, most_roles) {
                Some((role, delegator))
                    if self.search.may_visit(&role, most_roles)
                        && trusted.verify_again(&role, &delegator) => {}
                next => break next,
            }
        };
        self.go_on(
            next.map_or(State::Idle, |(role, delegator)| State::LoadTargets { role, delegator }),
        )
    }

    /// Whether one more role, this one, may be looked at.
    pub(super) fn make_room(&mut self, role: &RoleName) -> Result<(), UpdateError> {
        let Limits { look_up_bytes, kept_bytes, followed_bytes, .. } = self.limits;
        let most_roles = self.search.most_roles(&self.limits);
        if !self.search.may_visit(role, most_roles) {
            return Err(match self.search.is_for_roles() {
                true => UpdateError::MoreRoles(most_roles),
                false => UpdateError::TooManyRoles(most_roles),
            });
        }
        let trusted = self.trusted.as_mut().ok_or(UpdateError::NoTrustedRoot)?;
        let keeps_all = self.search.keeps_all();
        if !keeps_all && trusted.held_bytes() > kept_bytes {
            trusted.forget_delegated(|role| !self.search.has_visited(role));
        }
        let most = if keeps_all { followed_bytes } else { look_up_bytes };
        if trusted.held_bytes() > most {
            return Err(UpdateError::TooManyBytes(most));
        }
        Ok(())
    }
}
