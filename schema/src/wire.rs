//! The bodies that the programs exchange: plain serde types, no rules.
//!
//! Metadata files travel as the bytes they are, never inside these types, with two exceptions: what
//! the signer is asked to sign ([`SignRequest::signed`], raw JSON) and what it remembers
//! ([`RememberedFile::file`], text).

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::key::Key;
use crate::name::{Gun, Incarnation, KeyId, RoleName, Version};
use crate::online::{Lifetimes, OnlineRole};

/// The media type of [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error of the server or the signer (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs: `version_conflict`.
    pub code: String,
    /// The status in words.
    pub title: String,
    /// What is wrong, with the input named, and what to do next.
    pub detail: String,
    /// Finds the request in the log.
    pub request_id: String,
    /// Members of single codes, as each code's documentation lists them.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page starts: the `after` of the next request; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

// ---- notary-server

/// The answer to a publish.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishAnswer {
    /// Each part, in the order of the request.
    pub roles: Vec<PublishedRole>,
    /// The version of the snapshot that lists them.
    pub snapshot: Version,
    /// The version of the timestamp that names this snapshot.
    pub timestamp: Version,
    /// The number of the commit in the changefeed.
    pub seq: u64,
    /// Roles of the collection whose metadata is expired.
    #[serde(default)]
    pub expired: Vec<RoleName>,
    /// What clients in the field would trip over.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// One part of a publish.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PublishedRole {
    /// The role.
    pub name: RoleName,
    /// The version of the file.
    pub version: Version,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: String,
    /// False when the server had exactly this file before.
    pub published: bool,
}

/// One collection of the list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CollectionSummary {
    /// Its name.
    pub gun: Gun,
    /// The version of its root.
    pub root: Version,
    /// The version of its snapshot.
    pub snapshot: Version,
    /// The version of its timestamp.
    pub timestamp: Version,
    /// When its metadata last changed (a refresh of the timestamp is no change).
    pub changed_at: DateTime<Utc>,
}

/// What a collection is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CollectionInfo {
    /// Its name.
    pub gun: Gun,
    /// Its life; see [`Incarnation`].
    pub incarnation: Incarnation,
    /// The number of its last commit.
    pub seq: u64,
    /// Its roles: the four top-level ones, then delegated roles in the order of a look-up.
    pub roles: Vec<RoleInfo>,
    /// The keys that `roles` refer to.
    pub keys: BTreeMap<KeyId, Key>,
    /// How long its metadata lives.
    pub lifetimes: Lifetimes,
    /// A release that is accepted and not yet committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<UnfinishedRelease>,
}

/// A release that is accepted and not yet committed: it is rolled forward by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnfinishedRelease {
    /// Since when.
    pub prepared_at: DateTime<Utc>,
    /// What the signer has against it; absent when it only was not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it is tried again, where the signer refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<DateTime<Utc>>,
}

/// One role of a collection.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RoleInfo {
    /// Its name.
    pub name: RoleName,
    /// Its current file; absent while a delegation waits for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileInfo>,
    /// Who may sign it.
    pub keyids: Vec<KeyId>,
    /// How many of them must.
    pub threshold: u32,
    /// Who delegates to it; absent for top-level roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<RoleName>,
    /// The path patterns of its delegation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paths: Option<Vec<String>>,
    /// The hash prefixes of its delegation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_hash_prefixes: Option<Vec<String>>,
    /// Whether a look-up that matches its paths ends here.
    #[serde(default)]
    pub terminating: bool,
}

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FileInfo {
    /// Its version.
    pub version: Version,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// When it expires.
    pub expires: DateTime<Utc>,
    /// Whether that was before the answer.
    pub expired: bool,
}

/// The public key of an online role, for the next root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OnlineKey {
    /// Its id.
    pub keyid: KeyId,
    /// The key object, as the root must list it.
    pub key: Key,
    /// Where it is in its life.
    pub state: KeyState,
}

/// A team asks for a delegation: a file that it hands to whoever delegates.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelegationRequest {
    /// The collection.
    pub collection: Gun,
    /// The role that the team asks for.
    pub role: RoleName,
    /// The team's public keys.
    pub keys: Vec<Key>,
    /// The role's first file, byte for byte, signed by each of the keys: who made the request holds
    /// them, and the role can be published together with its delegation.
    pub file: String,
}

// ---- notary-signer

/// Codes of the signer's refusals on which the server acts: it plans anew instead of giving up.
pub mod refusal_code {
    /// The document expires by now.
    pub const EXPIRED: &str = "expired";
    /// The version was signed with another content.
    pub const VERSION_USED: &str = "version_used";
    /// The snapshot lists less than the last one signed.
    pub const WOULD_LOWER: &str = "would_lower";
    /// The timestamp names another snapshot than the last one signed.
    pub const OTHER_SNAPSHOT: &str = "other_snapshot";
    /// The signer has no such key for this role.
    pub const UNKNOWN_KEY: &str = "unknown_key";
    /// The key signs nothing any more.
    pub const RETIRED_KEY: &str = "retired_key";
}

/// Where an online key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Made, has signed nothing yet.
    Pending,
    /// Has signed.
    Active,
    /// A newer key has signed since; may still sign during the overlap.
    Retiring,
    /// Signs nothing any more.
    Retired,
}

/// Asks for the key of an online role.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
}

/// A key that the signer holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
}

/// Asks for the complete signed file of an online role. The answer is that file; `Repr-Digest`
/// (RFC 9530) and `Content-Length` carry its SHA-256 and length.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignRequest {
    /// The collection.
    pub collection: Gun,
    /// Its life.
    pub incarnation: Incarnation,
    /// The role.
    pub role: OnlineRole,
    /// The keys that shall sign: 1 to [`crate::online::MAX_SIGN_KEYS`].
    pub keyids: Vec<KeyId>,
    /// The document, canonical.
    pub signed: Box<RawValue>,
}

/// What the signer signed last for one collection.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SignerMemory {
    /// The last snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<RememberedFile>,
    /// The last timestamp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<RememberedFile>,
}

/// A file that the signer answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
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
pub struct SignerLimits {
    /// The longest life of a snapshot, in seconds.
    pub snapshot_max_seconds: u64,
    /// The longest life of a timestamp, in seconds.
    pub timestamp_max_seconds: u64,
    /// How far a version may run ahead of the last one signed.
    pub max_step: u64,
}
