//! How the service comes to listen.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use crate::config::Limits;
use crate::connections::sweep_all;
use crate::service::{Service, require_allowed};
use crate::tls::{self, TlsError};
use crate::{refresh, requests, routes};

/// How long requests in flight may take to end once the process is told to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 30;
/// Files that a connection takes: the socket, and the second handle with which it is ended. As many
/// connections again may be waiting to be refused.
const FILES_PER_CONNECTION: usize = 3;
/// Files beside connections: the database, the log, the way to the signer.
const OTHER_FILES: usize = 256;

/// Why the server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The certificate or its key do not load.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address cannot be had.
    #[error("cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's words.
        error: std::io::Error,
    },
    /// The address file cannot be written.
    #[error("cannot write the address to {path}: {error}")]
    AddressFile {
        /// The file.
        path: std::path::PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
}

/// Listens; the server works once it is polled. It stops on SIGTERM and SIGINT, after the requests
/// in flight.
pub fn listen(
    service: Arc<Service>,
    address_file: Option<&Path>,
) -> Result<(Server, SocketAddr), ListenError> {
    let wanted = service.config.listen;
    let failed = |error| ListenError::Listen { address: wanted, error };
    let tls = service.config.tls.clone();
    let Limits { connections, header_seconds, idle_seconds, .. } = service.config.limits;
    let header = Duration::from_secs(header_seconds);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let open = service.connections.clone();
    tokio::spawn(sweep_all(Arc::downgrade(&open)));
    let data = Data::from(service);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .wrap(from_fn(requests::answer))
            .configure(routes::register)
    })
    .on_connect(move |stream, data| open.accept(stream, data))
    .workers(workers)
    // Further ones are told so, up to as many again; then the system lets them wait.
    .max_connections((2 * connections).div_ceil(workers))
    // So many come at once when clients wake at the same time: the system drops what does not fit.
    .backlog(u32::try_from(connections).unwrap_or(u32::MAX))
    .client_request_timeout(header)
    .tls_handshake_timeout(header)
    .keep_alive(Duration::from_secs(idle_seconds))
    .shutdown_timeout(SHUTDOWN_SECONDS);
    let server = match tls {
        Some(own) => {
            let config = tls::server(&own.certificate, &own.key)?;
            server.bind_rustls_0_23(wanted, config)
        }
        None => server.bind(wanted),
    };
    let server = server.map_err(failed)?;
    let address = *server.addrs().first().expect("it was bound");
    let server = server.run();
    if let Some(path) = address_file {
        write_address(path, address)
            .map_err(|error| ListenError::AddressFile { path: path.to_owned(), error })?;
    }
    Ok((server, address))
}

/// Whoever finds the file finds the whole address in it.
fn write_address(path: &Path, address: SocketAddr) -> std::io::Result<()> {
    use std::io::Write as _;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    writeln!(file, "{address}")?;
    file.persist(path)?;
    Ok(())
}

/// Lets the process open the files of as many connections as it may have.
fn raise_file_limit(connections: usize) {
    let wanted = (connections * FILES_PER_CONNECTION + OTHER_FILES) as u64;
    match rlimit::increase_nofile_limit(wanted) {
        Ok(limit) if limit >= wanted => {}
        Ok(limit) => tracing::warn!(
            limit,
            wanted,
            "the limit of open files is lower than limits.connections needs"
        ),
        Err(error) => tracing::warn!(%error, "the limit of open files is not known"),
    }
}

/// Serves until the process is told to stop.
///
/// # Errors
/// When it cannot listen, or the signer allows less than the configured lifetimes. A signer that is
/// away is no error: reads work without it, and `/readyz` says it.
pub async fn serve(service: Arc<Service>, address_file: Option<&Path>) -> Result<(), String> {
    if let Ok(limits) = service.signer.limits().await {
        require_allowed(&service.config.lifetimes, &limits)?;
        service.publisher.note_limits(&limits);
    }
    let (server, address) =
        listen(service.clone(), address_file).map_err(|error| error.to_string())?;
    raise_file_limit(service.config.limits.connections);
    tracing::info!(%address, "listening");
    let background = tokio::spawn(refresh::run(service.clone()));
    let ended = server.await;
    background.abort();
    // What is in a slot stays there; nothing else is lost but the times of last uses.
    if let Err(error) = service.gate.note_uses().await {
        tracing::warn!(%error, "the last uses of tokens were not noted");
    }
    ended.map_err(|error| error.to_string())
}
