//! `signer.toml`: what the service is told. A key that is not known stops the start, so that a
//! misspelt limit never passes for a set one. `config/signer.toml` explains every key.

pub mod backends;
pub mod clients;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use notary_schema::online::SignerPolicy;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use self::backends::{BackendConfig, KeyRule};
use self::clients::ClientRule;
use crate::keys::Algorithm;

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
    /// Which of them do not count any more: revocation lists of those who issued them.
    pub client_crl: Option<PathBuf>,
    /// How often the files are looked at, in seconds: a change holds without a restart.
    #[serde(default = "default_look_seconds")]
    pub look_seconds: u64,
}

/// The software store: keys sealed in the database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreConfig {
    /// The file with the passphrase; its last line end does not count.
    pub passphrase_file: Option<PathBuf>,
    /// Instead of a passphrase: the backend that wraps the store key.
    pub wrapped_by: Option<String>,
    /// The name of the wrapping key in that backend.
    pub wrapping_key: Option<String>,
    /// The algorithm of new keys in it.
    #[serde(serialize_with = "write_algorithm", deserialize_with = "read_algorithm")]
    pub algorithm: Algorithm,
}

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            passphrase_file: None,
            wrapped_by: None,
            wrapping_key: None,
            algorithm: Algorithm::Ed25519,
        }
    }
}

impl StoreConfig {
    fn check(&self, backends: &BTreeMap<String, BackendConfig>) -> Result<(), String> {
        match (&self.wrapped_by, &self.wrapping_key, &self.passphrase_file) {
            (None, None, _) => Ok(()),
            (Some(_), Some(_), Some(_)) => {
                Err("store.wrapped_by and store.passphrase_file: one of them opens the store"
                    .into())
            }
            (Some(name), Some(_), None) => match backends.get(name) {
                Some(BackendConfig::AwsKms(_) | BackendConfig::Exec(_)) => Ok(()),
                Some(BackendConfig::Pkcs11(_)) => {
                    Err(format!("store.wrapped_by: {name} is a token, and tokens do not wrap here"))
                }
                None => Err(format!("store.wrapped_by: there is no [backends.{name}]")),
            },
            (Some(_), None, _) => {
                Err("store.wrapping_key is missing beside store.wrapped_by".into())
            }
            (None, Some(_), _) => {
                Err("store.wrapped_by is missing beside store.wrapping_key".into())
            }
        }
    }
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
    /// How many bodies are held at once; further requests wait.
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
        let directory = path.parent().unwrap_or(Path::new(""));
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
            || self.keys.iter().any(|rule| rule.backend == backends::SOFTWARE)
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

/// The passphrase in the environment.
///
/// # Errors
/// [`ConfigError::NoPassphrase`].
pub(crate) fn passphrase_of_environment() -> Result<SecretString, ConfigError> {
    let passphrase = std::env::var(PASSPHRASE_VARIABLE).map(SecretString::from);
    passphrase.map_err(|_| ConfigError::NoPassphrase)
}

/// A secret in a file; the last line end does not count.
///
/// # Errors
/// [`ConfigError::Read`].
pub(crate) fn read_secret(path: &Path) -> Result<SecretString, ConfigError> {
    let read = |source| ConfigError::Read { path: path.to_owned(), source };
    let text = Zeroizing::new(fs::read_to_string(path).map_err(read)?);
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(SecretString::from(line.strip_suffix('\r').unwrap_or(line)))
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

fn write_algorithm<S: Serializer>(algorithm: &Algorithm, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(algorithm.name())
}

fn read_algorithm<'de, D: Deserializer<'de>>(from: D) -> Result<Algorithm, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const SHIPPED: &str =
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/signer.toml"));
    const LEAST: &str = "[tls]\ncertificate = 'c.pem'\nkey = 'c.key'\nclient_ca = 'ca.pem'\n";

    fn load(text: &str) -> Result<Config, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signer.toml");
        fs::write(&path, text).unwrap();
        Config::load(&path)
    }

    #[test]
    fn the_shipped_file_shows_every_key_with_its_default() {
        let shipped: Config = toml::from_str(SHIPPED).unwrap();
        let defaults: Config = toml::from_str(LEAST).unwrap();
        let same = Config {
            tls: shipped.tls.clone(),
            store: StoreConfig {
                passphrase_file: shipped.store.passphrase_file.clone(),
                ..defaults.store
            },
            ..defaults
        };
        assert_eq!(shipped, same);

        let sections = serde_json::to_value(&shipped).unwrap();
        for (section, value) in sections.as_object().unwrap() {
            let keys: Vec<&String> =
                value.as_object().map_or(vec![section], |table| table.keys().collect());
            for key in keys {
                // What has no default is there as an example.
                let is_it =
                    |line: &str| line.trim_start_matches('#').starts_with(&format!("{key} = "));
                let line = SHIPPED.lines().position(is_it);
                let line = line.unwrap_or_else(|| panic!("{section}.{key} is not in the file"));
                let above = SHIPPED.lines().nth(line - 1).unwrap();
                assert!(above.starts_with("# "), "{section}.{key} is not explained");
            }
        }
    }

    #[test]
    fn the_examples_in_the_shipped_file_can_be_used() {
        let bare = |line: &str| match line.strip_prefix('#') {
            Some(example) if !example.starts_with(' ') => format!("{example}\n"),
            _ => format!("{line}\n"),
        };
        // One way to open the store excludes the other.
        let lines = SHIPPED.lines().filter(|line| !line.starts_with("passphrase_file = "));
        let config = load(&lines.map(bare).collect::<String>()).unwrap();
        assert_eq!(config.store.wrapped_by.as_deref(), Some("cloud"));
        let kinds: Vec<_> = config.backends.keys().collect();
        assert_eq!(kinds, ["cloud", "hsm", "vault"]);
        assert_eq!(config.keys.len(), 2);
        assert_eq!(config.clients.len(), 1);
    }

    #[test]
    fn a_wrapping_that_cannot_be_meant_is_refused_by_name() {
        let both = "wrapped_by = 'vault'\nwrapping_key = 'k'\n";
        let vault = "[backends.vault]\nkind = 'exec'\nprogram = 'vault'\n";
        let token =
            "[backends.vault]\nkind = 'pkcs11'\nmodule = 'm'\ntoken = 't'\npin_file = 'p'\n";
        assert!(load(&format!("{LEAST}[store]\n{both}{vault}")).is_ok());
        for (store, backend, named) in [
            ("wrapped_by = 'vault'\n", vault, "wrapping_key is missing"),
            ("wrapping_key = 'k'\n", vault, "wrapped_by is missing"),
            (both, "", "no [backends.vault]"),
            (both, token, "tokens do not wrap"),
            (&format!("passphrase_file = 'p'\n{both}"), vault, "one of them"),
        ] {
            let refused = load(&format!("{LEAST}[store]\n{store}{backend}")).unwrap_err();
            assert!(refused.to_string().contains(named), "{refused}");
        }
    }

    #[test]
    fn a_client_that_would_never_be_answered_is_refused_by_name() {
        let client = "[[clients]]\nname = 'DNS:server'\nrights = ['sign']\n";
        assert!(load(&format!("{LEAST}{client}")).is_ok());
        for (from, to, named) in [
            ("DNS:server", "server", "\"server\""),
            ("DNS:server", "DNS:", "\"DNS:\""),
            ("DNS:server", "CN=server", "CN=server"),
            ("['sign']", "[]", "DNS:server"),
            ("['sign']", "['root']", "root"),
            ("rights", "right", "right"),
        ] {
            let refused = load(&format!("{LEAST}{}", client.replace(from, to))).unwrap_err();
            assert!(refused.to_string().contains(named), "{refused}");
        }
    }

    #[test]
    fn a_backend_or_rule_that_cannot_be_meant_is_refused_by_name() {
        let vault = "[backends.vault]\nkind = 'exec'\nprogram = 'vault'\n";
        let cloud = "[backends.cloud]\nkind = 'aws-kms'\n";
        let rule = |rest: &str| format!("[[keys]]\ncollections = 'acme/*'\n{rest}");
        let good = rule("backend = 'vault'\n");
        assert!(load(&format!("{LEAST}{vault}{good}")).is_ok());
        for (text, named) in [
            ("[backends.x]\nkind = 'floppy'\n".to_owned(), "floppy"),
            (format!("{vault}at_onec = 3\n"), "at_onec"),
            (format!("{vault}at_once = 0\n"), "backends.vault.at_once is 0"),
            (format!("{vault}total_seconds = 0\n"), "backends.vault.total_seconds is 0"),
            (vault.replace("vault]", "software]"), "\"software\" is no name"),
            (rule("backend = 'nowhere'\n"), "no [backends.nowhere]"),
            (rule("backend = 'software'\nattach = 'k'\n"), "have no names"),
            (format!("{vault}{good}attach = 'k'\n"), "one role of one collection"),
            (format!("{vault}{good}role = 'targets'\n"), "targets"),
            (format!("{cloud}{}", rule("backend = 'cloud'\nalgorithm = 'ed25519'\n")), "4,096"),
            ("[[keys]]\ncollections = ''\nbackend = 'software'\n".to_owned(), "pattern"),
        ] {
            let refused = load(&format!("{LEAST}{text}")).unwrap_err().to_string();
            assert!(refused.contains(named), "{text}: {refused}");
        }
        let small = "backend = 'cloud'\nrole = 'timestamp'\nalgorithm = 'ed25519'\n";
        assert!(load(&format!("{LEAST}{cloud}{}", rule(small))).is_ok());
        let one = "[[keys]]\ncollections = 'acme/app'\nrole = 'timestamp'\nbackend = 'vault'\n";
        assert!(load(&format!("{LEAST}{vault}{one}attach = 'k'\n")).is_ok());
    }

    #[test]
    fn the_software_store_is_left_out_where_no_key_goes_there() {
        let vault = "[backends.vault]\nkind = 'exec'\nprogram = 'vault'\n";
        for (collections, rest, fills) in
            [("acme/**", "", true), ("**", "role = 'timestamp'\n", true), ("**", "", false)]
        {
            let rule =
                format!("[[keys]]\ncollections = '{collections}'\nbackend = 'vault'\n{rest}");
            let config = load(&format!("{LEAST}{vault}{rule}")).unwrap();
            assert_eq!(config.fills_software_store(), fills, "{rule}");
        }
    }

    #[test]
    fn an_unknown_key_or_value_is_refused_by_name() {
        assert!(load(LEAST).is_ok());
        for (text, named) in [
            ("lisen = '127.0.0.1:1'\n", "lisen"),
            ("[tls]\nsecret = 'x'\n", "secret"),
            ("[policy]\nmax_steps = 1\n", "max_steps"),
            ("[policy]\nmax_step = 0\n", "max_step"),
            ("[store]\nalgorithm = 'rsa-1024'\n", "rsa-1024"),
            ("[log]\nformat = 'xml'\n", "xml"),
        ] {
            let whole = if text.starts_with("[tls]") {
                LEAST.replace("[tls]\n", text)
            } else if text.starts_with('[') {
                format!("{LEAST}{text}")
            } else {
                format!("{text}{LEAST}")
            };
            let refused = load(&whole).unwrap_err().to_string();
            assert!(refused.contains(named), "{refused}");
        }
        assert!(load("").unwrap_err().to_string().contains("tls"));
    }

    #[test]
    fn relative_paths_start_at_the_directory_of_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("signer.toml");
        fs::write(&path, format!("database = '/srv/signer.sqlite'\n{LEAST}")).unwrap();
        let config = Config::load(&path).unwrap();
        assert_eq!(config.tls.key, directory.path().join("c.key"));
        assert_eq!(config.database, Path::new("/srv/signer.sqlite"));
    }

    #[test]
    fn a_passphrase_file_may_end_with_a_line_end() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("passphrase");
        let mut config: Config = toml::from_str(LEAST).unwrap();
        config.store.passphrase_file = Some(file.clone());
        for (text, wanted) in
            [("secret", "secret"), ("secret\n", "secret"), ("a b \r\n", "a b "), ("x\n\n", "x\n")]
        {
            fs::write(&file, text).unwrap();
            assert_eq!(config.passphrase().unwrap().expose_secret(), wanted);
        }
        fs::remove_file(&file).unwrap();
        assert!(matches!(config.passphrase(), Err(ConfigError::Read { .. })));
    }
}
