//! How changes come to wait: each is judged when it is staged, with all that waits already, on the trusted
//! metadata that is stored here. Only where that does not suffice is the server asked, if one is named;
//! so a stale copy refuses nothing.

use notary_schema::name::{Gun, RoleName};
use notary_schema::online::Lifetimes;
use serde::Serialize;
use serde_json::json;

use crate::args::{SignArgs, StageArgs};
use crate::exit::{Failure, Outcome};
use crate::keyring::{KeyEntry, KeyringError, listed};
use crate::publishing::{load, plan, reading, save};
use crate::session::Session;
use crate::staged::Staged;
use crate::trust_dir::CollectionDir;
use crate::view::View;
use crate::wanted::Wanted;
use crate::{agent, delivered};

/// Where so many changes were staged at once, they are counted, not listed.
const MOST_LISTED: usize = 20;

/// What a change is judged on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// What is stored here, where that suffices.
    Stored,
    /// What the server has, where one is named.
    Newest,
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
    stage_on(Ground::Stored, session, gun, collection, wanted, change).await
}

/// The same on this ground.
pub(crate) async fn stage_on<T>(
    ground: Ground,
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
    let subtrees = before.undelegated().chain(wanted.subtrees).cloned().collect::<Vec<_>>();
    let wanted = Wanted { roles: &roles, subtrees: &subtrees, ..wanted };
    let local = agent::stored(&collection.trusted(), wanted, now)?.map(View::new);
    let local = local.map(|view| decide(&view, &Lifetimes::default()));
    let is_named = session.settings.server.is_some();
    let decided = match local {
        Some(Ok(decided)) if ground == Ground::Stored || !is_named => Ok(decided),
        Some(Err(failure)) if !is_named => Err(failure),
        local => match (reading::read(session, gun, wanted, now).await, local) {
            (Ok(reading), _) => decide(&reading.view, &reading.lifetimes),
            (Err(unread), None) => Err(unread),
            (Err(unread), Some(local)) => {
                session.output.warn(format_args!("the server could not be asked: {unread}"));
                local
            }
        },
    };
    let (staged, result) = decided?;
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
pub(crate) async fn finish(
    session: &Session,
    gun: &Gun,
    collection: &CollectionDir,
    args: &StageArgs,
    shown: Vec<Shown>,
) -> Result<Outcome, Failure> {
    if args.publish {
        let (key, expires) = (args.key.clone(), args.expires);
        let sign = SignArgs { key, expires, ..SignArgs::default() };
        return delivered::publish(session, gun, collection, &sign).await;
    }
    session.output.result(&json!({ "staged": shown }), &brief(&shown))?;
    match shown.is_empty() {
        true => session.output.message("it was staged only, and is not any more"),
        false => {
            session.output.message(format_args!("`notary publish {gun}` publishes what is staged"));
        }
    }
    Ok(Outcome::Done)
}

/// One staged change, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    role: RoleName,
    change: &'static str,
    /// The target or delegated role; absent where the whole role is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Shown {
    /// A change in a role.
    pub(crate) fn new(role: &RoleName, change: &'static str, name: &str) -> Shown {
        Shown { role: role.clone(), change, name: Some(name.to_owned()) }
    }

    /// A change of a role as a whole.
    pub(crate) fn of_role(role: &RoleName, change: &'static str) -> Shown {
        Shown { role: role.clone(), change, name: None }
    }
}

/// What was just staged.
fn brief(shown: &[Shown]) -> String {
    match shown.len() {
        0..=MOST_LISTED => lines(shown),
        many => format!("staged {many} changes\n"),
    }
}

/// Staged changes, one on each line.
pub(crate) fn lines(shown: &[Shown]) -> String {
    let line = |Shown { role, change, name }: &Shown| match name {
        Some(name) => format!("{role}: {change} {name}\n"),
        None => format!("{role}: {change}\n"),
    };
    shown.iter().map(line).collect()
}
