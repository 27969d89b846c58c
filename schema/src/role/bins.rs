//! Hash bins: all target names divided by the first bits of their SHA-256.
//!
//! TAP 15 describes the bins of a role in four values (`succinct_roles`); without it each bin is an
//! ordinary delegation with `path_hash_prefixes`. Both use the names and prefixes of [`Bins`], so
//! that a bin is a [`DelegatedRole`] like any other. Nothing here lists the bins of a file that was
//! read: there may be 2^32 of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{DelegatedRole, RoleKeys};
use crate::name::RoleName;
use crate::path::{Candidate, HashPrefixes, PathSet};

/// 2^`bit_length` bins named `PREFIX-0…` to `PREFIX-f…`, each for the names whose SHA-256 starts
/// with the bits of its number.
///
/// ```
/// use notary_schema::path::Candidate;
/// use notary_schema::role::Bins;
///
/// let bins = Bins::new("docs-bin", 5)?;
/// assert_eq!(bins.count(), 32);
/// assert_eq!(bins.name(3).as_str(), "docs-bin-03");
/// assert_eq!(bins.hash_prefixes(3), ["18", "19", "1a", "1b", "1c", "1d", "1e", "1f"]);
/// assert!(bins.hash_prefixes(bins.index_of(&Candidate::new("docs/a"))).len() == 8);
/// assert!(Bins::new("docs-bin", 33).is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bins {
    name_prefix: String,
    bit_length: u32,
}

impl Bins {
    /// Divides into 2^`bit_length` bins.
    ///
    /// # Errors
    /// For a length that is not 1 to 32, and a prefix with which no role name can start.
    pub fn new(name_prefix: impl Into<String>, bit_length: u64) -> Result<Bins, String> {
        let name_prefix = name_prefix.into();
        let bit_length = match u32::try_from(bit_length) {
            Ok(bits @ 1..=32) => bits,
            _ => return Err(format!("a \"bit_length\" of {bit_length} is not 1 to 32")),
        };
        let bins = Bins { name_prefix, bit_length };
        RoleName::parse(&bins.text(0)).map_err(|error| error.to_string())?;
        Ok(bins)
    }

    /// What the name of every bin starts with, followed by a hyphen.
    pub fn name_prefix(&self) -> &str {
        &self.name_prefix
    }

    /// How many bits of the hash choose the bin.
    pub fn bit_length(&self) -> u32 {
        self.bit_length
    }

    /// How many bins there are.
    pub fn count(&self) -> u64 {
        1 << self.bit_length
    }

    /// The number of the last bin; the first one has 0.
    pub fn last(&self) -> u32 {
        u32::MAX >> (32 - self.bit_length)
    }

    /// The name of a bin: its number in hexadecimal, as wide as that of the last bin.
    pub fn name(&self, index: u32) -> RoleName {
        RoleName::parse(&self.text(index)).expect("all names of these bins have one length")
    }

    /// The names of all bins, one by one in their order.
    pub fn names(&self) -> impl Iterator<Item = RoleName> + '_ {
        (0..=self.last()).map(|index| self.name(index))
    }

    /// The number of the bin with this name.
    pub fn index(&self, role: &RoleName) -> Option<u32> {
        let digits = role.as_str().strip_prefix(self.name_prefix.as_str())?.strip_prefix('-')?;
        let index = u32::from_str_radix(digits, 16).ok()?;
        let is_its_name = u64::from(index) < self.count() && self.text(index) == role.as_str();
        is_its_name.then_some(index)
    }

    /// The number of the bin for a target.
    pub fn index_of(&self, candidate: &Candidate<'_>) -> u32 {
        candidate.first_bits() >> (32 - self.bit_length)
    }

    /// The hash prefixes of a bin. A number of bits that is no multiple of four takes several.
    pub fn hash_prefixes(&self, index: u32) -> Vec<String> {
        let (digits, spare) = (self.digits(), 4 * self.digits() - self.bit_length as usize);
        let first = u64::from(index) << spare;
        (first..first + (1 << spare)).map(|prefix| format!("{prefix:0digits$x}")).collect()
    }

    /// A bin as a delegation to it.
    pub fn delegation(
        &self,
        index: u32,
        signers: impl Into<Arc<RoleKeys>>,
        terminating: bool,
    ) -> DelegatedRole {
        let paths = PathSet::HashPrefixes(HashPrefixes::new(self.hash_prefixes(index)));
        DelegatedRole { name: self.name(index), signers: signers.into(), terminating, paths }
    }

    /// Those of some roles that are bins of these.
    pub fn among<'a, T>(
        &'a self,
        roles: &'a BTreeMap<RoleName, T>,
    ) -> impl Iterator<Item = &'a RoleName> {
        let last = self.name(self.last());
        let before = move |role: &&RoleName| **role <= last;
        let from = roles.range(self.name(0)..).map(|(role, _)| role).take_while(before);
        from.filter(|role| self.index(role).is_some())
    }

    fn text(&self, index: u32) -> String {
        format!("{}-{index:0digits$x}", self.name_prefix, digits = self.digits())
    }

    fn digits(&self) -> usize {
        self.bit_length.div_ceil(4) as usize
    }
}

/// The bins of a role with the keys that sign every one of them (TAP 15).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "SuccinctFields", into = "SuccinctFields")]
pub struct SuccinctRoles {
    /// The bins.
    pub bins: Bins,
    /// Who signs each of them.
    pub signers: RoleKeys,
}

impl SuccinctRoles {
    /// The delegation to a bin. A look-up ends with its bin: the text of TAP 15 lets it go on,
    /// python-tuf, which is all that clients in the field read bins with, does not.
    pub fn delegation(&self, index: u32) -> DelegatedRole {
        self.bins.delegation(index, self.signers.clone(), true)
    }
}

#[derive(Serialize, Deserialize)]
struct SuccinctFields {
    bit_length: u64,
    keyids: Vec<crate::name::KeyId>,
    name_prefix: String,
    threshold: u32,
}

impl TryFrom<SuccinctFields> for SuccinctRoles {
    type Error = String;
    fn try_from(fields: SuccinctFields) -> Result<SuccinctRoles, String> {
        let bins = Bins::new(fields.name_prefix, fields.bit_length)?;
        Ok(SuccinctRoles { bins, signers: RoleKeys::new(fields.keyids, fields.threshold)? })
    }
}

impl From<SuccinctRoles> for SuccinctFields {
    fn from(roles: SuccinctRoles) -> SuccinctFields {
        SuccinctFields {
            bit_length: roles.bins.bit_length.into(),
            keyids: roles.signers.keyids,
            name_prefix: roles.bins.name_prefix,
            threshold: roles.signers.threshold.get(),
        }
    }
}
