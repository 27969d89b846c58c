//! Batches made by hand on a live collection: what is accepted, a client accepts too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::Key;
use notary_schema::name::{RoleName, Version};
use notary_schema::online;
use notary_schema::path::{Candidate, HashPrefixes, PathPattern, PathSet};
use notary_schema::publish::{
    Accepted, Batch, Head, Limits, Rules, StoredFile, check, snapshot_entries,
};
use notary_schema::role::{
    Bins, DelegatedRole, Delegations, RoleKeys, Root, SuccinctRoles, Targets, TopLevelRoles,
};
use notary_schema::trusted::{Expiry, TrustedSet};

use super::choices::Choices;
use super::support::{self, Collection, DAY, Edit};

/// Everybody's keys. The signer holds the ones that `support::held_keys` names.
const SEEDS: [u8; 6] = [1, 2, 3, 4, 5, 6];
const ROLES: [&str; 9] = ["targets", "docs", "a", "b", "DOCS", "root", "1.root", "a-0", "a-1"];
const PATHS: [&str; 8] = ["docs/*", "*", "a/*", "docs/a*", "docs/*/*", "**", "[d]ocs/*", ""];
const PREFIXES: [&str; 4] = ["0", "ab", "", "XY"];
const NAMES: [&str; 6] = ["a.txt", "docs/a", "docs/a/b", "a/x", "docs/b", "z"];
const EXPIRES: [i64; 6] = [365, 30, 1, 0, -1, 10_000];
const ROUNDS: usize = 4;

pub(super) fn run(data: &[u8]) {
    let mut choices = Choices::new(data);
    let mut live = Live::new();
    let rules = Rules {
        limits: Limits { delegation_depth: 3, ..Limits::default() },
        offline_max_seconds: 400 * DAY as u64,
        held_keys: support::held_keys(),
        ..Rules::default()
    };
    for _ in 0..ROUNDS {
        let Some(batch) = batch(&live.head, &mut choices) else { continue };
        if let Ok(accepted) = check(Some(&live.head), &batch, &rules, support::now()) {
            assert!(accepted.holds_on(&live.head) || batch_adds(&live.head, &batch));
            live.apply(&accepted, &batch);
            live.assert_client_accepts();
        }
        if choices.is_empty() {
            break;
        }
    }
}

/// Whether a delegation is new: such a judgement is made again on every other head.
fn batch_adds(head: &Head, batch: &Batch) -> bool {
    batch.targets_parts().any(|(role, file)| {
        let stored = head.files.get(role).and_then(|stored| stored.file.as_ref());
        let known = |name| stored.is_some_and(|old| old.signed().delegation(name).is_some());
        delegated_roles(file.signed()).iter().any(|delegated| !known(&delegated.name))
    })
}

/// The roles that are listed, or the bins, of which there are few here.
fn delegated_roles(targets: &Targets) -> Vec<DelegatedRole> {
    let Some(delegations) = &targets.delegations else { return Vec::new() };
    let bins = delegations.succinct().into_iter();
    let bins = bins.flat_map(|all| (0..=all.bins.last()).map(|index| all.delegation(index)));
    delegations.listed().iter().cloned().chain(bins).collect()
}

fn batch(head: &Head, choices: &mut Choices<'_>) -> Option<Batch> {
    let mut batch = Batch::default();
    for _ in 0..=choices.below(3) {
        let (role, file) = match choices.below(5) {
            4 => (RoleName::ROOT, root(head, choices)?),
            _ => {
                let role = RoleName::parse(choices.one_of(&ROLES)).ok()?;
                let file = targets(head, &role, choices)?;
                (role, file)
            }
        };
        let file = choices.damage(file);
        batch.add(role, file.into()).ok()?;
    }
    for _ in 0..choices.below(3) {
        let role = RoleName::parse(choices.one_of(&ROLES)).ok()?;
        match choices.below(2) {
            0 => batch.pending.insert(role),
            _ => batch.orphan.insert(role),
        };
    }
    Some(batch)
}

fn root(head: &Head, choices: &mut Choices<'_>) -> Option<Vec<u8>> {
    let stored = head.root.signed();
    let roles = TopLevelRoles {
        root: keys_of(stored.roles.root.clone(), choices)?,
        targets: keys_of(stored.roles.targets.clone(), choices)?,
        snapshot: keys_of(stored.roles.snapshot.clone(), choices)?,
        timestamp: keys_of(stored.roles.timestamp.clone(), choices)?,
    };
    let version = next(head.root.version(), choices)?;
    let expires = support::in_days(choices.one_of(&EXPIRES));
    let root = Root::new(version, expires, support::keys(&SEEDS), roles);
    Some(support::sign(&Unsigned::of(&root), &signers(choices)))
}

/// The keys that a role has, or others.
fn keys_of(now: RoleKeys, choices: &mut Choices<'_>) -> Option<RoleKeys> {
    if choices.below(3) < 2 {
        return Some(now);
    }
    let (seeds, threshold) = (signers(choices), choices.below(4) as u32);
    let ids = seeds.iter().map(|seed| support::signer(*seed).id()).collect();
    RoleKeys::new(ids, threshold).ok()
}

fn next(version: Version, choices: &mut Choices<'_>) -> Option<Version> {
    let step = choices.one_of(&[1, 1, 1, 1, 1, 0, 2, 70]);
    Version::new(version.get() + step).ok()
}

/// Some of the keys; mostly all.
fn signers(choices: &mut Choices<'_>) -> Vec<u8> {
    let left_out = match choices.below(4) {
        3 => choices.byte(),
        _ => 0,
    };
    SEEDS.into_iter().filter(|seed| left_out & (1 << seed) == 0).collect()
}

fn targets(head: &Head, role: &RoleName, choices: &mut Choices<'_>) -> Option<Vec<u8>> {
    let expires = support::in_days(choices.one_of(&EXPIRES));
    let stored = head.files.get(role).and_then(|stored| stored.file.as_ref());
    let mut draft = match stored {
        Some(file) => Draft::with_version(file, next(file.version(), choices)?, expires),
        None => Draft::first_targets(expires),
    };
    let delegations = stored.and_then(|file| file.signed().delegations.as_ref());
    let mut is_succinct = delegations.and_then(Delegations::succinct).is_some();
    for _ in 0..choices.below(4) {
        let name = choices.one_of(&NAMES);
        let delegated = RoleName::parse(choices.one_of(&ROLES)).ok()?;
        match choices.below(5) {
            0 => draft = draft.with_target(name),
            1 => drop(draft.remove_target(name)),
            2 => drop(draft.remove_delegation(&delegated)),
            3 => {
                let signers = keys_of(support::role_keys(&[5], 1), choices)?;
                let bins = Bins::new("a", 1).expect("two bins");
                let keys: Vec<Key> = support::keys(&SEEDS).into_values().collect();
                draft.set_succinct(&SuccinctRoles { bins, signers }, &keys);
                is_succinct = true;
            }
            // No role is listed beside succinct bins.
            _ if is_succinct => {}
            _ => {
                let delegation = DelegatedRole {
                    signers: keys_of(support::role_keys(&[5], 1), choices)?.into(),
                    name: delegated,
                    terminating: choices.below(2) == 1,
                    paths: paths(choices),
                };
                draft = draft.with_delegation(delegation, &SEEDS);
            }
        }
    }
    Some(support::sign(&draft.finish(), &signers(choices)))
}

fn paths(choices: &mut Choices<'_>) -> PathSet {
    if choices.below(4) == 3 {
        return PathSet::HashPrefixes(HashPrefixes::new([choices.one_of(&PREFIXES)]));
    }
    let count = choices.below(3);
    PathSet::Paths((0..count).map(|_| PathPattern::new(choices.one_of(&PATHS))).collect())
}

/// A collection as a server has it, and what its publishers named on purpose.
struct Live {
    head: Head,
    roots: Vec<Vec<u8>>,
    /// Roles that may be without a file.
    pending: BTreeSet<RoleName>,
    /// Roles whose file may be one that no delegation vouches for.
    orphaned: BTreeSet<RoleName>,
}

impl Live {
    fn new() -> Live {
        static FIRST: LazyLock<Head> = LazyLock::new(|| Collection::new().head());
        let (pending, orphaned) = (BTreeSet::new(), BTreeSet::new());
        let roots = vec![FIRST.root.bytes().to_vec()];
        Live { head: FIRST.clone(), roots, pending, orphaned }
    }

    /// What a server does with an accepted batch.
    fn apply(&mut self, accepted: &Accepted, batch: &Batch) {
        let entries = snapshot_entries(Some(&self.head), accepted.files.clone());
        if let Some(root) = &accepted.root {
            self.roots.push(root.bytes().to_vec());
            self.head.root = root.clone();
        }
        for (role, file) in &accepted.files {
            self.head.files.insert(role.clone(), StoredFile::loaded(file.clone()));
            self.orphaned.remove(role);
        }
        self.pending.extend(batch.pending.iter().cloned());
        self.orphaned.extend(batch.orphan.iter().cloned());
        let version = self.head.snapshot.version().next().expect("few versions");
        let before = Some(self.head.snapshot.signed());
        let next = online::next_snapshot(before, entries, version, support::in_days(7));
        let next = support::sign(&Unsigned::of(&next), &SEEDS);
        let planned =
            online::PlannedTimestamp { version, expires: support::in_days(1), keyids: Vec::new() };
        self.head.snapshot = Arc::new(Envelope::parse(next).expect("our own file"));
        let timestamp = support::sign(&planned.document(&self.head.snapshot), &SEEDS);
        self.head.timestamp = Arc::new(Envelope::parse(timestamp).expect("our own file"));
        assert!(self.head.first_unlisted(self.head.snapshot.signed()).is_none());
    }

    /// A client that starts with root 1 reaches every role that was not given up on purpose, and
    /// finds nothing in it that its delegations do not cover.
    fn assert_client_accepts(&self) {
        let first = self.roots[0].clone();
        let mut client = TrustedSet::new(first, support::now(), Expiry::Enforced).expect("root 1");
        for root in &self.roots[1..] {
            client.update_root(root.clone()).expect("the next root");
        }
        client.update_timestamp(self.head.timestamp.bytes().clone()).expect("the timestamp");
        let snapshot = self.head.snapshot.bytes().clone();
        client.update_snapshot(snapshot).expect("the snapshot");
        let targets = self.head.files[&RoleName::TARGETS].file.as_ref().expect("loaded");
        client
            .update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets.bytes().clone())
            .expect("targets");
        let mut chain = BTreeMap::new();
        self.descend(&mut client, &RoleName::TARGETS, targets.signed(), &mut chain);
    }

    fn descend(
        &self,
        client: &mut TrustedSet,
        delegator: &RoleName,
        targets: &Targets,
        chain: &mut BTreeMap<RoleName, DelegatedRole>,
    ) {
        for delegated in delegated_roles(targets) {
            let role = &delegated.name;
            let Some(stored) = self.head.files.get(role) else {
                assert!(self.pending.contains(role), "{role} has no file and was not named");
                continue;
            };
            if self.orphaned.contains(role) || chain.contains_key(role) {
                continue;
            }
            let file = stored.file.as_ref().expect("loaded");
            let trusted = client.update_targets(role, delegator, file.bytes().clone());
            trusted.unwrap_or_else(|error| panic!("{delegator} leads to {role}: {error}"));
            chain.insert(role.clone(), delegated.clone());
            for name in file.signed().targets.keys() {
                let covered = |step: &DelegatedRole| step.covers(&Candidate::new(name));
                assert!(chain.values().all(covered), "{role} lists {name} outside its paths");
            }
            self.descend(client, role, file.signed(), chain);
            chain.remove(role);
        }
    }
}
