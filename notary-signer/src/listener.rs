//! The listener of the service: TLS, and HTTP in it.
//!
//! TLS refuses a client without a certificate by itself, before a byte of its request is read. What
//! HTTP library and TLS library are joined by here, and not by the former alone, tells how each
//! connection ended: whoever was refused is noted.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{HttpService, Request, TlsAcceptorConfig};
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt};
use actix_service::{apply_fn_factory, map_config};
use actix_tls::accept::TlsError;
use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::body::MessageBody;
use actix_web::dev::{AppConfig, Response, Server};
use actix_web::rt::net::{TcpSocket, TcpStream};

use crate::config::{Config, Limits};
use crate::tls::{Peer, Reason, Refusals, Tls};

tokio::task_local! {
    /// Who is at the other end of the connection that is served, once TLS knows.
    static CLIENT: RefCell<Option<Arc<Peer>>>;
}

/// A server of an application behind mutual TLS, which answers once it runs, and its address.
///
/// # Errors
/// When nothing can listen there.
pub(crate) fn listen<F, I, S, B>(
    config: &Config,
    tls: &Arc<Tls>,
    workers: usize,
    app: F,
) -> io::Result<(Server, SocketAddr)>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let limits = &config.limits;
    let builder = builder(limits, workers);
    let (listener, address) = socket(config.listen, limits.connections)?;
    let stops = builder.graceful_shutdown_signal();
    let header = Duration::from_secs(limits.header_seconds);
    let idle = Duration::from_secs(limits.idle_seconds);
    let tls = tls.clone();
    let service = move || {
        let stops = stops.clone();
        let app = app().into_factory().map_err(|error| error.into().error_response());
        let http = HttpService::build()
            .client_request_timeout(header)
            .keep_alive(idle)
            // Connections without a request end when the service stops.
            .graceful_shutdown_signal(move || {
                let stops = stops.clone();
                async move { stops.notified().await }
            })
            .on_connect_ext(|stream: &TlsStream<TcpStream>, data| {
                if let Some(peer) = stream.get_ref().1.peer_certificates().and_then(Peer::of) {
                    CLIENT.with(|client| client.replace(Some(peer.clone())));
                    data.insert(peer);
                }
            })
            .finish(map_config(app, |()| AppConfig::default()));
        let acceptor = TlsAcceptorConfig::default().handshake_timeout(header);
        let http = http.rustls_0_23_with_config(tls.server_config(), acceptor);
        let refusals = tls.refusals();
        apply_fn_factory(http, move |stream: TcpStream, http| {
            let (from, refusals) = (stream.peer_addr().ok(), refusals.clone());
            let served = http.call(stream);
            CLIENT.scope(RefCell::default(), async move {
                let ended = served.await;
                if let Err(error) = &ended {
                    note(&refusals, from, error);
                }
                ended
            })
        })
    };
    Ok((builder.listen("signer", listener, service)?.run(), address))
}

fn builder(limits: &Limits, workers: usize) -> ServerBuilder {
    ServerBuilder::new()
        .disable_signals()
        .workers(workers)
        .max_concurrent_connections(limits.connections.div_ceil(workers))
        .shutdown_timeout(limits.shutdown_seconds)
}

/// A socket that listens. The system drops connections beyond so many that wait.
fn socket(address: SocketAddr, waiting: usize) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(u32::try_from(waiting).unwrap_or(u32::MAX))?.into_std()?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Takes note of how a connection ended, where a client was refused. A certificate that does not count
/// is noted where it is verified; what breaks off on its way is no refusal.
fn note(refusals: &Refusals, from: Option<SocketAddr>, error: &TlsError<io::Error, DispatchError>) {
    let from = || from.map_or_else(|| "somebody".to_owned(), |from| format!("{}", from.ip()));
    match error {
        TlsError::Tls(error) if is_without_certificate(error) => {
            refusals.note(Reason::NoCertificate, from);
        }
        TlsError::Service(DispatchError::Parse(_)) => {
            let client = || CLIENT.with(|client| Some(client.borrow().as_ref()?.text.clone()));
            refusals.note(Reason::NoRequest, || client().unwrap_or_else(from));
        }
        TlsError::Tls(_) | TlsError::Timeout | TlsError::Service(_) => {}
    }
}

fn is_without_certificate(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::NoCertificatesPresented))
}
