//! What a client knows from before, under the root of today (TUF 5.3.11).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::read;
use crate::envelope::Envelope;
use crate::key::PublicKey;
use crate::name::{KeyId, RoleName};
use crate::role::{Authority, Role, Root};
use crate::threshold;

/// A timestamp or snapshot that was trusted when it came.
#[derive(Debug, Clone)]
pub(super) enum Known<T> {
    /// The root of today vouches for it.
    Trusted(Arc<Envelope<T>>),
    /// The root of today asks for more signatures than it has. It says what may not go back and is
    /// not used for anything else.
    Outgrown(Arc<Envelope<T>>),
}

impl<T: Role> Known<T> {
    /// A file that the client stored; `None` where it says nothing.
    ///
    /// It was trusted under a root before this one, and no key of its role was taken away since, or
    /// it would not be there: so a key of today has signed it. What no such key has signed was left
    /// by somebody who does not remove such files.
    pub(super) fn stored(role: &RoleName, bytes: Arc<[u8]>, root: &Root) -> Option<Known<T>> {
        let file = Arc::new(read::<T>(role, bytes).ok()?);
        let report = threshold::count(&file, authority(root, role));
        match report.is_met() {
            true => Some(Known::Trusted(file)),
            false => (!report.valid.is_empty()).then_some(Known::Outgrown(file)),
        }
    }
}

impl<T> Known<T> {
    /// The file, for what may not go back.
    pub(super) fn file(&self) -> &Arc<Envelope<T>> {
        match self {
            Known::Trusted(file) | Known::Outgrown(file) => file,
        }
    }

    /// The file, for use.
    pub(super) fn trusted(&self) -> Option<&Arc<Envelope<T>>> {
        match self {
            Known::Trusted(file) => Some(file),
            Known::Outgrown(_) => None,
        }
    }
}

/// Whether a key of timestamp or snapshot that counts under one root does not count under the next.
pub(super) fn takes_key_away(old: &Root, new: &Root) -> bool {
    let role_loses_key = |role| {
        let (before, after) = (keys(authority(old, role)), keys(authority(new, role)));
        !before.is_subset(&after)
    };
    [&RoleName::TIMESTAMP, &RoleName::SNAPSHOT].into_iter().any(role_loses_key)
}

fn keys(authority: Authority<'_>) -> BTreeSet<(&KeyId, &PublicKey)> {
    let public = |id| Some((id, authority.keys.get(id)?.public()?));
    authority.role.keyids.iter().filter_map(public).collect()
}

/// Whose signatures count for a top-level role.
pub(super) fn authority<'a>(root: &'a Root, role: &RoleName) -> Authority<'a> {
    root.authority(role).expect("a root lists the top-level roles")
}
