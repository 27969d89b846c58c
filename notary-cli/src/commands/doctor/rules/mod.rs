//! What can be wrong with a collection: one small function for each rule, over what was read.

mod delegations;
mod keys;
mod life;
mod sizes;
mod targets;

use chrono::{DateTime, Utc};
use notary_schema::name::Gun;

use super::collect::Collected;
use super::finding::Finding;

/// What the rules look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// The name of the collection, for what to do next.
    pub(crate) gun: &'a Gun,
    /// What was read of it.
    pub(crate) collected: &'a Collected,
    /// The time.
    pub(crate) now: DateTime<Utc>,
    /// What expires up to then expires soon.
    pub(crate) by: DateTime<Utc>,
}

type Rule = fn(&Subject<'_>) -> Vec<Finding>;

/// Every rule.
const RULES: [Rule; 20] = [
    delegations::refused,
    sizes::broken_chain,
    life::of_roles,
    life::of_bins,
    keys::root_threshold,
    keys::spare_root_key,
    keys::shared,
    keys::unknown,
    keys::other_ids,
    sizes::chain,
    sizes::top_level,
    sizes::without_length,
    sizes::visits,
    delegations::pending,
    delegations::several_delegators,
    delegations::succinct,
    delegations::unclear_paths,
    targets::outside_paths,
    targets::hidden,
    targets::without_sha256,
];

/// Applies every rule; what is worst comes first.
pub(crate) fn examine(subject: &Subject<'_>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(subject)).collect();
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// So many of something, in words.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}
