//! `notary proposal`: metadata that gathers the signatures of several people.

mod carry;
mod rebase;
mod show;
mod sign;

use std::fmt::Write;

use notary_schema::name::Gun;
use notary_schema::wire::{ProposalState, ProposalSummary};
use serde_json::json;

use crate::args::{OneProposalArgs, ProposalCommand};
use crate::exit::{Failure, Outcome};
use crate::output::{one_line, time};
use crate::proposed::ground;
use crate::proposed::progress::{about, word};
use crate::session::Session;

/// Runs `notary proposal …`.
pub(crate) async fn run(session: &Session, command: ProposalCommand) -> Result<Outcome, Failure> {
    match command {
        ProposalCommand::List { gun } => list(session, &gun).await,
        ProposalCommand::Show(args) => show::show(session, args).await,
        ProposalCommand::Sign(args) => sign::sign(session, args).await,
        ProposalCommand::Export(args) => carry::export(session, args).await,
        ProposalCommand::Import(args) => carry::import(session, args).await,
        ProposalCommand::Rebase(args) => rebase::rebase(session, args).await,
        ProposalCommand::Cancel(args) => cancel(session, args).await,
    }
}

/// Runs `notary proposal list`: in the server's words.
async fn list(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let proposals = session.server()?.proposals(gun).await?;
    let mut text = String::new();
    for proposal in &proposals {
        let ProposalSummary { id, state, lapses_at, .. } = proposal;
        let until = match state {
            ProposalState::Open => format!(" until {}", time(*lapses_at)),
            _ => String::new(),
        };
        writeln!(text, "{} {}{until}: {}", one_line(id), word(*state), about(proposal))
            .expect("a String takes all");
    }
    if proposals.is_empty() {
        text.push_str("no proposals\n");
    }
    session.output.result(&json!({ "collection": gun, "proposals": proposals }), &text)?;
    Ok(Outcome::Done)
}

/// Runs `notary proposal cancel`.
async fn cancel(session: &Session, args: OneProposalArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let id = &ground::id(session, gun, &args.id).await?;
    session.insist(
        &format!("cancel the proposal {id} of {gun}"),
        "a signature that was given cannot be taken back: whoever has the files with enough of them \
         can publish these until another version is there",
    )?;
    session.server()?.cancel_proposal(gun, id).await?;
    let value = json!({ "collection": gun, "id": id, "state": ProposalState::Cancelled });
    session.output.result(&value, &format!("cancelled {id}\n"))?;
    Ok(Outcome::Done)
}
