//! What is read of a collection to judge a proposal.

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName};
use notary_schema::wire::{Proposal, ProposalState};

use super::Proposed;
use crate::exit::Failure;
use crate::publishing::reading;
use crate::publishing::wanted::Wanted;
use crate::session::Session;
use crate::view::View;

/// How often more roles turn out to be needed, one below the other.
const MAX_ROUNDS: usize = 32;

/// The proposal with this id, or the only open one.
pub(crate) async fn fetch(
    session: &Session,
    gun: &Gun,
    id: Option<&str>,
) -> Result<Proposed, Failure> {
    let server = session.server()?;
    let id = match id {
        Some(id) => id.to_owned(),
        None => only_open(gun, &server.proposals(gun).await?)?,
    };
    let proposal: Proposal = server.proposal(gun, &id).await?;
    match proposal.summary.id == id {
        true => Proposed::read(proposal),
        false => Err(Failure::Refused(format!("the server answers another proposal than {id}"))),
    }
}

fn only_open(gun: &Gun, all: &[notary_schema::wire::ProposalSummary]) -> Result<String, Failure> {
    let open = all.iter().filter(|proposal| proposal.state == ProposalState::Open);
    match &open.map(|proposal| proposal.id.as_str()).collect::<Vec<_>>()[..] {
        [] => Err(Failure::NotFound(format!(
            "no proposal of {gun} is open; `notary proposal list {gun}` shows all"
        ))),
        [id] => Ok((*id).to_owned()),
        several => Err(Failure::Usage(format!(
            "several proposals of {gun} are open, name one of {}",
            several.join(", ")
        ))),
    }
}

/// Brings the collection up to date and reads what the proposal touches.
pub(crate) async fn read(
    session: &Session,
    gun: &Gun,
    proposed: &mut Proposed,
    now: DateTime<Utc>,
) -> Result<View, Failure> {
    let batch = proposed.batch();
    let mut roles = proposed.roles();
    roles.retain(RoleName::is_targets_role);
    let orphans: Vec<RoleName> = batch.orphan.iter().cloned().collect();
    roles.extend(orphans.iter().cloned());
    for _ in 0..MAX_ROUNDS {
        let wanted = Wanted { roles: &roles, subtrees: &orphans, ..Wanted::default() };
        let view = reading::read(session, gun, wanted, now).await?.view;
        let missing = view.head().map(|head| head.missing(batch)).unwrap_or_default();
        let before = roles.len();
        roles.extend(missing.into_iter().filter(|role| !roles.contains(role)).collect::<Vec<_>>());
        if roles.len() == before {
            proposed.leave_out(&view);
            return Ok(view);
        }
    }
    Err(Failure::Refused("the roles below those of the proposal go on without end".into()))
}
