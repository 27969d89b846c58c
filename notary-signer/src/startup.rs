//! From a configuration to a running service, and to its orderly end.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use actix_web::App;
use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::rt::signal::unix::{Signal, SignalKind, signal};
use actix_web::rt::task::JoinHandle;
use actix_web::web::Data;
use chrono::{DateTime, Utc};
use tokio::sync::Semaphore;
use tracing_actix_web::TracingLogger;

use crate::Parts;
use crate::backends::Backends;
use crate::background;
use crate::config::{Config, ConfigError, LogFormat};
use crate::intake::Intake;
use crate::keys::software::SoftwareStore;
use crate::listener;
use crate::metrics::Metrics;
use crate::monitoring;
use crate::one_line::Lines;
use crate::opening::{self, OpenError};
use crate::panics::answer_panics;
use crate::rights::Rights;
use crate::routes::{admit, answer_failures, routes};
use crate::sign::{Signer, key_cache, memory_cache};
use crate::store::{Database, MemoryLock, SharedDatabase, StoreError, header};
use crate::tls::{Tls, TlsError};
use crate::trace::InTrace;
use crate::turns::Turns;

/// Why the service does not start, or does not run on.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(#[from] pub(crate) Cause);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Opening(#[from] OpenError),
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("log.level {level:?} is no filter: {problem}")]
    Log { level: String, problem: String },
    #[error("cannot write the address to {}: {source}", path.display())]
    AddressFile { path: PathBuf, source: io::Error },
    #[error("the service stopped: {0}")]
    Run(io::Error),
}

/// A service that listens and answers once it runs.
pub struct Service {
    server: Server,
    address: SocketAddr,
    metrics: Option<(Server, SocketAddr)>,
    /// What is done now and then.
    background: [JoinHandle<()>; 4],
    signer: Arc<Signer>,
}

impl Service {
    /// Opens everything that the service needs and listens. Call it inside an actix system.
    ///
    /// # Errors
    /// Whatever is missing, does not fit, or is held by another process; nothing is left open.
    pub fn start(config: &Config, parts: Parts) -> Result<Service, StartError> {
        Service::build(config, parts).map_err(StartError)
    }

    fn build(config: &Config, parts: Parts) -> Result<Service, Cause> {
        let tls = Tls::load(&config.tls)?;
        let counted = Data::new(Metrics::new());
        let signer = Data::new(open_signer(config, &counted, parts.clone())?);
        let intake = Data::new(Intake::new(&config.limits));
        let clients = Data::from(tls.clone());
        let rights = Data::new(Rights::new(config.clients.clone()));
        let files =
            monitoring::Files { database: config.database.clone(), tls: config.tls.clone() };
        let listen = |address| {
            let (metrics, signer, intake) = (counted.clone(), signer.clone(), intake.clone());
            monitoring::server(address, metrics, signer, intake, files)
                .map_err(|source| Cause::Listen { address, source })
        };
        let metrics = config.metrics.listen.map(listen).transpose()?;

        let (working, counting) = (signer.clone().into_inner(), counted.clone().into_inner());
        let app = move || {
            App::new()
                .app_data(signer.clone())
                .app_data(intake.clone())
                .app_data(counted.clone())
                .app_data(clients.clone())
                .app_data(rights.clone())
                .configure(routes)
                .wrap(from_fn(admit))
                .wrap(from_fn(answer_failures))
                .wrap(from_fn(answer_panics))
                .wrap(TracingLogger::<InTrace>::new())
        };
        let (server, address) = listener::listen(config, &tls, workers(), app)
            .map_err(|source| Cause::Listen { address: config.listen, source })?;
        let look = Duration::from_secs(config.tls.look_seconds);
        let noting = background::keep_noting(tls.refusals(), working.clone(), counting);
        let background = [
            actix_web::rt::spawn(background::keep_asking(working.clone())),
            actix_web::rt::spawn(background::keep_sealing(config.clone(), working.clone())),
            actix_web::rt::spawn(background::keep_looking(tls, look, parts)),
            actix_web::rt::spawn(noting),
        ];
        Ok(Service { server, address, metrics, background, signer: working })
    }

    /// Where the service listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is answered.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(|(_, address)| *address)
    }

    /// Stops the service from elsewhere.
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Answers requests until the service is stopped; requests in flight end first.
    ///
    /// # Errors
    /// When the listener or a worker fails.
    pub async fn run(self) -> Result<(), StartError> {
        let Service { server, metrics, background, signer, .. } = self;
        let metrics = metrics.map(|(server, _)| {
            let handle = server.handle();
            actix_web::rt::spawn(server);
            handle
        });
        let ended = server.await;
        if let Some(metrics) = metrics {
            metrics.stop(false).await;
        }
        background.iter().for_each(JoinHandle::abort);
        if let Err(error) = signer.database.note_end().await {
            tracing::error!("{error}");
        }
        ended.map_err(|error| StartError(Cause::Run(error)))
    }
}

/// Threads that serve requests, and documents that are taken apart at once.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The keys, the memory, and what is between them, held until the service has ended.
fn open_signer(config: &Config, counted: &Data<Metrics>, parts: Parts) -> Result<Signer, Cause> {
    let lock = MemoryLock::take(&config.database)?;
    let now = (parts.clock)();
    let backends = Backends::new(config, open_software_store(config, &lock, now)?)?;
    for place in backends.places() {
        let counted = counted.clone();
        place.tell(move |ended| counted.count_backend(ended));
    }
    Ok(Signer {
        backends,
        database: SharedDatabase::create(&config.database, lock, now)?,
        policy: config.policy.policy(),
        keys_per_collection: config.limits.keys_per_collection,
        parts,
        // Half of all requests may wait for one place of keys, and so many for others of their
        // collection: the last quarter is everybody else's.
        turns: Turns::new(config.limits.requests / 4),
        by_standbys: counted.by_standbys.clone(),
        cores: Semaphore::new(workers()),
        remembered: memory_cache(config.limits.cache_bytes),
        held: key_cache(),
    })
}

/// The software store; made where there is none yet and new keys may go into it.
fn open_software_store(
    config: &Config,
    lock: &MemoryLock,
    now: DateTime<Utc>,
) -> Result<Option<SoftwareStore>, Cause> {
    let database = Database::create(&config.database, lock, now)?;
    if let Some(header) = database.transaction(header::load)? {
        return Ok(Some(opening::open(config, &header)?));
    }
    if !config.fills_software_store() {
        return Ok(None);
    }
    let (keys, header) = opening::create(config)?;
    database.transaction(|connection| header::save(connection, &header))?;
    Ok(Some(keys))
}

/// Serves until SIGTERM or SIGINT. `address_file` gets the address once the service listens.
///
/// # Errors
/// Those of [`Service::start`] and [`Service::run`].
pub(crate) fn serve(
    config: &Config,
    address_file: Option<&Path>,
    parts: Parts,
) -> Result<(), StartError> {
    start_log(config)?;
    actix_web::rt::System::new().block_on(async {
        let service = Service::start(config, parts)?;
        let (address, handle) = (service.address(), service.handle());
        let signals = stop_signals().map_err(Cause::Run)?;
        actix_web::rt::spawn(async move {
            let name = signals.first().await;
            tracing::info!("stopping after {name}");
            handle.stop(true).await;
        });
        if let Some(path) = address_file {
            write_address(path, address)
                .map_err(|source| Cause::AddressFile { path: path.to_owned(), source })?;
        }
        tracing::info!(%address, "listening");
        service.run().await?;
        tracing::info!("stopped");
        Ok(())
    })
}

struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

fn stop_signals() -> io::Result<StopSignals> {
    let terminate = signal(SignalKind::terminate())?;
    Ok(StopSignals { terminate, interrupt: signal(SignalKind::interrupt())? })
}

impl StopSignals {
    async fn first(mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Whoever waits for the file never reads half an address.
fn write_address(path: &Path, address: SocketAddr) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    writeln!(file, "{address}")?;
    file.persist(path)?;
    Ok(())
}

fn start_log(config: &Config) -> Result<(), Cause> {
    use tracing_subscriber::EnvFilter;
    let level = &config.log.level;
    let filter = EnvFilter::try_new(level)
        .map_err(|error| Cause::Log { level: level.clone(), problem: error.to_string() })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    // They would be printed where nothing can be written, and a failed print is a panic.
    let log = log.log_internal_errors(false);
    match config.log.format {
        LogFormat::Text => log.with_ansi(false).with_writer(|| Lines(io::stderr())).init(),
        LogFormat::Json => log.json().with_writer(io::stderr).init(),
    }
    Ok(())
}
