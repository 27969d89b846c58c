//! `notary proposal sign`: shows a proposal, asks, and signs these very bytes.

use notary_schema::name::Gun;
use notary_schema::trusted::Expiry;
use notary_schema::wire::{
    NewSignatures, ProposalDemand, ProposalState, ProposalSummary, SignedProposal,
};
use serde_json::json;

use super::{carry, show};
use crate::args::{ProposalSignArgs, SecondContent};
use crate::exit::{Failure, Outcome};
use crate::keyring::memory::Memory;
use crate::proposed::progress::{signers, word};
use crate::proposed::signing::Signer;
use crate::proposed::{Judged, ground};
use crate::session::Session;

/// Runs `notary proposal sign`.
pub(super) async fn sign(session: &Session, args: ProposalSignArgs) -> Result<Outcome, Failure> {
    let gun = &args.proposal.gun;
    if let (Some(file), Some(output)) = (&args.file, &args.output) {
        return carry::sign_file(session, &args, (file, output)).await;
    }
    let (collection, _lock) = session.locked(gun).await?;
    let now = session.now();
    let mut proposed = match &args.proposal.id {
        Some(id) => ground::find(session, gun, Some(id)).await?,
        None => {
            let keys = &session.keyring()?.available(&args.key)?[..];
            let named = match args.key.is_empty() {
                true => Vec::new(),
                false => keys.iter().map(|key| key.keyid.clone()).collect(),
            };
            let (roles, memory) = (&args.roles[..], &Memory::load(&collection)?);
            let asked = ground::Asked { keys, named: &named, roles, memory };
            ground::find_signable(session, gun, &asked, now).await?
        }
    };
    if let Some(outcome) = ended(session, gun, &proposed.proposal.summary)? {
        return Ok(outcome);
    }
    let view = ground::read(session, gun, &mut proposed, now).await?;
    let judged = proposed.judge(Some(&view), now)?;
    let text = show::head(&proposed.proposal) + &show::body(&proposed, &judged);
    let mut memory = Memory::load(&collection)?;
    let signatures = confirmed(session, &args, &judged, &text, &mut memory)?;
    send(session, gun, &proposed.proposal.summary.id, &signatures).await
}

/// Shows it, asks, and signs.
pub(super) fn confirmed(
    session: &Session,
    args: &ProposalSignArgs,
    judged: &Judged<'_>,
    text: &str,
    memory: &mut Memory,
) -> Result<Vec<NewSignatures>, Failure> {
    let keyring = session.keyring()?;
    let available = keyring.available(&args.key)?;
    let (roles, second_content) = (&args.roles[..], SecondContent::of_flag(args.second_content));
    let (keyring, available) = (&keyring, &available[..]);
    let signer = Signer { session, keyring, available, roles, second_content };
    session.output.preview(text);
    session.insist("sign it", "a signature cannot be taken back")?;
    judged.sign(&signer, memory)
}

/// Sends signatures, and tells how far the proposal is then.
pub(super) async fn send(
    session: &Session,
    gun: &Gun,
    id: &str,
    all: &[NewSignatures],
) -> Result<Outcome, Failure> {
    let server = session.server()?;
    let mut last = None;
    for signatures in all {
        let answer = server.sign_proposal(gun, id, signatures).await;
        let code = answer.as_ref().err().and_then(|error| error.problem());
        match (code.map(|problem| problem.code.clone()).as_deref(), answer) {
            (_, Ok(signed)) => {
                let is_published = signed.state == ProposalState::Published;
                last = Some(signed);
                if is_published {
                    break;
                }
            }
            (Some("signed_already"), Err(error)) => session.output.warn(error),
            // Somebody else was the last who was needed, a moment ago.
            (Some("proposal_closed"), Err(error)) => {
                let summary = server.proposal(gun, id).await?.summary;
                return ended(session, gun, &summary)?.ok_or_else(|| error.into());
            }
            (_, Err(error)) => return Err(error.into()),
        }
    }
    let signed = match last {
        Some(signed) => signed,
        None => {
            let proposal = server.proposal(gun, id).await?;
            let (state, demands) = (proposal.summary.state, proposal.demands);
            SignedProposal { state, demands, published: None }
        }
    };
    report(session, gun, id, all, &signed).await
}

async fn report(
    session: &Session,
    gun: &Gun,
    id: &str,
    all: &[NewSignatures],
    signed: &SignedProposal,
) -> Result<Outcome, Failure> {
    let mut text = String::new();
    for new in all {
        let keys = new.signatures.iter().map(|one| one.keyid.as_str()).collect::<Vec<_>>();
        text += &format!("signed {} of {id} with {}\n", new.role, keys.join(", "));
    }
    let demands: &[ProposalDemand] = &signed.demands;
    text += &signers(demands);
    for role in signed.published.iter().flat_map(|answer| &answer.roles) {
        text += &format!("published {} {}\n", role.name, role.version);
    }
    let signatures: Vec<_> = all
        .iter()
        .map(|new| {
            let keyids: Vec<_> = new.signatures.iter().map(|one| &one.keyid).collect();
            json!({ "role": new.role, "keyids": keyids })
        })
        .collect();
    let value = json!({
        "collection": gun, "id": id, "signed": signatures, "state": signed.state,
        "demands": demands, "published": signed.published,
    });
    for warning in signed.published.iter().flat_map(|answer| &answer.warnings) {
        session.output.warn(warning);
    }
    session.output.result(&value, &text)?;
    match signed.state {
        ProposalState::Published => {
            // So that what is staged offline from now on is built on it.
            if let Err(failure) = session.refreshed(gun, session.now(), Expiry::Reported).await {
                session.output.warn(format_args!("it could not be read yet: {failure}"));
            }
            Ok(Outcome::Done)
        }
        _ => Ok(Outcome::SignaturesMissing),
    }
}

/// What signatures come to for a proposal that has ended; `None` for one that is open. A published one
/// needs none: whoever repeats a command has what they want.
///
/// # Errors
/// One that will never be published.
pub(super) fn ended(
    session: &Session,
    gun: &Gun,
    summary: &ProposalSummary,
) -> Result<Option<Outcome>, Failure> {
    match summary.state {
        ProposalState::Open => Ok(None),
        ProposalState::Published => {
            let id = &summary.id;
            let value = json!({
                "collection": gun, "id": id, "signed": [], "state": summary.state, "demands": [],
                "published": null,
            });
            session.output.result(&value, &format!("{id} is published already\n"))?;
            Ok(Some(Outcome::Done))
        }
        state => Err(closed(gun, &summary.id, state)),
    }
}

/// Why a proposal is not signed any more, and what is left to do.
pub(super) fn closed(gun: &Gun, id: &str, state: ProposalState) -> Failure {
    Failure::Conflict(format!(
        "the proposal {id} is {}: `notary proposal rebase {gun} {id}` makes it again on what is there \
         now",
        word(state)
    ))
}
