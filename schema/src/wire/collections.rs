//! Bodies of notary-server about collections.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::KeyState;
use crate::key::Key;
use crate::name::{Gun, Incarnation, KeyId, RoleName, Version};
use crate::online::{Lifetime, Lifetimes, OwnLifetimes};

/// The answer to a publish.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// Where a collection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum CollectionState {
    /// The name is free: a reservation was dropped.
    Free,
    /// It is served.
    Live,
    /// A tombstone: only its roots are served.
    Deleted,
}

/// The answer to deleting and undeleting.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CollectionLife {
    /// Its name.
    pub gun: Gun,
    /// Where it is now.
    pub state: CollectionState,
    /// Its newest root: its version, and the SHA-256 that a replacement names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<RootPin>,
    /// Since when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<DateTime<Utc>>,
}

/// Names one root file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RootPin {
    /// Its version.
    pub version: Version,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What an administrator decides about a collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CollectionPolicy {
    /// Whether everybody may read it.
    pub public: bool,
    /// How long its metadata lives.
    pub lifetimes: Lifetimes,
    /// Which of the lifetimes are its own, as they were set; the others are the server's.
    pub own_lifetimes: BTreeMap<Lifetime, u64>,
}

/// Changes a policy: what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyChange {
    /// Whether everybody may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public: Option<bool>,
    /// Its own lifetimes in seconds; `null` for the server's again.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub lifetimes: BTreeMap<Lifetime, Option<u64>>,
}

impl PolicyChange {
    /// A collection's own lifetimes after the change.
    pub fn applied_to(&self, mut own: OwnLifetimes) -> OwnLifetimes {
        for (lifetime, seconds) in &self.lifetimes {
            match seconds {
                Some(seconds) => own.insert(*lifetime, *seconds),
                None => own.remove(lifetime),
            };
        }
        own
    }
}

/// What a collection is made of.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CollectionInfo {
    /// Its name.
    pub gun: Gun,
    /// Its life; see [`Incarnation`].
    pub incarnation: Incarnation,
    /// The number of its last commit.
    pub seq: u64,
    /// Its roles: the four top-level ones, then delegated roles in the order of a look-up. Bins of
    /// `bins` are among them only where they are asked for by name.
    pub roles: Vec<RoleInfo>,
    /// The succinct bins of its roles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bins: Vec<BinsInfo>,
    /// The keys that `roles` and `bins` refer to.
    pub keys: BTreeMap<KeyId, Key>,
    /// How long its metadata lives.
    pub lifetimes: Lifetimes,
    /// What was lost when the server's database was set back to an older copy: files that the
    /// snapshot lists. Whoever has one brings it; else a version after it is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<LostFile>,
    /// Whether a root was lost, too, as far as that is known: the signer has signed with a key that no
    /// root names which is here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost_root: bool,
    /// Whether the server has not compared the collection with what the signer remembers since it
    /// started: until then `lost` and `lost_root` may say too little.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_compared: bool,
    /// A release that is accepted and not yet committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<UnfinishedRelease>,
}

/// A file that the snapshot lists and that is not here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LostFile {
    /// The role.
    pub name: RoleName,
    /// The version that is listed.
    pub version: Version,
    /// Its length in bytes, if listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Its SHA-256 in hexadecimal; absent for hash bins, which go on with the next version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A release that is accepted and not yet committed: it is rolled forward by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RoleInfo {
    /// Its name.
    pub name: RoleName,
    /// Its current file; absent while a delegation waits for the first one, and where it is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileInfo>,
    /// Who may sign it; nobody where it has a file and no delegation leads to it any more.
    pub keyids: Vec<KeyId>,
    /// Those of them that are revoked: they sign nothing new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<KeyId>,
    /// How many of them must; 0 where nobody may.
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

/// The succinct bins of one role (TAP 15), told as a whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BinsInfo {
    /// The role whose names they divide.
    pub delegated_by: RoleName,
    /// What their names start with, before a hyphen and their number.
    pub name_prefix: String,
    /// How many bits of a name's SHA-256 choose the bin.
    pub bit_length: u32,
    /// How many there are.
    pub count: u64,
    /// Who may sign them.
    pub keyids: Vec<KeyId>,
    /// Those of them that are revoked: they sign nothing new.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<KeyId>,
    /// How many of them must.
    pub threshold: u32,
    /// When the first of them expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<DateTime<Utc>>,
    /// Whether that was before the answer.
    #[serde(default)]
    pub expired: bool,
}

/// One file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OnlineKey {
    /// Its id.
    pub keyid: KeyId,
    /// The key object, as the root must list it.
    pub key: Key,
    /// Where it is in its life.
    pub state: KeyState,
    /// Its stand-by, which the root lists beside it; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(no_recursion))]
    pub standby: Option<Box<OnlineKey>>,
}

impl OnlineKey {
    /// The key objects that the root must list for the role: that of the key, and that of its
    /// stand-by.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        [Some(&self.key), self.standby.as_ref().map(|standby| &standby.key)].into_iter().flatten()
    }
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
