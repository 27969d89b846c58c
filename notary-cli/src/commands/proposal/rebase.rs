//! `notary proposal rebase`: a proposal that was overtaken, has lapsed or was taken back is made again on
//! what is there now.

use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::role::{Role, Targets};
use notary_schema::updater::{Limits, remote_name};
use notary_schema::wire::ProposalState;
use serde_json::{Value, json};

use crate::agent::Agent;
use crate::args::{ProposalRebaseArgs, ProposeArgs, SignArgs};
use crate::changes::between;
use crate::changes::files::lists;
use crate::delivered;
use crate::exit::{Failure, Outcome};
use crate::proposed::progress::made;
use crate::proposed::rebase::{Before, Change};
use crate::proposed::{Proposed, ground};
use crate::publishing::Publisher;
use crate::publishing::asking::Act;
use crate::publishing::rotation::NewRoot;
use crate::session::Session;
use crate::wanted::Wanted;

/// Runs `notary proposal rebase`.
pub(super) async fn rebase(
    session: &Session,
    args: ProposalRebaseArgs,
) -> Result<Outcome, Failure> {
    let gun = &args.proposal.gun;
    let (collection, _lock) = session.locked(gun).await?;
    let proposed = ground::find(session, gun, Some(&args.proposal.id)).await?;
    let summary = &proposed.proposal.summary;
    let id = &summary.id;
    match summary.state {
        ProposalState::Stale
        | ProposalState::Lapsed
        | ProposalState::Cancelled
        | ProposalState::Displaced => {}
        ProposalState::Open => {
            return Err(Failure::Usage(format!(
                "{id} is still on the newest versions: sign it, or cancel it first"
            )));
        }
        ProposalState::Published => {
            return Err(Failure::Conflict(format!("{id} is published: nothing is left to do")));
        }
    }
    let (before, text) = read(session, gun, &proposed).await?;
    let change = proposed.change(gun, &before)?;
    session.output.preview(&text);
    let reason = args.sign.propose.reason.clone().unwrap_or_else(|| summary.reason.clone());
    let propose = ProposeArgs { reason: Some(reason.clone()), ..args.sign.propose.clone() };
    let sign = SignArgs { propose, ..args.sign.clone() };
    let publisher = Publisher::new(session, gun, &collection, &sign)?;
    // What it says it was built on is not verified; what it comes to is.
    let publisher = publisher.asking(Act {
        what: format!("make {id} again on what is there now"),
        why: "what is signed cannot be taken back".to_owned(),
    });
    match change {
        Change::Signers(rotation) => root(session, gun, publisher.rotate(&rotation).await?),
        Change::Targets(change) => {
            let roles: Vec<RoleName> = change.staged.roles.keys().cloned().collect();
            let gone: Vec<RoleName> = change.staged.undelegated().cloned().collect();
            let wanted = Wanted { roles: &roles, subtrees: &gone, ..Wanted::default() };
            let delivered =
                publisher.publish_at_once(wanted, &reason, |view| change.on(view)).await?;
            delivered::report(session, gun, delivered)
        }
    }
}

/// The versions that the proposal was built on, and what it changes in them.
async fn read(
    session: &Session,
    gun: &Gun,
    proposed: &Proposed,
) -> Result<(Before, String), Failure> {
    let agent = session.agent(gun, session.now())?;
    let (mut before, mut text) = (Before::default(), String::new());
    let mut tell = |role: &RoleName, version: Version, old: Value, new: Value| {
        text += &format!("what it changes in {role} {version}:\n");
        let changes = between(&old, &new);
        text.extend(changes.iter().map(|change| format!("  {}", change.line())));
    };
    if let Some(new) = proposed.batch().root() {
        let old = earlier(&agent, gun, &RoleName::ROOT, new).await?.expect("root 1 is no proposal");
        tell(&RoleName::ROOT, old.version(), old.document(), new.document());
        before.root = Some(old);
    }
    for (role, new) in proposed.batch().targets_parts() {
        let old: Option<Envelope<Targets>> = earlier(&agent, gun, role, new).await?;
        let document = old.as_ref().map_or_else(|| json!({}), |old| old.document());
        tell(
            role,
            old.as_ref().map_or(new.version(), |old| old.version()),
            document,
            new.document(),
        );
        before.targets.extend(old.map(|old| (role.clone(), old)));
    }
    Ok((before, text + &lists(proposed.batch())))
}

/// The version before a file, as the server has it; `None` before the first.
async fn earlier<T: Role>(
    agent: &Agent<'_>,
    gun: &Gun,
    role: &RoleName,
    new: &Envelope<T>,
) -> Result<Option<Envelope<T>>, Failure> {
    let Ok(version) = Version::new(new.version().get() - 1) else { return Ok(None) };
    let name = remote_name(role, Some(version));
    let bytes = agent.fetch(&name, Limits::default().targets_bytes).await?;
    let bytes = bytes.ok_or_else(|| {
        Failure::NotFound(format!("the server does not have {role} {version} of {gun} any more"))
    })?;
    let refuse = |why: String| {
        Failure::Refused(format!("what the server has as {name} of {gun} is not that file: {why}"))
    };
    let file = Envelope::parse(bytes).map_err(|error| refuse(error.to_string()))?;
    match file.version() == version {
        true => Ok(Some(file)),
        false => Err(refuse(format!("it is version {}", file.version()))),
    }
}

fn root(session: &Session, gun: &Gun, made_of: Option<NewRoot>) -> Result<Outcome, Failure> {
    match made_of {
        Some(NewRoot::Proposed(proposal)) => made(session, gun, &proposal),
        Some(NewRoot::Published(rotated)) => {
            let version = rotated.root.version();
            let value = json!({ "collection": gun, "root_version": version });
            session.output.result(&value, &format!("published root {version}\n"))?;
            Ok(Outcome::Done)
        }
        None => {
            let value = json!({ "collection": gun, "roles": [] });
            session.output.result(&value, "nothing to change: it is there already\n")?;
            Ok(Outcome::Done)
        }
    }
}
