//! What is read of a collection to judge a proposal.

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName};
use notary_schema::wire::{Proposal, ProposalState};

use super::Proposed;
use crate::exit::Failure;
use crate::keyring::KeyEntry;
use crate::publishing::reading;
use crate::session::Session;
use crate::view::View;
use crate::wanted::Wanted;

/// How often more roles turn out to be needed, one below the other.
const MAX_ROUNDS: usize = 32;
/// Most open proposals among which one is looked for that the keys here can sign.
const MAX_OPEN: usize = 32;

/// The proposal with this id, or the only open one.
pub(crate) async fn fetch(
    session: &Session,
    gun: &Gun,
    id: Option<&str>,
) -> Result<Proposed, Failure> {
    match id {
        Some(id) => fetch_this(session, gun, id).await,
        None => match &open(session, gun).await?[..] {
            [id] => fetch_this(session, gun, id).await,
            several => Err(not_one(gun, several)),
        },
    }
}

/// The only open proposal that the keys here can sign, and have not, where there are several.
pub(crate) async fn fetch_signable(
    session: &Session,
    gun: &Gun,
    keys: &[KeyEntry],
    roles: &[RoleName],
    now: DateTime<Utc>,
) -> Result<Proposed, Failure> {
    let open = open(session, gun).await?;
    let mut found = Vec::new();
    for id in open.iter().filter(|_| (2..=MAX_OPEN).contains(&open.len())) {
        // What cannot be judged cannot be signed.
        let judged = async {
            let mut proposed = fetch_this(session, gun, id).await?;
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
    match (<[Proposed; 1]>::try_from(found), &open[..]) {
        (Ok([only]), _) => Ok(only),
        (Err(_), [id]) => fetch_this(session, gun, id).await,
        (Err(_), several) => Err(not_one(gun, several)),
    }
}

async fn fetch_this(session: &Session, gun: &Gun, id: &str) -> Result<Proposed, Failure> {
    let proposal: Proposal = session.server()?.proposal(gun, id).await?;
    match proposal.summary.id == id {
        true => Proposed::read(proposal),
        false => Err(Failure::Refused(format!("the server answers another proposal than {id}"))),
    }
}

/// The ids of the open ones.
async fn open(session: &Session, gun: &Gun) -> Result<Vec<String>, Failure> {
    let all = session.server()?.proposals(gun).await?;
    let open = all.into_iter().filter(|proposal| proposal.state == ProposalState::Open);
    Ok(open.map(|proposal| proposal.id).collect())
}

fn not_one(gun: &Gun, open: &[String]) -> Failure {
    match open {
        [] => Failure::NotFound(format!(
            "no proposal of {gun} is open; `notary proposal list {gun}` shows all"
        )),
        several => Failure::Usage(format!(
            "several proposals of {gun} are open, name one of {}",
            several.join(", ")
        )),
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
