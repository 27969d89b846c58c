//! A host between the people and the server: it passes requests on, notes them, and holds the one that
//! a test names, so that the command which waits for the answer can be killed there.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data, PayloadConfig, to};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};

use super::http::plain_client;

/// The largest body that is passed on.
const MOST_BYTES: usize = 256 << 20;
/// Headers of one connection, not of the request or the answer.
const OF_CONNECTIONS: [&str; 4] = ["host", "connection", "content-length", "transfer-encoding"];

/// A request that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// `GET`.
    pub method: String,
    /// The path without a query.
    pub path: String,
    /// How long its body was.
    pub body_bytes: usize,
}

impl Passed {
    /// Whether it asks for a change.
    pub fn changes(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD") || self.body_bytes > 0
    }
}

/// Where a request is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The server never hears of it.
    Request,
    /// The server has done it; nobody hears the answer.
    Answer,
}

/// The host. It stops when it is dropped.
pub struct Gate {
    state: Arc<State>,
    address: SocketAddr,
    running: Option<(ServerHandle, JoinHandle<()>)>,
}

struct State {
    server: String,
    client: reqwest::Client,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    passed: Vec<Passed>,
    hold: Option<(usize, Hold)>,
    holds: bool,
}

impl Gate {
    /// Listens before the server at this URL.
    pub(super) fn start(server: String) -> Gate {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State { server, client: plain_client(), seen: Mutex::default() });
        let (data, (tell, told)) = (Data::from(state.clone()), mpsc::channel());
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let large = PayloadConfig::new(MOST_BYTES);
                    App::new().app_data(data.clone()).app_data(large).default_service(to(pass_on))
                };
                let server = HttpServer::new(app).workers(2).disable_signals();
                let server = server.listen(listener).expect("it listens").run();
                tell.send(server.handle()).expect("somebody waits for it");
                server.await.expect("the host runs");
            });
        });
        let running = Some((told.recv().expect("the host starts"), thread));
        Gate { state, address, running }
    }

    /// The URL for those who are to come through it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Forgets what came until now, and holds the request of this number, counted from 1 among those
    /// that ask for a change.
    pub fn hold(&self, number: usize, hold: Hold) {
        *self.state.seen() = Seen { hold: Some((number, hold)), ..Seen::default() };
    }

    /// Whether a request is held.
    pub fn holds(&self) -> bool {
        self.state.seen().holds
    }

    /// Holds no request from now on. What came until now is answered and forgotten.
    pub fn take_passed(&self) -> Vec<Passed> {
        std::mem::take(&mut *self.state.seen()).passed
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some((handle, thread)) = self.running.take() {
            // Requests that never end are not waited for.
            drop(handle.stop(false));
            thread.join().expect("the host ends");
        }
    }
}

impl State {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn held(&self) -> ! {
        self.seen().holds = true;
        std::future::pending().await
    }
}

async fn pass_on(state: Data<State>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let hold = {
        let mut seen = state.seen();
        let (method, path) = (request.method().to_string(), request.path().to_owned());
        let passed = Passed { method, path, body_bytes: body.len() };
        let changes = passed.changes();
        seen.passed.push(passed);
        let number = seen.passed.iter().filter(|passed| passed.changes()).count();
        seen.hold.filter(|(held, _)| changes && *held == number).map(|(_, hold)| hold)
    };
    if hold == Some(Hold::Request) {
        state.held().await;
    }
    let url = format!("{}{}", state.server, request.uri());
    let method = request.method().as_str().parse().expect("a method");
    let mut sent = state.client.request(method, url).body(body);
    for (name, value) in request.headers() {
        if !OF_CONNECTIONS.contains(&name.as_str()) {
            sent = sent.header(name.as_str(), value.as_bytes());
        }
    }
    let Ok(answer) = sent.send().await else { return HttpResponse::BadGateway().finish() };
    let status = StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers() {
        if !OF_CONNECTIONS.contains(&name.as_str()) {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    let Ok(body) = answer.bytes().await else { return HttpResponse::BadGateway().finish() };
    if hold == Some(Hold::Answer) {
        state.held().await;
    }
    response.body(body)
}
