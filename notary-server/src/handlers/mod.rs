//! Handlers: each takes a request apart, makes one call, and answers.

pub mod body;
pub mod changefeed;
pub mod health;
pub mod info;
pub mod keys;
pub mod life;
pub mod metadata;
pub mod policy;
pub mod problems;
pub mod proposals;
pub mod publish;
pub mod revocations;
pub mod tokens;

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use actix_web::web::{BytesMut, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use futures_util::TryStreamExt;
use notary_schema::json;
use notary_schema::name::{Glob, Gun, RoleName, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::form_urlencoded;

use crate::auth::Reader;
use crate::error::ServiceError;
use crate::served::Live;
use crate::service::Service;
use crate::store::{Collection, State};

/// A collection or a tombstone that the caller may read.
enum Readable {
    Live(Arc<Live>),
    Deleted(Collection),
}

impl Readable {
    /// The collection of a name, if the caller may read it. A private one and none at all are the
    /// same to everybody else, also in what is asked of the database.
    ///
    /// # Errors
    /// [`ServiceError::UnknownCollection`], or [`ServiceError::Unauthenticated`] for a token that
    /// is not good.
    async fn find(
        service: &Service,
        request: &HttpRequest,
        gun: &Gun,
    ) -> Result<Readable, ServiceError> {
        let unknown = || ServiceError::UnknownCollection(gun.clone());
        if let Some(live) = service.served.in_memory(gun).filter(|l| l.collection.is_public) {
            return Ok(Readable::Live(live));
        }
        let reader = service.gate.reader(request.headers(), service.now()).await;
        let may_read = reader.as_ref().is_ok_and(|reader| reader.may_read(gun));
        if !may_read && !service.store.is_public(gun).await? {
            return Err(reader.err().unwrap_or_else(unknown));
        }
        let is_readable = |collection: &Collection| collection.is_public || may_read;
        if let Some(live) = service.served.live(gun).await? {
            return Some(Readable::Live(live.clone()))
                .filter(|_| is_readable(&live.collection))
                .ok_or_else(unknown);
        }
        let life = service.store.standing(gun).await?.life;
        let tombstone = life.filter(|life| life.state == State::Deleted && is_readable(life));
        tombstone.map(Readable::Deleted).ok_or_else(unknown)
    }

    fn is_public(&self) -> bool {
        match self {
            Readable::Live(live) => live.collection.is_public,
            Readable::Deleted(tombstone) => tombstone.is_public,
        }
    }

    /// The version of a role's file that is served under its name alone.
    fn current(&self, role: &RoleName) -> Option<Version> {
        match self {
            Readable::Live(live) => live.version(role),
            Readable::Deleted(_) => None,
        }
    }

    /// That a file is lost, where it is.
    fn lost(&self, role: &RoleName, version: Version) -> Option<ServiceError> {
        let Readable::Live(live) = self else { return None };
        let listed = live.head.lost.get(role).filter(|listed| listed.version == version)?;
        let (gun, role) = (live.collection.gun.clone(), role.clone());
        Some(ServiceError::LostFile { gun, role, listed: listed.clone() })
    }

    /// The collection, unless it is a tombstone.
    fn live(self, gun: &Gun) -> Result<Arc<Live>, ServiceError> {
        match self {
            Readable::Live(live) => Ok(live),
            Readable::Deleted(_) => Err(ServiceError::Deleted(gun.clone())),
        }
    }
}

/// The names beyond the public ones that a caller may read in lists.
async fn readable_names(
    service: &Service,
    request: &HttpRequest,
) -> Result<Option<Glob>, ServiceError> {
    Ok(match service.gate.reader(request.headers(), service.now()).await? {
        Reader::Anybody => None,
        Reader::Holder(token) => Some(token.grant.collections.clone()),
    })
}

/// The collection in a path, and what follows its `/_trust/`. The path is read as it came: a name
/// has one spelling, so percent-encoding is refused.
fn collection_path(request: &HttpRequest) -> Result<(Gun, &str), ServiceError> {
    let path = request.uri().path();
    let parts = path.strip_prefix("/v2/").and_then(|path| path.split_once("/_trust/"));
    let (name, rest) = parts.ok_or(ServiceError::UnknownPath)?;
    let gun = Gun::parse(name).map_err(|error| ServiceError::Malformed(error.to_string()))?;
    Ok((gun, rest))
}

/// The parameters of a query, in their order: those that stand there once at most, and those that
/// each make a list.
fn query(
    request: &HttpRequest,
    once: &[&str],
    lists: &[&str],
) -> Result<Vec<(String, String)>, ServiceError> {
    let pairs: Vec<(String, String)> =
        form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
    let known = [once, lists].concat();
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        let name: String = name.chars().take(80).collect();
        let known = match &known[..] {
            [] => "there is none".to_owned(),
            known => format!("known are: {}", known.join(", ")),
        };
        let text = format!("the parameter {name:?} is not known here; {known}");
        return Err(ServiceError::Malformed(text));
    }
    let times = |once: &str| pairs.iter().filter(|(name, _)| name == once).count();
    match once.iter().find(|once| times(once) > 1) {
        Some(name) => {
            let text = format!("the parameter {name} stands there more than once; leave one");
            Err(ServiceError::Malformed(text))
        }
        None => Ok(pairs),
    }
}

/// Refuses a query where there is no parameter: a mistyped one would be ignored, and caches would
/// keep one file under any number of names.
pub(crate) fn no_query(request: &HttpRequest) -> Result<(), ServiceError> {
    query(request, &[], &[]).map(drop)
}

/// `after` and `limit` of a list; a page never has more than `most` items.
fn page(request: &HttpRequest, most: u32) -> Result<(Option<String>, u32), ServiceError> {
    let pairs = query(request, &["after", "limit"], &[])?;
    let (after, limit, _) = page_among(pairs, most)?;
    Ok((after, limit))
}

/// The same with one more parameter.
fn page_of(
    request: &HttpRequest,
    most: u32,
    more: &str,
) -> Result<(Option<String>, u32, Option<String>), ServiceError> {
    page_among(query(request, &["after", "limit", more], &[])?, most)
}

fn page_among(
    pairs: Vec<(String, String)>,
    most: u32,
) -> Result<(Option<String>, u32, Option<String>), ServiceError> {
    let (mut after, mut limit, mut more) = (None, most, None);
    for (name, value) in pairs {
        match name.as_str() {
            "after" => after = Some(value),
            "limit" => {
                let text = format!("limit is a number from 1; a page has at most {most}");
                let wanted = value.parse().ok().filter(|wanted: &u64| *wanted > 0);
                let wanted = wanted.ok_or(ServiceError::Malformed(text))?;
                limit = u32::try_from(wanted).map_or(most, |wanted| wanted.min(most));
            }
            _ => more = Some(value),
        }
    }
    Ok((after, limit, more))
}

/// A parameter that is `true` or `false`.
fn boolean(name: &str, value: &str) -> Result<bool, ServiceError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ServiceError::Malformed(format!("{name} is true or false"))),
    }
}

/// A parameter that is a SHA-256.
fn sha256(value: String) -> Result<String, ServiceError> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match value.len() == 64 && value.bytes().all(is_digit) {
        true => Ok(value),
        false => Err(ServiceError::Malformed(
            "replace is the SHA-256 of a root in 64 hexadecimal digits".into(),
        )),
    }
}

/// Reads a body that is one small JSON document, as strictly as metadata: no member twice, and no array
/// where an object is meant.
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
    json::read(&body).map_err(|error| malformed(&error))
}

/// An answer in JSON that anybody may be given.
fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status).json(body)
}

/// An answer in JSON, for its caller alone.
fn private_json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let mut response = json(status, body);
    forbid_keeping(&mut response);
    response
}

/// An answer in JSON about something that is public or not.
fn json_of(is_public: bool, body: &impl Serialize) -> HttpResponse {
    let answer = if is_public { json } else { private_json };
    answer(StatusCode::OK, body)
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
