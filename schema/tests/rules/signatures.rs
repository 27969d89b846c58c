//! Whose signatures a batch needs: root ceremonies, and the overlap of a rotation.

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::KeyId;
use notary_schema::publish::{Demand, Purpose, demands};
use notary_schema::role::Root;
use serde_json::json;

use crate::publish::{batch, changed_root, code, judge, judge_part};
use crate::support::*;

#[test]
fn a_root_is_signed_by_the_root_before_it_and_by_itself() {
    let new_keys = changed_root(|root| {
        root.keys.extend(keys(&[9]));
        root.roles.root = role_keys(&[9], 1);
        root.keys.remove(&signer(ROOT).id());
    });
    for (signers, expected) in [
        (&[ROOT, 9][..], "accepted"),
        (&[ROOT], "threshold_not_met"),
        (&[9], "threshold_not_met"),
        (&[TARGETS, 9], "threshold_not_met"),
    ] {
        assert_eq!(code(judge_part("root", &sign(&new_keys, signers))), expected, "{signers:?}");
    }
}

/// A root of this version whose root key is the second of these, signed by both.
fn root_by(number: u64, [before, own]: [u8; 2]) -> Vec<u8> {
    let mut root = root(number);
    root.keys.extend(keys(&[own]));
    root.roles.root = role_keys(&[own], 1);
    sign(&Unsigned::of(&root), &[before, own])
}

#[test]
fn several_roots_are_published_at_once_each_signed_by_the_one_before_it() {
    let (second, third) = (root_by(2, [ROOT, 9]), root_by(3, [9, 10]));
    let fourth = root_by(4, [10, 11]);
    let outcome = |parts: &[(&str, &[u8])]| code(judge(&Collection::new().head(), &batch(parts)));
    let whole: [(&str, &[u8]); 3] = [("2.root", &second), ("3.root", &third), ("root", &fourth)];
    assert_eq!(outcome(&whole), "accepted");
    assert_eq!(outcome(&whole[..2]), "no_newest_root");
    assert_eq!(outcome(&whole[1..]), "version_conflict");
    assert_eq!(outcome(&[whole[0], whole[2]]), "version_conflict");
    let stranger = root_by(3, [8, 9]);
    assert_eq!(outcome(&[whole[0], ("3.root", &stranger), whole[2]]), "threshold_not_met");
    let unsigned = root_by(3, [9, 12]);
    assert_eq!(outcome(&[whole[0], ("3.root", &unsigned), whole[2]]), "threshold_not_met");
    // Clients read each of them; the signer signs for the last one.
    let mut odd = root(3);
    odd.consistent_snapshot = Some(false);
    let odd = sign(&Unsigned::of(&odd), &[9, ROOT]);
    let fourth = root_by(4, [ROOT, 11]);
    let judged = outcome(&[whole[0], ("3.root", &odd), ("root", &fourth)]);
    assert_eq!(judged, "not_consistent_snapshot");
    let mut others = root(3);
    others.roles.timestamp = role_keys(&[12], 1);
    others.keys.extend(keys(&[12]));
    let others = sign(&Unsigned::of(&others), &[9, ROOT]);
    assert_eq!(outcome(&[whole[0], ("3.root", &others), ("root", &fourth)]), "accepted");
    assert_eq!(outcome(&[whole[0], ("root", &others)]), "online_keys_not_held");
}

/// A root whose targets role has these keys.
fn with_targets_keys(seeds: &[u8], threshold: u32) -> Unsigned {
    changed_root(|root: &mut Root| {
        root.keys.extend(keys(seeds));
        root.roles.targets = role_keys(seeds, threshold);
        root.keys
            .retain(|id, _| *id != signer(TARGETS).id() || root.roles.targets.keyids.contains(id));
    })
}

#[test]
fn a_root_that_changes_who_signs_targets_leaves_nobody_without_targets() {
    for (what, new_keys, threshold, signers, expected) in [
        ("a swap, signed by both", &[9][..], 1, &[TARGETS, 9][..], "accepted"),
        ("a swap, signed by the new key alone", &[9], 1, &[9], "overlap_missing"),
        ("a swap, signed by the old key alone", &[9], 1, &[TARGETS], "threshold_not_met"),
        ("a key more, signed by the old one", &[TARGETS, 9], 1, &[TARGETS], "accepted"),
        ("a key more, signed by it alone", &[TARGETS, 9], 1, &[9], "overlap_missing"),
        ("a higher threshold, signed by both", &[TARGETS, 9], 2, &[TARGETS, 9], "accepted"),
        ("a higher threshold, signed by one", &[TARGETS, 9], 2, &[TARGETS], "threshold_not_met"),
        ("the same keys", &[TARGETS], 1, &[TARGETS], "accepted"),
    ] {
        let root = sign(&with_targets_keys(new_keys, threshold), &[ROOT]);
        let targets = sign(&Collection::new().next("targets").finish(), signers);
        let both = batch(&[("root", &root), ("targets", &targets)]);
        assert_eq!(code(judge(&Collection::new().head(), &both)), expected, "{what}");
    }
}

#[test]
fn the_stored_targets_count_where_a_batch_brings_the_root_alone() {
    for (new_keys, expected) in [(&[TARGETS, 9][..], "accepted"), (&[9], "threshold_not_met")] {
        let root = sign(&with_targets_keys(new_keys, 1), &[ROOT]);
        assert_eq!(code(judge_part("root", &root)), expected, "{new_keys:?}");
    }
}

#[test]
fn compromised_keys_have_no_overlap() {
    let root = sign(&with_targets_keys(&[9], 1), &[ROOT]);
    let targets = sign(&Collection::new().next("targets").finish(), &[9]);
    let mut both = batch(&[("root", &root), ("targets", &targets)]);
    assert_eq!(code(judge(&Collection::new().head(), &both)), "overlap_missing");
    both.compromised = [role("targets")].into();
    assert_eq!(code(judge(&Collection::new().head(), &both)), "accepted");
}

#[test]
fn what_is_said_to_be_compromised_is_replaced() {
    let replacing = sign(&with_targets_keys(&[TARGETS, 9], 1), &[ROOT]);
    let unchanged = sign(&changed_root(|_| {}), &[ROOT]);
    let docs = sign(&Collection::new().next("docs").finish(), &[DOCS]);
    for (part, bytes, compromised, expected) in [
        ("root", &replacing, "targets", "accepted"),
        ("root", &replacing, "timestamp", "named_without_need"),
        ("root", &unchanged, "targets", "named_without_need"),
        ("docs", &docs, "targets", "named_without_need"),
        ("docs", &docs, "docs", "named_without_need"),
    ] {
        let mut batch = batch(&[(part, bytes)]);
        batch.compromised = [role(compromised)].into();
        let judged = code(judge(&Collection::new().head(), &batch));
        assert_eq!(judged, expected, "{part}, {compromised}");
    }
}

#[test]
fn what_a_batch_still_lacks_is_told_for_each_threshold() {
    let root = changed_root(|root| {
        root.keys.extend(keys(&[9, 10]));
        root.roles.root = role_keys(&[9, 10], 2);
        root.roles.targets = role_keys(&[9], 1);
        root.keys.remove(&signer(ROOT).id());
        root.keys.remove(&signer(TARGETS).id());
    });
    let (root, targets) = (sign(&root, &[9, 7]), Collection::new().next("targets").finish());
    let docs = sign(&Collection::new().next("docs").finish(), &[DOCS]);
    let parts = [("root", &root[..]), ("targets", &sign(&targets, &[9])), ("docs", &docs)];
    let demands = demands(Some(&Collection::new().head()), &batch(&parts));
    let ids = |seeds: &[u8]| seeds.iter().map(|seed| signer(*seed).id()).collect::<Vec<_>>();
    let found: Vec<_> = demands.iter().map(told).collect();
    let (trust, overlap) = (Purpose::Trust, Purpose::Overlap);
    let expected = [
        ("root", "root", 1, trust, ids(&[]), ids(&[ROOT]), 1),
        ("root", "root", 2, trust, ids(&[9]), ids(&[10]), 2),
        ("targets", "root", 2, trust, ids(&[9]), ids(&[]), 1),
        ("targets", "root", 1, overlap, ids(&[]), ids(&[TARGETS]), 1),
        ("docs", "targets", 2, trust, ids(&[DOCS]), ids(&[]), 1),
    ];
    assert_eq!(found, expected);
}

type Told<'a> = (&'a str, &'a str, u64, Purpose, Vec<KeyId>, Vec<KeyId>, u32);

fn told(demand: &Demand) -> Told<'_> {
    let Demand { role, delegator, version, purpose, report } = demand;
    let (valid, missing) = (report.valid.clone(), report.missing.clone());
    (role.as_str(), delegator.as_str(), version.get(), *purpose, valid, missing, report.threshold)
}

#[test]
fn the_next_root_lists_the_keys_that_its_roles_name_and_keeps_what_it_does_not_know() {
    let mut document = serde_json::to_value(root(1)).unwrap();
    document["x-contact"] = json!("security@acme.example");
    document["roles"]["targets"]["x-team"] = json!("release");
    let before = sign(&Unsigned::new(&document), &[ROOT]);
    let before = Envelope::<Root>::parse(before).unwrap();
    let mut draft = Draft::next(&before, in_days(300)).unwrap();
    let new = keys(&[9]).into_values().collect::<Vec<_>>();
    draft.set_signers(&role("targets"), &role_keys(&[9], 1), &new);
    let next = Envelope::<Root>::parse(sign(&draft.finish(), &[ROOT])).unwrap();
    assert_eq!(next.version(), version(2));
    assert_eq!(next.signed().roles.targets, role_keys(&[9], 1));
    let listed: Vec<_> = next.signed().keys.keys().cloned().collect();
    let named = keys(&[ROOT, SNAPSHOT, TIMESTAMP, 9]);
    assert_eq!(listed, named.keys().cloned().collect::<Vec<_>>());
    assert_eq!(next.document()["x-contact"], "security@acme.example");
    assert_eq!(next.document()["roles"]["targets"]["x-team"], "release");
}

/// Of several roots in one batch, each is judged by the one before it.
#[test]
fn a_revoked_key_that_one_root_leaves_out_comes_back_with_none_of_its_batch() {
    let named = |number: u64, seeds: &[u8]| {
        let mut root = crate::support::root(number);
        root.keys.extend(keys(seeds));
        root.roles.targets = role_keys(seeds, 1);
        sign(&notary_schema::envelope::Unsigned::of(&root), &[ROOT])
    };
    let collection = Collection { root: named(1, &[TARGETS, 9]), ..Collection::new() };
    let head = crate::revoked::head(&collection, &[9]);
    let judged = |second: &[u8], third: &[u8]| {
        let roots = [("2.root", named(2, second)), ("root", named(3, third))];
        let parts = roots.each_ref().map(|(name, file)| (*name, &file[..]));
        crate::publish::code(crate::publish::judge(&head, &crate::publish::batch(&parts)))
    };
    assert_eq!(judged(&[TARGETS], &[TARGETS]), "accepted");
    assert_eq!(judged(&[TARGETS, 9], &[TARGETS, 9]), "accepted");
    assert_eq!(judged(&[TARGETS], &[TARGETS, 9]), "key_revoked");
}

#[test]
fn one_key_under_two_ids_is_one_signer() {
    use notary_schema::threshold::{count, reachable};
    let key = &signer(DOCS).key;
    let mut object = serde_json::to_value(key).unwrap();
    object["x-note"] = "the same key".into();
    let twin: notary_schema::key::Key = serde_json::from_value(object).unwrap();
    let mut keys = keys(&[DOCS]);
    keys.insert(twin.id().clone(), twin.clone());
    let ids = vec![key.id().clone(), twin.id().clone()];
    let role = notary_schema::role::RoleKeys::new(ids.clone(), 2).unwrap();
    let authority = notary_schema::role::Authority { keys: &keys, role: &role };
    assert_eq!(reachable(authority), 1);
    let document = notary_schema::draft::Draft::first_targets(in_days(1)).finish();
    let signature = signer(DOCS).sign(document.message());
    let signed: Vec<_> = ids.iter().map(|id| (id.clone(), signature.clone())).collect();
    let file = notary_schema::envelope::Envelope::<notary_schema::role::Targets>::parse(
        document.with_signatures(&signed),
    );
    let report = count(&file.unwrap(), authority);
    assert_eq!((report.valid.len(), report.unknown.len(), report.is_met()), (1, 0, false));
}
