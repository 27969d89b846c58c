//! `notary`: publishes, delegates and verifies.
//!
//! A shell around `notary_schema`: it reads and writes files, makes requests, asks for passphrases
//! and prints. What may be trusted or published is decided there. The modules, in the order in which
//! a command passes through them:
//!
//! - [`args`]: the command line, [`settings`]: options, environment and configuration file
//! - [`commands`]: one file for each group of commands; [`session`] is what they share
//! - [`trust_dir`]: the files of a user: keys, trusted metadata, staged changes
//! - [`named`]: files that somebody names, read and written
//! - [`agent`]: the client of a TUF repository; [`view`]: what its trusted metadata says
//! - [`staged`]: changes that wait to be published; [`wanted`]: what has to be read for them;
//!   [`publishing`]: how they are
//! - [`changes`]: what differs between two versions; [`judging`]: files as the server will judge them
//! - [`proposed`]: what others want to have signed; [`delivered`]: what became of signed files
//! - [`staging`]: how changes come to wait
//! - [`declared`]: delegations as a file that people review
//! - [`keyring`]: which keys sign what
//! - [`remote`]: requests to a server, and the rules for HTTP
//! - [`output`]: the only place that prints; [`exit`]: the only place that knows exit codes

mod agent;
mod args;
mod changes;
mod commands;
mod declared;
mod delivered;
mod exit;
mod judging;
mod keyring;
mod named;
mod output;
mod proposed;
mod publishing;
mod remote;
mod session;
mod settings;
mod staged;
mod staging;
#[cfg(test)]
mod testing;
mod trust_dir;
mod view;
mod wanted;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// What a run takes from its surroundings.
pub struct Parts {
    /// Tells the time; read once for each operation.
    pub clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// The command line, the name of the program first.
    pub arguments: Vec<OsString>,
    /// The environment variables.
    pub environment: BTreeMap<OsString, OsString>,
    /// Whether a person can be asked.
    pub interactive: bool,
    /// Where results go.
    pub stdout: Box<dyn Write>,
    /// Where messages go.
    pub stderr: Box<dyn Write>,
    /// Told when the process passes a point; a test may end it there.
    pub stop: Arc<dyn Fn(StopPoint) + Send + Sync>,
}

/// Where a process that stores files of a collection may be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopPoint {
    /// The new file is durable under a temporary name.
    Written,
    /// It has its own name, durably.
    Renamed,
    /// A file is gone, durably.
    Removed,
}

impl Parts {
    /// The clock of the system, and what this process was started with.
    pub fn system() -> Parts {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
        let clock = || DateTime::from(SystemTime::now());
        Parts {
            clock: Arc::new(clock),
            arguments: std::env::args_os().collect(),
            environment: std::env::vars_os().collect(),
            interactive: std::io::stdin().is_terminal(),
            stdout: Box::new(std::io::stdout()),
            stderr: Box::new(std::io::stderr()),
            stop: Arc::new(|_| {}),
        }
    }
}

/// Runs the command of this process.
pub fn main() -> ExitCode {
    run(Parts::system())
}

/// Runs one command and answers its exit code.
pub fn run(parts: Parts) -> ExitCode {
    // A library that looks for the process default finds ring; our own configurations name it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    commands::run(parts)
}
