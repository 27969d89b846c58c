//! The configuration file: every key with its default, and what makes no sense refused at start.
//!
//! `config/server.toml` shows every key; a test compares it with the defaults here.
//!
//! - [`limits`]: how much one request, file or queue may hold
//! - [`peers`]: what clients see of the server, and how the signer is reached
//! - [`running`]: the work in the background, what is kept, the log

mod limits;
mod peers;
mod running;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use notary_schema::online::Lifetimes;
use serde::Deserialize;

pub use limits::Limits;
pub use peers::{SignerConfig, TlsConfig};
pub use running::{CacheConfig, LogConfig, LogFormat, RefreshConfig};

/// The file that is read where neither a command nor the environment names one.
pub const DEFAULT_PATH: &str = "/etc/notary/server.toml";
/// Names the file for commands that do not.
pub const CONFIG_VARIABLE: &str = "NOTARY_SERVER_CONFIG";

/// A file that is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration {path}: {error}; --config or {CONFIG_VARIABLE} names another \
         file"
    )]
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
    #[serde(default = "default_database")]
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

fn default_database() -> PathBuf {
    PathBuf::from("/var/lib/notary/server.sqlite")
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
        self.limits.check()?;
        let positive = [
            ("refresh.interval_seconds", self.refresh.interval_seconds),
            ("refresh.slot_interval_seconds", self.refresh.slot_interval_seconds),
            ("signer.timeout_seconds", self.signer.timeout_seconds),
        ];
        require_positive(&positive)?;
        let sound = self.lifetimes.require_sound(self.refresh.interval_seconds);
        sound.map_err(|refusal| format!("lifetimes.{refusal}"))
    }
}

fn require_positive(keys: &[(&str, u64)]) -> Result<(), String> {
    match keys.iter().find(|(_, value)| *value == 0) {
        Some((key, _)) => Err(format!("{key} must be at least 1")),
        None => Ok(()),
    }
}
