//! The only function that counts signatures (TUF 5.3.4 and wherever else the specification says
//! "signed by a threshold of keys").
//!
//! Counted are distinct **public keys**: one key under two ids counts once. Keys that we do not know
//! and signatures that do not verify are reported, never fatal.

use std::collections::BTreeSet;

use crate::envelope::Envelope;
use crate::key::PublicKey;
use crate::name::{KeyId, RoleName};
use crate::role::Authority;

/// Who signed a file, for one authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Keys of the role whose signature verifies, one id for each distinct public key.
    pub valid: Vec<KeyId>,
    /// Keys of the role that have not signed, or whose signature does not verify.
    pub missing: Vec<KeyId>,
    /// Signatures of keys that the role does not list.
    pub unknown: Vec<KeyId>,
    /// How many distinct keys are needed.
    pub threshold: u32,
}

impl Report {
    /// Whether enough distinct keys have signed.
    pub fn is_met(&self) -> bool {
        self.valid.len() >= self.threshold as usize
    }
}

/// A file that too few keys have signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{role} is signed by {} of {} keys that its {delegator} asks for",
    report.valid.len(), report.threshold
)]
pub struct ThresholdNotMet {
    /// The role of the file.
    pub role: RoleName,
    /// Who lists the keys.
    pub delegator: RoleName,
    /// Who signed and who did not.
    pub report: Report,
}

/// Counts the signatures of a file.
pub fn count<T>(file: &Envelope<T>, authority: Authority<'_>) -> Report {
    let role = authority.role;
    let mut counted: BTreeSet<&PublicKey> = BTreeSet::new();
    let mut valid = Vec::new();
    let mut missing = Vec::new();
    for keyid in &role.keyids {
        let public = authority.keys.get(keyid).and_then(|key| key.public());
        let signature = file.signatures().iter().find(|signature| signature.keyid == *keyid);
        let bytes = signature.and_then(|signature| signature.bytes.as_deref());
        match (public, bytes) {
            (Some(public), Some(bytes)) if public.verifies(file.message(), bytes) => {
                if counted.insert(public) {
                    valid.push(keyid.clone());
                }
            }
            _ => missing.push(keyid.clone()),
        }
    }
    let listed = |keyid: &KeyId| role.keyids.contains(keyid);
    let unknown = file.signatures().iter().map(|signature| &signature.keyid);
    let unknown = unknown.filter(|keyid| !listed(keyid)).cloned().collect();
    Report { valid, missing, unknown, threshold: role.threshold.get() }
}

/// Counts the signatures of a file and refuses it when they are too few.
pub fn require<T>(
    file: &Envelope<T>,
    role: &RoleName,
    delegator: &RoleName,
    authority: Authority<'_>,
) -> Result<Report, ThresholdNotMet> {
    let report = count(file, authority);
    if report.is_met() {
        return Ok(report);
    }
    Err(ThresholdNotMet { role: role.clone(), delegator: delegator.clone(), report })
}

/// How many distinct public keys that we know an authority lists: the most that any file can reach.
pub fn reachable(authority: Authority<'_>) -> usize {
    let publics = authority.role.keyids.iter().filter_map(|id| authority.keys.get(id)?.public());
    publics.collect::<BTreeSet<_>>().len()
}
