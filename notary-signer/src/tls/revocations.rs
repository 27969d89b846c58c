//! Revocation lists: whose they are, and that none goes back.
//!
//! An older list knows less: whoever can put one in the place of the one in force would bring a
//! client back that was revoked. What a process has seen is what it compares with; at its start it
//! takes what it finds. A list that has run out says of the revoked what it said before: it stays in
//! force, and that is told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};
use rustls_pki_types::pem::{Error as PemError, PemObject};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::num_bigint::BigUint;
use x509_parser::oid_registry::OID_X509_EXT_ISSUER_DISTRIBUTION_POINT;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use super::TlsError;
use super::files::certificates;
use crate::config::TlsConfig;

/// One list.
#[derive(Debug)]
pub(super) struct List {
    pub(super) der: CertificateRevocationListDer<'static>,
    /// Its authority, for people.
    issuer: String,
    series: Series,
    age: Age,
    /// When the next one is due at last.
    next: Option<DateTime<Utc>>,
}

/// Which lists follow each other: those of one key, or of one name where the key is not known here, for
/// one part of its certificates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    key: Vec<u8>,
    part: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Age {
    number: Option<BigUint>,
    made: i64,
}

impl Age {
    fn is_below(&self, other: &Age) -> bool {
        let numbers = self.number.as_ref().zip(other.number.as_ref());
        self.made < other.made || numbers.is_some_and(|(one, other)| one < other)
    }
}

/// The lists that the configuration names: one of each authority of clients, those of authorities
/// between these and the clients, and none of them twice.
///
/// # Errors
/// A file without a list; an authority without its own, whose clients would all be shut out.
pub(super) fn read(config: &TlsConfig) -> Result<Vec<List>, TlsError> {
    let Some(path) = &config.client_crl else { return Ok(Vec::new()) };
    let authorities = certificates(&config.client_ca)?;
    let ders = CertificateRevocationListDer::pem_file_iter(path).and_then(Iterator::collect);
    let ders: Vec<_> = ders.map_err(|error: PemError| refuse(path, error.to_string()))?;
    if ders.is_empty() {
        return Err(refuse(path, "there is none".to_owned()));
    }
    let mut lists: Vec<List> = Vec::new();
    for der in ders {
        let list = List::of(der, &authorities).map_err(|problem| refuse(path, problem))?;
        if lists.iter().any(|other| other.series == list.series) {
            let twice = format!("there are two of {}: leave the newer one there", list.issuer);
            return Err(refuse(path, twice));
        }
        lists.push(list);
    }
    for authority in authorities.iter().filter_map(|authority| x509(authority)) {
        let key = authority.public_key().raw;
        if !lists.iter().any(|list| list.series.key == key) {
            let missing = format!("there is no list of {:?}", authority.subject().to_string());
            return Err(refuse(path, missing));
        }
    }
    Ok(lists)
}

fn x509<'a>(certificate: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(certificate).ok().map(|(_, certificate)| certificate)
}

/// When the first of the lists is due to be followed by another, where any of them says so.
///
/// # Errors
/// Those of reading them.
pub(crate) fn next_update(config: &TlsConfig) -> Result<Option<DateTime<Utc>>, TlsError> {
    Ok(read(config)?.iter().filter_map(|list| list.next).min())
}

impl List {
    fn of(
        der: CertificateRevocationListDer<'static>,
        authorities: &[CertificateDer<'_>],
    ) -> Result<List, String> {
        let (_, list) = CertificateRevocationList::from_der(&der)
            .map_err(|error| format!("it is not readable: {error}"))?;
        let issuer = list.issuer().to_string();
        let namesakes: Vec<_> = authorities
            .iter()
            .filter_map(|authority| x509(authority))
            .filter(|authority| authority.subject().as_raw() == list.issuer().as_raw())
            .collect();
        let its = namesakes
            .iter()
            .find(|authority| list.verify_signature(authority.public_key()).is_ok());
        let key = match its {
            Some(authority) => authority.public_key().raw.to_vec(),
            // Of an authority in between, which shows itself with its clients.
            None if namesakes.is_empty() => list.issuer().as_raw().to_vec(),
            None => {
                return Err(format!(
                    "the list of {issuer:?} is of no authority in tls.client_ca: take it out"
                ));
            }
        };
        let extensions = &list.tbs_cert_list;
        let part = extensions.find_extension(&OID_X509_EXT_ISSUER_DISTRIBUTION_POINT);
        let part = part.map(|extension| extension.value.to_vec()).unwrap_or_default();
        let made = list.last_update().timestamp();
        let age = Age { number: list.crl_number().cloned(), made };
        let next = list.next_update();
        let next = next.and_then(|next| DateTime::from_timestamp(next.timestamp(), 0));
        let series = Series { key, part };
        Ok(List { issuer, series, age, next, der: der.clone() })
    }
}

/// What a process has seen of lists.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The newest of each series.
    newest: BTreeMap<Series, Age>,
    /// Those that had run out at the last look.
    run_out: BTreeSet<Series>,
}

impl Seen {
    /// Takes lists that are none of them older than what was seen before.
    ///
    /// # Errors
    /// The first one that is.
    pub(super) fn follow(&mut self, config: &TlsConfig, lists: &[List]) -> Result<(), TlsError> {
        let Some(path) = &config.client_crl else { return Ok(()) };
        let is_older = |list: &&List| {
            self.newest.get(&list.series).is_some_and(|newest| list.age.is_below(newest))
        };
        if let Some(List { issuer, .. }) = lists.iter().find(is_older) {
            let older = format!("the list of {issuer:?} is older than one that was in force");
            return Err(refuse(path, older));
        }
        self.newest.extend(lists.iter().map(|list| (list.series.clone(), list.age.clone())));
        Ok(())
    }

    /// The lists that have run out since the last look, for people.
    pub(super) fn run_out(&mut self, lists: &[List], now: DateTime<Utc>) -> Vec<String> {
        let run_out = lists.iter().filter(|list| list.next.is_some_and(|next| next < now));
        let run_out: Vec<_> = run_out.collect();
        let new = run_out.iter().filter(|list| !self.run_out.contains(&list.series));
        let new = new.map(|list| list.issuer.clone()).collect();
        self.run_out = run_out.iter().map(|list| list.series.clone()).collect();
        new
    }
}

fn refuse(path: &Path, problem: String) -> TlsError {
    TlsError::File { what: "a revocation list", path: path.to_owned(), problem }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use chrono::TimeDelta;

    use super::super::Tls;
    use super::*;
    use crate::pki::{self, Usage};

    /// An authority with the certificates `signer`, `one` and `two`.
    struct Authority {
        directory: tempfile::TempDir,
        made: DateTime<Utc>,
    }

    impl Authority {
        fn new() -> Authority {
            let directory = tempfile::tempdir().unwrap();
            let made = (crate::Parts::system().clock)();
            pki::init(directory.path(), made).unwrap();
            for name in ["signer", "one", "two"] {
                let usage = Usage { server: Some(Vec::new()), client: true };
                pki::issue(directory.path(), name, &usage, made).unwrap();
            }
            Authority { directory, made }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn revoke(&self, name: &str, at: DateTime<Utc>) -> Vec<u8> {
            assert!(pki::revoke(self.directory.path(), name, at).unwrap());
            self.list()
        }

        fn list(&self) -> Vec<u8> {
            fs::read(self.path("ca.crl")).unwrap()
        }

        fn config(&self) -> TlsConfig {
            TlsConfig {
                certificate: self.path("signer.pem"),
                key: self.path("signer.key"),
                client_ca: self.path("ca.pem"),
                client_crl: Some(self.path("ca.crl")),
                look_seconds: 1,
            }
        }

        fn tls(&self) -> Arc<Tls> {
            Tls::load(&self.config()).unwrap()
        }

        /// Puts lists there, and has them looked at.
        fn put(&self, tls: &Tls, lists: &[&[u8]]) -> Result<bool, String> {
            fs::write(self.path("ca.crl"), lists.concat()).unwrap();
            tls.look_again().map_err(|error| error.to_string())
        }
    }

    #[test]
    fn a_list_takes_the_place_of_an_older_one_and_no_older_one_its_place() {
        let authority = Authority::new();
        let tls = authority.tls();
        let first = authority.list();
        let second = authority.revoke("one", authority.made);
        let third = authority.revoke("two", authority.made);
        assert!(authority.put(&tls, &[&second]).unwrap());
        assert!(authority.put(&tls, &[&third]).unwrap());
        for older in [&first, &second] {
            let refused = authority.put(&tls, &[older]).unwrap_err();
            assert!(refused.contains("is older than one that was in force"), "{refused}");
            assert_eq!(tls.current().lists[0].age.number, list(&third, &authority).age.number);
        }
        assert!(authority.put(&tls, &[&third, b"\n"]).unwrap());
        // A process that has seen nothing takes what it finds.
        fs::write(authority.path("ca.crl"), &first).unwrap();
        authority.tls();
    }

    /// Archives and images of containers have a time of their own for all that is in them.
    #[test]
    fn a_list_as_long_and_as_old_as_the_one_before_takes_its_place() {
        let authority = Authority::new();
        let path = authority.path("ca.crl");
        let padded = |mut list: Vec<u8>| {
            list.resize(4_000, b'\n');
            list
        };
        let [first, second] = [authority.list(), authority.revoke("one", authority.made)];
        let write = |list: Vec<u8>| {
            let new = authority.path("new.crl");
            fs::write(&new, padded(list)).unwrap();
            fs::File::options().write(true).open(&new).unwrap().set_modified(UNIX_EPOCH).unwrap();
            fs::rename(&new, &path).unwrap();
        };
        write(first);
        let tls = authority.tls();
        assert!(!tls.look_again().unwrap());
        write(second.clone());
        assert!(tls.look_again().unwrap(), "nobody has noticed");
        assert_eq!(tls.current().lists[0].age.number, list(&second, &authority).age.number);
    }

    fn list(pem: &[u8], authority: &Authority) -> List {
        let der = CertificateRevocationListDer::from_pem_slice(pem).unwrap();
        List::of(der, &certificates(&authority.path("ca.pem")).unwrap()).unwrap()
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_older_list() {
        let authority = Authority::new();
        let tls = authority.tls();
        let second = authority.revoke("one", authority.made + TimeDelta::days(9));
        assert!(authority.put(&tls, &[&second]).unwrap());
        let third = authority.revoke("two", authority.made);
        assert!(authority.put(&tls, &[&third]).unwrap());
    }

    #[test]
    fn a_list_is_older_by_its_number_or_by_its_time() {
        let age = |number: Option<u64>, made| Age { number: number.map(BigUint::from), made };
        let last = age(Some(5), 100);
        for older in [age(Some(4), 100), age(Some(5), 99), age(None, 99), age(Some(4), 200)] {
            assert!(older.is_below(&last), "{older:?}");
        }
        for next in [age(Some(5), 100), age(Some(6), 100), age(None, 100), age(Some(5), 101)] {
            assert!(!next.is_below(&last), "{next:?}");
        }
    }

    #[test]
    fn a_list_of_somebody_else_is_refused_by_name_also_where_the_names_are_the_same() {
        let (authority, other) = (Authority::new(), Authority::new());
        let tls = authority.tls();
        let ours = authority.list();
        for lists in [&[&other.list()[..]][..], &[&ours, &other.list()]] {
            let refused = authority.put(&tls, lists).unwrap_err();
            assert!(refused.contains("of no authority in tls.client_ca"), "{refused}");
            assert!(refused.contains("CN="), "{refused}");
        }
        assert!(authority.put(&tls, &[&ours, &ours]).unwrap_err().contains("there are two of"));
        // Where both are authorities of clients, each has its list.
        let both =
            [fs::read(authority.path("ca.pem")).unwrap(), fs::read(other.path("ca.pem")).unwrap()];
        fs::write(authority.path("ca.pem"), both.concat()).unwrap();
        assert!(authority.put(&tls, &[&ours, &other.list()]).unwrap());
    }

    #[test]
    fn a_list_that_has_run_out_is_told_once_and_stays_in_force() {
        let authority = Authority::new();
        authority.revoke("one", authority.made);
        let tls = authority.tls();
        let end = next_update(&authority.config()).unwrap().unwrap();
        assert!(tls.lists_run_out(end).is_empty());
        let late = end + TimeDelta::seconds(1);
        let [issuer] = &tls.lists_run_out(late)[..] else { panic!("it is not told") };
        assert!(issuer.contains("CN="), "{issuer}");
        assert!(tls.lists_run_out(late).is_empty());
        assert_eq!(tls.current().lists.len(), 1);
    }
}
