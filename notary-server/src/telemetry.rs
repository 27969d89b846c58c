//! The log: one line for each request with its id and its trace, and what a person must look at. Never
//! tokens, keys or bodies.

use std::fmt;
use std::io::IsTerminal as _;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};
use tracing::Level;
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};
use crate::trace::{self, Traced};

/// Starts the log of the process.
///
/// # Errors
/// When `log.level` is not readable.
pub fn start(config: &LogConfig) -> Result<(), String> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| format!("log.level {:?} is not readable: {error}", config.level))?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // They would be printed where nothing can be written, and a failed print is a panic.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    // The error says that a log was started before, by a test in the same process.
    drop(match config.format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    });
    Ok(())
}

/// The name of a request, in the log and in its problem: which process, and the how manieth. It is
/// written out where somebody reads it: most reads never are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(u64);

impl RequestId {
    /// The name of another request.
    pub fn next() -> RequestId {
        static LAST: AtomicU64 = AtomicU64::new(0);
        RequestId(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        static PROCESS: LazyLock<String> = LazyLock::new(|| {
            let mut bytes = [0; 8];
            SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
            hex::encode(bytes)
        });
        write!(f, "{}-{}", *PROCESS, self.0)
    }
}

/// A request in its trace, with a span that has its id, method and path.
pub fn traced(id: RequestId, request: &ServiceRequest) -> Traced {
    let (method, path) = (request.method(), request.path());
    let trace = trace::of(request.headers());
    let trace_id = trace.trace_id();
    let span = tracing::info_span!("request", request_id = %id, trace_id, %method, path);
    Traced::new(trace, span)
}

/// Whether successes are logged: they are many, so it is done on demand.
pub fn notes_successes() -> bool {
    tracing::enabled!(Level::DEBUG)
}

/// The line of a request that is answered, in its span.
pub fn note(status: StatusCode) {
    let status = status.as_u16();
    match status {
        200..=399 => tracing::debug!(status, "answered"),
        _ => tracing::info!(status, "answered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_requests_have_one_name_and_all_show_their_process() {
        let (one, other) = (RequestId::next().to_string(), RequestId::next().to_string());
        assert_ne!(one, other);
        let process = |id: &str| id.split_once('-').unwrap().0.to_owned();
        assert_eq!((process(&one).len(), process(&one)), (16, process(&other)));
    }
}
