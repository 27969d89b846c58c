//! Handlers: each takes a request apart, makes one call, and answers.

pub mod health;
pub mod info;
pub mod keys;
pub mod metadata;
pub mod publish;
pub mod tokens;

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::{BytesMut, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use futures_util::TryStreamExt;
use notary_schema::name::Gun;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::error::ServiceError;
use crate::startup::Service;

/// The collection in a path, and what follows its `/_trust/`. The path is read as it came: a name
/// has one spelling, so percent-encoding is refused.
fn collection_path(request: &HttpRequest) -> Result<(Gun, &str), ServiceError> {
    let path = request.uri().path();
    let parts = path.strip_prefix("/v2/").and_then(|path| path.split_once("/_trust/"));
    let (name, rest) = parts.ok_or(ServiceError::UnknownPath)?;
    let gun = Gun::parse(name).map_err(|error| ServiceError::Malformed(error.to_string()))?;
    Ok((gun, rest))
}

/// The parameters of a query, all of which must be known.
fn query(request: &HttpRequest, known: &[&str]) -> Result<Vec<(String, String)>, ServiceError> {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) else {
        return Ok(pairs);
    };
    let name: String = name.chars().take(80).collect();
    let known = match known {
        [] => "there is none".to_owned(),
        known => format!("known are: {}", known.join(", ")),
    };
    Err(ServiceError::Malformed(format!("the parameter {name:?} is not known here; {known}")))
}

/// Refuses a query where there is no parameter: a mistyped one would be ignored, and caches would
/// keep one file under any number of names.
fn no_query(request: &HttpRequest) -> Result<(), ServiceError> {
    query(request, &[]).map(drop)
}

/// `after` and `limit` of a list; a page never has more than `most` items.
fn page(request: &HttpRequest, most: u32) -> Result<(Option<String>, u32), ServiceError> {
    let (mut after, mut limit) = (None, most);
    for (name, value) in query(request, &["after", "limit"])? {
        match name.as_str() {
            "after" => after = Some(value),
            _ => {
                let wanted = value.parse().ok().filter(|wanted: &u32| *wanted > 0);
                let refuse = || ServiceError::Malformed("limit is a number from 1".into());
                limit = wanted.ok_or_else(refuse)?.min(most);
            }
        }
    }
    Ok((after, limit))
}

/// Reads a body that is one small JSON document.
async fn document<T: DeserializeOwned>(
    service: &Service,
    request: &HttpRequest,
    mut payload: Payload,
) -> Result<T, ServiceError> {
    let limits = &service.config.limits;
    if !request.content_type().eq_ignore_ascii_case("application/json") {
        return Err(ServiceError::Malformed("the body is not application/json".into()));
    }
    let malformed =
        |error: &dyn std::fmt::Display| ServiceError::Malformed(format!("the body: {error}"));
    let read = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.try_next().await.map_err(|error| malformed(&error))? {
            if (body.len() + chunk.len()) as u64 > limits.document_bytes {
                return Err(ServiceError::TooLarge { what: "bytes", limit: limits.document_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let seconds = limits.body_seconds;
    let body = timeout(Duration::from_secs(seconds), read).await;
    let body = body.map_err(|_| ServiceError::TooSlow(seconds))??;
    serde_json::from_slice(&body).map_err(|error| malformed(&error))
}

/// An answer in JSON, for its caller alone.
fn private_json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let mut response = HttpResponse::build(status).json(body);
    forbid_keeping(&mut response);
    response
}

/// An answer without a body, for its caller alone.
fn no_content() -> HttpResponse {
    let mut response = HttpResponse::NoContent().finish();
    response.headers_mut().remove(CONTENT_TYPE);
    forbid_keeping(&mut response);
    response
}

fn forbid_keeping(response: &mut HttpResponse) {
    response.headers_mut().insert(CACHE_CONTROL, PRIVATE);
}

/// How answers for their caller alone are marked. Caches that ignore `Authorization` obey it, too.
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");
