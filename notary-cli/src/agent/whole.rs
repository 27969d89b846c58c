//! A whole repository: the chain of roots, and the current file of every role that the snapshot lists.

use std::path::{Component, Path};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::{RoleName, Version};
use notary_schema::role::FileMeta;
use notary_schema::trusted::TrustedSet;
use notary_schema::updater::{Limits, Roles, remote_name};

use super::roots::{Roots, climb};
use super::{Agent, AgentError};
use crate::output::Output;

/// Most roots below the newest that are read.
const MAX_ROOT_STEPS: u64 = 10_000;

/// A repository, read and verified.
pub(crate) struct Whole {
    /// What a client trusts.
    pub(crate) trusted: TrustedSet,
    /// The roots that clients climb.
    pub(crate) roots: Roots,
    /// The current file of each role: verified by the keys of a delegator, or, where nobody delegates
    /// to it any more, by the hash that the snapshot lists.
    pub(crate) files: Vec<(RoleName, Version, Arc<[u8]>)>,
    /// What the snapshot lists and nobody vouches for.
    pub(crate) left_out: Vec<String>,
}

/// Reads all of a repository whose top-level roles the agent has brought up to date. What clients
/// refuse in it is told.
pub(crate) async fn read_whole(
    agent: &mut Agent<'_>,
    output: &Output,
    now: DateTime<Utc>,
) -> Result<Whole, AgentError> {
    let snapshot = agent.trusted()?.snapshot().cloned().expect("a refresh ends with a snapshot");
    agent.show(Some(output.files(snapshot.signed().meta.len() as u64, "reading")));
    let roots = climb(agent, MAX_ROOT_STEPS, now).await?;
    let unread = agent.visit(Roles::All).await?;
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for (name, entry) in snapshot.signed().meta.iter() {
        let role = name.strip_suffix(".json").and_then(|role| RoleName::parse(role).ok());
        let file = match &role {
            Some(role) => file(agent, role, &entry).await?,
            None => None,
        };
        match role.zip(file) {
            Some((role, file)) => files.push((role, entry.version, file)),
            None => left_out.push(name.to_owned()),
        }
    }
    agent.show(None);
    for one in unread.iter().filter(|one| !one.is_pending()) {
        let (role, delegator, error) = (&one.role, &one.delegator, &one.error);
        output.warn(format_args!("clients refuse {role} of {delegator}: {error}"));
    }
    if let Some((version, why)) = roots.gaps.last() {
        output.warn(format_args!("clients that start before root {version} cannot follow: {why}"));
    }
    Ok(Whole { trusted: agent.trusted()?.clone(), roots, files, left_out })
}

/// The version that stands in the names of a repository, which has consistent snapshots or not.
pub(crate) fn named(trusted: &TrustedSet, version: Version) -> Option<Version> {
    let consistent = trusted.root().signed().consistent_snapshot == Some(true);
    Some(version).filter(|_| consistent)
}

/// The file of a role below a directory that web servers serve. They take the percent-encoding off a
/// request before they look for a file: it is called as its role is, and a `/` in the name of a role is
/// a directory. `None` where there can be none, or one outside, whatever the platform takes for a way
/// out.
pub(crate) fn static_place(role: &RoleName, version: Option<Version>) -> Option<String> {
    let place = match version {
        Some(version) => format!("{version}.{role}.json"),
        None => format!("{role}.json"),
    };
    let is_below = |part| matches!(part, Component::Normal(_));
    let is_usable = Path::new(&place).components().all(is_below) && !place.contains(['\0', '\\']);
    is_usable.then_some(place)
}

/// Why a role has no [`static_place`].
pub(crate) fn no_place(role: &RoleName) -> String {
    format!("no web server can have a file for the role {:?}", role.as_str())
}

/// The current file of a role; `None` where neither a key nor a hash vouches for it.
async fn file(
    agent: &Agent<'_>,
    role: &RoleName,
    entry: &FileMeta,
) -> Result<Option<Arc<[u8]>>, AgentError> {
    let trusted = agent.trusted()?;
    if let Some(file) = trusted.targets(role) {
        return Ok(Some(file.bytes().clone()));
    }
    if entry.hashes.is_none() {
        return Ok(None);
    }
    let name = remote_name(role, named(trusted, entry.version));
    let found = agent.fetch(&name, Limits::default().targets_bytes).await?;
    Ok(found.filter(|file| entry.describes(file)))
}
