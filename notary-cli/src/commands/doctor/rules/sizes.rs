//! What comes near the limits of clients in the field. It is told early: to make a root or a snapshot
//! small again takes time, and clients that stopped cannot be told.

use notary_schema::name::RoleName;
use notary_schema::path::PathSet;
use notary_schema::updater::{self, Limits};

use super::{Finding, Subject};
use crate::view::KnownRole;

/// Most patterns of one delegation that are tried as names.
const PATTERNS_TRIED: usize = 16;

/// A limit of clients in the field.
struct Limit {
    code: &'static str,
    /// What is counted.
    unit: &'static str,
    /// How many python-tuf and go-tuf take unless told otherwise.
    most: u64,
    /// Above how many it is told.
    near: u64,
}

const CHAIN: Limit =
    Limit { code: "root_chain_long", unit: "steps above root 1", most: 256, near: 200 };
const ROOT: Limit = Limit { code: "root_long", unit: "bytes", most: 512_000, near: 256_000 };
const TIMESTAMP: Limit = Limit { code: "timestamp_long", unit: "bytes", most: 16_384, near: 8_192 };
/// tough stops at half of it.
const SNAPSHOT: Limit =
    Limit { code: "snapshot_long", unit: "bytes", most: 2_000_000, near: 1_000_000 };
/// Where the snapshot lists no length.
const ROLE: Limit = Limit { code: "role_long", unit: "bytes", most: 5_000_000, near: 2_500_000 };
const VISITS: Limit = Limit { code: "roles_visited", unit: "roles visited", most: 32, near: 24 };

impl Limit {
    /// What to say of so many.
    fn judge(&self, role: &RoleName, found: u64, next: &str) -> Option<Finding> {
        let Limit { code, unit, most, near } = self;
        let what = format!("{found} {unit}, and clients in the field stop at {most}");
        (found > *near).then(|| Finding::warning(code, role, what, next.to_owned()))
    }
}

/// Roots that clients who trust an earlier one cannot take.
pub(super) fn broken_chain(subject: &Subject<'_>) -> Vec<Finding> {
    let gaps = subject.collected.roots.gaps.iter();
    let gap = gaps.map(|(version, why)| {
        let what = format!("clients with an earlier root cannot take version {version}: {why}");
        let next = format!(
            "restore the file {version}.root.json as it was published; `notary-server fsck` tells \
             what the server has"
        );
        Finding::error("root_chain_broken", &RoleName::ROOT, what, next)
    });
    gap.collect()
}

/// Many roots for new clients to climb.
pub(super) fn chain(subject: &Subject<'_>) -> Vec<Finding> {
    let steps = subject.collected.view.trusted().root().version().get() - 1;
    let next = "ship new clients with a newer root, and sign roots less often";
    CHAIN.judge(&RoleName::ROOT, steps, next).into_iter().collect()
}

/// Long files of top-level roles.
pub(super) fn top_level(subject: &Subject<'_>) -> Vec<Finding> {
    let trusted = subject.collected.view.trusted();
    let root = trusted.root().bytes().len() as u64;
    let root = ROOT.judge(&RoleName::ROOT, root, "drop keys that it does not need");
    let timestamp = trusted.timestamp().and_then(|file| {
        let next = "name fewer keys for it in the next root";
        TIMESTAMP.judge(&RoleName::TIMESTAMP, file.bytes().len() as u64, next)
    });
    let snapshot = trusted.snapshot().and_then(|file| {
        let next = "divide names into fewer bins; a role once listed stays listed";
        SNAPSHOT.judge(&RoleName::SNAPSHOT, file.bytes().len() as u64, next)
    });
    [root, timestamp, snapshot].into_iter().flatten().collect()
}

/// Long targets roles whose length clients are not told.
pub(super) fn without_length(subject: &Subject<'_>) -> Vec<Finding> {
    let view = &subject.collected.view;
    let judge = |role: &RoleName| {
        let entry = view.trusted().snapshot()?.signed().entry(role)?;
        let bytes = view.file(role)?.bytes().len() as u64;
        let next = format!("divide its names with `notary delegation bins {} {role}`", subject.gun);
        ROLE.judge(role, bytes, &next).filter(|_| entry.length.is_none())
    };
    view.roles().iter().filter_map(|role| judge(&role.name)).collect()
}

/// Look-ups on whose way too many roles are visited. Tried are names that look like the patterns of
/// the delegations: each is covered by every delegation with a wider pattern.
pub(super) fn visits(subject: &Subject<'_>) -> Vec<Finding> {
    let view = &subject.collected.view;
    let at_hand = view.roles().iter().filter(|role| view.file(&role.name).is_some());
    let visits = |role: &KnownRole| {
        let PathSet::Paths(patterns) = &role.chain.last()?.paths else { return None };
        let tried = patterns.iter().take(PATTERNS_TRIED);
        tried
            .map(|name| updater::visits(view.trusted(), name.as_str(), &Limits::default()) as u64)
            .max()
    };
    let worst = at_hand.filter_map(|role| Some((visits(role)?, role)));
    let Some((visits, role)) = worst.max_by_key(|(visits, _)| *visits) else { return Vec::new() };
    let next = "let fewer delegations cover one name, or make the first of them terminating";
    VISITS.judge(&role.name, visits, next).into_iter().collect()
}
