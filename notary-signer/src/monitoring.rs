//! What monitoring sees: `GET /metrics`.
//!
//! It has a listener of its own, without TLS, so that no collector needs a certificate that could
//! sign.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use actix_web::dev::Server;
use actix_web::web::{Data, get, resource};
use actix_web::{App, HttpResponse, HttpServer};

use crate::config::TlsConfig;
use crate::intake::Intake;
use crate::metrics::{LookedUp, Metrics};
use crate::sign::Signer;
use crate::store::memory;
use crate::tls;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Looks up what is not counted as it happens.
async fn look_up(now: &LookedUp, signer: &Signer, intake: &Intake, files: &Files) {
    let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let (requests, bodies) = intake.at_once();
    now.requests_at_once.set(number(requests as u64));
    now.body_bytes.set(number(bodies as u64));
    let (changes, commits) = signer.database.changes_and_commits();
    now.changes.set(number(changes));
    now.commits.set(number(commits));
    for place in signer.backends.places() {
        now.set_queue(place.name(), place.queue());
    }
    if let Ok((files, bytes)) = signer.database.read(memory::size).await {
        now.memory_files.set(files);
        now.memory_bytes.set(bytes);
    }
    now.cache_bytes.set(number(signer.remembered.weighted_size()));
    now.database_bytes.set(number(files.database_bytes()));
    for (file, path) in
        [("certificate", &files.tls.certificate), ("client_ca", &files.tls.client_ca)]
    {
        if let Ok(end) = tls::not_after(path) {
            now.set_expiry(file, end.timestamp());
        }
    }
    if let Ok(Some(end)) = tls::next_update(&files.tls) {
        now.set_expiry("client_crl", end.timestamp());
    }
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
    look_up(&metrics.looked_up, &signer, &intake, &files).await;
    HttpResponse::Ok().content_type(OPEN_METRICS).body(metrics.text())
}
