//! Step 10 of a publish: the bytes that were stored, to anybody.
//!
//! A file that is in memory touches neither the database nor JSON.

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use notary_schema::name::{RoleName, Version};
use percent_encoding::percent_decode_str;

use super::problems::Files;
use super::{PRIVATE, Readable, collection_path, no_query};
use crate::error::ServiceError;
use crate::served::Representation;
use crate::service::Service;

/// Current metadata may be kept for this fraction of its remaining life.
const LIFE_PER_AGE: i64 = 10;

/// GET and HEAD `/v2/{gun}/_trust/tuf/{file}`.
#[utoipa::path(
    get, path = "/v2/{gun}/_trust/tuf/{file}",
    params(
        ("gun" = notary_schema::name::Gun, Path),
        ("file" = String, Path, description = "`timestamp.json`, `N.ROLE.json` or `ROLE.json`"),
    ),
    responses(
        (
            status = 200, body = Object, content_type = "application/json",
            description = "the stored bytes",
            headers(
                ("ETag", description = "`\"SHA256\"`, or `\"SHA256-gzip\"` of what is compressed"),
                ("Cache-Control", description = "versioned names never change"),
            ),
        ),
        (status = 304, description = "the representation is the one that the caller has"),
        Files,
    ),
    security((), ("token" = [])),
)]
pub async fn file(
    service: Data<Service>,
    request: HttpRequest,
) -> Result<HttpResponse, ServiceError> {
    let (gun, rest) = collection_path(&request)?;
    no_query(&request)?;
    let name = rest.strip_prefix("tuf/").ok_or(ServiceError::UnknownPath)?;
    let found = Readable::find(&service, &request, &gun).await?;
    let unknown = || ServiceError::UnknownFile { gun: gun.clone(), name: name.to_owned() };
    let asked = read_name(name);
    let id = match (&found, &asked) {
        (Readable::Live(live), _) => live.collection.id,
        // Whoever trusts an old root must be able to follow the chain to its end.
        (Readable::Deleted(tombstone), Some((role, Some(_)))) if *role == RoleName::ROOT => {
            tombstone.id
        }
        (Readable::Deleted(_), _) => return Err(ServiceError::Deleted(gun)),
    };
    let (role, versioned) = asked.ok_or_else(unknown)?;
    let version = versioned.or_else(|| found.current(&role)).ok_or_else(unknown)?;
    let file = service.served.file(id, role.clone(), version).await?;
    let file = file.ok_or_else(|| found.lost(&role, version).unwrap_or_else(unknown))?;
    let cache_control = match found.is_public() {
        true => cache_control(&service, &file, versioned.is_some()),
        false => PRIVATE,
    };
    Ok(answer(&file, cache_control, request.headers()))
}

/// The answer of [`file()`] where nothing has to be waited for: to a read of a file that is in memory,
/// of a collection that is, and that everybody may read.
pub fn at_hand(request: &HttpRequest) -> Option<HttpResponse> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) || request.uri().query().is_some() {
        return None;
    }
    let service = request.app_data::<Data<Service>>()?;
    let (gun, rest) = collection_path(request).ok()?;
    let live = service.served.in_memory(&gun).filter(|live| live.collection.is_public)?;
    let (role, versioned) = read_name(rest.strip_prefix("tuf/")?)?;
    let version = versioned.or_else(|| live.version(&role))?;
    let file = service.served.file_in_memory(live.collection.id, role, version)?;
    let cache_control = cache_control(service, &file, versioned.is_some());
    Some(answer(&file, cache_control, request.headers()))
}

/// The role and, where the name has one, the version of `7.docs.json` or `docs.json`. A timestamp
/// has no versioned name.
fn read_name(name: &str) -> Option<(RoleName, Option<Version>)> {
    let name = percent_decode_str(name).decode_utf8().ok()?;
    let name = name.strip_suffix(".json")?;
    if let Some((version, role)) = name.split_once('.')
        && let Ok(version) = Version::parse(version)
        && let Ok(role) = RoleName::parse(role)
        && role != RoleName::TIMESTAMP
    {
        return Some((role, Some(version)));
    }
    Some((RoleName::parse(name).ok()?, None))
}

/// How long a cache may keep a public file: for ever what has a version in its name, current metadata
/// not so long that an agent is kept from news.
fn cache_control(service: &Service, file: &Representation, is_versioned: bool) -> HeaderValue {
    if is_versioned {
        return HeaderValue::from_static("public, max-age=31536000, immutable");
    }
    let life = (file.expires - service.now()).num_seconds() / LIFE_PER_AGE;
    let longest = service.config.cache.longest_age_seconds();
    HeaderValue::from_static(match u64::try_from(life).unwrap_or(0).min(longest) {
        0 => "no-cache",
        1 => "public, max-age=1",
        2 => "public, max-age=2",
        3 => "public, max-age=3",
        4 => "public, max-age=4",
        _ => "public, max-age=5",
    })
}

fn answer(file: &Representation, cache_control: HeaderValue, request: &HeaderMap) -> HttpResponse {
    let gzip = file.gzip.as_ref().filter(|_| accepts_gzip(request));
    let (bytes, etag) = gzip.map_or((&file.bytes, &file.etag), |(bytes, etag)| (bytes, etag));
    let is_known = is_listed(request, etag);
    let mut response =
        HttpResponse::new(if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    let headers = response.headers_mut();
    headers.insert(ETAG, etag.clone());
    headers.insert(CACHE_CONTROL, cache_control);
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_known {
        return response;
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if gzip.is_some() {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // For HEAD the HTTP library sends the length and leaves the body out.
    response.set_body(bytes.clone()).map_into_boxed_body()
}

/// Whether gzip is acceptable (RFC 9110, 12.5.3): named or `*`, and not with a weight of 0.
fn accepts_gzip(request: &HeaderMap) -> bool {
    let lists = request.get_all(ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
    let mut any = false;
    for coding in lists.flat_map(|list| list.split(',')) {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        let wanted = weight.parse::<f32>().is_ok_and(|weight| weight > 0.0);
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return wanted,
            "*" => any = wanted,
            _ => {}
        }
    }
    any
}

/// Whether `If-None-Match` lists this entity tag (weak comparison, RFC 9110, 13.1.2).
fn is_listed(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let lists = request.get_all(IF_NONE_MATCH).filter_map(|value| value.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == etag)
}
