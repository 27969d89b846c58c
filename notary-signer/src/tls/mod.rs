//! Mutual TLS: the service's side of it from PEM files, which may change while it runs.
//!
//! - [`files`]: what stands in the files
//! - [`peer`]: who a client is
//! - [`revocations`]: which of them do not count any more
//! - [`refusals`]: who was refused
//!
//! A new certificate, CA or revocation list holds for new connections at once. A connection that is
//! there already, or that resumes a session, is looked at again before its next request: a client
//! whose certificate was revoked is not answered any more.

pub(crate) mod files;
pub(crate) mod peer;
mod refusals;
mod revocations;

use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use chrono::{DateTime, Utc};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::config::TlsConfig;
use files::{Loaded, Stamp};
pub(crate) use files::{TlsError, not_after};
pub(crate) use peer::Peer;
pub(crate) use refusals::{Reason, Refusals, Refused};
use revocations::Seen;
pub(crate) use revocations::next_update;

/// Makes ring the provider of the process, for libraries that ask for a default.
pub(crate) fn install_provider() {
    // The error says that somebody installed it before: nothing is wrong then.
    drop(provider().as_ref().clone().install_default());
}

/// The cryptography of every TLS connection of this program.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The files of TLS as they were read last.
#[derive(Debug)]
pub(crate) struct Tls {
    config: TlsConfig,
    current: RwLock<(Stamp, Arc<Loaded>)>,
    /// Rises with each look at the files.
    look: AtomicU64,
    seen: Mutex<Seen>,
    refusals: Arc<Refusals>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// Files that are missing, or do not fit together.
    pub(crate) fn load(config: &TlsConfig) -> Result<Arc<Tls>, TlsError> {
        let (stamp, loaded) = (Stamp::of(config), Loaded::read(config)?);
        let mut seen = Seen::default();
        seen.follow(config, &loaded.lists)?;
        let current = RwLock::new((stamp, Arc::new(loaded)));
        let (look, seen, refusals) = (AtomicU64::new(1), Mutex::new(seen), Arc::default());
        Ok(Arc::new(Tls { config: config.clone(), current, look, seen, refusals }))
    }

    /// What a listener needs, which follows the files.
    pub(crate) fn server_config(self: &Arc<Tls>) -> ServerConfig {
        ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring offers the versions that are asked for")
            .with_client_cert_verifier(self.clone())
            .with_cert_resolver(self.clone())
    }

    /// Reads the files again where one of them has changed, and says whether it did. Every connection
    /// is looked at again after it, also where they cannot be read: time has passed.
    ///
    /// # Errors
    /// Files that are missing, or do not fit together; a revocation list that is older than one that
    /// was in force. What was read before stays in force, and the next call tries again.
    pub(crate) fn look_again(&self) -> Result<bool, TlsError> {
        let stamp = Stamp::of(&self.config);
        let has_changed = self.current.read().expect("no writer panics").0 != stamp;
        let loaded = has_changed.then(|| self.read_again()).transpose();
        let done = loaded.map(|loaded| {
            if let Some(loaded) = loaded {
                *self.current.write().expect("no writer panics") = (stamp, loaded);
            }
            has_changed
        });
        self.look.fetch_add(1, Ordering::Relaxed);
        done
    }

    fn read_again(&self) -> Result<Arc<Loaded>, TlsError> {
        let loaded = Arc::new(Loaded::read(&self.config)?);
        self.seen.lock().expect("nobody panics").follow(&self.config, &loaded.lists)?;
        Ok(loaded)
    }

    /// Whose revocation lists have run out since the last time this was asked. They stay in force.
    pub(crate) fn lists_run_out(&self, now: DateTime<Utc>) -> Vec<String> {
        self.seen.lock().expect("nobody panics").run_out(&self.current().lists, now)
    }

    /// Refuses a client whose certificate does not count any more. It was verified when the
    /// connection came, or when the session came that the connection resumes.
    ///
    /// # Errors
    /// Why it does not count: expired, revoked, of another CA.
    pub(crate) fn require_valid(&self, peer: &Peer) -> Result<(), Error> {
        let look = self.look.load(Ordering::Relaxed);
        if peer.seen_in() == look {
            return Ok(());
        }
        let (end, others) = peer.chain();
        self.current().clients.verify_client_cert(end, others, UnixTime::now())?;
        peer.set_seen_in(look);
        Ok(())
    }

    /// Who was refused.
    pub(crate) fn refusals(&self) -> Arc<Refusals> {
        self.refusals.clone()
    }

    fn current(&self) -> Arc<Loaded> {
        self.current.read().expect("no writer panics").1.clone()
    }
}

impl ResolvesServerCert for Tls {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().key.clone())
    }
}

impl ClientCertVerifier for Tls {
    /// None: a client has one certificate to show, and the names of the CAs may change.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.current().clients.verify_client_cert(end, others, now);
        verified.inspect_err(|error| {
            // What it says of itself: nobody has vouched for that.
            let who = || Peer::of(slice::from_ref(end)).map(|peer| peer.text.clone());
            let who = || format!("unverified: {}", who().unwrap_or_default());
            self.refusals.note(Reason::of(error), who);
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current().clients.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.current().clients.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.current().clients.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests;
