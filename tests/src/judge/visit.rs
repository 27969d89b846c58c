//! One visit of a client to a repository: what it is answered, and all that can be seen of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use notary_schema::key::sha256_hex;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hand::Files;

/// Below this are the target files; no metadata file has a slash in its name.
pub const TARGETS: &str = "targets/";

/// What comes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The file.
    File(Vec<u8>),
    /// An HTTP status that is no success.
    Status(u16),
}

/// What a repository answers at one moment, by the name of the file.
#[derive(Debug, Clone, Default)]
pub struct Served(BTreeMap<String, Response>);

impl Served {
    /// Every one of these metadata and target files.
    pub fn all(metadata: &Files, targets: &Files) -> Served {
        let file = |(name, file): (&String, &Vec<u8>)| (name.clone(), Response::File(file.clone()));
        let target = |(place, response)| (format!("{TARGETS}{place}"), response);
        let targets = targets.iter().map(file).map(target);
        Served(metadata.iter().map(file).chain(targets).collect())
    }

    /// The names of all metadata files.
    pub fn names(&self) -> Vec<String> {
        self.files().filter(|name| !name.starts_with(TARGETS)).cloned().collect()
    }

    /// The names of all target files.
    pub fn target_names(&self) -> Vec<String> {
        self.files().filter(|name| name.starts_with(TARGETS)).cloned().collect()
    }

    fn files(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter(|(_, response)| matches!(response, Response::File(_))).map(|(n, _)| n)
    }

    /// The file of this name, if a file is answered.
    pub fn file(&self, name: &str) -> Option<Vec<u8>> {
        match self.response(name) {
            Response::File(file) => Some(file),
            Response::Status(_) => None,
        }
    }

    /// What is answered; 404 where there is nothing.
    pub fn response(&self, name: &str) -> Response {
        self.0.get(name).cloned().unwrap_or(Response::Status(404))
    }

    /// From now on, this is answered.
    pub fn set(&mut self, name: &str, response: Response) {
        self.0.insert(name.to_owned(), response);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Response)> {
        self.0.iter()
    }
}

/// What a client meets and does: it refreshes, then looks up names one after another.
#[derive(Debug, Clone)]
pub struct Visit {
    /// What the client takes for the time.
    pub now: DateTime<Utc>,
    /// The metadata files. Below `targets/` are the target files.
    pub served: Served,
    /// The names to look up.
    pub names: Vec<String>,
}

/// What a client decides.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// All that was asked for is done.
    Done,
    /// The target: its role, length, hashes and custom data.
    Found(Value),
    /// All on the way is trusted, and nothing lists the name.
    NotListed,
    /// Something is not trusted, or missing: the client's words.
    Refused(String),
}

/// What was seen of a client while it answered one question.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Answer {
    /// What it decided.
    pub decision: Decision,
    /// The files that it requested, in this order.
    pub requests: Vec<String>,
    /// What it has stored afterwards: the SHA-256 of each file by its name.
    pub stored: BTreeMap<String, String>,
}

/// The SHA-256 of each file.
pub fn digests(files: &Files) -> BTreeMap<String, String> {
    files.iter().map(|(name, file)| (name.clone(), sha256_hex(file))).collect()
}

/// A found target, in the words that all clients share.
#[derive(Debug, Serialize)]
pub struct FoundTarget<'a> {
    /// The role that lists it.
    pub role: &'a str,
    /// Its length in bytes.
    pub length: u64,
    /// Its hashes by algorithm.
    pub hashes: Value,
    /// What the publisher says of it.
    pub custom: Option<&'a Value>,
}
