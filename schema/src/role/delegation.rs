//! Who may sign what: keys and thresholds, and the delegation to one role.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::name::{KeyId, RoleName};
use crate::path::{Candidate, PathPattern, PathSet};

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

    /// Whether names come to the role by their hash.
    pub fn is_bin(&self) -> bool {
        matches!(self.paths, PathSet::HashPrefixes(_))
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
