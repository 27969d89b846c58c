//! The signed part of each metadata file (TUF 4.3–4.6): what is read, and which shape is refused
//! while reading.
//!
//! Unknown members are ignored here and survive in the bytes that the [`crate::envelope::Envelope`]
//! keeps; what is edited is edited in a [`crate::draft::Draft`]. Stricter rules, for what may be
//! *published*, stand in [`crate::publish`].

mod bins;
mod delegation;
mod delegations;
mod file;
mod header;
mod listing;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::key::Key;
use crate::name::{KeyId, RoleName, Version};
use crate::path::Candidate;
pub use bins::{Bins, SuccinctRoles};
pub use delegation::{Authority, DelegatedRole, RoleKeys};
pub use delegations::Delegations;
pub use file::{FileMeta, Hashes, TargetFile};
pub use header::{Expires, SPEC_VERSION, SpecVersion};
pub use listing::{Listed, Listing, MAX_DESCRIPTION_BYTES};

/// The signed part of one kind of metadata file.
pub trait Role: DeserializeOwned + fmt::Debug {
    /// The value of `_type`.
    const TYPE: &'static str;
    /// The value of `_type` that the file has.
    fn type_name(&self) -> &str;
    /// The version of the file.
    fn version(&self) -> Version;
    /// When the file expires.
    fn expires(&self) -> Expires;
}

macro_rules! role {
    ($role:ident, $name:literal) => {
        impl Role for $role {
            const TYPE: &'static str = $name;
            fn type_name(&self) -> &str {
                &self.type_name
            }
            fn version(&self) -> Version {
                self.version
            }
            fn expires(&self) -> Expires {
                self.expires
            }
        }
    };
}

/// root (TUF 4.3).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Root {
    #[serde(rename = "_type")]
    pub(crate) type_name: String,
    /// The specification of the file.
    pub spec_version: SpecVersion,
    /// Its version.
    pub version: Version,
    /// When it expires.
    pub expires: Expires,
    /// Whether file names carry versions and hashes.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub consistent_snapshot: Option<bool>,
    /// The keys of the top-level roles.
    pub keys: BTreeMap<KeyId, Key>,
    /// Who may sign the top-level roles.
    pub roles: TopLevelRoles,
}
role!(Root, "root");

/// Who may sign each top-level role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopLevelRoles {
    /// root itself.
    pub root: RoleKeys,
    /// snapshot.
    pub snapshot: RoleKeys,
    /// targets.
    pub targets: RoleKeys,
    /// timestamp.
    pub timestamp: RoleKeys,
}

impl TopLevelRoles {
    /// Those of all four.
    pub fn all(&self) -> [&RoleKeys; 4] {
        [&self.root, &self.snapshot, &self.targets, &self.timestamp]
    }
}

impl Root {
    /// A new root of ours, with `consistent_snapshot`.
    pub fn new(
        version: Version,
        expires: Expires,
        keys: BTreeMap<KeyId, Key>,
        roles: TopLevelRoles,
    ) -> Root {
        let (type_name, spec_version) = (Root::TYPE.to_owned(), SpecVersion::default());
        let consistent_snapshot = Some(true);
        Root { type_name, spec_version, version, expires, consistent_snapshot, keys, roles }
    }

    /// The keys and threshold of a top-level role; `None` for any other.
    pub fn role_keys(&self, role: &RoleName) -> Option<&RoleKeys> {
        match role.as_str() {
            "root" => Some(&self.roles.root),
            "snapshot" => Some(&self.roles.snapshot),
            "targets" => Some(&self.roles.targets),
            "timestamp" => Some(&self.roles.timestamp),
            _ => None,
        }
    }

    /// Whose signatures count for a top-level role; `None` for any other.
    pub fn authority(&self, role: &RoleName) -> Option<Authority<'_>> {
        self.role_keys(role).map(|role| Authority { keys: &self.keys, role })
    }
}

/// targets, or a delegated role (TUF 4.5).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Targets {
    #[serde(rename = "_type")]
    pub(crate) type_name: String,
    /// The specification of the file.
    pub spec_version: SpecVersion,
    /// Its version.
    pub version: Version,
    /// When it expires.
    pub expires: Expires,
    /// What this role vouches for itself, by name.
    pub targets: Listing<TargetFile>,
    /// Whom it trusts with further names.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Delegations>,
}
role!(Targets, "targets");

/// Reads a member that may be missing. Where it is there it is a value: `null` is none of an object, a
/// number or a list, and clients that write metadata anew to verify it drop it.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Targets {
    /// A new file without targets and delegations.
    pub fn empty(version: Version, expires: Expires) -> Targets {
        Targets {
            type_name: Targets::TYPE.to_owned(),
            spec_version: SpecVersion::default(),
            version,
            expires,
            targets: Listing::default(),
            delegations: None,
        }
    }

    /// Whether this role delegates to any.
    pub fn delegates(&self) -> bool {
        self.delegations.as_ref().is_some_and(|delegations| delegations.count() > 0)
    }

    /// The delegation to a role, if this role has one.
    pub fn delegation(&self, role: &RoleName) -> Option<Cow<'_, DelegatedRole>> {
        self.delegations.as_ref()?.delegation(role)
    }

    /// The delegations that cover a target name, in the order of their priority.
    pub fn covering(&self, candidate: &Candidate<'_>) -> Vec<Cow<'_, DelegatedRole>> {
        self.delegations.as_ref().map_or_else(Vec::new, |all| all.covering(candidate))
    }

    /// Whose signatures count for a role that this one delegates to.
    pub fn authority(&self, role: &RoleName) -> Option<Authority<'_>> {
        self.delegations.as_ref()?.authority(role)
    }
}

/// snapshot (TUF 4.4).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    #[serde(rename = "_type")]
    pub(crate) type_name: String,
    /// The specification of the file.
    pub spec_version: SpecVersion,
    /// Its version.
    pub version: Version,
    /// When it expires.
    pub expires: Expires,
    /// The current file of every targets role, by file name (`targets.json`).
    pub meta: Listing<FileMeta>,
}
role!(Snapshot, "snapshot");

impl Snapshot {
    /// What the snapshot says of the file of a role.
    pub fn entry(&self, role: &RoleName) -> Option<FileMeta> {
        self.meta.get(&role.file_name())
    }
}

/// timestamp (TUF 4.6).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timestamp {
    #[serde(rename = "_type")]
    pub(crate) type_name: String,
    /// The specification of the file.
    pub spec_version: SpecVersion,
    /// Its version.
    pub version: Version,
    /// When it expires.
    pub expires: Expires,
    /// The current snapshot.
    pub meta: TimestampMeta,
}
role!(Timestamp, "timestamp");

/// The one entry of a timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimestampMeta {
    /// The current snapshot.
    #[serde(rename = "snapshot.json")]
    pub snapshot: FileMeta,
}
