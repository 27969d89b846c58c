//! notary-server: serves TUF metadata, takes publishes, has the online roles signed by notary-signer.
//!
//! The modules, in the order in which a publish meets them:
//!
//! - [`config`], [`startup`], [`connections`], [`requests`], [`routes`]: how the program comes to
//!   listen, to how many, and to what
//! - [`handlers`]: a request in, one call, an answer out
//! - [`service`]: all that a handler uses
//! - [`openapi`]: the document of all calls
//! - [`auth`], [`grant`]: who may do what
//! - [`publish`]: judge, apply, plan, prepare, sign, commit; the path of one publish
//! - [`signer_client`]: the signer, and what is believed of its answers
//! - [`store`]: what outlives the process
//! - [`served`]: what GETs are answered from
//! - [`refresh`], [`survey`]: the work in the background
//! - [`error`], [`panics`], [`telemetry`], [`trace`], [`tls`]: outcomes, mistakes, the log, what binds
//!   its lines to those of others, certificates
//! - [`commands`]: the command line

pub mod auth;
pub mod commands;
pub mod config;
pub mod connections;
pub mod error;
pub mod grant;
pub mod handlers;
pub mod openapi;
pub mod panics;
pub mod publish;
pub mod refresh;
pub mod requests;
pub mod routes;
pub mod served;
pub mod service;
pub mod signer_client;
pub mod startup;
pub mod store;
pub mod survey;
pub mod telemetry;
pub mod tls;
pub mod trace;

use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};

/// What the program's memory comes from. glibc keeps what large bodies took, for each thread that ever
/// held one: after a few of them the process has several times their size. This one gives blocks of
/// 8 MiB and more back at once.
pub use tikv_jemallocator::Jemalloc as Allocator;

/// A place at which a test can stop the process, to see what becomes of a publish in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StopPoint {
    /// The release stands in its slot; nothing was sent to the signer.
    AfterPrepare,
    /// The signed snapshot came back.
    SnapshotSigned,
    /// The signed timestamp came back; nothing is committed.
    TimestampSigned,
    /// Committed and visible; nobody was told.
    BeforeCommitAnswer,
}

/// What comes from outside as a value.
#[derive(Clone)]
pub struct Parts {
    /// The clock: asked once for each operation.
    pub clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
    /// Called at each [`StopPoint`], in normal operation and when a release is rolled forward.
    pub stop: Arc<dyn Fn(StopPoint) + Send + Sync>,
}

impl Parts {
    /// The clock of the system, and no stops.
    pub fn system() -> Parts {
        #[expect(clippy::disallowed_methods, reason = "the one place where the clock is read")]
        let clock = || DateTime::<Utc>::from(std::time::SystemTime::now());
        Parts { clock: Arc::new(clock), stop: Arc::new(|_| ()) }
    }
}

/// The program as shipped.
pub fn main() -> ExitCode {
    run(Parts::system())
}

/// The program with a clock and stop points of the caller.
pub fn run(parts: Parts) -> ExitCode {
    tls::install_provider();
    panics::install_hook();
    commands::run(parts)
}
