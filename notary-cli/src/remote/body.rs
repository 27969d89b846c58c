//! How a body is read: no longer than it may be, no slower than is waited for, as it is served.

use std::time::Duration;

use reqwest::Response;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use tokio::time::Instant;

use super::{Answer, HttpError, Request, Sink};

/// The longest body of a refusal that is read: it may name every bin of a role.
const MAX_PROBLEM_BYTES: u64 = 4 << 20;
/// So many pieces may be of any size, such as those of a slow line.
const FREE_PIECES: u64 = 4096;
/// So many bytes the pieces of a longer body have on the average: each costs work, however small.
const MIN_PIECE_BYTES: u64 = 64;

/// How many turns of other tasks are enough for a connection to be free again.
const TURNS_UNTIL_IDLE: u32 = 8;

/// Reads the body: that of a success into the sink, that of anything else as a problem. Answers the
/// length too.
pub(super) async fn receive(
    request: &Request<'_>,
    mut response: Response,
    sink: &mut dyn Sink,
    end: Instant,
) -> Result<(Answer, u64), HttpError> {
    let url = || request.url.clone();
    let status = response.status();
    let header = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
    let is_problem = header(CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    let retry_after = header(RETRY_AFTER).and_then(|seconds| seconds.parse().ok());
    let max_bytes = if status.is_success() { request.max_bytes } else { MAX_PROBLEM_BYTES };
    let too_long = || HttpError::TooLong { url: url(), max_bytes };
    if status.is_success() {
        if let Some(encoding) = header(CONTENT_ENCODING).filter(|encoding| encoding != "identity") {
            return Err(HttpError::Encoded { url: url(), encoding });
        }
        match response.content_length() {
            Some(length) if length > max_bytes => return Err(too_long()),
            Some(length) => sink.expect(length),
            None => {}
        }
    }
    let (mut bytes, mut pieces, mut body) = (0, 0, Vec::new());
    loop {
        let chunk = in_time(request, end, bytes, response.chunk()).await?;
        let Some(chunk) = chunk else { break };
        bytes += chunk.len() as u64;
        pieces += 1;
        if pieces > FREE_PIECES + bytes / MIN_PIECE_BYTES {
            return Err(HttpError::Crumbs { url: url(), pieces, bytes });
        }
        match status.is_success() {
            true if bytes > max_bytes => return Err(too_long()),
            true => sink.write(&chunk).map_err(|error| HttpError::Store { url: url(), error })?,
            false if bytes > max_bytes => break,
            false => body.extend(chunk),
        }
    }
    // The tasks of the connection put it back; a request that comes before would open another.
    for _ in 0..TURNS_UNTIL_IDLE {
        tokio::task::yield_now().await;
    }
    let problem = match is_problem && !status.is_success() {
        true => serde_json::from_slice(&body).ok(),
        false => None,
    };
    let retry_after = retry_after.map(Duration::from_secs);
    Ok((Answer { status: status.as_u16(), problem, retry_after }, bytes))
}

/// Waits for one step of a transfer of which so many bytes have passed.
pub(super) async fn in_time<T>(
    request: &Request<'_>,
    end: Instant,
    bytes: u64,
    step: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, HttpError> {
    let end = end + Duration::from_secs(bytes / request.slowest_bytes_per_second);
    let url = &request.url;
    match tokio::time::timeout_at(end, step).await {
        Ok(outcome) => outcome.map_err(|error| HttpError::of_connection(url, error)),
        Err(_) => {
            let why = "the time is over (--timeout)".to_owned();
            Err(HttpError::Unreachable { url: url.clone(), why })
        }
    }
}
