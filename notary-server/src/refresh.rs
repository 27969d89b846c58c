//! The work in the background: unfinished releases are rolled forward, expiring online roles are
//! signed again. Never inside a GET.
//!
//! A refresh goes through the same slot and the same functions as a publish, so it survives the
//! same crashes, and it works as well when what is stored has expired.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::stream;
use notary_schema::name::Gun;
use notary_schema::online::OnlineRole;
use notary_schema::publish::Head;
use notary_schema::role::Expires;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::error::ServiceError;
use crate::panics::caught;
use crate::publish::{Due, Publisher, Unfinished};
use crate::served::Live;
use crate::service::Service;
use crate::survey::survey;
use crate::trace::Traced;

/// How many collections are worked on at once.
const AT_ONCE: usize = 4;

/// Runs for as long as the server does.
pub async fn run(service: Arc<Service>) {
    let refresh = &service.config.refresh;
    let mut slots = interval(Duration::from_secs(refresh.slot_interval_seconds));
    slots.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let between = Duration::from_secs(refresh.interval_seconds);
    let mut next_refresh = Instant::now();
    let mut is_surveyed = false;
    loop {
        slots.tick().await;
        if !is_surveyed {
            is_surveyed = caught(look_back(&service)).await.unwrap_or(false);
        }
        let is_due = Instant::now() >= next_refresh;
        if is_due {
            next_refresh = Instant::now() + between;
        }
        if let Err(panic) = caught(round(&service, is_due)).await {
            tracing::error!(panic, "a round of the background work ended early");
        }
    }
}

/// Compares all collections with the signer's memory; answers whether that is done.
async fn look_back(service: &Arc<Service>) -> bool {
    match survey(&service.publisher).await {
        Ok(0) => true,
        Ok(behind) => {
            tracing::warn!(behind, "collections were behind the signer's memory");
            true
        }
        Err(error) => {
            tracing::warn!(%error, "not all collections were compared with the signer's memory");
            false
        }
    }
}

/// Finishes releases and, where it is due, refreshes what expires.
async fn round(service: &Arc<Service>, is_due: bool) {
    // Logs when the signer comes or goes.
    drop(service.watch.look(service).await);
    if let Err(error) = roll_all(&service.publisher).await {
        tracing::error!(%error, "unfinished releases were not looked for");
    }
    if !is_due {
        return;
    }
    if let Err(error) = refresh_all(&service.publisher, service.now()).await {
        tracing::error!(%error, "expiring metadata was not looked for");
    }
    if let Err(error) = service.gate.note_uses().await {
        tracing::error!(%error, "the last uses of tokens were not noted");
    }
}

/// Rolls every unfinished release forward that nobody in this process is working on; answers how
/// many were committed.
pub async fn roll_all(publisher: &Arc<Publisher>) -> Result<usize, ServiceError> {
    let slots = publisher.store.slots().await?;
    let guns = slots.into_iter().map(|slot| slot.gun);
    Ok(each(guns, |gun| async move { publisher.roll(&gun).await }).await)
}

/// Signs again what has lived half of its life, or was signed for a longer one; answers for how many
/// collections.
pub async fn refresh_all(
    publisher: &Arc<Publisher>,
    now: DateTime<Utc>,
) -> Result<usize, ServiceError> {
    let due = publisher.store.due(publisher.lifetimes, now).await?;
    Ok(each(due.into_iter(), |gun| async move { publisher.refresh(&gun).await }).await)
}

/// Does something for each collection, a few at once; answers how often it did anything.
async fn each<F>(guns: impl Iterator<Item = Gun>, work: impl Fn(Gun) -> F) -> usize
where
    F: Future<Output = Result<bool, Unfinished>>,
{
    let work = &work;
    let done = stream::iter(guns).map(|gun| async move {
        let done = async {
            match work(gun.clone()).await {
                Ok(done) => done,
                Err(Unfinished::Moved) => false,
                // Logged where the signer refused; the others pass by themselves or need a person.
                Err(Unfinished::Waits(..)) => false,
                Err(Unfinished::Failed(error)) => {
                    tracing::warn!(%gun, %error, "background work failed");
                    false
                }
            }
        };
        Traced::background().run(done).await
    });
    done.buffer_unordered(AT_ONCE).filter(|done| std::future::ready(*done)).count().await
}

impl Publisher {
    /// Rolls the release in a collection's slot forward, unless somebody is at it; answers whether
    /// one was committed.
    async fn roll(&self, gun: &Gun) -> Result<bool, Unfinished> {
        let room = self.room(gun);
        let Ok(_turn) = room.turn.try_lock() else { return Ok(false) };
        let ground = self.ground(gun).await?;
        let seq = ground.collection.seq;
        let settled = self.settle(ground, self.now()).await?;
        Ok(settled.collection.seq != seq)
    }

    /// Signs timestamp, or snapshot and timestamp, again if they are not fresh any more; answers
    /// whether it was.
    async fn refresh(&self, gun: &Gun) -> Result<bool, Unfinished> {
        let room = self.room(gun);
        let _turn = room.turn.lock().await;
        let now = self.now();
        let ground = self.settle(self.ground(gun).await?, now).await?;
        let Some(live) = ground.live.clone() else { return Ok(false) };
        let Some(due) = self.due(&live, now) else { return Ok(false) };
        self.release_refresh(&ground, &live, due, None, now).await?;
        Ok(true)
    }

    fn due(&self, live: &Live, now: DateTime<Utc>) -> Option<Due> {
        let lifetimes = self.lifetimes_of(&live.collection);
        let is_fresh =
            |role, expires: Expires| lifetimes.fresh(role, now).contains(&expires.time());
        let Head { snapshot, timestamp, .. } = live.head.as_ref();
        if !is_fresh(OnlineRole::Snapshot, snapshot.expires()) {
            return Some(Due::Both);
        }
        (!is_fresh(OnlineRole::Timestamp, timestamp.expires())).then_some(Due::Timestamp)
    }
}
