//! A repository over time: any roles, any delegations, and the files that are served at each moment.
//!
//! What is edited is published with the next [`Repository::publish`], which raises versions and
//! dates, signs, and lets snapshot and timestamp follow. On the way it asks for mistakes, so that
//! each stays alone: everything that describes a wrong file describes it as it is.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::key::sha256_hex;
use notary_schema::name::RoleName;
use notary_schema::role::Expires;
use notary_schema::updater::remote_name;
use ring::digest::{SHA512, digest};
use serde_json::{Map, Value, json};

use super::{Files, HandKey, Part, list_keys};
use crate::judge::Served;

/// What a snapshot or timestamp says of a file beside its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Length and SHA-256.
    Full,
    /// Its length.
    Length,
    /// Its SHA-512.
    Sha512,
    /// Nothing.
    Version,
}

/// How far a publish is: what comes after a stage follows what is edited in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Versions are raised; no file is written yet.
    Roles,
    /// Root and all targets roles are written, and the snapshot describes them.
    Snapshot,
    /// The snapshot is written, and the timestamp describes it.
    Timestamp,
    /// All files are served.
    Served,
}

/// A repository, as whoever holds all its keys sees it.
#[derive(Clone)]
pub struct Repository {
    parts: BTreeMap<String, Part>,
    /// Who signs root once the present one is published.
    root_keys: Vec<HandKey>,
    /// What is said of the file of each role; [`Entry::Full`] where there is nothing.
    entries: BTreeMap<String, Entry>,
    lives: BTreeMap<String, TimeDelta>,
    unpublished: BTreeSet<String>,
    /// Every metadata file that was ever written, by its name; the last one where names repeat.
    served: Files,
    /// Every target file, by its place below the targets URL.
    targets: Files,
}

impl Repository {
    /// A repository without targets, with these keys for each of the top-level roles. It is served
    /// once it is published.
    pub fn new(keys: impl Fn(&str) -> (Vec<HandKey>, u32)) -> Repository {
        let root = json!({"_type": "root", "keys": {}, "consistent_snapshot": true, "roles": {
            "root": {}, "targets": {}, "snapshot": {}, "timestamp": {},
        }});
        let timestamp = json!({"_type": "timestamp", "meta": {"snapshot.json": {}}});
        let documents = [
            ("root", root),
            ("targets", json!({"_type": "targets", "targets": {}})),
            ("snapshot", json!({"_type": "snapshot", "meta": {}})),
            ("timestamp", timestamp),
        ];
        let mut repository = Repository {
            parts: BTreeMap::new(),
            root_keys: Vec::new(),
            entries: BTreeMap::new(),
            lives: BTreeMap::new(),
            unpublished: BTreeSet::new(),
            served: Files::new(),
            targets: Files::new(),
        };
        for (role, document) in documents {
            repository.insert(role, document);
        }
        for role in ["root", "targets", "snapshot", "timestamp"] {
            let (keys, threshold) = keys(role);
            repository.trust("root", role, &keys, threshold);
        }
        repository
    }

    /// A repository that is not published yet: `targets` vouches for `app.tgz` and delegates `docs/*`
    /// to `docs`, which vouches for `docs/guide.txt`. Each role has the key [`HandKey::of`] its name.
    pub fn sample() -> Repository {
        let mut repository = Repository::new(|role| (vec![HandKey::of(role)], 1));
        repository.delegate_paths("targets", "docs", &["docs/*"]);
        repository.add_target("targets", "app.tgz", b"app");
        repository.add_target("docs", "docs/guide.txt", b"guide");
        repository
    }

    fn insert(&mut self, role: &str, document: Value) {
        let mut part = Part::new(document);
        part.signed["version"] = json!(0);
        self.parts.insert(role.to_owned(), part);
        self.unpublished.insert(role.to_owned());
    }

    /// The root of this version.
    ///
    /// # Panics
    /// When it was never published.
    pub fn root(&self, version: u64) -> &[u8] {
        self.file(&format!("{version}.root.json"))
    }

    /// A metadata file by its name.
    ///
    /// # Panics
    /// When it was never published.
    pub fn file(&self, name: &str) -> &[u8] {
        self.served.get(name).unwrap_or_else(|| panic!("{name} was never published"))
    }

    /// All that is served, also the target files.
    pub fn everything(&self) -> Served {
        Served::all(&self.served, &self.targets)
    }

    /// The names of all roles.
    pub fn roles(&self) -> Vec<String> {
        self.parts.keys().cloned().collect()
    }

    /// The names of `targets` and of all delegated roles, also of those that nobody delegates to.
    pub fn targets_roles(&self) -> Vec<String> {
        let is_one = |role: &&String| !matches!(role.as_str(), "root" | "snapshot" | "timestamp");
        self.parts.keys().filter(is_one).cloned().collect()
    }

    /// A role that is published again.
    ///
    /// # Panics
    /// When there is no such role.
    pub fn edit(&mut self, role: &str) -> &mut Part {
        self.unpublished.insert(role.to_owned());
        self.part(role)
    }

    /// A role as it stands.
    ///
    /// # Panics
    /// When there is no such role.
    pub fn part(&mut self, role: &str) -> &mut Part {
        self.parts.get_mut(role).unwrap_or_else(|| panic!("there is no role {role:?}"))
    }

    /// The document of a role.
    ///
    /// # Panics
    /// When there is no such role.
    pub fn document(&self, role: &str) -> &Value {
        &self.parts[role].signed
    }

    /// The name under which the present file of a role is served.
    pub fn file_name(&self, role: &str) -> String {
        let plain = remote_name(&RoleName::parse(role).expect("a role that clients read"), None);
        match role {
            "timestamp" => plain,
            _ if role == "root" || self.is_consistent() => {
                format!("{}.{plain}", self.parts[role].signed["version"])
            }
            _ => plain,
        }
    }

    /// Whether file names carry versions.
    pub fn is_consistent(&self) -> bool {
        self.parts["root"].signed["consistent_snapshot"] == true
    }

    /// Sets or removes `consistent_snapshot`. All files are published again, under other names.
    pub fn set_consistent(&mut self, consistent: Option<bool>) {
        let root = self.edit("root").signed.as_object_mut().expect("root is an object");
        match consistent {
            Some(consistent) => drop(root.insert("consistent_snapshot".into(), consistent.into())),
            None => drop(root.remove("consistent_snapshot")),
        }
        self.unpublished.extend(self.parts.keys().cloned());
    }

    /// What is said of the file of a role from now on.
    pub fn describe(&mut self, role: &str, entry: Entry) {
        self.entries.insert(role.to_owned(), entry);
    }

    /// How long the files of a role live from now on.
    pub fn live(&mut self, role: &str, life: TimeDelta) {
        self.lives.insert(role.to_owned(), life);
    }

    /// Adds a target to a role, and its file.
    pub fn add_target(&mut self, role: &str, name: &str, content: &[u8]) -> &mut Value {
        let sha256 = sha256_hex(content);
        let with_hash = match name.rsplit_once('/') {
            Some((directory, last)) => format!("{directory}/{sha256}.{last}"),
            None => format!("{sha256}.{name}"),
        };
        for place in [with_hash, name.to_owned()] {
            self.targets.insert(place, content.to_vec());
        }
        let targets = &mut self.edit(role).signed["targets"];
        targets[name] = super::target(content);
        &mut targets[name]
    }

    /// Delegates to a role, at this place in the order of priority. `delegation` is what stands
    /// there beside name and keys. A role that is new is published, empty.
    pub fn delegate(
        &mut self,
        (delegator, role): (&str, &str),
        place: usize,
        mut delegation: Value,
        (keys, threshold): (&[HandKey], u32),
    ) {
        delegation["name"] = json!(role);
        let signed = &mut self.edit(delegator).signed;
        if signed["delegations"].is_null() {
            signed["delegations"] = json!({"keys": {}, "roles": []});
        }
        let roles = signed["delegations"]["roles"].as_array_mut().expect("roles are a list");
        roles.insert(place.min(roles.len()), delegation);
        if !self.parts.contains_key(role) {
            self.insert(role, json!({"_type": "targets", "targets": {}}));
        }
        self.trust(delegator, role, keys, threshold);
    }

    /// Delegates these paths to a role with the key [`HandKey::of`] delegated roles, after all others.
    pub fn delegate_paths(&mut self, delegator: &str, role: &str, paths: &[&str]) {
        let delegation = json!({"paths": paths, "terminating": false});
        self.delegate((delegator, role), usize::MAX, delegation, (&[HandKey::of(role)], 1));
    }

    /// Delegates to succinct bins, and publishes all of them, empty.
    pub fn delegate_to_bins(
        &mut self,
        delegator: &str,
        (prefix, bit_length): (&str, u32),
        (keys, threshold): (&[HandKey], u32),
    ) -> Vec<String> {
        let digits = bit_length.div_ceil(4) as usize;
        let name = |n: u32| format!("{prefix}-{n:0digits$x}");
        let bins: Vec<String> = (0..1 << bit_length).map(name).collect();
        for bin in &bins {
            self.insert(bin, json!({"_type": "targets", "targets": {}}));
            self.part(bin).signers = keys.to_vec();
        }
        let objects: Map<String, Value> =
            keys.iter().map(|key| (key.id().to_owned(), key.object().clone())).collect();
        self.edit(delegator).signed["delegations"] = json!({"keys": objects, "succinct_roles": {
            "bit_length": bit_length, "name_prefix": prefix, "threshold": threshold,
            "keyids": keys.iter().map(HandKey::id).collect::<Vec<_>>(),
        }});
        bins
    }

    /// Takes a delegation back. The role's file stays, and stays listed.
    pub fn undelegate(&mut self, delegator: &str, role: &str) {
        let roles = &mut self.edit(delegator).signed["delegations"]["roles"];
        roles.as_array_mut().expect("roles are a list").retain(|one| one["name"] != role);
    }

    /// The roles that a role lists in its delegations, in their order.
    pub fn delegated_by(&self, delegator: &str) -> Vec<String> {
        let roles = self.parts[delegator].signed["delegations"]["roles"].as_array();
        let name = |role: &Value| role["name"].as_str().map(str::to_owned);
        roles.map_or_else(Vec::new, |roles| roles.iter().filter_map(name).collect())
    }

    /// Who lists keys for a role by its name: `root`, or targets roles.
    pub fn delegators(&self, role: &str) -> Vec<String> {
        if matches!(role, "root" | "timestamp" | "snapshot" | "targets") {
            return vec!["root".to_owned()];
        }
        let mut delegators = self.targets_roles();
        delegators.retain(|one| self.delegated_by(one).iter().any(|name| name == role));
        delegators
    }

    /// The roles for which somebody lists keys by name.
    pub fn trusted_roles(&self) -> Vec<String> {
        let mut roles = self.roles();
        roles.retain(|role| !self.delegators(role).is_empty());
        roles
    }

    /// Lets a delegator list exactly these keys for a role. They sign it from now on in place of
    /// those that were listed before; the next root is signed by the keys of the present one too.
    pub fn trust(&mut self, delegator: &str, role: &str, keys: &[HandKey], threshold: u32) {
        self.edit(role);
        let signed = &mut self.edit(delegator).signed;
        let delegations = match delegator {
            "root" => signed,
            _ => &mut signed["delegations"],
        };
        let before = list_keys(delegations, role, keys, threshold);
        let signers = &mut self.part(role).signers;
        if role != "root" {
            signers.retain(|key| before.iter().all(|id| id != key.id()));
        }
        signers.retain(|key| keys.iter().all(|new| new.id() != key.id()));
        signers.extend_from_slice(keys);
        if role == "root" {
            self.root_keys = keys.to_vec();
        }
    }

    /// Publishes a root, and nothing else.
    pub fn publish_root(&mut self, now: DateTime<Utc>) {
        self.raise("root", now);
        self.write("root");
        self.unpublished.remove("root");
        self.part("root").signers = self.root_keys.clone();
    }

    /// Publishes what was edited. `edit` is asked for mistakes at each stage.
    pub fn publish(&mut self, now: DateTime<Utc>, mut edit: impl FnMut(Stage, &mut Repository)) {
        let mut roles = std::mem::take(&mut self.unpublished);
        let snapshot = roles.iter().any(|role| !matches!(role.as_str(), "root" | "timestamp"));
        roles.retain(|role| !matches!(role.as_str(), "snapshot" | "timestamp"));
        roles.iter().for_each(|role| self.raise(role, now));
        if snapshot {
            self.raise("snapshot", now);
        }
        self.raise("timestamp", now);
        edit(Stage::Roles, self);
        for role in roles {
            let file = self.write(&role);
            if role == "root" {
                self.part("root").signers = self.root_keys.clone();
            } else {
                let entry = self.entry(&role, &file);
                self.part("snapshot").signed["meta"][format!("{role}.json")] = entry;
            }
        }
        edit(Stage::Snapshot, self);
        if snapshot {
            let file = self.write("snapshot");
            let entry = self.entry("snapshot", &file);
            self.part("timestamp").signed["meta"]["snapshot.json"] = entry;
        }
        edit(Stage::Timestamp, self);
        self.write("timestamp");
        edit(Stage::Served, self);
    }

    fn raise(&mut self, role: &str, now: DateTime<Utc>) {
        let life = self.lives.get(role).copied().unwrap_or(TimeDelta::days(30));
        let signed = &mut self.part(role).signed;
        signed["version"] = json!(signed["version"].as_u64().unwrap_or(0) + 1);
        signed["expires"] = json!(Expires::at(now + life));
    }

    fn write(&mut self, role: &str) -> Vec<u8> {
        let (name, file) = (self.file_name(role), self.parts[role].file());
        self.served.insert(name, file.clone());
        file
    }

    fn entry(&self, role: &str, file: &[u8]) -> Value {
        let mut entry = json!({"version": self.parts[role].signed["version"]});
        match self.entries.get(role).copied().unwrap_or(Entry::Full) {
            Entry::Full => {
                entry["length"] = json!(file.len());
                entry["hashes"] = json!({"sha256": sha256_hex(file)});
            }
            Entry::Length => entry["length"] = json!(file.len()),
            Entry::Sha512 => {
                entry["hashes"] = json!({"sha512": hex::encode(digest(&SHA512, file))});
            }
            Entry::Version => {}
        }
        entry
    }
}
