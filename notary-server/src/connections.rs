//! How many connections and requests there may be at once, and how long each may last.
//!
//! The HTTP library ends a TLS handshake and the head of a first request that do not come, and an
//! idle connection of HTTP/1. What it leaves open ends here: the head of a later request, HTTP/2 that
//! only pings, an answer that nobody reads. What is over a limit is refused at once with 503; nobody
//! waits for a place. While all places are taken, those whose answer nobody reads end sooner: one
//! connection of HTTP/2 has a hundred of them for nothing.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServiceRequest, ServiceResponse};
use actix_web::http::ConnectionType;
use actix_web::{HttpResponse, ResponseError, rt};
use bytes::Bytes;

use crate::config::Limits;
use crate::error::ServiceError;

/// How often connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// Longest piece of an answer that is handed to the HTTP library at once. It copies a piece into the
/// buffer of the connection: a reader that stands still holds so much, and not a whole file.
const PIECE_BYTES: usize = 64 << 10;

/// All open connections of a server.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    most_requests: usize,
    longest_idle: Duration,
    longest_request: Duration,
    /// How long an answer may stand still while there is no place left.
    longest_pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    requests: usize,
    open: HashMap<u64, Connection>,
}

/// One connection.
#[derive(Debug)]
struct Connection {
    /// The second handle of the socket; absent where the connection is one too many.
    socket: Option<TcpStream>,
    idle_since: Instant,
    /// The requests in flight, by their ids.
    requests: BTreeMap<u64, Request>,
}

/// One request in flight.
#[derive(Debug, Clone, Copy)]
struct Request {
    began: Instant,
    /// When the last piece of its answer was taken; absent while there is none.
    taken: Option<Instant>,
}

impl Request {
    fn ends_at(self, longest: Duration, longest_pause: Duration) -> Instant {
        let end = self.began + longest;
        self.taken.map_or(end, |taken| end.min(taken + longest_pause))
    }
}

impl Connections {
    /// No connections yet.
    pub fn new(limits: &Limits) -> Connections {
        Connections {
            most: limits.connections,
            most_requests: limits.requests,
            longest_idle: Duration::from_secs(limits.idle_seconds + limits.header_seconds),
            longest_request: Duration::from_secs(limits.request_seconds),
            longest_pause: Duration::from_secs(limits.header_seconds),
            state: Mutex::default(),
        }
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.state().open.len()
    }

    /// How many requests are being answered.
    pub fn requests(&self) -> usize {
        self.state().requests
    }

    /// Notes a connection that the HTTP library has accepted; it is open until the library forgets
    /// its data.
    pub fn accept(self: &Arc<Self>, stream: &dyn Any, data: &mut Extensions) {
        let tls = stream.downcast_ref::<TlsStream<rt::net::TcpStream>>();
        let plain = tls.map(|tls| tls.get_ref().0).or_else(|| stream.downcast_ref());
        let fits = self.open() < self.most;
        let socket = plain.filter(|_| fits).and_then(|stream| {
            let second = stream.as_fd().try_clone_to_owned();
            second.map(TcpStream::from).ok()
        });
        let mut state = self.state();
        state.last_id += 1;
        let id = state.last_id;
        let connection =
            Connection { socket, idle_since: Instant::now(), requests: BTreeMap::new() };
        state.open.insert(id, connection);
        drop(state);
        data.insert(Open { id, connections: self.clone() });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sweep(&self, now: Instant) {
        let state = self.state();
        let longest_pause = match state.requests < self.most_requests {
            true => self.longest_request,
            false => self.longest_pause,
        };
        for connection in state.open.values() {
            let requests = connection.requests.values();
            let ends = requests.map(|request| request.ends_at(self.longest_request, longest_pause));
            let ends_at = ends.min().unwrap_or(connection.idle_since + self.longest_idle);
            if let Some(socket) = connection.socket.as_ref().filter(|_| ends_at <= now) {
                // The error says that it has ended by itself.
                drop(socket.shutdown(Shutdown::Both));
            }
        }
    }
}

/// Ends connections that last too long, for as long as there is a server.
pub async fn sweep_all(connections: Weak<Connections>) {
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        ticks.tick().await;
        let Some(connections) = connections.upgrade() else { return };
        connections.sweep(Instant::now());
    }
}

/// Lives as long as a connection, in its data.
#[derive(Debug)]
struct Open {
    id: u64,
    connections: Arc<Connections>,
}

impl Open {
    fn begin(&self) -> Result<InFlight, Refused> {
        let mut state = self.connections.state();
        let fits = state.requests < self.connections.most_requests;
        state.last_id += 1;
        let id = state.last_id;
        let connection = state.open.get_mut(&self.id).ok_or(Refused::Connection)?;
        if connection.socket.is_none() {
            return Err(Refused::Connection);
        }
        if !fits {
            return Err(Refused::Request);
        }
        connection.requests.insert(id, Request { began: Instant::now(), taken: None });
        state.requests += 1;
        Ok(InFlight { id, connection: self.id, connections: self.connections.clone() })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connections.state().open.remove(&self.id);
    }
}

/// Why a request has no place.
enum Refused {
    Connection,
    Request,
}

/// The place of a request, until the last byte of its answer is on its way.
#[derive(Debug)]
pub struct InFlight {
    id: u64,
    connection: u64,
    connections: Arc<Connections>,
}

impl InFlight {
    /// Keeps the place until the answer is on its way.
    pub fn until_sent<B: MessageBody + 'static>(
        self,
        response: ServiceResponse<B>,
    ) -> ServiceResponse<BoxBody> {
        response.map_body(|_, body| {
            BoxBody::new(Answer { body: body.boxed(), rest: Bytes::new(), place: self })
        })
    }

    fn note_taken(&self) {
        let mut state = self.connections.state();
        let connection = state.open.get_mut(&self.connection);
        if let Some(request) = connection.and_then(|open| open.requests.get_mut(&self.id)) {
            request.taken = Some(Instant::now());
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        state.requests -= 1;
        if let Some(connection) = state.open.get_mut(&self.connection) {
            connection.requests.remove(&self.id);
            connection.idle_since = Instant::now();
        }
    }
}

/// Gives a request its place.
///
/// # Errors
/// The answer to one that has none.
pub fn admit(request: &ServiceRequest) -> Result<InFlight, HttpResponse> {
    let place = match request.conn_data::<Open>() {
        Some(open) => open.begin(),
        None => Err(Refused::Connection),
    };
    place.map_err(|refused| match refused {
        Refused::Request => {
            ServiceError::Busy("too many requests are being answered").error_response()
        }
        Refused::Connection => {
            let busy = ServiceError::Busy("too many connections are open");
            let mut response = busy.error_response();
            response.head_mut().set_connection_type(ConnectionType::Close);
            response
        }
    })
}

/// The body of an answer, in pieces, with the place of its request.
struct Answer {
    body: BoxBody,
    rest: Bytes,
    place: InFlight,
}

impl MessageBody for Answer {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            match ready!(Pin::new(&mut this.body).poll_next(context)) {
                Some(Ok(bytes)) => this.rest = bytes,
                end => return Poll::Ready(end),
            }
        }
        this.place.note_taken();
        let length = this.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(this.rest.split_to(length))))
    }
}
