//! What may stand in one file.

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::publish::{Limits, Rules, check};
use notary_schema::role::{Hashes, Root, TargetFile, Targets};
use serde_json::json;

use super::{batch, changed_root, code, judge, judge_part, rules, targets};
use crate::support::*;

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

/// Whoever signs is shown the key under the id that its file gives it: that id is its own.
#[test]
fn a_key_that_stands_under_the_id_of_another_is_told_before_anything_is_signed() {
    let limits = Limits::default();
    let told = |name: &str, file: Vec<u8>| {
        let checked = batch(&[(name, &file)]).check_key_ids(&limits);
        checked.map_or_else(|refusal| refusal.code(), |()| "sound")
    };
    let root = |with_wrong: bool| {
        sign(
            &changed_root(|root| {
                if with_wrong {
                    root.keys.insert(signer(9).id(), signer(8).key.clone());
                }
            }),
            &[ROOT],
        )
    };
    assert_eq!(told("root", root(false)), "sound");
    assert_eq!(told("root", root(true)), "keyid_mismatch");
    assert_eq!(told("2.root", root(true)), "keyid_mismatch");
    let delegating = |wrong: bool| {
        let file = Collection::new().next("targets").finish();
        let file = Envelope::<Targets>::parse(file.with_signatures(&[]));
        let mut document = file.unwrap().document();
        if wrong {
            let keys = document["delegations"]["keys"].as_object_mut().unwrap();
            let other = serde_json::to_value(&signer(9).key).unwrap();
            keys.values_mut().for_each(|key| *key = other.clone());
        }
        sign(&Unsigned::new(&document), &[TARGETS])
    };
    assert_eq!(told("targets", delegating(false)), "sound");
    assert_eq!(told("targets", delegating(true)), "keyid_mismatch");
    let few = Limits { keys_per_file: 0, ..Limits::default() };
    let targets = delegating(false);
    let refused = batch(&[("targets", &targets)]).check_key_ids(&few).unwrap_err();
    assert_eq!(refused.code(), "too_many");
}
