//! All delegations of a role: a list in the order of priority, or succinct bins.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::delegation::ReadRoles;
use super::{Authority, DelegatedRole, SuccinctRoles, given};
use crate::key::Key;
use crate::name::{KeyId, RoleName};
use crate::path::{Candidate, PathPattern, PathSet};

/// The delegations of a role: keys, and the roles that they sign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "DelegationsFields", into = "DelegationsFields")]
pub struct Delegations {
    /// The keys of the delegated roles.
    pub keys: BTreeMap<KeyId, Key>,
    roles: DelegatedRoles,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum DelegatedRoles {
    Listed(ListedRoles),
    Succinct(SuccinctRoles),
}

impl Delegations {
    /// Delegations to these roles in the order of their priority.
    ///
    /// # Errors
    /// For a top-level role, and two delegations to one role.
    pub fn new(
        keys: BTreeMap<KeyId, Key>,
        roles: Vec<DelegatedRole>,
    ) -> Result<Delegations, String> {
        Ok(Delegations { keys, roles: DelegatedRoles::Listed(ListedRoles::new(roles)?) })
    }

    /// Delegations to succinct bins.
    pub fn to_bins(keys: BTreeMap<KeyId, Key>, bins: SuccinctRoles) -> Delegations {
        Delegations { keys, roles: DelegatedRoles::Succinct(bins) }
    }

    /// The roles that are listed, in the order of their priority; none beside succinct bins.
    pub fn listed(&self) -> &[DelegatedRole] {
        match &self.roles {
            DelegatedRoles::Listed(listed) => &listed.roles,
            DelegatedRoles::Succinct(_) => &[],
        }
    }

    /// The succinct bins, where delegations are to those.
    pub fn succinct(&self) -> Option<&SuccinctRoles> {
        match &self.roles {
            DelegatedRoles::Listed(_) => None,
            DelegatedRoles::Succinct(bins) => Some(bins),
        }
    }

    /// How many roles are delegated to.
    pub fn count(&self) -> u64 {
        match &self.roles {
            DelegatedRoles::Listed(listed) => listed.roles.len() as u64,
            DelegatedRoles::Succinct(succinct) => succinct.bins.count(),
        }
    }

    /// The delegation to a role.
    pub fn delegation(&self, role: &RoleName) -> Option<Cow<'_, DelegatedRole>> {
        match &self.roles {
            DelegatedRoles::Listed(listed) => listed.named(role).map(Cow::Borrowed),
            DelegatedRoles::Succinct(succinct) => {
                Some(Cow::Owned(succinct.delegation(succinct.bins.index(role)?)))
            }
        }
    }

    /// The delegations that cover a target name, in the order of their priority. Indexes lead to the
    /// patterns that start as the name does, up to their first wildcard, and to the hash prefixes.
    pub fn covering(&self, candidate: &Candidate<'_>) -> Vec<Cow<'_, DelegatedRole>> {
        match &self.roles {
            DelegatedRoles::Listed(listed) => {
                listed.covering(candidate).into_iter().map(Cow::Borrowed).collect()
            }
            DelegatedRoles::Succinct(succinct) => {
                vec![Cow::Owned(succinct.delegation(succinct.bins.index_of(candidate)))]
            }
        }
    }

    /// Whose signatures count for a role that is delegated to.
    pub fn authority(&self, role: &RoleName) -> Option<Authority<'_>> {
        let signers = match &self.roles {
            DelegatedRoles::Listed(listed) => &listed.named(role)?.signers,
            DelegatedRoles::Succinct(succinct) => {
                succinct.bins.index(role)?;
                &succinct.signers
            }
        };
        Some(Authority { keys: &self.keys, role: signers })
    }
}

#[derive(Serialize, Deserialize)]
struct DelegationsFields {
    keys: BTreeMap<KeyId, Key>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    roles: Option<ListedRoles>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    succinct_roles: Option<SuccinctRoles>,
}

impl TryFrom<DelegationsFields> for Delegations {
    type Error = String;
    fn try_from(fields: DelegationsFields) -> Result<Delegations, String> {
        match (fields.roles, fields.succinct_roles) {
            (Some(listed), None) => {
                Ok(Delegations { keys: fields.keys, roles: DelegatedRoles::Listed(listed) })
            }
            (None, Some(bins)) => Ok(Delegations::to_bins(fields.keys, bins)),
            _ => Err("delegations without exactly one of \"roles\" and \"succinct_roles\"".into()),
        }
    }
}

impl From<Delegations> for DelegationsFields {
    fn from(delegations: Delegations) -> DelegationsFields {
        let (roles, succinct_roles) = match delegations.roles {
            DelegatedRoles::Listed(listed) => (Some(listed), None),
            DelegatedRoles::Succinct(bins) => (None, Some(bins)),
        };
        DelegationsFields { keys: delegations.keys, roles, succinct_roles }
    }
}

/// Roles in the order of their priority, no name twice, with indexes over names, patterns and hash
/// prefixes: there may be thousands, and as many names to look up.
#[derive(Debug, Clone)]
struct ListedRoles {
    roles: Vec<DelegatedRole>,
    /// Positions in `roles`, in the order of the names.
    by_name: Vec<u32>,
    /// Positions of a role and of one of its patterns, in the order of what these start with.
    by_start: Vec<(u32, u32)>,
    /// Every length that such a start has.
    start_lengths: BTreeSet<usize>,
    /// Positions of a role and of one of its hash prefixes, in the order of the prefixes.
    by_prefix: Vec<(u32, u32)>,
    /// Every length that a hash prefix has.
    prefix_lengths: BTreeSet<usize>,
}

impl ListedRoles {
    fn new(roles: Vec<DelegatedRole>) -> Result<ListedRoles, String> {
        if let Some(role) = roles.iter().find(|role| role.name.is_top_level()) {
            return Err(format!("a delegation to the top-level role {}", role.name));
        }
        let count = u32::try_from(roles.len()).map_err(|_| "too many delegations")?;
        let mut by_name: Vec<u32> = (0..count).collect();
        // As those of bins are: then there is nothing to sort, and no name twice.
        if !roles.is_sorted_by(|a, b| a.name < b.name) {
            let name = |position: &u32| &roles[*position as usize].name;
            by_name.sort_by(|a, b| name(a).cmp(name(b)));
            if let Some(twice) = by_name.windows(2).find(|pair| name(&pair[0]) == name(&pair[1])) {
                return Err(format!("two delegations to the role {}", name(&twice[0])));
            }
        }
        let prefixes = roles.iter().map(|role| match &role.paths {
            PathSet::Paths(_) => 0,
            PathSet::HashPrefixes(prefixes) => prefixes.count(),
        });
        let (mut by_start, mut by_prefix) = (Vec::new(), Vec::with_capacity(prefixes.sum()));
        let mut start_lengths = BTreeSet::new();
        let (mut prefix_lengths, mut last, mut ascending) = (BTreeSet::new(), None, true);
        for (position, role) in (0..).zip(&roles) {
            match &role.paths {
                PathSet::Paths(patterns) => {
                    for (at, pattern) in (0..).zip(patterns) {
                        by_start.push((position, at));
                        start_lengths.insert(pattern.literal_start().len());
                    }
                }
                PathSet::HashPrefixes(prefixes) => {
                    for (at, prefix) in (0..).zip(prefixes.iter()) {
                        by_prefix.push((position, at));
                        ascending &= last <= Some(prefix);
                        if last.map(str::len) != Some(prefix.len()) {
                            prefix_lengths.insert(prefix.len());
                        }
                        last = Some(prefix);
                    }
                }
            }
        }
        if !ascending {
            by_prefix.sort_by(|a, b| hash_prefix(&roles, *a).cmp(hash_prefix(&roles, *b)));
        }
        by_start.sort_by(|a, b| start(&roles, *a).cmp(start(&roles, *b)));
        Ok(ListedRoles { roles, by_name, by_start, start_lengths, by_prefix, prefix_lengths })
    }

    fn named(&self, role: &RoleName) -> Option<&DelegatedRole> {
        let at = |position: &u32| &self.roles[*position as usize];
        let found = self.by_name.binary_search_by(|position| at(position).name.cmp(role));
        found.ok().map(|index| at(&self.by_name[index]))
    }

    fn covering(&self, candidate: &Candidate<'_>) -> Vec<&DelegatedRole> {
        let (mut positions, name) = (Vec::new(), candidate.name());
        for length in &self.start_lengths {
            let Some(wanted) = name.as_bytes().get(..*length) else { break };
            let start = |found: &(u32, u32)| start(&self.roles, *found);
            let first = self.by_start.partition_point(|found| start(found) < wanted);
            let alike = self.by_start[first..].iter().take_while(|found| start(found) == wanted);
            let matching = alike.filter(|found| pattern(&self.roles, **found).matches(name));
            positions.extend(matching.map(|(role, _)| *role));
        }
        for length in &self.prefix_lengths {
            // A hash has 64 digits: no longer prefix covers anything.
            let Some(wanted) = candidate.sha256().get(..*length) else { continue };
            let prefix = |found: &(u32, u32)| hash_prefix(&self.roles, *found);
            let start = self.by_prefix.partition_point(|found| prefix(found) < wanted);
            let alike = self.by_prefix[start..].iter().take_while(|found| prefix(found) == wanted);
            positions.extend(alike.map(|(role, _)| *role));
        }
        positions.sort_unstable();
        positions.dedup();
        positions.into_iter().map(|position| &self.roles[position as usize]).collect()
    }
}

impl Serialize for ListedRoles {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.roles.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for ListedRoles {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ListedRoles, D::Error> {
        struct OfItems;
        impl<'de> Visitor<'de> for OfItems {
            type Value = ListedRoles;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of delegations")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<ListedRoles, A::Error> {
                let mut roles = ReadRoles::default();
                while items.next_element_seed(&mut roles)?.is_some() {}
                ListedRoles::new(roles.finish()).map_err(A::Error::custom)
            }
        }
        deserializer.deserialize_seq(OfItems)
    }
}

impl PartialEq for ListedRoles {
    fn eq(&self, other: &ListedRoles) -> bool {
        self.roles == other.roles
    }
}

impl Eq for ListedRoles {}

/// What a pattern in the index starts with.
fn start(roles: &[DelegatedRole], found: (u32, u32)) -> &[u8] {
    pattern(roles, found).literal_start()
}

fn pattern(roles: &[DelegatedRole], (role, at): (u32, u32)) -> &PathPattern {
    match &roles[role as usize].paths {
        PathSet::Paths(patterns) => &patterns[at as usize],
        PathSet::HashPrefixes(_) => unreachable!("only patterns are in the index"),
    }
}

fn hash_prefix(roles: &[DelegatedRole], (role, at): (u32, u32)) -> &str {
    match &roles[role as usize].paths {
        PathSet::HashPrefixes(prefixes) => prefixes.at(at),
        PathSet::Paths(_) => unreachable!("only hash prefixes are in the index"),
    }
}
