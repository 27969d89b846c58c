//! Whose turn it is in a collection.
//!
//! A turn is held as long as a place of keys takes to answer, so no two collections share one: what
//! is slow for one would stop the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, Semaphore};

use crate::error::Failure;
use crate::store::Collection;

/// One turn for each collection that somebody works on or waits for, and nothing for the others. So many
/// wait in all: the requests for one collection that is slow must not be all that are answered at once.
pub(crate) struct Turns {
    lines: Mutex<HashMap<Collection, Line>>,
    waiting: Semaphore,
}

/// Those who are at one collection.
#[derive(Default)]
struct Line {
    people: usize,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The turn of a collection, until it is dropped.
pub(crate) struct Turn<'a> {
    // First, so that the next one has it before the line is left.
    _guard: OwnedMutexGuard<()>,
    _place: Place<'a>,
}

/// Being in a line: also of those who give up waiting, nothing is left.
struct Place<'a> {
    turns: &'a Turns,
    collection: Collection,
}

impl Turns {
    /// Turns for which so many wait at most, in all collections.
    pub(crate) fn new(waiting: usize) -> Turns {
        let waiting = Semaphore::new(waiting.min(Semaphore::MAX_PERMITS));
        Turns { lines: Mutex::default(), waiting }
    }

    /// Waits for the turn of a collection. Whoever has one takes no second one.
    ///
    /// # Errors
    /// [`Failure::Busy`] for one more than may wait.
    pub(crate) async fn take(&self, collection: &Collection) -> Result<Turn<'_>, Failure> {
        let turn = {
            let mut lines = self.lines();
            let line = lines.entry(collection.clone()).or_default();
            line.people += 1;
            line.turn.clone()
        };
        let place = Place { turns: self, collection: collection.clone() };
        let guard = match turn.clone().try_lock_owned() {
            Ok(guard) => guard,
            Err(_) => {
                let _waits = self.waiting.try_acquire().map_err(|_| Failure::Busy)?;
                turn.lock_owned().await
            }
        };
        Ok(Turn { _guard: guard, _place: place })
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Collection, Line>> {
        // Nothing panics while it is held.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut lines = self.turns.lines();
        let line = lines.get_mut(&self.collection).expect("those who are in a line are counted");
        line.people -= 1;
        if line.people == 0 {
            lines.remove(&self.collection);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use notary_schema::name::{Gun, Incarnation};

    use super::*;

    fn collection(name: &str) -> Collection {
        let gun = Gun::parse(name).unwrap();
        Collection { gun, incarnation: Incarnation::from_random([1; 16]) }
    }

    #[tokio::test]
    async fn one_at_a_time_has_the_turn_of_a_collection() {
        let (turns, app) = (Turns::new(2), collection("app"));
        let first = turns.take(&app).await.unwrap();
        let mut second = pin!(turns.take(&app));
        assert!(second.as_mut().now_or_never().is_none(), "two have it");
        drop(first);
        let second = second.await.unwrap();
        assert!(turns.take(&app).now_or_never().is_none(), "two have it");
        drop(second);
        assert!(turns.take(&app).now_or_never().is_some());
    }

    #[test]
    fn no_collection_waits_for_another_however_many_there_are() {
        let turns = Turns::new(2);
        let collections: Vec<_> = (0..1_000).map(|n| collection(&format!("app/{n}"))).collect();
        let take = |collection| turns.take(collection).now_or_never().expect("it waits").unwrap();
        let held: Vec<_> = collections.iter().map(take).collect();
        assert_eq!(turns.lines().len(), held.len());
        drop(held);
        assert!(turns.lines().is_empty());
    }

    #[tokio::test]
    async fn nothing_is_left_of_those_who_gave_up_waiting() {
        let (turns, app) = (Turns::new(2), collection("app"));
        let first = turns.take(&app).await.unwrap();
        assert!(turns.take(&app).now_or_never().is_none());
        drop(first);
        assert!(turns.lines().is_empty());
    }

    #[tokio::test]
    async fn so_many_wait_and_one_more_is_told_so() {
        let (turns, app, other) = (Turns::new(2), collection("app"), collection("other"));
        let first = turns.take(&app).await.unwrap();
        let (mut second, mut third) = (pin!(turns.take(&app)), pin!(turns.take(&app)));
        assert!(
            second.as_mut().now_or_never().is_none() && third.as_mut().now_or_never().is_none()
        );
        assert!(turns.take(&app).await.is_err(), "three wait");
        drop(turns.take(&other).await.expect("nobody is at it"));
        drop(first);
        drop(second.await.unwrap());
        drop(third.await.unwrap());
        assert!(turns.lines().is_empty());
    }
}
