//! Our client, over whatever gives it files: what an update agent makes of a collection.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Found, Limits, Step, UpdateError, Updater};

use crate::hand::Files;
use crate::judge::{self, Decision, FoundTarget, Response, Visit};

/// What a client makes of a collection: for each name that it looked up, the length of the target
/// that it trusts, or why it trusts none.
pub type Verdict = BTreeMap<String, Result<u64, String>>;

/// The answer where a client trusts everything on the way and nothing lists the name.
pub const NOT_LISTED: &str = "not listed";

/// What came of a request.
#[derive(Debug)]
pub enum Fetched {
    /// The file.
    File(Vec<u8>),
    /// There is no such file.
    NotFound,
    /// Anything else.
    Failed(String),
}

/// A client that keeps what it trusts.
#[derive(Debug)]
pub struct Agent {
    local: Files,
}

impl Agent {
    /// A client that starts from this root.
    pub fn pinned(root: &[u8]) -> Agent {
        Agent { local: Files::from([("root.json".to_owned(), root.to_vec())]) }
    }

    /// Brings the metadata up to date and looks up a target.
    ///
    /// # Errors
    /// As [`Updater`].
    pub fn find(
        &mut self,
        name: &str,
        now: DateTime<Utc>,
        mut fetch: impl FnMut(&str) -> Fetched,
    ) -> Result<Option<Found>, UpdateError> {
        let mut updater = Updater::new(now, Expiry::Enforced, Limits::default());
        self.drive(&mut updater, &mut fetch)?;
        updater.find(name)?;
        self.drive(&mut updater, &mut fetch)?;
        Ok(updater.found().cloned())
    }

    /// What is seen of it on a visit: of the refresh, then of each look-up.
    pub fn visit(&mut self, visit: &Visit) -> Vec<judge::Answer> {
        let mut updater = Updater::new(visit.now, Expiry::Enforced, Limits::default());
        let refreshed = self.see(visit, &mut updater, |_| Ok(()), |_| Decision::Done);
        let mut seen = vec![refreshed];
        if seen[0].decision == Decision::Done {
            for name in &visit.names {
                let begin = |updater: &mut Updater| updater.find(name);
                seen.push(self.see(visit, &mut updater, begin, found));
            }
        }
        seen
    }

    fn see(
        &mut self,
        visit: &Visit,
        updater: &mut Updater,
        begin: impl FnOnce(&mut Updater) -> Result<(), UpdateError>,
        decide: impl FnOnce(&Updater) -> Decision,
    ) -> judge::Answer {
        let mut requests = Vec::new();
        let mut fetch = |name: &str| {
            requests.push(name.to_owned());
            match visit.served.response(name) {
                Response::File(file) => Fetched::File(file),
                Response::Status(403 | 404) => Fetched::NotFound,
                Response::Status(status) => Fetched::Failed(format!("status {status}")),
            }
        };
        let done = begin(updater).and_then(|()| self.drive(updater, &mut fetch));
        let decision = match done {
            Ok(()) => decide(updater),
            Err(error) => Decision::Refused(error.to_string()),
        };
        judge::Answer { decision, requests, stored: judge::digests(&self.local) }
    }

    /// What it has stored.
    pub fn stored(&self) -> &Files {
        &self.local
    }

    /// Writes a file behind its back, or removes it.
    pub fn put(&mut self, name: &str, content: Option<&str>) {
        match content {
            Some(content) => self.local.insert(name.to_owned(), content.into()),
            None => self.local.remove(name),
        };
    }

    fn drive(
        &mut self,
        updater: &mut Updater,
        fetch: &mut impl FnMut(&str) -> Fetched,
    ) -> Result<(), UpdateError> {
        loop {
            match updater.step() {
                Step::Load { name } => updater.loaded(self.local.get(&name).cloned())?,
                Step::Fetch { name, .. } => match fetch(&name) {
                    Fetched::File(bytes) => updater.fetched(bytes)?,
                    Fetched::NotFound => updater.not_found()?,
                    Fetched::Failed(why) => updater.failed(why)?,
                },
                Step::Save { name, bytes } => {
                    self.local.insert(name, bytes.to_vec());
                    updater.stored();
                }
                Step::Remove { name } => {
                    self.local.remove(&name);
                    updater.stored();
                }
                Step::Done => return Ok(()),
            }
        }
    }
}

fn found(updater: &Updater) -> Decision {
    let Some(Found { role, file, .. }) = updater.found() else { return Decision::NotListed };
    let hashes = serde_json::to_value(&file.hashes).expect("hashes are JSON");
    let (role, custom) = (role.as_str(), file.custom.as_ref());
    let target = FoundTarget { role, length: file.length, hashes, custom };
    Decision::Found(serde_json::to_value(&target).expect("a target is JSON"))
}

/// Looks up names in a collection that is at hand, each with a new client.
pub fn look_up(files: &Files, names: &[String], now: DateTime<Utc>) -> Verdict {
    let fetch = |name: &str| match files.get(name) {
        Some(file) => Fetched::File(file.clone()),
        None => Fetched::NotFound,
    };
    let one = |name: &String| {
        let found = Agent::pinned(&files["1.root.json"]).find(name, now, fetch);
        let length = match found {
            Ok(Some(found)) => Ok(found.file.length),
            Ok(None) => Err(NOT_LISTED.to_owned()),
            Err(error) => Err(error.to_string()),
        };
        (name.clone(), length)
    };
    names.iter().map(one).collect()
}
