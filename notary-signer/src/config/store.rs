//! How the software store is opened, and what is made in it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::backends::BackendConfig;
use crate::keys::Algorithm;

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
    pub(super) fn check(&self, backends: &BTreeMap<String, BackendConfig>) -> Result<(), String> {
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
