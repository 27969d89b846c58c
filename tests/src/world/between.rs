//! A host between server and signer: it holds the certificates of both, passes requests on, and does
//! with the answers what a test says.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, to};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::stream;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::http::{certificates, mutual_tls_client};

/// What becomes of the answers.
#[derive(Debug, Clone)]
pub enum Meddling {
    /// They are passed on.
    None,
    /// They are passed on so much later.
    Late(Duration),
    /// They never come.
    Silent,
    /// They break off in the middle, after the signer has done what it was asked.
    CutOff,
    /// This comes instead of each; nothing is passed to the signer.
    Instead {
        /// The status.
        status: u16,
        /// The media type.
        kind: &'static str,
        /// The body.
        body: Vec<u8>,
    },
    /// Each claims to be so long.
    Length(u64),
    /// A redirect to another host comes instead of each.
    Redirect,
    /// To a request to sign comes the last file of this role that was signed for another collection.
    OtherCollection,
    /// The signed file is changed like this on its way.
    Changed(fn(&mut Value)),
    /// The signer's word to a request to sign is a refusal with this code; it was not asked.
    Refused(&'static str),
}

/// The host. It stops when it is dropped.
pub struct Between {
    state: Arc<State>,
    address: SocketAddr,
    running: Option<(ServerHandle, JoinHandle<()>)>,
}

struct State {
    pki: PathBuf,
    signer: String,
    client: reqwest::Client,
    meddling: Mutex<Meddling>,
    /// The last signed file by role and collection.
    signed: Mutex<BTreeMap<(String, String), Bytes>>,
}

impl Between {
    /// Listens as the signer at this address, with the certificates in `pki`.
    pub(super) fn start(pki: &Path, signer: &str) -> Between {
        let client = mutual_tls_client(pki, "server");
        let state = State {
            pki: pki.to_owned(),
            signer: format!("https://{signer}"),
            client,
            meddling: Mutex::new(Meddling::None),
            signed: Mutex::default(),
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut between = Between { state: Arc::new(state), address, running: None };
        between.listen("signer", "ca");
        between
    }

    /// The URL for the configuration of the server.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// What becomes of the answers from now on.
    pub fn meddle(&self, meddling: Meddling) {
        *lock(&self.state.meddling) = meddling;
    }

    /// Listens no more.
    pub fn stop(&mut self) {
        if let Some((handle, thread)) = self.running.take() {
            // Requests that never end are not waited for.
            drop(handle.stop(false));
            thread.join().expect("the host ends");
        }
    }

    /// Listens again at the same address, with the certificate of this name, for clients that this
    /// CA has certified.
    pub fn listen(&mut self, certificate: &str, client_ca: &str) {
        self.stop();
        let tls = tls(&self.state.pki, certificate, client_ca);
        let listener = TcpListener::bind(self.address).expect("the port is still ours");
        self.address = listener.local_addr().expect("it listens");
        let state = Data::from(self.state.clone());
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || App::new().app_data(state.clone()).default_service(to(pass_on));
                let server = HttpServer::new(app).workers(1).disable_signals();
                let server = server.listen_rustls_0_23(listener, tls).expect("it listens").run();
                tell.send(server.handle()).expect("somebody waits for it");
                server.await.expect("the host runs");
            });
        });
        self.running = Some((told.recv().expect("the host starts"), thread));
    }
}

impl Drop for Between {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tls(pki: &Path, certificate: &str, client_ca: &str) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut clients = RootCertStore::empty();
    for ca in certificates(pki, client_ca) {
        clients.add(ca).expect("a CA");
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
    let key = PrivateKeyDer::from_pem_file(pki.join(format!("{certificate}.key")));
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring knows TLS 1.2 and 1.3")
        .with_client_cert_verifier(verifier.build().expect("a CA for clients"))
        .with_single_cert(certificates(pki, certificate), key.expect("a private key"))
        .expect("the key is that of the certificate")
}

async fn pass_on(state: Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let meddling = lock(&state.meddling).clone();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_sign = request.path() == "/v1/sign";
    match &meddling {
        Meddling::Silent => std::future::pending().await,
        Meddling::Instead { status, kind, body } => return instead(*status, kind, body.clone()),
        Meddling::Length(bytes) => {
            let zeros = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[0; 4096])));
            return HttpResponse::Ok().body(SizedStream::new(*bytes, zeros));
        }
        Meddling::Redirect => {
            let mut answer = HttpResponse::TemporaryRedirect();
            return answer.insert_header(("location", "https://elsewhere.example/")).finish();
        }
        Meddling::OtherCollection if is_sign => {
            let other = other_file(&state, &asked);
            return HttpResponse::Ok().content_type("application/json").body(other);
        }
        Meddling::Refused(code) if is_sign => {
            let body = json!({
                "status": 422, "code": code, "title": "Refused", "detail": "as the test wants it",
                "request_id": "0", "recorded": false,
            });
            return instead(422, "application/problem+json", body.to_string().into_bytes());
        }
        Meddling::Late(time) => tokio::time::sleep(*time).await,
        _ => {}
    }
    let (status, kind, answer) = ask(&state, &request, body).await;
    if !(is_sign && status.is_success()) {
        return HttpResponse::build(status).content_type(kind).body(answer);
    }
    note(&state, &asked, &answer);
    let mut response = HttpResponse::build(status);
    match meddling {
        Meddling::CutOff => {
            let half = answer.slice(..answer.len() / 2);
            let pieces = [Ok(half), Err(io::Error::other("the connection ends here"))];
            response.body(SizedStream::new(answer.len() as u64, stream::iter(pieces)))
        }
        Meddling::Changed(change) => {
            let mut file: Value = serde_json::from_slice(&answer).expect("a signed file");
            change(&mut file);
            response.content_type(kind).body(file.to_string())
        }
        _ => response.content_type(kind).body(answer),
    }
}

fn instead(status: u16, kind: &str, body: Vec<u8>) -> HttpResponse {
    let status = StatusCode::from_u16(status).expect("a status");
    HttpResponse::build(status).content_type(kind).body(body)
}

/// What the signer itself answers.
async fn ask(state: &State, request: &HttpRequest, body: Bytes) -> (StatusCode, String, Bytes) {
    let url = format!("{}{}", state.signer, request.uri());
    let method = request.method().as_str().parse().expect("a method");
    let kind = "application/json";
    let sent = state.client.request(method, url).header("content-type", kind).body(body).send();
    let answer = sent.await.expect("the signer answers");
    let kind = answer.headers().get("content-type").map(|kind| kind.to_str().expect("text"));
    let kind = kind.unwrap_or_default().to_owned();
    let status = StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    (status, kind, answer.bytes().await.expect("the whole answer"))
}

fn place(asked: &Value) -> (String, String) {
    let text = |member: &str| asked[member].as_str().expect("a request to sign").to_owned();
    (text("role"), text("collection"))
}

fn note(state: &State, asked: &Value, answer: &Bytes) {
    lock(&state.signed).insert(place(asked), answer.clone());
}

fn other_file(state: &State, asked: &Value) -> Bytes {
    let (role, collection) = place(asked);
    let signed = lock(&state.signed);
    let mut others = signed.iter().filter(|(place, _)| place.0 == role && place.1 != collection);
    others.next().expect("another collection has signed metadata").1.clone()
}
