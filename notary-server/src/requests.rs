//! What happens to every request, in order: it gets an id and a place; what is at hand is answered at
//! once; everything else takes the way through the routes, in a trace and a span of the log.
//!
//! Most requests are reads of files in memory. They need no route, no span and no wait, so they take
//! none: [`metadata::at_hand`] alone decides which these are.

use std::panic::{AssertUnwindSafe, catch_unwind};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};

use crate::connections::admit;
use crate::error::problem::{problems, with_body};
use crate::handlers::metadata;
use crate::telemetry::{self, RequestId};

/// Answers a request.
///
/// # Errors
/// The answer to a panic.
pub async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = RequestId::next();
    let place = match admit(&request) {
        Ok(place) => place,
        Err(refusal) => {
            return telemetry::traced(id, &request).in_scope(|| {
                telemetry::note(refusal.status());
                Ok(with_body(id, request.into_response(refusal), false))
            });
        }
    };
    if let Some(found) = at_hand(&request) {
        if telemetry::notes_successes() {
            telemetry::traced(id, &request).in_scope(|| telemetry::note(found.status()));
        }
        return Ok(place.until_sent(request.into_response(found)));
    }
    let traced = telemetry::traced(id, &request);
    let answered = async move {
        let answered = problems(id, request, next).await;
        telemetry::note(match &answered {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        });
        answered.map(|response| place.until_sent(response))
    };
    traced.run(answered).await
}

/// A panic here is met again on the way through the routes, where the log has the request's id.
fn at_hand(request: &ServiceRequest) -> Option<HttpResponse> {
    catch_unwind(AssertUnwindSafe(|| metadata::at_hand(request.request()))).ok().flatten()
}
