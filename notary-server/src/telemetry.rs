//! The log: one line for each request with its id, and what a person must look at. Never tokens,
//! keys or bodies.

use std::io::IsTerminal as _;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::{Error, HttpMessage};
use tracing::Span;
use tracing_actix_web::{RequestId, RootSpanBuilder};
use tracing_subscriber::EnvFilter;

use crate::config::{LogConfig, LogFormat};

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

/// The span of a request: its id, method and path, and a line when it is answered.
pub struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let request_id = request.extensions().get::<RequestId>().map(ToString::to_string);
        tracing::info_span!(
            "request",
            request_id = request_id.unwrap_or_default(),
            method = %request.method(),
            path = request.path(),
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let status = match outcome {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        // Reads are many: they are logged only on demand.
        let status = status.as_u16();
        match status {
            200..=399 => span.in_scope(|| tracing::debug!(status, "answered")),
            _ => span.in_scope(|| tracing::info!(status, "answered")),
        }
    }
}
