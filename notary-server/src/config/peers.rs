//! What clients see of the server, and how the signer is reached.

use std::path::PathBuf;

use serde::Deserialize;
use url::Url;

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

pub(super) fn default_signer_timeout() -> u64 {
    10
}
