//! A place of keys within bounds: so many calls at once, so many waiting, so much time for each,
//! and a pause after failures. What an outage of a backend costs is decided here, once for all
//! backends.
//!
//! - A call waits for its turn, is tried, and is tried again after a pause where
//!   [`Trouble::passes`], all of it within [`Bounds::total`]. Making a key is tried once: an answer
//!   that was lost may have made one.
//! - After [`Bounds::failures`] calls in a row that ended in a [sickness](Trouble::is_sickness), the
//!   place is left alone for [`Bounds::pause`]; then one call goes through, and its end decides.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use notary_schema::key::PublicKey;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, timeout};

use super::{Algorithm, KeyError, KeyHandle, KeyStore, StoredKey, Trouble};

/// How much of a backend is used at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Calls at once.
    pub at_once: usize,
    /// Calls that wait for their turn; a further one fails with [`Trouble::Queue`].
    pub waiting: usize,
    /// The time of one call: waiting for its turn and every attempt.
    pub total: Duration,
    /// Attempts of one call.
    pub attempts: u32,
    /// The pause before the second attempt at most; each further one may be twice as long.
    pub first_pause: Duration,
    /// Failed calls in a row after which the backend is left alone.
    pub failures: u32,
    /// For how long.
    pub pause: Duration,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            at_once: 16,
            waiting: 256,
            total: Duration::from_secs(10),
            attempts: 4,
            first_pause: Duration::from_millis(100),
            failures: 5,
            pause: Duration::from_secs(5),
        }
    }
}

impl Bounds {
    /// Runs a call of a backend of this name: tried again after a pause where its trouble passes, as
    /// often as is said, all of it within [`Bounds::total`].
    ///
    /// # Errors
    /// Those of the last attempt; [`Trouble::TimedOut`].
    pub async fn run<T, F>(
        &self,
        backend: &str,
        attempts: u32,
        call: impl Fn() -> F,
    ) -> Result<T, KeyError>
    where
        F: Future<Output = Result<T, KeyError>>,
    {
        let late = |_| KeyError::Backend {
            backend: backend.to_owned(),
            trouble: Trouble::TimedOut(self.total),
        };
        timeout(self.total, self.attempts(attempts, call)).await.unwrap_or_else(|it| Err(late(it)))
    }

    async fn attempts<T, F>(&self, mut attempts: u32, call: impl Fn() -> F) -> Result<T, KeyError>
    where
        F: Future<Output = Result<T, KeyError>>,
    {
        let mut pause = self.first_pause;
        loop {
            let error = match call().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            attempts = attempts.saturating_sub(1);
            let passes = matches!(&error, KeyError::Backend { trouble, .. } if trouble.passes());
            if !passes || attempts == 0 {
                return Err(error);
            }
            sleep(part_of(pause)).await;
            pause *= 2;
        }
    }
}

/// A call that has ended, for those who measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended<'a> {
    /// The name of the backend.
    pub backend: &'a str,
    /// What it was asked to do: `create`, `attach`, `check`, `public`, `sign`.
    pub operation: &'static str,
    /// `ok`, the word of a [`Trouble`], or `failed`.
    pub outcome: &'static str,
    /// From the call to its end: waiting for a turn, every attempt and the pauses between them.
    pub took: Duration,
}

/// Calls of a backend that have not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// Those that the backend has.
    pub running: usize,
    /// Those that wait for their turn, the first or a further one.
    pub waiting: usize,
}

/// Hears of each call that has ended.
type Tell = Box<dyn Fn(&Ended<'_>) + Send + Sync>;

/// A place of keys within [`Bounds`].
pub struct Bounded {
    name: String,
    store: Arc<dyn KeyStore>,
    bounds: Bounds,
    tell: OnceLock<Tell>,
    /// The calls that run and those that wait.
    places: Semaphore,
    /// The calls that run.
    turns: Semaphore,
    circuit: Mutex<Circuit>,
}

#[derive(Default)]
struct Circuit {
    /// Failed calls in a row.
    failures: u32,
    /// The last failure, until a call succeeds.
    trouble: Option<Trouble>,
    /// When the next call may go through, while the backend is left alone.
    closed_until: Option<Instant>,
}

impl Bounded {
    /// `name` is what people call the backend, in errors and in `/readyz`.
    pub fn new(name: &str, store: Arc<dyn KeyStore>, bounds: Bounds) -> Bounded {
        Bounded {
            name: name.to_owned(),
            store,
            places: Semaphore::new(bounds.at_once + bounds.waiting),
            turns: Semaphore::new(bounds.at_once),
            bounds,
            tell: OnceLock::new(),
            circuit: Mutex::default(),
        }
    }

    /// Tells of each call when it has ended; `tell` must not block. The first to ask is told.
    pub fn tell(&self, tell: impl Fn(&Ended<'_>) + Send + Sync + 'static) {
        // The error says that somebody else is told already.
        drop(self.tell.set(Box::new(tell)));
    }

    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the last call failed with, where that is about the backend as a whole.
    pub fn sickness(&self) -> Option<Trouble> {
        self.circuit().trouble.clone()
    }

    /// How many calls there are now.
    pub fn queue(&self) -> Queue {
        let Bounds { at_once, waiting, .. } = self.bounds;
        let running = at_once - self.turns.available_permits();
        let all = at_once + waiting - self.places.available_permits();
        // The two are not read at the same moment.
        Queue { running, waiting: all.saturating_sub(running) }
    }

    /// Runs a call within the bounds, and tells of its end.
    async fn call<T, F>(&self, operation: Operation, call: impl Fn() -> F) -> Result<T, KeyError>
    where
        F: Future<Output = Result<T, KeyError>>,
    {
        let begun = Instant::now();
        let done = self.within_bounds(operation, call).await;
        if let Some(tell) = self.tell.get() {
            let outcome = done.as_ref().map_or_else(outcome, |_| "ok");
            let (backend, operation, took) = (&*self.name, operation.name(), begun.elapsed());
            tell(&Ended { backend, operation, outcome, took });
        }
        done
    }

    async fn within_bounds<T, F>(
        &self,
        operation: Operation,
        call: impl Fn() -> F,
    ) -> Result<T, KeyError>
    where
        F: Future<Output = Result<T, KeyError>>,
    {
        let queue = |_| self.error(Trouble::Queue(self.bounds.waiting));
        let _place = self.places.try_acquire().map_err(queue)?;
        self.admit()?;
        let attempts = if operation.may_repeat() { self.bounds.attempts } else { 1 };
        // A turn ends with its attempt: a pause keeps nobody else waiting.
        let in_turn = || async {
            let _turn = self.turn().await?;
            call().await
        };
        let done = self.bounds.run(&self.name, attempts, in_turn).await;
        self.learn(operation, done.as_ref().err());
        done
    }

    async fn turn(&self) -> Result<SemaphorePermit<'_>, KeyError> {
        let turn = self.turns.acquire().await;
        turn.map_err(|_| KeyError::Crypto("waiting for a backend"))
    }

    /// Lets a call through unless the backend is left alone. After the pause one call is let
    /// through, and the others are held off for another pause, until that one has ended.
    fn admit(&self) -> Result<(), KeyError> {
        let mut circuit = self.circuit();
        let now = Instant::now();
        match (circuit.closed_until, &circuit.trouble) {
            (Some(until), Some(trouble)) if now < until => {
                Err(self.error(Trouble::LeftAlone(Box::new(trouble.clone()))))
            }
            (Some(_), _) => {
                circuit.closed_until = Some(now + self.bounds.pause);
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }

    fn learn(&self, operation: Operation, error: Option<&KeyError>) {
        // What keeps a backend from being there is about all of it, whatever it is about elsewhere.
        let is_sickness =
            |trouble: &&Trouble| operation == Operation::Check || trouble.is_sickness();
        let sickness = match error {
            Some(KeyError::Backend { trouble, .. }) => Some(trouble).filter(is_sickness),
            _ => None,
        };
        let mut circuit = self.circuit();
        let Some(trouble) = sickness else {
            // An answer about one key is an answer, too.
            *circuit = Circuit::default();
            return;
        };
        circuit.failures = circuit.failures.saturating_add(1);
        circuit.trouble = Some(trouble.clone());
        if circuit.failures >= self.bounds.failures {
            circuit.closed_until = Some(Instant::now() + self.bounds.pause);
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        // Nothing panics while it is held, and every state of it is a good one.
        self.circuit.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn error(&self, trouble: Trouble) -> KeyError {
        KeyError::Backend { backend: self.name.clone(), trouble }
    }
}

/// What a backend is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Create,
    Attach,
    Check,
    Public,
    Sign,
}

impl Operation {
    fn may_repeat(self) -> bool {
        self != Operation::Create
    }

    fn name(self) -> &'static str {
        match self {
            Operation::Create => "create",
            Operation::Attach => "attach",
            Operation::Check => "check",
            Operation::Public => "public",
            Operation::Sign => "sign",
        }
    }
}

/// Why a call failed, in one word.
fn outcome(error: &KeyError) -> &'static str {
    match error {
        KeyError::Backend { trouble, .. } => trouble.code(),
        _ => "failed",
    }
}

/// Between half of a pause and all of it, so that those who failed together come back one by one.
fn part_of(pause: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the pause is as long as it may be.
    let part = SystemRandom::new().fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    pause / 2 + pause * part / 510
}

#[async_trait]
impl KeyStore for Bounded {
    async fn create(&self, algorithm: Algorithm, purpose: &str) -> Result<StoredKey, KeyError> {
        self.call(Operation::Create, || self.store.create(algorithm, purpose)).await
    }

    async fn attach(&self, name: &str, purpose: &str) -> Result<StoredKey, KeyError> {
        self.call(Operation::Attach, || self.store.attach(name, purpose)).await
    }

    async fn check(&self) -> Result<(), KeyError> {
        self.call(Operation::Check, || self.store.check()).await
    }

    async fn public(&self, handle: &KeyHandle) -> Result<PublicKey, KeyError> {
        self.call(Operation::Public, || self.store.public(handle)).await
    }

    async fn sign(&self, handle: &KeyHandle, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.call(Operation::Sign, || self.store.sign(handle, message)).await
    }

    async fn sign_verified(&self, key: &StoredKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let lie = |error: KeyError| match error {
            KeyError::SignatureDoesNotVerify(_) => {
                self.error(Trouble::WrongAnswer(error.to_string()))
            }
            other => other,
        };
        let sign = || async { self.store.sign_verified(key, message).await.map_err(lie) };
        self.call(Operation::Sign, sign).await
    }
}

#[cfg(test)]
mod tests;
