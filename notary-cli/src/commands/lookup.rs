//! `notary list` and `notary lookup`: what trusted metadata says of targets.

use std::collections::BTreeSet;
use std::fmt::Write;

use notary_schema::name::RoleName;
use notary_schema::path::Candidate;
use notary_schema::role::{TargetFile, Targets};
use notary_schema::trusted::Expiry;
use serde::Serialize;
use serde_json::json;

use crate::agent::{Agent, AgentError};
use crate::args::{ListArgs, LookupArgs};
use crate::exit::{Failure, Outcome};
use crate::output::one_line;
use crate::session::Session;
use crate::staged::StageError;
use crate::view::View;

/// Most roles that a list visits.
const MAX_ROLES: usize = 65_536;

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

/// Runs `notary list`: the targets of every role, in the order of a look-up, as far as the
/// delegations that lead there cover them. A role that cannot be read hides only its own targets.
pub(crate) async fn list(session: &Session, args: ListArgs) -> Result<Outcome, Failure> {
    let (_, _lock) = session.locked(&args.gun).await?;
    let mut agent = session.refreshed(&args.gun, session.now(), Expiry::Enforced).await?;
    let what = args.role.as_ref().map_or(Visit::All, Visit::One);
    let Visited { unread, pending } = visit(session, &mut agent, what).await?;
    for role in &pending {
        session.output.message(format_args!("{role} has published nothing yet"));
    }
    let view = View::new(agent.trusted()?.clone());
    if let Some(role) = args.role.as_ref().filter(|role| view.role(role).is_none()) {
        return Err(StageError::UnknownRole(role.clone()).into());
    }
    let targets = targets(&view, args.role.as_ref());
    let mut text = String::new();
    for target in &targets {
        let hash = target.file.hashes.sha256().or(target.file.hashes.sha512()).unwrap_or_default();
        writeln!(text, "{} {} {hash} {}", target.role, target.file.length, one_line(&target.name))
            .expect("a String takes all");
    }
    session
        .output
        .result(&json!({ "targets": targets, "unread": unread, "pending": pending }), &text)?;
    Ok(if unread.is_empty() { Outcome::Done } else { Outcome::NotVerified })
}

/// What is visited.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Visit<'a> {
    /// Every role.
    All,
    /// Every role but bins, of which there may be thousands.
    Teams,
    /// This role, as soon as a delegation leads there.
    One(&'a RoleName),
}

impl Visit<'_> {
    /// The roles below a file that are visited next, in the order of a look-up.
    fn below(self, file: &Targets) -> Vec<RoleName> {
        let Some(delegations) = &file.delegations else { return Vec::new() };
        if let Visit::One(role) = self
            && delegations.authority(role).is_some()
        {
            return vec![role.clone()];
        }
        let all = matches!(self, Visit::All);
        let listed = delegations.listed().iter().filter(|role| all || !role.is_bin());
        let bins = delegations.succinct().into_iter().flat_map(|succinct| succinct.bins.names());
        let bins = bins.take(if all { MAX_ROLES } else { 0 });
        listed.map(|role| role.name.clone()).chain(bins).collect()
    }
}

/// The roles that gave no targets.
#[derive(Debug, Default)]
pub(crate) struct Visited {
    /// They could not be read.
    pub(crate) unread: BTreeSet<RoleName>,
    /// They are delegated to and have published nothing yet.
    pub(crate) pending: BTreeSet<RoleName>,
}

/// Fetches roles.
pub(crate) async fn visit(
    session: &Session,
    agent: &mut Agent<'_>,
    what: Visit<'_>,
) -> Result<Visited, Failure> {
    let (mut seen, mut visited) = (BTreeSet::from([RoleName::TARGETS]), Visited::default());
    let mut waiting = vec![Vec::new()];
    while let Some(path) = waiting.pop() {
        let role = path.last().unwrap_or(&RoleName::TARGETS).clone();
        let snapshot = agent.trusted()?.snapshot();
        if snapshot.is_some_and(|snapshot| snapshot.signed().entry(&role).is_none()) {
            visited.pending.insert(role);
            continue;
        }
        if let Err(error) = agent.follow(&path).await {
            if !matches!(error, AgentError::Update(_)) {
                return Err(error.into());
            }
            session.output.warn(format_args!("the targets of {role} are not listed: {error}"));
            visited.unread.insert(role);
            continue;
        }
        if matches!(what, Visit::One(wanted) if *wanted == role) {
            break;
        }
        let Some(file) = agent.trusted()?.targets(&role) else { continue };
        for below in what.below(file.signed()).into_iter().rev() {
            if seen.len() < MAX_ROLES && seen.insert(below.clone()) {
                waiting.push(path.iter().cloned().chain([below]).collect());
            }
        }
    }
    Ok(visited)
}

fn targets(view: &View, only: Option<&RoleName>) -> Vec<ListedTarget> {
    let (mut seen, mut targets) = (BTreeSet::new(), Vec::new());
    for role in view.roles() {
        let Some(file) = view.file(&role.name) else { continue };
        for (name, file) in file.signed().targets.iter() {
            // A client takes a name from the first role on its way that lists it.
            if !role.covers(&Candidate::new(name)) || !seen.insert(name.to_owned()) {
                continue;
            }
            if only.is_none_or(|only| *only == role.name) {
                let (name, role) = (name.to_owned(), role.name.clone());
                targets.push(ListedTarget { name, role, file });
            }
        }
    }
    targets
}
