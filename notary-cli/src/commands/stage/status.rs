//! `notary status` and `reset`: what is staged, and how it is shown.

use notary_schema::name::{Gun, RoleName};
use serde_json::json;

use crate::exit::{Failure, Outcome};
use crate::output::joined;
use crate::proposed::first;
use crate::publishing::in_flight::InFlight;
use crate::publishing::{load, save};
use crate::session::Session;
use crate::staged::{Staged, TargetChange};
use crate::staging::{Shown, lines};
use crate::trust_dir::{StateError, files};

/// Runs `notary status`.
pub(crate) fn status(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let collection = session.collection(gun)?;
    let staged = load(&collection)?;
    let in_flight = InFlight::load(&collection)?;
    let shown = shown(&staged);
    let mut text = String::new();
    text.extend(in_flight.iter().map(|in_flight| in_flight.next(gun) + "\n"));
    let in_flight = in_flight.is_some();
    text += &lines(&shown);
    if text.is_empty() {
        text.push_str("nothing is staged\n");
    }
    let value = json!({ "staged": shown, "in_flight": in_flight });
    session.output.result(&value, &text)?;
    Ok(if staged.is_empty() && !in_flight { Outcome::Done } else { Outcome::ToDo })
}

/// Runs `notary reset`. What is in flight stays: its outcome is not known; but a first root that lacks
/// signatures was never sent.
pub(crate) async fn reset(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(gun).await?;
    let staged = match load(&collection) {
        // Dropping what cannot be read is the way out.
        Err(Failure::State(StateError::Corrupt { .. })) => {
            session.insist(
                &format!("drop what is staged of {gun}"),
                "it is damaged, so nobody can say what is lost",
            )?;
            files::remove(&collection.staged_path())?;
            Staged::default()
        }
        other => other?,
    };
    let question = format!("drop {} staged changes of {gun}?", staged.len());
    if !staged.is_empty() && !session.confirm(&question)? {
        return Err(Failure::Refused("nothing was dropped".into()));
    }
    save(&collection, &Staged::default())?;
    match InFlight::load(&collection)? {
        Some(in_flight) if first::waits(gun, &in_flight, session.now()) => {
            InFlight::remove(&collection)?;
            session.output.message("dropped a first root that others had to sign");
        }
        Some(in_flight) => session.output.warn(in_flight.next(gun)),
        None => {}
    }
    let dropped = staged.len();
    let value = json!({ "dropped": dropped });
    session.output.result(&value, &format!("dropped {dropped} staged changes\n"))?;
    Ok(Outcome::Done)
}

fn shown(staged: &Staged) -> Vec<Shown> {
    let mut shown = Vec::new();
    for (role, changes) in &staged.roles {
        for (name, change) in &changes.targets {
            let change = match change {
                TargetChange::Set(_) => "set",
                TargetChange::Remove => "remove",
            };
            shown.push(Shown::new(role, change, name));
        }
        let delegate = |team: &RoleName| Shown::new(role, "delegate", team.as_str());
        shown.extend(changes.delegations.keys().map(delegate));
        let undelegate = |team: &RoleName| Shown::new(role, "undelegate", team.as_str());
        shown.extend(changes.undelegated.iter().map(undelegate));
        if !changes.order.is_empty() {
            let order = joined(&changes.order);
            shown.push(Shown::new(role, "order", &order));
        }
        shown.extend(changes.succinct.iter().map(|_| Shown::of_role(role, "bins")));
        shown.extend(changes.witness.map(|_| Shown::of_role(role, "witness")));
    }
    shown
}
