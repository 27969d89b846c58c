//! Mutual TLS: the service's side of it from PEM files, and who a client is.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::config::TlsConfig;

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file is missing or holds nothing of the wanted kind.
    #[error("cannot read {what} from {}: {problem}", path.display())]
    File {
        /// What was wanted.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// The files do not fit together.
    #[error("{} and {} cannot be used for TLS: {problem}", certificate.display(), key.display())]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        problem: rustls::Error,
    },
}

/// Makes ring the provider of the process, for libraries that ask for a default.
pub(crate) fn install_provider() {
    // The error says that somebody installed it before: nothing is wrong then.
    drop(provider().as_ref().clone().install_default());
}

/// The cryptography of every TLS connection of this program.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// TLS that answers only holders of a certificate of the configured CA.
pub(crate) fn server_config(tls: &TlsConfig) -> Result<ServerConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    let cannot_use = |problem: String| TlsError::File {
        what: "a CA certificate",
        path: tls.client_ca.clone(),
        problem,
    };
    for certificate in certificates(&tls.client_ca)? {
        roots.add(certificate).map_err(|error| cannot_use(error.to_string()))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| cannot_use(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| TlsError::File {
        what: "a private key",
        path: tls.key.clone(),
        problem: error.to_string(),
    })?;
    let chain = certificates(&tls.certificate)?;
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring offers the versions that are asked for")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|problem| TlsError::Pair {
            certificate: tls.certificate.clone(),
            key: tls.key.clone(),
            problem,
        })
}

/// When the first certificate of a file stops being valid.
pub(crate) fn not_after(path: &Path) -> Result<DateTime<Utc>, TlsError> {
    let broken = || TlsError::File {
        what: "a certificate",
        path: path.to_owned(),
        problem: "its dates are not readable".to_owned(),
    };
    let chain = certificates(path)?;
    let first = chain.first().ok_or_else(broken)?;
    let (_, certificate) = X509Certificate::from_der(first).map_err(|_| broken())?;
    DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0).ok_or_else(broken)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refuse =
        |problem: String| TlsError::File { what: "a certificate", path: path.to_owned(), problem };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> =
        read.map_err(|error: rustls_pki_types::pem::Error| refuse(error.to_string()))?;
    if found.is_empty() { Err(refuse("there is none".to_owned())) } else { Ok(found) }
}

/// The client at the other end of a connection: the subject and the DNS names of its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientIdentity(pub(crate) String);

impl ClientIdentity {
    /// The owner of a certificate that TLS has verified.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> ClientIdentity {
        let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
            return ClientIdentity("a certificate that is not readable".to_owned());
        };
        let mut text = certificate.subject().to_string();
        if let Ok(Some(names)) = certificate.subject_alternative_name() {
            for name in &names.value.general_names {
                if let GeneralName::DNSName(name) = name {
                    text.push_str(", DNS=");
                    text.push_str(name);
                }
            }
        }
        ClientIdentity(text)
    }
}
