//! The client workflow, driven over maps in memory.

mod cuts;
mod graphs;
mod refresh;
mod refusals;
mod roots;
mod rotation;
mod search;
mod set;

use std::collections::BTreeMap;

use chrono::TimeDelta;
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::role::{FileMeta, Root, Snapshot, Targets};
use notary_schema::trusted::{Expiry, TrustError, TrustedSet};
use notary_schema::updater::{Limits, Step, UpdateError, Updater};

use crate::support::*;

/// Files by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A client: its stored files, what it asked for, and a repository whose files may fail.
pub struct Client {
    local: Files,
    remote: Files,
    failing: Option<&'static str>,
    pub requests: Vec<String>,
    /// What was stored and removed, in order: "+docs.json", "-timestamp.json".
    writes: Vec<String>,
    limits: Limits,
    expiry: Expiry,
    days: i64,
}

impl Client {
    pub fn new(collection: &Collection) -> Client {
        Client {
            local: Files::from([("root.json".to_owned(), collection.root.clone())]),
            remote: collection.repository(),
            failing: None,
            requests: Vec::new(),
            writes: Vec::new(),
            limits: Limits::default(),
            expiry: Expiry::Enforced,
            days: 0,
        }
    }

    fn updater(&self) -> Updater {
        Updater::new(now() + TimeDelta::days(self.days), self.expiry, self.limits)
    }

    fn drive(&mut self, updater: &mut Updater) -> Result<(), UpdateError> {
        while updater.step() != Step::Done {
            self.take_step(updater)?;
        }
        Ok(())
    }

    fn take_step(&mut self, updater: &mut Updater) -> Result<(), UpdateError> {
        match updater.step() {
            Step::Load { name } => return updater.loaded(self.local.get(&name).cloned()),
            Step::Fetch { name, max_bytes } => {
                self.requests.push(name.clone());
                assert!(max_bytes > 0);
                return match self.remote.get(&name) {
                    _ if self.failing == Some(name.as_str()) => updater.failed("status 500"),
                    Some(bytes) => updater.fetched(bytes.clone()),
                    None => updater.not_found(),
                };
            }
            Step::Save { name, bytes } => {
                self.writes.push(format!("+{name}"));
                self.local.insert(name, bytes.to_vec());
            }
            Step::Remove { name } => {
                self.writes.push(format!("-{name}"));
                assert!(self.local.remove(&name).is_some(), "{name} was not there");
            }
            Step::Done => {}
        }
        updater.stored();
        Ok(())
    }

    /// A new session of this client.
    fn refresh(&mut self) -> Result<Updater, UpdateError> {
        self.requests.clear();
        self.writes.clear();
        let mut updater = self.updater();
        self.drive(&mut updater)?;
        Ok(updater)
    }

    /// The role that vouches for a target, in a new session.
    pub fn find(&mut self, name: &str) -> Result<Option<String>, UpdateError> {
        let mut updater = self.refresh()?;
        self.look_up(&mut updater, name)
    }

    /// The role that vouches for a target, in a session that goes on.
    fn look_up(
        &mut self,
        updater: &mut Updater,
        name: &str,
    ) -> Result<Option<String>, UpdateError> {
        updater.find(name)?;
        self.drive(updater)?;
        Ok(updater.found().map(|found| found.role.to_string()))
    }

    fn refused(&mut self) -> TrustError {
        match self.refresh() {
            Err(UpdateError::Trust(error)) => error,
            other => panic!("{:?}", other.map(|_| "refreshed")),
        }
    }
}

/// The collection after one more change, version 2 of docs, snapshot and timestamp.
fn second() -> Collection {
    let first = Collection::new();
    let docs = sign(&first.next("docs").with_target("docs/b").finish(), &[DOCS]);
    let mut files = first.files.clone();
    files.insert(role("docs"), docs);
    Collection::of(first.root, files, 2)
}
