//! What is expired, and what soon will be.

use std::collections::BTreeMap;

use notary_schema::name::RoleName;
use notary_schema::role::Expires;

use super::{Finding, Subject};

/// Every role that was read, but for bins.
pub(super) fn of_roles(subject: &Subject<'_>) -> Vec<Finding> {
    let (view, gun) = (&subject.collected.view, subject.gun);
    let trusted = view.trusted();
    let online = "see why the server does not renew it: its `/readyz` tells".to_owned();
    let next = format!("`notary witness {gun} root --publish` renews it");
    let root = (RoleName::ROOT, trusted.root().expires(), next);
    let timestamp = trusted.timestamp().map(|file| (RoleName::TIMESTAMP, file.expires()));
    let snapshot = trusted.snapshot().map(|file| (RoleName::SNAPSHOT, file.expires()));
    let online = timestamp.into_iter().chain(snapshot).map(|(role, at)| (role, at, online.clone()));
    let teams = view.roles().iter().filter(|role| !role.is_bin());
    let teams = teams.filter_map(|role| {
        let next = format!("`notary witness {gun} {} --publish` renews it", role.name);
        Some((role.name.clone(), view.file(&role.name)?.expires(), next))
    });
    let all = [root].into_iter().chain(online).chain(teams);
    all.filter_map(|(role, expires, next)| {
        // What the server renews by itself lives for less than anybody's "soon".
        let is_online = matches!(role.as_str(), "timestamp" | "snapshot");
        judge(subject, &role, expires, !is_online, "", next)
    })
    .collect()
}

/// The bins that were read, of each role together.
pub(super) fn of_bins(subject: &Subject<'_>) -> Vec<Finding> {
    let view = &subject.collected.view;
    let mut first: BTreeMap<&RoleName, Expires> = BTreeMap::new();
    for bin in view.roles().iter().filter(|role| role.is_bin()) {
        let Some(file) = view.file(&bin.name) else { continue };
        let earliest = first.entry(&bin.delegator).or_insert(file.expires());
        *earliest = file.expires().min(*earliest);
    }
    let gun = subject.gun;
    let judge = |(owner, expires): (&RoleName, Expires)| {
        let next = format!("`notary witness {gun} {owner} --bins --publish` renews all of them");
        judge(subject, owner, expires, true, "the first of its bins ", next)
    };
    first.into_iter().filter_map(judge).collect()
}

fn judge(
    subject: &Subject<'_>,
    role: &RoleName,
    expires: Expires,
    is_renewed_by_hand: bool,
    whose: &str,
    next: String,
) -> Option<Finding> {
    if expires.is_past(subject.now) {
        let what = format!("{whose}expired at {expires}: clients refuse it");
        return Some(Finding::error("expired", role, what, next));
    }
    let is_soon = is_renewed_by_hand && expires.time() <= subject.by;
    let what = format!("{whose}expires at {expires}");
    is_soon.then(|| Finding::warning("expires_soon", role, what, next))
}
