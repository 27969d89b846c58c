//! The rules of a proposal: a batch that breaks no rule of [`check_unsigned`](super::check_unsigned)
//! and waits for signatures.
//!
//! A signature is judged when it comes, over the canonical form of the file, and it counts towards
//! the thresholds of now: once they are reached, [`check`](super::check) judges the whole again.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::refusal::KEY_REVOKED;
use super::{Batch, Demand, Head, Refusal, demands};
use crate::envelope::{Envelope, MAX_SIGNATURES};
use crate::name::{KeyId, RoleName, Version};
use crate::role::Expires;

/// How long a proposal waits where nothing else is asked for.
const DEFAULT_LIFE: TimeDelta = TimeDelta::days(30);
/// How long before the first of its files expires it lapses: what is published on the last day is
/// good for a day.
const BEFORE_EXPIRY: TimeDelta = TimeDelta::days(1);

/// Why something is no proposal, or a signature none of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProposalRefusal {
    /// Everybody has signed who has to.
    #[error("no signature is missing; publish it instead")]
    NothingMissing,
    /// A date later than the bytes allow.
    #[error(
        "it may wait until {latest}, a day before {role} expires; name no later `lapses_at`, or sign \
         for longer"
    )]
    LapsesTooLate {
        /// The role that expires first.
        role: RoleName,
        /// The latest date.
        latest: DateTime<Utc>,
    },
    /// Nothing is left of the time in which it may wait.
    #[error(
        "{role} expires at {expires}: no time is left to gather signatures, since a proposal lapses \
         a day before; sign for longer"
    )]
    ExpiresTooSoon {
        /// The role.
        role: RoleName,
        /// Its date.
        expires: Expires,
    },
    /// The proposal has no file of the role.
    #[error("the proposal has no file of {0}")]
    NotProposed(RoleName),
    /// Nobody who lists keys for the role lists this one.
    #[error("{keyid} is no key of {role}; sign with one of those that are missing")]
    KeyNotListed {
        /// The role.
        role: RoleName,
        /// The key.
        keyid: KeyId,
    },
    /// A signature that is not one over these bytes.
    #[error(
        "the signature of {keyid} is not one over the bytes of {role}; fetch the proposal and sign \
         them again"
    )]
    BadSignature {
        /// The role.
        role: RoleName,
        /// The key.
        keyid: KeyId,
    },
    /// A key whose signatures count no more.
    #[error("{keyid} is revoked and signs no new {role}; sign with one of those that are missing")]
    KeyRevoked {
        /// The role.
        role: RoleName,
        /// The key.
        keyid: KeyId,
    },
    /// The same key under another id.
    #[error("the public key of {keyid} has signed {role} under another id and counts once")]
    RepeatedKey {
        /// The role.
        role: RoleName,
        /// The key.
        keyid: KeyId,
    },
    /// A key that has signed already.
    #[error("{keyid} has signed {role} already; its signature is kept as it is")]
    SignedAlready {
        /// The role.
        role: RoleName,
        /// The key.
        keyid: KeyId,
    },
    /// More signatures than a file may have.
    #[error("{0} would have more than {MAX_SIGNATURES} signatures")]
    TooManySignatures(RoleName),
}

impl ProposalRefusal {
    /// The stable word for this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            ProposalRefusal::NothingMissing => "nothing_missing",
            ProposalRefusal::LapsesTooLate { .. } => "lapses_too_late",
            ProposalRefusal::ExpiresTooSoon { .. } => "expires_too_soon",
            ProposalRefusal::NotProposed(_) => "not_proposed",
            ProposalRefusal::KeyNotListed { .. } => "key_not_listed",
            ProposalRefusal::BadSignature { .. } => "bad_signature",
            ProposalRefusal::KeyRevoked { .. } => KEY_REVOKED,
            ProposalRefusal::RepeatedKey { .. } => "repeated_key",
            ProposalRefusal::SignedAlready { .. } => "signed_already",
            ProposalRefusal::TooManySignatures(_) => "too_many_signatures",
        }
    }
}

/// Why a batch is no proposal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProposal {
    /// No signature would make it one that may be published.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is not what a proposal is.
    #[error(transparent)]
    Proposal(#[from] ProposalRefusal),
}

/// Judges the signatures of a batch that is right by [`check_unsigned`](super::check_unsigned):
/// each one verifies, some are missing, and all that are missing can be added to its files. Answers
/// what it has to reach.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_proposal(head: &Head, batch: &Batch) -> Result<Vec<Demand>, NoProposal> {
    let demands = demands(Some(head), batch);
    let is_part = |role: &RoleName| batch.parts().any(|(part, ..)| part == *role);
    for demand in demands.iter().filter(|demand| !is_part(&demand.role)) {
        demand.clone().require()?;
    }
    if let Some(root) = batch.root() {
        check_all(&demands, &RoleName::ROOT, root)?;
    }
    for (role, file) in batch.targets_parts() {
        check_all(&demands, role, file)?;
    }
    match is_met(&demands) {
        true => Err(ProposalRefusal::NothingMissing.into()),
        false => Ok(demands),
    }
}

fn check_all<T>(
    demands: &[Demand],
    role: &RoleName,
    file: &Envelope<T>,
) -> Result<(), ProposalRefusal> {
    let mut keyids = file.signatures().iter().map(|signature| &signature.keyid);
    keyids.try_for_each(|keyid| check_signature(demands, role, keyid))
}

/// Whether every threshold is reached.
pub fn is_met(demands: &[Demand]) -> bool {
    demands.iter().all(|demand| demand.report.is_met())
}

/// The roles of a proposal which its signatures claim: no key that may sign what is published has
/// signed the others.
///
/// A role is claimed where such a key has signed its file, or the file of the proposal that delegates
/// to it: who may say who signs a role speaks for it. What the proposal itself says of keys does not
/// count, since whoever makes it chooses those.
pub fn claimed(head: &Head, batch: &Batch) -> BTreeSet<RoleName> {
    let roles: BTreeSet<RoleName> = batch.parts().map(|(role, ..)| role).collect();
    let is_signed = |role: &&RoleName| is_signed(head, batch, role);
    let mut claimed: BTreeSet<RoleName> = roles.iter().filter(is_signed).cloned().collect();
    let demands = demands(Some(head), batch);
    loop {
        let before = claimed.len();
        let below = demands.iter().filter(|demand| claimed.contains(&demand.delegator));
        let below: Vec<RoleName> = below.map(|demand| demand.role.clone()).collect();
        claimed.extend(below.into_iter().filter(|role| roles.contains(role)));
        if claimed.len() == before {
            return claimed;
        }
    }
}

/// Whether a key has signed the file of a role that everybody lists for it who delegates to it in
/// what is published.
fn is_signed(head: &Head, batch: &Batch, role: &RoleName) -> bool {
    let alone = Batch {
        root: batch.root.clone().filter(|_| *role == RoleName::ROOT),
        targets: batch
            .targets
            .get_key_value(role)
            .map(|(role, file)| (role.clone(), file.clone()))
            .into_iter()
            .collect(),
        ..Batch::default()
    };
    let demands = demands(Some(head), &alone);
    let is_of_now = |demand: &&Demand| {
        demand.role == *role && (*role != RoleName::ROOT || demand.version == head.root.version())
    };
    let mut of_now = demands.iter().filter(is_of_now).peekable();
    of_now.peek().is_some() && of_now.all(|demand| !demand.report.valid.is_empty())
}

/// Judges the signature of a key, which is in the file that these thresholds were counted for.
///
/// # Errors
/// [`ProposalRefusal::KeyNotListed`], [`ProposalRefusal::KeyRevoked`],
/// [`ProposalRefusal::BadSignature`], [`ProposalRefusal::RepeatedKey`].
pub fn check_signature(
    demands: &[Demand],
    role: &RoleName,
    keyid: &KeyId,
) -> Result<(), ProposalRefusal> {
    let mut reports = demands.iter().filter(|d| d.role == *role).map(|d| &d.report).peekable();
    let (role, keyid) = (role.clone(), keyid.clone());
    if reports.peek().is_none() {
        return Err(ProposalRefusal::KeyNotListed { role, keyid });
    }
    let (mut is_unknown, mut is_missing, mut is_revoked) = (true, false, false);
    for report in reports {
        if report.valid.contains(&keyid) {
            return Ok(());
        }
        is_unknown &= report.unknown.contains(&keyid);
        is_missing |= report.missing.contains(&keyid);
        is_revoked |= report.revoked.contains(&keyid);
    }
    Err(match (is_unknown, is_revoked, is_missing) {
        (true, ..) => ProposalRefusal::KeyNotListed { role, keyid },
        (_, true, _) => ProposalRefusal::KeyRevoked { role, keyid },
        (.., true) => ProposalRefusal::BadSignature { role, keyid },
        // Neither counted nor missing: its public key was counted before, under another id.
        _ => ProposalRefusal::RepeatedKey { role, keyid },
    })
}

/// When a proposal lapses: as wanted, else after 30 days, at the latest a day before the first of
/// its files expires.
///
/// # Errors
/// [`ProposalRefusal::ExpiresTooSoon`], [`ProposalRefusal::LapsesTooLate`].
pub fn lapse(
    batch: &Batch,
    wanted: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, ProposalRefusal> {
    let root = batch.root().map(|root| (root.expires(), RoleName::ROOT));
    let targets = batch.targets_parts().map(|(role, file)| (file.expires(), role.clone()));
    let Some((expires, role)) = root.into_iter().chain(targets).min() else {
        return Ok(wanted.unwrap_or(now + DEFAULT_LIFE));
    };
    let latest = expires.time() - BEFORE_EXPIRY;
    match wanted {
        _ if latest <= now => Err(ProposalRefusal::ExpiresTooSoon { role, expires }),
        Some(wanted) if wanted > latest => Err(ProposalRefusal::LapsesTooLate { role, latest }),
        Some(wanted) => Ok(wanted),
        None => Ok(latest.min(now + DEFAULT_LIFE)),
    }
}

/// Whether the version of a role is no longer the next one of its collection: whatever is signed of
/// it, it is not published any more.
pub fn is_overtaken(current: Option<Version>, proposed: Version) -> bool {
    let next = current.map_or(Ok(Version::FIRST), Version::next);
    next.ok() != Some(proposed)
}
