//! `notary add`, `remove`, `status`, `reset`: changes that wait to be published.
//!
//! A change is judged when it is staged, on the trusted metadata that is stored here. Only where that
//! does not suffice is the server asked, if one is named; so a stale copy refuses nothing.

mod source;

use std::fmt::Write;

use notary_schema::json;
use notary_schema::name::{Gun, RoleName};
use notary_schema::online::Lifetimes;
use serde::Serialize;
use serde_json::Value;

use super::publish;
use crate::agent;
use crate::args::{AddArgs, RemoveArgs, SignArgs, StageArgs};
use crate::exit::{Failure, Outcome};
use crate::keyring::{KeyEntry, KeyringError, listed};
use crate::publishing::in_flight::InFlight;
use crate::publishing::wanted::{Names, Wanted};
use crate::publishing::{load, plan, reading, save};
use crate::session::Session;
use crate::staged::{Staged, TargetChange, role_for, role_to_remove_from};
use crate::trust_dir::CollectionDir;
use crate::view::View;

/// More staged targets than this are counted, not listed.
const MOST_LISTED: usize = 20;

/// One staged change, as it is shown.
#[derive(Debug, Serialize)]
struct Shown {
    role: RoleName,
    change: &'static str,
    name: String,
}

/// Runs `notary add`.
pub(crate) async fn add(session: &Session, args: AddArgs) -> Result<Outcome, Failure> {
    let custom = args.custom.as_deref().map(read_custom).transpose()?;
    let (collection, _lock) = session.locked(&args.gun).await?;
    let keys = session.keyring()?.available(&args.stage.key)?;
    let files = source::collect(&args)?;
    let targets = source::measure(session, &files, custom.as_ref(), args.copy_to.as_deref())?;
    let change = |view: &View, staged: &mut Staged| {
        let mut shown = Vec::new();
        for (name, file) in &targets {
            let role = role_for(view, &keys, name.as_str(), args.role.as_ref())?;
            shown.push(Shown { role: role.clone(), change: "set", name: name.to_string() });
            // The last word on a name counts, in whichever role it was staged before.
            staged.roles.values_mut().for_each(|c| drop(c.targets.remove(name.as_str())));
            let changes = staged.roles.entry(role).or_default();
            changes.targets.insert(name.to_string(), TargetChange::Set(file.clone()));
        }
        Ok(shown)
    };
    let names: Vec<String> = targets.iter().map(|(name, _)| name.to_string()).collect();
    let roles: Vec<RoleName> = args.role.iter().cloned().collect();
    let wanted = Wanted { roles: &roles, names: Names::Open(&names), keys: &keys };
    let shown = stage(session, &args.gun, &collection, wanted, change).await?;
    finish(session, &args.gun, &collection, &args.stage, shown).await
}

/// Runs `notary remove`.
pub(crate) async fn remove(session: &Session, args: RemoveArgs) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(&args.gun).await?;
    let keys = session.keyring()?.available(&args.stage.key)?;
    let change = |view: &View, staged: &mut Staged| {
        let mut was_staged = false;
        for (role, changes) in &mut staged.roles {
            if args.role.as_ref().is_none_or(|wanted| wanted == role) {
                was_staged |= changes.targets.remove(&args.name).is_some();
            }
        }
        staged.roles.retain(|_, changes| !changes.is_empty());
        let role = match role_to_remove_from(view, &keys, &args.name, args.role.as_ref()) {
            Ok(role) => role,
            // Only staged, never published: taking it back is all there is to do.
            Err(_) if was_staged => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let changes = staged.roles.entry(role.clone()).or_default();
        changes.targets.insert(args.name.clone(), TargetChange::Remove);
        Ok(vec![Shown { role, change: "remove", name: args.name.clone() }])
    };
    let roles: Vec<RoleName> = args.role.iter().cloned().collect();
    let names = Names::Open(std::slice::from_ref(&args.name));
    let wanted = Wanted { roles: &roles, names, keys: &keys };
    let shown = stage(session, &args.gun, &collection, wanted, change).await?;
    finish(session, &args.gun, &collection, &args.stage, shown).await
}

/// Runs `notary status`.
pub(crate) fn status(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let collection = session.collection(gun)?;
    let staged = load(&collection)?;
    let in_flight = InFlight::load(&collection)?.is_some();
    let shown = shown(&staged);
    let mut text = String::new();
    if in_flight {
        text.push_str("a publish is in flight; the next `notary publish` sends it first\n");
    }
    list(&mut text, &shown, usize::MAX);
    if text.is_empty() {
        text.push_str("nothing is staged\n");
    }
    let value = serde_json::json!({ "staged": shown, "in_flight": in_flight });
    session.output.result(&value, &text)?;
    Ok(if staged.is_empty() && !in_flight { Outcome::Done } else { Outcome::ToDo })
}

/// Runs `notary reset`. What is in flight stays: its outcome is not known.
pub(crate) async fn reset(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(gun).await?;
    let staged = load(&collection)?;
    let question = format!("drop {} staged changes of {gun}?", staged.len());
    if !staged.is_empty() && !session.confirm(&question)? {
        return Err(Failure::Refused("nothing was dropped".into()));
    }
    save(&collection, &Staged::default())?;
    if InFlight::load(&collection)?.is_some() {
        session.output.warn("a publish is in flight; the next `notary publish` sends it first");
    }
    let dropped = staged.len();
    let value = serde_json::json!({ "dropped": dropped });
    session.output.result(&value, &format!("dropped {dropped} staged changes\n"))?;
    Ok(Outcome::Done)
}

/// Makes a change to what is staged, judges all of it, and stores it. What is wanted for the change
/// is read, and what was staged before.
pub(crate) async fn stage<T>(
    session: &Session,
    gun: &Gun,
    collection: &CollectionDir,
    wanted: Wanted<'_>,
    change: impl Fn(&View, &mut Staged) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let now = session.now();
    let before = load(collection)?;
    let decide = |view: &View, lifetimes: &Lifetimes| {
        let mut staged = before.clone();
        let result = change(view, &mut staged)?;
        refuse_unsignable(view, wanted.keys, &before, &staged)?;
        let expires = notary_schema::online::expires_after(now, lifetimes.targets_seconds);
        plan::plan(view, &staged, expires)?.check(view, lifetimes, now)?;
        Ok((staged, result))
    };
    let roles: Vec<RoleName> = before.roles.keys().chain(wanted.roles).cloned().collect();
    let wanted = Wanted { roles: &roles, ..wanted };
    let local = agent::stored(&collection.trusted(), wanted, now)?.map(View::new);
    let decided = match local.map(|view| decide(&view, &Lifetimes::default())) {
        Some(Ok(decided)) => decided,
        Some(Err(failure)) if session.settings.server.is_none() => return Err(failure),
        Some(Err(failure)) => match reading::read(session, gun, wanted, now).await {
            Ok(reading) => decide(&reading.view, &reading.lifetimes)?,
            Err(unread) => {
                session.output.warn(format_args!("the server could not be asked: {unread}"));
                return Err(failure);
            }
        },
        None => {
            let reading = reading::read(session, gun, wanted, now).await?;
            decide(&reading.view, &reading.lifetimes)?
        }
    };
    let (staged, result) = decided;
    save(collection, &staged)?;
    Ok(result)
}

/// A change that none of the keys here can sign would block every later publish.
fn refuse_unsignable(
    view: &View,
    keys: &[KeyEntry],
    before: &Staged,
    after: &Staged,
) -> Result<(), Failure> {
    for (name, changes) in &after.roles {
        let Some(role) = view.role(name).filter(|_| before.roles.get(name) != Some(changes)) else {
            continue;
        };
        let authority = view.authority(&role);
        if listed(keys, authority).is_empty() {
            let (role, wanted) = (name.clone(), authority.role.keyids.clone());
            return Err(KeyringError::NoKeyFor { role, wanted }.into());
        }
    }
    Ok(())
}

/// Shows what was staged, or publishes it at once.
async fn finish(
    session: &Session,
    gun: &Gun,
    collection: &CollectionDir,
    args: &StageArgs,
    shown: Vec<Shown>,
) -> Result<Outcome, Failure> {
    if args.publish {
        let sign = SignArgs { key: args.key.clone(), expires: args.expires };
        return publish::publish(session, gun, collection, &sign).await;
    }
    let mut text = String::new();
    list(&mut text, &shown, MOST_LISTED);
    session.output.result(&serde_json::json!({ "staged": shown }), &text)?;
    session.output.message(format_args!("`notary publish {gun}` publishes what is staged"));
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
            shown.push(Shown { role: role.clone(), change, name: name.clone() });
        }
        for team in changes.delegations.keys() {
            shown.push(Shown { role: role.clone(), change: "delegate", name: team.to_string() });
        }
    }
    shown
}

fn list(text: &mut String, shown: &[Shown], most: usize) {
    if shown.len() > most {
        writeln!(text, "staged {} changes", shown.len()).expect("a String takes all");
        return;
    }
    for Shown { role, change, name } in shown {
        writeln!(text, "{role}: {change} {name}").expect("a String takes all");
    }
}

fn read_custom(path: &std::path::Path) -> Result<Value, Failure> {
    let bytes = std::fs::read(path).map_err(|error| Failure::file("read", path, error))?;
    let refuse = |why: String| Failure::Refused(format!("{}: {why}", path.display()));
    match json::read::<Value>(&bytes).map_err(|error| refuse(error.to_string()))? {
        Value::Null => Err(refuse("custom data is not null; leave --custom out".into())),
        value => Ok(value),
    }
}
