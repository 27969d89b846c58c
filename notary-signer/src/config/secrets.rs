//! Secrets stand in files or in the environment, never in the configuration itself.

use std::fs;
use std::path::Path;

use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{ConfigError, PASSPHRASE_VARIABLE};
use crate::keys::without_line_end;

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
    Ok(SecretString::from(without_line_end(&text)))
}
