//! The second opinion: what was read, read again by `tough`, an implementation of TUF that shares no
//! code with ours.
//!
//! It gets a local copy and no network. A collection that was read as a whole is loaded as a client of
//! it would, with every role and every path of delegations; then it is asked for each target. A
//! collection of which a sample was read cannot be: `tough` loads all roles or nothing. Then its parser
//! and its signature check take the files one by one, each against the file that delegates to it. So
//! they do where loading or comparing would take it very long.
//!
//! Expiry is left out: `tough` knows no clock but that of the system, and ours has judged it.

use std::collections::BTreeMap;
use std::path::Path;

use notary_schema::name::RoleName;
use notary_schema::updater::{Found, Limits, look_up, remote_name};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tough::schema::{self, Delegations, Signed};
use tough::{ExpirationEnforcement, FilesystemTransport, Repository, RepositoryLoader, TargetName};
use url::Url;

use super::collect::Collected;
use super::finding::Finding;
use crate::exit::Failure;
use crate::output::causes;
use crate::view::View;

/// How much was read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reread {
    /// All of it, as a client would.
    Collection,
    /// The files that were read, one by one.
    Files,
}

/// What the second implementation says.
#[derive(Debug)]
pub(crate) struct Opinion {
    /// Of what.
    pub(crate) reread: Reread,
    /// What it does not read as we do.
    pub(crate) findings: Vec<Finding>,
}

/// Has everything read again that was read.
pub(crate) async fn second(collected: &Collected) -> Result<Opinion, Failure> {
    let findings = files(&collected.view);
    let is_whole = collected.extent.seed.is_none() && collected.refused.is_empty();
    if !is_whole || collected.has_many_comparisons() || collected.takes_many_loads() {
        return Ok(Opinion { reread: Reread::Files, findings });
    }
    let copy = copy(collected)?;
    let loaded = load(copy.path(), collected.roots.files[0].to_vec()).await;
    let findings = match loaded {
        Ok(repository) => compare(collected, &repository),
        // What it says of a single file says more.
        Err(_) if !findings.is_empty() => findings,
        Err(why) => vec![refused(&RoleName::TARGETS, "the collection", why)],
    };
    Ok(Opinion { reread: Reread::Collection, findings })
}

fn refused(role: &RoleName, what: &str, why: String) -> Finding {
    let text = format!("tough refuses {what}, which is verified here: {why}");
    let next = "clients built on tough cannot use the collection; other findings may say why";
    Finding::error("tough_refuses", role, text, next.to_owned())
}

/// Every file by itself.
pub(super) fn files(view: &View) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |role: &RoleName, why: String| findings.push(refused(role, "its file", why));
    let trusted = view.trusted();
    let root: Signed<schema::Root> = match parse(trusted.root().bytes()) {
        Ok(root) => root,
        Err(why) => {
            note(&RoleName::ROOT, why);
            return findings;
        }
    };
    let own = root.signed.verify_role(&root).map_err(|error| causes(&error));
    let timestamp =
        trusted.timestamp().map(|file| verify::<schema::Timestamp>(&root, file.bytes()));
    let snapshot = trusted.snapshot().map(|file| verify::<schema::Snapshot>(&root, file.bytes()));
    let top = [(RoleName::ROOT, Some(own)), (RoleName::TIMESTAMP, timestamp.map(|r| r.map(drop)))];
    let top = top.into_iter().chain([(RoleName::SNAPSHOT, snapshot.map(|r| r.map(drop)))]);
    for (role, verdict) in top {
        if let Some(Err(why)) = verdict {
            note(&role, why);
        }
    }
    let mut known: BTreeMap<&RoleName, Delegations> = BTreeMap::new();
    for role in view.roles() {
        let Some(file) = view.file(&role.name) else { continue };
        let verdict = match known.get(&role.delegator) {
            _ if role.delegator == RoleName::ROOT => verify(&root, file.bytes()),
            Some(delegations) => verify_delegated(delegations, &role.name, file.bytes()),
            // The delegator was refused.
            None => continue,
        };
        match verdict {
            Ok(Signed { signed: schema::Targets { delegations: Some(below), .. }, .. }) => {
                known.insert(&role.name, below);
            }
            Ok(_) => {}
            Err(why) => note(&role.name, why),
        }
    }
    findings
}

fn parse<T: DeserializeOwned>(file: &[u8]) -> Result<Signed<T>, String> {
    serde_json::from_slice(file).map_err(|error| causes(&error))
}

fn verify<T>(root: &Signed<schema::Root>, file: &[u8]) -> Result<Signed<T>, String>
where
    T: schema::Role + Serialize + DeserializeOwned,
{
    let file = parse(file)?;
    root.signed.verify_role(&file).map_err(|error| causes(&error))?;
    Ok(file)
}

fn verify_delegated(
    delegations: &Delegations,
    role: &RoleName,
    file: &[u8],
) -> Result<Signed<schema::Targets>, String> {
    let file = parse(file)?;
    delegations.verify_role(&file, role.as_str()).map_err(|error| causes(&error))?;
    Ok(file)
}

/// The files as a repository has them.
fn copy(collected: &Collected) -> Result<TempDir, Failure> {
    let copy = tempfile::tempdir();
    let action = "make a temporary directory";
    let copy = copy.map_err(|error| Failure::System { action, error })?;
    let write = |name: String, bytes: &[u8]| {
        let path = copy.path().join(name);
        std::fs::write(&path, bytes).map_err(|error| Failure::file("write", &path, error))
    };
    let trusted = collected.view.trusted();
    let newest = trusted.root().version().get();
    let oldest = newest + 1 - collected.roots.files.len() as u64;
    for (number, root) in (oldest..).zip(&collected.roots.files) {
        write(format!("{number}.root.json"), root)?;
    }
    let is_consistent = trusted.root().signed().consistent_snapshot == Some(true);
    if let Some(file) = trusted.timestamp() {
        write(remote_name(&RoleName::TIMESTAMP, None), file.bytes())?;
    }
    if let Some(file) = trusted.snapshot() {
        let version = Some(file.version()).filter(|_| is_consistent);
        write(remote_name(&RoleName::SNAPSHOT, version), file.bytes())?;
    }
    for role in trusted.targets_roles() {
        let file = trusted.targets(role).expect("it is listed");
        let version = Some(file.version()).filter(|_| is_consistent);
        write(remote_name(role, version), file.bytes())?;
    }
    Ok(copy)
}

/// Loads a local copy from its oldest root on.
async fn load(copy: &Path, root: Vec<u8>) -> Result<Repository, String> {
    let url = Url::from_directory_path(copy).map_err(|()| "no URL names its directory")?;
    let load = async move {
        let loader = RepositoryLoader::new(&root, url.clone(), url);
        let loader = loader.transport(FilesystemTransport);
        loader.expiration_enforcement(ExpirationEnforcement::Unsafe).load().await
    };
    // A task of its own, so that a panic is an answer, too.
    match tokio::spawn(load).await {
        Ok(loaded) => loaded.map_err(|error| causes(&error)),
        Err(_) => Err("it panicked".to_owned()),
    }
}

/// Asks both for every target.
fn compare(collected: &Collected, repository: &Repository) -> Vec<Finding> {
    let view = &collected.view;
    let mut differing: BTreeMap<&RoleName, Vec<&str>> = BTreeMap::new();
    for role in view.roles() {
        let Some(file) = view.file(&role.name) else { continue };
        for name in file.signed().targets.keys() {
            // A role that has published nothing yet stands in the way: that is a finding of its own.
            let found = look_up(view.trusted(), name, &Limits::default());
            let Ok(ours) = found else { continue };
            if !agree(ours.as_ref(), repository, name) {
                differing.entry(&role.name).or_default().push(name);
            }
        }
    }
    let finding = |(role, names): (&RoleName, Vec<&str>)| {
        let (count, first) = (names.len(), names[0]);
        let what =
            format!("tough does not find {count} of its targets as we do, such as {first:?}");
        let next = "look the target up with the clients that you ship; other findings may say why";
        Finding::error("tough_differs", role, what, next.to_owned())
    };
    differing.into_iter().map(finding).collect()
}

fn agree(ours: Option<&Found>, repository: &Repository, name: &str) -> bool {
    let Ok(target) = TargetName::new(name) else { return ours.is_none() };
    let theirs = repository.targets().signed.find_target(&target, false).ok();
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            let sha256 = hex::encode(&theirs.hashes.sha256);
            ours.file.length == theirs.length && ours.file.hashes.sha256() == Some(sha256.as_str())
        }
        (None, None) => true,
        _ => false,
    }
}
