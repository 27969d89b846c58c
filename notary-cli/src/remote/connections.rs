//! Whom this program talks to: https with certificates that are trusted, plain HTTP on loopback only
//! unless somebody allowed it. TLS is that of ring.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, redirect};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustls_platform_verifier::BuilderVerifierExt;
use url::{Host, Url};

use super::HttpError;
use crate::named;

/// The longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait for the next bytes of a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The connections of this process.
pub(super) struct Connections {
    ca: Option<PathBuf>,
    /// For loopback: no certificates are loaded, no proxy is asked.
    plain: OnceCell<Client>,
    secure: OnceCell<Client>,
    /// For other machines over plain HTTP, where that is allowed.
    insecure: Option<OnceCell<Client>>,
}

impl Connections {
    /// Connections that trust the certificates of this file, or those of the system.
    pub(super) fn new(ca: Option<PathBuf>) -> Connections {
        Connections { ca, plain: OnceCell::new(), secure: OnceCell::new(), insecure: None }
    }

    /// The same, and any machine over plain HTTP.
    pub(super) fn plain_everywhere(self) -> Connections {
        Connections { insecure: Some(OnceCell::new()), ..self }
    }

    /// The client for a URL; it follows no redirect.
    ///
    /// # Errors
    /// Plain HTTP to another machine, certificates that cannot be read.
    pub(super) fn client(&self, url: &Url) -> Result<&Client, HttpError> {
        let loopback = is_loopback(url);
        let (cell, secure) = match (url.scheme(), &self.insecure) {
            ("https", _) => (&self.secure, true),
            ("http", _) if loopback => (&self.plain, false),
            ("http", Some(insecure)) => (insecure, false),
            _ => return Err(HttpError::Insecure { url: url.clone() }),
        };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("ring has all of them");
        let failed = |error: rustls::Error| HttpError::Certificates(error.to_string());
        let config = match (secure, &self.ca) {
            (true, None) => config.with_platform_verifier().map_err(failed)?,
            (true, Some(ca)) => config.with_root_certificates(certificates(ca)?),
            (false, _) => config.with_root_certificates(RootCertStore::empty()),
        };
        let builder = ClientBuilder::new()
            .tls_backend_preconfigured(config.with_no_client_auth())
            .redirect(redirect::Policy::none())
            .user_agent(concat!("notary/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT);
        let builder = if secure || !loopback { builder } else { builder.no_proxy() };
        let client = builder.build().map_err(|e| HttpError::Certificates(e.to_string()))?;
        Ok(cell.get_or_init(|| client))
    }
}

/// Whether a URL names this machine, whatever a name server says.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

fn certificates(path: &Path) -> Result<RootCertStore, HttpError> {
    let failed = |why: String| HttpError::Certificates(format!("{}: {why}", path.display()));
    let mut store = RootCertStore::empty();
    let bundle =
        named::read(path, named::MAX_TEXT_BYTES).map_err(|error| failed(error.to_string()))?;
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        store.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    match store.is_empty() {
        true => Err(failed("no certificate in it".into())),
        false => Ok(store),
    }
}
