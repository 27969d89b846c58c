//! Steps 6 and 7 of a publish, and of a refresh: what is planned claims the slot of the collection.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::online::Overlap;
use notary_schema::publish::Adopted;

use super::next::Next;
use super::plan::{
    Keys, plan, plan_anew, planned_snapshot, require_whole, versions_after, with_files,
};
use super::recovery::forgotten;
use super::{Ground, Publisher, Unfinished};
use crate::StopPoint;
use crate::served::Live;
use crate::store::{Claim, Joining, NewSlot, Prepared, Purpose, RoleFile};

/// What a refresh signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// The timestamp, which names the snapshot that is served.
    Timestamp,
    /// A new snapshot of the same files, and the timestamp.
    Both,
}

impl Publisher {
    /// Steps 6 to 9 for all that was applied.
    pub(super) async fn release(
        &self,
        ground: &Ground,
        next: &mut Next,
        now: DateTime<Utc>,
    ) -> Result<Arc<Live>, Unfinished> {
        let brings_root = next.brings_root();
        let ahead = match brings_root {
            true => {
                let by = next.publishers();
                self.go_ahead(ground, &mut next.files, &next.rotation, by, now).await?
            }
            false => None,
        };
        let (ground, now) = match &ahead {
            Some(after) if has_moved(ground, after) => return Err(Unfinished::Moved),
            Some(ground) => (ground, self.now()),
            None => (ground, now),
        };
        let head = ground.live.as_ref().map(|live| live.head.as_ref());
        let keys = match brings_root {
            true => self.keys_now(&ground.collection).await?,
            false => self.keys_then(&ground.collection).await?,
        };
        let keys = keys.and(&next.rotation.taken_away);
        let lifetimes = self.lifetimes_of(&ground.collection);
        let forgotten = forgotten(head, &next.files, &next.rotation.taken_away);
        let plan = match (&next.adopted, &forgotten) {
            (None, None) => {
                let versions = self.free(&ground.collection, versions_after(head)?).await?;
                plan(head, &next.files, &keys, &lifetimes, versions, now)
            }
            (None, Some(head)) => self.plan_recovery(&ground.collection, head, &keys, now).await?,
            (Some(Adopted { head, .. }), _) => {
                let (snapshot, versions) = (head.snapshot.signed(), versions_after(Some(head))?);
                let memory = self.remembered(&ground.collection).await?;
                self.require_reachable(&memory, versions.timestamp)?;
                plan_anew(snapshot, &next.files, &keys, &lifetimes, versions, now)
            }
        };
        match (forgotten, &next.head, planned_snapshot(&plan)) {
            // What was lost is so as far as the signer's memory goes.
            (Some(head), _, Some(snapshot)) => require_whole(&head.expecting(&snapshot), &plan)?,
            (_, Some(next), _) => require_whole(next, &plan)?,
            _ => {}
        }
        let Joining { files, overlap, by, .. } = next.close();
        let slot = NewSlot { purpose: Purpose::Publish, files, plan, overlap, by };
        let prepared = self.prepare(ground, slot, now).await?;
        self.roll_forward(prepared, ground.live.as_ref(), now).await
    }

    /// Steps 6 to 9 for a refresh: no files, new dates; by the server itself, or by a token.
    pub(crate) async fn release_refresh(
        &self,
        ground: &Ground,
        live: &Arc<Live>,
        due: Due,
        by: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Arc<Live>, Unfinished> {
        let keys = self.keys_then(&ground.collection).await?;
        let by = by.map(str::to_owned).into_iter().collect();
        self.release_with(&keys, ground, live, (Vec::new(), by), due, now).await
    }

    /// The same with these keys, and with files below the root that is there.
    pub(super) async fn release_with(
        &self,
        keys: &Keys,
        ground: &Ground,
        live: &Arc<Live>,
        (files, by): (Vec<RoleFile>, Vec<String>),
        due: Due,
        now: DateTime<Utc>,
    ) -> Result<Arc<Live>, Unfinished> {
        let lifetimes = self.lifetimes_of(&ground.collection);
        let versions = self.free(&ground.collection, versions_after(Some(&live.head))?).await?;
        let mut plan = plan(Some(&live.head), &files, keys, &lifetimes, versions, now);
        let head = match files.is_empty() {
            true => live.head.clone(),
            false => Arc::new(with_files(&live.head, &files)),
        };
        require_whole(&head, &plan)?;
        if due == Due::Timestamp {
            plan.snapshot = None;
        }
        let purpose = if files.is_empty() { Purpose::Refresh } else { Purpose::Publish };
        let files = files.into_iter().map(RoleFile::closed).collect();
        let overlap = Overlap::default();
        let slot = NewSlot { purpose, files, plan, overlap, by };
        let prepared = self.prepare(ground, slot, now).await?;
        self.roll_forward(prepared, Some(live), now).await
    }

    /// Step 7: claims the slot.
    ///
    /// A crash before it leaves nothing. After it the release belongs to whoever comes next.
    async fn prepare(
        &self,
        ground: &Ground,
        slot: NewSlot,
        now: DateTime<Utc>,
    ) -> Result<Prepared, Unfinished> {
        match self.store.prepare(&ground.collection, slot, now).await? {
            Claim::Prepared(prepared) => {
                (self.parts.stop)(StopPoint::AfterPrepare);
                Ok(*prepared)
            }
            Claim::Taken | Claim::Moved => Err(Unfinished::Moved),
        }
    }
}

/// Whether files that were judged before the signer was asked are judged again: a key was revoked
/// meanwhile, or the signer told that the database was set back.
fn has_moved(before: &Ground, after: &Ground) -> bool {
    let lost = |ground: &Ground| ground.live.as_ref().map(|live| live.head.lost.clone());
    let (was_lost, is_lost) = (lost(before).unwrap_or_default(), lost(after).unwrap_or_default());
    before.revoked() != after.revoked()
        || is_lost.iter().any(|(role, listed)| was_lost.get(role) != Some(listed))
}
