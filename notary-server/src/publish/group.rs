//! Steps 5 and 7 of a publish: those who wait are applied one after another, and the whole claims
//! the slot of the collection.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName};
use notary_schema::online::{Overlap, Rotation};
use notary_schema::publish::{Accepted, Adopted, Head};

use super::judge::{Judged, Verdict};
use super::plan::{Keys, plan, plan_anew, planned_snapshot, require_whole, versions_after};
use super::recovery::forgotten;
use super::roll::{Rebuilt, Unfinished};
use super::{Ground, Publisher, Room, Waiting, answer};
use crate::StopPoint;
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::refresh::Due;
use crate::served::{Live, apply};
use crate::store::{Claim, Joining, NewSlot, Prepared, Purpose, RoleFile};

/// How often a group starts again because another process was faster.
const MAX_MOVES: usize = 8;

/// The head as it will be: what those before have made of it.
#[derive(Default)]
struct Next {
    /// Absent before the first publish. Its snapshot and timestamp are still the old ones.
    head: Option<Arc<Head>>,
    files: Vec<RoleFile>,
    /// What the roots among them change in the keys of the online roles.
    rotation: Rotation,
    /// The repository of somebody else that the first publish takes over.
    adopted: Option<Adopted>,
    members: Vec<Member>,
    /// Those who wait for the first publish.
    later: Vec<Waiting>,
}

impl Next {
    fn add(&mut self, waiting: Waiting, judged: Judged) {
        if let Some(accepted) = &judged.accepted {
            self.rotation.then(&accepted.rotation);
            self.adopted = accepted.adopted.clone();
        }
        let files = judged.accepted.map_or_else(Vec::new, files_of);
        let brought = files.iter().map(RoleFile::role).collect();
        if let Some(head) = self.head.as_mut().filter(|_| !files.is_empty()) {
            *head = Arc::new(with_files(head, &files));
        }
        self.files.extend(files);
        let waiting = Waiting { batch: None, judged: None, ..waiting };
        self.members.push(Member { waiting, verdict: judged.verdict, brought });
    }

    /// All of it as it goes into the slot. Until the files are committed nobody looks into them, so
    /// what was read of them is let go: the database needs the memory for a copy of its own.
    fn close(&mut self) -> Joining {
        self.head = None;
        let files = std::mem::take(&mut self.files).into_iter().map(RoleFile::closed).collect();
        let overlap = std::mem::take(&mut self.rotation).taken_away;
        Joining { files, overlap, by: self.publishers(), leaving: Vec::new() }
    }

    /// The tokens of those who bring something new, each once.
    fn publishers(&self) -> Vec<String> {
        let mut tokens: Vec<String> = Vec::new();
        for member in &self.members {
            for id in member.waiting.request.by() {
                if !member.brought.is_empty() && !tokens.contains(id) {
                    tokens.push(id.clone());
                }
            }
        }
        tokens
    }

    /// Answers the members, or puts them back into the group when the ground moved.
    fn end(
        self,
        released: Result<Arc<Live>, Unfinished>,
        group: &mut Vec<Waiting>,
        now: DateTime<Utc>,
    ) -> Result<(), Moved> {
        match released {
            Ok(live) => {
                for Member { waiting, verdict, .. } in self.members {
                    let answered = answer(&waiting.request, &verdict, &waiting.sent, &live, now);
                    // When nobody listens any more, the client has hung up.
                    drop(waiting.answer.send(Ok(answered)));
                }
                Ok(())
            }
            Err(Unfinished::Failed(error) | Unfinished::Waits(_, error)) => {
                fail_all(self.members.into_iter().map(|member| member.waiting).collect(), &error);
                Ok(())
            }
            Err(Unfinished::Moved) => {
                for Member { mut waiting, brought, .. } in self.members {
                    waiting.sent.extend(brought);
                    group.push(waiting);
                }
                Err(Moved)
            }
        }
    }
}

/// A publish that was applied: its files are among those of the group.
struct Member {
    waiting: Waiting,
    verdict: Verdict,
    /// The roles of its new files.
    brought: BTreeSet<RoleName>,
}

/// The new files of an accepted publish.
fn files_of(accepted: Accepted) -> Vec<RoleFile> {
    let root = accepted.earlier_roots.into_iter().chain(accepted.root).map(RoleFile::Root);
    let targets = accepted.files.into_iter();
    root.chain(targets.map(|(role, file)| RoleFile::Targets(role, file))).collect()
}

/// A head with files laid over it.
pub(super) fn with_files(head: &Head, files: &[RoleFile]) -> Head {
    let (mut root, mut all) = (Some(head.root.clone()), head.files.clone());
    // The rules may want to look into them, and they are not where others are loaded from.
    apply(&files.iter().map(RoleFile::opened).collect::<Vec<_>>(), &mut root, &mut all);
    let root = root.expect("it had one");
    let (snapshot, timestamp) = (head.snapshot.clone(), head.timestamp.clone());
    head.with(root, snapshot, timestamp, all)
}

impl Publisher {
    /// Waits for the turn of a collection and publishes for all who wait there then.
    pub(super) async fn lead(self: Arc<Self>, room: Arc<Room>) {
        let _turn = room.turn.lock().await;
        loop {
            let mut group: Vec<Waiting> = {
                let mut waiting = room.waiting();
                let members = waiting.len().min(self.largest_group());
                waiting.drain(..members).collect()
            };
            if group.is_empty() {
                return;
            }
            let mut moves = 0;
            while !group.is_empty() {
                if self.publish_group(&room.gun, &mut group).await.is_err() {
                    moves += 1;
                    self.served.forget(&room.gun);
                }
                if moves == MAX_MOVES {
                    let error = ServiceError::Busy("other servers publish to this collection");
                    fail_all(std::mem::take(&mut group), &error);
                }
            }
        }
    }

    /// Publishes for a group; those who have to wait for the others stay in it.
    ///
    /// # Errors
    /// All who are left have to start again on what somebody else has made of the collection.
    async fn publish_group(&self, gun: &Gun, group: &mut Vec<Waiting>) -> Result<(), Moved> {
        let now = self.now();
        let ground = match self.ground(gun).await {
            Ok(ground) => ground,
            Err(error) => {
                fail_all(std::mem::take(group), &error);
                return Ok(());
            }
        };
        let ground = match self.settle(ground.clone(), now).await {
            Ok(ground) => ground,
            Err(Unfinished::Moved) => return Err(Moved),
            Err(Unfinished::Failed(error)) => {
                fail_all(std::mem::take(group), &error);
                return Ok(());
            }
            Err(Unfinished::Waits(prepared, error)) => {
                return self.join_slot(*prepared, ground, group, error, now).await;
            }
        };
        let mut next = self.apply_all(&ground, std::mem::take(group)).await;
        group.append(&mut next.later);
        let released = match (&ground.live, next.files.is_empty()) {
            (Some(live), true) => Ok(live.clone()),
            (None, true) => return Ok(()),
            (_, false) => self.release(&ground, &mut next, now).await,
        };
        next.end(released, group, now)
    }

    /// Step 5: judges each again whose ground moved, and lays the accepted over one another.
    async fn apply_all(&self, ground: &Ground, group: Vec<Waiting>) -> Next {
        let head = ground.live.as_ref().map(|live| live.head.clone());
        let mut next = Next { head, ..Next::default() };
        for mut waiting in group {
            // Nothing can be judged on a first publish before it is signed.
            if next.head.is_none() && !next.files.is_empty() {
                next.later.push(waiting);
                continue;
            }
            if let Err(error) = ground.admit(&waiting.request) {
                drop(waiting.answer.send(Err(error)));
                continue;
            }
            let (life, head) = (ground.collection.id, next.head.as_ref());
            let unjudged = waiting.judged.take();
            let judged = match unjudged.filter(|judged| judged.holds_on(life, head)) {
                Some(judged) => Ok(judged),
                None => self.judge_again(ground, next.head.clone(), &mut waiting).await,
            };
            match judged {
                Ok(judged) => next.add(waiting, judged),
                Err(error) => drop(waiting.answer.send(Err(error))),
            }
        }
        next
    }

    async fn judge_again(
        &self,
        ground: &Ground,
        head: Option<Arc<Head>>,
        waiting: &mut Waiting,
    ) -> Result<Judged, ServiceError> {
        let core = self.core().await?;
        let request = waiting.request.clone();
        let batch = match waiting.batch.take() {
            Some(batch) => batch,
            None => blocking(move || request.read_again()).await?,
        };
        let (request, now) = (&waiting.request, waiting.now);
        self.judge(&ground.collection, head, request, &batch, &core, now).await
    }

    /// Steps 6 to 9 for all that was applied.
    async fn release(
        &self,
        ground: &Ground,
        next: &mut Next,
        now: DateTime<Utc>,
    ) -> Result<Arc<Live>, Unfinished> {
        let brings_root = next.files.iter().any(|file| matches!(file, RoleFile::Root(_)));
        let ahead = match brings_root {
            true => {
                let by = next.publishers();
                self.go_ahead(ground, &mut next.files, &next.rotation, by, now).await?
            }
            false => None,
        };
        let (ground, now) = match &ahead {
            // A key was revoked while the signer was asked: these files are judged again.
            Some(after) if after.revoked() != ground.revoked() => return Err(Unfinished::Moved),
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

    /// A slot waits for a signer that refuses it. A publish that holds a new root joins it: a
    /// retired or lost online key must not lock out the root that replaces it.
    async fn join_slot(
        &self,
        prepared: Prepared,
        ground: Ground,
        group: &mut Vec<Waiting>,
        error: ServiceError,
        now: DateTime<Utc>,
    ) -> Result<(), Moved> {
        let (roots, others): (Vec<_>, Vec<_>) =
            group.drain(..).partition(|waiting| waiting.request.root_version().is_some());
        fail_all(others, &error);
        let Some(live) = &ground.live else {
            fail_all(roots, &error);
            return Ok(());
        };
        // Judged on what the collection will be once the slot is committed.
        let mut head = with_files(&live.head, prepared.files());
        if let Some(planned) = planned_snapshot(prepared.plan()) {
            head = head.expecting(&planned);
        }
        let head = Arc::new(head);
        let with_slot = Arc::new(Live { collection: live.collection.clone(), head });
        let collection = ground.collection.clone();
        let joined = Ground { collection, live: Some(with_slot), replaces: None };
        let mut next = self.apply_all(&joined, roots).await;
        let released = match next.files.is_empty() {
            true => Err(Unfinished::Failed(error)),
            false => self.roll_joined(&prepared, live, &mut next, now).await,
        };
        next.end(released, group, now)
    }

    async fn roll_joined(
        &self,
        prepared: &Prepared,
        live: &Arc<Live>,
        next: &mut Next,
        now: DateTime<Utc>,
    ) -> Result<Arc<Live>, Unfinished> {
        match self.rebuild(prepared, Some(live), next.close(), now).await? {
            Rebuilt::AsJudged(prepared) => self.roll_forward(prepared, Some(live), now).await,
            // What joined was judged without knowing that.
            Rebuilt::SetBack(_) => Err(Unfinished::Moved),
        }
    }
}

/// Somebody else went on: read again.
struct Moved;

/// Tells everybody the same.
fn fail_all(group: Vec<Waiting>, error: &ServiceError) {
    for waiting in group {
        drop(waiting.answer.send(Err(error.clone())));
    }
}
