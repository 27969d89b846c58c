//! The signed part of each metadata file (TUF 4.3–4.6): what is read, and which shape is refused
//! while reading.
//!
//! Unknown members are ignored here and survive in the bytes that the [`crate::envelope::Envelope`]
//! keeps; what is edited is edited in a [`crate::draft::Draft`]. Stricter rules, for what may be
//! *published*, stand in [`crate::publish`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Timelike, Utc};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::key::{Key, sha256_hex};
use crate::name::{KeyId, RoleName, Version};
use crate::path::{Candidate, PathPattern, PathSet};

/// The specification that we write.
pub const SPEC_VERSION: &str = "1.0.34";

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

/// A point in time as metadata spells it: `2030-01-31T12:00:00Z`, nothing more and nothing less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expires(DateTime<Utc>);

impl Expires {
    /// The point in time without its fraction of a second.
    pub fn at(time: DateTime<Utc>) -> Expires {
        Expires(time.trunc_subsecs(0))
    }

    /// The point in time.
    pub fn time(self) -> DateTime<Utc> {
        self.0
    }

    /// Whether metadata with this date is expired at `now`: it must be *later* than now.
    pub fn is_past(self, now: DateTime<Utc>) -> bool {
        self.0 <= now
    }
}

impl TryFrom<String> for Expires {
    type Error = String;
    fn try_from(text: String) -> Result<Expires, String> {
        let refuse = || format!("{text:?} is not a date like 2030-01-31T12:00:00Z");
        if text.len() != "2030-01-31T12:00:00Z".len() {
            return Err(refuse());
        }
        let time =
            NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%SZ").map_err(|_| refuse())?;
        let expires = Expires(time.and_utc());
        // chrono keeps a second 60 as a fraction of a second; other clients refuse it.
        let is_leap_second = time.nanosecond() != 0;
        if is_leap_second || expires.to_string() != text { Err(refuse()) } else { Ok(expires) }
    }
}

impl From<Expires> for String {
    fn from(expires: Expires) -> String {
        expires.to_string()
    }
}

impl fmt::Display for Expires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format("%Y-%m-%dT%H:%M:%SZ").fmt(f)
    }
}

/// The specification that a file follows; only 1.x is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpecVersion(String);

impl Default for SpecVersion {
    fn default() -> SpecVersion {
        SpecVersion(SPEC_VERSION.to_owned())
    }
}

impl TryFrom<String> for SpecVersion {
    type Error = String;
    fn try_from(text: String) -> Result<SpecVersion, String> {
        let numbers: Vec<&str> = text.split('.').collect();
        let plain =
            |n: &&str| !n.is_empty() && n.len() < 10 && n.bytes().all(|b| b.is_ascii_digit());
        if !matches!(numbers.len(), 2 | 3) || !numbers.iter().all(plain) {
            return Err(format!("spec_version {text:?} is not like 1.0.34"));
        }
        if numbers[0] != "1" {
            return Err(format!(
                "spec_version {text:?} is not 1.x, which is all that is read here"
            ));
        }
        Ok(SpecVersion(text))
    }
}

impl From<SpecVersion> for String {
    fn from(version: SpecVersion) -> String {
        version.0
    }
}

/// Who may sign a role, and how many of them must.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RoleKeysFields")]
pub struct RoleKeys {
    /// Ids of keys in the `keys` beside it; none twice.
    pub keyids: Vec<KeyId>,
    /// How many distinct keys must sign.
    pub threshold: NonZeroU32,
}

#[derive(Deserialize)]
struct RoleKeysFields {
    keyids: Vec<KeyId>,
    threshold: u32,
}

impl RoleKeys {
    /// Puts together the keys of a role.
    pub fn new(keyids: Vec<KeyId>, threshold: u32) -> Result<RoleKeys, String> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = keyids.iter().find(|id| !seen.insert(*id)) {
            return Err(format!("the key id {twice} is listed twice for one role"));
        }
        let threshold = NonZeroU32::new(threshold).ok_or("a threshold of 0 signs nothing")?;
        Ok(RoleKeys { keyids, threshold })
    }
}

impl TryFrom<RoleKeysFields> for RoleKeys {
    type Error = String;
    fn try_from(fields: RoleKeysFields) -> Result<RoleKeys, String> {
        RoleKeys::new(fields.keyids, fields.threshold)
    }
}

/// Who must have signed a file: the answer of a root or of a delegation to "whose signatures count
/// for this role?". [`crate::threshold`] takes it.
#[derive(Debug, Clone, Copy)]
pub struct Authority<'a> {
    /// The key objects that the delegator lists.
    pub keys: &'a BTreeMap<KeyId, Key>,
    /// The ids and the threshold of the role.
    pub role: &'a RoleKeys,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
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
    pub targets: BTreeMap<String, TargetFile>,
    /// Whom it trusts with further names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegations: Option<Delegations>,
}
role!(Targets, "targets");

impl Targets {
    /// A new file without targets and delegations.
    pub fn empty(version: Version, expires: Expires) -> Targets {
        Targets {
            type_name: Targets::TYPE.to_owned(),
            spec_version: SpecVersion::default(),
            version,
            expires,
            targets: BTreeMap::new(),
            delegations: None,
        }
    }

    /// The delegations of this role in their order, which is their priority.
    pub fn delegated_roles(&self) -> &[DelegatedRole] {
        self.delegations.as_ref().map_or(&[], |delegations| &delegations.roles)
    }

    /// The delegation to a role, if this role has one.
    pub fn delegation(&self, role: &RoleName) -> Option<&DelegatedRole> {
        self.delegated_roles().iter().find(|delegated| delegated.name == *role)
    }

    /// Whose signatures count for a role that this one delegates to.
    pub fn authority(&self, role: &RoleName) -> Option<Authority<'_>> {
        let delegations = self.delegations.as_ref()?;
        let delegated = self.delegation(role)?;
        Some(Authority { keys: &delegations.keys, role: &delegated.signers })
    }
}

/// What is known of one target file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetFile {
    /// Its length in bytes.
    pub length: u64,
    /// Its hashes.
    pub hashes: Hashes,
    /// What the publisher says of it; opaque.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub custom: Option<Value>,
}

/// Keeps `null` apart from an absent member.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Hashes of a file in hexadecimal by algorithm; at least one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<String, String>")]
pub struct Hashes(BTreeMap<String, String>);

impl Hashes {
    /// The SHA-256 of a file, given in lower-case hexadecimal.
    pub fn sha256_of(hex: String) -> Hashes {
        Hashes(BTreeMap::from([("sha256".to_owned(), hex)]))
    }

    /// The SHA-256 in hexadecimal, if listed.
    pub fn sha256(&self) -> Option<&str> {
        self.0.get("sha256").map(String::as_str)
    }

    /// The SHA-512 in hexadecimal, if listed.
    pub fn sha512(&self) -> Option<&str> {
        self.0.get("sha512").map(String::as_str)
    }

    /// Whether a file with these digests is the one: every listed hash that we know agrees, and
    /// there is one.
    pub fn agree_with(&self, sha256: &str, sha512: &str) -> bool {
        let listed = [(self.sha256(), sha256), (self.sha512(), sha512)];
        let mut known = listed.iter().filter_map(|(hash, found)| Some((hash.as_ref()?, found)));
        known.clone().next().is_some() && known.all(|(hash, found)| hash == found)
    }
}

impl TryFrom<BTreeMap<String, String>> for Hashes {
    type Error = &'static str;
    fn try_from(hashes: BTreeMap<String, String>) -> Result<Hashes, &'static str> {
        if hashes.is_empty() { Err("\"hashes\" is empty") } else { Ok(Hashes(hashes)) }
    }
}

/// The delegations of a role: keys, and roles in their order, which is their priority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DelegationsFields")]
pub struct Delegations {
    /// The keys of the delegated roles.
    pub keys: BTreeMap<KeyId, Key>,
    /// The delegated roles; no name twice.
    pub roles: Vec<DelegatedRole>,
}

#[derive(Deserialize)]
struct DelegationsFields {
    keys: BTreeMap<KeyId, Key>,
    #[serde(default)]
    roles: Option<Vec<DelegatedRole>>,
    #[serde(default)]
    succinct_roles: Option<IgnoredAny>,
}

impl TryFrom<DelegationsFields> for Delegations {
    type Error = String;
    fn try_from(fields: DelegationsFields) -> Result<Delegations, String> {
        if fields.succinct_roles.is_some() {
            return Err("delegations with \"succinct_roles\" (TAP 15) are not read yet".into());
        }
        let roles = fields.roles.ok_or("delegations without \"roles\"")?;
        let mut seen = BTreeSet::new();
        for role in &roles {
            if role.name.is_top_level() {
                return Err(format!("a delegation to the top-level role {}", role.name));
            }
            if !seen.insert(&role.name) {
                return Err(format!("two delegations to the role {}", role.name));
            }
        }
        Ok(Delegations { keys: fields.keys, roles })
    }
}

/// The delegation to one role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DelegatedRoleFields", into = "DelegatedRoleFields")]
pub struct DelegatedRole {
    /// The role.
    pub name: RoleName,
    /// Who signs it.
    pub signers: RoleKeys,
    /// Whether a look-up that matches its paths ends here.
    pub terminating: bool,
    /// Which names it is trusted with.
    pub paths: PathSet,
}

impl DelegatedRole {
    /// Whether a target of this name may stand in the delegated role.
    pub fn covers(&self, candidate: &Candidate<'_>) -> bool {
        self.paths.covers(candidate)
    }
}

#[derive(Serialize, Deserialize)]
struct DelegatedRoleFields {
    name: RoleName,
    keyids: Vec<KeyId>,
    threshold: u32,
    terminating: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    paths: Option<Vec<PathPattern>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    path_hash_prefixes: Option<Vec<String>>,
}

impl TryFrom<DelegatedRoleFields> for DelegatedRole {
    type Error = String;
    fn try_from(fields: DelegatedRoleFields) -> Result<DelegatedRole, String> {
        let paths = match (fields.paths, fields.path_hash_prefixes) {
            (Some(paths), None) => PathSet::Paths(paths),
            (None, Some(prefixes)) => PathSet::HashPrefixes(prefixes),
            _ => {
                return Err(format!(
                    "the delegation to {} does not have exactly one of \"paths\" and \
                     \"path_hash_prefixes\"",
                    fields.name
                ));
            }
        };
        Ok(DelegatedRole {
            signers: RoleKeys::new(fields.keyids, fields.threshold)?,
            name: fields.name,
            terminating: fields.terminating,
            paths,
        })
    }
}

impl From<DelegatedRole> for DelegatedRoleFields {
    fn from(role: DelegatedRole) -> DelegatedRoleFields {
        let (paths, path_hash_prefixes) = match role.paths {
            PathSet::Paths(paths) => (Some(paths), None),
            PathSet::HashPrefixes(prefixes) => (None, Some(prefixes)),
        };
        DelegatedRoleFields {
            name: role.name,
            keyids: role.signers.keyids,
            threshold: role.signers.threshold.get(),
            terminating: role.terminating,
            paths,
            path_hash_prefixes,
        }
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
    pub meta: BTreeMap<String, FileMeta>,
}
role!(Snapshot, "snapshot");

impl Snapshot {
    /// What the snapshot says of the file of a role.
    pub fn entry(&self, role: &RoleName) -> Option<&FileMeta> {
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

/// What a snapshot or timestamp says of another file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    /// Its version.
    pub version: Version,
    /// Its length in bytes, if listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Its hashes, if listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<Hashes>,
}

impl FileMeta {
    /// The entry that we write for a file: version, length and SHA-256.
    pub fn of(version: Version, file: &[u8]) -> FileMeta {
        FileMeta {
            version,
            length: Some(file.len() as u64),
            hashes: Some(Hashes::sha256_of(sha256_hex(file))),
        }
    }

    /// Whether these bytes have the listed length and hashes. The version is in the bytes and is
    /// compared after they are read.
    pub fn describes(&self, file: &[u8]) -> bool {
        let length_agrees = self.length.is_none_or(|length| length == file.len() as u64);
        let hashes_agree = self.hashes.as_ref().is_none_or(|hashes| {
            let sha512 = match hashes.sha512() {
                Some(_) => hex::encode(ring::digest::digest(&ring::digest::SHA512, file)),
                None => String::new(),
            };
            hashes.agree_with(&sha256_hex(file), &sha512)
        });
        length_agrees && hashes_agree
    }
}
