//! A signer in this process, its certificates, its clock, and documents for it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{RoleName, Version};
use notary_schema::online::{self, OnlineRole, PlannedTimestamp};
use notary_schema::role::{FileMeta, Snapshot};
use notary_signer::config::Config;
use notary_signer::keys::Algorithm;
use notary_signer::pki::{self, Usage};
use notary_signer::startup::{Service, StartError};
use notary_signer::{Parts, StopPoint};

use crate::client::Client;

/// The time of every world when it starts.
const START: i64 = 1_900_000_000;
const DAY: u64 = 24 * 60 * 60;

type Stop = Arc<dyn Fn(StopPoint) + Send + Sync>;

/// Certificates and a configuration in a directory, and the service while it runs.
pub(crate) struct World {
    directory: tempfile::TempDir,
    pub(crate) config: Config,
    clock: Arc<AtomicI64>,
    stop: Arc<Mutex<Stop>>,
    running: Option<Running>,
    client: Option<Client>,
}

struct Running {
    address: SocketAddr,
    metrics: SocketAddr,
    handle: ServerHandle,
    thread: thread::JoinHandle<Result<(), StartError>>,
}

impl World {
    /// A world whose service runs.
    pub(crate) async fn started() -> World {
        let mut world = World::new();
        world.start().await.unwrap();
        world
    }

    /// A world whose service makes keys of this algorithm, and runs.
    pub(crate) async fn with_keys(algorithm: Algorithm) -> World {
        let mut world = World::new();
        world.config.store.algorithm = algorithm;
        world.start().await.unwrap();
        world
    }

    /// A world whose service does not run yet.
    pub(crate) fn new() -> World {
        let directory = tempfile::tempdir().unwrap();
        write_installation(directory.path());
        let config = Config::load(&directory.path().join("signer.toml")).unwrap();
        World {
            directory,
            config,
            clock: Arc::new(AtomicI64::new(START)),
            stop: Arc::new(Mutex::new(Arc::new(|_| {}))),
            running: None,
            client: None,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the service on a free port, in a thread of its own.
    pub(crate) async fn start(&mut self) -> Result<(), StartError> {
        let (config, parts) = (self.config.clone(), self.parts());
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let service = Service::start(&config, parts)?;
                let metrics = service.metrics_address().unwrap();
                tell.send((service.address(), metrics, service.handle())).unwrap();
                service.run().await
            })
        });
        match told.recv() {
            Ok((address, metrics, handle)) => {
                self.running = Some(Running { address, metrics, handle, thread });
                self.client = Some(self.client("server"));
                Ok(())
            }
            Err(_) => Err(thread.join().unwrap().unwrap_err()),
        }
    }

    /// Stops the service in an orderly way, and waits until nothing of it has the database: a thread of
    /// it may end after the service, and so may a lock that a program which another test starts at this
    /// moment has inherited.
    pub(crate) async fn stop(&mut self) {
        let Running { handle, thread, .. } = self.running.take().unwrap();
        self.client = None;
        handle.stop(true).await;
        thread.join().unwrap().unwrap();
        // In a process of its own, so that nobody inherits that lock in turn.
        let (lock, log) = (self.path("signer.sqlite.lock"), self.path("signer.sqlite-wal"));
        let is_free = || Command::new("flock").arg("-n").arg(&lock).arg("true").status();
        let closed = async {
            // The last connection takes its log away: its file alone holds all then.
            while log.exists() || !is_free().unwrap().success() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), closed).await.expect("it is closed");
    }

    fn parts(&self) -> Parts {
        let (clock, stop) = (self.clock.clone(), self.stop.clone());
        Parts {
            clock: Arc::new(move || {
                DateTime::from_timestamp(clock.load(Ordering::SeqCst), 0).unwrap()
            }),
            stop: Some(Arc::new(move |point| {
                let stop = stop.lock().unwrap().clone();
                stop(point);
            })),
        }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        (self.parts().clock)()
    }

    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Does this at each stop point from now on.
    pub(crate) fn at_stop_points(&self, stop: impl Fn(StopPoint) + Send + Sync + 'static) {
        *self.stop.lock().unwrap() = Arc::new(stop);
    }

    /// A client with the certificate `pki/NAME.pem`.
    pub(crate) fn client(&self, name: &str) -> Client {
        self.client_at(self.address(), name)
    }

    /// The same, for a service that is reached at another address.
    pub(crate) fn client_at(&self, address: SocketAddr, name: &str) -> Client {
        let identity =
            (self.path(&format!("pki/{name}.pem")), self.path(&format!("pki/{name}.key")));
        Client::new(address, &self.path("pki/ca.pem"), Some(identity))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.running.as_ref().expect("the service runs").address
    }

    pub(crate) fn metrics_address(&self) -> SocketAddr {
        self.running.as_ref().expect("the service runs").metrics
    }

    /// The server's client.
    pub(crate) fn server(&self) -> &Client {
        self.client.as_ref().expect("the service runs")
    }

    /// Every audit line: who, action, outcome, digest.
    pub(crate) fn audit(&self) -> Vec<AuditLine> {
        let mut connection =
            SqliteConnection::establish(self.config.database.to_str().unwrap()).unwrap();
        diesel::sql_query("SELECT who, action, outcome, sha256, keyids FROM audit ORDER BY seq")
            .load(&mut connection)
            .unwrap()
    }

    // ---- documents

    /// A snapshot that lists `targets` in this version.
    pub(crate) fn snapshot(&self, version: u64, targets: u64) -> Document {
        self.snapshot_of(version, &[("targets", targets)], 7 * DAY)
    }

    pub(crate) fn snapshot_of(
        &self,
        version: u64,
        entries: &[(&str, u64)],
        life_seconds: u64,
    ) -> Document {
        let entries = entries.iter().map(|(role, version)| {
            let meta =
                FileMeta { version: Version::new(*version).unwrap(), length: None, hashes: None };
            (RoleName::parse(role).unwrap(), meta)
        });
        let expires = online::expires_after(self.now(), life_seconds);
        let version = Version::new(version).unwrap();
        let snapshot = online::next_snapshot(None, entries, version, expires);
        Document::of(OnlineRole::Snapshot, &Unsigned::of(&snapshot))
    }

    /// A timestamp that names this snapshot file.
    pub(crate) fn timestamp(&self, version: u64, snapshot: &[u8]) -> Document {
        self.timestamp_of(version, snapshot, DAY)
    }

    pub(crate) fn timestamp_of(
        &self,
        version: u64,
        snapshot: &[u8],
        life_seconds: u64,
    ) -> Document {
        let expires = online::expires_after(self.now(), life_seconds);
        let planned =
            PlannedTimestamp { version: Version::new(version).unwrap(), expires, keyids: vec![] };
        let snapshot = Envelope::<Snapshot>::parse(snapshot.to_vec()).unwrap();
        Document::of(OnlineRole::Timestamp, &planned.document(&snapshot))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(Running { handle, .. }) = self.running.take() {
            // The future only has to be made: the command is sent at once.
            drop(handle.stop(false));
        }
    }
}

#[derive(Debug, PartialEq, Eq, QueryableByName)]
pub(crate) struct AuditLine {
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub(crate) who: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub(crate) action: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub(crate) outcome: String,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    pub(crate) sha256: Option<String>,
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    pub(crate) keyids: Option<String>,
}

/// What a signer is asked to sign.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) role: OnlineRole,
    pub(crate) signed: String,
}

impl Document {
    fn of(role: OnlineRole, document: &Unsigned) -> Document {
        Document { role, signed: String::from_utf8(document.signed().to_vec()).unwrap() }
    }

    /// The document with a piece of its text replaced.
    pub(crate) fn edited(&self, from: &str, to: &str) -> Document {
        assert!(self.signed.contains(from), "{from} is not in {}", self.signed);
        Document { role: self.role, signed: self.signed.replace(from, to) }
    }
}

/// An authority, certificates `signer` and `server`, a passphrase, a configuration on port 0.
pub(crate) fn write_installation(directory: &Path) {
    let pki_directory = directory.join("pki");
    let now = Parts::system().clock;
    pki::init(&pki_directory, now()).unwrap();
    let server = Usage { server: Some(Vec::new()), client: false };
    pki::issue(&pki_directory, "signer", &server, now()).unwrap();
    let client = Usage { server: None, client: true };
    for name in ["server", "other"] {
        pki::issue(&pki_directory, name, &client, now()).unwrap();
    }
    let passphrase = directory.join("signer.passphrase");
    fs::write(&passphrase, "correct horse\n").unwrap();
    fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
    let config = "listen = '127.0.0.1:0'\n\
                  database = 'signer.sqlite'\n\
                  [tls]\n\
                  certificate = 'pki/signer.pem'\n\
                  key = 'pki/signer.key'\n\
                  client_ca = 'pki/ca.pem'\n\
                  client_crl = 'pki/ca.crl'\n\
                  look_seconds = 1\n\
                  [store]\n\
                  passphrase_file = 'signer.passphrase'\n\
                  [audit]\n\
                  directory = 'audit'\n\
                  segment_lines = 10\n\
                  [metrics]\n\
                  listen = '127.0.0.1:0'\n";
    fs::write(directory.join("signer.toml"), config).unwrap();
}
