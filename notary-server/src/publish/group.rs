//! Step 5 of a publish: those who wait are applied one after another, and released together.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::Gun;
use notary_schema::publish::Head;

use super::judge::Judged;
use super::next::{Moved, Next, fail_all};
use super::plan::{planned_snapshot, with_files};
use super::rebuild::Rebuilt;
use super::{Ground, Publisher, Room, Unfinished, Waiting};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::served::Live;
use crate::store::Prepared;
use crate::trace::Traced;

/// How often a group starts again because another process was faster.
const MAX_MOVES: usize = 8;

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
                let traced = Traced::shared(group.iter().map(|waiting| &waiting.traced));
                if traced.run(self.publish_group(&room.gun, &mut group)).await.is_err() {
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
        let mut next = Next::on(head);
        for mut waiting in group {
            // What goes ahead of a root is that of its own publish; and nothing can be judged on a
            // first publish before it is signed.
            if next.brings_root() {
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
