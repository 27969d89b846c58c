//! Bodies of notary-server about proposals: metadata that gathers signatures.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::PublishAnswer;
use crate::name::{KeyId, RoleName, Version};
use crate::publish::{Demand, Purpose};

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ProposalState {
    /// It waits for signatures.
    Open,
    /// Another version of one of its roles was published: it never will be.
    Stale,
    /// Its time is over.
    Lapsed,
    /// It is published.
    Published,
    /// Somebody took it back. Signatures that were given cannot be taken back.
    Cancelled,
    /// Nobody had signed it who may sign one of its roles now, and somebody who may proposed another.
    Displaced,
}

/// A proposal in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProposalSummary {
    /// Its id. Later proposals have higher ones.
    pub id: String,
    /// What became of it.
    pub state: ProposalState,
    /// Why it was made, in words.
    pub reason: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The id of the token with which it was made.
    pub created_by: String,
    /// When it lapses, at the latest a day before the first of its files expires.
    pub lapses_at: DateTime<Utc>,
    /// When it was published, cancelled or displaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<DateTime<Utc>>,
    /// The id of the proposal that has displaced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displaced_by: Option<String>,
    /// The files that it would publish.
    pub roles: Vec<ProposedRole>,
}

/// A file of a proposal in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProposedRole {
    /// The role.
    pub name: RoleName,
    /// The version of the file.
    pub version: Version,
    /// SHA-256 of the bytes to sign, in hexadecimal.
    pub signed_sha256: String,
}

/// A proposal with its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Proposal {
    /// What a list tells of it.
    #[serde(flatten)]
    pub summary: ProposalSummary,
    /// Roles that get a delegation and no file yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<RoleName>,
    /// Roles that become unverifiable on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphan: Vec<RoleName>,
    /// Roles whose keys the root replaces without an overlap.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compromised: Vec<RoleName>,
    /// Its files with the signatures so far.
    pub files: Vec<ProposedFile>,
    /// Every threshold that it has to reach; none where it is no longer open.
    pub demands: Vec<ProposalDemand>,
}

/// A file of a proposal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProposedFile {
    /// The role.
    pub name: RoleName,
    /// The version of the file.
    pub version: Version,
    /// SHA-256 of the bytes to sign, in hexadecimal: of the canonical form of `signed`.
    pub signed_sha256: String,
    /// The file with the signatures so far.
    pub file: String,
    /// Who brought them.
    pub signatures: Vec<GivenSignature>,
}

/// A signature that a proposal has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GivenSignature {
    /// The key.
    pub keyid: KeyId,
    /// When it came.
    pub at: DateTime<Utc>,
    /// The id of the token with which it came.
    pub by: String,
}

/// A threshold that a proposal has to reach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProposalDemand {
    /// The role whose file is to be signed.
    pub role: RoleName,
    /// Who lists the keys.
    pub delegator: RoleName,
    /// The version of the delegator.
    pub version: Version,
    /// For whom they sign.
    pub purpose: Purpose,
    /// How many must sign.
    pub threshold: u32,
    /// The keys that have signed.
    pub signed: Vec<KeyId>,
    /// The keys that have not.
    pub missing: Vec<KeyId>,
    /// The keys that do not count, signed or not, since they are revoked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked: Vec<KeyId>,
}

impl From<&Demand> for ProposalDemand {
    fn from(demand: &Demand) -> ProposalDemand {
        let Demand { role, delegator, version, purpose, report } = demand;
        ProposalDemand {
            role: role.clone(),
            delegator: delegator.clone(),
            version: *version,
            purpose: *purpose,
            threshold: report.threshold,
            signed: report.valid.clone(),
            missing: report.missing.clone(),
            revoked: report.revoked.clone(),
        }
    }
}

/// Adds signatures of one role to a proposal: all of them or none.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSignatures {
    /// The role.
    pub role: RoleName,
    /// The signatures, over the canonical form of `signed`.
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub signatures: Vec<NewSignature>,
}

/// One signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSignature {
    /// The key.
    pub keyid: KeyId,
    /// The signature in hexadecimal.
    pub sig: String,
}

/// The answer to [`NewSignatures`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SignedProposal {
    /// What became of it.
    pub state: ProposalState,
    /// Every threshold that it has to reach; none when it is published.
    pub demands: Vec<ProposalDemand>,
    /// The answer to its publish, when the last signature that was needed has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishAnswer>,
}
