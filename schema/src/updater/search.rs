//! The walk along delegations (TUF 5.6.7): pre-order, depth first, fetching only what is on the
//! way.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Found;
use crate::name::RoleName;
use crate::path::Candidate;
use crate::role::{DelegatedRole, Targets};
use crate::trusted::TrustedSet;

/// A walk that is under way, or its result.
#[derive(Debug, Default)]
pub(super) struct Search {
    goal: Goal,
    /// Roles to visit and who delegates to them; the next one is the last.
    stack: Vec<(RoleName, RoleName)>,
    visited: BTreeSet<RoleName>,
    /// How many roles were looked at.
    visits: usize,
    found: Option<Found>,
}

#[derive(Debug, Default)]
enum Goal {
    #[default]
    Nothing,
    /// A target of this name.
    Target(Candidate<'static>),
    /// Each of these roles, the next one last.
    Chain(Vec<RoleName>),
}

impl Search {
    pub(super) fn for_target(name: &str) -> Search {
        Search::with(Goal::Target(Candidate::new(name.to_owned())))
    }

    pub(super) fn for_chain(chain: &[RoleName]) -> Search {
        Search::with(Goal::Chain(chain.iter().rev().cloned().collect()))
    }

    fn with(goal: Goal) -> Search {
        let stack = vec![(RoleName::TARGETS, RoleName::ROOT)];
        Search { goal, stack, ..Search::default() }
    }

    pub(super) fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }

    /// How many roles the search has looked at.
    pub(super) fn visits(&self) -> usize {
        self.visits
    }

    pub(super) fn follows_a_chain(&self) -> bool {
        matches!(self.goal, Goal::Chain(_))
    }

    pub(super) fn has_visited(&self, role: &RoleName) -> bool {
        self.visited.contains(role)
    }

    /// Goes on as far as the trusted roles and the limit reach. Answers the role that is needed next
    /// and its delegator, or `None` at the end.
    pub(super) fn next(
        &mut self,
        trusted: &mut TrustedSet,
        most_roles: usize,
    ) -> Option<(RoleName, RoleName)> {
        while let Some((role, delegator)) = self.stack.pop() {
            if matches!(self.goal, Goal::Target(_)) && self.visited.contains(&role) {
                continue;
            }
            let may_visit = self.visits < most_roles && trusted.trusts(&role, &delegator);
            let Some(file) = trusted.targets(&role).filter(|_| may_visit).cloned() else {
                self.stack.push((role.clone(), delegator.clone()));
                return Some((role, delegator));
            };
            self.visits += 1;
            self.visited.insert(role.clone());
            self.visit(role, file.signed(), most_roles - self.visits);
        }
        None
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
