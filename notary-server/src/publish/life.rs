//! How a tombstone comes back: by a commit, like everything that is served.

use std::sync::Arc;

use notary_schema::name::Gun;

use super::{Due, Ground, Publisher, Unfinished};
use crate::error::ServiceError;
use crate::served::Live;
use crate::store::{Collection, State};

impl Publisher {
    /// Makes a tombstone a collection again, on behalf of a token: the release that was kept in its
    /// slot is committed, or its online roles are signed anew. Until that commit it stays a
    /// tombstone; a reservation beside it goes with the commit.
    ///
    /// # Errors
    /// [`ServiceError::UnknownCollection`] where there is none; what the signer failed with.
    pub async fn undelete(&self, gun: &Gun, by: &str) -> Result<Collection, ServiceError> {
        let room = self.room(gun);
        let _turn = room.turn.lock().await;
        let Some((collection, head)) = self.store.load_head(gun, State::Deleted).await? else {
            let life = self.store.standing(gun).await?.life;
            return life.ok_or_else(|| ServiceError::UnknownCollection(gun.clone()));
        };
        let now = self.now();
        let slot = self.store.slot(&collection).await?;
        let live = Arc::new(Live { collection: collection.clone(), head: Arc::new(head) });
        let released = match slot {
            Some(kept) => self.roll_forward(kept.on_behalf_of(by), Some(&live), now).await,
            None => {
                let ground = Ground { collection, live: Some(live.clone()), replaces: None };
                self.release_refresh(&ground, &live, Due::Both, Some(by), now).await
            }
        };
        match released {
            Ok(live) => Ok(live.collection.clone()),
            Err(Unfinished::Failed(error) | Unfinished::Waits(_, error)) => Err(error),
            Err(Unfinished::Moved) => {
                Err(ServiceError::Busy("somebody else deletes or undeletes the collection"))
            }
        }
    }
}
