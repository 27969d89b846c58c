//! Requests that no program of ours would make.

use std::path::Path;
use std::sync::Arc;

use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use rustls::client::{ClientConfig, WantsClientCert};
use rustls::{ConfigBuilder, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;
use tokio::runtime::Runtime;

/// A connection to one service.
pub struct Http {
    runtime: Runtime,
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What a service answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Http {
    pub(super) fn plain(base: String, token: Option<&str>) -> Http {
        Http::new(base, token, trusting(RootCertStore::empty()).with_no_client_auth())
    }

    pub(super) fn mutual_tls(base: String, pki: &Path, certificate: &str) -> Http {
        Http::over(mutual_tls_client(pki, certificate), base, None)
    }

    fn new(base: String, token: Option<&str>, tls: ClientConfig) -> Http {
        Http::over(client(tls), base, token)
    }

    fn over(client: reqwest::Client, base: String, token: Option<&str>) -> Http {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Http { runtime: runtime.expect("a runtime"), client, base, token: token.map(str::to_owned) }
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    /// HEAD.
    pub fn head(&self, path: &str) -> Answer {
        self.send(self.request(Method::HEAD, path))
    }

    /// POST of a JSON document.
    pub fn post(&self, path: &str, document: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(document))
    }

    /// A publish: each part is a role and its file.
    pub fn publish(&self, gun: &str, parts: &[(&str, &[u8])]) -> Answer {
        self.send(self.publish_request(gun, parts))
    }

    /// A publish that a test sends.
    pub fn publish_request(&self, gun: &str, parts: &[(&str, &[u8])]) -> RequestBuilder {
        let form = parts.iter().fold(Form::new(), |form, (role, file)| {
            let part = Part::bytes(file.to_vec()).file_name((*role).to_owned());
            form.part("files", part)
        });
        self.request(Method::POST, &format!("/v2/{gun}/_trust/tuf/")).multipart(form)
    }

    /// A request that a test completes.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// When there is none.
    pub fn send(&self, request: RequestBuilder) -> Answer {
        self.try_send(request).unwrap_or_else(|error| panic!("no answer: {error:?}"))
    }

    /// Sends a request and reads the whole answer, if there is one.
    ///
    /// # Errors
    /// When the connection fails or ends early.
    pub fn try_send(&self, request: RequestBuilder) -> Result<Answer, reqwest::Error> {
        self.runtime.block_on(async {
            let response = request.send().await?;
            let text = |value: &reqwest::header::HeaderValue| {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            let headers = response.headers().iter();
            let headers = headers.map(|(name, value)| (name.to_string(), text(value))).collect();
            let status = response.status().as_u16();
            Ok(Answer { status, headers, body: response.bytes().await?.to_vec() })
        })
    }
}

impl Answer {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The body as a document.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The stable word of a refusal.
    ///
    /// # Panics
    /// When it is no problem document.
    #[track_caller]
    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        self.json()["code"].as_str().expect("a problem has a code").to_owned()
    }
}

/// The certificates in `NAME.pem`.
pub(super) fn certificates(pki: &Path, name: &str) -> Vec<CertificateDer<'static>> {
    let file = pki.join(format!("{name}.pem"));
    let read = CertificateDer::pem_file_iter(&file).expect("a PEM file");
    read.collect::<Result<_, _>>().expect("certificates")
}

/// A client that trusts the CA and shows the certificate of this name.
pub(super) fn mutual_tls_client(pki: &Path, certificate: &str) -> reqwest::Client {
    let mut roots = RootCertStore::empty();
    for ca in certificates(pki, "ca") {
        roots.add(ca).expect("the world's CA");
    }
    let key = PrivateKeyDer::from_pem_file(pki.join(format!("{certificate}.key")));
    let config = trusting(roots)
        .with_client_auth_cert(certificates(pki, certificate), key.expect("a private key"));
    client(config.expect("the key is that of the certificate"))
}

/// A client for loopback HTTP.
pub(super) fn plain_client() -> reqwest::Client {
    client(trusting(RootCertStore::empty()).with_no_client_auth())
}

fn client(tls: ClientConfig) -> reqwest::Client {
    #[expect(clippy::disallowed_methods, reason = "its TLS, with ring, is given right here")]
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        // A connection from before a kill would fail a request that never left.
        .pool_max_idle_per_host(0)
        .build();
    client.expect("a client")
}

fn trusting(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_root_certificates(roots)
}
