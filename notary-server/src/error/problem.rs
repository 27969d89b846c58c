//! The body of every error: a problem (RFC 9457) with a stable code and the id of the request.

use actix_web::HttpResponse;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::middleware::Next;
use notary_schema::wire::{PROBLEM_JSON, Problem};
use serde_json::{Map, Value};

use super::ServiceError;
use crate::panics::caught;
use crate::telemetry::RequestId;

/// A body before the request id is known. It travels as an extension of the response.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// Members that belong to the code.
    pub(crate) more: Map<String, Value>,
    /// For the log: what the caller is not told.
    pub(crate) internal: Option<String>,
}

impl Draft {
    /// The body of an error that the caller can do nothing about. Its text is for the log alone.
    pub(crate) fn opaque(code: &'static str, internal: String) -> Draft {
        let detail = "the server failed; tell its operator the request id".to_owned();
        Draft { code, detail, more: Map::new(), internal: Some(internal) }
    }

    /// The body of an error that the HTTP library made by itself.
    fn foreign(status: StatusCode) -> Draft {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => ("unknown_path", ServiceError::UnknownPath.to_string()),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "this path takes other methods; see `Allow`".to_owned())
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "the request is too large".to_owned()),
            StatusCode::REQUEST_TIMEOUT => ("timeout", "the request took too long".to_owned()),
            status if status.is_client_error() => {
                ("malformed_request", "the request is not readable".to_owned())
            }
            status => return Draft::opaque("internal", format!("answered {status}")),
        };
        Draft { code, detail, more: Map::new(), internal: None }
    }

    fn into_body(self, status: StatusCode, id: RequestId) -> Vec<u8> {
        if let Some(internal) = &self.internal {
            tracing::error!(error = %internal, "request failed");
        }
        let problem = Problem {
            status: status.as_u16(),
            code: self.code.to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            detail: self.detail,
            request_id: id.to_string(),
            more: self.more,
        };
        serde_json::to_vec(&problem).expect("a problem is JSON")
    }
}

/// Marks an error whose body is the documented answer of its handler.
#[derive(Debug, Clone, Copy)]
pub struct OwnBody;

/// Answers a request through its handler, and gives every error its body, also those that the HTTP
/// library answers by itself and panics. Bodies that a handler documents as its own stay.
pub async fn problems(
    id: RequestId,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    // A client asks for the next root until there is none: an old "none" would hide one. What
    // somebody with a token is told is for nobody else.
    let may_be_kept =
        !request.path().ends_with("root.json") && !request.headers().contains_key(AUTHORIZATION);
    match caught(next.call(request)).await {
        Ok(answered) => Ok(with_body(id, answered?, may_be_kept)),
        Err(panic) => Err(panicked(&panic, id)),
    }
}

/// Gives an error its body. Others may keep one that says that there is nothing, where it may be
/// kept.
pub fn with_body(
    id: RequestId,
    response: ServiceResponse<impl MessageBody + 'static>,
    may_be_kept: bool,
) -> ServiceResponse<BoxBody> {
    let mut response = response.map_into_boxed_body();
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if is_error && response.response().extensions().get::<OwnBody>().is_none() {
        let draft = response.response_mut().extensions_mut().remove::<Draft>();
        let draft = draft.unwrap_or_else(|| Draft::foreign(status));
        let kept = match draft.code {
            "unknown_file" | "unknown_path" if may_be_kept => "max-age=1",
            _ => "no-store",
        };
        let body = draft.into_body(status, id);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
        response = response.map_body(|_, _| BoxBody::new(body));
    }
    response
}

/// The answer to a request whose handler is gone, and the request with it.
fn panicked(panic: &str, id: RequestId) -> actix_web::Error {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    let draft = Draft::opaque("internal", format!("a panic: {panic}"));
    let body = draft.into_body(status, id);
    let response = HttpResponse::build(status).content_type(PROBLEM_JSON).body(body);
    InternalError::from_response("a panic", response).into()
}
