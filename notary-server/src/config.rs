//! The configuration file: every key with its default, and what makes no sense refused at start.
//!
//! `config/server.toml` shows every key; a test compares it with the defaults here.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use notary_schema::online::Lifetimes;
use notary_schema::publish;
use serde::Deserialize;
use url::Url;

/// Longest time that current metadata may be kept by a cache, in seconds.
pub const MAX_CURRENT_AGE_SECONDS: u64 = 5;

/// A file that is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
    /// It is not TOML of the known keys.
    #[error("{path}: {error}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        error: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{path}: {problem}")]
    Value {
        /// The file.
        path: PathBuf,
        /// The key and what is wrong.
        problem: String,
    },
}

/// The configuration of a server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// Whether plain HTTP may be spoken beyond this machine.
    #[serde(default)]
    pub allow_plain_http: bool,
    /// The database.
    pub database: PathBuf,
    /// The server's own certificate; without it, plain HTTP.
    pub tls: Option<TlsConfig>,
    /// The signer.
    pub signer: SignerConfig,
    /// How long metadata lives.
    #[serde(default)]
    pub lifetimes: Lifetimes,
    /// How much one request, file or queue may hold.
    #[serde(default)]
    pub limits: Limits,
    /// The work in the background.
    #[serde(default)]
    pub refresh: RefreshConfig,
    /// What is kept in memory and by caches.
    #[serde(default)]
    pub cache: CacheConfig,
    /// The log.
    #[serde(default)]
    pub log: LogConfig,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7480))
}

/// The server's own certificate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// How the signer is reached: mutual TLS, always.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerConfig {
    /// Its address.
    pub url: Url,
    /// The CA of its certificate, PEM.
    pub ca: PathBuf,
    /// The certificate that the server shows, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// How long one answer may take, in seconds.
    #[serde(default = "default_signer_timeout")]
    pub timeout_seconds: u64,
}

fn default_signer_timeout() -> u64 {
    10
}

/// How much one request, file or queue may hold.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most connections at once.
    pub connections: usize,
    /// Most requests at once.
    pub requests: usize,
    /// How long a TLS handshake, and the head of a request, may take to arrive, in seconds.
    pub header_seconds: u64,
    /// How long a connection without a request is kept, in seconds.
    pub idle_seconds: u64,
    /// How long a request may last, from its head to the last byte of its answer, in seconds.
    pub request_seconds: u64,
    /// Longest body of a publish, in bytes.
    pub body_bytes: u64,
    /// Longest part of it, in bytes.
    pub part_bytes: u64,
    /// Most parts of it.
    pub parts: u64,
    /// How long a body may take to arrive, in seconds.
    pub body_seconds: u64,
    /// Bytes of all bodies that are held at once.
    pub body_memory_bytes: u64,
    /// Most publishes that wait at once.
    pub queue: usize,
    /// How long one of them waits for a core, and for its turn, in seconds.
    pub queue_seconds: u64,
    /// Most names that are reserved without a collection.
    pub reservations: u64,
    /// Most of them that come from one token of the server's host.
    pub reservations_per_origin: u64,
    /// Longest body of a request that is one JSON document, in bytes.
    pub document_bytes: u64,
    /// Most open tokens that come from one token of the server's host.
    pub tokens_per_origin: u64,
    /// Most patterns of roles in one token.
    pub role_globs: usize,
    /// Most items in a page of a list.
    pub page: u32,
    /// Longest root, in bytes.
    pub root_bytes: u64,
    /// Longest snapshot, in bytes.
    pub snapshot_bytes: u64,
    /// Most targets in one role.
    pub targets_per_role: u64,
    /// Most delegations of one role.
    pub delegations_per_role: u64,
    /// Most keys that one role names.
    pub keys_per_role: u64,
    /// Most keys in one file.
    pub keys_per_file: u64,
    /// Longest `custom` of a target, in bytes.
    pub custom_bytes: u64,
    /// Longest chain of delegations.
    pub delegation_depth: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        let schema = publish::Limits::default();
        Limits {
            connections: 4_096,
            requests: 1_024,
            header_seconds: 10,
            idle_seconds: 30,
            request_seconds: 900,
            body_bytes: 256 << 20,
            part_bytes: 32 << 20,
            parts: 20_000,
            body_seconds: 300,
            body_memory_bytes: 512 << 20,
            queue: 256,
            queue_seconds: 10,
            reservations: 1_000,
            reservations_per_origin: 250,
            document_bytes: 64 << 10,
            tokens_per_origin: 1_000,
            role_globs: 32,
            page: 1_000,
            root_bytes: schema.root_bytes,
            snapshot_bytes: 16 << 20,
            targets_per_role: schema.targets_per_role,
            delegations_per_role: schema.delegations_per_role,
            keys_per_role: schema.keys_per_role,
            keys_per_file: schema.keys_per_file,
            custom_bytes: schema.custom_bytes,
            delegation_depth: schema.delegation_depth,
        }
    }
}

impl Limits {
    /// The limits that the rules of publishing know.
    pub fn of_files(&self) -> publish::Limits {
        publish::Limits {
            root_bytes: self.root_bytes,
            targets_per_role: self.targets_per_role,
            delegations_per_role: self.delegations_per_role,
            keys_per_role: self.keys_per_role,
            keys_per_file: self.keys_per_file,
            custom_bytes: self.custom_bytes,
            delegation_depth: self.delegation_depth,
        }
    }
}

/// The work in the background.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefreshConfig {
    /// How often expiring metadata is looked for, in seconds.
    pub interval_seconds: u64,
    /// How often unfinished releases are looked for, in seconds.
    pub slot_interval_seconds: u64,
}

impl Default for RefreshConfig {
    fn default() -> RefreshConfig {
        RefreshConfig { interval_seconds: 60, slot_interval_seconds: 2 }
    }
}

/// What is kept in memory and by caches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheConfig {
    /// How long a cache may keep current metadata, in seconds; 0 for not at all.
    pub max_age_seconds: u64,
    /// Memory for files, and as much again for the state of collections, in bytes.
    pub memory_bytes: u64,
}

impl Default for CacheConfig {
    fn default() -> CacheConfig {
        CacheConfig { max_age_seconds: 5, memory_bytes: 256 << 20 }
    }
}

/// How a line of the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The log, on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// How a line is written.
    pub format: LogFormat,
    /// What is written: `error`, `warn`, `info`, `debug`, or directives of tracing-subscriber.
    pub level: String,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig { format: LogFormat::Text, level: "info".into() }
    }
}

impl Config {
    /// Reads a file. Relative paths in it are relative to the directory of the file.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        let mut config: Config = toml::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.to_owned(), error: error.into() })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        for relative in config.paths() {
            *relative = directory.join(&relative);
        }
        config.check().map_err(|problem| ConfigError::Value { path: path.to_owned(), problem })?;
        Ok(config)
    }

    fn paths(&mut self) -> Vec<&mut PathBuf> {
        let signer = &mut self.signer;
        let mut paths =
            vec![&mut self.database, &mut signer.ca, &mut signer.certificate, &mut signer.key];
        if let Some(tls) = &mut self.tls {
            paths.extend([&mut tls.certificate, &mut tls.key]);
        }
        paths
    }

    fn check(&self) -> Result<(), String> {
        if self.tls.is_none() && !self.listen.ip().is_loopback() && !self.allow_plain_http {
            return Err(format!(
                "listen = \"{}\" without [tls] would speak plain HTTP beyond this machine; add \
                 [tls], or set allow_plain_http = true where something else encrypts",
                self.listen
            ));
        }
        if self.signer.url.scheme() != "https" {
            return Err("signer.url must start with https://: it is mutual TLS, always".into());
        }
        let Limits { body_bytes, part_bytes, body_memory_bytes, .. } = self.limits;
        if part_bytes > body_bytes || body_bytes > body_memory_bytes {
            return Err("limits must be part_bytes <= body_bytes <= body_memory_bytes".into());
        }
        if self.limits.request_seconds <= self.limits.body_seconds {
            return Err("limits.request_seconds must be more than limits.body_seconds".into());
        }
        let positive = [
            ("lifetimes.snapshot_seconds", self.lifetimes.snapshot_seconds),
            ("lifetimes.timestamp_seconds", self.lifetimes.timestamp_seconds),
            ("refresh.interval_seconds", self.refresh.interval_seconds),
            ("refresh.slot_interval_seconds", self.refresh.slot_interval_seconds),
            ("signer.timeout_seconds", self.signer.timeout_seconds),
            ("limits.page", u64::from(self.limits.page)),
            ("limits.connections", self.limits.connections as u64),
            ("limits.requests", self.limits.requests as u64),
            ("limits.header_seconds", self.limits.header_seconds),
            ("limits.idle_seconds", self.limits.idle_seconds),
            ("limits.body_seconds", self.limits.body_seconds),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(format!("{key} must be at least 1")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../config/server.toml");

    fn load(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.toml");
        std::fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    /// The lines of the example that show a default: `# key = value`.
    fn with_defaults_uncommented() -> String {
        let shown = |line: &str| match line.strip_prefix("#") {
            Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
            _ => line.to_owned(),
        };
        EXAMPLE.lines().map(shown).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_starts_as_it_is_and_shows_every_default() {
        let as_it_is = load(EXAMPLE).unwrap();
        let spelled_out = load(&with_defaults_uncommented()).unwrap();
        for config in [&as_it_is, &spelled_out] {
            assert_eq!(config.listen, default_listen());
            assert_eq!(config.lifetimes, Lifetimes::default());
            assert_eq!(config.limits, Limits::default());
            assert_eq!(config.refresh, RefreshConfig::default());
            assert_eq!(config.cache, CacheConfig::default());
            assert_eq!(config.log, LogConfig::default());
            assert_eq!(config.signer.timeout_seconds, default_signer_timeout());
        }
        assert!(as_it_is.tls.is_none() && spelled_out.tls.is_some());
        for key in ["body_bytes", "delegation_depth", "memory_bytes", "slot_interval_seconds"] {
            assert!(with_defaults_uncommented().contains(&format!("\n{key} = ")), "{key}");
        }
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("server.toml");
        std::fs::write(&path, EXAMPLE).unwrap();
        let config = Config::load(&path).unwrap();
        assert!(config.database.starts_with(directory.path()));
        assert!(config.signer.key.starts_with(directory.path()));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_key() {
        for (from, to, named) in [
            ("#body_bytes", "body_byte = 1\n#", "body_byte"),
            ("#listen = \"127.0.0.1:7480\"", "listen = \"0.0.0.0:7480\"", "allow_plain_http"),
            ("https://", "http://", "signer.url"),
            ("#page = 1000", "page = 0", "limits.page"),
            ("#part_bytes = 33554432", "part_bytes = 536870912", "part_bytes"),
            ("#idle_seconds = 30", "idle_seconds = 0", "limits.idle_seconds"),
            ("#request_seconds = 900", "request_seconds = 300", "limits.request_seconds"),
        ] {
            let example = EXAMPLE.replace("#[limits]", "[limits]");
            let text = example.replacen(from, to, 1);
            assert_ne!(text, example, "{from} is in the example");
            let error = load(&text).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let allowed = EXAMPLE
            .replacen("#listen = \"127.0.0.1:7480\"", "listen = \"0.0.0.0:7480\"", 1)
            .replacen("#allow_plain_http = false", "allow_plain_http = true", 1);
        load(&allowed).unwrap();
    }
}
