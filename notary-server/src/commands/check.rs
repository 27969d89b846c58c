//! `notary-server check`: what would keep the server from working, found before it starts.

use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::envelope::Unsigned;
use notary_schema::name::{Gun, Incarnation, KeyId, Version};
use notary_schema::online::{OnlineRole, PlannedTimestamp, expires_after, next_snapshot};
use notary_schema::role::{Expires, Targets};
use notary_schema::wire::{KeyRequest, SignRequest};
use serde_json::json;
use serde_json::value::RawValue;

use super::{complain, open, print};
use crate::config::Config;
use crate::service::require_allowed;
use crate::signer_client::{HttpSigner, Signer, SignerError};
use crate::store::Store;
use crate::tls;

/// The collection that a probe asks for. Nothing is ever published under it.
const PROBE_COLLECTION: &str = "notary-probe";
/// Its only life: the keys of one probe are those of the next.
const PROBE_INCARNATION: [u8; 16] = [0; 16];

/// One question and its answer: a few words, or what is wrong.
type Finding = (&'static str, Result<String, String>);

pub(super) async fn run(path: &Path, probe: bool, as_json: bool, now: DateTime<Utc>) -> ExitCode {
    let findings = findings(path, probe, now).await;
    let ok = findings.iter().all(|(_, found)| found.is_ok());
    if as_json {
        let checks: Vec<_> = findings
            .iter()
            .map(|(what, found)| match found {
                Ok(detail) => json!({"check": what, "ok": true, "detail": detail}),
                Err(error) => json!({"check": what, "ok": false, "detail": error}),
            })
            .collect();
        print(&json!({ "ok": ok, "checks": checks }).to_string());
    } else {
        for (what, found) in &findings {
            match found {
                Ok(detail) => print(&format!("{what}: {detail}")),
                Err(error) => complain(&format!("{what}: {error}")),
            }
        }
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn findings(path: &Path, probe: bool, now: DateTime<Utc>) -> Vec<Finding> {
    let config = match Config::load(path) {
        Ok(config) => config,
        Err(error) => return vec![("configuration", Err(error.to_string()))],
    };
    let mut findings: Vec<Finding> = vec![("configuration", Ok("readable".into()))];
    findings.push(("database", database(&config).await));
    if let Some(own) = &config.tls {
        let loaded = tls::server(&own.certificate, &own.key);
        findings.push(("tls", loaded.map(|_| "loads".into()).map_err(|error| error.to_string())));
    }
    let signer = match HttpSigner::new(&config.signer) {
        Ok(signer) => signer,
        Err(error) => {
            findings.push(("signer", Err(error.to_string())));
            return findings;
        }
    };
    findings.push(("signer", reachable(&config, &signer).await));
    if probe {
        findings.extend(probes(&signer, now).await);
    }
    findings
}

async fn database(config: &Config) -> Result<String, String> {
    let store = open(config)?;
    store.ping().await.map_err(|error| error.to_string())?;
    let unfinished = store.slots().await.map_err(|error| error.to_string())?;
    Ok(format!("up to date, {} unfinished releases", unfinished.len()))
}

async fn reachable(config: &Config, signer: &HttpSigner) -> Result<String, String> {
    let limits = signer.limits().await;
    let limits = limits.map_err(|error| format!("{}: {error}", config.signer.url))?;
    require_allowed(&config.lifetimes, &limits)?;
    Ok("answers, and allows the lifetimes".into())
}

/// Asks the signer for what a thief of this server would want of it.
async fn probes(signer: &HttpSigner, now: DateTime<Utc>) -> [Finding; 2] {
    const TARGETS: &str = "probe: a targets document";
    const TIMESTAMP: &str = "probe: a timestamp that lives too long";
    let keyid = probe_key(signer, OnlineRole::Snapshot).await;
    let targets = Targets::empty(Version::FIRST, Expires::at(now + TimeDelta::days(1)));
    let targets = refused(signer, OnlineRole::Snapshot, keyid, &Unsigned::of(&targets)).await;
    let limits = signer.limits().await.map_err(|error| error.to_string());
    let timestamp = match (probe_key(signer, OnlineRole::Timestamp).await, limits) {
        (Ok(keyid), Ok(limits)) => {
            let seconds = limits.timestamp_max_seconds.saturating_add(24 * 60 * 60);
            let document = timestamp(expires_after(now, seconds), keyid.clone());
            refused(signer, OnlineRole::Timestamp, Ok(keyid), &document).await
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    [(TARGETS, targets), (TIMESTAMP, timestamp)]
}

/// A timestamp that is right in everything but its life.
fn timestamp(expires: Expires, keyid: KeyId) -> Unsigned {
    let snapshot = Unsigned::of(&next_snapshot(None, [], Version::FIRST, expires));
    let snapshot = notary_schema::envelope::Envelope::parse(snapshot.with_signatures(&[]));
    let planned = PlannedTimestamp { version: Version::FIRST, expires, keyids: vec![keyid] };
    planned.document(&snapshot.expect("we wrote it"))
}

async fn probe_key(signer: &HttpSigner, role: OnlineRole) -> Result<KeyId, String> {
    let request = KeyRequest {
        collection: Gun::parse(PROBE_COLLECTION).expect("a good name"),
        incarnation: Incarnation::from_random(PROBE_INCARNATION),
        role,
        rotate: false,
        except: Vec::new(),
    };
    signer.key(&request).await.map(|key| key.keyid).map_err(|error| error.to_string())
}

async fn refused(
    signer: &HttpSigner,
    role: OnlineRole,
    keyid: Result<KeyId, String>,
    document: &Unsigned,
) -> Result<String, String> {
    let text = String::from_utf8(document.message().to_vec()).expect("a document is UTF-8");
    let request = SignRequest {
        collection: Gun::parse(PROBE_COLLECTION).expect("a good name"),
        incarnation: Incarnation::from_random(PROBE_INCARNATION),
        role,
        keyids: vec![keyid?],
        signed: RawValue::from_string(text).expect("what we write is JSON"),
    };
    match signer.sign(&request).await {
        Err(SignerError::Refused { code, .. }) => Ok(format!("refused ({code})")),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("the signer signed it: its policy does not hold".into()),
    }
}
