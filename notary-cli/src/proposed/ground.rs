//! What is read of a collection to judge a proposal.

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::wire::{Proposal, ProposalState, ProposalSummary, ProposedRole};

use super::Proposed;
use super::progress::{about, word};
use crate::exit::Failure;
use crate::keyring::KeyEntry;
use crate::keyring::memory::{Content, Memory};
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
    let all = session.server()?.proposals(gun).await?;
    match &open(&all).collect::<Vec<_>>()[..] {
        [] => Err(Failure::NotFound(none_open(gun))),
        [only] => fetch(session, gun, &only.id).await,
        several => Err(Failure::Usage(format!(
            "{} proposals of {gun} are open, name one of them: {}",
            several.len(),
            told(several.iter().copied())
        ))),
    }
}

/// Whose signatures are meant where no proposal is named.
pub(crate) struct Asked<'a> {
    /// The keys here.
    pub(crate) keys: &'a [KeyEntry],
    /// Those of them that were named.
    pub(crate) named: &'a [KeyId],
    /// The roles that were named.
    pub(crate) roles: &'a [RoleName],
    /// What was signed before.
    pub(crate) memory: &'a Memory,
}

/// The only open proposal; of several, the only one that the keys here can sign, and have not. Where
/// there is none, the one that they have signed last: whoever repeats a command hears what became of it.
pub(crate) async fn find_signable(
    session: &Session,
    gun: &Gun,
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Proposed, Failure> {
    let all = session.server()?.proposals(gun).await?;
    let open: Vec<&ProposalSummary> = open(&all).collect();
    if let [only] = open[..] {
        return fetch(session, gun, &only.id).await;
    }
    let found = match <[Proposed; 1]>::try_from(waiting(session, gun, &open, asked, now).await?) {
        Ok([only]) => return Ok(only),
        Err(found) => found,
    };
    if !found.is_empty() {
        let (several, found) = (found.len(), found.iter().map(|one| &one.proposal.summary));
        return Err(Failure::Usage(format!(
            "{several} proposals of {gun} wait for a key here, sign one of them with `notary \
             proposal sign {gun} ID`: {}",
            told(found)
        )));
    }
    match signed_last(&all, asked) {
        Some(last) if matches!(last.state, ProposalState::Open | ProposalState::Published) => {
            session.output.message(format_args!(
                "no other proposal of {gun} waits for a key here than the one that was signed last: {}",
                told([last])
            ));
            fetch(session, gun, &last.id).await
        }
        last => Err(none_waits(gun, open.len(), last)),
    }
}

/// Those of the open proposals that the keys here can sign, and have not.
async fn waiting(
    session: &Session,
    gun: &Gun,
    open: &[&ProposalSummary],
    asked: &Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Vec<Proposed>, Failure> {
    let mut found = Vec::new();
    for one in open.iter().take(MAX_OPEN) {
        // What cannot be judged cannot be signed.
        let judged = async {
            let mut proposed = fetch(session, gun, &one.id).await?;
            let view = read(session, gun, &mut proposed, now).await?;
            let waits = proposed.judge(Some(&view), now)?.waits_for(asked.keys, asked.roles);
            Ok(waits.then_some(proposed))
        };
        match judged.await {
            Ok(signable) => found.extend(signable),
            Err(Failure::Refused(_) | Failure::Rule(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(found)
}

/// The proposal that was signed here last.
fn signed_last<'a>(all: &'a [ProposalSummary], asked: &Asked<'_>) -> Option<&'a ProposalSummary> {
    let content = asked.memory.last(asked.roles, asked.named)?;
    let is_it = |role: &ProposedRole| {
        let ProposedRole { name: role, version, signed_sha256: sha256 } = role;
        content == Content { role, version: *version, sha256 }
    };
    all.iter().rev().find(|proposal| proposal.roles.iter().any(is_it))
}

/// Why nothing is signed where so many are open, and what became of what was signed last.
fn none_waits(gun: &Gun, open: usize, last: Option<&ProposalSummary>) -> Failure {
    let last = last.map_or(String::new(), |last| {
        format!("; what was signed here last is {}: {}", word(last.state), told([last]))
    });
    match open {
        0 => Failure::NotFound(none_open(gun) + &last),
        open => Failure::Usage(format!(
            "none of the {open} open proposals of {gun} waits for a key here; `notary proposal list \
             {gun}` shows them{last}"
        )),
    }
}

/// Those that are open.
fn open(all: &[ProposalSummary]) -> impl Iterator<Item = &ProposalSummary> {
    all.iter().filter(|proposal| proposal.state == ProposalState::Open)
}

fn none_open(gun: &Gun) -> String {
    format!("no proposal of {gun} is open; `notary proposal list {gun}` shows all")
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
