//! What single targets are like.

use notary_schema::path::Candidate;
use notary_schema::role::TargetFile;
use notary_schema::updater::{Limits, Unanswered, look_up};

use super::delegations::delegators_of;
use super::{Finding, Subject, counted};
use crate::view::KnownRole;

/// Targets that no look-up finds: a delegation on the way to their role does not cover them. Where
/// several ways lead to a role, another one may.
pub(super) fn outside_paths(subject: &Subject<'_>) -> Vec<Finding> {
    let of = delegators_of(subject);
    let has_one_way = |role: &KnownRole| {
        role.path().iter().all(|step| of.get(step).is_none_or(|of| of.len() < 2))
    };
    let what = "outside of the paths that lead to it: no look-up finds it, and tough reads nothing \
                of such a collection";
    let next = "remove them from the role, or delegate their paths to it";
    each(subject, "target_outside_paths", what, next, |role, name, _| {
        has_one_way(role) && !covers(role, name)
    })
}

/// Targets that look-ups do not find in the role that lists them, though its paths cover them. Only
/// where everything was read can that be told, and where there are not too many.
pub(super) fn hidden(subject: &Subject<'_>) -> Vec<Finding> {
    if subject.collected.extent.seed.is_some() || subject.collected.has_many_comparisons() {
        return Vec::new();
    }
    let trusted = subject.collected.view.trusted();
    let what = "not found in this role by look-ups: a role before it lists them, too, a terminating \
                delegation before it covers them, or they visit too many roles";
    let next = "remove them from the role, or give its delegation another place";
    each(subject, "target_hidden", what, next, |role, name, _| {
        let is_elsewhere = match look_up(trusted, name, &Limits::default()) {
            Ok(found) => found.is_none_or(|found| found.role != role.name),
            Err(Unanswered::TooManyRoles(_)) => true,
            // A role that is not verified is a finding of its own.
            Err(Unanswered::Needs { .. }) => false,
        };
        is_elsewhere && covers(role, name)
    })
}

/// Targets without a hash that all clients know.
pub(super) fn without_sha256(subject: &Subject<'_>) -> Vec<Finding> {
    let what = "listed without a sha256: tough cannot read its role";
    let next = "list them again with their sha256";
    each(subject, "target_without_sha256", what, next, |_, _, file| file.hashes.sha256().is_none())
}

/// Whether every delegation on the way to a role covers a name.
fn covers(role: &KnownRole, name: &str) -> bool {
    let candidate = Candidate::new(name);
    role.chain.iter().all(|step| step.covers(&candidate))
}

/// One finding for all targets of a role for which something is true.
fn each(
    subject: &Subject<'_>,
    code: &'static str,
    what: &str,
    next: &str,
    is_found: impl Fn(&KnownRole, &str, &TargetFile) -> bool,
) -> Vec<Finding> {
    let view = &subject.collected.view;
    let in_role = |role: &KnownRole| {
        let file = view.file(&role.name)?;
        let targets = file.signed().targets.iter();
        let found = targets.filter(|(name, target)| is_found(role, name, target));
        let names: Vec<&str> = found.map(|(name, _)| name).collect();
        let count = counted(names.len(), "target", "targets");
        let what = format!("{count}, such as {:?}, {what}", names.first()?);
        Some(Finding::warning(code, &role.name, what, next.to_owned()))
    };
    view.roles().iter().filter_map(in_role).collect()
}
