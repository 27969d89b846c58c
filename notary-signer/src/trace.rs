//! The trace that a request belongs to (W3C Trace Context), where its caller names one: it stands in
//! every line of the log and in the audit.

use actix_web::HttpMessage;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderValue, USER_AGENT};
use notary_schema::wire::{TRACEPARENT, TraceParent};
use tracing::Span;
use tracing::field::Empty;
use tracing_actix_web::{DefaultRootSpanBuilder, RequestId, RootSpanBuilder};

use crate::one_line::one_line;

/// Longest text of a caller that stands in each line of the log about its request, in characters.
const MAX_TEXT: usize = 300;

/// The id of the trace that a request names.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let named = headers.get_all(TRACEPARENT).map(HeaderValue::as_bytes);
    TraceParent::of_header(named).map(|named| named.trace_id())
}

/// The span of a request, in its trace.
pub(crate) struct InTrace;

impl RootSpanBuilder for InTrace {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let text = |text: &str| one_line(text, MAX_TEXT);
        let target = request.uri().path_and_query().map_or("", |target| target.as_str());
        let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok());
        let id = request.extensions().get::<RequestId>().map(ToString::to_string);
        let span = tracing::info_span!(
            "HTTP request",
            http.method = text(request.method().as_str()),
            http.target = text(target),
            http.user_agent = text(agent.unwrap_or_default()),
            http.client_ip = request.peer_addr().map(|peer| peer.ip().to_string()),
            http.status_code = Empty,
            request_id = id,
            trace_id = Empty,
            exception.message = Empty,
        );
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

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use actix_web::test::TestRequest;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_caller_sends_takes_little_of_a_line() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).finish();
        let long = "x".repeat(30_000);
        let request = TestRequest::with_uri(&format!("/v1/{long}?{long}"));
        let request = request.insert_header((USER_AGENT, long)).to_srv_request();
        tracing::subscriber::with_default(subscriber, || {
            InTrace::on_request_start(&request).in_scope(|| tracing::info!("here"));
        });
        let line = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(line.contains("/v1/xxx") && line.contains("more)"), "{line}");
        assert!(line.len() < 2_000, "{} bytes", line.len());
    }
}
