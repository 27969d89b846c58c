//! What is counted and measured, in the text form of OpenMetrics. It names no collection and no key.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

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
    /// The signatures of stand-bys in the place of their keys.
    pub(crate) by_standbys: Counter,
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
        let by_standbys = Counter::default();
        let help = "Signatures of stand-bys in the place of their keys";
        registry.register("standby_signatures", help, by_standbys.clone());
        let looked_up = LookedUp::default();
        looked_up.register(&mut registry);
        Metrics { registry, answered, seconds, by_standbys, looked_up }
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
}

impl LookedUp {
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
        let name = "certificate_expiry_timestamp";
        let help = "When certificates of the configuration expire, since 1970";
        registry.register_with_unit(name, help, Unit::Seconds, self.certificate_expiry.clone());
    }
}
