//! A running server with everything around it: a clock set by hand, a signer in memory, a database
//! of its own, people who publish, and an update agent that never forgets what it has seen.
//!
//! `requests` is what is sent to it, `collections` what is in it and who reads that.

mod collections;
mod requests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::key::sha256_hex;
use notary_schema::name::Gun;
use notary_schema::wire::GrantLevel;
use notary_server::auth::draw_token;
use notary_server::commands::fsck::{Findings, examine};
use notary_server::config::Config;
use notary_server::grant::Grant;
use notary_server::service::Service;
use notary_server::startup::listen;
use notary_server::store::inspect::Inspector;
use notary_server::store::{Database, Store, Token};
use notary_server::survey::survey;
use notary_server::{Parts, StopPoint, refresh, tls};
pub use requests::Answer;

use crate::signer::MemorySigner;
use crate::store::FaultyStore;

const START: i64 = 1_800_000_000;

pub struct World {
    pub signer: Arc<MemorySigner>,
    pub store: Arc<FaultyStore>,
    pub service: Arc<Service>,
    pub admin: String,
    /// What update agents send with their requests.
    pub agent_token: Option<String>,
    clock: Arc<AtomicI64>,
    /// Whoever asks for the time panics.
    clock_is_broken: Arc<AtomicBool>,
    /// The process dies at this point: the task that reaches it panics.
    dies_at: Arc<Mutex<Option<StopPoint>>>,
    pub address: SocketAddr,
    base: String,
    http: reqwest::Client,
    server: ServerHandle,
    parts: Parts,
    /// What the agents have stored, by collection.
    agents: HashMap<Gun, HashMap<String, Vec<u8>>>,
    _directory: tempfile::TempDir,
}

fn serve(
    config: Config,
    signer: Arc<MemorySigner>,
    parts: Parts,
) -> (Arc<FaultyStore>, Arc<Service>, ServerHandle, SocketAddr) {
    Database::migrate(&config.database).unwrap();
    let store = Arc::new(FaultyStore {
        inner: Arc::new(Database::open(&config.database, 2).unwrap()),
        gate: Mutex::default(),
        next_commit: Mutex::default(),
        freed_before_keys: Mutex::default(),
        token_queries: AtomicUsize::default(),
    });
    let service = Service::new(config, store.clone(), signer, parts);
    let (server, address) = listen(service.clone(), None).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    (store, service, handle, address)
}

impl World {
    pub async fn start() -> World {
        World::start_with(|_| ()).await
    }

    pub async fn start_with(edit: impl FnOnce(&mut Config)) -> World {
        tls::install_provider();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("server.toml");
        std::fs::write(&file, include_str!("../../../../config/server.toml")).unwrap();
        let mut config = Config::load(&file).unwrap();
        config.database = directory.path().join("server.sqlite");
        config.listen = ([127, 0, 0, 1], 0).into();
        edit(&mut config);
        let clock = Arc::new(AtomicI64::new(START));
        let clock_is_broken = Arc::new(AtomicBool::new(false));
        let (read, broken) = (clock.clone(), clock_is_broken.clone());
        let now: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync> = Arc::new(move || {
            assert!(!broken.load(Ordering::SeqCst), "the clock is broken");
            DateTime::from_timestamp(read.load(Ordering::SeqCst), 0).unwrap()
        });
        let signer = Arc::new(MemorySigner::new(now.clone()));
        let dies_at: Arc<Mutex<Option<StopPoint>>> = Arc::default();
        let reached = dies_at.clone();
        let stop = Arc::new(move |point| {
            let dies = reached.lock().unwrap().take_if(|wanted| *wanted == point).is_some();
            assert!(!dies, "the test stops the process at {point:?}");
        });
        let parts = Parts { clock: now, stop };
        let (store, service, server, address) = serve(config, signer.clone(), parts.clone());
        #[expect(clippy::disallowed_methods, reason = "the provider is installed above")]
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut world = World {
            signer,
            store,
            service,
            admin: String::new(),
            agent_token: None,
            clock,
            clock_is_broken,
            dies_at,
            address,
            base: format!("http://{address}"),
            http,
            server,
            parts,
            agents: HashMap::new(),
            _directory: directory,
        };
        world.admin = world.token(GrantLevel::Admin, "**", &[]).await;
        world
    }

    /// Ends the world: nothing is left half done, and every collection can be read.
    pub async fn end(mut self) {
        assert!(self.store.slots().await.unwrap().is_empty(), "a release is unfinished");
        assert_eq!(self.signer.heal(), 0, "a fault was never met");
        for gun in self.agents.keys().cloned().collect::<Vec<_>>() {
            self.read(&gun, None).await;
        }
        self.require_sound().await;
        self.server.stop(false).await;
    }

    /// A copy of the database as it is now.
    pub fn copy_of_database(&self) -> PathBuf {
        let now = self.database();
        let copies = std::fs::read_dir(self._directory.path()).unwrap().count();
        let copy = self._directory.path().join(format!("copy-{copies}.sqlite"));
        std::fs::copy(now, &copy).unwrap();
        let log = |database: &Path| PathBuf::from(format!("{}-wal", database.display()));
        if log(now).exists() {
            std::fs::copy(log(now), log(&copy)).unwrap();
        }
        copy
    }

    /// The server stops, and starts again with this database.
    pub async fn restart_with(&mut self, database: PathBuf) {
        self.server.stop(false).await;
        let config = Config { database, ..self.service.config.clone() };
        (self.store, self.service, self.server, self.address) =
            serve(config, self.signer.clone(), self.parts.clone());
        self.base = format!("http://{}", self.address);
    }

    pub async fn survey(&self) -> usize {
        survey(&self.service.publisher).await.unwrap()
    }

    pub fn database(&self) -> &Path {
        &self.service.config.database
    }

    /// fsck finds nothing wrong.
    pub async fn require_sound(&self) {
        assert_eq!(self.fsck(self.database()).await, [""; 0]);
    }

    /// What fsck finds wrong with a database, compared with the signer of this world.
    pub async fn fsck(&self, database: &Path) -> Vec<String> {
        self.examine(database).await.problems.iter().map(ToString::to_string).collect()
    }

    /// What fsck finds worth knowing of the database of this world.
    pub async fn fsck_notes(&self) -> Vec<String> {
        self.examine(self.database()).await.notes.iter().map(ToString::to_string).collect()
    }

    async fn examine(&self, database: &Path) -> Findings {
        let mut inspector = Inspector::open(database).unwrap();
        examine(&mut inspector, Ok(self.signer.as_ref()), self.now()).await.0
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.service.now()
    }

    pub fn pass(&self, time: TimeDelta) {
        self.clock.fetch_add(time.num_seconds(), Ordering::SeqCst);
    }

    /// From now on, whoever asks for the time panics; or not any more.
    pub fn break_clock(&self, broken: bool) {
        self.clock_is_broken.store(broken, Ordering::SeqCst);
    }

    /// The process dies when it comes to this point.
    pub fn die_at(&self, point: StopPoint) {
        *self.dies_at.lock().unwrap() = Some(point);
    }

    pub async fn roll_all(&self) -> usize {
        refresh::roll_all(&self.service.publisher).await.unwrap()
    }

    pub async fn refresh_all(&self) -> usize {
        refresh::refresh_all(&self.service.publisher, self.now()).await.unwrap()
    }

    pub async fn token(&self, level: GrantLevel, collections: &str, roles: &[&str]) -> String {
        let (secret, id) = draw_token();
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        let token = Token {
            origin: id.clone(),
            id,
            name: None,
            sha256: sha256_hex(secret.as_bytes()),
            grant: Grant::new(level, collections, &roles).unwrap(),
            created_at: self.now(),
            created_by: "test".into(),
            expires_at: Some(self.now() + TimeDelta::days(90)),
            last_used_at: None,
            revoked_at: None,
        };
        assert!(self.store.create_token(token, u64::MAX, self.now()).await.unwrap());
        secret
    }
}
