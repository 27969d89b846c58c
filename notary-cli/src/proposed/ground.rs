//! What is read of a collection to judge a proposal.

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName};
use notary_schema::wire::{Proposal, ProposalState, ProposalSummary};

use super::Proposed;
use super::progress::about;
use crate::exit::Failure;
use crate::keyring::KeyEntry;
use crate::output::one_line;
use crate::publishing::reading;
use crate::session::Session;
use crate::view::View;
use crate::wanted::Wanted;

/// How often more roles turn out to be needed, one below the other.
const MAX_ROUNDS: usize = 32;
/// Most open proposals among which one is looked for that the keys here can sign: more than a server
/// keeps.
const MAX_OPEN: usize = 64;

/// The proposal with this id.
pub(crate) async fn fetch(session: &Session, gun: &Gun, id: &str) -> Result<Proposed, Failure> {
    let proposal: Proposal = session.server()?.proposal(gun, id).await?;
    match proposal.summary.id == id {
        true => Proposed::read(proposal),
        false => Err(Failure::Refused(format!("the server answers another proposal than {id}"))),
    }
}

/// The id of the proposal that is named by it, or by a beginning that no other has.
pub(crate) async fn id(session: &Session, gun: &Gun, start: &str) -> Result<String, Failure> {
    let all = session.server()?.proposals(gun).await?;
    match &all.iter().filter(|one| one.id.starts_with(start)).collect::<Vec<_>>()[..] {
        [one] => Ok(one.id.clone()),
        [] => Err(Failure::NotFound(format!(
            "no proposal of {gun} has an id that begins with {start}; `notary proposal list {gun}` \
             shows all"
        ))),
        several => Err(Failure::Usage(format!(
            "{start} begins the ids of {} proposals of {gun}, say more of it: {}",
            several.len(),
            told(several.iter().copied())
        ))),
    }
}

/// The proposal that is named, or the only open one.
pub(crate) async fn find(
    session: &Session,
    gun: &Gun,
    start: Option<&str>,
) -> Result<Proposed, Failure> {
    if let Some(start) = start {
        return fetch(session, gun, &id(session, gun, start).await?).await;
    }
    match &open(session, gun).await?[..] {
        [only] => fetch(session, gun, &only.id).await,
        several => Err(Failure::Usage(format!(
            "{} proposals of {gun} are open, name one of them: {}",
            several.len(),
            told(several)
        ))),
    }
}

/// The only open proposal; of several, the only one that the keys here can sign, and have not.
pub(crate) async fn find_signable(
    session: &Session,
    gun: &Gun,
    keys: &[KeyEntry],
    roles: &[RoleName],
    now: DateTime<Utc>,
) -> Result<Proposed, Failure> {
    let open = open(session, gun).await?;
    if let [only] = &open[..] {
        return fetch(session, gun, &only.id).await;
    }
    let mut found = Vec::new();
    for one in open.iter().take(MAX_OPEN) {
        // What cannot be judged cannot be signed.
        let judged = async {
            let mut proposed = fetch(session, gun, &one.id).await?;
            let view = read(session, gun, &mut proposed, now).await?;
            let waits = proposed.judge(Some(&view), now)?.waits_for(keys, roles);
            Ok(waits.then_some(proposed))
        };
        match judged.await {
            Ok(signable) => found.extend(signable),
            Err(Failure::Refused(_) | Failure::Rule(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    <[Proposed; 1]>::try_from(found).map(|[only]| only).map_err(|found| {
        let (open, found) = (open.len(), found.iter().map(|one| &one.proposal.summary));
        Failure::Usage(match found.len() {
            0 => format!(
                "none of the {open} open proposals of {gun} waits for a key here; `notary proposal \
                 list {gun}` shows them"
            ),
            several => format!(
                "{several} proposals of {gun} wait for a key here, sign one of them with `notary \
                 proposal sign {gun} ID`: {}",
                told(found)
            ),
        })
    })
}

/// Those that are open.
///
/// # Errors
/// None is.
async fn open(session: &Session, gun: &Gun) -> Result<Vec<ProposalSummary>, Failure> {
    let mut all = session.server()?.proposals(gun).await?;
    all.retain(|proposal| proposal.state == ProposalState::Open);
    match all.is_empty() {
        false => Ok(all),
        true => Err(Failure::NotFound(format!(
            "no proposal of {gun} is open; `notary proposal list {gun}` shows all"
        ))),
    }
}

/// Several among which a person chooses: their ids, roles and reasons.
fn told<'a>(proposals: impl IntoIterator<Item = &'a ProposalSummary>) -> String {
    let one = |one: &ProposalSummary| format!("{} ({})", one_line(&one.id), about(one));
    proposals.into_iter().map(one).collect::<Vec<_>>().join(", ")
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
