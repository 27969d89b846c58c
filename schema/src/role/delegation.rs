//! Who may sign what: keys and thresholds, and the delegation to one role.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use serde::de::{DeserializeSeed, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

use super::given;
use crate::json::Word;
use crate::key::Key;
use crate::name::{KeyId, RoleName};
use crate::path::{Candidate, HashPrefixes, PathPattern, PathSet};
use crate::texts::Texts;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegatedRole {
    /// The role.
    pub name: RoleName,
    /// Who signs it. Those that all bins have in common are kept once.
    pub signers: Arc<RoleKeys>,
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

impl<'de> Deserialize<'de> for DelegatedRole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DelegatedRole, D::Error> {
        let mut roles = ReadRoles::default();
        roles.deserialize(deserializer)?;
        Ok(roles.finish().pop().expect("one was read"))
    }
}

impl Serialize for DelegatedRole {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            name: &'a RoleName,
            keyids: &'a [KeyId],
            threshold: NonZeroU32,
            terminating: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            paths: Option<&'a [PathPattern]>,
            #[serde(skip_serializing_if = "Option::is_none")]
            path_hash_prefixes: Option<&'a HashPrefixes>,
        }
        let (paths, path_hash_prefixes) = match &self.paths {
            PathSet::Paths(paths) => (Some(&paths[..]), None),
            PathSet::HashPrefixes(prefixes) => (None, Some(prefixes)),
        };
        let RoleKeys { keyids, threshold } = &*self.signers;
        let (threshold, terminating) = (*threshold, self.terminating);
        Fields { name: &self.name, keyids, threshold, terminating, paths, path_hash_prefixes }
            .serialize(serializer)
    }
}

/// Delegations while they are read, one after the other: what they have in common is kept once.
#[derive(Default)]
pub(super) struct ReadRoles {
    roles: Vec<DelegatedRole>,
    /// All hash prefixes so far.
    prefixes: Texts,
    /// Where the roles find them when all are read.
    place: Arc<OnceLock<Texts>>,
}

impl ReadRoles {
    /// All that were read.
    pub(super) fn finish(mut self) -> Vec<DelegatedRole> {
        self.prefixes.shrink_to_fit();
        self.place.set(self.prefixes).expect("this is the only place where it is set");
        self.roles
    }

    fn add(&mut self, fields: Fields<'_>) -> Result<(), String> {
        let name = RoleName::parse(&fields.name).map_err(|error| error.to_string())?;
        let signers = match self.roles.last() {
            Some(last) if fields.names(&last.signers) => last.signers.clone(),
            _ => Arc::new(fields.signers()?),
        };
        let paths = match (fields.paths, fields.path_hash_prefixes) {
            (Some(paths), None) => PathSet::Paths(paths),
            (None, Some(prefixes)) => {
                let start = self.prefixes.count();
                prefixes.iter().for_each(|Word(prefix)| self.prefixes.add(prefix));
                let range = start..self.prefixes.count();
                PathSet::HashPrefixes(HashPrefixes::among(&self.place, range))
            }
            _ => {
                return Err(format!(
                    "the delegation to {name} does not have exactly one of \"paths\" and \
                     \"path_hash_prefixes\""
                ));
            }
        };
        self.roles.push(DelegatedRole { name, signers, terminating: fields.terminating, paths });
        Ok(())
    }
}

/// Reads one more.
impl<'de> DeserializeSeed<'de> for &mut ReadRoles {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.add(Fields::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// In the order of the canonical form, in which the reader expects them. Bins have few keys and
/// prefixes.
#[derive(Deserialize)]
struct Fields<'a> {
    keyids: SmallVec<[Word<'a>; 4]>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(default, deserialize_with = "given")]
    path_hash_prefixes: Option<SmallVec<[Word<'a>; 4]>>,
    #[serde(default, deserialize_with = "given")]
    paths: Option<Vec<PathPattern>>,
    terminating: bool,
    threshold: u32,
}

impl Fields<'_> {
    /// Whether it names these signers.
    fn names(&self, signers: &RoleKeys) -> bool {
        let keyids = self.keyids.iter().map(|Word(keyid)| &**keyid);
        signers.threshold.get() == self.threshold
            && signers.keyids.iter().map(KeyId::as_str).eq(keyids)
    }

    fn signers(&self) -> Result<RoleKeys, String> {
        let keyids = self.keyids.iter().map(|Word(keyid)| KeyId::parse(keyid));
        let keyids = keyids.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        RoleKeys::new(keyids, self.threshold)
    }
}
