//! A panic is a mistake in this program. It ends one request and nothing else: its text, its place
//! and the request's id go to the log, and the caller gets the id in a 500 without detail.
//!
//! Where a panic can begin, and who catches it:
//!
//! - in a handler: [`crate::error::problem::problems`], the outermost room of a request
//! - on a thread that may block: it goes on in the handler that waits ([`blocking`])
//! - in the task of a publish: whoever waits for its answer hears that it was abandoned
//! - in the background: the round of [`crate::refresh`], which begins anew

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, resume_unwind, set_hook};

use futures_util::FutureExt;
use tokio::task::spawn_blocking;
use tracing::Span;

/// Sends panics to the log, in the span in which they happen: that of a request has its id.
pub fn install_hook() {
    set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, panic = text_of(panic.payload()), "panicked");
    }));
}

/// Waits for work; where it panics, answers the panic's text.
///
/// # Errors
/// The text of the panic.
pub async fn caught<T>(work: impl Future<Output = T>) -> Result<T, String> {
    // Everything that requests share is behind locks that are taken over after a panic.
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    ended.map_err(|panic| text_of(&*panic).to_owned())
}

/// The process ends before the work is done.
#[derive(Debug, thiserror::Error)]
#[error("the process is ending")]
pub struct Ending;

/// Runs work on a thread that may block, as if it ran here: in the caller's span, and its panic goes
/// on in the caller. It runs to its end also when nobody waits for it any more.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Ending> {
    let span = Span::current();
    match spawn_blocking(move || span.in_scope(work)).await {
        Ok(done) => Ok(done),
        Err(lost) => match lost.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => Err(Ending),
        },
    }
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
