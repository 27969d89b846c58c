//! `notary proposal show`: a proposal against what is trusted here.

use notary_schema::name::Gun;
use notary_schema::wire::{Proposal, ProposalState};
use serde_json::{Value, json};

use super::word;
use crate::args::ProposalArgs;
use crate::changes::files::contents;
use crate::exit::{Failure, Outcome};
use crate::output::{one_line, time};
use crate::proposed::progress::signers;
use crate::proposed::{Judged, Proposed, ground};
use crate::session::Session;

/// Runs `notary proposal show`.
pub(super) async fn show(session: &Session, args: ProposalArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let (_, _lock) = session.locked(gun).await?;
    let now = session.now();
    let mut proposed = ground::find(session, gun, args.id.as_deref()).await?;
    let proposal = &proposed.proposal;
    if proposal.summary.state != ProposalState::Open {
        let why = match &proposal.summary.displaced_by {
            Some(by) => format!(
                "{by} took its place, which somebody has signed who may; look at that one with \
                 `notary proposal show {gun} {by}`, and once it is closed make what is still wanted \
                 again with `notary proposal rebase {gun} {id}`",
                id = proposal.summary.id,
            ),
            None => "it is not open any more".to_owned(),
        };
        let text = head(proposal) + &unsignable(&why);
        session.output.result(&spelled(gun, proposal, None, Some(&why)), &text)?;
        return Ok(Outcome::Done);
    }
    let view = ground::read(session, gun, &mut proposed, now).await?;
    let proposal = &proposed.proposal;
    match proposed.judge(Some(&view), now) {
        Ok(judged) => {
            let text = head(proposal) + &body(&proposed, &judged);
            session.output.result(&spelled(gun, proposal, Some(&judged), None), &text)?;
            Ok(Outcome::Done)
        }
        Err(failure) => {
            let why = failure.to_string();
            let text = head(proposal) + &unsignable(&why);
            session.output.result(&spelled(gun, proposal, None, Some(&why)), &text)?;
            Ok(Outcome::NotVerified)
        }
    }
}

/// What is told of a proposal that has nothing to do with what is in it.
pub(super) fn head(proposal: &Proposal) -> String {
    let one = &proposal.summary;
    let (id, state, reason) = (one_line(&one.id), word(one.state), one_line(&one.reason));
    let (made, by) = (time(one.created_at), one_line(&one.created_by));
    let lapses = time(one.lapses_at);
    format!("proposal {id}, {state}: {reason}\nmade at {made} by {by}, lapses at {lapses}\n")
}

fn unsignable(why: &str) -> String {
    format!("it is not to be signed: {}\n", one_line(why))
}

/// What it changes, who has signed and who is missing.
pub(super) fn body(proposed: &Proposed, judged: &Judged<'_>) -> String {
    contents(proposed.batch(), &judged.files) + &signers(&judged.told())
}

/// The same for programs.
pub(super) fn spelled(
    gun: &Gun,
    proposal: &Proposal,
    judged: Option<&Judged<'_>>,
    why_not: Option<&str>,
) -> Value {
    json!({
        "collection": gun,
        "proposal": proposal.summary,
        "pending": proposal.pending, "orphan": proposal.orphan, "compromised": proposal.compromised,
        "files": judged.map(|judged| &judged.files),
        "demands": judged.map(|judged| judged.told()),
        "not_to_be_signed": why_not,
    })
}
