//! What is told of proposals.

use chrono::{DateTime, Utc};
use notary_schema::publish::{Head, demands};
use notary_schema::wire;
use notary_schema::wire::ProposalState;

use super::{batch_of, named_of, unpublished};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::publish::Publisher;
use crate::served::Live;
use crate::store::{Closed, Proposal, ProposedFile, ProposedSignature, ProposedVersion};

impl Publisher {
    /// A proposal as everybody who may read its collection sees it.
    ///
    /// # Errors
    /// [`ServiceError::UnknownProposal`], [`ServiceError::Busy`].
    pub async fn show_proposal(
        &self,
        live: &Live,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<wire::Proposal, ServiceError> {
        let _look = self.look().await?;
        self.tell(live, id, now).await
    }

    pub(super) async fn tell(
        &self,
        live: &Live,
        id: &str,
        now: DateTime<Utc>,
    ) -> Result<wire::Proposal, ServiceError> {
        let (proposal, files) = self.find_proposal(live, id).await?;
        let (state, head) = (state_of(&proposal, &live.head, now), live.head.clone());
        let named = named_of(&proposal);
        let shown = blocking(move || {
            let demands = match state {
                ProposalState::Open => {
                    demands(Some(&head), &batch_of(unpublished(&files), &named)?)
                }
                _ => Vec::new(),
            };
            Ok::<_, ServiceError>(wire::Proposal {
                summary: summary(&proposal, state),
                pending: named.pending.into_iter().collect(),
                orphan: named.orphan.into_iter().collect(),
                compromised: named.compromised.into_iter().collect(),
                files: files.iter().map(wire_file).collect::<Result<_, _>>()?,
                demands: demands.iter().map(Into::into).collect(),
            })
        });
        shown.await?
    }

    /// The proposals of a collection after an id.
    ///
    /// # Errors
    /// What the store failed with.
    pub async fn list_proposals(
        &self,
        live: &Live,
        after: &str,
        limit: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<wire::ProposalSummary>, ServiceError> {
        let proposals = self.store.proposals(live.collection.id, after, limit).await?;
        let summary = |proposal| summary(proposal, state_of(proposal, &live.head, now));
        Ok(proposals.iter().map(summary).collect())
    }
}

/// What became of a proposal, as things are now.
pub(super) fn state_of(proposal: &Proposal, head: &Head, now: DateTime<Utc>) -> ProposalState {
    let is_behind = |named: &ProposedVersion| named.is_overtaken(head.version(&named.role));
    match &proposal.closed {
        Some(Closed::Published(_)) => ProposalState::Published,
        Some(Closed::Cancelled(_)) => ProposalState::Cancelled,
        Some(Closed::Displaced(..)) => ProposalState::Displaced,
        None if proposal.versions.iter().any(is_behind) => ProposalState::Stale,
        None if proposal.lapses_at <= now => ProposalState::Lapsed,
        None => ProposalState::Open,
    }
}

fn summary(proposal: &Proposal, state: ProposalState) -> wire::ProposalSummary {
    let role = |named: &ProposedVersion| wire::ProposedRole {
        name: named.role.clone(),
        version: named.version,
        signed_sha256: named.signed_sha256.clone(),
    };
    let (closed_at, displaced_by) = match &proposal.closed {
        None => (None, None),
        Some(Closed::Published(at) | Closed::Cancelled(at)) => (Some(*at), None),
        Some(Closed::Displaced(at, by)) => (Some(*at), Some(by.clone())),
    };
    wire::ProposalSummary {
        id: proposal.id.clone(),
        state,
        reason: proposal.reason.clone(),
        created_at: proposal.created_at,
        created_by: proposal.created_by.clone(),
        lapses_at: proposal.lapses_at,
        closed_at,
        displaced_by,
        roles: proposal.versions.iter().map(role).collect(),
    }
}

fn wire_file(file: &ProposedFile) -> Result<wire::ProposedFile, ServiceError> {
    let ProposedVersion { role, version, signed_sha256, .. } = file.named.clone();
    let text = String::from_utf8(file.bytes());
    let given = |signature: &ProposedSignature| wire::GivenSignature {
        keyid: signature.keyid.clone(),
        at: signature.at,
        by: signature.by.clone(),
    };
    Ok(wire::ProposedFile {
        name: role,
        version,
        signed_sha256,
        file: text.map_err(|error| ServiceError::Internal(error.to_string()))?,
        signatures: file.signatures.iter().map(given).collect(),
    })
}
