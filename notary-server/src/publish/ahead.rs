//! What becomes visible before a root that replaces keys.
//!
//! Clients ask for the next root each time and find it at once; what is current they may get from a
//! cache that has it from before. So the online keys that a root adds sign what is served first, a
//! targets that the keys of both roots have signed is published first, and the root waits until no
//! cache holds anything older.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::name::RoleName;
use notary_schema::online::{OnlineRole, Rotation};
use notary_schema::publish::Head;
use notary_schema::role::{Root, Targets};
use notary_schema::threshold;

use super::plan::{Keys, newest, next_root};
use super::{Due, Ground, Publisher, Unfinished};
use crate::store::RoleFile;

impl Publisher {
    /// Releases what has to be there before the root among these files, and waits until it has
    /// replaced what caches hold; files that are published by that are taken out. Answers the ground
    /// that it has made; `None` where nothing is needed, or would not help: what is served verifies
    /// by the new root already, or the keys of now sign nothing more.
    pub(super) async fn go_ahead(
        &self,
        ground: &Ground,
        files: &mut Vec<RoleFile>,
        rotation: &Rotation,
        by: Vec<String>,
        now: DateTime<Utc>,
    ) -> Result<Option<Ground>, Unfinished> {
        let Some(live) = &ground.live else { return Ok(None) };
        let root = next_root(Some(&live.head), files);
        let with_targets = is_targets_for_both(&live.head, &root, files);
        if !with_targets && rotation.added.is_empty() {
            return Ok(None);
        }
        let keys = self.keys_now(&ground.collection).await?.and(&rotation.added);
        let is_signed = rotation.added.is_empty() || verifies(&live.head, &root);
        if !with_targets && (is_signed || !reaches(live.head.root.signed(), &keys)) {
            return Ok(None);
        }
        let (mut first, mut by) = (Vec::new(), by);
        if with_targets {
            // What delegates goes together with the roles that it delegates to.
            let is_root = |file: &mut RoleFile| matches!(file, RoleFile::Root(_));
            let roots: Vec<_> = files.extract_if(.., is_root).collect();
            first = std::mem::replace(files, roots);
        } else {
            by.clear();
        }
        let live = self.release_with(&keys, ground, live, (first, by), Due::Both, now).await?;
        if live.collection.is_public {
            tokio::time::sleep(self.longest_age).await;
        }
        let collection = live.collection.clone();
        Ok(Some(Ground { collection, live: Some(live), replaces: None }))
    }
}

/// Whether clients that have the new root do not trust the targets that is served, and those that
/// have the root before trust the one that comes.
fn is_targets_for_both(head: &Head, root: &Root, files: &[RoleFile]) -> bool {
    let trusts = |root: &Root, targets: &Arc<Envelope<Targets>>| {
        let authority = root.authority(&RoleName::TARGETS);
        authority.is_some_and(|it| threshold::count(targets, it).is_met())
    };
    let stored = head.files.get(&RoleName::TARGETS).and_then(|stored| stored.file.as_ref());
    let comes = newest(files).remove(&RoleName::TARGETS);
    stored.is_some_and(|stored| !trusts(root, stored))
        && comes.is_some_and(|comes| trusts(head.root.signed(), &comes))
}

/// Whether the signer's keys reach the thresholds of a root.
fn reaches(root: &Root, keys: &Keys) -> bool {
    OnlineRole::BOTH.into_iter().all(|role| {
        let threshold = role.listed_by(root).threshold.get();
        keys.held.reachable(root, role) >= threshold as usize
    })
}

/// Whether what is served is signed as a root says.
fn verifies(head: &Head, root: &Root) -> bool {
    let authority = |role: OnlineRole| root.authority(&role.name());
    authority(OnlineRole::Snapshot).is_some_and(|it| threshold::count(&head.snapshot, it).is_met())
        && authority(OnlineRole::Timestamp)
            .is_some_and(|it| threshold::count(&head.timestamp, it).is_met())
}
