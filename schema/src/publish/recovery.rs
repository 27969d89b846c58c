//! A root that makes clients forget the snapshot and timestamp before it (TUF 5.3.11), so that what
//! went wrong with their versions can be undone.

use std::collections::BTreeMap;

use super::{Head, StoredFile};
use crate::name::RoleName;
use crate::online::{OnlineRole, Overlap};
use crate::role::{FileMeta, Hashes, Root, Snapshot};
use crate::threshold;

/// Whether clients that take a root forget what is served: it lists no key of snapshot or timestamp
/// that the root before listed, none of those signs on, and those that it lists have not signed what
/// is served, ahead of it.
///
/// Then the memory of the signer alone says which versions come next: only its operator can have
/// lowered it.
pub fn starts_over(head: &Head, root: &Root, sign_on: &Overlap) -> bool {
    let before = head.root.signed();
    let mut sign_on = sign_on.keys();
    let none_signs_on = !sign_on.any(|(role, keyid)| role.listed_by(before).keyids.contains(keyid));
    let replaced = replaces_online_keys(before, root) && none_signs_on;
    let [snapshot, timestamp] = OnlineRole::BOTH.map(|role| root.authority(&role.name()));
    let signed_ahead = snapshot.is_some_and(|it| threshold::count(&head.snapshot, it).is_met())
        || timestamp.is_some_and(|it| threshold::count(&head.timestamp, it).is_met());
    replaced && !signed_ahead
}

/// Whether a root lists no key of snapshot or timestamp that the one before listed for it.
pub fn replaces_online_keys(before: &Root, root: &Root) -> bool {
    OnlineRole::BOTH.into_iter().all(|role| {
        let old = &role.listed_by(before).keyids;
        !role.listed_by(root).keyids.iter().any(|keyid| old.contains(keyid))
    })
}

/// The entries of the first snapshot under such a root, over the last one that the signer remembers:
/// the stored files that it does not list, or lists lower. What it lists beyond them stays.
pub fn entries_over(remembered: Option<&Snapshot>, head: &Head) -> BTreeMap<RoleName, FileMeta> {
    let is_beyond = |(role, file): &(&RoleName, &StoredFile)| {
        let entry = remembered.and_then(|remembered| remembered.entry(role));
        let is_other = |entry: &FileMeta| {
            let sha256 = entry.hashes.as_ref().and_then(|hashes| hashes.sha256());
            sha256.is_some_and(|sha256| sha256 != file.sha256)
        };
        entry.is_none_or(|entry| {
            entry.version < file.version || entry.version == file.version && is_other(&entry)
        })
    };
    let entry = |(role, file): (&RoleName, &StoredFile)| {
        let before = head.snapshot.signed().entry(role);
        let entry = match before {
            Some(before) if before.version == file.version => before,
            Some(before) if before.hashes.is_none() => {
                FileMeta { version: file.version, length: None, hashes: None }
            }
            _ => FileMeta {
                version: file.version,
                length: Some(file.length),
                hashes: Some(Hashes::sha256_of(file.sha256.clone())),
            },
        };
        (role.clone(), entry)
    };
    head.files.iter().filter(is_beyond).map(entry).collect()
}
