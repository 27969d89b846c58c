//! How much comes in at once: requests, and the bytes of their bodies.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use actix_web::web::Payload;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;
use crate::error::{Failure, Refusal};

/// Where requests and their bodies come in: so many at once, so many bytes each, so long. A body takes
/// the room of the longest one until it is there, and then its own: short ones wait for a place of keys,
/// and long ones still come in.
pub(crate) struct Intake {
    requests: Arc<Semaphore>,
    max_requests: usize,
    /// Room for bodies, in [`ROOM_UNIT`].
    room: Arc<Semaphore>,
    longest: u32,
    max_room: usize,
    body_bytes: usize,
    wait: Duration,
}

/// What room is given out in, in bytes: as small as a timestamp.
const ROOM_UNIT: usize = 1024;

/// A body, and its room until it is dropped.
pub(crate) struct Body {
    bytes: Vec<u8>,
    room: OwnedSemaphorePermit,
}

impl Body {
    /// What it says, and its room: the bytes end here.
    pub(crate) fn parse<T: DeserializeOwned>(self) -> Result<(T, OwnedSemaphorePermit), Refusal> {
        // What reads a struct would take its members from an array, too, by their order.
        if !self.bytes.trim_ascii_start().starts_with(b"{") {
            return Err(Refusal::Malformed("it is no JSON object".into()));
        }
        let said = serde_json::from_slice(&self.bytes);
        Ok((said.map_err(|error| Refusal::Malformed(error.to_string()))?, self.room))
    }
}

impl Intake {
    /// Within these limits.
    pub(crate) fn new(limits: &Limits) -> Intake {
        let max_requests = limits.requests.min(Semaphore::MAX_PERMITS);
        let longest = u32::try_from(units(limits.body_bytes)).unwrap_or(u32::MAX);
        let max_room = limits.bodies_at_once.saturating_mul(longest as usize);
        let max_room = max_room.min(Semaphore::MAX_PERMITS);
        Intake {
            requests: Arc::new(Semaphore::new(max_requests)),
            max_requests,
            room: Arc::new(Semaphore::new(max_room)),
            longest,
            max_room,
            body_bytes: limits.body_bytes,
            wait: Duration::from_secs(limits.body_seconds),
        }
    }

    /// A place for a request, until it is dropped; none where there are too many.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.requests.clone().try_acquire_owned().ok()
    }

    /// How many requests are being answered, and how much room bodies take, in bytes.
    pub(crate) fn at_once(&self) -> (usize, usize) {
        let taken = |all: usize, of: &Semaphore| all - of.available_permits().min(all);
        (taken(self.max_requests, &self.requests), taken(self.max_room, &self.room) * ROOM_UNIT)
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// One that is no JSON by its head, that is too long, that breaks off, or that takes too long.
    pub(crate) async fn read(
        &self,
        headers: &HeaderMap,
        mut payload: Payload,
    ) -> Result<Body, Failure> {
        let max = self.body_bytes;
        check_head(headers, max)?;
        let read = async {
            let room = self.room.clone().acquire_many_owned(self.longest).await;
            let mut room = room.map_err(|_| Failure::Busy)?;
            let mut bytes = Vec::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|error| Refusal::Malformed(error.to_string()))?;
                if bytes.len() + chunk.len() > max {
                    return Err(Refusal::TooLarge { max }.into());
                }
                bytes.extend_from_slice(&chunk);
            }
            drop(room.split(room.num_permits().saturating_sub(units(bytes.len()))));
            Ok(Body { bytes, room })
        };
        tokio::time::timeout(self.wait, read).await.unwrap_or(Err(Failure::Busy))
    }
}

/// What can be refused before anything of a body is read, or waited for.
fn check_head(headers: &HeaderMap, max: usize) -> Result<(), Refusal> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let told = text(CONTENT_LENGTH).and_then(|told| told.parse::<u64>().ok());
    if told.is_some_and(|told| told > max as u64) {
        return Err(Refusal::TooLarge { max });
    }
    let kind = text(CONTENT_TYPE).map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if kind.is_some_and(|kind| !kind.eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::Malformed("its Content-Type is not application/json".into()));
    }
    match text(CONTENT_ENCODING) {
        None => Ok(()),
        Some(_) => Err(Refusal::Malformed("it has a Content-Encoding: send it as it is".into())),
    }
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(ROOM_UNIT)
}
