//! The work in the background, what is kept in memory and by caches, the log.

use notary_schema::online::LONGEST_CACHE_SECONDS;
use serde::Deserialize;

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

impl CacheConfig {
    /// How long a cache keeps current metadata at most, in seconds.
    pub fn longest_age_seconds(&self) -> u64 {
        self.max_age_seconds.min(LONGEST_CACHE_SECONDS)
    }
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
