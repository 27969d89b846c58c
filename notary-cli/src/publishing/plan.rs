//! What a publish would consist of, as a pure function of trusted metadata and staged changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{RoleName, Version};
use notary_schema::online::Lifetimes;
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::publish::{Refusal, check_unsigned};
use notary_schema::role::{Expires, Targets};

use crate::exit::Failure;
use crate::judging::{batch, judgeable, rules};
use crate::output::joined;
use crate::remote::Exempt;
use crate::staged::{NewDelegation, StageError, Staged, Witness};
use crate::view::{View, delegated, spelled};

/// The next versions of the changed roles, still to be signed.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One for each changed role.
    pub(crate) parts: Vec<Part>,
    /// First files of delegated roles, signed by their teams.
    pub(crate) first_files: Vec<(RoleName, Arc<[u8]>)>,
    /// What the publish leaves so on purpose.
    pub(crate) exempt: Exempt,
}

/// The next version of one role.
#[derive(Debug)]
pub(crate) struct Part {
    /// The role.
    pub(crate) role: RoleName,
    /// Its version now; `None` before the first.
    pub(crate) current: Option<Version>,
    /// The version that is planned.
    pub(crate) version: Version,
    /// The document.
    pub(crate) document: Unsigned,
}

/// Builds the next versions.
///
/// # Errors
/// A role that no delegation leads to, a name that is not published, more roles left behind than one
/// request can name.
pub(crate) fn plan(view: &View, staged: &Staged, expires: Expires) -> Result<Plan, Failure> {
    let exempt = Exempt { orphan: orphans(view, staged), ..Exempt::default() };
    let mut plan = Plan { parts: Vec::new(), first_files: Vec::new(), exempt };
    for (role, changes) in staged.roles.iter().filter(|(_, changes)| !changes.is_empty()) {
        if view.role(role).is_none() {
            return Err(StageError::UnknownRole(role.clone()).into());
        }
        let (current, mut draft) = match (view.file(role), view.listed(role)) {
            (Some(file), _) => (Some(file.version()), Draft::next(file, expires)?),
            (None, None) => (None, Draft::first_targets(expires)),
            (None, Some(version)) => {
                let earlier = view.ground(role).ok_or_else(|| {
                    Failure::Refused(format!(
                        "{role} {version} is listed and could not be read, so nothing is built on it"
                    ))
                })?;
                (Some(version), Draft::with_version(earlier, version.next()?, expires))
            }
        };
        let delegations = view.ground(role).and_then(|file| file.signed().delegations.as_ref());
        let is_succinct = delegations.is_some_and(|all| all.succinct().is_some());
        if is_succinct && !(changes.delegations.is_empty() && changes.order.is_empty()) {
            return Err(StageError::Succinct(role.clone()).into());
        }
        if let Some(witness) = changes.witness {
            check_witness(role, current, witness)?;
        }
        changes.apply(&mut draft)?;
        let version = draft.version();
        let document = draft.finish();
        plan.parts.push(Part { role: role.clone(), current, version, document });
        for (team, new) in &changes.delegations {
            inside_parent(view, staged, role, new)?;
            match (&new.first_file, view.listed(team)) {
                (Some(file), listed) => {
                    let bytes: Arc<[u8]> = file.as_bytes().into();
                    // A role that goes on elsewhere keeps what it has published since.
                    if follows(&bytes, listed) {
                        plan.first_files.push((team.clone(), bytes));
                    }
                }
                // One that has no file yet, and had none before, is as it was.
                (None, None) if delegations.is_none_or(|all| all.delegation(team).is_none()) => {
                    plan.exempt.pending.insert(team.clone());
                }
                (None, _) => {}
            }
        }
    }
    Ok(plan)
}

/// A role is trusted with nothing that a delegation on the way to it does not cover: no look-up would
/// ever come to it.
fn inside_parent(
    view: &View,
    staged: &Staged,
    parent: &RoleName,
    new: &NewDelegation,
) -> Result<(), StageError> {
    let PathSet::Paths(paths) = &new.delegation.paths else { return Ok(()) };
    let mut delegator = RoleName::TARGETS;
    for step in view.role(parent).iter().flat_map(|known| &known.chain) {
        let changes = staged.roles.get(&delegator);
        let changed = changes.and_then(|changes| changes.delegations.get(&step.name));
        let covered = changed.map_or(&step.paths, |new| &new.delegation.paths);
        delegator = step.name.clone();
        // What comes by its hash may have any name.
        let PathSet::Paths(patterns) = covered else { continue };
        let is_outside = |path: &&PathPattern| !patterns.iter().any(|wide| wide.contains(path));
        if let Some(outside) = paths.iter().find(is_outside) {
            return Err(StageError::OutsideParent {
                role: new.delegation.name.clone(),
                path: outside.as_str().to_owned(),
                via: step.name.clone(),
                covered: spelled(covered),
            });
        }
    }
    Ok(())
}

/// What is vouched for is there, and is what was looked at.
fn check_witness(
    role: &RoleName,
    current: Option<Version>,
    Witness { reviewed }: Witness,
) -> Result<(), Failure> {
    let Some(current) = current else {
        return Err(Failure::Refused(format!("{role} has no file yet that could be witnessed")));
    };
    match reviewed.filter(|reviewed| *reviewed != current) {
        Some(reviewed) => Err(Failure::Conflict(format!(
            "{role} is at version {current}, and {reviewed} was reviewed; look at what differs with \
             `notary diff`, then witness it with --reviewed {current}"
        ))),
        None => Ok(()),
    }
}

/// The published roles that no delegation leads to any more.
fn orphans(view: &View, staged: &Staged) -> BTreeSet<RoleName> {
    if staged.undelegated().next().is_none() {
        return BTreeSet::new();
    }
    let before = reached(view, |_, _| true, |_| Vec::new());
    let changes = |delegator: &RoleName| staged.roles.get(delegator);
    let stays = |delegator: &RoleName, role: &RoleName| {
        changes(delegator).is_none_or(|changes| !changes.undelegated.contains(role))
    };
    let added = |delegator: &RoleName| {
        let changes = changes(delegator).into_iter();
        changes.flat_map(|changes| changes.delegations.keys().cloned()).collect()
    };
    let after = reached(view, stays, added);
    before.difference(&after).filter(|role| view.listed(role).is_some()).cloned().collect()
}

/// The roles that delegations lead to, of those that stay and those that are added.
fn reached(
    view: &View,
    stays: impl Fn(&RoleName, &RoleName) -> bool,
    added: impl Fn(&RoleName) -> Vec<RoleName>,
) -> BTreeSet<RoleName> {
    let mut reached = BTreeSet::from([RoleName::TARGETS]);
    let mut waiting = vec![RoleName::TARGETS];
    while let Some(delegator) = waiting.pop() {
        let delegated = view.file(&delegator).map(|file| delegated(file.signed()));
        let mut roles = delegated.unwrap_or_default();
        roles.retain(|role| stays(&delegator, role));
        for role in roles.into_iter().chain(added(&delegator)) {
            if reached.insert(role.clone()) {
                waiting.push(role);
            }
        }
    }
    reached
}

/// Whether a signed first file is the version after the listed one.
fn follows(file: &Arc<[u8]>, listed: Option<Version>) -> bool {
    let expected = listed.map_or(Ok(Version::FIRST), Version::next);
    Envelope::<Targets>::parse(file.clone()).is_ok_and(|file| Ok(file.version()) == expected)
}

impl Plan {
    /// Its files, of which those of teams are signed.
    pub(crate) fn unsigned(&self) -> Vec<(RoleName, Arc<[u8]>)> {
        let unsigned = |part: &Part| (part.role.clone(), part.document.with_signatures(&[]).into());
        self.parts.iter().map(unsigned).chain(self.first_files.iter().cloned()).collect()
    }

    /// Judges the plan before it is signed. Answers warnings.
    pub(crate) fn check(
        &self,
        view: &View,
        lifetimes: &Lifetimes,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, Failure> {
        let batch = batch(&self.unsigned(), &self.exempt)?;
        let warnings = match judgeable(view, &batch) {
            Some(head) => {
                let rules = rules(lifetimes, &batch);
                check_unsigned(Some(&head), &batch, &rules, now).map_err(refused)?
            }
            None => Vec::new(),
        };
        self.require_room()?;
        Ok(warnings)
    }

    /// The server wants every role named that is left behind or has no file, and a request has room
    /// for so many names.
    pub(crate) fn require_room(&self) -> Result<(), Failure> {
        let Exempt { orphan, pending, .. } = &self.exempt;
        match self.exempt.fits() {
            true => Ok(()),
            false => Err(Failure::Refused(format!(
                "one publish can name about 2,500 roles that it leaves without a delegation or \
                 without a file; this one has {} and {}: do some of it first, in publishes of their \
                 own; `notary reset` drops what is staged",
                orphan.len(),
                pending.len()
            ))),
        }
    }
}

/// What a rule says, in the words of the commands where the rule has those of a request.
pub(super) fn refused(refusal: Refusal) -> Failure {
    match refusal {
        Refusal::WouldOrphan(roles) => {
            let roles = joined(&roles);
            Failure::Refused(format!(
                "nobody would trust what {roles} has published: it lists targets outside these paths, \
                 or too few of these keys have signed it; have those targets removed first, or keep \
                 paths and keys"
            ))
        }
        refusal => refusal.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::staged::{Changes, TargetChange};
    use crate::testing::{Collection, in_days, now, role, target};

    fn adding(role_name: &str, name: &str) -> Staged {
        let change = TargetChange::Set(target(b"new"));
        let targets = BTreeMap::from([(name.to_owned(), change)]);
        let changes = Changes { targets, ..Changes::default() };
        Staged { roles: BTreeMap::from([(role(role_name), changes)]) }
    }

    fn outcome(staged: &Staged) -> Result<Plan, Failure> {
        let view = Collection::new().view();
        let plan = plan(&view, staged, in_days(30))?;
        plan.check(&view, &Lifetimes::default(), now())?;
        Ok(plan)
    }

    #[test]
    fn a_role_goes_on_after_its_version_and_a_new_one_starts_at_one() {
        for (name, target, current, version) in [
            ("docs", "docs/b", Some(1), 2),
            ("german", "docs/de", Some(1), 2),
            ("team", "team/x", None, 1),
        ] {
            let plan = outcome(&adding(name, target)).unwrap();
            let [part] = &plan.parts[..] else { panic!("one role changed") };
            assert_eq!(part.role, role(name));
            assert_eq!(part.current.map(Version::get), current, "{name}");
            assert_eq!(part.version.get(), version, "{name}");
        }
    }

    #[test]
    fn a_bad_change_is_refused_before_it_is_signed() {
        for (name, target, code) in
            [("docs", "other", "outside_paths"), ("german", "docs/en", "outside_paths")]
        {
            let Err(Failure::Rule(refusal)) = outcome(&adding(name, target)) else {
                panic!("{name} {target} was accepted");
            };
            assert_eq!(refusal.code(), code);
        }
        let unknown = outcome(&adding("nobody", "x")).unwrap_err();
        assert!(matches!(unknown, Failure::Stage(StageError::UnknownRole(_))), "{unknown}");
    }

    #[test]
    fn a_delegation_comes_with_its_first_file_or_is_pending() {
        let collection = Collection::new();
        let view = collection.view();
        let targets = view.file(&RoleName::TARGETS).unwrap().signed();
        let like_team = targets.delegation(&role("team")).unwrap();
        let first_file = Draft::first_targets(in_days(30)).finish().with_signatures(&[]);
        let first_file = String::from_utf8(first_file).unwrap();
        let delegating = |name: &str, first_file: Option<&String>| {
            let mut delegation = like_team.clone().into_owned();
            delegation.name = role(name);
            let keys = vec![collection.key("team").key];
            let new = NewDelegation { delegation, keys, first_file: first_file.cloned() };
            let delegations = BTreeMap::from([(role(name), new)]);
            let changes = Changes { delegations, ..Changes::default() };
            let staged = Staged { roles: BTreeMap::from([(RoleName::TARGETS, changes)]) };
            let plan = plan(&view, &staged, in_days(30)).unwrap();
            (plan.first_files.len(), plan.exempt.pending.len())
        };
        assert_eq!(delegating("new", Some(&first_file)), (1, 0));
        assert_eq!(delegating("new", None), (0, 1));
        assert_eq!(delegating("docs", Some(&first_file)), (0, 0), "docs goes on after version 1");
        assert_eq!(delegating("docs", None), (0, 0));
    }

    #[test]
    fn more_roles_than_one_request_can_name_are_refused_before_anything_is_signed() {
        let collection = Collection::new();
        let view = collection.view();
        let targets = view.file(&RoleName::TARGETS).unwrap().signed();
        let like_team = targets.delegation(&role("team")).unwrap();
        let pending = |count: usize| {
            let delegation = |number: usize| {
                let name = role(&format!("a-team-of-many-{number:05}"));
                let mut delegation = like_team.clone().into_owned();
                delegation.name = name.clone();
                let keys = vec![collection.key("team").key];
                (name, NewDelegation { delegation, keys, first_file: None })
            };
            let delegations = (0..count).map(delegation).collect();
            let changes = Changes { delegations, ..Changes::default() };
            let staged = Staged { roles: [(RoleName::TARGETS, changes)].into() };
            plan(&view, &staged, in_days(30)).unwrap().require_room()
        };
        // Each takes 29 bytes of a query: `pending=` and the name, and & between them.
        pending(2_069).unwrap();
        let refused = pending(2_070).unwrap_err();
        assert!(matches!(refused, Failure::Refused(_)), "{refused}");
        assert!(refused.to_string().contains("2070"), "{refused}");
    }
}
