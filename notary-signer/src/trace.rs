//! The trace that a request belongs to (W3C Trace Context), where its caller names one: it stands in
//! every line of the log and in the audit.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderValue};
use notary_schema::wire::{TRACEPARENT, TraceParent};
use tracing::Span;
use tracing_actix_web::{DefaultRootSpanBuilder, RootSpanBuilder};

/// The id of the trace that a request names.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let named = headers.get_all(TRACEPARENT).map(HeaderValue::as_bytes);
    TraceParent::of_header(named).map(|named| named.trace_id())
}

/// The span of a request, in its trace.
pub(crate) struct InTrace;

impl RootSpanBuilder for InTrace {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let span = DefaultRootSpanBuilder::on_request_start(request);
        if let Some(trace_id) = trace_id(request.headers()) {
            span.record("trace_id", trace_id);
        }
        span
    }

    fn on_request_end<B: MessageBody>(
        span: Span,
        outcome: &Result<ServiceResponse<B>, actix_web::Error>,
    ) {
        DefaultRootSpanBuilder::on_request_end(span, outcome);
    }
}
