//! TLS from files: the server's own side, and its side towards the signer. ring is the provider of
//! both, passed explicitly.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A file that is not what TLS needs.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {what} {path}: {reason}")]
pub struct TlsError {
    what: &'static str,
    path: PathBuf,
    reason: String,
}

/// Makes ring the provider of the process, for libraries that ask for a default.
pub fn install_provider() {
    // The error says that somebody installed it before: nothing is wrong then.
    drop(provider().as_ref().clone().install_default());
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The configuration of a server with this certificate chain and key (PEM).
pub fn server(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let (chain, private) = (certificates(certificate)?, private_key(key)?);
    let unusable = |error: rustls::Error| refuse("the certificate", certificate, &error);
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(unusable)
}

/// The configuration of a client that trusts one CA and shows this certificate (PEM).
pub fn client(ca: &Path, certificate: &Path, key: &Path) -> Result<ClientConfig, TlsError> {
    let mut trusted = RootCertStore::empty();
    for root in certificates(ca)? {
        trusted.add(root).map_err(|error| refuse("the CA", ca, &error))?;
    }
    let (chain, private) = (certificates(certificate)?, private_key(key)?);
    let unusable = |error: rustls::Error| refuse("the certificate", certificate, &error);
    ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(trusted)
        .with_client_auth_cert(chain, private)
        .map_err(unusable)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refuse = |error: rustls_pki_types::pem::Error| refuse("the certificate file", path, &error);
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(refuse)?
        .collect::<Result<_, _>>()
        .map_err(refuse)?;
    match chain.is_empty() {
        true => Err(TlsError {
            what: "the certificate file",
            path: path.to_owned(),
            reason: "it holds no PEM block CERTIFICATE".into(),
        }),
        false => Ok(chain),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| refuse("the key file", path, &error))
}

fn refuse(what: &'static str, path: &Path, error: &dyn std::fmt::Display) -> TlsError {
    TlsError { what, path: path.to_owned(), reason: error.to_string() }
}
