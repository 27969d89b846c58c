//! Where an updater stands, and what it asks of the repository there.

use std::sync::Arc;

use super::{Limits, remote_name};
use crate::name::{RoleName, Version};
use crate::role::FileMeta;
use crate::trusted::TrustedSet;

/// Which answer is awaited. An answer that is refused changes nothing: the same step stays.
#[derive(Debug)]
pub(super) enum State {
    LoadRoot,
    LoadNextRoot,
    FetchRoot { version: Version, left: u32 },
    LoadTimestamp,
    LoadSnapshot { timestamp: Option<Arc<[u8]>> },
    FetchTimestamp,
    FetchSnapshot,
    LoadTargets { role: RoleName, delegator: RoleName },
    FetchTargets { role: RoleName, delegator: RoleName },
    Idle,
}

impl State {
    pub(super) fn top_level_targets() -> State {
        State::LoadTargets { role: RoleName::TARGETS, delegator: RoleName::ROOT }
    }

    /// Name and longest body of the file that is awaited from the repository, if one is.
    pub(super) fn request(&self, trusted: &TrustedSet, limits: &Limits) -> Option<(String, u64)> {
        let consistent = trusted.root().signed().consistent_snapshot == Some(true);
        let listed = |role: &RoleName, entry: &FileMeta, most: u64| {
            let name = remote_name(role, Some(entry.version).filter(|_| consistent));
            (name, entry.length.map_or(most, |length| length.min(most)))
        };
        match self {
            State::FetchRoot { version, .. } => {
                Some((remote_name(&RoleName::ROOT, Some(*version)), limits.small_bytes))
            }
            State::FetchTimestamp => {
                Some((remote_name(&RoleName::TIMESTAMP, None), limits.small_bytes))
            }
            State::FetchSnapshot => {
                let entry = trusted.snapshot_entry().ok()?;
                Some(listed(&RoleName::SNAPSHOT, entry, limits.snapshot_bytes))
            }
            State::FetchTargets { role, .. } => {
                let entry = trusted.targets_entry(role).ok()?;
                Some(listed(role, &entry, limits.targets_bytes))
            }
            _ => None,
        }
    }
}
