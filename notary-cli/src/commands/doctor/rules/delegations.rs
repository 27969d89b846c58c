//! What delegations lead to.

use std::collections::{BTreeMap, BTreeSet};

use notary_schema::name::RoleName;
use notary_schema::role::{Delegations, SuccinctRoles};

use super::{Finding, Subject, counted};

/// Most bins of one role that are looked for in the snapshot.
const MAX_BINS: usize = 65_536;

/// The roles that were read and that delegate.
fn delegators<'a>(
    subject: &Subject<'a>,
) -> impl Iterator<Item = (&'a RoleName, &'a Delegations)> + use<'a> {
    let view = &subject.collected.view;
    let delegations =
        |role: &'a RoleName| Some((role, view.file(role)?.signed().delegations.as_ref()?));
    view.roles().iter().filter_map(move |role| delegations(&role.name))
}

/// Roles that our own verification refuses.
pub(super) fn refused(subject: &Subject<'_>) -> Vec<Finding> {
    let refused = |(role, why): (&RoleName, &String)| {
        let what = format!("not verified, so that look-ups that lead to it fail: {why}");
        let next = "have its keys sign its next version, or its delegator drop it".to_owned();
        Finding::error("not_verified", role, what, next)
    };
    subject.collected.refused.iter().map(refused).collect()
}

/// Roles that are delegated to and have published nothing yet.
pub(super) fn pending(subject: &Subject<'_>) -> Vec<Finding> {
    let Some(snapshot) = subject.collected.view.trusted().snapshot() else { return Vec::new() };
    let is_missing = |role: &RoleName| snapshot.signed().entry(role).is_none();
    let mut findings = Vec::new();
    for (delegator, delegations) in delegators(subject) {
        let missing = delegations.listed().iter().filter(|role| is_missing(&role.name));
        findings.extend(missing.map(|role| {
            let what = format!(
                "{delegator} delegates to it and it has published nothing: look-ups in its paths \
                 fail, and tough loses the roles beside it"
            );
            let next = "have its keys publish its first version, or drop the delegation".to_owned();
            Finding::warning("delegation_pending", &role.name, what, next)
        }));
        let bins = delegations.succinct().map(|s| s.bins.names().take(MAX_BINS));
        let missing: Vec<RoleName> = bins.into_iter().flatten().filter(is_missing).collect();
        if let Some(first) = missing.first() {
            let bins = counted(missing.len(), "of its bins is", "of its bins are");
            let what = format!("{bins} not published, such as {first}: look-ups there fail");
            let next = "have their keys publish them".to_owned();
            findings.push(Finding::warning("delegation_pending", delegator, what, next));
        }
    }
    findings
}

/// The delegators of each role that is listed by its name.
pub(super) fn delegators_of<'a>(
    subject: &Subject<'a>,
) -> BTreeMap<&'a RoleName, BTreeSet<&'a RoleName>> {
    let mut of: BTreeMap<&RoleName, BTreeSet<&RoleName>> = BTreeMap::new();
    for (delegator, delegations) in delegators(subject) {
        for role in delegations.listed() {
            of.entry(&role.name).or_default().insert(delegator);
        }
    }
    of
}

/// Roles to which more than one role delegates.
pub(super) fn several_delegators(subject: &Subject<'_>) -> Vec<Finding> {
    let several = delegators_of(subject).into_iter().filter(|(_, of)| of.len() > 1);
    several
        .map(|(role, of)| {
            let names: Vec<&str> = of.iter().take(5).map(|role| role.as_str()).collect();
            let what = format!(
                "{} delegate to it: python-tuf and go-tuf take a copy that another of them vouched \
                 for",
                names.join(" and ")
            );
            let next = "keep one delegation to each role name".to_owned();
            Finding::warning("several_delegators", role, what, next)
        })
        .collect()
}

/// Succinct bins, which not every client reads.
pub(super) fn succinct(subject: &Subject<'_>) -> Vec<Finding> {
    let found = |(delegator, delegations): (&RoleName, &Delegations)| {
        let SuccinctRoles { bins, .. } = delegations.succinct()?;
        let what = format!(
            "it delegates to {} succinct bins (TAP 15): tough cannot read it",
            bins.count()
        );
        let next = "use plain bins where clients built on tough must read it".to_owned();
        Some(Finding::note("succinct_bins", delegator, what, next))
    };
    delegators(subject).filter_map(found).collect()
}

/// Paths that clients read differently.
pub(super) fn unclear_paths(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (delegator, delegations) in delegators(subject) {
        for role in delegations.listed() {
            let Err(error) = role.paths.check_publishable() else { continue };
            let what = format!("as {delegator} delegates to it, {error}");
            let next = "use * and ? only, segment by segment".to_owned();
            findings.push(Finding::warning("path_unclear", &role.name, what, next));
        }
    }
    findings
}
