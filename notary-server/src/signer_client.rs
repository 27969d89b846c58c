//! The signer: what it is asked, and which of its answers are believed.
//!
//! [`sign`] is step 8 of a publish: it turns a [`Prepared`] release into a [`Release`], the only
//! thing that can be committed. Every answer is verified against the root that clients will use, so
//! a broken or foreign signer can stop a publish and never spoil a collection.

mod http;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, Incarnation, KeyId};
use notary_schema::online::{AnswerError, HeldKeys, OnlineRole, PlannedSnapshot, accept_answer};
use notary_schema::role::{Role, Root, Snapshot, Timestamp};
use notary_schema::wire::{KeyRequest, SignRequest, SignerKey, SignerLimits, SignerMemory};
use serde_json::value::RawValue;

use crate::StopPoint;
use crate::store::Prepared;
pub use http::HttpSigner;

/// What a request without keys would be refused with; it is not sent.
pub(crate) const NO_KEY: &str = "no_key";

/// Why the signer did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// It says that nothing was signed or recorded, and why.
    #[error("the signer refuses: {reason} ({code})")]
    Refused {
        /// A stable word.
        code: String,
        /// A sentence.
        reason: String,
    },
    /// Whether it signed is unknown.
    #[error("{trouble}: {reason}")]
    Unknown {
        /// What is wrong with the signer, or with the way to it.
        trouble: Trouble,
        /// What was seen of it.
        reason: String,
    },
}

impl SignerError {
    /// Whether it signed is unknown, for this reason.
    pub fn unknown(trouble: Trouble, reason: impl Into<String>) -> SignerError {
        SignerError::Unknown { trouble, reason: reason.into() }
    }
}

/// Why a signer did not answer what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection, or one that broke off.
    #[error("the signer is not reached")]
    Unreachable,
    /// It did not answer within the time that it has.
    #[error("the signer does not answer in time")]
    TimedOut,
    /// It and this server do not accept each other's certificates.
    #[error("the signer and this server do not accept each other's certificates")]
    Certificate,
    /// It says itself that it failed.
    #[error("the signer failed")]
    Failed,
    /// Something else than a signer's answer came.
    #[error("the signer answers something else")]
    WrongAnswer,
}

impl Trouble {
    /// The stable word for it.
    pub fn code(self) -> &'static str {
        match self {
            Trouble::Unreachable => "signer_unreachable",
            Trouble::TimedOut => "signer_timeout",
            Trouble::Certificate => "signer_certificate",
            Trouble::Failed => "signer_failed",
            Trouble::WrongAnswer => "signer_wrong_answer",
        }
    }
}

/// The holder of the online keys.
///
/// Promises: what [`Signer::sign`] answers was recorded before it left, so the same request is
/// answered with the same file again; nothing is retried inside; safe to use from many tasks.
#[async_trait]
pub trait Signer: Send + Sync {
    /// What it allows at most.
    async fn limits(&self) -> Result<SignerLimits, SignerError>;

    /// The key of an online role with its stand-by, made if there is none.
    async fn key(&self, request: &KeyRequest) -> Result<SignerKey, SignerError>;

    /// All keys of a life of a collection, whatever their state.
    async fn keys(
        &self,
        collection: &Gun,
        incarnation: &Incarnation,
    ) -> Result<Vec<SignerKey>, SignerError>;

    /// What it signed last for a life of a collection.
    async fn memory(
        &self,
        collection: &Gun,
        incarnation: &Incarnation,
    ) -> Result<SignerMemory, SignerError>;

    /// The complete signed file of a document.
    async fn sign(&self, request: &SignRequest) -> Result<Bytes, SignerError>;
}

/// A prepared release with its signed snapshot and timestamp. Only [`sign`] makes one.
#[derive(Debug)]
pub struct Release {
    prepared: Prepared,
    snapshot: Option<Arc<Envelope<Snapshot>>>,
    timestamp: Arc<Envelope<Timestamp>>,
}

impl Release {
    /// The release as it stands in its slot.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The new snapshot, unless only the timestamp is refreshed.
    pub fn snapshot(&self) -> Option<&Arc<Envelope<Snapshot>>> {
        self.snapshot.as_ref()
    }

    /// The new timestamp.
    pub fn timestamp(&self) -> &Arc<Envelope<Timestamp>> {
        &self.timestamp
    }
}

/// Why a prepared release is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignFailure {
    /// The signer's answer to a request, or its absence.
    #[error("{error}")]
    Signer {
        /// Which request it was.
        role: OnlineRole,
        /// The answer.
        error: SignerError,
    },
    /// It answered a file that clients would not accept.
    #[error("{0}")]
    Unverified(#[from] AnswerError),
}

/// Who has to sign, and who can.
#[derive(Debug, Clone, Copy)]
pub struct SignedBy<'a> {
    /// The root that clients will have.
    pub root: &'a Root,
    /// The keys of the signer, as far as the server knows.
    pub held: &'a HeldKeys,
}

/// Has the snapshot signed, then the timestamp that names it.
///
/// `by` has the root that clients will have; `current` is the snapshot that is served now, which a
/// refresh of the timestamp alone names again. A repeat sends the same bytes and gets the same
/// files.
///
/// # Errors
/// The first answer that is not a verified file. What the signer recorded until then stays
/// recorded.
pub async fn sign(
    signer: &dyn Signer,
    prepared: Prepared,
    by: SignedBy<'_>,
    current: Option<&Arc<Envelope<Snapshot>>>,
    stop: &(dyn Fn(StopPoint) + Send + Sync),
) -> Result<Release, SignFailure> {
    let plan = prepared.plan();
    // Before the first request: what only one of both roles can be signed for would be signed again
    // and again, each time under a higher version.
    if let Some(planned) = &plan.snapshot {
        require_reachable(OnlineRole::Snapshot, &planned.keyids, by)?;
    }
    require_reachable(OnlineRole::Timestamp, &plan.timestamp.keyids, by)?;
    let root = by.root;
    let snapshot = match &plan.snapshot {
        Some(PlannedSnapshot { signed, keyids, .. }) => {
            let role = OnlineRole::Snapshot;
            let file = request(signer, &prepared, role, keyids, signed, root).await?;
            stop(StopPoint::SnapshotSigned);
            Some(Arc::new(file))
        }
        None => None,
    };
    let named = snapshot.as_ref().or(current).expect("a first release has a snapshot");
    let document = plan.timestamp.document(named);
    let (role, keyids) = (OnlineRole::Timestamp, &plan.timestamp.keyids);
    let timestamp = request(signer, &prepared, role, keyids, document.message(), root).await?;
    stop(StopPoint::TimestampSigned);
    Ok(Release { prepared, snapshot, timestamp: Arc::new(timestamp) })
}

/// Refuses keys whose signatures do not reach the threshold of the root.
fn require_reachable(
    role: OnlineRole,
    keyids: &[KeyId],
    by: SignedBy<'_>,
) -> Result<(), SignFailure> {
    let held = by.held.reachable_by(keyids, by.root, role);
    let threshold = role.listed_by(by.root).threshold.get();
    if held >= threshold as usize {
        return Ok(());
    }
    let reason = format!(
        "the signer signs with {held} of the keys that the root lists for {} (of a key and its stand-by \
         with one), fewer than its threshold of {threshold}",
        role.name()
    );
    let error = SignerError::Refused { code: NO_KEY.into(), reason };
    Err(SignFailure::Signer { role, error })
}

async fn request<T: Role>(
    signer: &dyn Signer,
    prepared: &Prepared,
    role: OnlineRole,
    keyids: &[KeyId],
    signed: &[u8],
    root: &Root,
) -> Result<Envelope<T>, SignFailure> {
    let collection = prepared.collection();
    let text = String::from_utf8(signed.to_vec()).expect("a document is UTF-8");
    let request = SignRequest {
        collection: collection.gun.clone(),
        incarnation: collection.incarnation.clone(),
        role,
        keyids: keyids.to_vec(),
        signed: RawValue::from_string(text).expect("what we plan is JSON"),
    };
    let answer = signer.sign(&request).await;
    let file = answer.map_err(|error| SignFailure::Signer { role, error })?;
    Ok(accept_answer(Arc::<[u8]>::from(&file[..]), signed, role, root)?)
}
