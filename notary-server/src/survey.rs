//! Was the database set back to an older copy while the server was stopped? The signer remembers what
//! it has signed last for each collection.
//!
//! Once after the start every collection is compared. Where the signer is further, snapshot and
//! timestamp are signed anew on what it remembers, so that clients get no older state for longer than
//! it takes. A publish or a refresh finds the same out by being refused.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use notary_schema::name::Version;
use notary_schema::wire::RememberedFile;

use crate::error::ServiceError;
use crate::publish::{Due, Publisher, Unfinished};
use crate::store::Collection;
use crate::trace::Traced;

/// How many collections are compared at once.
const AT_ONCE: usize = 4;

/// Compares every collection; answers how many were behind.
///
/// # Errors
/// Where the signer does not answer: what was not compared yet has to be later.
pub async fn survey(publisher: &Arc<Publisher>) -> Result<usize, ServiceError> {
    let lives = publisher.store.lives().await?;
    let compared = stream::iter(lives).map(|(collection, snapshot, timestamp)| async move {
        let held = [snapshot, timestamp];
        Traced::background().run(publisher.catch_up(&collection, held)).await
    });
    let compared = compared.buffer_unordered(AT_ONCE);
    compared.try_fold(0, |count, is_behind| async move { Ok(count + usize::from(is_behind)) }).await
}

impl Publisher {
    /// Goes on from what the signer remembers, where that is more than these versions of snapshot and
    /// timestamp; answers whether it is.
    async fn catch_up(
        &self,
        collection: &Collection,
        held: [Version; 2],
    ) -> Result<bool, ServiceError> {
        let memory = self.signer.memory(&collection.gun, &collection.incarnation).await?;
        let version = |file: &Option<RememberedFile>| file.as_ref().map(|file| file.version);
        let signed = [version(&memory.snapshot), version(&memory.timestamp)];
        let is_behind = |held: [Version; 2]| {
            signed.iter().zip(held).any(|(signed, held)| signed.is_some_and(|it| it > held))
        };
        if !is_behind(held) {
            self.note_compared(collection.id);
            return Ok(false);
        }
        let room = self.room(&collection.gun);
        let _turn = room.turn.lock().await;
        let now = self.now();
        let caught_up = async {
            // A release in the slot may be all that the signer knows more of.
            let ground = self.settle(self.ground(&collection.gun).await?, now).await?;
            let Some(live) = ground.live.clone() else { return Ok(()) };
            let (snapshot, timestamp) = (&live.head.snapshot, &live.head.timestamp);
            if is_behind([snapshot.version(), timestamp.version()]) {
                self.release_refresh(&ground, &live, Due::Both, None, now).await?;
            }
            Ok(())
        };
        match caught_up.await {
            // The slot goes on by itself from here.
            Ok(()) | Err(Unfinished::Moved | Unfinished::Waits(..)) => {
                self.note_compared(collection.id);
                Ok(true)
            }
            Err(Unfinished::Failed(error)) => Err(error),
        }
    }
}
