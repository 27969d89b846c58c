//! Whoever owns a repository: sets it up, and changes it over time, all by the rules.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::key::sha256_hex;
use notary_tests::hand::{Entry, HandKey, Repository};
use notary_tests::seed::Random;
use serde_json::{Value, json};

/// Names of delegated roles: some need percent-encoding, some look like other files.
const ROLES: [&str; 14] = [
    "docs",
    "apps",
    "a/b",
    "with space",
    "ü-ö",
    "100%",
    "say \"hi\"",
    "q?x#y",
    "..",
    "名前",
    "1.targets",
    "UPPER",
    "~a_b.c",
    "%41",
];

/// Names of targets: they are looked up, whether anybody lists them or not.
pub(super) const NAMES: [&str; 12] = [
    "a.txt",
    "b.txt",
    "docs/a.txt",
    "docs/b.bin",
    "docs/deep/c.txt",
    "x y.txt",
    "ü.txt",
    "e\u{301}.txt",
    "docs/[1].txt",
    "100%.txt",
    "say \"hi\"",
    "nobody/lists.this",
];

/// Patterns that delegations have.
const PATTERNS: [&str; 20] = [
    "*",
    "*",
    "*.txt",
    "docs/*",
    "docs/*",
    "docs/?.txt",
    "docs/*/*",
    "*/*",
    "[ab].txt",
    "[!a].txt",
    "docs/[[]1].txt",
    "a.txt",
    "docs/**",
    "ü*",
    "[a-c].txt",
    "docs?a.txt",
    "A.txt",
    "DOCS/*",
    "",
    "none/*",
];

/// What is said of a file: most tools give length and hashes, or a version only.
const ENTRIES: [Entry; 5] =
    [Entry::Full, Entry::Full, Entry::Length, Entry::Sha512, Entry::Version];

/// Keys that take time to make; one process uses the same ones all the time.
static SLOW_KEYS: LazyLock<[HandKey; 4]> =
    LazyLock::new(|| [HandKey::p256(), HandKey::p256(), HandKey::p384(), HandKey::rsa()]);

/// The owner, and what is drawn.
pub(super) struct Owner {
    pub(super) random: Random,
    seeds: u8,
}

impl Owner {
    pub(super) fn new(seed: u64) -> Owner {
        Owner { random: Random::new(seed), seeds: 0 }
    }

    /// A key that nobody has seen before.
    pub(super) fn new_key(&mut self) -> HandKey {
        self.seeds = self.seeds.wrapping_add(1);
        HandKey::ed25519(self.seeds)
    }

    fn key(&mut self) -> HandKey {
        match self.random.chance(12) {
            true => self.random.one_of(&*SLOW_KEYS).clone(),
            false => self.new_key(),
        }
    }

    /// Some keys and how many of them must sign.
    pub(super) fn keys(&mut self) -> (Vec<HandKey>, u32) {
        let count = *self.random.one_of(&[1, 1, 1, 2, 3]);
        let mut keys: Vec<HandKey> = Vec::new();
        while keys.len() < count {
            let key = self.key();
            if keys.iter().all(|other| other.id() != key.id()) {
                keys.push(key);
            }
        }
        let threshold = 1 + self.random.below(count as u64);
        (keys, u32::try_from(threshold).expect("three at most"))
    }

    /// A new repository with its roles and targets, published once.
    pub(super) fn found(&mut self, now: DateTime<Utc>) -> Repository {
        let keys: Vec<(Vec<HandKey>, u32)> = (0..4).map(|_| self.keys()).collect();
        let mut repository = Repository::new(|role| match role {
            "root" => keys[0].clone(),
            "targets" => keys[1].clone(),
            "snapshot" => keys[2].clone(),
            _ => keys[3].clone(),
        });
        let consistent =
            *self.random.one_of(&[Some(true), Some(true), Some(true), Some(false), None]);
        repository.set_consistent(consistent);
        // Some are short enough to be over before anybody signs again.
        for (role, days) in [("timestamp", [3, 7]), ("snapshot", [3, 12]), ("root", [9, 90])] {
            repository.live(role, TimeDelta::days(*self.random.one_of(&days)));
        }
        for role in ["snapshot", "targets"] {
            let entry = *self.random.one_of(&ENTRIES);
            repository.describe(role, entry);
        }
        for _ in 0..1 + self.random.below(10) {
            self.delegate(&mut repository);
        }
        for _ in 0..2 + self.random.below(8) {
            self.add_target(&mut repository);
        }
        // There are versions before the first that clients see.
        for role in repository.roles().iter().filter(|role| *role != "root") {
            repository.part(role).signed["version"] = json!(2 + self.random.below(5));
        }
        repository.publish(now, |_, _| {});
        repository
    }

    /// One change, or a few at once, and their name.
    pub(super) fn change(
        &mut self,
        repository: &mut Repository,
        now: DateTime<Utc>,
    ) -> &'static str {
        match self.random.below(16) {
            0 | 1 => "nothing",
            2..=4 => {
                (0..=self.random.below(3)).for_each(|_| self.add_target(repository));
                "new targets"
            }
            5 => self.sign_again(repository),
            6 | 7 => {
                self.delegate(repository);
                "a delegation"
            }
            8 => self.undelegate(repository),
            9 => self.rotate_delegated(repository),
            10 | 11 => self.rotate(repository, &["timestamp", "snapshot", "targets"]),
            12 => self.rotate(repository, &["root"]),
            13 => {
                for _ in 0..=self.random.below(2) {
                    self.rotate(repository, &["root", "timestamp", "snapshot", "targets"]);
                    repository.publish_root(now);
                }
                "several roots"
            }
            14 => self.reorder(repository),
            _ => {
                let consistent = *self.random.one_of(&[Some(true), Some(false), None]);
                repository.set_consistent(consistent);
                "consistent snapshots on or off"
            }
        }
    }

    /// Any targets role.
    pub(super) fn role(&mut self, repository: &Repository) -> String {
        self.random.one_of(&repository.targets_roles()).clone()
    }

    fn add_target(&mut self, repository: &mut Repository) {
        let role = self.role(repository);
        let name = *self.random.one_of(&NAMES[..NAMES.len() - 1]);
        let content = format!("{name} {}", self.random.below(1000));
        let target = repository.add_target(&role, name, content.as_bytes());
        if self.random.chance(25) {
            target["custom"] = json!({"n": self.random.below(100), "é": [null, true]});
        }
        if self.random.chance(10) {
            let sha512 = ring::digest::digest(&ring::digest::SHA512, content.as_bytes());
            target["hashes"]["sha512"] = json!(hex::encode(sha512));
        }
    }

    fn sign_again(&mut self, repository: &mut Repository) -> &'static str {
        let roles = repository.roles();
        for _ in 0..=self.random.below(3) {
            repository.edit(self.random.one_of(&roles).as_str());
        }
        "roles signed again"
    }

    /// Delegates to a new role, to one that another role delegates to already, or in a circle.
    fn delegate(&mut self, repository: &mut Repository) {
        let delegator = self.role(repository);
        if repository.document(&delegator)["delegations"].get("succinct_roles").is_some() {
            return;
        }
        let listed = repository.delegated_by(&delegator);
        // Beside bins there are no other delegations, and most hang below `targets`.
        let chance_of_bins = if delegator == "targets" { 5 } else { 20 };
        if listed.is_empty() && self.random.chance(chance_of_bins) {
            return self.delegate_to_bins(&delegator, repository);
        }
        let role = match self.random.chance(45) {
            true => self.role(repository),
            false => (*self.random.one_of(&ROLES)).to_owned(),
        };
        if role == "targets" || listed.contains(&role) {
            return;
        }
        let mut delegation = self.coverage();
        delegation["terminating"] = json!(self.random.chance(20));
        let known = repository.targets_roles().contains(&role);
        let (keys, threshold) = match known && self.random.chance(50) {
            true => {
                let signers = repository.part(&role).signers.clone();
                let threshold = 1 + self.random.below(signers.len().max(1) as u64);
                (signers, u32::try_from(threshold).expect("few keys"))
            }
            false => self.keys(),
        };
        let signers = known.then(|| repository.part(&role).signers.clone());
        let place = self.random.index(listed.len() + 1);
        repository.delegate((&delegator, &role), place, delegation, (&keys, threshold));
        // Whoever signs for one delegator may never have heard of the other.
        if let Some(signers) = signers.filter(|_| self.random.chance(40)) {
            repository.part(&role).signers = signers;
        }
        let entry = *self.random.one_of(&ENTRIES);
        repository.describe(&role, entry);
    }

    fn delegate_to_bins(&mut self, delegator: &str, repository: &mut Repository) {
        let (keys, threshold) = self.keys();
        let prefix = format!("{}/bin {}", self.random.one_of(&ROLES), self.random.below(100));
        let bits = 1 + self.random.below(3) as u32;
        let bins = repository.delegate_to_bins(delegator, (&prefix, bits), (&keys, threshold));
        for name in NAMES {
            let bits_of_name = u32::from_str_radix(&sha256_hex(name.as_bytes())[..8], 16);
            let bin = bits_of_name.expect("a hash is hexadecimal") >> (32 - bits);
            if self.random.chance(40) {
                repository.add_target(&bins[bin as usize], name, name.as_bytes());
            }
        }
    }

    /// Which names a delegation covers.
    fn coverage(&mut self) -> Value {
        if self.random.chance(70) {
            let count = 1 + self.random.below(3);
            let paths: Vec<&str> = (0..count).map(|_| *self.random.one_of(&PATTERNS)).collect();
            return json!({"paths": paths});
        }
        let mut prefixes = Vec::new();
        for _ in 0..1 + self.random.below(4) {
            let name = *self.random.one_of(&NAMES);
            let digits = self.random.index(4);
            prefixes.push(sha256_hex(name.as_bytes())[..digits].to_owned());
        }
        json!({"path_hash_prefixes": prefixes})
    }

    /// A role with delegations in a list, and the roles in it.
    fn delegator(&mut self, repository: &Repository) -> Option<(String, Vec<String>)> {
        let delegators: Vec<(String, Vec<String>)> = repository
            .targets_roles()
            .into_iter()
            .map(|role| (role.clone(), repository.delegated_by(&role)))
            .filter(|(_, listed)| !listed.is_empty())
            .collect();
        (!delegators.is_empty()).then(|| self.random.one_of(&delegators).clone())
    }

    fn undelegate(&mut self, repository: &mut Repository) -> &'static str {
        if let Some((delegator, listed)) = self.delegator(repository) {
            repository.undelegate(&delegator, self.random.one_of(&listed).as_str());
        }
        "a delegation taken back"
    }

    fn rotate_delegated(&mut self, repository: &mut Repository) -> &'static str {
        if let Some((delegator, listed)) = self.delegator(repository) {
            let (keys, threshold) = self.keys();
            repository.trust(&delegator, self.random.one_of(&listed).as_str(), &keys, threshold);
        }
        "other keys for a delegated role"
    }

    fn reorder(&mut self, repository: &mut Repository) -> &'static str {
        if let Some((delegator, _)) = self.delegator(repository) {
            let roles = &mut repository.edit(&delegator).signed["delegations"]["roles"];
            let roles = roles.as_array_mut().expect("roles are a list");
            roles.reverse();
            roles[0]["terminating"] = json!(self.random.chance(50));
        }
        "delegations in another order"
    }

    fn rotate(&mut self, repository: &mut Repository, roles: &[&'static str]) -> &'static str {
        let role = *self.random.one_of(roles);
        let (keys, threshold) = self.keys();
        repository.trust("root", role, &keys, threshold);
        // After a change of the snapshot's keys its entries may go.
        if role == "snapshot" && self.random.chance(50) {
            let gone = self.role(repository);
            if gone != "targets" {
                let meta = repository.edit("snapshot").signed["meta"].as_object_mut();
                meta.expect("entries are a map").remove(&format!("{gone}.json"));
            }
        }
        match role {
            "root" => "other keys for root",
            _ => "other keys for a top-level role",
        }
    }
}
