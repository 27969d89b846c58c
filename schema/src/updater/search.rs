//! The walk along delegations (TUF 5.6.7): pre-order, depth first, fetching only what is on the
//! way.

use std::collections::BTreeSet;

use super::{Found, UpdateError};
use crate::name::RoleName;
use crate::path::Candidate;
use crate::role::Targets;
use crate::trusted::TrustedSet;

/// A walk that is under way, or its result.
#[derive(Debug, Default)]
pub(super) struct Search {
    goal: Goal,
    /// Roles to visit and who delegates to them; the next one is the last.
    stack: Vec<(RoleName, RoleName)>,
    visited: BTreeSet<RoleName>,
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

    /// Goes on as far as the trusted roles reach. Answers the role that is needed next and its
    /// delegator, or `None` at the end.
    pub(super) fn next(
        &mut self,
        trusted: &mut TrustedSet,
        most_roles: usize,
    ) -> Result<Option<(RoleName, RoleName)>, UpdateError> {
        while let Some((role, delegator)) = self.stack.last().cloned() {
            if self.visited.contains(&role) {
                self.stack.pop();
                continue;
            }
            if self.visited.len() >= most_roles {
                return Err(UpdateError::TooManyRoles(most_roles));
            }
            if !trusted.trusts(&role, &delegator)? {
                return Ok(Some((role, delegator)));
            }
            self.stack.pop();
            let file = trusted.targets(&role).expect("it is trusted").clone();
            self.visit(role, file.signed())?;
        }
        Ok(None)
    }

    fn visit(&mut self, role: RoleName, targets: &Targets) -> Result<(), UpdateError> {
        self.visited.insert(role.clone());
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
                None => descend(&mut self.stack, &role, targets, wanted),
            },
        }
        Ok(())
    }
}

/// Puts the delegations that cover the name on the stack, the first on top. A terminating one ends
/// the whole search after its subtree.
fn descend(
    stack: &mut Vec<(RoleName, RoleName)>,
    role: &RoleName,
    targets: &Targets,
    candidate: &Candidate<'_>,
) {
    let mut children = Vec::new();
    for delegated in targets.covering(candidate) {
        children.push((delegated.name.clone(), role.clone()));
        if delegated.terminating {
            stack.clear();
            break;
        }
    }
    stack.extend(children.into_iter().rev());
}
