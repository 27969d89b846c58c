//! A proposal in a file, for a holder whose keys are on a machine without a network.
//!
//! Beside the proposal it holds the metadata of its collection, under the names by which clients ask for
//! it. Who reads it believes none of that: it is taken as from any repository, from the root that is
//! trusted there, and what that directory has seen is not undone.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::json;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::role::Targets;
use notary_schema::trusted::Expiry;
use notary_schema::updater::remote_name;
use notary_schema::wire::{NewSignatures, Proposal};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::agent::local::place_of;
use crate::agent::roots::climb;
use crate::agent::{Agent, AgentError};
use crate::exit::Failure;
use crate::named;
use crate::publishing::earlier::Earlier;
use crate::session::Session;
use crate::trust_dir::{CollectionDir, MetadataDir, files};
use crate::view::View;

/// The longest file that is read.
const MAX_FILE_BYTES: u64 = 128 << 20;
/// Most roots below the newest that go with a proposal: as many steps as clients take.
const MAX_ROOT_STEPS: u64 = 255;

/// A proposal with what is needed to judge it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Carried {
    /// The collection.
    pub(crate) collection: Gun,
    /// The proposal.
    pub(crate) proposal: Proposal,
    /// Files by the names by which clients ask for them.
    metadata: BTreeMap<String, String>,
    /// The delegations that lead to each role among them.
    ways: Vec<Vec<RoleName>>,
}

/// The signatures of a holder, on their way back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarriedSignatures {
    /// The collection.
    pub(crate) collection: Gun,
    /// The id of the proposal.
    pub(crate) proposal: String,
    /// For each role.
    pub(crate) signatures: Vec<NewSignatures>,
}

impl Carried {
    /// The proposal with what is trusted here.
    pub(crate) async fn pack(
        session: &Session,
        gun: &Gun,
        proposal: Proposal,
        view: &View,
        now: DateTime<Utc>,
    ) -> Result<Carried, Failure> {
        let agent = session.refreshed_to_publish(gun, now).await?;
        let roots = climb(&agent, MAX_ROOT_STEPS, now).await?;
        let trusted = view.trusted();
        let newest = trusted.root().version().get();
        let first = newest + 1 - roots.files.len() as u64;
        let mut metadata = BTreeMap::new();
        let mut add = |name: String, bytes: &[u8]| {
            metadata.insert(name, String::from_utf8_lossy(bytes).into_owned());
        };
        for (number, root) in (first..).zip(&roots.files) {
            let version = Version::new(number)?;
            add(remote_name(&RoleName::ROOT, Some(version)), root);
        }
        if let (Some(timestamp), Some(snapshot)) = (trusted.timestamp(), trusted.snapshot()) {
            add(remote_name(&RoleName::TIMESTAMP, None), timestamp.bytes());
            add(remote_name(&RoleName::SNAPSHOT, Some(snapshot.version())), snapshot.bytes());
        }
        let mut ways = Vec::new();
        for role in view.roles() {
            let Some(file) = view.ground(&role.name) else { continue };
            add(remote_name(&role.name, Some(file.version())), file.bytes());
            let is_listed = view.file(&role.name).is_some();
            ways.extend(Some(role.path()).filter(|way| is_listed && !way.is_empty()));
        }
        Ok(Carried { collection: gun.clone(), proposal, metadata, ways })
    }

    /// The first root of a collection, and its targets.
    pub(crate) fn first(gun: &Gun, proposal: Proposal) -> Carried {
        let (metadata, ways) = (BTreeMap::new(), Vec::new());
        Carried { collection: gun.clone(), proposal, metadata, ways }
    }

    fn makes_the_collection(&self) -> bool {
        let mut files = self.proposal.files.iter();
        files.any(|file| file.name == RoleName::ROOT && file.version == Version::FIRST)
    }

    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Carried, Failure> {
        read(path, "a proposal that `notary proposal export` wrote")
    }

    /// What is trusted here after its metadata was taken in; `None` where the proposal makes the
    /// collection.
    ///
    /// # Errors
    /// Where no root is pinned here, or one is and the proposal has the first, or the metadata is not
    /// trusted: not signed as the root here asks, or older than what was seen here.
    pub(crate) async fn ground(
        &self,
        session: &Session,
        collection: &CollectionDir,
        now: DateTime<Utc>,
    ) -> Result<Option<View>, Failure> {
        let gun = &self.collection;
        let is_pinned = collection.trusted().load("root.json")?.is_some();
        match (is_pinned, self.makes_the_collection()) {
            (true, false) => {}
            (false, true) => return Ok(None),
            (false, false) => {
                return Err(Failure::Refused(format!(
                    "no root of {gun} is pinned here; pin one with `notary trust add {gun} --root FILE`"
                )));
            }
            (true, true) => {
                return Err(Failure::Refused(format!(
                    "a root of {gun} is pinned here, so the first one is signed; `notary trust show \
                     {gun}` shows what is pinned"
                )));
            }
        }
        let failed = |error| Failure::System { action: "make a temporary directory", error };
        let directory = tempfile::tempdir().map_err(failed)?;
        let base = Url::from_directory_path(directory.path());
        let base =
            base.map_err(|()| Failure::Usage("no URL names the temporary directory".into()))?;
        for (name, text) in &self.metadata {
            let is_below = |path: &PathBuf| {
                let mut steps = path.components();
                path.starts_with(directory.path()) && steps.all(|step| step != Component::ParentDir)
            };
            let is_metadata = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
            let path = place_of(&base, name).filter(is_below).filter(is_metadata);
            let refuse = |why: String| Failure::Refused(format!("{name:?} names no metadata{why}"));
            let path = path.ok_or_else(|| refuse(String::new()))?;
            let parent = files::parent(&path);
            let written =
                std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&path, text));
            written.map_err(|error| refuse(format!(": {error}")))?;
        }
        let http = session.http();
        let trusted = collection.trusted();
        let mut agent = Agent::new(trusted, base, None, http, now, Expiry::Reported);
        agent.refresh_to_publish().await.map_err(untrusted)?;
        for way in &self.ways {
            match agent.follow(way).await {
                Err(error) if !error.is_of_one_file() => return Err(error.into()),
                // The judgement names what it lacks.
                _ => {}
            }
        }
        let view = View::new(agent.trusted()?.clone());
        let earlier = self.earlier(session, &agent, &collection.trusted(), &view).await?;
        Ok(Some(view.building_on(earlier)))
    }

    /// What its files are built on whose role has lost the listed one.
    async fn earlier(
        &self,
        session: &Session,
        agent: &Agent<'_>,
        stored: &MetadataDir,
        view: &View,
    ) -> Result<BTreeMap<RoleName, Arc<Envelope<Targets>>>, Failure> {
        let mut all = BTreeMap::new();
        let roles = self.proposal.files.iter().map(|file| &file.name);
        for role in roles.filter(|role| role.is_targets_role() && view.file(role).is_none()) {
            let Some(known) = view.role(role) else { continue };
            if let Some(earlier) = Earlier::find(agent, stored, role, &known.delegator).await? {
                session.output.warn_once(&earlier);
                all.insert(role.clone(), earlier.file);
            }
        }
        Ok(all)
    }
}

/// What came with a proposal is not what is trusted here.
fn untrusted(error: AgentError) -> Failure {
    match error {
        AgentError::Update(error) => {
            Failure::Refused(format!("the metadata that came with it is not trusted here: {error}"))
        }
        other => other.into(),
    }
}

impl CarriedSignatures {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<CarriedSignatures, Failure> {
        read(path, "signatures that `notary proposal sign --file` wrote")
    }
}

/// Refuses a file for another collection.
pub(crate) fn require_same(path: &Path, found: &Gun, wanted: &Gun) -> Result<(), Failure> {
    match found == wanted {
        true => Ok(()),
        false => Err(Failure::Refused(format!(
            "{} is for the collection {found}, not for {wanted}",
            path.display()
        ))),
    }
}

fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Result<T, Failure> {
    let failed = |error| Failure::file("read", path, error);
    let refuse = |why: String| Failure::Refused(format!("{} is not {what}: {why}", path.display()));
    let bytes = named::read(path, MAX_FILE_BYTES).map_err(failed)?;
    json::read(&bytes).map_err(|error| refuse(error.to_string()))
}
