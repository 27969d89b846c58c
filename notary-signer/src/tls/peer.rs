//! Who a client is: the names in its certificate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls_pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::one_line::one_line;

/// Longest text about a client, in characters.
const MAX_TEXT: usize = 300;

/// The client at the other end of a connection, whose certificate TLS has verified.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its certificate, and those between it and the CA.
    chain: Vec<CertificateDer<'static>>,
    /// The look at the files in which the certificate counted.
    seen_in: AtomicU64,
    /// For people: the subject, and the alternative names.
    pub(crate) text: String,
    /// The alternative names, as `DNS:…`, `URI:…` and `email:…`.
    pub(crate) names: Vec<String>,
}

impl Peer {
    /// The owner of a certificate.
    pub(crate) fn of(chain: &[CertificateDer<'_>]) -> Option<Arc<Peer>> {
        let (subject, names) = names(chain.first()?);
        let text = one_line(&[&[subject], &names[..]].concat().join(", "), MAX_TEXT);
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        Some(Arc::new(Peer { chain, seen_in: AtomicU64::new(0), text, names }))
    }

    pub(super) fn chain(&self) -> (&CertificateDer<'static>, &[CertificateDer<'static>]) {
        self.chain.split_first().expect("it was made of one at least")
    }

    pub(super) fn seen_in(&self) -> u64 {
        self.seen_in.load(Ordering::Relaxed)
    }

    pub(super) fn set_seen_in(&self, look: u64) {
        self.seen_in.store(look, Ordering::Relaxed);
    }
}

/// Subject and alternative names of a certificate.
fn names(certificate: &CertificateDer<'_>) -> (String, Vec<String>) {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else {
        return ("a certificate that is not readable".to_owned(), Vec::new());
    };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let named = alternative.iter().flat_map(|names| &names.value.general_names);
    let names = named.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(format!("DNS:{name}")),
        GeneralName::URI(name) => Some(format!("URI:{name}")),
        GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
        _ => None,
    });
    (certificate.subject().to_string(), names.collect())
}
