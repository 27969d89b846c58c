//! `notary proposal export` and `import`, and `sign --file` between them: for holders whose keys are on a
//! machine without a network.

use std::path::Path;

use notary_schema::key::sha256_hex;
use notary_schema::name::Gun;
use notary_schema::wire::ProposalState;
use serde_json::json;

use super::show;
use super::sign::{closed, confirmed, ended, send};
use crate::args::{ProposalExportArgs, ProposalImportArgs, ProposalSignArgs};
use crate::exit::{Failure, Outcome};
use crate::keyring::memory::Memory;
use crate::named;
use crate::proposed::carried::{Carried, CarriedSignatures, require_same};
use crate::proposed::ceremony::{self, FirstRoot};
use crate::proposed::{Proposed, first, ground};
use crate::publishing::in_flight::InFlight;
use crate::session::Session;
use crate::trust_dir::files;

/// Runs `notary proposal export`.
pub(super) async fn export(
    session: &Session,
    args: ProposalExportArgs,
) -> Result<Outcome, Failure> {
    let ProposalExportArgs { gun, id, output } = &args;
    let (_, _lock) = session.locked(gun).await?;
    let now = session.now();
    let mut proposed = ground::find(session, gun, Some(id)).await?;
    let id = proposed.proposal.summary.id.clone();
    if let Some(outcome) = ended(session, gun, &proposed.proposal.summary)? {
        return Ok(outcome);
    }
    let view = ground::read(session, gun, &mut proposed, now).await?;
    proposed.judge(Some(&view), now)?;
    let carried = Carried::pack(session, gun, proposed.proposal, &view, now).await?;
    named::write(output, &serde_json::to_vec_pretty(&carried).expect("it is JSON"))?;
    let value = json!({ "collection": gun, "id": id, "file": output });
    let file = output.display();
    session.output.result(&value, &format!("wrote {file}\n"))?;
    session.output.message(format_args!(
        "who holds a key signs it with `notary proposal sign {gun} --file {file} -o SIGNATURES`; \
         `notary proposal import {gun} SIGNATURES` brings the signatures back"
    ));
    Ok(Outcome::Done)
}

/// Runs `notary proposal sign --file`: without the server.
pub(super) async fn sign_file(
    session: &Session,
    args: &ProposalSignArgs,
    (file, output): (&Path, &Path),
) -> Result<Outcome, Failure> {
    let gun = &args.proposal.gun;
    let carried = Carried::read(file)?;
    require_same(file, &carried.collection, gun)?;
    let (collection, _lock) = session.locked(gun).await?;
    let now = session.now();
    let view = carried.ground(session, &collection, now).await?;
    let mut proposal = carried.proposal;
    // Whether it has ended is not a word for who brings it: what is trusted here says it.
    proposal.summary.state = ProposalState::Open;
    let proposed = Proposed::read(proposal)?;
    let (proposal, judged) = (&proposed.proposal, proposed.judge(view.as_ref(), now)?);
    if proposal.summary.lapses_at <= now {
        return Err(closed(gun, &proposal.summary.id, ProposalState::Lapsed));
    }
    let text = show::head(proposal) + &show::body(&proposed, &judged);
    let mut memory = Memory::load(&collection)?;
    let signatures = confirmed(session, args, &judged, &text, &mut memory)?;
    let roles: Vec<_> = signatures.iter().map(|new| new.role.clone()).collect();
    let id = proposal.summary.id.clone();
    let carried = CarriedSignatures { collection: gun.clone(), proposal: id, signatures };
    named::write(output, &serde_json::to_vec_pretty(&carried).expect("it is JSON"))?;
    let value = json!({
        "collection": gun, "id": carried.proposal, "roles": roles, "file": output,
    });
    session.output.result(&value, &format!("wrote {}\n", output.display()))?;
    session.output.message(format_args!(
        "give {} to whoever collects the signatures: `notary proposal import {gun} FILE` sends them",
        output.display()
    ));
    Ok(Outcome::Done)
}

/// Runs `notary proposal import`.
pub(super) async fn import(
    session: &Session,
    args: ProposalImportArgs,
) -> Result<Outcome, Failure> {
    let ProposalImportArgs { gun, file } = &args;
    let carried = CarriedSignatures::read(file)?;
    require_same(file, &carried.collection, gun)?;
    let (collection, _lock) = session.locked(gun).await?;
    if let Some(in_flight) = InFlight::load(&collection)?.filter(InFlight::creates) {
        let first = FirstRoot { session, gun, collection: &collection, output: &None };
        return first.sign(in_flight, &carried).await;
    }
    if carried.proposal.starts_with(first::ID_PREFIX)
        && let Some(pinned) = files::read(&collection.pinned_path())?
    {
        return late(session, gun, &carried, &pinned);
    }
    let now = session.now();
    let mut proposed = ground::fetch(session, gun, &carried.proposal).await?;
    if let Some(outcome) = ended(session, gun, &proposed.proposal.summary)? {
        return Ok(outcome);
    }
    let view = ground::read(session, gun, &mut proposed, now).await?;
    let judged = proposed.judge(Some(&view), now)?;
    carried.signatures.iter().try_for_each(|new| judged.check(new))?;
    send(session, gun, &carried.proposal, &carried.signatures).await
}

/// What comes of signatures of a first root after the collection was made.
///
/// # Errors
/// It was not made with that root, as far as is known here.
fn late(
    session: &Session,
    gun: &Gun,
    carried: &CarriedSignatures,
    pinned: &[u8],
) -> Result<Outcome, Failure> {
    let root = ceremony::read_pinned(session, gun, pinned)?;
    if first::id_of(&sha256_hex(root.message())) != carried.proposal {
        return Err(Failure::Conflict(format!(
            "{gun} is created already, and these are signatures of another first root"
        )));
    }
    let (version, sha256) = (root.version(), sha256_hex(pinned));
    let value = json!({
        "collection": gun, "id": carried.proposal, "roles": [],
        "root_version": version, "root_sha256": sha256,
    });
    let text = format!(
        "{gun} is created already: its first root needs no more signatures\n\
         root {version} has the sha256 {sha256}\n"
    );
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}
