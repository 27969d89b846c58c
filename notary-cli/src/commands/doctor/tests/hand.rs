//! A collection made by hand, in which a test makes mistakes before it is signed.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use notary_schema::envelope::Unsigned;
use notary_schema::key::{Key, sha256_hex};
use notary_schema::name::{RoleName, Version};
use notary_schema::role::{Expires, FileMeta};
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::updater::remote_name;
use notary_signer::keys::Algorithm;
use notary_signer::keys::private::PrivateKey;
use serde_json::{Value, json};

use super::super::collect::{Collected, Extent};
use crate::agent::roots::Roots;
use crate::testing::{now, role};
use crate::view::View;

/// Documents before they are signed, and the keys that sign them.
pub(super) struct Hand {
    keys: BTreeMap<String, Vec<PrivateKey>>,
    pub(super) root: Value,
    /// Targets roles in the order in which they are read, with their delegators.
    pub(super) targets: Vec<(&'static str, String, Value)>,
    /// Roles of which the snapshot lists the version alone.
    pub(super) without_length: Vec<&'static str>,
    pub(super) timestamp_padding: usize,
    pub(super) timestamp_days: i64,
    pub(super) snapshot_padding: usize,
    pub(super) roots: Roots,
    pub(super) refused: BTreeMap<RoleName, String>,
}

pub(super) fn days(days: i64) -> String {
    Expires::at(now() + TimeDelta::days(days)).to_string()
}

fn new_key() -> PrivateKey {
    PrivateKey::generate(Algorithm::Ed25519).unwrap()
}

fn listed(keys: &[&PrivateKey]) -> Value {
    let key = |key: &&PrivateKey| {
        let key = Key::new(key.public().clone());
        (key.id().to_string(), serde_json::to_value(&key).unwrap())
    };
    keys.iter().map(key).collect::<serde_json::Map<_, _>>().into()
}

pub(super) fn target(name: &str) -> Value {
    json!({ "length": name.len(), "hashes": { "sha256": sha256_hex(name.as_bytes()) } })
}

pub(super) fn targets(names: &[&str]) -> Value {
    let targets: serde_json::Map<_, _> =
        names.iter().map(|name| ((*name).to_owned(), target(name))).collect();
    json!({
        "_type": "targets", "spec_version": "1.0.34", "version": 1, "expires": days(365),
        "targets": targets,
    })
}

impl Hand {
    /// Three root keys of which two sign; targets delegates `docs/*` to docs, docs `docs/de*` to
    /// german. Nothing is wrong with it.
    pub(super) fn healthy() -> Hand {
        let mut keys: BTreeMap<String, Vec<PrivateKey>> = BTreeMap::new();
        keys.insert("root".into(), (0..3).map(|_| new_key()).collect());
        for role in ["targets", "snapshot", "timestamp"] {
            keys.insert(role.into(), vec![new_key()]);
        }
        let all: Vec<&PrivateKey> = keys.values().flatten().collect();
        let ids = |role: &str| keys[role].iter().map(PrivateKey::id).collect::<Vec<_>>();
        let roles = |role: &str| json!({ "keyids": ids(role), "threshold": 1 });
        let root = json!({
            "_type": "root", "spec_version": "1.0.34", "version": 1, "expires": days(365),
            "consistent_snapshot": true, "keys": listed(&all),
            "roles": {
                "root": { "keyids": ids("root"), "threshold": 2 }, "targets": roles("targets"),
                "snapshot": roles("snapshot"), "timestamp": roles("timestamp"),
            },
        });
        let mut hand = Hand {
            keys,
            root,
            targets: vec![("root", "targets".into(), targets(&["app"]))],
            without_length: Vec::new(),
            timestamp_padding: 0,
            timestamp_days: 1,
            snapshot_padding: 0,
            roots: Roots::default(),
            refused: BTreeMap::new(),
        };
        hand.delegate("targets", "docs", json!({ "paths": ["docs/*"] }), Some(&["docs/a"]));
        hand.delegate("docs", "german", json!({ "paths": ["docs/de*"] }), Some(&["docs/de"]));
        hand
    }

    /// The document of a targets role.
    pub(super) fn document(&mut self, name: &str) -> &mut Value {
        let found = self.targets.iter_mut().find(|(_, role, _)| role == name);
        &mut found.unwrap().2
    }

    /// Adds a delegation, and the role's file with these targets, if it shall have one.
    pub(super) fn delegate(
        &mut self,
        delegator: &'static str,
        name: &str,
        paths: Value,
        file: Option<&[&str]>,
    ) {
        let key = self.keys.entry(name.to_owned()).or_insert_with(|| vec![new_key()]);
        let (id, key) = (key[0].id(), listed(&[&key[0]]));
        let mut delegation =
            json!({ "name": name, "keyids": [id], "threshold": 1, "terminating": false });
        delegation.as_object_mut().unwrap().extend(paths.as_object().unwrap().clone());
        let delegations = &mut self.document(delegator)["delegations"];
        if delegations.is_null() {
            *delegations = json!({ "keys": {}, "roles": [] });
        }
        delegations["keys"][id.as_str()] = key[id.as_str()].clone();
        delegations["roles"].as_array_mut().unwrap().push(delegation);
        if let Some(file) = file {
            self.targets.push((delegator, name.to_owned(), targets(file)));
        }
    }

    /// Delegates `docs` to succinct bins with files for so many of the two.
    pub(super) fn delegate_to_bins(&mut self, files: usize) {
        let key = new_key();
        let succinct = json!({
            "keyids": [key.id()], "threshold": 1, "bit_length": 1, "name_prefix": "bin",
        });
        let delegations = json!({ "keys": listed(&[&key]), "succinct_roles": succinct });
        self.document("german")["delegations"] = delegations;
        for number in 0..files {
            let copy = PrivateKey::from_pkcs8(key.pkcs8(), "a copy").unwrap();
            self.keys.insert(format!("bin-{number}"), vec![copy]);
            self.targets.push(("german", format!("bin-{number}"), targets(&[])));
        }
    }

    /// Has a role signed with the key of another.
    pub(super) fn share_key(&mut self, of: &str, with: &str) {
        let id = self.keys[of][0].id();
        self.root["roles"][with]["keyids"].as_array_mut().unwrap().push(json!(id));
    }

    fn sign(&self, role: &str, document: &Value) -> Vec<u8> {
        let unsigned = Unsigned::new(document);
        let sign = |key: &PrivateKey| (key.id(), key.sign(unsigned.message()).unwrap());
        unsigned.with_signatures(&self.keys[role].iter().map(sign).collect::<Vec<_>>())
    }

    /// The files as a repository serves them.
    pub(super) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let version = |document: &Value| Version::new(document["version"].as_u64().unwrap()).ok();
        let mut files = BTreeMap::new();
        let root = remote_name(&RoleName::ROOT, version(&self.root));
        files.insert(root, self.sign("root", &self.root));
        let mut meta = serde_json::Map::new();
        for (_, name, document) in &self.targets {
            let file = self.sign(name, document);
            let mut entry = FileMeta::of(version(document).unwrap(), &file);
            if self.without_length.contains(&name.as_str()) {
                (entry.length, entry.hashes) = (None, None);
            }
            meta.insert(format!("{name}.json"), serde_json::to_value(entry).unwrap());
            files.insert(remote_name(&role(name), version(document)), file);
        }
        let mut online = json!({ "spec_version": "1.0.34", "version": 1 });
        online["_type"] = "snapshot".into();
        online["expires"] = days(7).into();
        online["meta"] = meta.into();
        online["padding"] = "x".repeat(self.snapshot_padding).into();
        let snapshot = self.sign("snapshot", &online);
        let entry = FileMeta::of(Version::FIRST, &snapshot);
        files.insert("1.snapshot.json".into(), snapshot);
        online["_type"] = "timestamp".into();
        online["expires"] = days(self.timestamp_days).into();
        online["meta"] = json!({ "snapshot.json": entry });
        online["padding"] = "x".repeat(self.timestamp_padding).into();
        files.insert("timestamp.json".into(), self.sign("timestamp", &online));
        files
    }

    /// What the doctor has read of it.
    pub(super) fn collected(&self) -> Collected {
        let files = self.files();
        let root = &files[&format!("{}.root.json", self.root["version"])];
        let mut trusted = TrustedSet::new(root.clone(), now(), Expiry::Reported).unwrap();
        trusted.update_timestamp(files["timestamp.json"].clone()).unwrap();
        trusted.update_snapshot(files["1.snapshot.json"].clone()).unwrap();
        for (delegator, name, _) in &self.targets {
            let file = files[&format!("1.{name}.json")].clone();
            trusted.update_targets(&role(name), &role(delegator), file).unwrap();
        }
        let listed = self.targets.iter().map(|(_, _, document)| &document["targets"]);
        let listed = listed.map(|targets| targets.as_object().unwrap().len()).sum();
        let roles = self.targets.len() - 1;
        let extent = Extent { roles, known: roles, targets: listed, seed: None };
        let (roots, refused) = (self.roots.clone(), self.refused.clone());
        Collected { view: View::new(trusted), roots, refused, extent }
    }
}
