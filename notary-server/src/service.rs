//! What handlers and the work in the background use: everything of a running server.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use notary_schema::online::Lifetimes;
use notary_schema::wire::SignerLimits;
use tokio::sync::{Mutex, Semaphore};

use crate::Parts;
use crate::auth::Gate;
use crate::config::Config;
use crate::connections::Connections;
use crate::publish::Publisher;
use crate::served::Served;
use crate::signer_client::Signer;
use crate::store::Store;

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
