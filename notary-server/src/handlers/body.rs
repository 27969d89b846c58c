//! The body of a publish: parts in multipart/form-data, read as they come. Each limit is applied
//! before memory is spent on what exceeds it.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{Stream, TryStreamExt};
use notary_schema::name::RoleName;
use notary_schema::publish::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::error::ServiceError;
use crate::publish::share;

/// A part's memory is doubled as it comes, up to this length.
const DOUBLED_BYTES: usize = 1 << 20;
/// From then on it grows by so much: blocks of this size and more are given back to the system at
/// once, so that what a part has grown out of is not held beside it.
const STEP_BYTES: usize = 8 << 20;

/// The parts of a body as they came.
#[derive(Debug, Default)]
pub struct Body {
    /// The role that each part is named after, and its bytes; no role twice.
    pub parts: Vec<(RoleName, Vec<u8>)>,
    /// The share of the memory for bodies.
    pub(super) memory: Option<OwnedSemaphorePermit>,
}

/// Whether a body may have parts named `3.root`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlierRoots {
    /// They come before the newest one, which is `root`.
    Come,
    /// No part is called so.
    Not,
}

/// Reads a body part by part, of roles that are covered; what is held of it is taken out of `memory`.
///
/// # Errors
/// Where it is not multipart/form-data with parts named `files`, names a role twice or one that is not
/// covered, exceeds a limit, or finds no memory left.
pub async fn read(
    headers: &HeaderMap,
    payload: impl Stream<Item = Result<Bytes, PayloadError>> + 'static,
    limits: &Limits,
    memory: &Arc<Semaphore>,
    covers: &dyn Fn(&RoleName) -> bool,
    earlier_roots: EarlierRoots,
) -> Result<Body, ServiceError> {
    check_head(headers, limits)?;
    // As Content-Length counts: with what stands between the parts.
    let (mut length, most) = (0, limits.body_bytes);
    let bounded = payload.and_then(move |chunk| {
        length += chunk.len() as u64;
        // Not `Overflow`, which is the library's word for a part whose head does not end.
        let over = || PayloadError::Io(io::ErrorKind::FileTooLarge.into());
        ready(if length > most { Err(over()) } else { Ok(chunk) })
    });
    let mut multipart = Multipart::new(headers, bounded);
    let unreadable = |error| match error {
        MultipartError::Payload(PayloadError::Io(error))
            if error.kind() == io::ErrorKind::FileTooLarge =>
        {
            too_long(limits)
        }
        MultipartError::Payload(PayloadError::Overflow) => {
            ServiceError::Malformed("the head of a part does not end within 64 KiB".into())
        }
        error => {
            let text = format!("the body is not readable multipart/form-data: {error}");
            ServiceError::Malformed(text)
        }
    };
    let mut body = Body::default();
    let mut roles = BTreeSet::new();
    while let Some(field) = multipart.try_next().await.map_err(&unreadable)? {
        if body.parts.len() as u64 == limits.parts {
            return Err(ServiceError::TooLarge { what: "parts", limit: limits.parts });
        }
        let role = role_of(&field, earlier_roots)?;
        if !roles.insert(role.clone()) {
            return Err(Refusal::RepeatedPart(role).into());
        }
        if !covers(&role) {
            return Err(ServiceError::Forbidden(format!("the token does not cover {role}")));
        }
        let bytes = read_part(field, limits, memory, &mut body.memory, &unreadable).await?;
        body.parts.push((role, bytes));
    }
    match body.parts.is_empty() {
        true => Err(ServiceError::Malformed("the body has no part named \"files\"".into())),
        false => Ok(body),
    }
}

/// What can be refused before anything of the body is read.
fn check_head(headers: &HeaderMap, limits: &Limits) -> Result<(), ServiceError> {
    let told = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if told.and_then(|told| told.parse().ok()).is_some_and(|told: u64| told > limits.body_bytes) {
        return Err(too_long(limits));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.eq_ignore_ascii_case("multipart/form-data") {
        true => Ok(()),
        false => Err(ServiceError::Malformed("the body must be multipart/form-data".into())),
    }
}

fn too_long(limits: &Limits) -> ServiceError {
    ServiceError::TooLarge { what: "bytes", limit: limits.body_bytes }
}

/// The role that a part is named after.
fn role_of(field: &Field, earlier_roots: EarlierRoots) -> Result<RoleName, ServiceError> {
    if field.name() != Some("files") {
        let name = shortened(field.name().unwrap_or_default());
        return Err(ServiceError::Malformed(format!(
            "the part {name:?} is not known; send each file as a part named \"files\""
        )));
    }
    match field.content_disposition().and_then(|disposition| disposition.get_filename()) {
        Some(name) => match RoleName::meant_by(name) {
            Some("root") if earlier_roots == EarlierRoots::Come && !name.ends_with(".json") => {
                role_name(name)
            }
            Some(role) => Err(ServiceError::Malformed(format!(
                "the filename {:?} is not a role; name the part after its role alone: {:?}",
                shortened(name),
                shortened(role)
            ))),
            None => role_name(name),
        },
        None => Err(ServiceError::Malformed("a part has no filename; it names the role".into())),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

async fn read_part(
    mut field: Field,
    limits: &Limits,
    memory: &Arc<Semaphore>,
    held: &mut Option<OwnedSemaphorePermit>,
    unreadable: impl Fn(MultipartError) -> ServiceError,
) -> Result<Vec<u8>, ServiceError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.try_next().await.map_err(&unreadable)? {
        if (bytes.len() + chunk.len()) as u64 > limits.part_bytes {
            let what = "bytes in one part";
            return Err(ServiceError::TooLarge { what, limit: limits.part_bytes });
        }
        let share = share(memory, chunk.len())?;
        match held.as_mut() {
            Some(held) => held.merge(share),
            None => *held = Some(share),
        }
        if bytes.capacity() - bytes.len() < chunk.len() {
            let more = if bytes.len() < DOUBLED_BYTES { bytes.len() } else { STEP_BYTES };
            bytes.reserve_exact(more.max(chunk.len()));
        }
        bytes.extend_from_slice(&chunk);
    }
    bytes.shrink_to_fit();
    Ok(bytes)
}

/// A role as a request spells it.
pub(super) fn role_name(text: &str) -> Result<RoleName, ServiceError> {
    RoleName::parse(text).map_err(|error| ServiceError::Malformed(error.to_string()))
}
