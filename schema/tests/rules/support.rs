//! Hand-signed collections for the tests of this package.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::{KeyId, RoleName, TargetPath, Version};
use notary_schema::online::{self, HeldKeys, OnlineRole, PlannedTimestamp};
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::publish::{Head, StoredFile};
use notary_schema::role::{
    DelegatedRole, Expires, Hashes, RoleKeys, Root, Snapshot, TargetFile, Targets, Timestamp,
    TopLevelRoles,
};
use ring::signature::{Ed25519KeyPair, KeyPair};

pub const DAY: i64 = 86_400;

/// The time at which the tests take place.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub fn in_days(days: i64) -> Expires {
    Expires::at(now() + TimeDelta::seconds(days * DAY))
}

pub fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

pub fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

/// A key pair that is the same in every run.
pub struct Signer {
    pair: Ed25519KeyPair,
    pub key: Key,
}

pub fn signer(seed: u8) -> &'static Signer {
    static DRAWN: [OnceLock<Signer>; 256] = [const { OnceLock::new() }; 256];
    DRAWN[usize::from(seed)].get_or_init(|| {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = PublicKey::Ed25519(pair.public_key().as_ref().try_into().unwrap());
        Signer { pair, key: Key::new(public) }
    })
}

impl Signer {
    pub fn id(&self) -> KeyId {
        self.key.id().clone()
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// The complete file of a document.
pub fn sign(document: &Unsigned, signers: &[u8]) -> Vec<u8> {
    let signatures: Vec<_> = signers
        .iter()
        .map(|seed| signer(*seed))
        .map(|signer| (signer.id(), signer.sign(document.message())))
        .collect();
    document.with_signatures(&signatures)
}

pub fn keys(seeds: &[u8]) -> BTreeMap<KeyId, Key> {
    seeds.iter().map(|seed| signer(*seed)).map(|s| (s.id(), s.key.clone())).collect()
}

pub fn role_keys(seeds: &[u8], threshold: u32) -> RoleKeys {
    RoleKeys::new(seeds.iter().map(|seed| signer(*seed).id()).collect(), threshold).unwrap()
}

pub const ROOT: u8 = 1;
pub const TARGETS: u8 = 2;
pub const SNAPSHOT: u8 = 3;
pub const TIMESTAMP: u8 = 4;
pub const DOCS: u8 = 5;

/// A root whose roles have one key each.
pub fn root(number: u64) -> Root {
    Root::new(
        version(number),
        in_days(365),
        keys(&[ROOT, TARGETS, SNAPSHOT, TIMESTAMP]),
        TopLevelRoles {
            root: role_keys(&[ROOT], 1),
            snapshot: role_keys(&[SNAPSHOT], 1),
            targets: role_keys(&[TARGETS], 1),
            timestamp: role_keys(&[TIMESTAMP], 1),
        },
    )
}

pub fn delegation(name: &str, paths: &[&str], seeds: &[u8], threshold: u32) -> DelegatedRole {
    DelegatedRole {
        name: role(name),
        signers: role_keys(seeds, threshold).into(),
        terminating: false,
        paths: PathSet::Paths(paths.iter().map(|path| PathPattern::new(path)).collect()),
    }
}

pub fn target(length: u64) -> TargetFile {
    let hash = notary_schema::key::sha256_hex(&length.to_le_bytes());
    TargetFile { length, hashes: Hashes::sha256_of(hash), custom: None }
}

/// Makes changes to a document easy to write in a table.
pub trait Edit: Sized {
    fn with_target(self, name: &str) -> Self;
    fn with_delegation(self, delegation: DelegatedRole, seeds: &[u8]) -> Self;
    fn without_delegation(self, name: &str) -> Self;
}

impl Edit for Draft {
    fn with_target(mut self, name: &str) -> Draft {
        self.set_target(&TargetPath::parse(name).unwrap(), &target(name.len() as u64));
        self
    }

    fn with_delegation(mut self, delegation: DelegatedRole, seeds: &[u8]) -> Draft {
        let keys: Vec<Key> = keys(seeds).into_values().collect();
        self.set_delegation(&delegation, &keys);
        self
    }

    fn without_delegation(mut self, name: &str) -> Draft {
        assert!(self.remove_delegation(&role(name)));
        self
    }
}

/// A published collection: root 1, targets 1 with a delegation of `docs/*` to `docs`, docs 1.
pub struct Collection {
    pub root: Vec<u8>,
    pub files: BTreeMap<RoleName, Vec<u8>>,
    pub snapshot: Vec<u8>,
    pub timestamp: Vec<u8>,
}

impl Collection {
    pub fn new() -> Collection {
        let targets = Draft::first_targets(in_days(365))
            .with_target("a.txt")
            .with_delegation(delegation("docs", &["docs/*"], &[DOCS], 1), &[DOCS]);
        let docs = Draft::first_targets(in_days(365)).with_target("docs/intro.txt");
        let files = BTreeMap::from([
            (RoleName::TARGETS, sign(&targets.finish(), &[TARGETS])),
            (role("docs"), sign(&docs.finish(), &[DOCS])),
        ]);
        Collection::of(sign(&Unsigned::of(&root(1)), &[ROOT]), files, 1)
    }

    /// These files under a snapshot and timestamp of this version.
    pub fn of(root: Vec<u8>, files: BTreeMap<RoleName, Vec<u8>>, number: u64) -> Collection {
        let entries = files.iter().map(|(role, file)| {
            let parsed = Envelope::<Targets>::parse(file.clone()).unwrap();
            (role.clone(), online::entry(&parsed))
        });
        let snapshot = online::next_snapshot(None, entries, version(number), in_days(7));
        let snapshot = sign(&Unsigned::of(&snapshot), &[SNAPSHOT]);
        let timestamp = timestamp_of(&snapshot, number, in_days(1));
        Collection { root, files, snapshot, timestamp }
    }

    pub fn file(&self, name: &str) -> Envelope<Targets> {
        Envelope::parse(self.files[&role(name)].clone()).unwrap()
    }

    pub fn head(&self) -> Head {
        let stored =
            |file: &Vec<u8>| StoredFile::loaded(Arc::new(Envelope::parse(file.clone()).unwrap()));
        Head::new(
            Arc::new(Envelope::parse(self.root.clone()).unwrap()),
            Arc::new(Envelope::parse(self.snapshot.clone()).unwrap()),
            Arc::new(Envelope::parse(self.timestamp.clone()).unwrap()),
            self.files.iter().map(|(role, file)| (role.clone(), stored(file))).collect(),
        )
    }

    /// The next version of a role, to be edited.
    pub fn next(&self, name: &str) -> Draft {
        Draft::next(&self.file(name), in_days(365)).unwrap()
    }

    /// The repository as a server of static files has it.
    pub fn repository(&self) -> BTreeMap<String, Vec<u8>> {
        use notary_schema::updater::remote_name;
        let snapshot = Envelope::<Snapshot>::parse(self.snapshot.clone()).unwrap();
        let root = Envelope::<Root>::parse(self.root.clone()).unwrap();
        let mut files: BTreeMap<String, Vec<u8>> = self
            .files
            .iter()
            .map(|(role, file)| {
                let parsed = Envelope::<Targets>::parse(file.clone()).unwrap();
                (remote_name(role, Some(parsed.version())), file.clone())
            })
            .collect();
        let (snapshot_name, root_name) = (
            remote_name(&RoleName::SNAPSHOT, Some(snapshot.version())),
            remote_name(&RoleName::ROOT, Some(root.version())),
        );
        files.insert(snapshot_name, self.snapshot.clone());
        files.insert(root_name, self.root.clone());
        files.insert(remote_name(&RoleName::TIMESTAMP, None), self.timestamp.clone());
        files
    }
}

/// A signed timestamp that names a snapshot file.
pub fn timestamp_of(snapshot: &[u8], number: u64, expires: Expires) -> Vec<u8> {
    let snapshot = Envelope::<Snapshot>::parse(snapshot.to_vec()).unwrap();
    let planned = PlannedTimestamp { version: version(number), expires, keyids: vec![] };
    sign(&planned.document(&snapshot), &[TIMESTAMP])
}

/// What a timestamp says.
pub fn timestamp_file(bytes: &[u8]) -> Timestamp {
    Envelope::<Timestamp>::parse(bytes.to_vec()).unwrap().signed().clone()
}

pub fn held_keys() -> HeldKeys {
    let held = [(OnlineRole::Snapshot, SNAPSHOT), (OnlineRole::Timestamp, TIMESTAMP)];
    held.into_iter().map(|(role, seed)| (role, signer(seed).id())).collect()
}
