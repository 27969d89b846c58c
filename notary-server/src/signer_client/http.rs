//! The signer over HTTP with mutual TLS.

use std::error::Error;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use notary_schema::name::{Gun, Incarnation};
use notary_schema::wire::{
    KeyRequest, PROBLEM_JSON, Page, Problem, SignRequest, SignerKey, SignerLimits, SignerMemory,
    TRACEPARENT,
};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use super::{Signer, SignerError, Trouble};
use crate::config::SignerConfig;
use crate::tls::{self, TlsError};
use crate::trace;

/// Longest answer of the signer, in bytes: the longest snapshot, in a JSON string, and some.
const MAX_ANSWER_BYTES: usize = 64 << 20;

/// Most keys of one life of a collection: many times what rotations can make of it.
const MAX_KEYS: usize = 10_000;

/// A notary-signer that is reached over the network. One pool of connections.
pub struct HttpSigner {
    client: reqwest::Client,
    base: Url,
}

/// Why there can be no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The certificates or the key do not load.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client does not start.
    #[error("cannot make the client of the signer: {0}")]
    Client(reqwest::Error),
}

impl HttpSigner {
    /// Loads certificates and key; connects to nothing yet.
    pub fn new(config: &SignerConfig) -> Result<HttpSigner, ClientError> {
        let tls = tls::client(&config.ca, &config.certificate, &config.key)?;
        #[expect(clippy::disallowed_methods, reason = "ring is passed in the TLS configuration")]
        let builder = reqwest::Client::builder();
        let client = builder
            .tls_backend_preconfigured(tls)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(config.timeout_seconds))
            .build()
            .map_err(ClientError::Client)?;
        Ok(HttpSigner { client, base: config.url.clone() })
    }

    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.base.join(path).expect("a plain path joins");
        self.client.request(method, url).header(TRACEPARENT, trace::header())
    }
}

/// The body of a successful answer.
async fn answer(request: RequestBuilder) -> Result<Bytes, SignerError> {
    let mut response = request.send().await.map_err(unknown)?;
    let status = response.status();
    let too_long = || wrong_answer(format!("more than {MAX_ANSWER_BYTES} bytes"));
    if response.content_length().is_some_and(|length| length > MAX_ANSWER_BYTES as u64) {
        return Err(too_long());
    }
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes() == PROBLEM_JSON.as_bytes());
    let mut body: Vec<u8> = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unknown)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    match status.is_success() {
        // It would be read as a memory that is empty.
        true if is_problem => {
            return Err(wrong_answer(format!("a problem with the status {status}")));
        }
        true => return Ok(body.into()),
        false => {}
    }
    match serde_json::from_slice::<Problem>(&body) {
        // Only this word says that nothing was recorded; all else is unknown.
        Ok(problem) if problem.more.get("recorded") == Some(&false.into()) => {
            Err(SignerError::Refused { code: problem.code, reason: problem.detail })
        }
        Ok(problem) => Err(SignerError::unknown(failed(status), problem.detail)),
        Err(_) => Err(SignerError::unknown(failed(status), status.to_string())),
    }
}

/// What a status means that comes without the word that nothing was recorded.
fn failed(status: StatusCode) -> Trouble {
    if status.is_server_error() { Trouble::Failed } else { Trouble::WrongAnswer }
}

fn wrong_answer(reason: impl Into<String>) -> SignerError {
    SignerError::unknown(Trouble::WrongAnswer, reason)
}

/// Without the address of the signer: publishers read this text.
fn unknown(error: reqwest::Error) -> SignerError {
    let trouble = trouble(&error);
    SignerError::unknown(trouble, with_sources(&error.without_url()))
}

fn trouble(error: &reqwest::Error) -> Trouble {
    if error.is_timeout() {
        return Trouble::TimedOut;
    }
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        // An I/O error leaves what it was made from out of its sources.
        let inside = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = inside.map(|inside| inside as _).or(cause.source());
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return of_tls(tls);
        }
        if cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            return Trouble::WrongAnswer;
        }
    }
    Trouble::Unreachable
}

fn of_tls(error: &rustls::Error) -> Trouble {
    match error {
        rustls::Error::InvalidCertificate(_)
        | rustls::Error::NoCertificatesPresented
        | rustls::Error::AlertReceived(_) => Trouble::Certificate,
        // Whatever is there does not speak TLS.
        _ => Trouble::WrongAnswer,
    }
}

/// An error with its causes: reqwest's own text does not say why a connection failed.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn value<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, SignerError> {
    let body = answer(request).await?;
    serde_json::from_slice(&body)
        .map_err(|error| wrong_answer(format!("its answer is not readable: {error}")))
}

/// A key of another collection or life is no answer: a root that names it could never be served.
fn require_own(
    key: &SignerKey,
    collection: &Gun,
    incarnation: &Incarnation,
) -> Result<(), SignerError> {
    let is_own = key.collection == *collection && key.incarnation == *incarnation;
    match is_own && key.keyid == *key.key.id() {
        true => Ok(()),
        false => Err(wrong_answer(format!("the key {} is not one of {collection}", key.keyid))),
    }
}

#[async_trait]
impl Signer for HttpSigner {
    async fn limits(&self) -> Result<SignerLimits, SignerError> {
        value(self.call(Method::GET, "v1/policy")).await
    }

    async fn key(&self, request: &KeyRequest) -> Result<SignerKey, SignerError> {
        let key: SignerKey = value(self.call(Method::POST, "v1/keys").json(request)).await?;
        for key in [&key].into_iter().chain(key.standby.as_deref()) {
            require_own(key, &request.collection, &request.incarnation)?;
            if key.role != request.role {
                return Err(wrong_answer(format!("the key {} is of another role", key.keyid)));
            }
        }
        if let Some(standby) = &key.standby
            && standby.standby_for.as_ref() != Some(&key.keyid)
        {
            let problem = format!("{} does not stand by for {}", standby.keyid, key.keyid);
            return Err(wrong_answer(problem));
        }
        Ok(key)
    }

    async fn keys(
        &self,
        collection: &Gun,
        incarnation: &Incarnation,
    ) -> Result<Vec<SignerKey>, SignerError> {
        let life = [("collection", collection.as_str()), ("incarnation", incarnation.as_str())];
        let mut keys: Vec<SignerKey> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.call(Method::GET, "v1/keys").query(&life);
            let page: Page<SignerKey> =
                value(page.query(&after.map(|key| [("after", key)]))).await?;
            let is_empty = page.items.is_empty();
            for key in page.items {
                require_own(&key, collection, incarnation)?;
                keys.push(key);
            }
            after = page.next;
            if after.is_none() {
                return Ok(keys);
            }
            if is_empty || keys.len() > MAX_KEYS {
                return Err(wrong_answer("its list of keys does not end"));
            }
        }
    }

    async fn memory(
        &self,
        collection: &Gun,
        incarnation: &Incarnation,
    ) -> Result<SignerMemory, SignerError> {
        let query = [("collection", collection.as_str()), ("incarnation", incarnation.as_str())];
        value(self.call(Method::GET, "v1/memory").query(&query)).await
    }

    async fn sign(&self, request: &SignRequest) -> Result<Bytes, SignerError> {
        answer(self.call(Method::POST, "v1/sign").json(request)).await
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use notary_schema::online::OnlineRole;
    use serde_json::json;

    use super::*;

    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    /// A signer that answers these bodies, one after another, and is not reached after that.
    fn answering(bodies: Vec<serde_json::Value>) -> HttpSigner {
        crate::tls::install_provider();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        thread::spawn(move || {
            for body in bodies {
                let (mut connection, _) = listener.accept().unwrap();
                let mut asked = Vec::new();
                while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut bytes = [0; 1024];
                    let read = connection.read(&mut bytes).unwrap();
                    asked.extend_from_slice(&bytes[..read]);
                }
                let body = body.to_string();
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:";
                write!(connection, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
            }
        });
        #[expect(clippy::disallowed_methods, reason = "the provider is installed above")]
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        HttpSigner { client, base }
    }

    fn life() -> (Gun, Incarnation) {
        (Gun::parse("acme/app").unwrap(), Incarnation::from_random([1; 16]))
    }

    #[actix_web::test]
    async fn a_list_of_keys_that_does_not_go_on_is_no_list() {
        let (gun, life) = life();
        let page = |next: Option<&str>| json!({ "items": [], "next": next });
        let signer = answering(vec![page(Some("x")), page(Some("x"))]);
        let refused = signer.keys(&gun, &life).await.unwrap_err().to_string();
        assert!(refused.contains("does not end"), "{refused}");
        let signer = answering(vec![page(None)]);
        assert!(signer.keys(&gun, &life).await.unwrap().is_empty());
    }

    #[actix_web::test]
    async fn a_standby_stands_by_for_the_key_that_it_comes_with() {
        let (gun, life) = life();
        let key = |public: String| {
            let key = json!({
                "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": public },
            });
            let key: notary_schema::key::Key = serde_json::from_value(key).unwrap();
            json!({
                "collection": gun, "incarnation": life, "role": "timestamp", "state": "pending",
                "created_at": "2026-01-01T00:00:00Z", "keyid": key.id(), "key": key,
            })
        };
        let first = key(PUBLIC.to_owned());
        for (whose, is_taken) in [(first["keyid"].clone(), true), (json!("0".repeat(64)), false)] {
            let mut standby = key(PUBLIC.chars().rev().collect());
            standby["standby_for"] = whose;
            let mut answer = first.clone();
            answer["standby"] = standby;
            let request = KeyRequest {
                collection: gun.clone(),
                incarnation: life.clone(),
                role: OnlineRole::Timestamp,
                rotate: false,
                except: Vec::new(),
            };
            let answered = answering(vec![answer]).key(&request).await;
            assert_eq!(answered.is_ok(), is_taken, "{answered:?}");
        }
    }

    #[actix_web::test]
    async fn the_address_of_the_signer_is_not_told() {
        crate::tls::install_provider();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the provider is installed above")]
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let refused = answer(client.get(format!("http://{address}/v1/policy"))).await;
        let text = refused.unwrap_err().to_string();
        assert!(text.contains("Connection refused"), "{text}");
        assert!(!text.contains(&address.to_string()) && !text.contains("v1"), "{text}");
    }
}
