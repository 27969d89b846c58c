//! HTTP with the rules of this program: no redirect to another host that was not allowed, and a second
//! try for what may pass. Whom we talk to is the rule of [`super::connections`], how a body is read
//! that of [`super::body`].
//!
//! A refusal (4xx) is an answer and comes back at once. A broken connection, a time-out, 429 and the
//! answers of a service that is not well (5xx) are tried again, with growing pauses, as long as the
//! time of the request lasts, or as often as the caller said; `Retry-After` is obeyed. A certificate
//! that is not trusted, a body that is too long and an answer that is no HTTP stay so: they end the
//! request at once. There is no pause before the first try.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use notary_schema::name::RoleName;
use notary_schema::wire::Problem;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE, LOCATION};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use url::{Origin, Url};

use super::body::{in_time, receive};
use super::connections::Connections;
use super::{HttpError, Sink, multipart, shown};
use crate::output::Output;

/// The media type of what is sent.
const JSON: &str = "application/json";
/// Most redirects of one request.
const MAX_REDIRECTS: usize = 5;
/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long a request may fail before somebody is told that it is tried again.
const SILENCE: Duration = Duration::from_secs(1);
/// The longest pause that nobody asked for.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The slowest transfer that is waited for, beyond `--timeout`: a peer that is slower holds us back on
/// purpose.
pub(crate) const SLOWEST_BYTES_PER_SECOND: u64 = 4 << 10;

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
    /// How long it may take with all its tries, beside the time for its bytes.
    pub(crate) timeout: Duration,
    /// How slow the transfer may be: a second more for each so many bytes.
    pub(crate) slowest_bytes_per_second: u64,
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
    pub(super) retry_after: Option<Duration>,
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
    redirect_hosts: Vec<String>,
    timeout: Duration,
    /// Most tries of one request.
    tries: Option<u32>,
    output: Rc<Output>,
}

impl Http {
    /// Requests over connections that trust the certificates of this file, or those of the system.
    pub(crate) fn new(ca: Option<PathBuf>, timeout: Duration, output: Rc<Output>) -> Http {
        let (connections, redirect_hosts) = (Connections::new(ca), Vec::new());
        Http { connections, redirect_hosts, timeout, tries: None, output }
    }

    /// The same, and redirects to these hosts are followed.
    pub(crate) fn redirected_to(self, redirect_hosts: Vec<String>) -> Http {
        Http { redirect_hosts, ..self }
    }

    /// The same, over plain HTTP to any machine.
    pub(crate) fn over_plain_http(self) -> Http {
        Http { connections: self.connections.plain_everywhere(), ..self }
    }

    /// The same, and each request is tried so many times at most.
    pub(crate) fn giving_up_after(self, tries: u32) -> Http {
        Http { tries: Some(tries), ..self }
    }

    /// How long is waited: `--timeout`.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends a request until it is answered, the time is over, or it was tried as often as it may; a
    /// success goes to the sink.
    pub(crate) async fn send(
        &self,
        request: &Request<'_>,
        sink: &mut dyn Sink,
    ) -> Result<Answer, HttpError> {
        let start = Instant::now();
        let end = start + request.timeout;
        let mut pause = FIRST_PAUSE;
        let (mut tried, mut told) = (0, false);
        loop {
            tried += 1;
            let outcome = self.attempt(request, sink, end).await;
            let wait = match &outcome {
                Err(HttpError::Unreachable { .. }) => jittered(pause),
                Ok(answer) if answer.may_pass() => {
                    jittered(pause).max(answer.retry_after.unwrap_or_default())
                }
                _ => return outcome,
            };
            // Compared, not added up: a server may ask for a wait that no clock can hold.
            let was_last = self.tries.is_some_and(|tries| tried >= tries);
            if was_last || wait >= end.saturating_duration_since(Instant::now()) {
                return outcome;
            }
            if !told && start.elapsed() + wait > SILENCE {
                told = true;
                let why = match &outcome {
                    Err(error) => error.to_string(),
                    Ok(answer) => format!("{} answers {}", shown(&request.url), answer.status),
                };
                let left = end.saturating_duration_since(Instant::now()).as_secs();
                let most = match self.tries {
                    Some(tries) => format!("up to {} times", tries - tried),
                    None => format!("for up to {left} s"),
                };
                self.output.message(format_args!("{why}; trying again {most}"));
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
                url = self.follow(request, &url, &response)?;
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
        // A token is for who was asked, not for where a redirect leads.
        let token = request.token.filter(|_| url.origin() == request.url.origin());
        let mut builder = client.request(request.method.clone(), url);
        builder = builder.header(ACCEPT_ENCODING, "identity");
        if let Some(token) = token {
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

    /// Where a redirect leads, if it stays with the same origin or a host that is allowed, and does not
    /// leave https. Nothing is sent twice that changes something.
    fn follow(
        &self,
        request: &Request<'_>,
        from: &Url,
        response: &Response,
    ) -> Result<Url, HttpError> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        // Its query may be a secret, such as the signature of an address that is good for an hour.
        let to = location.unwrap_or("nowhere").split('?').next().unwrap_or_default().to_owned();
        let target = location.and_then(|location| from.join(location).ok());
        let follows = request.method == Method::GET && matches!(from.origin(), Origin::Tuple(..));
        target
            .filter(|target| follows && may_lead(from, target, &self.redirect_hosts))
            .ok_or(HttpError::Redirect { url: request.url.clone(), to })
    }

    fn trace(&self, request: &Request<'_>, url: &Url, status: &str, bytes: u64, since: Instant) {
        self.output.trace(|| {
            let milliseconds = since.elapsed().as_millis();
            let url = shown(url);
            format!("{} {url} {status} {bytes} bytes {milliseconds} ms", request.method)
        });
    }
}

/// Whether a redirect may lead there: to the same origin, or to a host that is allowed and not out of
/// https.
pub(super) fn may_lead(from: &Url, to: &Url, hosts: &[String]) -> bool {
    let host = to.host_str().unwrap_or_default();
    let is_named = hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
    let stays_secure = to.scheme() == "https" || from.scheme() != "https";
    to.origin() == from.origin() || (is_named && stays_secure)
}

/// Between half of the pause and all of it, so that many who wait do not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0u8];
    let _ = ::ring::rand::SecureRandom::fill(&::ring::rand::SystemRandom::new(), &mut random);
    pause / 2 + pause / 2 * u32::from(random[0]) / 255
}
