//! `notary list` and `notary lookup`: what trusted metadata says of targets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use notary_schema::name::RoleName;
use notary_schema::role::TargetFile;
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Found, Roles, Unanswered};
use serde::Serialize;
use serde_json::json;

use crate::agent::{Agent, Unread};
use crate::args::{ListArgs, LookupArgs};
use crate::exit::{Failure, Outcome};
use crate::output::one_line;
use crate::session::Session;
use crate::staged::StageError;
use crate::view::View;

#[derive(Serialize)]
struct ListedTarget {
    name: String,
    role: RoleName,
    #[serde(flatten)]
    file: TargetFile,
}

/// Runs `notary lookup`.
pub(crate) async fn lookup(session: &Session, args: LookupArgs) -> Result<Outcome, Failure> {
    let (_, _lock) = session.locked(&args.gun).await?;
    let mut agent = session.refreshed(&args.gun, session.now(), Expiry::Enforced).await?;
    let Some(found) = agent.find(&args.name).await? else {
        return Err(Failure::unlisted(args.name));
    };
    let hash = found.file.hashes.sha256().or(found.file.hashes.sha512()).unwrap_or_default();
    let text = format!("{} {} {hash} {}\n", found.role, found.file.length, found.name);
    let target = ListedTarget { name: found.name, role: found.role, file: found.file };
    session.output.result(&target, &text)?;
    Ok(Outcome::Done)
}

/// Runs `notary list`: the targets that look-ups find, each with the role in which they find it, in
/// the order of a look-up. What a role lists and no look-up finds there is left out.
pub(crate) async fn list(session: &Session, args: ListArgs) -> Result<Outcome, Failure> {
    let (_, _lock) = session.locked(&args.gun).await?;
    let mut agent = session.refreshed(&args.gun, session.now(), Expiry::Enforced).await?;
    let only = args.role.as_ref();
    let roles = only.map_or(Roles::All, |role| Roles::To(role.clone()));
    let mut visited = Visited::default();
    visited.note(session, agent.visit(roles).await?);
    let view = View::new(agent.trusted()?.clone());
    if let Some(role) = only.filter(|role| view.role(role).is_none()) {
        return Err(StageError::UnknownRole(role.clone()).into());
    }
    let mut targets = Vec::new();
    for role in view.roles().iter().filter(|role| only.is_none_or(|only| *only == role.name)) {
        let Some(file) = view.file(&role.name) else { continue };
        for name in file.signed().targets.keys() {
            let found = find(session, &mut agent, &mut visited, name).await?;
            if let Some(Found { name, role, file }) = found.filter(|found| found.role == role.name)
            {
                targets.push(ListedTarget { name, role, file });
            }
        }
    }
    let Visited { unread, pending, too_far, .. } = visited;
    if too_far > 0 {
        session
            .output
            .warn(format_args!("{too_far} look-ups visit too many roles to find a target"));
    }
    let mut text = String::new();
    for target in &targets {
        let hash = target.file.hashes.sha256().or(target.file.hashes.sha512()).unwrap_or_default();
        writeln!(text, "{} {} {hash} {}", target.role, target.file.length, one_line(&target.name))
            .expect("a String takes all");
    }
    session
        .output
        .result(&json!({ "targets": targets, "unread": unread, "pending": pending }), &text)?;
    Ok(if unread.is_empty() && too_far == 0 { Outcome::Done } else { Outcome::NotVerified })
}

/// The roles that gave no targets.
#[derive(Debug, Default)]
struct Visited {
    /// They could not be read as some delegator leads to them.
    unread: BTreeSet<RoleName>,
    /// They are delegated to and have published nothing yet.
    pending: BTreeSet<RoleName>,
    /// Roles and delegators that were asked for.
    asked: BTreeSet<(RoleName, RoleName)>,
    /// How many look-ups end at the most roles that one may visit.
    too_far: usize,
}

impl Visited {
    fn note(&mut self, session: &Session, all: Vec<Unread>) {
        let mut pending: BTreeMap<RoleName, Vec<RoleName>> = BTreeMap::new();
        for one in all {
            let is_pending = one.is_pending();
            let Unread { role, delegator, error } = one;
            if is_pending {
                if self.pending.insert(role.clone()) {
                    pending.entry(delegator.clone()).or_default().push(role.clone());
                }
            } else {
                session.output.warn(format_args!(
                    "the targets of {role} are not listed, nor those for which it is in the way: {error}"
                ));
                self.unread.insert(role.clone());
            }
            self.asked.insert((role, delegator));
        }
        for (delegator, roles) in pending {
            session.output.message(match roles.as_slice() {
                [role] => format!("{role} has published nothing yet"),
                _ => format!(
                    "{} roles that {delegator} delegates to have published nothing yet, such as {}",
                    roles.len(),
                    roles[0]
                ),
            });
        }
    }
}

/// What a look-up of a name finds; `None` also where it fails.
async fn find(
    session: &Session,
    agent: &mut Agent<'_>,
    visited: &mut Visited,
    name: &str,
) -> Result<Option<Found>, Failure> {
    loop {
        match agent.look_up(name)? {
            Ok(found) => return Ok(found),
            Err(Unanswered::TooManyRoles(_)) => {
                visited.too_far += 1;
                return Ok(None);
            }
            Err(Unanswered::Needs { role, delegator }) => {
                if !visited.asked.insert((role.clone(), delegator.clone())) {
                    return Ok(None);
                }
                match agent.follow_one(&role, &delegator).await {
                    Ok(()) => {}
                    Err(error) if error.is_of_one_file() => {
                        visited.note(session, vec![Unread { role, delegator, error }]);
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}
