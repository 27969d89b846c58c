//! Puts the service together and listens.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use chrono::{DateTime, Utc};
use notary_schema::online::Lifetimes;
use notary_schema::wire::SignerLimits;
use tokio::sync::{Mutex, Semaphore};

use crate::auth::Gate;
use crate::config::{Config, Limits};
use crate::connections::{Connections, sweep_all};
use crate::publish::Publisher;
use crate::served::Served;
use crate::signer_client::Signer;
use crate::store::Store;
use crate::tls::{self, TlsError};
use crate::{Parts, refresh, requests, routes};

/// How long requests in flight may take to end once the process is told to stop, in seconds.
const SHUTDOWN_SECONDS: u64 = 30;
/// Files that a connection takes: the socket, and the second handle with which it is ended. As many
/// connections again may be waiting to be refused.
const FILES_PER_CONNECTION: usize = 3;
/// Files beside connections: the database, the log, the way to the signer.
const OTHER_FILES: usize = 256;
/// How long what the signer said of itself is believed.
const WATCH_SECONDS: u64 = 1;

/// Everything that handlers use.
pub struct Service {
    /// The configuration.
    pub config: Config,
    /// What outlives the process.
    pub store: Arc<dyn Store>,
    /// The holder of the online keys.
    pub signer: Arc<dyn Signer>,
    /// What GETs are answered from.
    pub served: Arc<Served>,
    /// Who may do what.
    pub gate: Gate,
    /// The way of a publish.
    pub publisher: Arc<Publisher>,
    /// Whether the signer is there.
    pub watch: Watch,
    /// Who is connected.
    pub connections: Arc<Connections>,
    /// Bytes of bodies that may still be held.
    pub body_memory: Arc<Semaphore>,
    parts: Parts,
}

impl Service {
    /// A service over this store and this signer.
    pub fn new(
        config: Config,
        store: Arc<dyn Store>,
        signer: Arc<dyn Signer>,
        parts: Parts,
    ) -> Arc<Service> {
        let served = Arc::new(Served::new(store.clone(), config.cache.memory_bytes));
        // Caches count whole seconds.
        let longest_age = match config.cache.longest_age_seconds() {
            0 => Duration::ZERO,
            seconds => Duration::from_secs(seconds + 1),
        };
        let rules = (config.limits.clone(), config.lifetimes, longest_age);
        let publisher =
            Publisher::new(store.clone(), signer.clone(), served.clone(), rules, parts.clone());
        let memory = usize::try_from(config.limits.body_memory_bytes).unwrap_or(usize::MAX);
        Arc::new(Service {
            body_memory: Arc::new(Semaphore::new(memory.min(Semaphore::MAX_PERMITS))),
            connections: Arc::new(Connections::new(&config.limits)),
            gate: Gate::new(store.clone()),
            publisher: Arc::new(publisher),
            watch: Watch::default(),
            config,
            store,
            signer,
            served,
            parts,
        })
    }

    /// The reference time of an operation that begins now.
    pub fn now(&self) -> DateTime<Utc> {
        (self.parts.clock)()
    }
}

/// What the signer said last of itself.
#[derive(Default)]
pub struct Watch {
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Watch {
    /// Whether the signer answers and allows the configured lifetimes. It is asked at most once in
    /// [`WATCH_SECONDS`].
    pub async fn look(&self, service: &Service) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((at, found)) = &*last
            && at.elapsed() < Duration::from_secs(WATCH_SECONDS)
        {
            return found.clone();
        }
        let found = match service.signer.limits().await {
            Ok(limits) => {
                service.publisher.note_limits(&limits);
                require_allowed(&service.config.lifetimes, &limits)
            }
            Err(error) => Err(error.to_string()),
        };
        let before = last.as_ref().map(|(_, found)| found);
        if before != Some(&found) {
            match &found {
                Ok(()) => tracing::info!("the signer answers"),
                Err(reason) => {
                    let url = &service.config.signer.url;
                    tracing::warn!(%url, reason, "the signer is not ready");
                }
            }
        }
        *last = Some((Instant::now(), found.clone()));
        found
    }
}

/// Refuses configured lifetimes that the signer would not sign.
pub fn require_allowed(lifetimes: &Lifetimes, limits: &SignerLimits) -> Result<(), String> {
    lifetimes.require_allowed(&limits.into()).map_err(|refusal| format!("lifetimes.{refusal}"))
}

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
