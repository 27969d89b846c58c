//! The rules of what may be published: each refused batch stands beside an allowed neighbour.

use std::collections::BTreeSet;

use notary_schema::draft::Draft;
use notary_schema::envelope::Unsigned;
use notary_schema::name::{RoleName, TargetPath};
use notary_schema::publish::{
    Accepted, Batch, Head, Limits, Refusal, Rules, StoredFile, check, check_unsigned,
};
use notary_schema::role::{FileMeta, Hashes, Root, TargetFile};
use serde_json::json;

use crate::support::*;

pub fn rules() -> Rules {
    Rules {
        limits: Limits::default(),
        offline_max_seconds: 400 * DAY as u64,
        held_keys: held_keys(),
    }
}

pub fn batch(parts: &[(&str, &[u8])]) -> Batch {
    let mut batch = Batch::default();
    for (name, bytes) in parts {
        batch.add(role(name), bytes.to_vec().into()).unwrap();
    }
    batch
}

pub fn judge(head: &Head, batch: &Batch) -> Result<Accepted, Refusal> {
    assert!(head.missing(batch).is_empty(), "these heads hold every file");
    check(Some(head), batch, &rules(), now())
}

/// Judges one part on a fresh collection.
pub fn judge_part(name: &str, bytes: &[u8]) -> Result<Accepted, Refusal> {
    judge(&Collection::new().head(), &batch(&[(name, bytes)]))
}

pub fn code(result: Result<Accepted, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.code(), |_| "accepted")
}

fn docs(edit: impl FnOnce(Draft) -> Draft) -> Vec<u8> {
    sign(&edit(Collection::new().next("docs")).finish(), &[DOCS])
}

fn targets(edit: impl FnOnce(Draft) -> Draft) -> Vec<u8> {
    sign(&edit(Collection::new().next("targets")).finish(), &[TARGETS])
}

pub fn changed_root(change: impl FnOnce(&mut Root)) -> Unsigned {
    let mut root = root(2);
    change(&mut root);
    Unsigned::of(&root)
}

#[test]
fn the_first_publish_is_root_one_with_targets_one() {
    let root_file = sign(&Unsigned::of(&root(1)), &[ROOT]);
    let targets_file = sign(&Draft::first_targets(in_days(9)).finish(), &[TARGETS]);
    let judge = |batch: &Batch| code(check(None, batch, &rules(), now()));
    assert_eq!(judge(&batch(&[("root", &root_file), ("targets", &targets_file)])), "accepted");
    assert_eq!(judge(&batch(&[("root", &root_file)])), "first_publish");
    assert_eq!(judge(&batch(&[("targets", &targets_file)])), "first_publish");
    let second = sign(&Unsigned::of(&root(2)), &[ROOT]);
    assert_eq!(judge(&batch(&[("root", &second), ("targets", &targets_file)])), "version_conflict");
}

#[test]
fn a_version_is_exactly_one_above_the_stored_one() {
    let collection = Collection::new();
    let with = |number| {
        let draft = Draft::with_version(&collection.file("docs"), version(number), in_days(9));
        judge_part("docs", &sign(&draft.with_target("docs/new").finish(), &[DOCS]))
    };
    assert_eq!(code(with(2)), "accepted");
    for wrong in [1, 3, 1 << 40, (1 << 53) - 1] {
        match with(wrong) {
            Err(Refusal::VersionConflict { current, expected, sent, .. }) => {
                assert_eq!(current.unwrap().0, version(1));
                assert_eq!((expected, sent), (version(2), version(wrong)));
            }
            other => panic!("version {wrong}: {other:?}"),
        }
    }
}

#[test]
fn stored_files_are_taken_out_of_a_batch_and_nothing_else_is() {
    let collection = Collection::new();
    let stored_bytes = collection.files[&role("docs")].clone();
    let stored_sha = collection.file("docs").sha256().to_owned();
    let stored = |name: &RoleName, number| {
        (*name == role("docs") && number == version(1)).then(|| stored_sha.clone())
    };
    let (rest, repeated) = batch(&[("docs", &stored_bytes)]).without_stored(stored);
    assert!(rest.is_empty());
    assert_eq!(repeated, [(role("docs"), version(1), stored_sha.clone())]);
    let other = sign(&Draft::first_targets(in_days(8)).finish(), &[DOCS]);
    let (rest, repeated) = batch(&[("docs", &other)]).without_stored(stored);
    assert!(repeated.is_empty());
    assert_eq!(code(judge(&collection.head(), &rest)), "version_conflict");
}

#[test]
fn a_role_is_signed_by_the_keys_of_its_delegator() {
    let document = Collection::new().next("docs").with_target("docs/b").finish();
    assert_eq!(code(judge_part("docs", &sign(&document, &[DOCS]))), "accepted");
    assert_eq!(code(judge_part("docs", &sign(&document, &[TARGETS]))), "threshold_not_met");
    assert_eq!(code(judge_part("docs", &sign(&document, &[]))), "threshold_not_met");
    let document = Collection::new().next("targets").with_target("b").finish();
    assert_eq!(code(judge_part("targets", &sign(&document, &[TARGETS]))), "accepted");
    assert_eq!(code(judge_part("targets", &sign(&document, &[DOCS]))), "threshold_not_met");
    let stray = Draft::first_targets(in_days(9)).finish();
    assert_eq!(code(judge_part("stray", &sign(&stray, &[TARGETS]))), "not_delegated");
}

/// A judge that looked at the names first panicked here.
#[test]
fn a_role_that_nobody_delegates_to_is_refused_also_where_it_delegates() {
    let below = || delegation("below", &["docs/*"], &[DOCS], 1);
    let delegating = |draft: Draft| draft.with_delegation(below(), &[DOCS]).finish();
    let judge = |name: &str, file: Vec<u8>| {
        let below = sign(&Draft::first_targets(in_days(9)).finish(), &[DOCS]);
        judge(&Collection::new().head(), &batch(&[(name, &file), ("below", &below)]))
    };
    let stray = delegating(Draft::first_targets(in_days(9)));
    assert_eq!(code(judge("stray", sign(&stray, &[TARGETS]))), "not_delegated");
    let docs = delegating(Collection::new().next("docs"));
    assert_eq!(code(judge("docs", sign(&docs, &[DOCS]))), "accepted");
}

#[test]
fn before_it_is_signed_a_batch_is_judged_by_every_other_rule() {
    let unsigned = |name: &str, draft: Draft| {
        let file = sign(&draft.finish(), &[]);
        let batch = batch(&[(name, &file)]);
        let judged = check_unsigned(Some(&Collection::new().head()), &batch, &rules(), now());
        judged.map_or_else(|refusal| refusal.code(), |_| "accepted")
    };
    let next = |name| Collection::new().next(name);
    assert_eq!(unsigned("docs", next("docs").with_target("docs/b")), "accepted");
    assert_eq!(unsigned("docs", next("docs").with_target("b")), "outside_paths");
    assert_eq!(unsigned("stray", Draft::first_targets(in_days(9))), "not_delegated");
    let team = || delegation("team", &["team/*"], &[DOCS], 1);
    let delegating = next("targets").with_delegation(team(), &[DOCS]);
    assert_eq!(unsigned("targets", delegating), "pending_role");
}

#[test]
fn a_root_names_online_keys_that_the_signer_holds() {
    let with = |seeds: &[u8], threshold| {
        let root = changed_root(|root| {
            root.keys.extend(keys(seeds));
            root.roles.timestamp = role_keys(seeds, threshold);
            root.keys.retain(|id, _| {
                root.roles.timestamp.keyids.contains(id) || *id != signer(TIMESTAMP).id()
            });
        });
        code(judge_part("root", &sign(&root, &[ROOT])))
    };
    assert_eq!(with(&[TIMESTAMP], 1), "accepted");
    assert_eq!(with(&[TIMESTAMP, 9], 1), "accepted");
    assert_eq!(with(&[9], 1), "online_keys_not_held");
    assert_eq!(with(&[TIMESTAMP, 9], 2), "online_keys_not_held");
    assert_eq!(with(&[SNAPSHOT], 1), "online_keys_not_held");
}

#[test]
fn root_rules_of_form() {
    let judge =
        |change: fn(&mut Root)| code(judge_part("root", &sign(&changed_root(change), &[ROOT])));
    assert_eq!(judge(|_| {}), "accepted");
    assert_eq!(judge(|root| root.consistent_snapshot = Some(false)), "not_consistent_snapshot");
    assert_eq!(judge(|root| root.consistent_snapshot = None), "not_consistent_snapshot");
    assert_eq!(
        judge(|root| root.roles.targets = role_keys(&[TARGETS], 2)),
        "threshold_unreachable"
    );
    assert_eq!(judge(|root| root.roles.targets = role_keys(&[TARGETS, 9], 1)), "unknown_key");
    assert_eq!(
        judge(|root| {
            let key = root.keys.remove(&signer(TARGETS).id()).unwrap();
            root.keys.insert(notary_schema::name::KeyId::parse("short").unwrap(), key);
        }),
        "keyid_mismatch"
    );
    assert_eq!(judge(|root| root.keys.extend(keys(&(10..90).collect::<Vec<u8>>()))), "accepted");
    assert_eq!(
        judge(|root| {
            let many: Vec<u8> = (10..10 + 65).collect();
            root.keys.extend(keys(&many));
            root.roles.targets = role_keys(&many, 1);
        }),
        "too_many"
    );
}

#[test]
fn a_root_holds_nothing_that_clients_in_the_field_stop_at() {
    let judge = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut document = serde_json::to_value(root(2)).unwrap();
        change(&mut document);
        code(judge_part("root", &sign(&Unsigned::new(&document), &[ROOT])))
    };
    assert_eq!(judge(&|root| root["x-note"] = json!("unknown members are fine")), "accepted");
    let role = json!({"keyids": [signer(ROOT).id()], "threshold": 1});
    assert_eq!(judge(&|root| root["roles"]["mirrors"] = role.clone()), "root_unreadable");
    let unknown = json!({"keytype": "zz", "scheme": "zz", "keyval": {"public": "00"}});
    let id = notary_schema::key::Key::from_object(unknown.clone()).id().to_string();
    assert_eq!(judge(&|root| root["keys"][&id] = unknown.clone()), "root_unreadable");
}

#[test]
fn delegations_are_of_a_form_that_every_client_can_use() {
    let head = Collection::new().head();
    let delegating =
        |seeds: &[u8], threshold, listed: &[u8], change: fn(&mut serde_json::Value)| {
            let delegated = delegation("web", &["web/*"], seeds, threshold);
            let draft =
                Collection::new().next("targets").with_delegation(delegated, listed).finish();
            let mut document = serde_json::from_slice(draft.signed()).unwrap();
            change(&mut document);
            let file = sign(&Unsigned::new(&document), &[TARGETS]);
            let first = sign(&Draft::first_targets(in_days(9)).finish(), seeds);
            code(judge(&head, &batch(&[("targets", &file), ("web", &first)])))
        };
    assert_eq!(delegating(&[6, 7], 2, &[6, 7], |_| {}), "accepted");
    assert_eq!(delegating(&[6, 7], 3, &[6, 7], |_| {}), "threshold_unreachable");
    assert_eq!(delegating(&[6, 7], 1, &[6], |_| {}), "unknown_key");
    let misnamed = |document: &mut serde_json::Value| {
        let keys = document["delegations"]["keys"].as_object_mut().unwrap();
        let key = keys.values().next().unwrap().clone();
        keys.insert("misnamed".into(), key);
    };
    assert_eq!(delegating(&[6], 1, &[6], misnamed), "keyid_mismatch");
}

#[test]
fn a_file_holds_as_much_as_the_limits_and_no_more() {
    let limits = |change: fn(&mut Limits)| {
        let mut rules = rules();
        change(&mut rules.limits);
        rules
    };
    let root_file = sign(&changed_root(|_| {}), &[ROOT]);
    // targets: a.txt and b; docs, a delegation with one key.
    let targets_file = targets(|draft| draft.with_target("b"));
    let judge = |rules: &Rules| {
        let both = batch(&[("root", &root_file), ("targets", &targets_file)]);
        code(check(Some(&Collection::new().head()), &both, rules, now()))
    };
    let mut rules = limits(|limits| {
        *limits =
            Limits { targets_per_role: 2, delegations_per_role: 1, keys_per_role: 1, ..*limits };
        limits.keys_per_file = 4;
    });
    rules.limits.root_bytes = root_file.len() as u64;
    assert_eq!(judge(&rules), "accepted");
    for lower in [
        (|limits| limits.targets_per_role = 1) as fn(&mut Limits),
        |limits| limits.delegations_per_role = 0,
        |limits| limits.keys_per_role = 0,
        |limits| limits.keys_per_file = 3,
        |limits| limits.root_bytes -= 1,
    ] {
        let mut lowered = rules.clone();
        lower(&mut lowered.limits);
        assert_eq!(judge(&lowered), "too_many");
    }
}

#[test]
fn one_key_under_two_ids_does_not_reach_a_threshold_of_two() {
    let twin = {
        let mut object = serde_json::to_value(&signer(TARGETS).key).unwrap();
        object["x-note"] = json!("the same key again");
        notary_schema::key::Key::from_object(object)
    };
    let twice = changed_root(|root| {
        root.keys.insert(twin.id().clone(), twin.clone());
        root.roles.targets.keyids.push(twin.id().clone());
        root.roles.targets.threshold = 2.try_into().unwrap();
    });
    assert_eq!(code(judge_part("root", &sign(&twice, &[ROOT]))), "threshold_unreachable");
}

#[test]
fn what_is_new_expires_in_the_future_that_the_policy_allows() {
    let expiring = |days| {
        let draft = Draft::with_version(&Collection::new().file("docs"), version(2), in_days(days));
        code(judge_part("docs", &sign(&draft.finish(), &[DOCS])))
    };
    assert_eq!(expiring(1), "accepted");
    assert_eq!(expiring(400), "accepted");
    assert_eq!(expiring(0), "expired");
    assert_eq!(expiring(-1), "expired");
    assert_eq!(expiring(401), "expires_too_late");
}

#[test]
fn expired_stored_metadata_does_not_block_a_publish() {
    let mut collection = Collection::new();
    for (name, key) in [("targets", TARGETS), ("docs", DOCS)] {
        let expired = Draft::with_version(&collection.file(name), version(1), in_days(-1));
        collection.files.insert(role(name), sign(&expired.finish(), &[key]));
    }
    let head = collection.head();
    assert_eq!(head.expired(now()), [role("docs"), RoleName::TARGETS]);
    let next = sign(&collection.next("docs").with_target("docs/b").finish(), &[DOCS]);
    assert_eq!(code(judge(&head, &batch(&[("docs", &next)]))), "accepted");
}

#[test]
fn targets_are_described_as_every_client_reads_them() {
    let with = |target: serde_json::Value| {
        let mut document = serde_json::to_value(Collection::new().file("docs").signed()).unwrap();
        document["version"] = json!(2);
        document["targets"] = json!({ "docs/x": target });
        code(judge_part("docs", &sign(&Unsigned::new(&document), &[DOCS])))
    };
    let (sha256, sha512) = ("0a".repeat(32), "0b".repeat(64));
    assert_eq!(with(json!({"length": 1, "hashes": {"sha256": sha256}})), "accepted");
    assert_eq!(
        with(json!({"length": 1, "hashes": {"sha256": sha256, "sha512": sha512}})),
        "accepted"
    );
    assert_eq!(with(json!({"length": 1, "hashes": {"sha512": sha512}})), "target");
    assert_eq!(with(json!({"length": 1, "hashes": {"sha256": sha256.to_uppercase()}})), "target");
    assert_eq!(with(json!({"length": 1, "hashes": {"sha256": "0a"}})), "target");
    assert_eq!(with(json!({"length": 1, "hashes": {"sha256": sha256}, "custom": {}})), "accepted");
    assert_eq!(with(json!({"length": 1, "hashes": {"sha256": sha256}, "custom": null})), "target");
    let custom = |length: usize| json!("c".repeat(length - 2));
    assert_eq!(
        with(json!({"length": 1, "hashes": {"sha256": sha256}, "custom": custom(16 << 10)})),
        "accepted"
    );
    assert_eq!(
        with(json!({"length": 1, "hashes": {"sha256": sha256}, "custom": custom((16 << 10) + 1)})),
        "too_many"
    );
}

#[test]
fn target_names_are_clean_and_inside_the_paths_of_the_whole_chain() {
    let named = |name: &str| {
        let mut document = serde_json::to_value(Collection::new().file("docs").signed()).unwrap();
        document["version"] = json!(2);
        document["targets"] = json!({ name: TargetFile { length: 1, hashes: Hashes::sha256_of("0a".repeat(32)), custom: None } });
        code(judge_part("docs", &sign(&Unsigned::new(&document), &[DOCS])))
    };
    assert_eq!(named("docs/new.txt"), "accepted");
    assert_eq!(named("new.txt"), "outside_paths");
    assert_eq!(named("docs/deep/new.txt"), "outside_paths");
    for unclean in ["docs/../a", "docs//a", "/docs/a", "docs/\n", "docs/.", "docs/\0"] {
        assert_eq!(named(unclean), "target_name", "{unclean:?}");
    }
}

#[test]
fn a_role_below_a_role_stays_inside_the_paths_of_both() {
    let grandchild = |target: &str| {
        let docs = docs(|draft| {
            draft.with_delegation(delegation("api", &["*/api-*", "x/*"], &[6], 1), &[6])
        });
        let api = sign(&Draft::first_targets(in_days(9)).with_target(target).finish(), &[6]);
        code(judge(&Collection::new().head(), &batch(&[("docs", &docs), ("api", &api)])))
    };
    assert_eq!(grandchild("docs/api-1"), "accepted");
    assert_eq!(grandchild("docs/other"), "outside_paths");
    assert_eq!(grandchild("x/1"), "outside_paths");
}

#[test]
fn a_delegation_comes_with_the_first_file_of_its_role_or_says_that_it_is_pending() {
    let head = Collection::new().head();
    let file = targets(|draft| draft.with_delegation(delegation("web", &["web/*"], &[6], 1), &[6]));
    let web = sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
    let both = batch(&[("targets", &file), ("web", &web)]);
    assert_eq!(code(judge(&head, &both)), "accepted");
    let stolen = sign(&Draft::first_targets(in_days(9)).finish(), &[DOCS]);
    let unproven = batch(&[("targets", &file), ("web", &stolen)]);
    assert_eq!(code(judge(&head, &unproven)), "threshold_not_met");
    let mut alone = batch(&[("targets", &file)]);
    assert_eq!(judge(&head, &alone).unwrap_err(), Refusal::Pending(vec![role("web")]));
    alone.pending = BTreeSet::from([role("web")]);
    assert!(judge(&head, &alone).unwrap().warnings.iter().any(|w| w.contains("web")));
    let mut needless = both.clone();
    needless.pending = BTreeSet::from([role("web")]);
    assert_eq!(code(judge(&head, &needless)), "named_without_need");
}

#[test]
fn names_of_delegated_roles_are_creatable_and_free() {
    let head = Collection::new().head();
    let delegating = |name: &str| {
        let file =
            targets(|draft| draft.with_delegation(delegation(name, &["x/*"], &[6], 1), &[6]));
        let first = sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
        code(judge(&head, &batch(&[("targets", &file), (name, &first)])))
    };
    assert_eq!(delegating("web"), "accepted");
    for bad in ["1.web", "a/b", "web.json", "Mirrors", ".web"] {
        assert_eq!(delegating(bad), "role_name", "{bad}");
    }
    assert_eq!(delegating("Docs"), "role_name_taken");
    let taken = docs(|draft| draft.with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6]));
    assert_eq!(code(judge_part("docs", &taken)), "role_name_taken");
}

#[test]
fn paths_of_delegations_are_read_alike_by_all_clients() {
    let head = Collection::new().head();
    let delegating = |path: &str| {
        let file =
            targets(|draft| draft.with_delegation(delegation("web", &[path], &[6], 1), &[6]));
        let first = sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
        code(judge(&head, &batch(&[("targets", &file), ("web", &first)])))
    };
    assert_eq!(delegating("web/*.h?"), "accepted");
    assert_eq!(delegating("web/[ab]"), "delegated_path");
    assert_eq!(delegating("web/**"), "delegated_path");
}

#[test]
fn a_stored_role_is_orphaned_only_on_purpose() {
    let head = Collection::new().head();
    let orphaning = |file: &[u8]| {
        let mut batch = batch(&[("targets", file)]);
        assert_eq!(judge(&head, &batch).unwrap_err(), Refusal::WouldOrphan(vec![role("docs")]));
        batch.orphan = BTreeSet::from([role("docs")]);
        assert_eq!(code(judge(&head, &batch)), "accepted");
    };
    orphaning(&targets(|draft| draft.without_delegation("docs")));
    orphaning(&targets(|d| d.with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6])));
    orphaning(&targets(|d| {
        d.with_delegation(delegation("docs", &["other/*"], &[DOCS], 1), &[DOCS])
    }));
    orphaning(&targets(|d| {
        d.with_delegation(delegation("docs", &["docs/*"], &[DOCS, 6], 2), &[DOCS, 6])
    }));
    // Wider paths and one more key leave it verifiable.
    let kept = targets(|d| {
        d.with_delegation(delegation("docs", &["docs/*", "x"], &[DOCS, 6], 1), &[DOCS, 6])
    });
    let mut kept = batch(&[("targets", &kept)]);
    assert_eq!(code(judge(&head, &kept)), "accepted");
    kept.orphan = BTreeSet::from([role("docs")]);
    assert_eq!(code(judge(&head, &kept)), "named_without_need");
}

#[test]
fn replacing_a_team_key_comes_with_the_role_signed_by_the_new_one() {
    let head = Collection::new().head();
    let file = targets(|d| d.with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6]));
    let next = Collection::new().next("docs").finish();
    for (key, expected) in [(6, "accepted"), (DOCS, "threshold_not_met")] {
        let both = batch(&[("targets", &file), ("docs", &sign(&next, &[key]))]);
        assert_eq!(code(judge(&head, &both)), expected);
    }
}

#[test]
fn taking_a_delegation_away_orphans_the_roles_below_it_too() {
    let mut collection = Collection::new();
    let below =
        docs(|draft| draft.with_delegation(delegation("api", &["docs/api-*"], &[6], 1), &[6]));
    collection.files.insert(role("docs"), below);
    let api = sign(&Draft::first_targets(in_days(9)).with_target("docs/api-1").finish(), &[6]);
    collection.files.insert(role("api"), api);
    let head = collection.head();
    let removed = targets(|draft| draft.without_delegation("docs"));
    let all = vec![role("api"), role("docs")];
    assert_eq!(
        judge(&head, &batch(&[("targets", &removed)])).unwrap_err(),
        Refusal::WouldOrphan(all)
    );
    let narrowed =
        targets(|d| d.with_delegation(delegation("docs", &["docs/i*"], &[DOCS], 1), &[DOCS]));
    let only_below = vec![role("api")];
    assert_eq!(
        judge(&head, &batch(&[("targets", &narrowed)])).unwrap_err(),
        Refusal::WouldOrphan(only_below)
    );
}

#[test]
fn a_role_that_was_taken_away_goes_on_after_its_last_version() {
    let mut collection = Collection::new();
    let removed = sign(&collection.next("targets").without_delegation("docs").finish(), &[TARGETS]);
    collection.files.insert(RoleName::TARGETS, removed);
    let head = collection.head();
    let again =
        collection.next("targets").with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6]);
    let again = sign(&again.finish(), &[TARGETS]);
    for (number, expected) in [(2, "accepted"), (1, "version_conflict")] {
        let draft = Draft::with_version(&collection.file("docs"), version(number), in_days(9));
        let both = batch(&[("targets", &again), ("docs", &sign(&draft.finish(), &[6]))]);
        assert_eq!(code(judge(&head, &both)), expected);
    }
    let alone = docs(|draft| draft);
    assert_eq!(code(judge(&head, &batch(&[("docs", &alone)]))), "not_delegated");
}

#[test]
fn chains_of_delegations_end_at_the_limit() {
    let chain = |depth: usize| {
        let mut batch = Batch::default();
        let name = |n: usize| if n == 0 { "targets".to_owned() } else { format!("r{n}") };
        for n in 0..=depth {
            let mut draft = if n == 0 {
                Collection::new().next("targets")
            } else {
                Draft::first_targets(in_days(9))
            };
            if n < depth {
                draft = draft.with_delegation(delegation(&name(n + 1), &["*"], &[6], 1), &[6]);
            }
            let key = if n == 0 { TARGETS } else { 6 };
            batch.add(role(&name(n)), sign(&draft.finish(), &[key]).into()).unwrap();
        }
        code(judge(&Collection::new().head(), &batch))
    };
    assert_eq!(chain(32), "accepted");
    assert_eq!(chain(33), "delegation_too_deep");
}

#[test]
fn a_batch_is_read_part_by_part() {
    let mut batch = Batch::default();
    let file = docs(|draft| draft);
    batch.add(role("docs"), file.clone().into()).unwrap();
    let mut refused =
        |name: &str, bytes: &[u8]| batch.add(role(name), bytes.to_vec().into()).unwrap_err().code();
    assert_eq!(refused("docs", &file), "repeated_part");
    assert_eq!(refused("snapshot", &Collection::new().snapshot), "online_role");
    assert_eq!(refused("timestamp", &Collection::new().timestamp), "online_role");
    assert_eq!(refused("root", &file), "unreadable");
    assert_eq!(refused("web", b"{"), "unreadable");
}

#[test]
fn a_judgement_holds_as_long_as_nothing_moves_that_it_looked_at() {
    let moved = |names: &[(&str, u8)]| {
        let mut collection = Collection::new();
        for (name, key) in names {
            let next = sign(&collection.next(name).finish(), &[*key]);
            collection.files.insert(role(name), next);
        }
        collection.head()
    };
    let own = judge_part("docs", &docs(|draft| draft.with_target("docs/b"))).unwrap();
    assert!(own.holds_on(&moved(&[])));
    assert!(!own.holds_on(&moved(&[("docs", DOCS)])));
    assert!(!own.holds_on(&moved(&[("targets", TARGETS)])));
    let other = judge_part("targets", &targets(|draft| draft.with_target("b"))).unwrap();
    assert!(other.holds_on(&moved(&[("docs", DOCS)])));
    let rekey = targets(|d| d.with_delegation(delegation("docs", &["*/*"], &[DOCS], 1), &[DOCS]));
    let rekey = judge_part("targets", &rekey).unwrap();
    assert!(!rekey.holds_on(&moved(&[("docs", DOCS)])));

    // Two first files of one role, and two delegations to one name, cannot both hold.
    let mut pending = Collection::new();
    pending.files.remove(&role("docs"));
    let pending = Collection::of(pending.root, pending.files, 1);
    let first = sign(&Draft::first_targets(in_days(9)).finish(), &[DOCS]);
    let first = judge(&pending.head(), &batch(&[("docs", &first)])).unwrap();
    assert!(first.holds_on(&pending.head()));
    assert!(!first.holds_on(&moved(&[])));
    let adding =
        targets(|draft| draft.with_delegation(delegation("web", &["web/*"], &[6], 1), &[6]));
    let web = sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
    let adding = judge(&Collection::new().head(), &batch(&[("targets", &adding), ("web", &web)]));
    assert!(!adding.unwrap().holds_on(&moved(&[])));
}

#[test]
fn a_snapshot_that_does_not_list_every_file_as_it_is_is_noticed() {
    let head = Collection::new().head();
    let unlisted = |name: &str, change: fn(&mut StoredFile)| {
        let mut head = head.clone();
        change(head.files.get_mut(&role(name)).unwrap());
        head.first_unlisted(head.snapshot.signed()).map(RoleName::to_string)
    };
    assert_eq!(unlisted("docs", |_| {}), None);
    assert_eq!(unlisted("docs", |file| file.version = version(2)).as_deref(), Some("docs"));
    assert_eq!(
        unlisted("targets", |file| file.sha256 = "0".repeat(64)).as_deref(),
        Some("targets")
    );
    let mut more = head.clone();
    more.files.insert(role("web"), more.files[&role("docs")].clone());
    assert!(more.first_unlisted(head.snapshot.signed()).is_some());
    // Of what is lost, what was listed before.
    let mut lost = head.clone();
    let docs = head.entry(&role("docs")).unwrap();
    lost.lost.insert(role("docs"), docs.clone());
    assert_eq!(lost.first_unlisted(head.snapshot.signed()), None);
    lost.lost.insert(role("docs"), FileMeta { version: version(2), ..docs });
    assert_eq!(lost.first_unlisted(head.snapshot.signed()), Some(&role("docs")));
}

#[test]
fn only_files_whose_trust_changes_have_to_be_loaded() {
    let mut head = Collection::new().head();
    head.files.get_mut(&role("docs")).unwrap().file = None;
    let add = batch(&[("targets", &targets(|draft| draft.with_target("b")))]);
    assert!(head.missing(&add).is_empty());
    assert_eq!(code(judge(&head, &add)), "accepted");
    let rekey = targets(|d| d.with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6]));
    assert_eq!(head.missing(&batch(&[("targets", &rekey)])), BTreeSet::from([role("docs")]));
    let own = batch(&[("docs", &docs(|draft| draft.with_target("docs/b")))]);
    assert!(head.missing(&own).is_empty());
    assert_eq!(code(judge(&head, &own)), "accepted");
}

#[test]
fn unknown_members_survive_into_the_next_version() {
    let mut document = serde_json::to_value(Collection::new().file("docs").signed()).unwrap();
    document["x-team"] = json!({"b": [1, 2]});
    let file = sign(&Unsigned::new(&document), &[DOCS]);
    let file = notary_schema::envelope::Envelope::parse(file).unwrap();
    let mut next = Draft::next::<notary_schema::role::Targets>(&file, in_days(9)).unwrap();
    next.set_target(&TargetPath::parse("docs/b").unwrap(), &target(1));
    let next = next.finish();
    let text = String::from_utf8(next.signed().to_vec()).unwrap();
    assert!(text.contains(r#""x-team":{"b":[1,2]}"#), "{text}");
    assert_eq!(code(judge_part("docs", &sign(&next, &[DOCS]))), "accepted");
}
