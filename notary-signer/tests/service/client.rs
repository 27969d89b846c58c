//! A client of the signer, and what it is answered.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt};
use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, Incarnation, KeyId};
use notary_schema::online::OnlineRole;
use notary_schema::role::Role;
use notary_schema::wire::{KeyRequest, Page, Problem, SignRequest, SignerKey, SignerMemory};
use reqwest::Method;
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::documented;
use crate::world::Document;

pub(crate) fn app() -> Gun {
    Gun::parse("acme/app").unwrap()
}

pub(crate) fn life(number: u8) -> Incarnation {
    Incarnation::from_random([number; 16])
}

/// A client of the signer.
pub(crate) struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// A client that trusts `ca` and shows the certificate and key of `identity`.
    pub(crate) fn new(
        address: SocketAddr,
        ca: &Path,
        identity: Option<(PathBuf, PathBuf)>,
    ) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let tls = match identity {
            None => tls.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
                let key = PrivateKeyDer::from_pem_file(key).unwrap();
                tls.with_client_auth_cert(chain, key).unwrap()
            }
        };
        #[expect(clippy::disallowed_methods, reason = "TLS with ring is given")]
        let http = reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap();
        Client { base: format!("https://localhost:{}", address.port()), http }
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<Answer> {
        self.request(Method::GET, path).await
    }

    /// Asks with so many headers more than it takes.
    pub(crate) async fn get_with_headers(
        &self,
        path: &str,
        number: usize,
    ) -> reqwest::Result<Answer> {
        let request = self.http.get(format!("{}{path}", self.base));
        let request = (0..number).fold(request, |it, number| it.header(format!("x-{number}"), "x"));
        answered(Method::GET, path, request).await
    }

    pub(crate) async fn request(&self, method: Method, path: &str) -> reqwest::Result<Answer> {
        let request = self.http.request(method.clone(), format!("{}{path}", self.base));
        answered(method, path, request).await
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: impl Into<Vec<u8>>,
    ) -> reqwest::Result<Answer> {
        self.post_with(path, &[], body.into()).await
    }

    /// Posts with these headers.
    pub(crate) async fn post_with(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Result<Answer> {
        let request = self.http.post(format!("{}{path}", self.base)).body(body);
        let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
        answered(Method::POST, path, request).await
    }

    /// Posts a body that never ends.
    pub(crate) async fn post_for_ever(&self, path: &str) -> reqwest::Result<Answer> {
        let first = stream::iter([Ok::<_, io::Error>("{")]);
        let body = reqwest::Body::wrap_stream(first.chain(stream::pending()));
        let request = self.http.post(format!("{}{path}", self.base)).body(body);
        Answer::of(request.send().await?).await
    }

    /// The key of a role of the collection, in its first life.
    pub(crate) async fn key(&self, role: OnlineRole, rotate: bool) -> SignerKey {
        let request =
            KeyRequest { collection: app(), incarnation: life(1), role, rotate, except: vec![] };
        self.key_for(&request).await.json()
    }

    /// All keys of the collection, in its first life.
    pub(crate) async fn keys(&self) -> Vec<SignerKey> {
        let path = format!("/v1/keys?collection={}&incarnation={}", app(), life(1));
        self.get(&path).await.unwrap().json::<Page<SignerKey>>().items
    }

    pub(crate) async fn key_for(&self, request: &KeyRequest) -> Answer {
        self.post("/v1/keys", serde_json::to_vec(request).unwrap()).await.unwrap()
    }

    pub(crate) async fn sign(&self, keyids: &[&KeyId], document: &Document) -> Answer {
        self.sign_in(&life(1), keyids, document).await
    }

    pub(crate) async fn sign_in(
        &self,
        incarnation: &Incarnation,
        keyids: &[&KeyId],
        document: &Document,
    ) -> Answer {
        self.sign_for(&app(), incarnation, keyids, document).await
    }

    pub(crate) async fn sign_for(
        &self,
        collection: &Gun,
        incarnation: &Incarnation,
        keyids: &[&KeyId],
        document: &Document,
    ) -> Answer {
        let request = SignRequest {
            collection: collection.clone(),
            incarnation: incarnation.clone(),
            role: document.role,
            keyids: keyids.iter().map(|keyid| (*keyid).clone()).collect(),
            signed: RawValue::from_string(document.signed.clone()).unwrap(),
        };
        self.post("/v1/sign", serde_json::to_vec(&request).unwrap()).await.unwrap()
    }

    pub(crate) async fn memory(&self) -> SignerMemory {
        let path = format!("/v1/memory?collection={}&incarnation={}", app(), life(1));
        self.get(&path).await.unwrap().json()
    }
}

/// The answer to a request, which is one of those that the OpenAPI document tells of.
async fn answered(
    method: Method,
    path: &str,
    request: reqwest::RequestBuilder,
) -> reqwest::Result<Answer> {
    let answer = Answer::of(request.send().await?).await?;
    documented::require(&method, path, &answer);
    Ok(answer)
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    async fn of(response: reqwest::Response) -> reqwest::Result<Answer> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The file that was answered.
    pub(crate) fn file(&self) -> Vec<u8> {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.body.clone()
    }

    /// The answered file, read.
    pub(crate) fn envelope<T: Role>(&self) -> Envelope<T> {
        Envelope::parse(self.file()).unwrap()
    }

    /// The problem that was answered.
    pub(crate) fn problem(&self) -> Problem {
        assert!(self.status >= 400, "{}", String::from_utf8_lossy(&self.body));
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status);
        assert!(!problem.request_id.is_empty());
        problem
    }

    /// The code of a refusal, which promises that nothing was recorded.
    pub(crate) fn refusal(&self) -> String {
        let problem = self.problem();
        assert_eq!(problem.more.get("recorded"), Some(&false.into()), "{problem:?}");
        problem.code
    }
}

/// Whether an error is one of the connection, as a TLS alert is.
pub(crate) fn is_connection_error(error: &reqwest::Error) -> bool {
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = source {
        if error.is::<io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}
