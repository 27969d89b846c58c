//! `notary delegation plan` and `apply`: a collection becomes what a file declares.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use notary_schema::name::{Gun, RoleName};
use notary_schema::online::{Lifetimes, expires_after};
use notary_schema::trusted::Expiry;
use notary_schema::updater::Roles;
use serde_json::json;

use super::request;
use crate::args::{DelegationApplyArgs, DelegationPlanArgs};
use crate::declared::Declared;
use crate::declared::changes::{Difference, Sources, changes};
use crate::delivered;
use crate::exit::{Failure, Outcome};
use crate::publishing::{Publisher, plan};
use crate::session::Session;
use crate::staged::Staged;
use crate::view::View;
use crate::wanted::Wanted;

/// Runs `notary delegation plan`.
pub(super) async fn plan(session: &Session, args: DelegationPlanArgs) -> Result<Outcome, Failure> {
    let declared = Declared::read(&args.file)?;
    let (_, _lock) = session.locked(&args.gun).await?;
    let view = present(session, &args.gun).await?;
    let (staged, differences) = compare(session, &args, &declared, &view)?;
    for warning in judge(session, &view, &staged)? {
        session.output.warn(warning);
    }
    let (value, text) = spelled(&args.gun, &differences);
    session.output.result(&value, &text)?;
    Ok(if differences.is_empty() { Outcome::Done } else { Outcome::ToDo })
}

/// Runs `notary delegation apply`.
pub(super) async fn apply(
    session: &Session,
    args: DelegationApplyArgs,
) -> Result<Outcome, Failure> {
    let (gun, plan) = (&args.plan.gun, &args.plan);
    let declared = Declared::read(&plan.file)?;
    let (collection, _lock) = session.locked(gun).await?;
    let publisher = Publisher::new(session, gun, &collection, &args.sign)?;
    let view = present(session, gun).await?;
    let (staged, differences) = compare(session, plan, &declared, &view)?;
    judge(session, &view, &staged)?;
    let gone: Vec<_> = staged.undelegated().cloned().collect();
    if !gone.is_empty() {
        let consequence = format!(
            "{} and all below go out of the collection, since {} does not have them",
            RoleName::list(&gone),
            plan.file.display()
        );
        session.insist("take these delegations out", &consequence)?;
    }
    let delegators = declared.delegating().into_iter().map(|one| one.delegator);
    let mut roles: BTreeSet<RoleName> = delegators.collect();
    let bins_of: Vec<_> = other_bins(&staged, &view);
    roles.extend(staged.roles.values().flat_map(|changes| changes.delegations.keys().cloned()));
    let roles: Vec<_> = roles.into_iter().collect();
    let wanted = Wanted { roles: &roles, subtrees: &gone, bins_of: &bins_of, ..Wanted::default() };
    // Who applies a file has seen what it changes; it shall not take back what somebody else has done
    // since.
    let change = |view: &View| match compare(session, plan, &declared, view)? {
        (_, now) if !now.is_empty() && !said(&now).eq(said(&differences)) => {
            Err(Failure::Conflict(format!(
                "somebody else changed the delegations of {gun} meanwhile; look again with `notary \
             delegation plan {gun} -f {}`",
                plan.file.display()
            )))
        }
        (staged, _) => Ok(staged),
    };
    let why = "delegations as they are declared";
    let delivered = publisher.publish_at_once(wanted, why, change).await?;
    for difference in delivered.iter().flat_map(|_| &differences) {
        session.output.message(difference);
    }
    delivered::report(session, gun, delivered)
}

/// What a file says. Which roles are signed anew follows from it, and is known when they are read.
fn said(differences: &[Difference]) -> impl Iterator<Item = &Difference> {
    differences.iter().filter(|one| !one.is_signature())
}

/// The collection as it is, without the files of its bins.
async fn present(session: &Session, gun: &Gun) -> Result<View, Failure> {
    let mut agent = session.refreshed(gun, session.now(), Expiry::Reported).await?;
    for unread in agent.visit(Roles::Teams).await?.iter().filter(|one| !one.is_pending()) {
        session.output.warn(format_args!("{} could not be read: {}", unread.role, unread.error));
    }
    Ok(View::new(agent.trusted()?.clone()))
}

fn compare(
    session: &Session,
    args: &DelegationPlanArgs,
    declared: &Declared,
    view: &View,
) -> Result<(Staged, Vec<Difference>), Failure> {
    let keyring = session.keyring()?;
    let directory = args.file.parent().unwrap_or(Path::new(""));
    let key = |text: &str| {
        let beside = directory.join(text);
        let reference = if beside.is_file() { &*beside.to_string_lossy() } else { text };
        Ok(keyring.public(reference)?)
    };
    let request =
        |path: &Path, role: &RoleName| request::read(&directory.join(path), &args.gun, role);
    changes(declared, view, &Sources { key: &key, request: &request })
}

/// The roles whose bins get other keys.
fn other_bins(staged: &Staged, view: &View) -> Vec<RoleName> {
    let with_bins = |delegator: &RoleName| {
        let changes = &staged.roles[delegator];
        let mut delegations = changes.delegations.values();
        changes.succinct.is_some() || delegations.any(|new| new.delegation.is_bin())
    };
    let delegators = staged.roles.keys().filter(|role| view.role(role).is_some());
    delegators.filter(|role| with_bins(role)).cloned().collect()
}

/// By the rules of publishing, before anything is signed.
fn judge(session: &Session, view: &View, staged: &Staged) -> Result<Vec<String>, Failure> {
    let (now, lifetimes) = (session.now(), Lifetimes::default());
    let expires = expires_after(now, lifetimes.targets_seconds);
    plan::plan(view, staged, expires)?.check(view, &lifetimes, now)
}

fn spelled(gun: &Gun, differences: &[Difference]) -> (serde_json::Value, String) {
    let mut text = String::new();
    for difference in differences {
        writeln!(text, "{difference}").expect("a String takes all");
    }
    if differences.is_empty() {
        text.push_str("nothing to change\n");
    }
    (json!({ "collection": gun, "changes": differences }), text)
}
