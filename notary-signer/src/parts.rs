//! What the service takes from outside, so that tests can set it.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// A place at which a test can stop the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopPoint {
    /// Signatures are made, nothing is recorded.
    BeforeRecord,
    /// The file is recorded, nobody has heard of it.
    AfterRecord,
}

/// The clock, and what happens at each [`StopPoint`].
#[derive(Clone)]
pub struct Parts {
    /// The time of now; read once for each request.
    pub clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Called at each stop point, on a thread that may block. `None`: there are no stops.
    pub stop: Option<Arc<dyn Fn(StopPoint) + Send + Sync>>,
}

impl Parts {
    /// The clock of the system and no stops: what the shipped program runs with.
    pub fn system() -> Parts {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
        let clock = || DateTime::<Utc>::from(std::time::SystemTime::now());
        Parts { clock: Arc::new(clock), stop: None }
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}
