//! The chain of roots below the trusted one, which clients that start lower climb.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::{RoleName, Version};
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::updater::{Limits, remote_name};

use super::{Agent, AgentError};

/// The roots that clients climb.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roots {
    /// The newest, and those below it from which it is reached, the oldest first.
    pub(crate) files: Vec<Arc<[u8]>>,
    /// Roots that clients who trust the one before cannot take, and why.
    pub(crate) gaps: Vec<(Version, String)>,
}

/// Reads the roots from so many steps below the trusted one up to it, each verified by the one
/// before.
pub(crate) async fn climb(
    agent: &Agent<'_>,
    most_steps: u64,
    now: DateTime<Utc>,
) -> Result<Roots, AgentError> {
    let newest = agent.trusted()?.root().clone();
    let newest_number = newest.version().get();
    let mut roots = Roots::default();
    let mut trusted: Option<TrustedSet> = None;
    for number in newest_number.saturating_sub(most_steps).max(1)..=newest_number {
        let version = Version::new(number).expect("it is not above the newest");
        let name = remote_name(&RoleName::ROOT, Some(version));
        let Some(bytes) = agent.fetch(&name, Limits::default().small_bytes).await? else {
            roots.gaps.push((version, "the server does not have it".to_owned()));
            (trusted, roots.files) = (None, Vec::new());
            continue;
        };
        let step = trusted.as_mut().map(|trusted| trusted.update_root(bytes.clone()));
        if !matches!(step, Some(Ok(_))) {
            let alone = TrustedSet::new(bytes.clone(), now, Expiry::Reported);
            if let Some(error) = step.and_then(Result::err).or(alone.as_ref().err().cloned()) {
                roots.gaps.push((version, error.to_string()));
            }
            (trusted, roots.files) = (alone.ok(), Vec::new());
        }
        roots.files.extend(trusted.is_some().then_some(bytes));
    }
    let is_other = |trusted: &TrustedSet| trusted.root().message() != newest.message();
    if trusted.as_ref().is_some_and(is_other) {
        let why = "it is not the one that is trusted here".to_owned();
        roots.gaps.push((newest.version(), why));
    }
    if trusted.as_ref().is_none_or(is_other) {
        roots.files = vec![newest.bytes().clone()];
    }
    Ok(roots)
}
