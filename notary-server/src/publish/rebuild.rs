//! Step 8 where the signer refuses what a slot plans: the slot gets a new plan.
//!
//! The signer's memory says what was signed since the slot was planned, or was lost by the database.
//! A new plan lies above that, and what the memory lists stays listed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::RoleName;
use notary_schema::online::{Overlap, Plan, next_snapshot, signed_ahead};
use notary_schema::publish::Head;
use notary_schema::role::{FileMeta, Snapshot};

use super::plan::{next_root, plan, plan_anew, planned_snapshot};
use super::recovery::{forgotten, plan_over};
use super::remembered::Remembered;
use super::{Publisher, Unfinished};
use crate::served::Live;
use crate::store::{Joining, NewFeed, Prepared, RoleFile};

/// A slot with a new plan.
#[derive(Debug)]
pub(super) enum Rebuilt {
    /// All that was accepted is in it.
    AsJudged(Prepared),
    /// The database was set back: what was accepted before that was known has left it.
    SetBack(Prepared),
}

impl Publisher {
    /// Gives a slot a plan that the signer can accept by what it remembers, and what joins it.
    ///
    /// Without the signer's memory nothing is rebuilt, so versions do not drift while it is away.
    pub(super) async fn rebuild(
        &self,
        prepared: &Prepared,
        before: Option<&Arc<Live>>,
        joining: Joining,
        now: DateTime<Utc>,
    ) -> Result<Rebuilt, Unfinished> {
        let collection = prepared.collection();
        let memory = self.remembered(collection).await?;
        let head = before.map(|live| live.head.as_ref());
        let planned = planned_snapshot(prepared.plan());
        let listed = planned.as_ref().or(head.map(|head| head.snapshot.signed()));
        let lost = memory.beyond(listed);
        let is_restored = head.is_some_and(|head| {
            !lost.is_empty() || memory.is_ahead(head, prepared.plan(), planned.as_ref())
        });
        if let Some(head) = head.filter(|_| is_restored) {
            let held = self.keys_then(collection).await?.held;
            let ahead = signed_ahead(head.root.signed(), &held, &head.snapshot, &head.timestamp);
            self.store.note_ahead(collection.id, &ahead).await?;
        }
        let restored = is_restored.then(|| NewFeed { id: self.next_feed.clone(), now });
        let has_files = !prepared.files().is_empty() || !joining.files.is_empty();
        let is_set_back = head.is_some() && !lost.is_empty() && has_files;
        let (files, joining) = match head.filter(|_| !lost.is_empty()) {
            None => (prepared.files().iter().chain(&joining.files).cloned().collect(), joining),
            Some(_) => found(prepared.files(), memory.snapshot()),
        };
        // Also what the slot lists and the head does not, where it was found before.
        let floors = memory.beyond(head.map_or(listed, |head| Some(head.snapshot.signed())));
        let head = head.map(|head| expecting(head, &floors));
        let known = Known { memory, planned, floors, head, files };
        let mut sign_on = prepared.overlap().clone();
        sign_on.add(&joining.overlap);
        let mut next = self.plan_again(prepared, &known, &sign_on, now).await?;
        if joining.files.is_empty() {
            known.spare_snapshot(prepared, &mut next, now);
        }
        let rebuilt = self.store.rebuild(prepared, next, joining, restored).await?;
        let rebuilt = rebuilt.ok_or(Unfinished::Moved)?;
        if !lost.is_empty() {
            let gun = &collection.gun;
            tracing::error!(%gun, lost = lost.len(), "the database was set back to an older copy");
        }
        Ok(if is_set_back { Rebuilt::SetBack(rebuilt) } else { Rebuilt::AsJudged(rebuilt) })
    }

    /// Step 6 once more, with what is known by now; `sign_on` are the keys that the roots among the
    /// files take away.
    async fn plan_again(
        &self,
        prepared: &Prepared,
        known: &Known,
        sign_on: &Overlap,
        now: DateTime<Utc>,
    ) -> Result<Plan, Unfinished> {
        let Known { memory, planned, floors, files, .. } = known;
        let (collection, head) = (prepared.collection(), known.head.as_ref());
        let keys = self.keys_now(collection).await?.and(sign_on);
        let lifetimes = self.lifetimes_of(collection);
        let forgotten = forgotten(head, files, sign_on);
        let versions = match &forgotten {
            Some(_) => memory.versions()?,
            None => memory.versions_after(head)?,
        };
        let versions = self.free(collection, versions).await?;
        if let Some(head) = &forgotten {
            return Ok(plan_over(memory, head, &keys, &lifetimes, versions, now));
        }
        match planned.as_ref().filter(|_| head.is_none()) {
            // No head says how far clients have seen: what was planned does.
            Some(planned) => {
                let versions = versions.no_lower_than(prepared.plan());
                let entries = with_floors(planned, floors);
                Ok(plan_anew(&entries, files, &keys, &lifetimes, versions, now))
            }
            None => Ok(plan(head, files, &keys, &lifetimes, versions, now)),
        }
    }
}

/// What a new plan is made from.
struct Known {
    memory: Remembered,
    /// What the slot was to list.
    planned: Option<Snapshot>,
    /// What the signer has signed and neither the head lists nor, before there is one, the slot.
    floors: BTreeMap<RoleName, FileMeta>,
    /// The head that lists the floors, too.
    head: Option<Head>,
    /// What the slot will hold.
    files: Vec<RoleFile>,
}

impl Known {
    /// Plans no other snapshot where one is signed that can still be used: that of the plan before, or
    /// the one that is served.
    fn spare_snapshot(&self, prepared: &Prepared, next: &mut Plan, now: DateTime<Utc>) {
        let head = self.head.as_ref();
        let root = next_root(head, &self.files);
        match &prepared.plan().snapshot {
            Some(planned) if self.memory.has_signed(planned, &root, now) => {
                next.snapshot = Some(planned.clone());
            }
            None if self.memory.is_served_by(head, now) => next.snapshot = None,
            _ => {}
        }
    }
}

/// The files of a slot that was judged on a database that was set back: those which were signed exactly
/// so stay, and a root, which is a step from the root that is here and which no snapshot lists; all
/// others leave, since what they are a step from is lost.
fn found(files: &[RoleFile], signed: Option<&Snapshot>) -> (Vec<RoleFile>, Joining) {
    let is_found = |file: &&RoleFile| {
        let listed = signed.and_then(|signed| signed.entry(&file.role()));
        let is_root = matches!(file, RoleFile::Root(_));
        is_root || listed.is_some_and(|listed| listed.binds(file.version(), file.bytes()))
    };
    let (found, leaving): (Vec<&RoleFile>, Vec<&RoleFile>) = files.iter().partition(is_found);
    let leaving = leaving.into_iter().map(|file| (file.role(), file.version())).collect();
    (found.into_iter().cloned().collect(), Joining { leaving, ..Joining::default() })
}

/// A head that lists what the signer has signed.
fn expecting(head: &Head, floors: &BTreeMap<RoleName, FileMeta>) -> Head {
    match floors.is_empty() {
        true => head.clone(),
        false => head.clone().expecting(&with_floors(head.snapshot.signed(), floors)),
    }
}

fn with_floors(snapshot: &Snapshot, floors: &BTreeMap<RoleName, FileMeta>) -> Snapshot {
    next_snapshot(Some(snapshot), floors.clone(), snapshot.version, snapshot.expires)
}
