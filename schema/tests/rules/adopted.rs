//! The rules of taking over a repository: each refused one stands beside the one that is taken.

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{RoleName, TargetPath};
use notary_schema::publish::{Accepted, Batch, Limits, Refusal, Rules, check};
use notary_schema::role::{FileMeta, Root, Snapshot, TargetFile};

use crate::publish::{code, rules};
use crate::support::*;

/// The keys that sign snapshot and timestamp there; those of the signer are others.
const THEIRS: [u8; 2] = [6, 7];

/// Their root of this version, which their root key signs.
fn their_root(number: u64) -> Root {
    let mut root = root(number);
    root.keys = keys(&[ROOT, TARGETS, THEIRS[0], THEIRS[1]]);
    root.roles.snapshot = role_keys(&THEIRS[..1], 1);
    root.roles.timestamp = role_keys(&THEIRS[1..], 1);
    root
}

fn signed(document: &Unsigned, seed: u8) -> Vec<u8> {
    sign(document, &[seed])
}

/// The parts of a request, which a test makes mistakes in.
struct Parts(Vec<(&'static str, Vec<u8>)>);

impl Parts {
    /// Two roots, and targets, docs, snapshot and timestamp of version 9; then root 3, which names the
    /// signer's keys.
    fn new() -> Parts {
        let mut parts = Parts(Vec::new());
        for number in [1, 2] {
            let name = if number == 1 { "1.root" } else { "2.root" };
            parts.0.push((name, signed(&Unsigned::of(&their_root(number)), ROOT)));
        }
        let before = Collection::new();
        for (name, seed) in [("targets", TARGETS), ("docs", DOCS)] {
            let draft = Draft::with_version(&before.file(name), version(9), in_days(-1));
            parts.0.push((name, signed(&draft.finish(), seed)));
        }
        parts.describe();
        parts.0.push(("root", signed(&Unsigned::of(&root(3)), ROOT)));
        parts
    }

    /// Lets snapshot and timestamp follow what is there of targets and docs.
    fn describe(&mut self) {
        let roles = self.0.iter().filter(|(name, _)| matches!(*name, "targets" | "docs" | "old"));
        let files = roles.map(|(name, file)| (role(name), file.clone())).collect();
        self.list(&Collection::of(Vec::new(), files, 9).snapshot);
    }

    /// Lets the snapshot say this, and the timestamp name it.
    fn list(&mut self, snapshot: &[u8]) {
        let again = |file: &[u8], seed| {
            let document: serde_json::Value = serde_json::from_slice(file).unwrap();
            Unsigned::new(&document["signed"]).with_signatures(&[(
                signer(seed).id(),
                signer(seed).sign(Unsigned::new(&document["signed"]).message()),
            )])
        };
        let snapshot = again(snapshot, THEIRS[0]);
        let timestamp = timestamp_of(&snapshot, 9, in_days(-1));
        self.put("snapshot", snapshot);
        self.put("timestamp", again(&timestamp, THEIRS[1]));
    }

    /// Changes the entry of a file in the snapshot.
    fn with_entry(mut self, name: &str, edit: impl FnOnce(&mut FileMeta)) -> Parts {
        let file = &self.0.iter().find(|(name, _)| *name == "snapshot").unwrap().1;
        let mut snapshot = Envelope::<Snapshot>::parse(file.clone()).unwrap().signed().clone();
        let mut entry = snapshot.entry(&role(name)).unwrap();
        edit(&mut entry);
        snapshot.meta.insert(&format!("{name}.json"), &entry);
        self.list(&Unsigned::of(&snapshot).with_signatures(&[]));
        self
    }

    fn put(&mut self, name: &'static str, file: Vec<u8>) {
        self.0.retain(|(other, _)| *other != name);
        self.0.push((name, file));
    }

    fn without(mut self, name: &str) -> Parts {
        self.0.retain(|(other, _)| *other != name);
        self
    }

    fn with(mut self, name: &'static str, file: Vec<u8>) -> Parts {
        self.put(name, file);
        self
    }

    fn batch(&self) -> Result<Batch, Refusal> {
        let mut batch = Batch::adopting();
        for (name, file) in &self.0 {
            batch.add(role(name), file.clone().into())?;
        }
        Ok(batch)
    }

    fn judge(&self) -> Result<Accepted, Refusal> {
        self.judge_within(Limits::default())
    }

    fn judge_within(&self, limits: Limits) -> Result<Accepted, Refusal> {
        check(None, &self.batch()?, &Rules { limits, ..rules() }, now())
    }
}

#[test]
fn a_repository_is_taken_over_by_its_next_root_as_it_is() {
    let accepted = Parts::new().judge().unwrap();
    let adopted = accepted.adopted.expect("it takes a repository over");
    let earlier: Vec<_> = accepted.earlier_roots.iter().map(|root| root.version().get()).collect();
    assert_eq!(earlier, [1, 2]);
    assert_eq!(adopted.head.snapshot.version(), version(9));
    // Expired files are no reason: they stay what they are until their owners sign the next ones.
    assert_eq!(accepted.files.len(), 2);
    assert_eq!(accepted.root.unwrap().version(), version(3));
    assert_eq!(accepted.rotation, notary_schema::online::Rotation::default());
}

#[test]
fn what_clients_would_not_trust_is_not_taken_over() {
    let root = |number, seed| signed(&Unsigned::of(&their_root(number)), seed);
    let other_docs = {
        let draft = Draft::with_version(&Collection::new().file("docs"), version(9), in_days(9));
        signed(&draft.with_target("docs/new").finish(), DOCS)
    };
    let mut docs_of_a_stranger = Parts::new();
    let draft = Draft::with_version(&Collection::new().file("docs"), version(9), in_days(9));
    docs_of_a_stranger.put("docs", signed(&draft.finish(), 8));
    docs_of_a_stranger.describe();
    for (what, parts, refusal) in [
        ("a chain without its beginning", Parts::new().without("1.root"), "adopted_not_whole"),
        ("no chain", Parts::new().without("1.root").without("2.root"), "adopted_not_whole"),
        (
            "a gap",
            Parts::new().without("2.root").with("3.root", root(3, ROOT)),
            "adopted_unverified",
        ),
        ("a root of a stranger", Parts::new().with("2.root", root(2, 8)), "adopted_unverified"),
        ("no timestamp", Parts::new().without("timestamp"), "adopted_not_whole"),
        ("no snapshot", Parts::new().without("snapshot"), "adopted_not_whole"),
        ("a listed role that is not there", Parts::new().without("docs"), "adopted_not_whole"),
        ("no targets", Parts::new().without("targets"), "adopted_not_whole"),
        (
            "another file than the listed one",
            Parts::new().with("docs", other_docs.clone()),
            "adopted_unverified",
        ),
        ("a role that is not listed", Parts::new().with("more", other_docs), "adopted_unverified"),
        ("a role signed by a stranger", docs_of_a_stranger, "threshold_not_met"),
    ] {
        assert_eq!(code(parts.judge()), refusal, "{what}");
    }
}

#[test]
fn a_file_is_taken_over_as_the_version_that_is_listed() {
    let listed = |number| Parts::new().with_entry("docs", |entry| entry.version = version(number));
    let without_hashes = |number| {
        Parts::new().with_entry("docs", |entry| {
            *entry = FileMeta { version: version(number), length: None, hashes: None };
        })
    };
    for (what, parts, verdict) in [
        ("the one that is listed", listed(9), "accepted"),
        ("a later one", listed(8), "adopted_unverified"),
        ("an earlier one", listed(10), "adopted_unverified"),
        ("without hashes", without_hashes(9), "accepted"),
        ("a later one without hashes", without_hashes(8), "adopted_unverified"),
    ] {
        assert_eq!(code(parts.judge()), verdict, "{what}");
    }
}

#[test]
fn a_file_that_no_delegation_leads_to_is_taken_over_by_its_hash() {
    let old = |number| {
        let draft =
            Draft::with_version(&Collection::new().file("docs"), version(number), in_days(-9));
        let mut parts = Parts::new().with("old", signed(&draft.finish(), 8));
        parts.describe();
        parts
    };
    assert_eq!(code(old(3).judge()), "accepted");
    let unvouched = old(3).with_entry("old", |entry| (entry.length, entry.hashes) = (None, None));
    let refused = unvouched.judge().err().unwrap();
    assert_eq!(refused.code(), "adopted_unverified");
    assert!(refused.to_string().starts_with("old is listed without a hash"), "{refused}");
}

#[test]
fn what_is_taken_over_is_within_the_limits_of_what_is_published() {
    let many = [DOCS, 11, 12, 13, 14];
    let mut second = their_root(2);
    second.keys.extend(keys(&[11, 12]));
    let second = signed(&Unsigned::of(&second), ROOT);
    let (root_bytes, next) = (second.len() as u64, signed(&Unsigned::of(&root(3)), ROOT));
    assert!((next.len() as u64) < root_bytes);
    let parts = || {
        let docs = Collection::new();
        let custom = TargetFile { custom: Some(serde_json::json!({"a": 1})), ..target(1) };
        let name = TargetPath::parse("docs/custom").unwrap();
        let mut draft = Draft::with_version(&docs.file("docs"), version(9), in_days(9));
        draft.set_target(&name, &custom);
        let targets = Draft::with_version(&docs.file("targets"), version(9), in_days(9))
            .with_delegation(delegation("docs", &["docs/*"], &many, 1), &many);
        let parts = Parts::new().with("docs", signed(&draft.finish(), DOCS));
        let mut parts = parts.with("targets", signed(&targets.finish(), TARGETS));
        parts.put("2.root", second.clone());
        parts.describe();
        parts
    };
    let most = Limits {
        root_bytes,
        targets_per_role: 2,
        delegations_per_role: 1,
        keys_per_role: 5,
        keys_per_file: 6,
        custom_bytes: 7,
        delegation_depth: 1,
    };
    assert_eq!(code(parts().judge_within(most)), "accepted");
    for (limit, limits, refusal) in [
        ("root_bytes", Limits { root_bytes: root_bytes - 1, ..most }, "too_many"),
        ("targets_per_role", Limits { targets_per_role: 1, ..most }, "too_many"),
        ("delegations_per_role", Limits { delegations_per_role: 0, ..most }, "too_many"),
        ("keys_per_role", Limits { keys_per_role: 4, ..most }, "too_many"),
        ("keys_per_file of a root", Limits { keys_per_file: 5, ..most }, "too_many"),
        ("custom_bytes", Limits { custom_bytes: 6, ..most }, "too_many"),
        ("delegation_depth", Limits { delegation_depth: 0, ..most }, "delegation_too_deep"),
    ] {
        assert_eq!(code(parts().judge_within(limits)), refusal, "{limit}");
    }
}

#[test]
fn the_root_that_takes_over_is_judged_like_any_root() {
    let next = |change: fn(&mut Root), number, seed| {
        let mut next = root(number);
        change(&mut next);
        Parts::new().with("root", signed(&Unsigned::of(&next), seed))
    };
    let same = |_: &mut Root| {};
    for (what, parts, verdict) in [
        ("the next one", next(same, 3, ROOT), "accepted"),
        ("none", Parts::new().without("root"), "first_publish"),
        ("one too far", next(same, 4, ROOT), "version_conflict"),
        ("one that is there", next(same, 2, ROOT), "version_conflict"),
        ("signed by a stranger", next(same, 3, 8), "threshold_not_met"),
        (
            "of their online keys",
            Parts::new().with("root", signed(&Unsigned::of(&their_root(3)), ROOT)),
            "online_keys_not_held",
        ),
        ("expired", next(|root| root.expires = in_days(-1), 3, ROOT), "expired"),
        (
            "with other targets keys",
            next(|root| root.roles.targets = role_keys(&[ROOT], 1), 3, ROOT),
            "threshold_not_met",
        ),
    ] {
        assert_eq!(code(parts.judge()), verdict, "{what}");
    }
}

#[test]
fn nothing_of_it_is_taken_without_being_asked_for() {
    let parts = Parts::new();
    let mut batch = Batch::default();
    let online = batch.add(RoleName::SNAPSHOT, Collection::new().snapshot.into());
    assert_eq!(online.unwrap_err().code(), "online_role");
    let mut twice = parts.batch().unwrap();
    let again = twice.add(role("2.root"), parts.0[1].1.clone().into());
    assert_eq!(again.unwrap_err().code(), "repeated_part");
    let mut named = parts.batch().unwrap();
    named.orphan.insert(role("docs"));
    assert_eq!(code(check(None, &named, &rules(), now())), "named_without_need");
    // Where the collection is there already, its head is what counts.
    let head = Collection::new().head();
    let judged = check(Some(&head), &parts.batch().unwrap(), &rules(), now());
    assert_eq!(code(judged), "version_conflict");
}
