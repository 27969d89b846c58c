//! What waits for signatures in a collection, in the server's words.

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::wire::{Proposal, ProposalDemand, ProposalState, ProposalSummary, ProposedRole};
use serde::Serialize;

use crate::exit::Failure;
use crate::output::{one_line, time};
use crate::session::Session;

/// An open proposal.
#[derive(Debug, Serialize)]
pub(super) struct Waiting {
    id: String,
    reason: String,
    lapses_at: DateTime<Utc>,
    roles: Vec<WaitingRole>,
}

/// One of its files.
#[derive(Debug, Serialize)]
struct WaitingRole {
    name: RoleName,
    version: Version,
    /// Of the threshold that is farthest off: how many have signed, and how many must.
    signed: usize,
    threshold: u32,
}

/// The open proposals of a collection, the oldest first.
pub(super) async fn waiting(session: &Session, gun: &Gun) -> Result<Vec<Waiting>, Failure> {
    let server = session.server()?;
    let all = server.proposals(gun).await?;
    let mut waiting = Vec::new();
    for one in all.into_iter().filter(|one| one.state == ProposalState::Open) {
        let proposal = server.proposal(gun, &one.id).await?;
        // It may have ended meanwhile.
        waiting.extend((proposal.summary.state == ProposalState::Open).then(|| of(proposal)));
    }
    Ok(waiting)
}

fn of(proposal: Proposal) -> Waiting {
    let left =
        |demand: &&ProposalDemand| (demand.threshold as usize).saturating_sub(demand.signed.len());
    let role = |file: &ProposedRole| {
        let demands = proposal.demands.iter().filter(|demand| demand.role == file.name);
        let farthest = demands.max_by_key(left);
        WaitingRole {
            name: file.name.clone(),
            version: file.version,
            signed: farthest.map_or(0, |demand| demand.signed.len()),
            threshold: farthest.map_or(0, |demand| demand.threshold),
        }
    };
    let roles = proposal.summary.roles.iter().map(role).collect();
    let ProposalSummary { id, reason, lapses_at, .. } = proposal.summary;
    Waiting { id, reason, lapses_at, roles }
}

impl Waiting {
    /// For people.
    pub(super) fn line(&self) -> String {
        let role = |role: &WaitingRole| {
            let WaitingRole { name, version, signed, threshold } = role;
            format!("{name} {version}, {signed} of {threshold} signed")
        };
        let roles: Vec<String> = self.roles.iter().map(role).collect();
        let (id, reason) = (one_line(&self.id), one_line(&self.reason));
        let until = time(self.lapses_at);
        format!("proposal {id} until {until}: {}: {reason}\n", roles.join("; "))
    }
}
