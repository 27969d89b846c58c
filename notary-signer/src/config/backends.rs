//! Where keys are: the backends, and which role of which collections has its keys in which.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notary_schema::name::{Glob, Gun};
use notary_schema::online::OnlineRole;
use serde::{Deserialize, Serialize};

use crate::keys::Algorithm;
use crate::keys::bounded::Bounds;

/// The backend that is always there: keys sealed in the signer's database.
pub const SOFTWARE: &str = "software";

/// A backend beside the software store, by its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BackendConfig {
    /// A token behind PKCS#11.
    Pkcs11(Pkcs11Config),
    /// AWS KMS.
    AwsKms(AwsKmsConfig),
    /// A program.
    Exec(ExecConfig),
}

/// A token behind PKCS#11.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11Config {
    /// The library of the token's maker.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The file with the PIN; its last line end does not count.
    pub pin_file: PathBuf,
    /// Sessions, and so signatures, at once.
    #[serde(default = "default_at_once")]
    pub at_once: usize,
    /// The whole time of one call, in seconds.
    #[serde(default = "default_total_seconds")]
    pub total_seconds: u64,
}

/// AWS KMS. What is left out is found where every AWS tool finds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AwsKmsConfig {
    /// The region.
    pub region: Option<String>,
    /// The profile in `~/.aws`.
    pub profile: Option<String>,
    /// Another address than the region's.
    pub endpoint_url: Option<String>,
    /// Calls at once.
    #[serde(default = "default_at_once")]
    pub at_once: usize,
    /// The whole time of one call, in seconds.
    #[serde(default = "default_total_seconds")]
    pub total_seconds: u64,
}

/// A program that signs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecConfig {
    /// The file of the program.
    pub program: PathBuf,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Calls at once.
    #[serde(default = "default_at_once")]
    pub at_once: usize,
    /// The whole time of one call, in seconds.
    #[serde(default = "default_total_seconds")]
    pub total_seconds: u64,
}

/// Which new keys go where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRule {
    /// Of which collections.
    pub collections: Glob,
    /// Of which role; left out, of both.
    pub role: Option<OnlineRole>,
    /// Into which backend.
    pub backend: String,
    /// Of which algorithm; left out, what every backend of the kind can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// A key that is there already, by its name in the backend, instead of a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach: Option<String>,
    /// A second key of each, in another backend, which signs while the first one does not. Of the
    /// timestamp alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<StandbyRule>,
}

/// Where the stand-by of a new key goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandbyRule {
    /// Into which backend: another one than that of the key.
    pub backend: String,
    /// Of which algorithm; left out, what every backend of the kind can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// A key that is there already, by its name in the backend, instead of a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach: Option<String>,
    /// How long the key may take for one signature before its stand-by signs, in seconds.
    #[serde(default = "default_after_seconds")]
    pub after_seconds: u64,
}

/// Long beside what a signature takes anywhere, short beside the ten seconds that the server waits.
pub(crate) fn default_after_seconds() -> u64 {
    3
}

fn default_at_once() -> usize {
    Bounds::default().at_once
}

fn default_total_seconds() -> u64 {
    Bounds::default().total.as_secs()
}

impl BackendConfig {
    /// How much of it is used at most.
    pub fn bounds(&self) -> Bounds {
        let (at_once, total) = self.at_once_and_total();
        Bounds { at_once, total: Duration::from_secs(total), ..Bounds::default() }
    }

    fn at_once_and_total(&self) -> (usize, u64) {
        match self {
            BackendConfig::Pkcs11(token) => (token.at_once, token.total_seconds),
            BackendConfig::AwsKms(kms) => (kms.at_once, kms.total_seconds),
            BackendConfig::Exec(program) => (program.at_once, program.total_seconds),
        }
    }

    /// Makes relative paths start at a directory.
    pub(super) fn locate(&mut self, directory: &Path) {
        let paths: Vec<&mut PathBuf> = match self {
            BackendConfig::Pkcs11(token) => vec![&mut token.module, &mut token.pin_file],
            BackendConfig::AwsKms(_) => Vec::new(),
            BackendConfig::Exec(program) => vec![&mut program.program],
        };
        for path in paths {
            *path = directory.join(&*path);
        }
    }

    fn check(&self, name: &str) -> Result<(), String> {
        if name == SOFTWARE || name.is_empty() {
            return Err(format!("[backends.{name}]: {name:?} is no name for a backend"));
        }
        match self.at_once_and_total() {
            (0, _) => Err(format!("backends.{name}.at_once is 0, which would refuse everything")),
            (_, 0) => Err(format!("backends.{name}.total_seconds is 0, which refuses everything")),
            _ => Ok(()),
        }
    }
}

impl KeyRule {
    /// Whether new keys of a role go where this rule says.
    pub fn fits(&self, gun: &Gun, role: OnlineRole) -> bool {
        self.role.is_none_or(|own| own == role) && self.collections.matches(gun.as_str())
    }

    /// Whether keys go into this backend, be they stand-bys.
    pub fn goes_into(&self, backend: &str) -> bool {
        let standby = self.standby.iter().map(|standby| &standby.backend);
        standby.chain([&self.backend]).any(|own| own == backend)
    }

    /// Whether no key passes it by.
    pub fn takes_all(&self) -> bool {
        self.role.is_none() && self.collections.as_str() == "**"
    }

    fn check(&self, backends: &BTreeMap<String, BackendConfig>) -> Result<(), String> {
        let KeyRule { backend, algorithm, attach, .. } = self;
        self.check_place(backends, backend, *algorithm, attach.as_deref())?;
        let Some(standby) = &self.standby else { return Ok(()) };
        let StandbyRule { backend, algorithm, attach, after_seconds } = standby;
        if self.role != Some(OnlineRole::Timestamp) {
            return self
                .refuse("only the timestamp has a standby: say role = \"timestamp\" beside it");
        }
        if *backend == self.backend {
            return self.refuse("the standby is in the same backend, and would be away with it");
        }
        if *after_seconds == 0 {
            return self.refuse("standby.after_seconds is 0, which would leave the key no time");
        }
        self.check_place(backends, backend, *algorithm, attach.as_deref())
    }

    /// What is wrong with keys in a backend, if anything.
    fn check_place(
        &self,
        backends: &BTreeMap<String, BackendConfig>,
        name: &str,
        algorithm: Option<Algorithm>,
        attach: Option<&str>,
    ) -> Result<(), String> {
        let backend = backends.get(name);
        if backend.is_none() && name != SOFTWARE {
            return self.refuse(&format!("there is no [backends.{name}]"));
        }
        let is_raw = matches!(backend, Some(BackendConfig::AwsKms(_)))
            && algorithm == Some(Algorithm::Ed25519);
        if is_raw && self.role != Some(OnlineRole::Timestamp) {
            return self.refuse(
                "KMS signs 4,096 bytes with an Ed25519 key at most, which a snapshot outgrows: \
                 leave algorithm out, or say role = \"timestamp\"",
            );
        }
        match attach {
            None => Ok(()),
            Some(_) if backend.is_none() => self.refuse("keys of the software store have no names"),
            Some(_) if algorithm.is_some() => {
                self.refuse("a key that is attached has its algorithm: leave algorithm out")
            }
            Some(_) if self.role.is_none() || self.collections.as_str().contains('*') => {
                self.refuse("a key belongs to one role of one collection: name both beside attach")
            }
            Some(_) => Ok(()),
        }
    }

    fn refuse(&self, problem: &str) -> Result<(), String> {
        Err(format!("[[keys]] with collections = {:?}: {problem}", self.collections.as_str()))
    }
}

/// What is wrong with backends and rules, if anything.
pub(super) fn check(
    backends: &BTreeMap<String, BackendConfig>,
    rules: &[KeyRule],
) -> Result<(), String> {
    backends.iter().try_for_each(|(name, backend)| backend.check(name))?;
    rules.iter().try_for_each(|rule| rule.check(backends))
}
