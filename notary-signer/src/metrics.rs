//! What is counted and measured, in the text form of OpenMetrics. It names no collection and no key.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::keys::bounded::{Ended, Queue};

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

/// A call of a backend that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackendCall {
    backend: String,
    operation: &'static str,
    /// `ok`, or why it failed in one word.
    outcome: &'static str,
}

/// Calls of a backend that have not ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BackendQueue {
    backend: String,
    /// `running` or `waiting`.
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct File {
    file: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refused {
    reason: &'static str,
}

/// Everything that is counted and measured.
pub(crate) struct Metrics {
    registry: Registry,
    answered: Family<Answered, Counter>,
    seconds: Family<Call, Histogram, fn() -> Histogram>,
    refused: Family<Refused, Counter>,
    /// The signatures of stand-bys in the place of their keys.
    pub(crate) by_standbys: Counter,
    backend_seconds: Family<BackendCall, Histogram, fn() -> Histogram>,
    /// What is looked up when somebody asks.
    pub(crate) looked_up: LookedUp,
}

/// What is looked up when somebody asks.
#[derive(Default)]
pub(crate) struct LookedUp {
    pub(crate) requests_at_once: Gauge,
    pub(crate) body_bytes: Gauge,
    pub(crate) changes: Gauge,
    pub(crate) commits: Gauge,
    pub(crate) memory_files: Gauge,
    pub(crate) memory_bytes: Gauge,
    pub(crate) cache_bytes: Gauge,
    pub(crate) database_bytes: Gauge,
    backend_calls: Family<BackendQueue, Gauge>,
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
        let refused = Family::<Refused, Counter>::default();
        let help = "Connections that were refused before there was a request, by reason";
        registry.register("connections_refused", help, refused.clone());
        let by_standbys = Counter::default();
        let help = "Signatures of stand-bys in the place of their keys";
        registry.register("standby_signatures", help, by_standbys.clone());
        // From 50 microseconds, in which the software store signs, to half a minute.
        let backend_seconds: Family<BackendCall, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.00005, 2.0, 20)));
        let help =
            "How long calls of backends took, waiting for their turn and every attempt included";
        registry.register_with_unit("backend_call", help, Unit::Seconds, backend_seconds.clone());
        let looked_up = LookedUp::default();
        looked_up.register(&mut registry);
        Metrics { registry, answered, seconds, refused, by_standbys, backend_seconds, looked_up }
    }

    /// Everything, as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("a string takes all text");
        text
    }

    /// Counts a request that is answered.
    pub(crate) fn count(&self, call: String, outcome: &'static str, took: Duration) {
        self.seconds.get_or_create(&Call { call: call.clone() }).observe(took.as_secs_f64());
        self.answered.get_or_create(&Answered { call, outcome }).inc();
    }

    /// Counts connections that were refused.
    pub(crate) fn count_refused(&self, reason: &'static str, number: u64) {
        self.refused.get_or_create(&Refused { reason }).inc_by(number);
    }

    /// Counts a call of a backend that has ended.
    pub(crate) fn count_backend(&self, ended: &Ended<'_>) {
        let Ended { backend, operation, outcome, took } = *ended;
        let call = BackendCall { backend: backend.to_owned(), operation, outcome };
        self.backend_seconds.get_or_create(&call).observe(took.as_secs_f64());
    }
}

impl LookedUp {
    /// Notes how many calls of a backend run, and how many wait for their turn.
    pub(crate) fn set_queue(&self, backend: &str, queue: Queue) {
        for (state, calls) in [("running", queue.running), ("waiting", queue.waiting)] {
            let of = BackendQueue { backend: backend.to_owned(), state };
            self.backend_calls.get_or_create(&of).set(i64::try_from(calls).unwrap_or(i64::MAX));
        }
    }

    /// Notes when a certificate expires, in seconds since 1970.
    pub(crate) fn set_expiry(&self, file: &'static str, seconds: i64) {
        self.certificate_expiry.get_or_create(&File { file }).set(seconds);
    }

    fn register(&self, registry: &mut Registry) {
        let plain = [
            ("requests_at_once", "Requests that are being answered", &self.requests_at_once),
            ("body_bytes", "Room that bodies of requests take", &self.body_bytes),
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
        let help = "Calls of backends that run, and that wait for their turn";
        registry.register("backend_calls", help, self.backend_calls.clone());
        let name = "certificate_expiry_timestamp";
        let help = "When certificates and revocation lists expire, since 1970";
        registry.register_with_unit(name, help, Unit::Seconds, self.certificate_expiry.clone());
    }
}
