//! A panic is a mistake in this program. It ends one request and nothing else: its text, its place
//! and the request's id go to the log, and the caller gets the id in a failure without detail. What
//! became of the request is not known then, as with every failure that is no refusal.

use std::any::Any;
use std::panic::{AssertUnwindSafe, PanicHookInfo, set_hook};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::middleware::Next;
use futures_util::FutureExt;

use crate::error::{Broken, Failure};
use crate::routes::request_id;

/// Sends panics to the log, in the span in which they happen: that of a request has its id.
pub(crate) fn install_hook() {
    set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(at, panic = text_of(panic.payload()), "panicked");
    }));
}

/// Answers a request whose handler panicked.
pub(crate) async fn answer_panics<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let id = request_id(request.request());
    let action = format!("{} {}", request.method(), request.path());
    let answered = AssertUnwindSafe(next.call(request)).catch_unwind().await;
    answered.unwrap_or_else(|panic| {
        let text = text_of(&*panic);
        tracing::error!(request_id = id, "{action} failed: a panic: {text}");
        let answer = Failure::Broken(Broken::Bug(text.to_owned())).response(&id);
        Err(InternalError::from_response("a panic", answer).into())
    })
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no text")
}
