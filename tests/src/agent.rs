//! Our client, over whatever gives it files: what an update agent makes of a collection.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Found, Limits, Step, UpdateError, Updater};

use crate::hand::Files;

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
