//! What the people of a collection hold and sign: root, targets, and teams with delegated roles.

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::envelope::Unsigned;
use notary_schema::key::{Key, sha256_hex};
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{
    DelegatedRole, Delegations, Expires, Hashes, Role, RoleKeys, Root, TargetFile, Targets,
    TopLevelRoles,
};
use serde::Serialize;

use crate::signer::TestKey;

/// A part of a publish: its filename and its bytes.
pub type Part = (String, Vec<u8>);

/// One collection with its offline keys.
pub struct Repo {
    pub gun: Gun,
    pub root_key: TestKey,
    pub targets_key: TestKey,
    pub snapshot_keys: Vec<Key>,
    pub timestamp_keys: Vec<Key>,
    /// How many of them must sign.
    pub timestamp_threshold: u32,
    /// The teams that targets delegates to, each with its key.
    pub teams: Vec<(String, TestKey)>,
    pub now: DateTime<Utc>,
}

impl Repo {
    pub fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    fn expires(&self) -> Expires {
        Expires::at(self.now + TimeDelta::days(300))
    }

    pub fn root(&self, version: u64) -> Part {
        self.root_with(version, &[])
    }

    /// A root that lists these keys, too, for no role.
    pub fn root_with(&self, version: u64, others: &[&TestKey]) -> Part {
        let offline = [self.root_key.key.clone(), self.targets_key.key.clone()];
        let some_of = |keys: &[Key], threshold| {
            RoleKeys::new(keys.iter().map(|key| key.id().clone()).collect(), threshold).unwrap()
        };
        let one_of = |keys| some_of(keys, 1);
        let roles = TopLevelRoles {
            root: one_of(&offline[..1]),
            targets: one_of(&offline[1..]),
            snapshot: one_of(&self.snapshot_keys),
            timestamp: some_of(&self.timestamp_keys, self.timestamp_threshold),
        };
        let others: Vec<Key> = others.iter().map(|other| other.key.clone()).collect();
        let keys = [&offline[..], &self.snapshot_keys, &self.timestamp_keys, &others].concat();
        let keys = keys.into_iter().map(|key| (key.id().clone(), key)).collect();
        let root = Root::new(Repo::version(version), self.expires(), keys, roles);
        ("root".into(), signed(&root, &self.root_key))
    }

    /// targets with these names and a delegation to every team.
    pub fn targets(&self, version: u64, names: &[&str]) -> Part {
        self.targets_by(version, names, &[&self.targets_key])
    }

    /// The same, signed by these keys.
    pub fn targets_by(&self, version: u64, names: &[&str], signers: &[&TestKey]) -> Part {
        let mut targets = self.unsigned_targets(version, names);
        if !self.teams.is_empty() {
            let keys = self.teams.iter().map(|(_, key)| (key.key.id().clone(), key.key.clone()));
            let role = |(name, key): &(String, TestKey)| DelegatedRole {
                name: RoleName::parse(name).unwrap(),
                signers: RoleKeys::new(vec![key.key.id().clone()], 1).unwrap().into(),
                terminating: false,
                paths: PathSet::Paths(vec![PathPattern::new(&format!("{name}/*"))]),
            };
            let roles = self.teams.iter().map(role).collect();
            targets.delegations = Some(Delegations::new(keys.collect(), roles).unwrap());
        }
        ("targets".into(), signed_by(&targets, signers))
    }

    /// The file of a team with these names below its directory.
    pub fn team(&self, team: &str, version: u64, names: &[&str]) -> Part {
        let names: Vec<String> = names.iter().map(|name| format!("{team}/{name}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let targets = self.unsigned_targets(version, &names);
        (team.into(), signed(&targets, self.key_of(team)))
    }

    /// The file of a team without names, with what a test changes in it.
    pub fn edited(&self, team: &str, version: u64, edit: impl FnOnce(&mut Targets)) -> Part {
        let mut targets = self.unsigned_targets(version, &[]);
        edit(&mut targets);
        (team.into(), signed(&targets, self.key_of(team)))
    }

    pub fn key_of(&self, team: &str) -> &TestKey {
        &self.teams.iter().find(|(name, _)| name == team).expect("a known team").1
    }

    pub fn unsigned_targets(&self, version: u64, names: &[&str]) -> Targets {
        let mut targets = Targets::empty(Repo::version(version), self.expires());
        for name in names {
            let hashes = Hashes::sha256_of(sha256_hex(name.as_bytes()));
            let file = TargetFile { length: name.len() as u64, hashes, custom: None };
            targets.targets.insert(name, &file);
        }
        targets
    }
}

fn signed<T: Role + Serialize>(role: &T, key: &TestKey) -> Vec<u8> {
    signed_by(role, &[key])
}

fn signed_by<T: Role + Serialize>(role: &T, keys: &[&TestKey]) -> Vec<u8> {
    let unsigned = Unsigned::of(role);
    let signatures: Vec<_> = keys.iter().map(|key| key.sign(unsigned.message())).collect();
    unsigned.with_signatures(&signatures)
}
