//! `notary delegation update`: other paths, or another place among the delegations of a role.

use notary_schema::name::RoleName;
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::Targets;

use serde_json::json;

use crate::args::{DelegationUpdate, DelegationUpdateArgs};
use crate::exit::{Failure, Outcome};
use crate::output::joined;
use crate::session::Session;
use crate::staged::{Changes, NewDelegation, StageError, Staged};
use crate::staging::{self, Shown};
use crate::view::View;
use crate::wanted::Wanted;

/// Runs `notary delegation update`.
pub(super) async fn update(
    session: &Session,
    args: DelegationUpdateArgs,
) -> Result<Outcome, Failure> {
    let (gun, role) = (&args.gun, &args.role);
    let (collection, _lock) = session.locked(gun).await?;
    let keys = session.keyring()?.available(&args.stage.key)?;
    let change = |view: &View, staged: &mut Staged| {
        let parent = delegator(view, staged, role)?;
        let Some(file) = view.file(&parent).map(|file| file.signed()) else {
            return Err(StageError::UnknownRole(role.clone()).into());
        };
        let changes = staged.roles.entry(parent.clone()).or_default();
        describe(changes, file, role, &args.update)?;
        place(changes, file, role, &args.update)?;
        let is_changed = changes.delegations.contains_key(role);
        let changed = is_changed.then(|| Shown::new(&parent, "delegate", role.as_str()));
        let order = joined(&changes.order);
        let order = (!order.is_empty()).then(|| Shown::new(&parent, "order", &order));
        staged.roles.retain(|_, changes| !changes.is_empty());
        Ok(changed.into_iter().chain(order).collect::<Vec<_>>())
    };
    let wanted = Wanted { roles: std::slice::from_ref(role), keys: &keys, ..Wanted::default() };
    let shown = staging::stage(session, gun, &collection, wanted, change).await?;
    if shown.is_empty() && !args.stage.publish {
        session.output.result(&json!({ "staged": [] }), "nothing to change\n")?;
        return Ok(Outcome::Done);
    }
    staging::finish(session, gun, &collection, &args.stage, shown).await
}

/// Who delegates to a role, or will.
fn delegator(view: &View, staged: &Staged, role: &RoleName) -> Result<RoleName, Failure> {
    let mut all = staged.roles.iter();
    if let Some((parent, _)) = all.find(|(_, changes)| changes.delegations.contains_key(role)) {
        return Ok(parent.clone());
    }
    let known = view.role(role).filter(|known| known.delegator != RoleName::ROOT);
    let known = known.ok_or_else(|| StageError::UnknownRole(role.clone()))?;
    match staged.undelegated().any(|gone| gone == role) {
        true => Err(Failure::Usage(format!(
            "it is staged that {} delegates to {role} no more; `notary delegation add` brings it back",
            known.delegator
        ))),
        false => Ok(known.delegator.clone()),
    }
}

/// Says with which names the role is trusted.
fn describe(
    changes: &mut Changes,
    file: &Targets,
    role: &RoleName,
    update: &DelegationUpdate,
) -> Result<(), Failure> {
    let now = file.delegation(role);
    let is_one_of_many = file.delegations.as_ref().is_some_and(|all| all.succinct().is_some());
    if is_one_of_many {
        return Err(Failure::Refused(format!(
            "{role} is one of many bins, of which each has its names by their hash and no priority"
        )));
    }
    let staged = changes.delegations.get(role).cloned();
    let as_it_is = || {
        let delegation = now.as_deref()?.clone();
        Some(NewDelegation { delegation, keys: Vec::new(), first_file: None })
    };
    let mut new = staged.or_else(as_it_is).ok_or_else(|| StageError::UnknownRole(role.clone()))?;
    if !update.paths.is_empty() {
        if new.delegation.is_bin() {
            return Err(Failure::Refused(format!(
                "names come to {role} by their hash, not by paths"
            )));
        }
        let paths = update.paths.iter().map(|path| PathPattern::new(path));
        new.delegation.paths = PathSet::Paths(paths.collect());
    }
    new.delegation.terminating = update.terminating.unwrap_or(new.delegation.terminating);
    match now.as_deref() == Some(&new.delegation) && new.first_file.is_none() {
        true => drop(changes.delegations.remove(role)),
        false => drop(changes.delegations.insert(role.clone(), new)),
    }
    Ok(())
}

/// Puts the role where it is asked for.
fn place(
    changes: &mut Changes,
    file: &Targets,
    role: &RoleName,
    update: &DelegationUpdate,
) -> Result<(), Failure> {
    let mut order = changes.order_after(Some(file));
    order.retain(|other| other != role);
    let position = |of: &RoleName| {
        let unknown = || StageError::UnknownRole(of.clone());
        order.iter().position(|other| other == of).ok_or_else(unknown)
    };
    let at = match (&update.before, &update.after) {
        (Some(other), _) => position(other)?,
        (_, Some(other)) => position(other)? + 1,
        _ if update.first => 0,
        _ if update.last => order.len(),
        _ => return Ok(()),
    };
    order.insert(at, role.clone());
    changes.order.clear();
    if changes.order_after(Some(file)) != order {
        changes.order = order;
    }
    Ok(())
}
