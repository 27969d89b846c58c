//! What an operator does on the signer's host, beside a running service or without one.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod memory;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use diesel::sqlite::SqliteConnection;
use notary_schema::name::KeyId;
use notary_schema::wire::SignerKey;
use serde::Serialize;

use crate::backends::Backends;
use crate::config::backends::SOFTWARE;
use crate::config::{Config, ConfigError, TlsConfig};
use crate::keys::KeyStore;
use crate::keys::software::Origin;
use crate::opening::{self, OpenError};
use crate::pki::{self, PkiError};
use crate::sealing::SealError;
use crate::startup::StartError;
use crate::store::audit::{Caller, Subject, append};
use crate::store::keys::{self, HeldKey};
use crate::store::tables::{role_text, state_text};
use crate::store::{Database, MemoryLock, StoreError, header, key_states};
use crate::tls::{self, Tls};

/// A certificate that expires this soon is a warning.
const SOON: TimeDelta = TimeDelta::days(30);
/// What `check` signs: plain text, so that it can never be taken for metadata.
const CHECK_MESSAGE: &[u8] = b"notary-signer check";

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no key {0}: `notary-signer key list` shows those that are there")]
    UnknownKey(KeyId),
    #[error("{} is there already: name a new file", .0.display())]
    IsThere(PathBuf),
    #[error(transparent)]
    Memory(#[from] memory::MemoryError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Opening(#[from] OpenError),
    #[error("there is no software store: `notary-signer serve` makes it where new keys go into it")]
    NoStore,
    #[error("cannot print: {0}")]
    Print(io::Error),
    #[error("the key {keyid} is {state} already")]
    Unchanged { keyid: KeyId, state: &'static str },
}

impl From<diesel::result::Error> for CommandError {
    fn from(error: diesel::result::Error) -> CommandError {
        StoreError::from(error).into()
    }
}

/// What a command prints on stdout, and whether all is well.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) good: bool,
}

impl Default for Output {
    fn default() -> Output {
        Output { text: String::new(), good: true }
    }
}

impl Output {
    fn json(value: &impl Serialize, good: bool) -> Output {
        let text = serde_json::to_string_pretty(value).expect("plain values are JSON");
        Output { text: text + "\n", good }
    }

    fn lines(lines: impl IntoIterator<Item = String>, good: bool) -> Output {
        Output { text: lines.into_iter().map(|line| line + "\n").collect(), good }
    }
}

// ---- check

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Wrong,
}

#[derive(Debug, Serialize)]
struct Finding {
    what: &'static str,
    status: Status,
    detail: String,
}

impl Finding {
    fn ok(what: &'static str, detail: impl ToString) -> Finding {
        Finding { what, status: Status::Ok, detail: detail.to_string() }
    }

    fn warning(what: &'static str, detail: impl ToString) -> Finding {
        Finding { what, status: Status::Warning, detail: detail.to_string() }
    }

    fn wrong(what: &'static str, detail: impl ToString) -> Finding {
        Finding { what, status: Status::Wrong, detail: detail.to_string() }
    }

    fn line(&self) -> String {
        let status = match self.status {
            Status::Ok => "ok",
            Status::Warning => "warning",
            Status::Wrong => "wrong",
        };
        format!("{status:<8}{}: {}", self.what, self.detail)
    }
}

/// Looks at everything that the service needs, and changes nothing.
pub(crate) fn check(path: &Path, now: DateTime<Utc>, json: bool) -> Output {
    let findings = match Config::load(path) {
        Err(error) => vec![Finding::wrong("configuration", error)],
        Ok(config) => {
            let mut findings = vec![Finding::ok("configuration", path.display())];
            findings.extend(check_tls(&config.tls, now));
            let secrets = [Some(&config.tls.key), config.store.passphrase_file.as_ref()];
            findings.extend(secrets.into_iter().flatten().filter_map(|path| check_secret(path)));
            findings.extend(check_keys(&config).unwrap_or_else(|finding| vec![finding]));
            findings
        }
    };
    report(&findings, json)
}

fn report(findings: &[Finding], json: bool) -> Output {
    let good = findings.iter().all(|finding| finding.status != Status::Wrong);
    if json {
        return Output::json(&serde_json::json!({ "ok": good, "findings": findings }), good);
    }
    Output::lines(findings.iter().map(Finding::line), good)
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
    vec![fit, expiry("certificate", &tls.certificate), expiry("client CA", &tls.client_ca)]
}

/// A secret that others may read; whether it can be read at all is found where it is used.
fn check_secret(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o777;
    let others = format!("{} has mode {mode:04o}, so others may read it", path.display());
    (mode & 0o077 != 0).then(|| Finding::warning("secret", others))
}

/// Every backend, and every key. The error is what keeps them from being looked at.
fn check_keys(config: &Config) -> Result<Vec<Finding>, Finding> {
    let database = Database::open(&config.database).map_err(|error| match error {
        StoreError::NotThere(_) | StoreError::NotMigrated(_) => Finding::warning("database", error),
        _ => Finding::wrong("database", error),
    })?;
    let load = |connection: &mut SqliteConnection| -> Result<_, StoreError> {
        Ok((header::load(connection)?, keys::all(connection)?))
    };
    let (found, held) =
        database.transaction(load).map_err(|error| Finding::wrong("database", error))?;
    let mut findings = Vec::new();
    let software = match found {
        None if config.fills_software_store() => {
            return Err(Finding::wrong("software store", "it was never made"));
        }
        None => None,
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
    let backends =
        Backends::new(config, software).map_err(|error| Finding::wrong("backend", error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Finding::wrong("keys", error))?;
    findings.extend(runtime.block_on(check_backends(&backends, &held)));
    Ok(findings)
}

/// Asks every backend whether it is there, and every key for a signature.
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
            Ok(place) => stored.sign(place, CHECK_MESSAGE).await,
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

// ---- certificates

/// Revokes a certificate of the authority in a directory.
pub(crate) fn revoke_certificate(
    directory: &Path,
    name: &str,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let text = match pki::revoke(directory, name, now)? {
        true => format!(
            "{name} is revoked; a signer whose tls.client_crl is a copy of {} needs the new one",
            directory.join("ca.crl").display()
        ),
        false => format!("{name} was revoked already"),
    };
    Ok(Output::lines([text], true))
}

// ---- software store

/// Puts the key of the software store under the wrapping key of the configuration. The keys in the
/// store stay as they are.
pub(crate) fn wrap_store(
    config: &Config,
    passphrase_file: Option<&Path>,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let lock = MemoryLock::take(&config.database)?;
    let database = Database::create(&config.database, &lock)?;
    let header = database.transaction(header::load)?.ok_or(CommandError::NoStore)?;
    let wrapped = opening::wrap(config, || opening::passphrase(passphrase_file), &header)?;
    // What was written is read once more, before the former way is given up.
    opening::open(config, &wrapped)?;
    database.transaction(|connection| -> Result<_, StoreError> {
        header::save(connection, &wrapped)?;
        let caller = Caller::operator("store wrap", now);
        append(connection, &caller, &Subject::default(), "changed")
    })?;
    let text = "the software store is wrapped; old copies of the database still open as before";
    Ok(Output::lines([text.to_owned()], true))
}

// ---- keys and memory

/// A key as `key list --json` shows it.
#[derive(Serialize)]
struct ListedKey {
    #[serde(flatten)]
    key: SignerKey,
    backend: String,
}

impl From<HeldKey> for ListedKey {
    fn from(HeldKey { key, backend, .. }: HeldKey) -> ListedKey {
        ListedKey { key, backend }
    }
}

/// Every key of the signer.
pub(crate) fn list_keys(config: &Config, json: bool) -> Result<Output, CommandError> {
    let held = Database::open(&config.database)?.transaction(keys::all)?;
    if json {
        let items: Vec<_> = held.into_iter().map(ListedKey::from).collect();
        return Ok(Output::json(&serde_json::json!({ "items": items }), true));
    }
    let line = |HeldKey { key, backend, .. }: HeldKey| {
        format!(
            "{} {:<8} {} {} {} {} {}",
            key.keyid,
            state_text(key.state),
            key.collection,
            key.incarnation,
            role_text(key.role),
            time_text(key.created_at),
            backend,
        )
    };
    Ok(Output::lines(held.into_iter().map(line), true))
}

/// Which of two opposite acts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// The key signs nothing any more.
    Retire,
    /// The key is what it was before it was retired.
    Restore,
}

/// Retires or restores a key, beside a running service too: that looks at the state in the
/// transaction that records a signature.
pub(crate) fn change_key(
    config: &Config,
    keyid: &KeyId,
    change: Change,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let database = Database::open(&config.database)?;
    let held = database.transaction(|connection| -> Result<_, CommandError> {
        let unknown = || CommandError::UnknownKey(keyid.clone());
        let held = keys::by_id(connection, keyid)?.ok_or_else(unknown)?;
        let (action, changed) = match change {
            Change::Retire => ("key retire", key_states::retire(connection, keyid)?),
            Change::Restore => ("key restore", key_states::restore(connection, &held)?),
        };
        if !changed {
            let state = state_text(held.key.state);
            return Err(CommandError::Unchanged { keyid: keyid.clone(), state });
        }
        let caller = Caller::operator(action, now);
        append(connection, &caller, &Subject::of_key(&held), "changed")?;
        keys::by_id(connection, keyid)?.ok_or_else(unknown)
    })?;
    let (keyid, state) = (held.key.keyid, state_text(held.key.state));
    Ok(Output::lines([format!("{keyid} is {state} now")], true))
}

fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
