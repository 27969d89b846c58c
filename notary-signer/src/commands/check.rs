//! Whether the service could run as it is configured: everything is looked at, nothing changed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sqlite::SqliteConnection;

use super::findings::{Finding, report};
use super::{Output, time_text};
use crate::backends::{Backends, TRIAL};
use crate::config::backends::{BackendConfig, SOFTWARE};
use crate::config::{Config, TlsConfig};
use crate::keys::KeyStore;
use crate::keys::software::{Origin, SoftwareStore};
use crate::opening;
use crate::store::keys::{self, HeldKey};
use crate::store::{Database, StoreError, header};
use crate::tls::{self, Tls};

/// A certificate that expires this soon is a warning.
const SOON: TimeDelta = TimeDelta::days(30);

/// Looks at everything that the service needs, and changes nothing.
pub(crate) fn run(path: &Path, now: DateTime<Utc>, json: bool) -> Output {
    let findings = match Config::load(path) {
        Err(error) => vec![Finding::wrong("configuration", error)],
        Ok(config) => {
            let mut findings = vec![Finding::ok("configuration", path.display())];
            findings.extend(check_tls(&config.tls, now));
            findings.extend(secrets(&config).filter_map(check_secret));
            findings.extend(check_keys(&config).unwrap_or_else(|finding| vec![finding]));
            findings
        }
    };
    report(&findings, json)
}

fn check_tls(tls: &TlsConfig, now: DateTime<Utc>) -> Vec<Finding> {
    let fit = match Tls::load(tls) {
        Ok(_) => Finding::ok("tls", "certificate, key and what says whom to answer are usable"),
        Err(error) => Finding::wrong("tls", error),
    };
    let expiry = |what, path: &Path| match tls::not_after(path) {
        Err(error) => Finding::wrong(what, error),
        Ok(end) => {
            let until = format!("{} until {}", path.display(), time_text(end));
            match end - now {
                left if left <= TimeDelta::zero() => {
                    Finding::wrong(what, format!("{until}: expired; issue another one"))
                }
                left if left <= SOON => {
                    Finding::warning(what, format!("{until}: {} days left", left.num_days()))
                }
                _ => Finding::ok(what, until),
            }
        }
    };
    let mut findings =
        vec![fit, expiry("certificate", &tls.certificate), expiry("client CA", &tls.client_ca)];
    findings.extend(check_lists(tls, now));
    findings
}

/// Revocation lists that have run out; that they are readable is a part of what fits.
fn check_lists(tls: &TlsConfig, now: DateTime<Utc>) -> Option<Finding> {
    let end = tls::next_update(tls).ok().flatten()?;
    let until = format!("complete until {}", time_text(end));
    Some(match end < now {
        true => Finding::wrong("revocations", format!("{until}: publish a newer list")),
        false => Finding::ok("revocations", until),
    })
}

/// The files that nobody but the signer may read.
fn secrets(config: &Config) -> impl Iterator<Item = &Path> {
    let pins = config.backends.values().filter_map(|backend| match backend {
        BackendConfig::Pkcs11(token) => Some(&token.pin_file),
        BackendConfig::AwsKms(_) | BackendConfig::Exec(_) => None,
    });
    let passphrase = config.store.passphrase_file.iter();
    [&config.tls.key].into_iter().chain(passphrase).chain(pins).map(PathBuf::as_path)
}

/// A secret that others may read; whether it can be read at all is found where it is used.
fn check_secret(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let others = format!("{} has mode {mode:04o}, so others may read it", path.display());
    (mode & 0o077 != 0).then(|| Finding::warning("secret", others))
}

/// Every backend, and every key. The error is what keeps them from being looked at.
fn check_keys(config: &Config) -> Result<Vec<Finding>, Finding> {
    let database = match Database::open(&config.database) {
        Ok(database) => database,
        Err(StoreError::NotThere(path)) => return Ok(check_first_start(config, path)),
        Err(error @ StoreError::NotMigrated(_)) => return Err(Finding::warning("database", error)),
        Err(error) => return Err(Finding::wrong("database", error)),
    };
    let load = |connection: &mut SqliteConnection| -> Result<_, StoreError> {
        Ok((header::load(connection)?, keys::all(connection)?))
    };
    let (found, held) =
        database.transaction(load).map_err(|error| Finding::wrong("database", error))?;
    let mut findings = Vec::new();
    if let Err(error) = database.require_startable() {
        findings.push(Finding::wrong("database", error));
    }
    let software = match found {
        None => {
            findings.extend(check_new_store(config));
            None
        }
        Some(header) => {
            let wrong = |problem: String| Finding::wrong("software store", problem);
            let store = opening::open(config, &header).map_err(|error| wrong(error.to_string()))?;
            let detail = match &header.origin {
                Origin::Passphrase { .. } => "the passphrase opens it".to_owned(),
                Origin::Wrapped { key, .. } => format!("the key {key} opens it"),
            };
            findings.push(Finding::ok("software store", detail));
            Some(store)
        }
    };
    findings.extend(check_places(config, software, &held)?);
    Ok(findings)
}

/// What the first start needs, which makes the database and the software store.
fn check_first_start(config: &Config, path: PathBuf) -> Vec<Finding> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    let database = match directory.filter(|directory| !directory.is_dir()) {
        Some(directory) => Finding::wrong(
            "database",
            format!("{} is no directory: make it for the user who serves", directory.display()),
        ),
        None => Finding::warning("database", StoreError::NotThere(path)),
    };
    let mut findings: Vec<Finding> =
        [database].into_iter().chain(check_new_store(config)).collect();
    findings.extend(check_places(config, None, &[]).unwrap_or_else(|finding| vec![finding]));
    findings
}

/// Whether a start could make the software store, where one would: makes one that nobody keeps.
fn check_new_store(config: &Config) -> Option<Finding> {
    let created = config.fills_software_store().then(|| opening::create(config))?;
    Some(match created {
        Ok(_) => Finding::ok("software store", "`notary-signer serve` makes it"),
        Err(error) => Finding::wrong("software store", error),
    })
}

/// Asks every backend whether it is there, and every key for a signature.
fn check_places(
    config: &Config,
    software: Option<SoftwareStore>,
    held: &[HeldKey],
) -> Result<Vec<Finding>, Finding> {
    let backends =
        Backends::new(config, software).map_err(|error| Finding::wrong("backend", error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Finding::wrong("keys", error))?;
    Ok(runtime.block_on(check_backends(&backends, held)))
}

async fn check_backends(backends: &Backends, held: &[HeldKey]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for place in backends.places().filter(|place| place.name() != SOFTWARE) {
        findings.push(match place.check().await {
            Ok(()) => Finding::ok("backend", format!("{} is there and lets us in", place.name())),
            Err(error) => Finding::wrong("backend", error),
        });
    }
    let mut broken = Vec::new();
    for HeldKey { key, stored, backend } in held {
        let signed = match backends.place(backend) {
            Ok(place) => stored.sign(place.as_ref(), TRIAL).await,
            Err(error) => Err(error),
        };
        if let Err(error) = signed {
            broken.push(Finding::wrong("key", format!("{}: {error}", key.keyid)));
        }
    }
    let can_sign = format!("{} of {} can sign", held.len() - broken.len(), held.len());
    let all = if broken.is_empty() { Finding::ok } else { Finding::wrong };
    findings.push(all("keys", can_sign));
    findings.extend(broken);
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::{self, Usage};

    #[test]
    fn a_certificate_that_ends_soon_is_a_warning_and_what_has_run_out_is_wrong() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let now = (crate::Parts::system().clock)();
        pki::init(directory.path(), now).unwrap();
        let usage = Usage { server: Some(Vec::new()), client: false };
        pki::issue(directory.path(), "signer", &usage, now).unwrap();
        let tls = TlsConfig {
            certificate: path("signer.pem"),
            key: path("signer.key"),
            client_ca: path("ca.pem"),
            client_crl: Some(path("ca.crl")),
            look_seconds: 1,
        };
        let end = tls::not_after(&tls.certificate).unwrap();
        let said = |left| report(&check_tls(&tls, end - left), false).text;
        let second = TimeDelta::seconds(1);
        for (left, word) in [(SOON + second, "ok"), (SOON, "warning"), (second, "warning")] {
            let said = said(left);
            assert!(said.contains(&format!("{word:<8}certificate: ")), "{left}: {said}");
        }
        assert!(said(TimeDelta::zero()).contains("wrong   certificate: "));

        let end = tls::next_update(&tls).unwrap().unwrap();
        let said = |now| report(&check_tls(&tls, now), false).text;
        assert!(said(end).contains("ok      revocations: complete until"), "{}", said(end));
        let late = said(end + TimeDelta::seconds(1));
        assert!(late.contains("wrong   revocations: complete until"), "{late}");
        assert!(late.contains("publish a newer list"), "{late}");
    }
}
