//! `signer.toml`: what the service is told. A key that is not known stops the start, so that a
//! misspelt limit never passes for a set one. `config/signer.toml` explains every key.

pub mod backends;
pub mod clients;
mod secrets;
mod store;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use notary_schema::online::SignerPolicy;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use self::backends::{BackendConfig, KeyRule};
use self::clients::ClientRule;
pub(crate) use self::secrets::{passphrase_of_environment, read_secret};
pub use self::store::StoreConfig;

/// The file that is read where neither a command nor the environment names one.
pub const DEFAULT_PATH: &str = "/etc/notary/signer.toml";
/// Names the file for commands that do not.
pub const CONFIG_VARIABLE: &str = "NOTARY_SIGNER_CONFIG";
/// Holds the passphrase of the key store where no file does.
pub const PASSPHRASE_VARIABLE: &str = "NOTARY_SIGNER_PASSPHRASE";

/// Why the service is not told properly what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no configuration that can be read.
    #[error(
        "cannot read the configuration {}: {source}; --config or {CONFIG_VARIABLE} names another \
         file",
        path.display()
    )]
    Absent {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that the configuration names cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what is expected.
    #[error("{}: {problem}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        problem: String,
    },
    /// A backend of a kind that was left out of this build.
    #[error("[backends.{0}]: this build has no backend of its kind")]
    NotInThisBuild(String),
    /// No passphrase.
    #[error(
        "no passphrase for the software store: set store.passphrase_file, or the environment variable \
         {PASSPHRASE_VARIABLE}"
    )]
    NoPassphrase,
}

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// The database with keys, memory and audit.
    #[serde(default = "default_database")]
    pub database: PathBuf,
    /// Mutual TLS, always.
    pub tls: TlsConfig,
    /// Which clients may ask for what; without any, every holder of a certificate of the CA may create
    /// keys and sign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientRule>,
    /// The software store.
    #[serde(default)]
    pub store: StoreConfig,
    /// Other places of keys, by the names that the rules below and the database have for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backends: BTreeMap<String, BackendConfig>,
    /// Which new keys go where: the first rule that fits. What none fits goes into the software store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<KeyRule>,
    /// Where old lines of the audit go.
    #[serde(default)]
    pub audit: AuditConfig,
    /// What is signed at most.
    #[serde(default)]
    pub policy: PolicyConfig,
    /// Bounds of time and memory.
    #[serde(default)]
    pub limits: Limits,
    /// What monitoring sees.
    #[serde(default)]
    pub metrics: MetricsConfig,
    /// What is logged.
    #[serde(default)]
    pub log: LogConfig,
}

/// PEM files of both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate that clients see, followed by those in between.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose certificates clients may show.
    pub client_ca: PathBuf,
    /// Which of them do not count any more: the revocation lists of `client_ca` and of every CA between it
    /// and a client.
    pub client_crl: Option<PathBuf>,
    /// How often the files are looked at, in seconds: a change holds without a restart.
    #[serde(default = "default_look_seconds")]
    pub look_seconds: u64,
}

/// Where old lines of the audit go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// The directory of the segments; made where there is none.
    pub directory: PathBuf,
    /// How many lines a segment has. The database keeps at least so many, and twice as many at most.
    pub segment_lines: u32,
}

impl Default for AuditConfig {
    fn default() -> AuditConfig {
        AuditConfig {
            directory: PathBuf::from("/var/lib/notary/signer-audit"),
            segment_lines: 50_000,
        }
    }
}

/// What is signed at most; see [`SignerPolicy`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicyConfig {
    /// How far a version may run ahead of the last one signed.
    pub max_step: u64,
    /// The longest life of a snapshot, in seconds.
    pub snapshot_max_seconds: u64,
    /// The longest life of a timestamp, in seconds.
    pub timestamp_max_seconds: u64,
}

impl Default for PolicyConfig {
    fn default() -> PolicyConfig {
        let SignerPolicy { max_step, snapshot_max_seconds, timestamp_max_seconds } =
            SignerPolicy::default();
        PolicyConfig { max_step, snapshot_max_seconds, timestamp_max_seconds }
    }
}

impl PolicyConfig {
    /// As the rules take it.
    pub fn policy(self) -> SignerPolicy {
        let PolicyConfig { max_step, snapshot_max_seconds, timestamp_max_seconds } = self;
        SignerPolicy { max_step, snapshot_max_seconds, timestamp_max_seconds }
    }
}

/// Bounds of time and memory.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How many connections there are at once; further ones wait in the system.
    pub connections: usize,
    /// How many requests there are at once; a further one is refused.
    pub requests: usize,
    /// How long a TLS handshake, and the head of a request, may take to arrive, in seconds.
    pub header_seconds: u64,
    /// How long a connection without a request is kept, in seconds.
    pub idle_seconds: u64,
    /// The longest body of a request, in bytes: a snapshot of 16 MiB and what is around it.
    pub body_bytes: usize,
    /// How many bodies of that length are held at once; further requests wait.
    pub bodies_at_once: usize,
    /// How long a request may wait for its turn and for its body to arrive, in seconds.
    pub body_seconds: u64,
    /// How many keys one life of a collection may have, retired ones included: keys are never
    /// deleted.
    pub keys_per_collection: usize,
    /// How many bytes of last signed files are kept ready in memory.
    pub cache_bytes: u64,
    /// How long requests in flight may take to end after a signal to stop, in seconds.
    pub shutdown_seconds: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 256,
            requests: 128,
            header_seconds: 10,
            idle_seconds: 60,
            body_bytes: 17 * 1024 * 1024,
            bodies_at_once: 16,
            body_seconds: 30,
            keys_per_collection: 128,
            cache_bytes: 64 * 1024 * 1024,
            shutdown_seconds: 30,
        }
    }
}

/// What monitoring sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Where `/metrics` listens, in plain HTTP; port 0 takes a free one. Nowhere without this.
    pub listen: Option<SocketAddr>,
}

/// The log, on stderr.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Lines for people, or JSON.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a list such as `info,audit=off`.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { format: LogFormat::Text, level: "info".to_owned() }
    }
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

impl Config {
    /// Reads a file. Relative paths in it are relative to the directory of the file.
    ///
    /// # Errors
    /// A file that cannot be read, or with a key that is missing, unknown or out of range.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let absent = |source| ConfigError::Absent { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(absent)?;
        let refuse = |problem: String| ConfigError::Parse { path: path.to_owned(), problem };
        let mut config: Config =
            toml::from_str(&text).map_err(|error| refuse(error.to_string()))?;
        config.check().map_err(refuse)?;
        // Never empty: a name without a directory is looked for elsewhere where it is a program or a library.
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        let TlsConfig { certificate, key, client_ca, client_crl, .. } = &mut config.tls;
        let optional = [client_crl.as_mut(), config.store.passphrase_file.as_mut()];
        config.backends.values_mut().for_each(|backend| backend.locate(directory));
        let paths =
            [certificate, key, client_ca, &mut config.database, &mut config.audit.directory];
        for path in paths.into_iter().chain(optional.into_iter().flatten()) {
            *path = directory.join(&*path);
        }
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        self.clients.iter().try_for_each(ClientRule::check)?;
        self.store.check(&self.backends)?;
        let Limits { connections, requests, header_seconds, idle_seconds, .. } = self.limits;
        let Limits { body_bytes, bodies_at_once, body_seconds, keys_per_collection, .. } =
            self.limits;
        let at_least_one = [
            ("tls.look_seconds", self.tls.look_seconds),
            ("audit.segment_lines", self.audit.segment_lines.into()),
            ("policy.max_step", self.policy.max_step),
            ("policy.snapshot_max_seconds", self.policy.snapshot_max_seconds),
            ("policy.timestamp_max_seconds", self.policy.timestamp_max_seconds),
            ("limits.connections", connections as u64),
            ("limits.requests", requests as u64),
            ("limits.header_seconds", header_seconds),
            ("limits.idle_seconds", idle_seconds),
            ("limits.body_bytes", body_bytes as u64),
            ("limits.bodies_at_once", bodies_at_once as u64),
            ("limits.body_seconds", body_seconds),
            ("limits.keys_per_collection", keys_per_collection as u64),
        ];
        match at_least_one.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(format!("{name} is 0, which would refuse everything")),
            None => backends::check(&self.backends, &self.keys),
        }
    }

    /// Whether new keys may go into the software store.
    pub fn fills_software_store(&self) -> bool {
        !self.keys.iter().any(KeyRule::takes_all)
            || self.keys.iter().any(|rule| rule.goes_into(backends::SOFTWARE))
    }

    /// The passphrase of the software store, from its file or else from the environment.
    ///
    /// # Errors
    /// [`ConfigError::Read`], [`ConfigError::NoPassphrase`].
    pub fn passphrase(&self) -> Result<SecretString, ConfigError> {
        match &self.store.passphrase_file {
            Some(path) => read_secret(path),
            None => passphrase_of_environment(),
        }
    }
}

fn default_look_seconds() -> u64 {
    10
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7443))
}

fn default_database() -> PathBuf {
    PathBuf::from("/var/lib/notary/signer.sqlite")
}

#[cfg(test)]
mod tests;
