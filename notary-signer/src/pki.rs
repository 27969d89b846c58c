//! A small certificate authority for the TLS between server and signer: enough for a first
//! installation, and no more. It knows nothing of TUF keys.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, TimeDelta, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber, SigningKey, date_time_ymd,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};
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

pub(crate) const CA: &str = "ca";
const CRL: &str = "ca.crl";
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
    #[error(
        "cannot read {}: {source}; `notary-signer pki init` makes an authority, and `pki issue` its \
         certificates",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that this authority did not make.
    #[error("{} is no certificate or list of this authority", .0.display())]
    NotOurs(PathBuf),
    /// The directory, or a file in it, cannot be made.
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
    write(directory, CA, &key, &certificate.pem())?;
    let list = revocation_list(Vec::new(), &Issuer::from_params(&params, &key), now, 0)?;
    Ok(write_new(&directory.join(CRL), list.as_bytes())?)
}

/// Revokes the certificate `NAME.pem`: puts its number on the authority's list, `ca.crl`. Says whether
/// it was not there before.
///
/// # Errors
/// [`PkiError::Read`] without an authority, its list or the certificate; [`PkiError::NotOurs`].
pub fn revoke(directory: &Path, name: &str, now: DateTime<Utc>) -> Result<bool, PkiError> {
    require_name(name)?;
    let (issuer, ca) = authority(directory)?;
    let path = directory.join(format!("{name}.pem"));
    let not_ours = || PkiError::NotOurs(path.clone());
    let certificate = read_der(&path, CertificateDer::from_pem_slice)?;
    let (_, certificate) = X509Certificate::from_der(&certificate).map_err(|_| not_ours())?;
    let (_, ca) = X509Certificate::from_der(&ca).map_err(|_| not_ours())?;
    certificate.verify_signature(Some(ca.public_key())).map_err(|_| not_ours())?;

    let list_path = directory.join(CRL);
    let list = read_der(&list_path, CertificateRevocationListDer::from_pem_slice)?;
    let (_, list) = CertificateRevocationList::from_der(&list)
        .map_err(|_| PkiError::NotOurs(list_path.clone()))?;
    let entry = |serial: &[u8], time: DateTime<Utc>| {
        let (year, month, day) = day(time);
        RevokedCertParams {
            serial_number: SerialNumber::from_slice(serial),
            revocation_time: date_time_ymd(year, month, day),
            reason_code: None,
            invalidity_date: None,
        }
    };
    let revoked = list.iter_revoked_certificates();
    let mut entries: Vec<_> = revoked
        .map(|revoked| {
            let time = DateTime::from_timestamp(revoked.revocation_date.timestamp(), 0);
            entry(revoked.raw_serial(), time.unwrap_or(now))
        })
        .collect();
    let new = entry(certificate.raw_serial(), now);
    if entries.iter().any(|old| old.serial_number == new.serial_number) {
        return Ok(false);
    }
    entries.push(new);
    // No list is older than the one before, whatever the clock says: the signer would not take it.
    let last = list.crl_number().and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
    let made = DateTime::from_timestamp(list.last_update().timestamp(), 0).unwrap_or(now);
    let list = revocation_list(entries, &issuer, now.max(made), last.saturating_add(1))?;
    replace(&list_path, list.as_bytes())
        .map_err(|source| PkiError::Directory { path: list_path, source })?;
    Ok(true)
}

/// Key and certificate of the authority in a directory.
fn authority(directory: &Path) -> Result<(Issuer<'static, KeyPair>, Vec<u8>), PkiError> {
    let read = |file: &str| {
        let path = directory.join(file);
        fs::read_to_string(&path).map_err(|source| PkiError::Read { path, source })
    };
    let ca_key = Zeroizing::new(read("ca.key")?);
    let ca = read("ca.pem")?;
    let issuer = Issuer::from_ca_cert_pem(&ca, KeyPair::from_pem(&ca_key)?)?;
    let der = CertificateDer::from_pem_slice(ca.as_bytes());
    let der = der.map_err(|_| PkiError::NotOurs(directory.join("ca.pem")))?;
    Ok((issuer, der.to_vec()))
}

fn read_der<T>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, rustls_pki_types::pem::Error>,
) -> Result<T, PkiError> {
    let read = |source| PkiError::Read { path: path.to_owned(), source };
    let text = fs::read(path).map_err(read)?;
    parse(&text).map_err(|_| PkiError::NotOurs(path.to_owned()))
}

/// The list as PEM. Its number is the time, so that a later list has a higher one, and at least `least`.
fn revocation_list(
    revoked_certs: Vec<RevokedCertParams>,
    issuer: &Issuer<'_, impl SigningKey>,
    now: DateTime<Utc>,
    least: u64,
) -> Result<String, PkiError> {
    let number = now.timestamp().max(0).cast_unsigned().max(least);
    let (this, next) = (day(now), day(now + TimeDelta::days(CA_DAYS)));
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(this.0, this.1, this.2),
        next_update: date_time_ymd(next.0, next.1, next.2),
        crl_number: SerialNumber::from(number),
        issuing_distribution_point: None,
        revoked_certs,
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(params.signed_by(issuer)?.pem()?)
}

/// Whoever reads the file meanwhile sees the whole old one or the whole new one.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn require_name(name: &str) -> Result<(), PkiError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let short = (1..=MAX_NAME_BYTES).contains(&name.len());
    if !short || name.starts_with('.') || name == CA || !name.bytes().all(plain) {
        return Err(PkiError::Name(name.chars().take(MAX_NAME_BYTES).collect()));
    }
    Ok(())
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
    require_name(name)?;
    let (issuer, _) = authority(directory)?;
    let hosts = match usage.server.as_deref() {
        Some([]) => LOCAL.map(str::to_owned).to_vec(),
        Some(hosts) => hosts.to_vec(),
        None => Vec::new(),
    };
    let mut params = CertificateParams::new(hosts)?;
    params.distinguished_name.push(DnType::CommonName, name);
    if usage.client {
        // What the signer knows a client by: RFC 9525 gives the subject no say in it.
        let name = SanType::DnsName(name.try_into()?);
        if !params.subject_alt_names.contains(&name) {
            params.subject_alt_names.push(name);
        }
    }
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
    let (year, month, first) = day(now - TimeDelta::days(EARLY_DAYS));
    params.not_before = date_time_ymd(year, month, first);
    let (year, month, last) = day(now + TimeDelta::days(days));
    params.not_after = date_time_ymd(year, month, last);
}

/// Year, month and day of a time.
fn day(time: DateTime<Utc>) -> (i32, u8, u8) {
    let small = |number: u32| u8::try_from(number).expect("months and days are below 32");
    (time.year(), small(time.month()), small(time.day()))
}
