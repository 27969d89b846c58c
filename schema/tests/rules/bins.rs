//! Hash bins: how names are divided, who owns them, and what may be published.

use std::collections::BTreeMap;

use notary_schema::draft::Draft;
use notary_schema::envelope::Envelope;
use notary_schema::name::RoleName;
use notary_schema::path::Candidate;
use notary_schema::publish::{Head, Limits, Refusal, Rules, check, snapshot_entries};
use notary_schema::role::{Bins, SuccinctRoles, Targets};
use serde_json::{Value, json};

use crate::client::Client;
use crate::publish::{batch, code, judge, rules};
use crate::support::*;

const BIN: u8 = 9;

fn bins(prefix: &str, bit_length: u64) -> Bins {
    Bins::new(prefix, bit_length).unwrap()
}

fn succinct(prefix: &str, bit_length: u64) -> SuccinctRoles {
    SuccinctRoles { bins: bins(prefix, bit_length), signers: role_keys(&[BIN], 1) }
}

fn empty(seed: u8) -> Vec<u8> {
    sign(&Draft::first_targets(in_days(365)).finish(), &[seed])
}

/// A role that delegates to succinct bins, signed, with the first file of each bin.
fn divided(mut draft: Draft, seed: u8, roles: &SuccinctRoles) -> Vec<(String, Vec<u8>)> {
    draft.set_succinct(roles, &[signer(BIN).key.clone()]);
    let owner = ("targets".to_owned(), sign(&draft.finish(), &[seed]));
    let bins = roles.bins.names().map(|bin| (bin.to_string(), empty(BIN)));
    bins.chain([owner]).collect()
}

fn parts(files: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}

/// A collection whose targets has succinct bins with these names in them.
fn collection(roles: &SuccinctRoles, names: &[&str]) -> Collection {
    let mut targets = Draft::first_targets(in_days(365)).with_target("a.txt");
    targets.set_succinct(roles, &[signer(BIN).key.clone()]);
    let mut files = BTreeMap::from([(RoleName::TARGETS, sign(&targets.finish(), &[TARGETS]))]);
    for index in 0..=roles.bins.last() {
        let own = names.iter().filter(|name| roles.bins.index_of(&Candidate::new(**name)) == index);
        let draft =
            own.fold(Draft::first_targets(in_days(365)), |draft, name| draft.with_target(name));
        files.insert(roles.bins.name(index), sign(&draft.finish(), &[BIN]));
    }
    Collection::of(Collection::new().root, files, 1)
}

#[test]
fn the_first_bits_of_the_hash_choose_the_bin_and_the_width_is_that_of_the_last() {
    // As python-tuf's SuccinctRoles has them.
    for (bit_length, name, expected) in [
        (1, "a", "x-1"),
        (3, "a", "x-6"),
        (8, "docs/a.txt", "x-6b"),
        (10, "docs/a.txt", "x-1ad"),
        (14, "docs/a.txt", "x-1ade"),
        (32, "docs/a.txt", "x-6b7bef38"),
        (32, "ä", "x-33e6d73f"),
    ] {
        let bins = bins("x", bit_length);
        let index = bins.index_of(&Candidate::new(name));
        assert_eq!(bins.name(index).as_str(), expected, "{bit_length} bits of {name}");
        assert_eq!(bins.index(&role(expected)), Some(index));
    }
}

#[test]
fn a_bin_covers_the_names_that_its_hash_prefixes_cover() {
    for bit_length in 1..=9 {
        let bins = bins("x", bit_length);
        for name in (0..64).map(|number| format!("docs/{number}")) {
            let candidate = Candidate::new(name.as_str());
            let covering = (0..=bins.last()).filter(|index| {
                bins.delegation(*index, role_keys(&[BIN], 1), true).covers(&candidate)
            });
            assert_eq!(covering.collect::<Vec<_>>(), [bins.index_of(&candidate)]);
        }
    }
}

#[test]
fn only_the_exact_name_is_a_bin() {
    let bins = bins("x", 5);
    for (name, index) in [("x-00", Some(0)), ("x-1f", Some(31))] {
        assert_eq!(bins.index(&role(name)), index);
    }
    for other in ["x-0", "x-000", "x-1F", "x-20", "x-+1", "x--1", "x00", "y-00", "x-", "x", "X-00"]
    {
        assert_eq!(bins.index(&role(other)), None, "{other}");
    }
}

#[test]
fn delegations_have_exactly_one_form() {
    let roles = serde_json::to_value(succinct("x", 4)).unwrap();
    let listed = json!([]);
    let with = |member: &str, value: Value| {
        let mut roles = roles.clone();
        roles[member] = value;
        json!({"keys": {}, "succinct_roles": roles})
    };
    let read = |delegations: Value| {
        let mut document = serde_json::to_value(Targets::empty(version(1), in_days(9))).unwrap();
        document["delegations"] = delegations;
        let file = notary_schema::envelope::Unsigned::new(&document).with_signatures(&[]);
        Envelope::<Targets>::parse(file).map(drop)
    };
    for (case, good) in [
        ("succinct", json!({"keys": {}, "succinct_roles": roles})),
        ("one bit", with("bit_length", json!(1))),
        ("32 bits", with("bit_length", json!(32))),
        ("a foreign prefix", with("name_prefix", json!("ü/x"))),
    ] {
        read(good).unwrap_or_else(|error| panic!("{case}: {error}"));
    }
    for (case, bad) in [
        ("both", json!({"keys": {}, "roles": listed, "succinct_roles": roles})),
        ("neither", json!({"keys": {}})),
        // python-tuf drops null before it verifies, so that no signature fits.
        ("null beside it", json!({"keys": {}, "roles": null, "succinct_roles": roles})),
        ("null beside a list", json!({"keys": {}, "roles": [], "succinct_roles": null})),
        ("no bits", with("bit_length", json!(0))),
        ("33 bits", with("bit_length", json!(33))),
        ("half a bit", with("bit_length", json!(1.5))),
        ("bits as text", with("bit_length", json!("4"))),
        ("a prefix of no text", with("name_prefix", json!(7))),
        ("a control character", with("name_prefix", json!("x\n"))),
        ("a prefix too long for any name", with("name_prefix", json!("x".repeat(1023)))),
        ("a threshold of 0", with("threshold", json!(0))),
        ("a key twice", with("keyids", json!(["a", "a"]))),
    ] {
        assert!(read(bad).is_err(), "{case} was read");
    }
}

#[test]
fn a_look_up_goes_to_one_bin_and_ends_there() {
    let roles = succinct("x", 4);
    let mut client = Client::new(&collection(&roles, &["docs/1", "docs/2"]));
    for name in ["docs/1", "docs/2"] {
        let bin = roles.bins.name(roles.bins.index_of(&Candidate::new(name))).to_string();
        assert_eq!(client.find(name).unwrap(), Some(bin.clone()));
        let bins = client.requests.iter().filter(|name| name.contains("x-"));
        assert!(bins.clone().all(|name| *name == format!("1.{bin}.json")), "{:?}", client.requests);
    }
    assert_eq!(client.find("a.txt").unwrap().as_deref(), Some("targets"));
    assert_eq!(client.find("nowhere").unwrap(), None);
}

#[test]
fn a_bin_is_published_by_its_keys_with_its_own_names() {
    let roles = succinct("x", 3);
    let collection = collection(&roles, &[]);
    let bin = roles.bins.name(roles.bins.index_of(&Candidate::new("docs/1")));
    let outcome = |name: &str, seed| {
        let draft = collection.next(bin.as_str()).with_target(name);
        let file = sign(&draft.finish(), &[seed]);
        code(judge(&collection.head(), &batch(&[(bin.as_str(), &file)])))
    };
    assert_eq!(outcome("docs/1", BIN), "accepted");
    assert_eq!(outcome("docs/1", TARGETS), "threshold_not_met");
    let other = (2..).map(|number| format!("docs/{number}"));
    let is_other = |name: &String| {
        roles.bins.index_of(&Candidate::new(name.as_str())) != roles.bins.index(&bin).unwrap()
    };
    let other = other.into_iter().find(is_other).unwrap();
    assert_eq!(outcome(&other, BIN), "outside_paths");
}

#[test]
fn every_bin_has_a_file_before_it_is_delegated_to() {
    let roles = succinct("x", 3);
    let files =
        divided(Collection::new().next("targets").without_delegation("docs"), TARGETS, &roles);
    let judge_parts = |parts: &[(&str, &[u8])], pending: &str| {
        let mut batch = batch(parts);
        batch.orphan.insert(role("docs"));
        batch.pending.extend(RoleName::parse(pending));
        judge(&Collection::new().head(), &batch)
    };
    assert_eq!(code(judge_parts(&parts(&files), "")), "accepted");
    let without_one = &parts(&files)[1..];
    match judge_parts(without_one, "") {
        Err(Refusal::MissingBins { delegator, missing }) => {
            assert_eq!((delegator, missing), (RoleName::TARGETS, vec![role("x-0")]));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(code(judge_parts(without_one, "x-0")), "missing_bins");
    let (_, bins) = files.split_last().unwrap();
    assert_eq!(code(judge(&Collection::new().head(), &batch(&parts(bins)))), "not_delegated");
    let mut strangers = files.clone();
    strangers[0].1 = empty(TARGETS);
    assert_eq!(code(judge_parts(&parts(&strangers), "")), "threshold_not_met");
}

#[test]
fn more_bins_than_delegations_are_refused_without_a_look_at_them() {
    let limits = |most| Rules {
        limits: Limits { delegations_per_role: most, ..Limits::default() },
        ..rules()
    };
    let files = divided(
        Collection::new().next("targets").without_delegation("docs"),
        TARGETS,
        &succinct("x", 3),
    );
    let outcome = |most, files: &[(String, Vec<u8>)]| {
        let mut batch = batch(&parts(files));
        batch.orphan.insert(role("docs"));
        let head = Collection::new().head();
        assert!(head.missing(&batch).is_empty());
        code(check(Some(&head), &batch, &limits(most), now()))
    };
    assert_eq!(outcome(8, &files), "accepted");
    assert_eq!(outcome(7, &files), "too_many");
    let mut draft = Collection::new().next("targets").without_delegation("docs");
    draft.set_succinct(&succinct("x", 32), &[signer(BIN).key.clone()]);
    let file = sign(&draft.finish(), &[TARGETS]);
    assert_eq!(outcome(20_000, &[("targets".into(), file)]), "too_many");
}

/// docs has bins; targets delegates to another role beside it.
#[test]
fn bins_own_every_name_with_their_prefix() {
    let roles = succinct("docs-bin", 2);
    let outcome = |other: &str| {
        let mut docs = Collection::new().next("docs");
        docs.set_succinct(&roles, &[signer(BIN).key.clone()]);
        let delegated = delegation(other, &["other/*"], &[DOCS], 1);
        let targets = Collection::new().next("targets").with_delegation(delegated, &[DOCS]);
        let (docs, targets) = (sign(&docs.finish(), &[DOCS]), sign(&targets.finish(), &[TARGETS]));
        let (bin, team) = (empty(BIN), empty(DOCS));
        let bins: Vec<String> = roles.bins.names().map(|bin| bin.to_string()).collect();
        let mut files: Vec<(&str, &[u8])> =
            bins.iter().map(|name| (name.as_str(), &bin[..])).collect();
        files.extend([("docs", &docs[..]), ("targets", &targets)]);
        if !bins.iter().any(|bin| bin == other) {
            files.push((other, &team));
        }
        code(judge(&Collection::new().head(), &batch(&files)))
    };
    for allowed in ["docs-bi", "docs-bins", "docs-binx-0", "bin-0"] {
        assert_eq!(outcome(allowed), "accepted", "{allowed}");
    }
    for owned in ["docs-bin-0", "docs-bin-", "docs-bin-zz", "Docs-Bin-7", "docs-bin-0-1"] {
        assert_eq!(outcome(owned), "role_name_taken", "{owned}");
    }
}

#[test]
fn bins_whose_names_cannot_be_created_or_are_taken_are_refused() {
    let outcome = |prefix: &str| {
        let mut docs = Collection::new().next("docs");
        docs.set_succinct(&succinct(prefix, 1), &[signer(BIN).key.clone()]);
        let names: Vec<String> = ["0", "1"].map(|n| format!("{prefix}-{n}")).into();
        let (docs, bin) = (sign(&docs.finish(), &[DOCS]), empty(BIN));
        let files = [("docs", &docs[..]), (names[0].as_str(), &bin), (names[1].as_str(), &bin)];
        code(judge(&taken_names().head(), &batch(&files)))
    };
    for allowed in ["free", "x-y", "-", "tea"] {
        assert_eq!(outcome(allowed), "accepted", "{allowed:?}");
    }
    for uncreatable in [".x", "a b", "a/b", "1.x", "ü", &"x".repeat(127)] {
        assert_eq!(outcome(uncreatable), "role_name", "{uncreatable:?}");
    }
    for taken in ["team", "Team", "team-x"] {
        assert_eq!(outcome(taken), "role_name_taken", "{taken:?}");
    }
}

/// The usual collection with one more role.
fn taken_names() -> Collection {
    let mut collection = Collection::new();
    let targets = Draft::with_version(&collection.file("targets"), version(1), in_days(365))
        .with_delegation(delegation("team-x-q", &["x/*"], &[DOCS], 1), &[DOCS]);
    collection.files.insert(RoleName::TARGETS, sign(&targets.finish(), &[TARGETS]));
    collection.files.insert(role("team-x-q"), empty(DOCS));
    Collection::of(collection.root, collection.files, 1)
}

#[test]
fn bins_with_other_keys_are_signed_again_or_orphaned_by_name() {
    let collection = collection(&succinct("x", 1), &[]);
    let mut targets = collection.next("targets");
    let signers = role_keys(&[DOCS], 1);
    targets
        .set_succinct(&SuccinctRoles { bins: bins("x", 1), signers }, &[signer(DOCS).key.clone()]);
    let targets = sign(&targets.finish(), &[TARGETS]);
    let again = |name: &str| sign(&collection.next(name).finish(), &[DOCS]);
    let (zero, one) = (again("x-0"), again("x-1"));
    let head = collection.head();
    let all = batch(&[("targets", &targets), ("x-0", &zero), ("x-1", &one)]);
    assert_eq!(code(judge(&head, &all)), "accepted");
    let mut one_less = batch(&[("targets", &targets), ("x-0", &zero)]);
    assert_eq!(judge(&head, &one_less).unwrap_err(), Refusal::WouldOrphan(vec![role("x-1")]));
    one_less.orphan.insert(role("x-1"));
    assert_eq!(code(judge(&head, &one_less)), "accepted");
}

#[test]
fn a_head_without_its_bins_judges_a_change_to_one_of_them() {
    let roles = succinct("x", 4);
    let collection = collection(&roles, &[]);
    let mut head: Head = collection.head();
    for (name, stored) in &mut head.files {
        stored.file = stored.file.take().filter(|_| *name == RoleName::TARGETS);
    }
    let bin = roles.bins.name(roles.bins.index_of(&Candidate::new("docs/1")));
    let file = sign(&collection.next(bin.as_str()).with_target("docs/1").finish(), &[BIN]);
    let accepted = judge(&head, &batch(&[(bin.as_str(), &file)])).unwrap();
    assert!(accepted.holds_on(&head));
    let other = roles.bins.names().find(|other| *other != bin).unwrap();
    let moved = |name: &RoleName| {
        let mut head = head.clone();
        head.files.get_mut(name).unwrap().version = version(2);
        accepted.holds_on(&head)
    };
    assert!(moved(&other), "a publish to another bin is no obstacle");
    assert!(!moved(&bin));
}

#[test]
fn snapshots_list_bins_by_version_and_keep_the_form_of_an_entry() {
    let roles = succinct("x", 1);
    let collection = collection(&roles, &[]);
    let next = |name: &str| {
        let file = sign(&collection.next(name).finish(), &[BIN]);
        (role(name), std::sync::Arc::new(Envelope::<Targets>::parse(file).unwrap()))
    };
    let files = || BTreeMap::from([next("targets"), next("x-0")]);
    let hashed = |head: &Head| -> Vec<bool> {
        snapshot_entries(Some(head), files()).values().map(|entry| entry.hashes.is_some()).collect()
    };
    // The helper lists every file with its hash.
    let mut head = collection.head();
    assert_eq!(hashed(&head), [true, true]);
    let mut snapshot = serde_json::to_value(head.snapshot.signed()).unwrap();
    snapshot["meta"]["x-0.json"] = json!({"version": 1});
    let file = sign(&notary_schema::envelope::Unsigned::new(&snapshot), &[SNAPSHOT]);
    head.snapshot = std::sync::Arc::new(Envelope::parse(file).unwrap());
    assert_eq!(hashed(&head), [true, false]);
    snapshot["meta"].as_object_mut().unwrap().remove("x-0.json");
    let file = sign(&notary_schema::envelope::Unsigned::new(&snapshot), &[SNAPSHOT]);
    head.snapshot = std::sync::Arc::new(Envelope::parse(file).unwrap());
    assert_eq!(hashed(&head), [true, false], "a new bin is listed by its version");
}

#[test]
fn names_find_their_prefix_among_many_and_patterns_beside_them() {
    let bins = bins("x", 6);
    let mut targets = Draft::first_targets(in_days(9));
    let mut listed: Vec<_> =
        (0..=bins.last()).map(|bin| bins.delegation(bin, role_keys(&[BIN], 1), false)).collect();
    listed.insert(40, delegation("docs", &["docs/*"], &[DOCS], 1));
    targets.set_delegations(&listed, &[signer(BIN).key.clone(), signer(DOCS).key.clone()]);
    let file = Envelope::<Targets>::parse(sign(&targets.finish(), &[])).unwrap();
    for name in (0..200).map(|number| format!("docs/{number}")).chain(["other".to_owned()]) {
        let candidate = Candidate::new(name.as_str());
        let one_by_one =
            listed.iter().filter(|role| role.covers(&candidate)).map(|role| &role.name);
        let found = file.signed().covering(&candidate);
        assert_eq!(
            found.iter().map(|role| &role.name).collect::<Vec<_>>(),
            one_by_one.collect::<Vec<_>>()
        );
    }
}

#[test]
fn every_name_finds_its_bin_among_many_by_one_hash() {
    let bins = bins("x", 14);
    let signers = || role_keys(&[BIN], 1);
    let listed: Vec<_> =
        (0..=bins.last()).map(|bin| bins.delegation(bin, signers(), false)).collect();
    let mut targets = Draft::first_targets(in_days(9));
    targets.set_delegations(&listed, &[signer(BIN).key.clone()]);
    let file = Envelope::<Targets>::parse(sign(&targets.finish(), &[])).unwrap();
    // With a hash for each prefix this would be 268 million of them.
    for name in (0..16_384).map(|number| format!("app/{number}")) {
        let candidate = Candidate::new(name.as_str());
        let [bin] = &file.signed().covering(&candidate)[..] else { panic!("{name}") };
        assert_eq!(bin.name, bins.name(bins.index_of(&candidate)));
    }
}
