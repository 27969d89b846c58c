//! A small certificate authority for the TLS between server and signer: enough for a first
//! installation, and no more. It knows nothing of TUF keys.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use zeroize::Zeroizing;

use crate::keys::KeyError;
use crate::keys::file::write_new;

/// How long the authority's certificate is valid, in days: replacing it means replacing all.
const CA_DAYS: i64 = 3650;
/// How long the others are valid, in days; `notary-signer check` warns before they expire.
const LEAF_DAYS: i64 = 825;
/// Clocks may differ by so many days.
const EARLY_DAYS: i64 = 1;
const MAX_NAME_BYTES: usize = 64;

const CA: &str = "ca";
/// The names of a server certificate that none are given for.
const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A name that would not be a plain file name.
    #[error("{0:?} is no name for a certificate: use at most 64 of a-z A-Z 0-9 . _ -, not \"ca\"")]
    Name(String),
    /// A file is there already, or cannot be written.
    #[error(transparent)]
    Write(#[from] KeyError),
    /// The directory or a file of the authority is not there.
    #[error("cannot read {}: {source}; `notary-signer pki init` makes it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The directory cannot be made.
    #[error("cannot make {}: {source}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The authority's files are no authority, or a host is no host.
    #[error("cannot make the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// What a certificate may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// As a server under these names and addresses; an empty list means the local machine's.
    pub server: Option<Vec<String>>,
    /// As a client.
    pub client: bool,
}

/// Makes an authority: `ca.pem` and `ca.key` in a directory, which is made where there is none.
///
/// # Errors
/// [`PkiError::Write`] where there is an authority already.
pub fn init(directory: &Path, now: DateTime<Utc>) -> Result<(), PkiError> {
    let make = |source| PkiError::Directory { path: directory.to_owned(), source };
    fs::create_dir_all(directory).map_err(make)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "notary CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now, CA_DAYS);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write(directory, CA, &key, &certificate.pem())
}

/// Makes `NAME.pem` and `NAME.key`, signed by the authority in the same directory.
///
/// # Errors
/// [`PkiError::Name`]; [`PkiError::Read`] without an authority; [`PkiError::Write`] where there is
/// such a file already.
pub fn issue(
    directory: &Path,
    name: &str,
    usage: &Usage,
    now: DateTime<Utc>,
) -> Result<(), PkiError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let short = (1..=MAX_NAME_BYTES).contains(&name.len());
    if !short || name.starts_with('.') || name == CA || !name.bytes().all(plain) {
        return Err(PkiError::Name(name.chars().take(MAX_NAME_BYTES).collect()));
    }
    let read = |file: &str| {
        let path = directory.join(file);
        fs::read_to_string(&path).map_err(|source| PkiError::Read { path, source })
    };
    let ca_key = Zeroizing::new(read("ca.key")?);
    let issuer = Issuer::from_ca_cert_pem(&read("ca.pem")?, KeyPair::from_pem(&ca_key)?)?;

    let hosts = match usage.server.as_deref() {
        Some([]) => LOCAL.map(str::to_owned).to_vec(),
        Some(hosts) => hosts.to_vec(),
        None => Vec::new(),
    };
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    if usage.server.is_some() {
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if usage.client {
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
    }
    set_validity(&mut params, now, LEAF_DAYS);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    write(directory, name, &key, &certificate.pem())
}

/// The key first: a certificate without its key would look like a finished pair.
fn write(directory: &Path, name: &str, key: &KeyPair, certificate: &str) -> Result<(), PkiError> {
    let certificate_path = directory.join(format!("{name}.pem"));
    if certificate_path.exists() {
        return Err(KeyError::Exists(certificate_path).into());
    }
    let pem = Zeroizing::new(key.serialize_pem());
    write_new(&directory.join(format!("{name}.key")), pem.as_bytes())?;
    write_new(&certificate_path, certificate.as_bytes())?;
    Ok(())
}

fn set_validity(params: &mut CertificateParams, now: DateTime<Utc>, days: i64) {
    let day = |offset: i64| {
        let date = now + TimeDelta::days(offset);
        let month = u8::try_from(date.month()).expect("a month is below 13");
        date_time_ymd(date.year(), month, u8::try_from(date.day()).expect("a day is below 32"))
    };
    params.not_before = day(-EARLY_DAYS);
    params.not_after = day(days);
}
