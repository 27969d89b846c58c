//! What stands in the files of TLS.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::provider;
use super::revocations::{self, List};
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

/// What was read.
#[derive(Debug)]
pub(super) struct Loaded {
    /// The service's certificate and key.
    pub(super) key: Arc<CertifiedKey>,
    /// Whose certificates clients may show.
    pub(super) clients: Arc<dyn ClientCertVerifier>,
    /// Which of them do not count any more.
    pub(super) lists: Vec<List>,
}

impl Loaded {
    pub(super) fn read(config: &TlsConfig) -> Result<Loaded, TlsError> {
        let lists = revocations::read(config)?;
        let clients = clients(config, &lists)?;
        Ok(Loaded { key: Arc::new(own_key(config)?), clients, lists })
    }
}

fn own_key(config: &TlsConfig) -> Result<CertifiedKey, TlsError> {
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|error| TlsError::File {
        what: "a private key",
        path: config.key.clone(),
        problem: error.to_string(),
    })?;
    let chain = certificates(&config.certificate)?;
    CertifiedKey::from_der(chain, key, &provider()).map_err(|problem| TlsError::Pair {
        certificate: config.certificate.clone(),
        key: config.key.clone(),
        problem,
    })
}

fn clients(config: &TlsConfig, lists: &[List]) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let refuse = |what, path: &Path, problem: String| TlsError::File {
        what,
        path: path.to_owned(),
        problem,
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&config.client_ca)? {
        let added = roots.add(certificate);
        added.map_err(|error| refuse("a CA certificate", &config.client_ca, error.to_string()))?;
    }
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    if config.client_crl.is_some() {
        // Who has the key of an authority in between makes clients of any name, so it is looked up too.
        let lists = lists.iter().map(|list| list.der.clone());
        verifier = verifier.with_crls(lists);
    }
    let path = config.client_crl.as_ref().unwrap_or(&config.client_ca);
    verifier.build().map_err(|error| refuse("whom to answer", path, error.to_string()))
}

/// When the first of the certificates of a file stops being valid.
///
/// # Errors
/// A file without a readable certificate.
pub(crate) fn not_after(path: &Path) -> Result<DateTime<Utc>, TlsError> {
    let broken = || TlsError::File {
        what: "a certificate",
        path: path.to_owned(),
        problem: "its dates are not readable".to_owned(),
    };
    let end = |certificate: &CertificateDer<'_>| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
    };
    let ends: Option<Vec<_>> = certificates(path)?.iter().map(end).collect();
    ends.into_iter().flatten().min().ok_or_else(broken)
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let refuse =
        |problem: String| TlsError::File { what: "a certificate", path: path.to_owned(), problem };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> =
        read.map_err(|error: rustls_pki_types::pem::Error| refuse(error.to_string()))?;
    if found.is_empty() { Err(refuse("there is none".to_owned())) } else { Ok(found) }
}

/// Tells whether files were written, or others put in their places, since. What writes them may set
/// the time of the content (archives, images of containers), and a list that names another client may
/// be as long as the one before; the time of the change nobody sets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stamp(Vec<Option<[i64; 5]>>);

impl Stamp {
    pub(super) fn of(config: &TlsConfig) -> Stamp {
        let TlsConfig { certificate, key, client_ca, client_crl, .. } = config;
        let files = [Some(certificate), Some(key), Some(client_ca), client_crl.as_ref()];
        let stamp = |path: &PathBuf| {
            let file = fs::metadata(path).ok()?;
            let [device, inode, length] =
                [file.dev(), file.ino(), file.len()].map(u64::cast_signed);
            Some([device, inode, length, file.ctime(), file.ctime_nsec()])
        };
        Stamp(files.into_iter().flatten().map(stamp).collect())
    }
}
