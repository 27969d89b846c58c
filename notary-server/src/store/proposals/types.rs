//! What proposals are in the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::assemble;
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::publish::Head;
use notary_schema::publish::proposal::is_overtaken;

/// A proposal without its files.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Its id. Later proposals have higher ones.
    pub id: String,
    /// Whether it was closed.
    pub closed: Option<Closed>,
    /// Why it was made.
    pub reason: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The id of the token with which it was made.
    pub created_by: String,
    /// When it lapses.
    pub lapses_at: DateTime<Utc>,
    /// Roles that get a delegation and no file yet.
    pub pending: BTreeSet<RoleName>,
    /// Roles that become unverifiable on purpose.
    pub orphan: BTreeSet<RoleName>,
    /// Roles whose keys the root replaces without an overlap.
    pub compromised: BTreeSet<RoleName>,
    /// Which files it has.
    pub versions: Vec<ProposedVersion>,
    pub(super) revision: i64,
}

/// How a proposal ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// All of its files were committed.
    Published(DateTime<Utc>),
    /// Somebody took it back.
    Cancelled(DateTime<Utc>),
    /// The proposal of this id took its place.
    Displaced(DateTime<Utc>, String),
}

/// Names a file of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposedVersion {
    /// The role.
    pub role: RoleName,
    /// The version of the file.
    pub version: Version,
    /// SHA-256 of the bytes to sign.
    pub signed_sha256: String,
    /// Whether it is stored, while others of its proposal may not be yet.
    pub is_published: bool,
}

impl ProposedVersion {
    /// Whether something else is published in its place, or after it: it never will be.
    pub fn is_overtaken(&self, current: Option<Version>) -> bool {
        !self.is_published && is_overtaken(current, self.version)
    }
}

/// A file of a proposal.
#[derive(Debug, Clone)]
pub struct ProposedFile {
    /// Which file.
    pub named: ProposedVersion,
    /// The text of `signed` as it came.
    pub signed: Vec<u8>,
    /// The signatures so far.
    pub signatures: Vec<ProposedSignature>,
}

impl ProposedFile {
    /// The file with its signatures. Their order is that of the key ids, so that everybody who
    /// publishes it sends the same bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let signatures = self.signatures.iter();
        let mut signatures: Vec<_> =
            signatures.map(|s| (s.keyid.clone(), s.bytes.clone())).collect();
        signatures.sort();
        assemble(&self.signed, &signatures)
    }
}

/// A signature of a proposal.
#[derive(Debug, Clone)]
pub struct ProposedSignature {
    /// The key.
    pub keyid: KeyId,
    /// The signature.
    pub bytes: Vec<u8>,
    /// When it came.
    pub at: DateTime<Utc>,
    /// The id of the token with which it came.
    pub by: String,
}

/// Asks for a proposal.
#[derive(Debug)]
pub struct NewProposal {
    /// Its id, if it is a new one.
    pub id: String,
    /// Why it is made.
    pub reason: String,
    /// The id of the token with which it is made.
    pub created_by: String,
    /// When it lapses.
    pub lapses_at: DateTime<Utc>,
    /// Roles that get a delegation and no file yet.
    pub pending: BTreeSet<RoleName>,
    /// Roles that become unverifiable on purpose.
    pub orphan: BTreeSet<RoleName>,
    /// Roles whose keys the root replaces without an overlap.
    pub compromised: BTreeSet<RoleName>,
    /// Its files, signed by those who have.
    pub files: Vec<ProposedFile>,
    /// Most open proposals of one collection.
    pub most: u64,
    /// What is current, and what was lost in a restore: the version after either is the next.
    pub head: Arc<Head>,
}

/// What became of asking for a proposal.
#[derive(Debug, PartialEq, Eq)]
pub enum Proposed {
    /// It is there, under this id.
    As(String),
    /// An open one has a file of the role already, and this one does not take its place.
    RoleTaken {
        /// The role.
        role: RoleName,
        /// The id of the other one.
        by: String,
    },
    /// There are so many open ones already: their ids, the oldest first.
    TooMany(Vec<String>),
}
