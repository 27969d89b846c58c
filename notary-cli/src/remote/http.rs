//! HTTP with the rules of this program: bodies of bounded length, no redirect to another origin, and
//! a second try for what may pass. Whom we talk to is the rule of [`super::connections`].
//!
//! A refusal (4xx) is an answer and comes back at once. A broken connection, a time-out, 429 and the
//! answers of a service that is not well (5xx) are tried again, with growing pauses, as long as
//! `--timeout` lasts; `Retry-After` is obeyed. A certificate that is not trusted stays so: it ends the
//! request at once. There is no pause before the first try.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use notary_schema::name::RoleName;
use notary_schema::wire::Problem;
use reqwest::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::{Origin, Url};

use super::connections::{Connections, certificate_refused};
use super::{Sink, multipart};
use crate::output::Output;

/// The media type of what is sent.
const JSON: &str = "application/json";
/// The longest body of a refusal that is read: it may name every bin of a role.
const MAX_PROBLEM_BYTES: u64 = 4 << 20;
/// Most redirects of one request.
const MAX_REDIRECTS: usize = 5;
/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long a request may fail before somebody is told that it is tried again.
const SILENCE: Duration = Duration::from_secs(1);
/// The longest pause that nobody asked for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The slowest transfer that is waited for, beyond `--timeout`: a peer that sends less holds an agent
/// back on purpose.
const MIN_BYTES_PER_SECOND: u64 = 4 << 10;

/// A request that got no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// No connection, or a broken one, until the time was over.
    #[error("{url} could not be reached: {why}")]
    Unreachable {
        /// What was asked for.
        url: Url,
        /// What went wrong last.
        why: String,
    },
    /// It shows a certificate that is not trusted.
    #[error(
        "{url} shows a certificate that is not trusted: {why}; where its CA is your own, name the \
         CA's certificate with --ca"
    )]
    Untrusted {
        /// What was asked for.
        url: Url,
        /// What is wrong with the certificate.
        why: String,
    },
    /// The body is longer than it may be.
    #[error("{url} is longer than the {max_bytes} bytes that it may have")]
    TooLong {
        /// What was asked for.
        url: Url,
        /// The longest body.
        max_bytes: u64,
    },
    /// A redirect that is not followed.
    #[error("{url} redirects to {to}, which is not followed; use the address that is meant")]
    Redirect {
        /// What was asked for.
        url: Url,
        /// Where it sends us.
        to: String,
    },
    /// Plain HTTP to another machine, or a scheme that we do not speak.
    #[error("{url} is neither https:// nor http:// on loopback; use https")]
    Insecure {
        /// What was asked for.
        url: Url,
    },
    /// The certificates of `--ca` or of the system.
    #[error("no certificates to trust: {0}")]
    Certificates(String),
    /// The body could not be stored.
    #[error("could not store {url}: {error}")]
    Store {
        /// What was asked for.
        url: Url,
        /// What the operating system says.
        error: std::io::Error,
    },
}

/// What is sent.
#[derive(Debug, Clone)]
pub(crate) struct Request<'a> {
    /// GET, POST, PATCH or DELETE.
    pub(crate) method: Method,
    /// Where to.
    pub(crate) url: Url,
    /// Who asks.
    pub(crate) token: Option<&'a SecretString>,
    /// What is in it.
    pub(crate) body: Body<'a>,
    /// The longest body of a success.
    pub(crate) max_bytes: u64,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) enum Body<'a> {
    /// None.
    Empty,
    /// The signed files of a publish.
    Files(&'a [(RoleName, Arc<[u8]>)]),
    /// A JSON document.
    Json(String),
}

impl Body<'_> {
    /// About how many bytes are sent.
    fn length(&self) -> u64 {
        match self {
            Body::Empty => 0,
            Body::Files(files) => files.iter().map(|(_, bytes)| bytes.len() as u64).sum(),
            Body::Json(text) => text.len() as u64,
        }
    }
}

/// An answer; the body of a success went to the sink.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// What a service of ours says of a refusal.
    pub(crate) problem: Option<Problem>,
    retry_after: Option<Duration>,
}

impl Answer {
    /// Whether the request did what it should.
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Whether another try may go better. A 502 with a problem in it is the server's own verdict on
    /// the signer; one without comes from a gateway.
    fn may_pass(&self) -> bool {
        match self.status {
            429 => true,
            502 => self.problem.is_none(),
            status => status >= 500,
        }
    }
}

/// Sends the requests of this process.
pub(crate) struct Http {
    connections: Connections,
    timeout: Duration,
    output: Rc<Output>,
}

impl Http {
    /// Requests over connections that trust the certificates of this file, or those of the system.
    pub(crate) fn new(ca: Option<PathBuf>, timeout: Duration, output: Rc<Output>) -> Http {
        Http { connections: Connections::new(ca), timeout, output }
    }

    /// Sends a request until it is answered or the time is over; a success goes to the sink.
    pub(crate) async fn send(
        &self,
        request: &Request<'_>,
        sink: &mut dyn Sink,
    ) -> Result<Answer, HttpError> {
        let start = Instant::now();
        let end = start + self.timeout;
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            let outcome = self.attempt(request, sink, end).await;
            let wait = match &outcome {
                Err(HttpError::Unreachable { .. }) => jittered(pause),
                Ok(answer) if answer.may_pass() => {
                    jittered(pause).max(answer.retry_after.unwrap_or_default())
                }
                _ => return outcome,
            };
            // Compared, not added up: a server may ask for a wait that no clock can hold.
            if wait >= end.saturating_duration_since(Instant::now()) {
                return outcome;
            }
            if !told && start.elapsed() + wait > SILENCE {
                told = true;
                let why = match &outcome {
                    Err(error) => error.to_string(),
                    Ok(answer) => format!("{} answers {}", request.url, answer.status),
                };
                let left = end.saturating_duration_since(Instant::now()).as_secs();
                self.output.message(format_args!("{why}; trying again for up to {left} s"));
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            sink.restart().map_err(|error| HttpError::Store { url: request.url.clone(), error })?;
        }
    }

    /// One try, along the redirects.
    async fn attempt(
        &self,
        request: &Request<'_>,
        sink: &mut dyn Sink,
        end: Instant,
    ) -> Result<Answer, HttpError> {
        let upload = request.body.length();
        let mut url = request.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let since = Instant::now();
            let sent = in_time(request, end, upload, self.build(request, url.clone())?.send());
            let failed = |_: &HttpError| self.trace(request, &url, "failed", 0, since);
            let response = sent.await.inspect_err(failed)?;
            let status = response.status();
            if status.is_redirection() && status.as_u16() != 304 {
                self.trace(request, &url, status.as_str(), 0, since);
                url = follow(request, &url, &response)?;
                continue;
            }
            let (answer, bytes) = receive(request, response, sink, end).await?;
            self.trace(request, &url, status.as_str(), bytes, since);
            return Ok(answer);
        }
        let to = format!("more than {MAX_REDIRECTS} others in turn");
        Err(HttpError::Redirect { url: request.url.clone(), to })
    }

    fn build(&self, request: &Request<'_>, url: Url) -> Result<RequestBuilder, HttpError> {
        let client = self.connections.client(&url)?;
        let mut builder = client.request(request.method.clone(), url);
        if let Some(token) = request.token {
            builder = builder.bearer_auth(token.expose_secret());
        }
        Ok(match &request.body {
            Body::Empty => builder,
            Body::Json(text) => builder.header(CONTENT_TYPE, JSON).body(text.clone()),
            Body::Files(files) => {
                let (kind, body) = multipart::encode(files);
                builder.header(CONTENT_TYPE, kind).body(body)
            }
        })
    }

    fn trace(&self, request: &Request<'_>, url: &Url, status: &str, bytes: u64, since: Instant) {
        self.output.trace(|| {
            let milliseconds = since.elapsed().as_millis();
            format!("{} {url} {status} {bytes} bytes {milliseconds} ms", request.method)
        });
    }
}

/// Reads the body: that of a success into the sink, that of anything else as a problem.
async fn receive(
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
    if status.is_success() && response.content_length().is_some_and(|length| length > max_bytes) {
        return Err(too_long());
    }
    let (mut bytes, mut body) = (0, Vec::new());
    loop {
        let chunk = in_time(request, end, bytes, response.chunk()).await?;
        let Some(chunk) = chunk else { break };
        bytes += chunk.len() as u64;
        match status.is_success() {
            true if bytes > max_bytes => return Err(too_long()),
            true => sink.write(&chunk).map_err(|error| HttpError::Store { url: url(), error })?,
            false if bytes > max_bytes => break,
            false => body.extend(chunk),
        }
    }
    let problem = match is_problem && !status.is_success() {
        true => serde_json::from_slice(&body).ok(),
        false => None,
    };
    let retry_after = retry_after.map(Duration::from_secs);
    Ok((Answer { status: status.as_u16(), problem, retry_after }, bytes))
}

/// Waits for one step of a transfer of which so many bytes have passed.
async fn in_time<T>(
    request: &Request<'_>,
    end: Instant,
    bytes: u64,
    step: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, HttpError> {
    let end = end + Duration::from_secs(bytes / MIN_BYTES_PER_SECOND);
    let why = match tokio::time::timeout_at(end, step).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => match certificate_refused(&error) {
            Some(why) => return Err(HttpError::Untrusted { url: request.url.clone(), why }),
            None => causes(&error.without_url()),
        },
        Err(_) => "the time is over (--timeout)".to_owned(),
    };
    Err(HttpError::Unreachable { url: request.url.clone(), why })
}

/// Where a redirect leads, if it stays with the same origin. Nothing is sent twice that changes
/// something.
fn follow(request: &Request<'_>, from: &Url, response: &Response) -> Result<Url, HttpError> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let to = location.unwrap_or("nowhere").to_owned();
    let target = location.and_then(|location| from.join(location).ok());
    let same = |target: &Url| target.origin() == from.origin();
    let follows = request.method == Method::GET && matches!(from.origin(), Origin::Tuple(..));
    target
        .filter(|target| follows && same(target))
        .ok_or(HttpError::Redirect { url: request.url.clone(), to })
}

/// Between half of the pause and all of it, so that many who wait do not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0u8];
    let _ = ::ring::rand::SecureRandom::fill(&::ring::rand::SystemRandom::new(), &mut random);
    pause / 2 + pause / 2 * u32::from(random[0]) / 255
}

/// An error with what caused it, since the outermost one says little.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
