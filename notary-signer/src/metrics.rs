//! What monitoring sees: `GET /metrics` in the text form of OpenMetrics.
//!
//! It has a listener of its own, without TLS, so that no collector needs a certificate that could
//! sign. It names no collection and no key.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{Data, get, resource};
use actix_web::{App, HttpResponse, HttpServer};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::config::TlsConfig;
use crate::routes::Intake;
use crate::sign::Signer;
use crate::store::{SharedDatabase, StoreError, memory};
use crate::tls;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A request, as far as it is counted: the labels have few values, whatever is asked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    /// Method and pattern of the path.
    call: String,
    /// `ok`, or the code of the refusal or failure.
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    call: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct File {
    file: &'static str,
}

/// Everything that is counted and measured.
pub(crate) struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Family<Call, Histogram, fn() -> Histogram>,
    looked_up: LookedUp,
}

/// What is looked up when somebody asks.
#[derive(Default)]
struct LookedUp {
    requests_at_once: Gauge,
    bodies_at_once: Gauge,
    changes: Gauge,
    commits: Gauge,
    memory_files: Gauge,
    memory_bytes: Gauge,
    cache_bytes: Gauge,
    database_bytes: Gauge,
    certificate_expiry: Family<File, Gauge>,
}

impl Metrics {
    pub(crate) fn new() -> Metrics {
        let mut registry = Registry::with_prefix("notary_signer");
        let answered = Family::<Answered, Counter>::default();
        // From half a millisecond to half a minute.
        let seconds: Family<Call, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.0005, 2.0, 17)));
        registry.register("requests", "Requests by call and outcome", answered.clone());
        let unit = Unit::Seconds;
        let help = "How long requests took, from their head to the answer";
        registry.register_with_unit("request", help, unit, seconds.clone());
        let looked_up = LookedUp::default();
        looked_up.register(&mut registry);
        Metrics { registry, answered, seconds, looked_up }
    }

    /// Counts a request that is answered.
    pub(crate) fn count(&self, call: String, outcome: &'static str, took: Duration) {
        self.seconds.get_or_create(&Call { call: call.clone() }).observe(took.as_secs_f64());
        self.answered.get_or_create(&Answered { call, outcome }).inc();
    }
}

impl LookedUp {
    fn register(&self, registry: &mut Registry) {
        let plain = [
            ("requests_at_once", "Requests that are being answered", &self.requests_at_once),
            ("bodies_at_once", "Bodies of requests that are held", &self.bodies_at_once),
            ("changes", "Changes of the database since the start", &self.changes),
            ("commits", "Transactions that carried the changes", &self.commits),
            ("memory_files", "Files that are remembered as signed last", &self.memory_files),
        ];
        for (name, help, gauge) in plain {
            registry.register(name, help, gauge.clone());
        }
        let bytes = [
            ("memory", "Size of the files that are remembered", &self.memory_bytes),
            ("cache", "Size of what is kept ready of them", &self.cache_bytes),
            ("database", "Size of the database and its log", &self.database_bytes),
        ];
        for (name, help, gauge) in bytes {
            registry.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        }
        let name = "certificate_expiry_timestamp";
        let help = "When certificates of the configuration expire, since 1970";
        registry.register_with_unit(name, help, Unit::Seconds, self.certificate_expiry.clone());
    }

    async fn look_up(&self, signer: &Signer, intake: &Intake, files: &Files) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let (requests, bodies) = intake.at_once();
        self.requests_at_once.set(number(requests as u64));
        self.bodies_at_once.set(number(bodies as u64));
        let (changes, commits) = signer.database.changes_and_commits();
        self.changes.set(number(changes));
        self.commits.set(number(commits));
        if let Ok((files, bytes)) = remembered(&signer.database).await {
            self.memory_files.set(files);
            self.memory_bytes.set(bytes);
        }
        self.cache_bytes.set(number(signer.remembered.weighted_size()));
        self.database_bytes.set(number(files.database_bytes()));
        for (file, path) in
            [("certificate", &files.tls.certificate), ("client_ca", &files.tls.client_ca)]
        {
            if let Ok(end) = tls::not_after(path) {
                self.certificate_expiry.get_or_create(&File { file }).set(end.timestamp());
            }
        }
    }
}

async fn remembered(database: &SharedDatabase) -> Result<(i64, i64), StoreError> {
    database.read(memory::size).await
}

/// The files that are looked at.
pub(crate) struct Files {
    pub(crate) database: PathBuf,
    pub(crate) tls: TlsConfig,
}

impl Files {
    fn database_bytes(&self) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let mut log = self.database.as_os_str().to_owned();
        log.push("-wal");
        size(&self.database) + size(Path::new(&log))
    }
}

/// A listener that answers `/metrics` once the server runs, and its address.
///
/// # Errors
/// When nothing can listen there.
pub(crate) fn server(
    listen: SocketAddr,
    metrics: Data<Metrics>,
    signer: Data<Signer>,
    intake: Data<Intake>,
    files: Files,
) -> io::Result<(Server, SocketAddr)> {
    let files = Data::new(files);
    let listener = TcpListener::bind(listen)?;
    let address = listener.local_addr()?;
    let app = move || {
        App::new()
            .app_data(metrics.clone())
            .app_data(signer.clone())
            .app_data(intake.clone())
            .app_data(files.clone())
            .service(resource("/metrics").route(get().to(answer)))
    };
    let server = HttpServer::new(app).workers(1).max_connections(16).disable_signals();
    Ok((server.shutdown_timeout(1).listen(listener)?.run(), address))
}

async fn answer(
    metrics: Data<Metrics>,
    signer: Data<Signer>,
    intake: Data<Intake>,
    files: Data<Files>,
) -> HttpResponse {
    metrics.looked_up.look_up(&signer, &intake, &files).await;
    let mut body = String::new();
    text::encode(&mut body, &metrics.registry).expect("a string takes all text");
    HttpResponse::Ok().content_type(OPEN_METRICS).body(body)
}
