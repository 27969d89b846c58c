//! What becomes visible before a root that replaces online keys.
//!
//! Clients ask for the next root each time and find it at once; what is current they may get from a
//! cache that has it from before. So the keys that a root adds sign what is served first, and the
//! root waits until no cache holds a timestamp that they have not signed.

use chrono::{DateTime, Utc};
use notary_schema::online::{OnlineRole, Rotation};
use notary_schema::publish::Head;
use notary_schema::role::Root;
use notary_schema::threshold;

use super::plan::{Keys, next_root};
use super::{Ground, Publisher, Unfinished};
use crate::refresh::Due;
use crate::store::RoleFile;

impl Publisher {
    /// Has snapshot and timestamp signed by the keys that the root among these files adds, beside
    /// those of now, and waits until they have replaced what caches hold. Answers the ground that
    /// they have made; `None` where that is not needed, or would not help: what is served verifies
    /// by the new root already, or the keys of now sign nothing more.
    pub(super) async fn sign_ahead(
        &self,
        ground: &Ground,
        files: &[RoleFile],
        rotation: &Rotation,
        now: DateTime<Utc>,
    ) -> Result<Option<Ground>, Unfinished> {
        let Some(live) = ground.live.as_ref().filter(|_| !rotation.added.is_empty()) else {
            return Ok(None);
        };
        let keys = self.keys_now(&ground.collection).await?.and(&rotation.added);
        let is_in_vain = !reaches(live.head.root.signed(), &keys);
        if is_in_vain || verifies(&live.head, &next_root(Some(&live.head), files)) {
            return Ok(None);
        }
        let live = self.refresh_with(&keys, ground, live, (Due::Both, None), now).await?;
        if live.collection.is_public {
            tokio::time::sleep(self.longest_age).await;
        }
        let collection = live.collection.clone();
        Ok(Some(Ground { collection, live: Some(live), replaces: None }))
    }
}

/// Whether the signer's keys reach the thresholds of a root.
fn reaches(root: &Root, keys: &Keys) -> bool {
    [OnlineRole::Snapshot, OnlineRole::Timestamp].into_iter().all(|role| {
        let threshold = root.role_keys(&role.name()).map_or(0, |role| role.threshold.get());
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
