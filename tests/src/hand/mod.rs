//! Metadata signed by hand: no program of the tree takes part, so that a test can make any mistake
//! it likes.
//!
//! A [`Collection`] is five files at one moment. [`Collection::new`] is valid; a test then edits it
//! and asks for its [`Collection::files`]. A [`Repository`] has any roles and changes over time. In
//! both, what describes another file (snapshot, timestamp) follows the edits, so a mistake stays
//! alone.

mod key;
mod part;
mod repository;

use std::collections::BTreeMap;

use notary_schema::key::sha256_hex;
use serde_json::{Value, json};

pub use key::HandKey;
pub use part::{Layout, Part};
pub use repository::{Entry, Repository, Stage};

/// When all files expire: never, as far as a test is concerned.
pub const EXPIRES: &str = "2040-01-01T00:00:00Z";

/// Files by the names under which a server with consistent snapshots has them.
pub type Files = BTreeMap<String, Vec<u8>>;

/// The five files of a collection: `targets` vouches for `app.tgz` and delegates `docs/*` to the
/// role `docs`, which vouches for `docs/guide.txt`. Each role has one Ed25519 key.
#[derive(Clone)]
pub struct Collection {
    /// root, version 1.
    pub root: Part,
    /// targets, version 1.
    pub targets: Part,
    /// The delegated role, version 1.
    pub docs: Part,
    /// snapshot, version 1.
    pub snapshot: Part,
    /// timestamp, version 1.
    pub timestamp: Part,
}

impl Default for Collection {
    fn default() -> Collection {
        Collection::new()
    }
}

impl Collection {
    /// A collection without a mistake.
    pub fn new() -> Collection {
        let mut collection = Collection {
            root: Part::new(
                json!({"_type": "root", "consistent_snapshot": true, "keys": {}, "roles": {
                    "root": {}, "targets": {}, "snapshot": {}, "timestamp": {},
                }}),
            ),
            targets: Part::new(json!({
                "_type": "targets",
                "targets": {"app.tgz": target(b"app")},
                "delegations": {"keys": {}, "roles": [
                    {"name": "docs", "paths": ["docs/*"], "terminating": false},
                ]},
            })),
            docs: Part::new(
                json!({"_type": "targets", "targets": {"docs/guide.txt": target(b"guide")}}),
            ),
            snapshot: Part::new(
                json!({"_type": "snapshot", "meta": {"targets.json": {}, "docs.json": {}}}),
            ),
            timestamp: Part::new(json!({"_type": "timestamp", "meta": {"snapshot.json": {}}})),
        };
        for (seed, role) in ["root", "targets", "docs", "snapshot", "timestamp"].iter().enumerate()
        {
            let seed = u8::try_from(seed).expect("five roles");
            collection.trust(role, &[HandKey::ed25519(seed)], 1);
        }
        collection
    }

    /// The part of a role.
    ///
    /// # Panics
    /// When there is no such role.
    pub fn part(&mut self, role: &str) -> &mut Part {
        match role {
            "root" => &mut self.root,
            "targets" => &mut self.targets,
            "docs" => &mut self.docs,
            "snapshot" => &mut self.snapshot,
            "timestamp" => &mut self.timestamp,
            _ => panic!("the collection has no role {role}"),
        }
    }

    /// Lists exactly these keys for a role, each under its id, and lets all of them sign it. Keys
    /// that no role lists any more go.
    pub fn trust(&mut self, role: &str, keys: &[HandKey], threshold: u32) {
        self.part(role).signers = keys.to_vec();
        let delegations = match role {
            "docs" => &mut self.targets.signed["delegations"],
            _ => &mut self.root.signed,
        };
        list_keys(delegations, role, keys, threshold);
    }

    /// Lets one more file stand in `targets`.
    pub fn add_target(&mut self, name: &str, file: &[u8]) -> &mut Value {
        self.targets.signed["targets"][name] = target(file);
        &mut self.targets.signed["targets"][name]
    }

    /// The names that `targets` and `docs` vouch for, whatever else is wrong with them.
    pub fn target_names(&self) -> Vec<String> {
        let names = |part: &Part| match &part.signed["targets"] {
            Value::Object(targets) => targets.keys().cloned().collect(),
            _ => Vec::new(),
        };
        [names(&self.targets), names(&self.docs)].concat()
    }

    /// Signs and writes all files.
    pub fn files(&self) -> Files {
        let mut files = Files::new();
        let mut written = |name: &str, part: &Part| {
            let (version, file) = (part.signed["version"].clone(), part.file());
            let meta = json!({"version": version, "length": file.len(), "hashes": {"sha256": sha256_hex(&file)}});
            let stored = if name == "timestamp" {
                "timestamp.json".into()
            } else {
                format!("{version}.{name}.json")
            };
            files.insert(stored, file);
            meta
        };
        let (targets, docs) = (written("targets", &self.targets), written("docs", &self.docs));
        written("root", &self.root);
        let mut snapshot = self.snapshot.clone();
        merge(&mut snapshot.signed["meta"]["targets.json"], targets);
        merge(&mut snapshot.signed["meta"]["docs.json"], docs);
        let described = written("snapshot", &snapshot);
        let mut timestamp = self.timestamp.clone();
        merge(&mut timestamp.signed["meta"]["snapshot.json"], described);
        written("timestamp", &timestamp);
        files
    }
}

/// Lists exactly these keys for a role, in a root or in the delegations of a role. Keys that no role
/// lists any more go. Answers the ids that were listed before.
fn list_keys(delegations: &mut Value, role: &str, keys: &[HandKey], threshold: u32) -> Vec<String> {
    for key in keys {
        delegations["keys"][key.id()] = key.object().clone();
    }
    let entry = match &mut delegations["roles"] {
        // The last ones come first: of many, it is mostly one of these.
        Value::Array(roles) => roles.iter_mut().rfind(|one| one["name"] == role),
        roles => roles.get_mut(role),
    };
    let entry = entry.unwrap_or_else(|| panic!("nobody delegates to {role:?} here"));
    let keyids = keys.iter().map(HandKey::id).collect();
    let before = std::mem::replace(&mut entry["keyids"], keyids);
    entry["threshold"] = json!(threshold);
    let before = before.as_array().into_iter().flatten();
    let before: Vec<String> = before.filter_map(|id| id.as_str().map(str::to_owned)).collect();
    if !before.is_empty() {
        let roles = delegations["roles"].to_string();
        let listed = delegations["keys"].as_object_mut().expect("keys are a map");
        listed.retain(|id, _| roles.contains(id.as_str()));
    }
    before
}

/// What is known of a target file.
pub fn target(file: &[u8]) -> Value {
    json!({"length": file.len(), "hashes": {"sha256": sha256_hex(file)}})
}

/// Adds what is missing; what a test has set stays.
fn merge(into: &mut Value, from: Value) {
    let (Value::Object(into), Value::Object(from)) = (into, from) else {
        panic!("an entry of a snapshot is an object");
    };
    for (key, value) in from {
        into.entry(key).or_insert(value);
    }
}
