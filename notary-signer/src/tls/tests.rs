//! Which clients count, from the files alone.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::CertificateError;
use tempfile::TempDir;

use super::*;
use crate::Parts;
use crate::pki::{self, Usage};

/// The files of a signer, whose clients come from an authority of their own.
struct Files {
    directory: TempDir,
    config: TlsConfig,
}

impl Files {
    fn new() -> Files {
        let directory = TempDir::new().unwrap();
        let path = |name: &str| directory.path().join(name);
        let now = (Parts::system().clock)();
        pki::init(directory.path(), now).unwrap();
        let server = Usage { server: Some(Vec::new()), client: false };
        pki::issue(directory.path(), "signer", &server, now).unwrap();
        let config = TlsConfig {
            certificate: path("signer.pem"),
            key: path("signer.key"),
            client_ca: path("clients.pem"),
            client_crl: Some(path("clients.crl")),
            look_seconds: 1,
        };
        Files { directory, config }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What becomes of a client and the authority that issued it.
    fn verify(
        &self,
        ca: &Authority,
        lists: &[String],
        chain: [&Certificate; 2],
    ) -> Result<(), Error> {
        self.write("clients.pem", &ca.certificate.pem());
        self.write("clients.crl", &lists.concat());
        let [end, between] = chain.map(Certificate::der);
        let others = std::slice::from_ref(between);
        let tls = Tls::load(&self.config).unwrap();
        tls.verify_client_cert(end, others, UnixTime::now()).map(drop)
    }
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    fn new(name: &str, above: Option<&Authority>) -> Authority {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = match above {
            Some(above) => params.signed_by(&key, &above.issuer),
            None => params.self_signed(&key),
        };
        Authority { certificate: certificate.unwrap(), issuer: Issuer::new(params, key) }
    }

    /// A client whose certificate ended or ends in a year.
    fn client(&self, end: i32) -> Certificate {
        let mut params = named("client");
        params.insert_extended_key_usage(ExtendedKeyUsagePurpose::ClientAuth);
        params.not_after = date_time_ymd(end, 1, 1);
        params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap()
    }

    /// Its list, with whom it has revoked.
    fn list(&self, revoked: &[&str]) -> String {
        let revoked_certs = revoked.iter().map(|name| RevokedCertParams {
            serial_number: serial(name),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.serial_number = Some(serial(name));
    params
}

fn serial(name: &str) -> SerialNumber {
    SerialNumber::from_slice(name.as_bytes())
}

#[test]
fn a_revocation_counts_wherever_it_is_in_the_chain() {
    let (files, root) = (Files::new(), Authority::new("root", None));
    let between = Authority::new("between", Some(&root));
    let client = between.client(4000);
    let chain = [&client, &between.certificate];
    let verify = |ca, lists: &[String]| files.verify(ca, lists, chain);
    let refused = |error| Err(Error::InvalidCertificate(error));

    verify(&root, &[root.list(&["other"]), between.list(&["other"])]).unwrap();
    let revoked = || refused(CertificateError::Revoked);
    assert_eq!(verify(&root, &[root.list(&[]), between.list(&["client"])]), revoked());
    assert_eq!(verify(&root, &[root.list(&["between"]), between.list(&[])]), revoked());

    // Of whom no list tells nothing is known.
    let unknown = || refused(CertificateError::UnknownRevocationStatus);
    assert_eq!(verify(&root, &[root.list(&[])]), unknown());
    files.write("clients.pem", &root.certificate.pem());
    files.write("clients.crl", &between.list(&[]));
    let refused = Tls::load(&files.config).unwrap_err().to_string();
    assert!(refused.contains("there is no list of \"CN=root\""), "{refused}");
    // Who is named as the authority is looked up nowhere.
    verify(&between, &[between.list(&[])]).unwrap();
}

#[test]
fn a_certificate_that_has_expired_ends_whatever_becomes_of_the_files() {
    let (files, ca) = (Files::new(), Authority::new("root", None));
    files.write("clients.pem", &ca.certificate.pem());
    files.write("clients.crl", &ca.list(&[]));
    let tls = Tls::load(&files.config).unwrap();
    let [expired, valid] =
        [2020, 4000].map(|end| Peer::of(&[ca.client(end).der().clone()]).unwrap());
    for is_readable in [true, false] {
        for peer in [&expired, &valid] {
            // It was good when the connection came.
            peer.set_seen_in(tls.look.load(Ordering::Relaxed));
            tls.require_valid(peer).unwrap();
        }
        if !is_readable {
            files.write("clients.crl", "half a li");
        }
        // Where nothing has changed time has passed all the same.
        assert_eq!(tls.look_again().ok(), is_readable.then_some(false));
        let refused = tls.require_valid(&expired).unwrap_err().to_string();
        assert!(refused.contains("expired"), "{refused}");
        tls.require_valid(&valid).unwrap();
    }
}

#[test]
fn a_file_of_certificates_ends_with_the_first_of_them_in_whatever_order() {
    let now = (Parts::system().clock)();
    let directory = TempDir::new().unwrap();
    let authority = |name: &str, made| {
        let directory = directory.path().join(name);
        pki::init(&directory, made).unwrap();
        let path = directory.join("ca.pem");
        (std::fs::read_to_string(&path).unwrap(), not_after(&path).unwrap())
    };
    let (old, first) = authority("old", now - chrono::TimeDelta::days(90));
    let (new, last) = authority("new", now);
    assert!(first < last);
    let file = directory.path().join("both.pem");
    for text in [format!("{old}{new}"), format!("{new}{old}")] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(not_after(&file).unwrap(), first);
    }
}
