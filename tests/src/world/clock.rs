//! The clock of a world: the real one, moved by an offset that a test sets.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

/// The environment variable that names the clock file.
pub const CLOCK_VARIABLE: &str = "E2E_CLOCK";

/// A file with an offset in seconds. Programs read it each time they ask for the time, so that a
/// test moves all of them at once while they run.
#[derive(Debug, Clone)]
pub struct Clock {
    file: PathBuf,
}

impl Clock {
    /// A clock that shows the real time.
    pub fn new(directory: &Path) -> Clock {
        let clock = Clock { file: directory.join("clock") };
        clock.set(TimeDelta::zero());
        clock
    }

    /// The clock that this process was started with; the real one where there is none.
    pub fn of_process() -> Option<Clock> {
        std::env::var_os(CLOCK_VARIABLE).map(|file| Clock { file: file.into() })
    }

    /// The file, for the environment of a program.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Moves the clock on.
    pub fn advance(&self, by: TimeDelta) {
        self.set(self.offset() + by);
    }

    /// What programs of this world take for the time.
    pub fn now(&self) -> DateTime<Utc> {
        real_time() + self.offset()
    }

    /// From now on, whoever asks a program for the time makes it panic.
    pub fn break_it(&self) {
        std::fs::write(&self.file, "broken").expect("the world's directory");
    }

    /// Makes a broken clock show the real time again.
    pub fn mend(&self) {
        self.set(TimeDelta::zero());
    }

    fn set(&self, offset: TimeDelta) {
        let half = self.file.with_extension("new");
        std::fs::write(&half, offset.num_seconds().to_string()).expect("the world's directory");
        std::fs::rename(half, &self.file).expect("a rename in one directory");
    }

    fn offset(&self) -> TimeDelta {
        let text = std::fs::read_to_string(&self.file);
        let text = text.unwrap_or_else(|error| panic!("{}: {error}", self.file.display()));
        TimeDelta::seconds(text.trim().parse().expect("an offset in seconds"))
    }
}

/// The time of the machine.
pub fn real_time() -> DateTime<Utc> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place of the tests that reads the clock"
    )]
    let now = std::time::SystemTime::now();
    now.into()
}
