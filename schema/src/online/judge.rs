//! What a signer signs, and what it refuses.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{DAY, DEFAULT_MAX_STEP, Memory, OnlineRole, expires_after, refusal_code};
use crate::envelope::{Envelope, Unsigned};
use crate::json;
use crate::name::{RoleName, Version};
use crate::role::{Expires, FileMeta, Listing, Role, Snapshot, Timestamp};

/// What a signer allows at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignerPolicy {
    /// How far a version may run ahead of the last one signed.
    pub max_step: u64,
    /// The longest life of a snapshot, in seconds.
    pub snapshot_max_seconds: u64,
    /// The longest life of a timestamp, in seconds.
    pub timestamp_max_seconds: u64,
}

impl SignerPolicy {
    /// The longest life of an online role, in seconds.
    fn max_seconds(&self, role: OnlineRole) -> u64 {
        match role {
            OnlineRole::Snapshot => self.snapshot_max_seconds,
            OnlineRole::Timestamp => self.timestamp_max_seconds,
        }
    }
}

impl Default for SignerPolicy {
    /// Twice the default lives and a bit, so that the clocks of server and signer may differ.
    fn default() -> SignerPolicy {
        SignerPolicy {
            max_step: DEFAULT_MAX_STEP,
            snapshot_max_seconds: 15 * DAY,
            timestamp_max_seconds: 3 * DAY,
        }
    }
}

/// What to do with a request that is not refused.
#[derive(Debug, Clone)]
pub enum Judgement {
    /// Sign these bytes as this version, remember the file, answer it.
    Sign(Version),
    /// These bytes were signed last: answer the stored file again.
    Repeat(std::sync::Arc<[u8]>),
}

/// Why the signer does not sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignRefusal {
    /// Not the document of the role that was asked for, or not in canonical form.
    #[error("the document is not a canonical {role}: {problem}", role = role.name())]
    WrongDocument {
        /// The role that was asked for.
        role: OnlineRole,
        /// What is wrong with it.
        problem: String,
    },
    /// It expires now or earlier.
    #[error("the document expires at {0}, which is not in the future")]
    Expired(Expires),
    /// It lives longer than the policy allows.
    #[error("the document expires at {expires}, later than the {max_seconds} s that are allowed")]
    ExpiresTooLate {
        /// When it expires.
        expires: Expires,
        /// The longest life, in seconds.
        max_seconds: u64,
    },
    /// A version that was signed before, with other content: of the document, or of an entry.
    #[error("{what} {version} was signed before with other content")]
    VersionUsed {
        /// `snapshot`, `timestamp`, or the file name of an entry.
        what: String,
        /// The version.
        version: Version,
    },
    /// An entry that had hashes would lose them, and with them what it is bound to.
    #[error("the entry {0:?} was signed with hashes before and has none")]
    HashesDropped(String),
    /// An entry that is for no targets role.
    #[error("the entry {0:?} is not the file name of a targets role")]
    NotARole(String),
    /// It would go back: the version, or an entry of a snapshot.
    #[error("{what} would go from version {last} to {wanted}")]
    WouldLower {
        /// `snapshot`, `timestamp`, or the file name of an entry.
        what: String,
        /// The version signed last.
        last: Version,
        /// The version in the request.
        wanted: u64,
    },
    /// A version runs too far ahead.
    #[error(
        "{what} would jump from version {last} to {wanted}, by more than {max_step}; where clients \
         have seen that much, an operator says so with `notary-signer memory set` on its host"
    )]
    VersionJump {
        /// `snapshot`, `timestamp`, or the file name of an entry.
        what: String,
        /// The version signed last, 0 if none.
        last: u64,
        /// The version in the request.
        wanted: Version,
        /// How far it may run ahead.
        max_step: u64,
    },
    /// The timestamp names another snapshot than the last one signed.
    #[error("the timestamp does not name the last snapshot that was signed")]
    OtherSnapshot,
}

impl SignRefusal {
    /// The stable word for this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            SignRefusal::WrongDocument { .. } => "wrong_document",
            SignRefusal::Expired(_) => refusal_code::EXPIRED,
            SignRefusal::ExpiresTooLate { .. } => "expires_too_late",
            SignRefusal::VersionUsed { .. } => refusal_code::VERSION_USED,
            SignRefusal::HashesDropped(_) => "hashes_dropped",
            SignRefusal::NotARole(_) => "wrong_document",
            SignRefusal::WouldLower { .. } => refusal_code::WOULD_LOWER,
            SignRefusal::VersionJump { .. } => "version_jump",
            SignRefusal::OtherSnapshot => refusal_code::OTHER_SNAPSHOT,
        }
    }
}

/// Decides whether a signer signs these bytes for a role.
///
/// # Errors
/// The first rule that the document breaks. A refusal changes nothing.
pub fn judge(
    role: OnlineRole,
    signed: &[u8],
    memory: &Memory,
    policy: &SignerPolicy,
    now: DateTime<Utc>,
) -> Result<Judgement, SignRefusal> {
    match role {
        OnlineRole::Snapshot => {
            let document: Snapshot = read_strictly(role, signed)?;
            let last = memory.snapshot.as_ref();
            let next = judge_step(role, &document, signed, last, policy, now)?;
            if let Judgement::Sign(_) = next {
                judge_entries(&document, last.map(Envelope::signed), policy)?;
            }
            Ok(next)
        }
        OnlineRole::Timestamp => {
            let document: Timestamp = read_strictly(role, signed)?;
            let last = memory.timestamp.as_ref();
            let next = judge_step(role, &document, signed, last, policy, now)?;
            if let Judgement::Sign(_) = next {
                let named = memory.snapshot.as_ref();
                let named = named.map(|file| FileMeta::of(file.version(), file.bytes()));
                if named.as_ref() != Some(&document.meta.snapshot) {
                    return Err(SignRefusal::OtherSnapshot);
                }
            }
            Ok(next)
        }
    }
}

/// Reads a document that has no member and no byte beyond those that we would write ourselves.
fn read_strictly<T: Role + Serialize>(role: OnlineRole, signed: &[u8]) -> Result<T, SignRefusal> {
    let refuse = |problem: String| SignRefusal::WrongDocument { role, problem };
    let document: T = json::read(signed).map_err(|error| refuse(error.to_string()))?;
    if document.type_name() != T::TYPE {
        return Err(refuse(format!("its _type is {:?}", document.type_name())));
    }
    let ours = Unsigned::of(&document);
    if ours.message() != signed || ours.signed() != signed {
        return Err(refuse(
            "it has other members or another form than the signer would write".into(),
        ));
    }
    Ok(document)
}

/// The rules that hold for both roles: repeat, life, version.
fn judge_step<T: Role>(
    role: OnlineRole,
    document: &T,
    signed: &[u8],
    last: Option<&Envelope<T>>,
    policy: &SignerPolicy,
    now: DateTime<Utc>,
) -> Result<Judgement, SignRefusal> {
    let version = document.version();
    if let Some(last) = last {
        if last.message() == signed {
            return Ok(Judgement::Repeat(last.bytes().clone()));
        }
        if version == last.version() {
            let what = role.name().to_string();
            return Err(SignRefusal::VersionUsed { what, version });
        }
    }
    let last = last.map(Envelope::version);
    judge_version(role.name().as_str(), last, version, policy)?;
    let expires = document.expires();
    if expires.is_past(now) {
        return Err(SignRefusal::Expired(expires));
    }
    let max_seconds = policy.max_seconds(role);
    if expires > expires_after(now, max_seconds) {
        return Err(SignRefusal::ExpiresTooLate { expires, max_seconds });
    }
    Ok(Judgement::Sign(version))
}

/// Every entry of the last snapshot is there, none lower, none too far ahead, and none with other
/// content under its version; all are for targets roles.
fn judge_entries(
    next: &Snapshot,
    last: Option<&Snapshot>,
    policy: &SignerPolicy,
) -> Result<(), SignRefusal> {
    let none = Listing::default();
    let (last, next) = (last.map_or(&none, |last| &last.meta), &next.meta);
    if let Some((what, last, _)) = last.changes(next).find(|(_, _, next)| next.is_none()) {
        let (what, last) = (what.to_owned(), last.version);
        return Err(SignRefusal::WouldLower { what, last, wanted: 0 });
    }
    let is_targets_role =
        |name: &str| RoleName::of_file(name).is_some_and(|role| role.is_targets_role());
    if let Some(name) = next.keys().find(|name| !is_targets_role(name)) {
        return Err(SignRefusal::NotARole(name.to_owned()));
    }
    for (name, entry, last) in next.changes(last) {
        let last = last.as_ref();
        judge_version(name, last.map(|last| last.version), entry.version, policy)?;
        let Some(last) = last else { continue };
        if entry.version == last.version && entry != *last {
            let (what, version) = (name.to_owned(), entry.version);
            return Err(SignRefusal::VersionUsed { what, version });
        }
        if last.hashes.is_some() && entry.hashes.is_none() {
            return Err(SignRefusal::HashesDropped(name.to_owned()));
        }
    }
    Ok(())
}

fn judge_version(
    what: &str,
    last: Option<Version>,
    wanted: Version,
    policy: &SignerPolicy,
) -> Result<(), SignRefusal> {
    if let Some(last) = last.filter(|last| wanted < *last) {
        return Err(SignRefusal::WouldLower { what: what.into(), last, wanted: wanted.get() });
    }
    let last = last.map_or(0, Version::get);
    if wanted.get() - last > policy.max_step {
        let max_step = policy.max_step;
        return Err(SignRefusal::VersionJump { what: what.into(), last, wanted, max_step });
    }
    Ok(())
}
