//! Handlers: each takes a request apart, makes one call, and answers.

pub mod health;
pub mod info;
pub mod keys;
pub mod metadata;
pub mod publish;

use actix_web::HttpRequest;
use notary_schema::name::Gun;
use url::form_urlencoded;

use crate::error::ServiceError;

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
