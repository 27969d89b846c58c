//! Hand-signed collections and a small HTTP server for the tests of this crate.

mod server;

use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName, TargetPath, Version};
use notary_schema::online::{self, Lifetimes, PlannedTimestamp};
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{
    DelegatedRole, Expires, Hashes, RoleKeys, Root, Snapshot, TargetFile, Targets, TopLevelRoles,
};
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::updater::remote_name;
use notary_signer::keys::Algorithm;
use notary_signer::keys::private::PrivateKey;

use crate::keyring::KeyEntry;
use crate::output::Output;
use crate::view::View;
pub(crate) use server::{Announced, Canned, Server};

/// The time at which the tests take place.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(crate) fn in_days(days: i64) -> Expires {
    Expires::at(now() + TimeDelta::days(days))
}

pub(crate) fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

pub(crate) fn target(content: &[u8]) -> TargetFile {
    let sha256 = notary_schema::key::sha256_hex(content);
    TargetFile { length: content.len() as u64, hashes: Hashes::sha256_of(sha256), custom: None }
}

/// An output that nobody reads.
pub(crate) fn silent() -> Rc<Output> {
    Rc::new(Output::new(Box::new(std::io::sink()), Box::new(std::io::sink())))
}

/// A private key and its entry.
pub(crate) struct Signer {
    private: PrivateKey,
    pub(crate) entry: KeyEntry,
}

impl Signer {
    fn new() -> Signer {
        let private = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let key = Key::new(private.public().clone());
        let entry = KeyEntry { keyid: private.id(), label: None, keyref: None, key };
        Signer { private, entry }
    }

    fn sign(&self, document: &Unsigned) -> Vec<u8> {
        let signature = self.private.sign(document.message()).unwrap();
        document.with_signatures(&[(self.entry.keyid.clone(), signature)])
    }

    fn keys(&self) -> RoleKeys {
        RoleKeys::new(vec![self.entry.keyid.clone()], 1).unwrap()
    }
}

/// A collection with root 1 and a few files: targets delegates `docs/*` to docs, which delegates
/// `docs/de*` to german; `team/*` is delegated to team, which has published nothing.
pub(crate) struct Collection {
    signers: BTreeMap<&'static str, Signer>,
    /// Whether docs must be signed by the key of team too.
    two_sign_docs: bool,
    /// What docs lists beside its first target: names and contents.
    pub(crate) docs: Vec<(&'static str, &'static str)>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

const DELEGATIONS: [(&str, &str, &str); 3] =
    [("targets", "docs", "docs/*"), ("docs", "german", "docs/de*"), ("targets", "team", "team/*")];

impl Collection {
    pub(crate) fn new() -> Collection {
        Collection::with(false)
    }

    /// The same, where docs needs the signatures of the keys of docs and of team.
    pub(crate) fn where_two_sign_docs() -> Collection {
        Collection::with(true)
    }

    fn with(two_sign_docs: bool) -> Collection {
        let names = ["root", "targets", "snapshot", "timestamp", "docs", "german", "team"];
        let signers = names.map(|name| (name, Signer::new())).into();
        let mut collection =
            Collection { signers, two_sign_docs, docs: Vec::new(), files: BTreeMap::new() };
        let root = collection.root();
        let root = collection.signers["root"].sign(&Unsigned::of(&root));
        collection.files.insert("1.root.json".into(), root);
        collection.release(1, 365);
        collection
    }

    pub(crate) fn key(&self, name: &str) -> KeyEntry {
        self.signers[name].entry.clone()
    }

    /// Puts a key into a trust directory, under the passphrase "pw".
    pub(crate) fn store_key(&self, name: &str, keys: &std::path::Path) {
        let Signer { private, entry } = &self.signers[name];
        std::fs::create_dir_all(keys).unwrap();
        let pem = keys.join(format!("{}.pem", entry.keyid));
        notary_signer::keys::file::write(&pem, private, &"pw".to_owned().into()).unwrap();
        let beside = serde_json::to_vec(entry).unwrap();
        std::fs::write(keys.join(format!("{}.json", entry.keyid)), beside).unwrap();
    }

    pub(crate) fn root_file(&self) -> &[u8] {
        &self.files["1.root.json"]
    }

    fn root(&self) -> Root {
        let signer = |name: &str| &self.signers[name];
        let names = ["root", "targets", "snapshot", "timestamp"];
        let key = |name| (signer(name).entry.keyid.clone(), signer(name).entry.key.clone());
        let keys: BTreeMap<KeyId, Key> = names.map(key).into();
        let roles = TopLevelRoles {
            root: signer("root").keys(),
            snapshot: signer("snapshot").keys(),
            targets: signer("targets").keys(),
            timestamp: signer("timestamp").keys(),
        };
        Root::new(Version::FIRST, in_days(365), keys, roles)
    }

    /// Publishes this version of everything but the root, with targets that expire in so many days.
    pub(crate) fn release(&mut self, number: u64, targets_days: i64) {
        let version = Version::new(number).unwrap();
        let mut entries = Vec::new();
        for (name, target_name) in
            [("targets", "app.bin"), ("docs", "docs/a.txt"), ("german", "docs/de.txt")]
        {
            let document = self.targets(name, target_name, version, in_days(targets_days));
            let file = self.sign(name, &document);
            let parsed = Envelope::<Targets>::parse(file.clone()).unwrap();
            entries.push((role(name), online::entry(&parsed)));
            self.files.insert(remote_name(&role(name), Some(version)), file);
        }
        let snapshot = online::next_snapshot(None, entries, version, in_days(7));
        let snapshot = self.signers["snapshot"].sign(&Unsigned::of(&snapshot));
        let parsed = Envelope::<Snapshot>::parse(snapshot.clone()).unwrap();
        self.files.insert(remote_name(&RoleName::SNAPSHOT, Some(version)), snapshot);
        let planned = PlannedTimestamp { version, expires: in_days(1), keyids: Vec::new() };
        let timestamp = self.signers["timestamp"].sign(&planned.document(&parsed));
        self.files.insert("timestamp.json".into(), timestamp);
    }

    /// Whose keys a delegated role has.
    fn owners(&self, name: &'static str) -> Vec<&Signer> {
        let second = Some("team").filter(|_| self.two_sign_docs && name == "docs");
        [Some(name), second].into_iter().flatten().map(|name| &self.signers[name]).collect()
    }

    fn sign(&self, name: &'static str, document: &Unsigned) -> Vec<u8> {
        let sign = |signer: &&Signer| {
            let signature = signer.private.sign(document.message()).unwrap();
            (signer.entry.keyid.clone(), signature)
        };
        document.with_signatures(&self.owners(name).iter().map(sign).collect::<Vec<_>>())
    }

    fn targets(&self, name: &str, listed: &str, version: Version, expires: Expires) -> Unsigned {
        let mut draft = Draft::from_role(&Targets::empty(version, expires));
        draft.set_target(&TargetPath::parse(listed).unwrap(), &target(listed.as_bytes()));
        for (more, content) in self.docs.iter().filter(|_| name == "docs") {
            draft.set_target(&TargetPath::parse(more).unwrap(), &target(content.as_bytes()));
        }
        for (_, team, path) in DELEGATIONS.iter().filter(|(delegator, ..)| *delegator == name) {
            let owners = self.owners(team);
            let ids: Vec<KeyId> = owners.iter().map(|owner| owner.entry.keyid.clone()).collect();
            let keys: Vec<Key> = owners.iter().map(|owner| owner.entry.key.clone()).collect();
            let threshold = u32::try_from(ids.len()).unwrap();
            let delegation = DelegatedRole {
                name: role(team),
                signers: RoleKeys::new(ids, threshold).unwrap().into(),
                terminating: false,
                paths: PathSet::Paths(vec![PathPattern::new(path)]),
            };
            draft.set_delegation(&delegation, &keys);
        }
        draft.finish()
    }

    /// The collection acme/app in the words of a server.
    pub(crate) fn info(&self) -> Vec<u8> {
        let role = |name: &'static str, delegator: &str| {
            let ids: Vec<KeyId> = self.owners(name).iter().map(|o| o.entry.keyid.clone()).collect();
            serde_json::json!({
                "name": name, "keyids": ids, "threshold": ids.len(), "delegated_by": delegator,
            })
        };
        let info = serde_json::json!({
            "gun": "acme/app", "incarnation": "0".repeat(32), "seq": 1, "keys": {},
            "roles": [role("docs", "targets"), role("german", "docs"), role("team", "targets")],
            "lifetimes": Lifetimes::default(),
        });
        info.to_string().into_bytes()
    }

    /// What a client trusts that has read everything of version 1.
    pub(crate) fn view(&self) -> View {
        let mut trusted =
            TrustedSet::new(self.root_file().to_vec(), now(), Expiry::Enforced).unwrap();
        let file = |name: &str| self.files[name].clone();
        trusted.update_timestamp(file("timestamp.json")).unwrap();
        trusted.update_snapshot(file("1.snapshot.json")).unwrap();
        for (delegator, name) in [("root", "targets"), ("targets", "docs"), ("docs", "german")] {
            let file = file(&format!("1.{name}.json"));
            trusted.update_targets(&role(name), &role(delegator), file).unwrap();
        }
        View::new(trusted)
    }
}
