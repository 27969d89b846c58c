//! `notary delegation`: a team asks for a role, whoever delegates adds it.

mod bins;
mod declared;
mod history;
mod list;
mod request;
mod update;

use notary_schema::name::RoleName;
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{DelegatedRole, RoleKeys};
use serde_json::json;

use crate::args::{DelegationAddArgs, DelegationCommand, DelegationRemoveArgs, SignArgs};
use crate::delivered;
use crate::exit::{Failure, Outcome};
use crate::session::Session;
use crate::staged::{NewDelegation, StageError, Staged};
use crate::staging::{self, Shown};
use crate::view::View;
use crate::wanted::Wanted;

/// Runs `notary delegation …`.
pub(crate) async fn run(session: &Session, command: DelegationCommand) -> Result<Outcome, Failure> {
    match command {
        DelegationCommand::Request(args) => request::request(session, args).await,
        DelegationCommand::Add(args) => add(session, args).await,
        DelegationCommand::Update(args) => update::update(session, args).await,
        DelegationCommand::Bins(args) => bins::run(session, args).await,
        DelegationCommand::Remove(args) => remove(session, args).await,
        DelegationCommand::List(args) => list::list(session, args).await,
        DelegationCommand::Plan(args) => declared::plan(session, args).await,
        DelegationCommand::Apply(args) => declared::apply(session, args).await,
    }
}

/// Runs `notary delegation add`.
async fn add(session: &Session, args: DelegationAddArgs) -> Result<Outcome, Failure> {
    if args.role.is_top_level() {
        return Err(Failure::Usage(format!(
            "{} is a top-level role, to which nobody delegates; choose another name",
            args.role
        )));
    }
    let mut new = new_delegation(session, &args)?;
    if args.pending {
        session.output.warn(format_args!(
            "look-ups in the paths of {} fail until its first publish",
            args.role
        ));
    }
    let (collection, _lock) = session.locked(&args.gun).await?;
    if args.from_history {
        let (gun, role) = (&args.gun, &args.role);
        new.first_file = history::next_file(session, gun, role, &new.keys, args.threshold).await?;
    }
    let keys = session.keyring()?.available(&args.sign_keys)?;
    let change = |view: &View, staged: &mut Staged| {
        if view.role(&args.parent).is_none() {
            return Err(StageError::UnknownRole(args.parent.clone()).into());
        }
        refuse_other(view, staged, &args, &new)?;
        let changes = staged.roles.entry(args.parent.clone()).or_default();
        changes.undelegated.remove(&args.role);
        changes.delegations.insert(args.role.clone(), new.clone());
        Ok(())
    };
    let roles = [args.parent.clone(), args.role.clone()];
    let wanted = Wanted { roles: &roles, keys: &keys, ..Wanted::default() };
    staging::stage(session, &args.gun, &collection, wanted, change).await?;
    if args.publish {
        let (key, expires) = (args.sign_keys, args.expires);
        let sign = SignArgs { key, expires, ..SignArgs::default() };
        return delivered::publish(session, &args.gun, &collection, &sign).await;
    }
    let (gun, role, parent) = (&args.gun, &args.role, &args.parent);
    let value = json!({ "collection": gun, "role": role, "parent": parent, "staged": true });
    session.output.result(&value, &format!("{parent}: delegate {role}\n"))?;
    session.output.message(format_args!("`notary publish {gun}` publishes what is staged"));
    Ok(Outcome::Done)
}

/// What a role may do changes in words of its own, so that nobody replaces a delegation unawares.
fn refuse_other(
    view: &View,
    staged: &Staged,
    args: &DelegationAddArgs,
    new: &NewDelegation,
) -> Result<(), Failure> {
    let (role, parent) = (&args.role, &args.parent);
    if let Some(last) = view.listed(role).filter(|_| args.pending && view.role(role).is_none()) {
        return Err(Failure::Refused(format!(
            "{role} has been published before, up to version {last}: bring that back with \
             --from-history, or let the team start anew with a --request"
        )));
    }
    let file = view.file(parent);
    let is_other = |now: &DelegatedRole| *now != new.delegation;
    let Some(_) = file.and_then(|file| file.signed().delegation(role)).filter(|now| is_other(now))
    else {
        return Ok(());
    };
    match staged.roles.get(parent).is_some_and(|changes| changes.undelegated.contains(role)) {
        true => Ok(()),
        false => Err(Failure::Refused(format!(
            "{parent} delegates to {role} already; `notary delegation update` changes its paths and \
             its priority, `notary rotate` its keys and its threshold"
        ))),
    }
}

/// Runs `notary delegation remove`.
async fn remove(session: &Session, args: DelegationRemoveArgs) -> Result<Outcome, Failure> {
    let (gun, role) = (&args.gun, &args.role);
    let (collection, _lock) = session.locked(gun).await?;
    let keys = session.keyring()?.available(&args.stage.key)?;
    let change = |view: &View, staged: &mut Staged| {
        let was_staged = unstage(staged, role, args.parent.as_ref());
        let parent = match view.role(role) {
            Some(known) => known.delegator.clone(),
            None if was_staged => return Ok(Vec::new()),
            None => return Err(StageError::UnknownRole(role.clone()).into()),
        };
        if *role == RoleName::TARGETS
            || args.parent.as_ref().is_some_and(|wanted| *wanted != parent)
        {
            return Err(Failure::NotFound(format!("it is {parent} that delegates to {role}")));
        }
        let changes = staged.roles.entry(parent.clone()).or_default();
        changes.undelegated.insert(role.clone());
        Ok(vec![Shown::new(&parent, "undelegate", role.as_str())])
    };
    let roles: Vec<RoleName> = args.parent.iter().chain([role]).cloned().collect();
    let subtrees = std::slice::from_ref(role);
    let wanted = Wanted { roles: &roles, subtrees, keys: &keys, ..Wanted::default() };
    let shown = staging::stage(session, gun, &collection, wanted, change).await?;
    staging::finish(session, gun, &collection, &args.stage, shown).await
}

/// Takes back the staged delegation to a role; answers whether there was one.
fn unstage(staged: &mut Staged, role: &RoleName, parent: Option<&RoleName>) -> bool {
    let mut was_staged = false;
    for (delegator, changes) in &mut staged.roles {
        if parent.is_none_or(|parent| parent == delegator) {
            was_staged |= changes.delegations.remove(role).is_some();
        }
    }
    staged.roles.retain(|_, changes| !changes.is_empty());
    was_staged
}

fn new_delegation(session: &Session, args: &DelegationAddArgs) -> Result<NewDelegation, Failure> {
    let (keys, first_file) = match &args.request {
        Some(path) => {
            let request = request::read(path, &args.gun, &args.role)?;
            (request.keys, Some(request.file))
        }
        None => {
            let keyring = session.keyring()?;
            let keys = args.public_key.iter().map(|key| keyring.public(key));
            (keys.collect::<Result<Vec<_>, _>>()?, None)
        }
    };
    let keyids = keys.iter().map(|key| key.id().clone()).collect();
    let delegation = DelegatedRole {
        name: args.role.clone(),
        signers: RoleKeys::new(keyids, args.threshold).map_err(Failure::Usage)?.into(),
        terminating: args.terminating,
        paths: PathSet::Paths(args.paths.iter().map(|path| PathPattern::new(path)).collect()),
    };
    Ok(NewDelegation { delegation, keys, first_file })
}
