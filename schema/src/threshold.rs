//! The only function that counts signatures (TUF 5.3.4 and wherever else the specification says
//! "signed by a threshold of keys").
//!
//! Counted are distinct **public keys**: one key under two ids counts once. Keys that we do not know
//! and signatures that do not verify are reported, never fatal. Of what is new, signatures of
//! [`RevokedKeys`] do not count; clients know nothing of them, so what is stored stays as good as it
//! was.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::envelope::Envelope;
use crate::key::{Key, PublicKey};
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
    /// Keys of the role that do not count, signed or not, since they are revoked.
    pub revoked: Vec<KeyId>,
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
    "{role} is signed by {} of {} keys that its {delegator} asks for{}",
    report.valid.len(), report.threshold, without(&report.revoked)
)]
pub struct ThresholdNotMet {
    /// The role of the file.
    pub role: RoleName,
    /// Who lists the keys.
    pub delegator: RoleName,
    /// Who signed and who did not.
    pub report: Report,
}

fn without(revoked: &[KeyId]) -> String {
    match revoked.iter().map(KeyId::as_str).collect::<Vec<_>>()[..] {
        [] => String::new(),
        [one] => format!("; the key {one} is revoked and does not count"),
        ref all => format!("; the keys {} are revoked and do not count", all.join(", ")),
    }
}

/// Public keys that are revoked in a collection: under whatever ids they are listed, they sign
/// nothing new.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevokedKeys(Arc<BTreeSet<PublicKey>>);

impl RevokedKeys {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a key is one of them.
    pub fn contains(&self, key: &Key) -> bool {
        key.public().is_some_and(|public| self.0.contains(public))
    }

    /// The ids under which an authority lists some of them.
    pub fn listed_by<'a>(&'a self, authority: Authority<'a>) -> impl Iterator<Item = &'a KeyId> {
        let listed = authority.role.keyids.iter().filter(|_| !self.is_empty());
        listed.filter(move |keyid| authority.keys.get(*keyid).is_some_and(|key| self.contains(key)))
    }

    /// Whether one of them has signed a file, be it listed for that or not. Each is tried on each
    /// signature, of which a file has up to [`MAX_SIGNATURES`](crate::envelope::MAX_SIGNATURES): this is
    /// for the few keys that somebody asks about, not for all that were ever revoked.
    pub fn have_signed<T>(&self, file: &Envelope<T>) -> bool {
        let mut signatures = file.signatures().iter().filter_map(|one| one.bytes.as_deref());
        signatures.any(|bytes| self.0.iter().any(|key| key.verifies(file.message(), bytes)))
    }

    /// These and others.
    pub fn and(&self, others: RevokedKeys) -> RevokedKeys {
        self.0.iter().chain(others.0.iter()).cloned().collect()
    }

    /// Those of them that an authority lists.
    pub fn among(&self, authority: Authority<'_>) -> RevokedKeys {
        let listed = self.listed_by(authority);
        listed.filter_map(|keyid| authority.keys[keyid].public().cloned()).collect()
    }
}

impl FromIterator<PublicKey> for RevokedKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> RevokedKeys {
        RevokedKeys(Arc::new(keys.into_iter().collect()))
    }
}

/// Counts the signatures of a file, as every client does.
pub fn count<T>(file: &Envelope<T>, authority: Authority<'_>) -> Report {
    count_new(file, authority, &RevokedKeys::default())
}

/// Counts the signatures of a file that is new to a collection where these keys are revoked.
pub fn count_new<T>(file: &Envelope<T>, authority: Authority<'_>, revoked: &RevokedKeys) -> Report {
    let role = authority.role;
    let mut counted: BTreeSet<&PublicKey> = BTreeSet::new();
    let revoked: Vec<KeyId> = revoked.listed_by(authority).cloned().collect();
    let mut valid = Vec::new();
    let mut missing = Vec::new();
    for keyid in role.keyids.iter().filter(|keyid| !revoked.contains(keyid)) {
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
    Report { valid, missing, unknown, revoked, threshold: role.threshold.get() }
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
    reachable_without(authority, &RevokedKeys::default())
}

/// How many of them are not revoked: the most that any new file can reach.
pub fn reachable_without(authority: Authority<'_>, revoked: &RevokedKeys) -> usize {
    let keys = authority.role.keyids.iter().filter_map(|id| authority.keys.get(id));
    let publics = keys.filter(|key| !revoked.contains(key)).filter_map(Key::public);
    publics.collect::<BTreeSet<_>>().len()
}
