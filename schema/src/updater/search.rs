//! The walk along delegations (TUF 5.6.7): pre-order, depth first, each role verified against the
//! delegator that leads to it.
//!
//! There is this one walk. An updater fetches what it needs on the way; [`look_up`] takes it among the
//! roles that are there.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{Found, Limits};
use crate::name::RoleName;
use crate::path::Candidate;
use crate::role::{DelegatedRole, Targets};
use crate::trusted::TrustedSet;

/// Which roles [`super::Updater::visit`] visits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// Every role, as each of its delegators leads to it.
    All,
    /// Every role but hash bins, of which there may be thousands.
    Teams,
    /// Every role but hash bins until this one is visited, be it a bin or not.
    To(RoleName),
}

/// Why a look-up among trusted roles has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// It has to look at a role that is not there as this delegator leads to it.
    Needs {
        /// The role.
        role: RoleName,
        /// Who leads to it.
        delegator: RoleName,
    },
    /// It visited the most roles that it may.
    TooManyRoles(usize),
}

/// What [`super::Updater::find`] answers, where the roles on the way are trusted already: the target,
/// or `None` when no role lists it.
pub fn look_up(
    trusted: &TrustedSet,
    name: &str,
    limits: &Limits,
) -> Result<Option<Found>, Unanswered> {
    let mut search = Search::for_target(name);
    match search.next(trusted, limits.roles) {
        None => Ok(search.found),
        Some(_) if search.visits >= limits.roles => Err(Unanswered::TooManyRoles(limits.roles)),
        Some((role, delegator)) => Err(Unanswered::Needs { role, delegator }),
    }
}

/// How many roles a look-up of this name visits, where those are trusted already; at most as many as
/// it may.
pub fn visits(trusted: &TrustedSet, name: &str, limits: &Limits) -> usize {
    let mut search = Search::for_target(name);
    search.next(trusted, limits.roles);
    search.visits
}

/// A role and who leads to it.
pub(super) type Edge = (RoleName, RoleName);

/// A walk that is under way, or its result.
#[derive(Debug, Default)]
pub(super) struct Search<'a> {
    goal: Goal<'a>,
    /// Roles to visit and who delegates to them; the next one is the last.
    stack: Vec<Edge>,
    visited: BTreeSet<RoleName>,
    /// Roles that it went on without, and did not visit since.
    skipped: BTreeSet<RoleName>,
    /// How many roles were looked at. Those that were skipped count: what a visit does not bring is
    /// known as well as what it brings.
    visits: usize,
    found: Option<Found>,
}

#[derive(Debug, Default)]
enum Goal<'a> {
    #[default]
    Nothing,
    /// A target of this name.
    Target(Candidate<'a>),
    /// Each of these roles, the next one last.
    Chain(Vec<RoleName>),
    /// These roles.
    Roles(Roles),
}

impl<'a> Search<'a> {
    pub(super) fn for_target(name: impl Into<Cow<'a, str>>) -> Search<'a> {
        Search::with(Goal::Target(Candidate::new(name)))
    }

    pub(super) fn for_chain(chain: &[RoleName]) -> Search<'a> {
        Search::with(Goal::Chain(chain.iter().rev().cloned().collect()))
    }

    pub(super) fn for_roles(roles: Roles) -> Search<'a> {
        Search::with(Goal::Roles(roles))
    }

    /// For one role whose delegator is trusted.
    pub(super) fn for_role(role: RoleName, delegator: RoleName) -> Search<'a> {
        Search { stack: vec![(role, delegator)], ..Search::with(Goal::Chain(Vec::new())) }
    }

    fn with(goal: Goal<'a>) -> Search<'a> {
        let stack = vec![(RoleName::TARGETS, RoleName::ROOT)];
        Search { goal, stack, ..Search::default() }
    }

    pub(super) fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// How many roles it may look at.
    pub(super) fn most_roles(&self, limits: &Limits) -> usize {
        if self.is_for_roles() { limits.all_roles } else { limits.roles }
    }

    /// Whether it may look at this role, where so many are the most.
    pub(super) fn may_visit(&self, role: &RoleName, most_roles: usize) -> bool {
        self.visits < most_roles || self.comes_again(role) || self.skipped.contains(role)
    }

    /// Whether another delegator leads to a role whose own delegations are on the stack or done.
    fn comes_again(&self, role: &RoleName) -> bool {
        self.is_for_roles() && self.visited.contains(role)
    }

    pub(super) fn is_for_roles(&self) -> bool {
        matches!(self.goal, Goal::Roles(_))
    }

    /// Whether somebody wants to see every role that it brings.
    pub(super) fn keeps_all(&self) -> bool {
        matches!(self.goal, Goal::Chain(_) | Goal::Roles(_))
    }

    pub(super) fn has_visited(&self, role: &RoleName) -> bool {
        self.visited.contains(role)
    }

    /// Goes on as far as the trusted roles and the limit reach. Answers the role that is needed next
    /// and its delegator, or `None` at the end.
    pub(super) fn next(&mut self, trusted: &TrustedSet, most_roles: usize) -> Option<Edge> {
        while let Some((role, delegator)) = self.stack.pop() {
            if matches!(self.goal, Goal::Target(_)) && self.visited.contains(&role) {
                continue;
            }
            let may_visit = self.may_visit(&role, most_roles);
            let file = trusted.verified(&role, &delegator).filter(|_| may_visit);
            let Some(file) = file else {
                self.stack.push((role.clone(), delegator.clone()));
                return Some((role, delegator));
            };
            if !self.comes_again(&role) {
                self.visits += usize::from(!self.skipped.remove(&role));
                self.visited.insert(role.clone());
                self.visit(role, file.signed(), most_roles.saturating_sub(self.visits));
            }
        }
        None
    }

    /// Goes on without the role that is needed next.
    pub(super) fn skip(&mut self) -> Option<Edge> {
        let skipped = self.stack.pop();
        if let Some((role, _)) = &skipped
            && !self.visited.contains(role)
            && self.skipped.insert(role.clone())
        {
            self.visits += 1;
        }
        skipped
    }

    fn visit(&mut self, role: RoleName, targets: &Targets, visits_left: usize) {
        match &mut self.goal {
            Goal::Nothing => {}
            Goal::Chain(chain) => {
                if let Some(next) = chain.pop() {
                    self.stack.push((next, role));
                }
            }
            Goal::Target(wanted) => match targets.targets.get(wanted.name()) {
                Some(file) => {
                    let name = wanted.name().to_owned();
                    self.found = Some(Found { name, role, file });
                    self.stack.clear();
                }
                None => self.descend(&role, targets, visits_left),
            },
            Goal::Roles(Roles::To(wanted)) if *wanted == role => self.stack.clear(),
            Goal::Roles(roles) => {
                let is_new =
                    |role: &RoleName| !self.visited.contains(role) && !self.skipped.contains(role);
                let below = roles.below(targets, visits_left, is_new);
                self.stack.extend(below.into_iter().rev().map(|below| (below, role.clone())));
            }
        }
    }

    /// Puts the delegations that cover the name on the stack, the first on top. A terminating one
    /// ends the whole search after its subtree.
    fn descend(&mut self, role: &RoleName, targets: &Targets, visits_left: usize) {
        let Goal::Target(wanted) = &self.goal else { return };
        let mut children = Vec::new();
        // Of more than can be visited one is enough: by its turn the limit is reached.
        let unvisited =
            |delegated: &Cow<'_, DelegatedRole>| !self.visited.contains(&delegated.name);
        for delegated in targets.covering(wanted) {
            if children.len() <= visits_left && unvisited(&delegated) {
                children.push((delegated.name.clone(), role.clone()));
            }
            if delegated.terminating {
                self.stack.clear();
                break;
            }
        }
        self.stack.extend(children.into_iter().rev());
    }
}

impl Roles {
    /// The roles below a file that are visited, in the order of a look-up, but for one that is looked
    /// for: it comes first. Of more new bins than can be visited one is enough: by its turn the limit
    /// is reached.
    fn below(
        &self,
        targets: &Targets,
        visits_left: usize,
        is_new: impl Fn(&RoleName) -> bool,
    ) -> Vec<RoleName> {
        let Some(delegations) = &targets.delegations else { return Vec::new() };
        let wanted = match self {
            Roles::To(role) => delegations.authority(role).map(|_| role),
            Roles::All | Roles::Teams => None,
        };
        let all = *self == Roles::All;
        let listed = delegations.listed().iter().filter(|role| all || !role.is_bin());
        let listed = listed.map(|role| &role.name).filter(|role| Some(*role) != wanted).cloned();
        let bins = delegations.succinct().into_iter().flat_map(|succinct| succinct.bins.names());
        let mut new = 0;
        let bins = bins.take_while(|bin| {
            let is_within = all && new <= visits_left;
            new += usize::from(is_new(bin));
            is_within
        });
        wanted.into_iter().cloned().chain(listed).chain(bins).collect()
    }
}
