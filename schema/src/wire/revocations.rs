//! Bodies of notary-server about revocations: keys that sign nothing new in a collection.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::name::{KeyId, RoleName};

/// A public key that is revoked in one collection, under whatever ids it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Revocation {
    /// The id of the key object with which it was revoked: the SHA-256 of it.
    pub keyid: KeyId,
    /// The key object.
    pub key: Key,
    /// Why, in words.
    pub reason: String,
    /// Since when.
    pub at: DateTime<Utc>,
    /// The id of the token with which it was revoked.
    pub by: String,
    /// The roles whose current files still name the key for a role: root, targets, or delegated ones.
    /// What is stored stays good to clients until the next versions of these leave it out.
    #[serde(default)]
    pub listed_in: Vec<RoleName>,
    /// What clients depend on until somebody acts, and which command does: an online key signs on
    /// until a root leaves it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Revokes a key. One that the collection lists or has listed may be named by its id alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRevocation {
    /// The id of the key; with `key`, the SHA-256 of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keyid: Option<KeyId>,
    /// The key object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Why, on one line of 1 to 500 characters, for everybody who may read the collection.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 500))]
    pub reason: String,
}
