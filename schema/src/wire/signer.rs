//! Bodies of notary-signer.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::key::Key;
use crate::name::{Gun, Incarnation, KeyId, Version};
use crate::online::{OnlineRole, SignerPolicy};

/// Where an online key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Made, has signed nothing yet.
    Pending,
    /// Has signed.
    Active,
    /// A newer key has signed since, or was wanted in its place; may still sign during the overlap.
    Retiring,
    /// Signs nothing any more.
    Retired,
}

/// Asks for the key of an online role.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct KeyRequest {
    /// The collection.
    pub collection: Gun,
    /// Its life.
    pub incarnation: Incarnation,
    /// The role.
    pub role: OnlineRole,
    /// Whether a new key is wanted: answers the one pending key, making it if there is none.
    #[serde(default)]
    pub rotate: bool,
    /// Pending keys that are not wanted, since they are revoked: another one is made, and they
    /// are retiring from then on; so is the other one of a key and its stand-by. Left out where there
    /// are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<KeyId>,
}

/// A key that the signer holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignerKey {
    /// Its id.
    pub keyid: KeyId,
    /// The key object.
    pub key: Key,
    /// The collection it signs for.
    pub collection: Gun,
    /// The life of that collection.
    pub incarnation: Incarnation,
    /// The role it signs.
    pub role: OnlineRole,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The key that it stands by for: a root names both, and one of them signs. Absent for a key that
    /// is no stand-by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby_for: Option<KeyId>,
    /// Its stand-by, in the answer to who asks for a key of a role. Absent where there is none, and in
    /// lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub standby: Option<Box<SignerKey>>,
}

impl SignerKey {
    /// The key, and its stand-by where that was answered with it.
    pub fn with_standby(self) -> Vec<SignerKey> {
        let mut key = self;
        let standby = key.standby.take();
        [Some(key), standby.map(|standby| *standby)].into_iter().flatten().collect()
    }
}

/// Asks for the complete signed file of an online role. The answer is that file; `Repr-Digest`
/// (RFC 9530) and `Content-Length` carry its SHA-256 and length.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The collection.
    pub collection: Gun,
    /// Its life.
    pub incarnation: Incarnation,
    /// The role.
    pub role: OnlineRole,
    /// The keys that shall sign: 1 to [`crate::online::MAX_SIGN_KEYS`]. Of a key and its stand-by one
    /// signs.
    #[cfg_attr(feature = "openapi", schema(min_items = 1, max_items = 8))]
    pub keyids: Vec<KeyId>,
    /// The document, canonical.
    #[cfg_attr(feature = "openapi", schema(value_type = Object))]
    pub signed: Box<RawValue>,
}

/// What the signer signed last for one collection.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignerMemory {
    /// The last snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<RememberedFile>,
    /// The last timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<RememberedFile>,
}

/// A file that the signer answered, or that its operator has set in the place of one: that may have
/// no signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RememberedFile {
    /// Its version.
    pub version: Version,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// The file itself.
    pub file: String,
}

/// What the signer allows at most; the server refuses to start with longer lifetimes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignerLimits {
    /// The longest life of a snapshot, in seconds.
    pub snapshot_max_seconds: u64,
    /// The longest life of a timestamp, in seconds.
    pub timestamp_max_seconds: u64,
    /// How far a version may run ahead of the last one signed.
    pub max_step: u64,
}

impl From<&SignerLimits> for SignerPolicy {
    fn from(limits: &SignerLimits) -> SignerPolicy {
        let SignerLimits { snapshot_max_seconds, timestamp_max_seconds, max_step } = *limits;
        SignerPolicy { max_step, snapshot_max_seconds, timestamp_max_seconds }
    }
}
