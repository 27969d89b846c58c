//! Keys that are revoked: they sign nothing new, nothing names them anew, and what is stored stays.

use std::collections::BTreeMap;

use notary_schema::draft::Draft;
use notary_schema::envelope::Unsigned;
use notary_schema::key::Key;
use notary_schema::name::RoleName;
use notary_schema::publish::{Accepted, Head, Refusal, check_unsigned};
use notary_schema::role::{Bins, DelegatedRole, RoleKeys, Root, SuccinctRoles, Targets};
use notary_schema::threshold::RevokedKeys;
use serde_json::json;

use crate::publish::{batch, changed_root, code, judge, rules};
use crate::support::*;

fn revoked(seeds: &[u8]) -> RevokedKeys {
    seeds.iter().map(|seed| signer(*seed).key.public().unwrap().clone()).collect()
}

/// A collection in which these keys were revoked after its last commit.
pub fn head(collection: &Collection, seeds: &[u8]) -> Head {
    Head { revoked: revoked(seeds), ..collection.head() }
}

fn judge_parts(head: &Head, parts: &[(&str, &[u8])]) -> Result<Accepted, Refusal> {
    judge(head, &batch(parts))
}

/// The fresh collection with these keys and this threshold for `docs`, all of which have signed it.
pub fn with_docs_keys(seeds: &[u8], threshold: u32) -> Collection {
    let docs = delegation("docs", &["docs/*"], seeds, threshold);
    let targets = Draft::first_targets(in_days(365)).with_delegation(docs, seeds);
    let docs = Draft::first_targets(in_days(365)).with_target("docs/intro.txt");
    let files = BTreeMap::from([
        (RoleName::TARGETS, sign(&targets.finish(), &[TARGETS])),
        (role("docs"), sign(&docs.finish(), seeds)),
    ]);
    Collection::of(sign(&Unsigned::of(&root(1)), &[ROOT]), files, 1)
}

/// The fresh collection with these keys and this threshold for root.
pub fn with_root_keys(seeds: &[u8], threshold: u32) -> Collection {
    let mut root = root(1);
    root.keys.extend(keys(seeds));
    root.roles.root = role_keys(seeds, threshold);
    Collection { root: sign(&Unsigned::of(&root), seeds), ..Collection::new() }
}

#[test]
fn a_revoked_key_signs_nothing_new() {
    let collection = with_docs_keys(&[DOCS, 9], 1);
    let docs = |signers| sign(&collection.next("docs").with_target("docs/b").finish(), signers);
    let targets = |signers| sign(&collection.next("targets").with_target("b").finish(), signers);
    for (what, denied, part, file, expected) in [
        ("nothing is revoked", &[][..], "docs", docs(&[DOCS]), "accepted"),
        ("another key is", &[9], "docs", docs(&[DOCS]), "accepted"),
        ("its key is", &[DOCS], "docs", docs(&[DOCS]), "threshold_not_met"),
        ("a key that has not is enough", &[DOCS], "docs", docs(&[DOCS, 9]), "accepted"),
        ("both are", &[DOCS, 9], "docs", docs(&[DOCS, 9]), "threshold_not_met"),
        ("a key of targets", &[TARGETS], "targets", targets(&[TARGETS]), "threshold_not_met"),
        ("a key of below", &[DOCS], "targets", targets(&[TARGETS]), "accepted"),
    ] {
        assert_eq!(
            code(judge_parts(&head(&collection, denied), &[(part, &file)])),
            expected,
            "{what}"
        );
    }
    let refused = judge_parts(&head(&collection, &[DOCS]), &[("docs", &docs(&[DOCS]))]);
    let text = refused.unwrap_err().to_string();
    let named = format!("the key {} is revoked and does not count", signer(DOCS).id());
    assert!(text.ends_with(&named), "{text}");
}

#[test]
fn a_first_file_is_new_as_well() {
    let code = delegation("code", &["code/*"], &[9], 1);
    let targets = Collection::new().next("targets").with_delegation(code, &[9]);
    let first = sign(&Draft::first_targets(in_days(365)).finish(), &[9]);
    let parts = [("targets", &sign(&targets.finish(), &[TARGETS])[..]), ("code", &first)];
    let judged = |denied: &[u8]| judge_parts(&head(&Collection::new(), denied), &parts);
    assert_eq!(crate::publish::code(judged(&[DOCS])), "accepted");
    assert_eq!(crate::publish::code(judged(&[9])), "key_revoked");
}

/// The same public key as another object, and so under another id.
fn twin(key: &Key) -> Key {
    let mut object = serde_json::to_value(key).unwrap();
    object["x-name"] = json!("the same again");
    serde_json::from_value(object).unwrap()
}

#[test]
fn a_key_is_revoked_under_every_id() {
    let twin = twin(&signer(DOCS).key);
    let docs = DelegatedRole {
        signers: RoleKeys::new(vec![twin.id().clone()], 1).unwrap().into(),
        ..delegation("docs", &["docs/*"], &[], 1)
    };
    let mut collection = Collection::new();
    let mut targets = Draft::first_targets(in_days(365));
    targets.set_delegation(&docs, std::slice::from_ref(&twin));
    collection.files.insert(RoleName::TARGETS, sign(&targets.finish(), &[TARGETS]));
    let document = collection.next("docs").finish();
    let signature = (twin.id().clone(), signer(DOCS).sign(document.message()));
    let file = document.with_signatures(&[signature]);
    for (denied, expected) in [(9, "accepted"), (DOCS, "threshold_not_met")] {
        let judged = judge_parts(&head(&collection, &[denied]), &[("docs", &file)]);
        assert_eq!(code(judged), expected, "{denied}");
    }
}

#[test]
fn what_a_revoked_key_has_signed_stays_until_its_delegator_leaves_it_out() {
    let denied = head(&Collection::new(), &[TARGETS, DOCS]);
    let unchanged = sign(&changed_root(|_| {}), &[ROOT]);
    let judged = judge_parts(&denied, &[("root", &unchanged)]);
    assert_eq!(code(judged), "accepted", "the stored targets counts");
    let one_more = sign(
        &changed_root(|root| {
            root.keys.extend(keys(&[9]));
            root.roles.targets = role_keys(&[TARGETS, 9], 1);
        }),
        &[ROOT],
    );
    let judged = judge_parts(&denied, &[("root", &one_more)]);
    assert_eq!(code(judged), "accepted", "also where another key is added beside it");

    let denied = head(&Collection::new(), &[DOCS]);
    let targets = |docs: DelegatedRole, seeds: &[u8]| {
        sign(&Collection::new().next("targets").with_delegation(docs, seeds).finish(), &[TARGETS])
    };
    for (what, docs, seeds, expected) in [
        (
            "other paths",
            delegation("docs", &["docs/*", "x/*"], &[DOCS], 1),
            &[DOCS][..],
            "accepted",
        ),
        ("a key more", delegation("docs", &["docs/*"], &[DOCS, 9], 1), &[DOCS, 9], "accepted"),
        ("without it", delegation("docs", &["docs/*"], &[9], 1), &[9], "would_orphan"),
    ] {
        let judged = judge_parts(&denied, &[("targets", &targets(docs, seeds))]);
        assert_eq!(code(judged), expected, "{what}");
    }
}

#[test]
fn a_revoked_key_helps_a_root_that_leaves_it_out_and_no_other() {
    for (what, before, after, signers, expected) in [
        ("it goes", ([1, 9], 2), (&[1, 10][..], 2), &[1, 9, 10][..], "accepted"),
        (
            "it goes, without its signature",
            ([1, 9], 2),
            (&[1, 10], 2),
            &[1, 10],
            "threshold_not_met",
        ),
        ("it stays", ([1, 9], 2), (&[1, 9], 2), &[1, 9], "threshold_not_met"),
        (
            "it stays beside a new one",
            ([1, 9], 2),
            (&[1, 9, 10], 2),
            &[1, 9, 10],
            "threshold_not_met",
        ),
        ("it stays, and others are enough", ([1, 9], 1), (&[1, 9], 1), &[1], "accepted"),
        ("it stays and is the only one", ([1, 9], 1), (&[1, 9], 1), &[9], "threshold_not_met"),
        ("it goes and is the only one", ([1, 9], 1), (&[1], 1), &[9], "threshold_not_met"),
    ] {
        let collection = with_root_keys(&before.0, before.1);
        let root = root_of(after.0, after.1, signers);
        let judged = judge_parts(&head(&collection, &[9]), &[("root", &root)]);
        assert_eq!(code(judged), expected, "{what}");
    }
}

/// The next root of these keys and this threshold, with these signatures.
fn root_of(seeds: &[u8], threshold: u32, signers: &[u8]) -> Vec<u8> {
    let root = changed_root(|root| {
        root.keys.extend(keys(seeds));
        root.roles.root = role_keys(seeds, threshold);
    });
    sign(&root, signers)
}

#[test]
fn revoked_keys_put_nobody_out_who_holds_another() {
    type Row<'a> = (&'a str, (&'a [u8], u32), &'a [u8], &'a [u8], &'a str);
    let rows: [Row; 10] = [
        ("the other one signs", (&[1, 9], 1), &[9], &[1, 10], "accepted"),
        ("one of two, and it is revoked", (&[1, 9], 1), &[9], &[9, 10], "threshold_not_met"),
        ("it is not revoked", (&[1, 9], 1), &[], &[9, 10], "accepted"),
        ("two of three are left", (&[1, 8, 9], 2), &[9], &[1, 8, 10], "accepted"),
        ("one of these two", (&[1, 8, 9], 2), &[9], &[1, 9, 10], "threshold_not_met"),
        ("one of three is left", (&[1, 8, 9], 2), &[8, 9], &[1, 9, 10], "accepted"),
        ("without that one", (&[1, 8, 9], 2), &[8, 9], &[8, 9, 10], "threshold_not_met"),
        ("that one alone", (&[1, 8, 9], 2), &[8, 9], &[1, 10], "threshold_not_met"),
        ("nobody is left", (&[8, 9], 2), &[8, 9], &[8, 9, 10], "accepted"),
        ("nobody is left, and one signs", (&[8, 9], 2), &[8, 9], &[9, 10], "threshold_not_met"),
    ];
    for (what, (seeds, threshold), denied, signers, expected) in rows {
        let collection = with_root_keys(seeds, threshold);
        let root = root_of(&[10], 1, signers);
        let judged = judge_parts(&head(&collection, denied), &[("root", &root)]);
        assert_eq!(code(judged), expected, "{what}");
    }
    let denied = head(&with_root_keys(&[1, 8, 9], 2), &[8, 9]);
    let judged = judge_parts(&denied, &[("root", &root_of(&[10], 1, &[8, 9, 10]))]);
    let text = judged.unwrap_err().to_string();
    assert!(text.starts_with("root is signed by 0 of 1 keys that its root asks for"), "{text}");
    assert!(text.ends_with("are revoked and do not count"), "{text}");
}

#[test]
fn a_revoked_key_of_targets_has_no_overlap() {
    let root = changed_root(|root| {
        root.keys.extend(keys(&[9]));
        root.roles.targets = role_keys(&[9], 1);
        root.keys.remove(&signer(TARGETS).id());
    });
    let root = sign(&root, &[ROOT]);
    let targets = sign(&Collection::new().next("targets").finish(), &[TARGETS, 9]);
    let mut both = batch(&[("root", &root), ("targets", &targets)]);
    let denied = head(&Collection::new(), &[TARGETS]);
    assert_eq!(code(judge(&Collection::new().head(), &both)), "accepted");
    assert_eq!(code(judge(&denied, &both)), "overlap_missing");
    both.compromised = [RoleName::TARGETS].into();
    assert_eq!(code(judge(&denied, &both)), "accepted");
}

#[test]
fn no_root_names_a_revoked_key_that_the_one_before_did_not_name_for_the_role() {
    type Change = fn(&mut Root);
    let changes: [(&str, &[u8], Change); 5] = [
        ("root", &[9], |root| root.roles.root = role_keys(&[ROOT, 9], 1)),
        ("targets", &[9], |root| root.roles.targets = role_keys(&[TARGETS, 9], 1)),
        ("snapshot", &[9], |root| root.roles.snapshot = role_keys(&[SNAPSHOT, 9], 1)),
        ("timestamp", &[9], |root| root.roles.timestamp = role_keys(&[TIMESTAMP, 9], 1)),
        // It is named already, for another role.
        ("targets", &[TIMESTAMP], |root| root.roles.targets = role_keys(&[TARGETS, TIMESTAMP], 1)),
    ];
    for (named, denied, change) in changes {
        let root = changed_root(|root| {
            root.keys.extend(keys(&[9]));
            change(root);
        });
        let root = sign(&root, &[ROOT]);
        let judged = |denied| judge_parts(&head(&Collection::new(), denied), &[("root", &root)]);
        assert_eq!(code(judged(&[])), "accepted", "{named}");
        let refused = judged(denied).unwrap_err();
        let Refusal::KeyRevoked { listed_in, role, keyid } = &refused else { panic!("{refused}") };
        let expected = (RoleName::ROOT, named, signer(denied[0]).id());
        assert_eq!((listed_in.clone(), role.as_str(), keyid.clone()), expected);
    }
}

#[test]
fn no_root_on_the_way_names_a_revoked_key_either() {
    let with = |number, seeds: &[u8]| {
        let mut root = root(number);
        root.keys.extend(keys(seeds));
        root.roles.targets = role_keys(seeds, 1);
        sign(&Unsigned::of(&root), &[ROOT])
    };
    let (third, targets) = (with(3, &[TARGETS]), &[TARGETS, 9][..]);
    for (denied, second, expected) in [
        (10, with(2, targets), "accepted"),
        (9, with(2, targets), "key_revoked"),
        (9, with(2, &[TARGETS]), "accepted"),
    ] {
        let parts = [("2.root", &second[..]), ("root", &third)];
        let judged = judge_parts(&head(&Collection::new(), &[denied]), &parts);
        assert_eq!(code(judged), expected, "{denied}");
    }
}

#[test]
fn online_keys_that_are_revoked_stay_until_a_root_leaves_them_out() {
    let denied = head(&Collection::new(), &[SNAPSHOT, TIMESTAMP]);
    let docs = sign(&Collection::new().next("docs").finish(), &[DOCS]);
    assert_eq!(code(judge_parts(&denied, &[("docs", &docs)])), "accepted");
    let other_targets = changed_root(|root| {
        root.keys.extend(keys(&[9]));
        root.roles.targets = role_keys(&[TARGETS, 9], 1);
    });
    let root = sign(&other_targets, &[ROOT]);
    assert_eq!(code(judge_parts(&denied, &[("root", &root)])), "accepted");
}

#[test]
fn no_delegation_names_a_revoked_key_that_it_did_not_name_before() {
    let fresh = || Collection::new().next("targets");
    let code_role = |seeds: &[u8]| delegation("code", &["code/*"], seeds, 1);
    let docs = |seeds: &[u8], paths: &[&str]| delegation("docs", paths, seeds, 1);
    for (what, edited, denied, expected) in [
        ("a new delegation", fresh().with_delegation(code_role(&[9]), &[9]), 9, "key_revoked"),
        ("one of others", fresh().with_delegation(code_role(&[10]), &[10]), 9, "accepted"),
        (
            "a key more",
            fresh().with_delegation(docs(&[DOCS, 9], &["docs/*"]), &[DOCS, 9]),
            9,
            "key_revoked",
        ),
        (
            "a new role of a known key",
            fresh().with_delegation(code_role(&[DOCS]), &[DOCS]),
            DOCS,
            "key_revoked",
        ),
        ("beside an old one", fresh().with_delegation(code_role(&[9]), &[9]), DOCS, "accepted"),
        (
            "other paths",
            fresh().with_delegation(docs(&[DOCS], &["docs/*", "x"]), &[DOCS]),
            DOCS,
            "accepted",
        ),
        ("nothing of it", fresh().with_target("b.txt"), DOCS, "accepted"),
    ] {
        let mut batch = batch(&[("targets", &sign(&edited.finish(), &[TARGETS]))]);
        let delegates = |file: &Targets| file.authority(&role("code")).is_some();
        if delegates(batch.targets(&RoleName::TARGETS).unwrap().signed()) {
            batch.pending.insert(role("code"));
        }
        assert_eq!(code(judge(&head(&Collection::new(), &[denied]), &batch)), expected, "{what}");
    }
}

#[test]
fn a_delegation_that_was_taken_out_is_a_new_one_when_it_comes_back() {
    let mut collection = Collection::new();
    let without = collection.next("targets").without_delegation("docs");
    collection.files.insert(RoleName::TARGETS, sign(&without.finish(), &[TARGETS]));
    let docs = delegation("docs", &["docs/*"], &[DOCS], 1);
    let again = collection.next("targets").with_delegation(docs, &[DOCS]);
    let again = sign(&again.finish(), &[TARGETS]);
    for (denied, expected) in [(9, "accepted"), (DOCS, "key_revoked")] {
        let judged = judge_parts(&head(&collection, &[denied]), &[("targets", &again)]);
        assert_eq!(code(judged), expected, "{denied}");
    }
}

#[test]
fn no_bins_are_given_to_a_revoked_key() {
    let bins = |seeds: &[u8]| SuccinctRoles {
        bins: Bins::new("b", 1).unwrap(),
        signers: role_keys(seeds, 1),
    };
    let divided = |mut draft: Draft, seeds: &[u8]| {
        draft.set_succinct(&bins(seeds), &keys(seeds).into_values().collect::<Vec<_>>());
        sign(&draft.finish(), &[DOCS])
    };
    let first = sign(&Draft::first_targets(in_days(365)).finish(), &[10]);
    let mut collection = Collection::new();
    let new = divided(collection.next("docs"), &[10]);
    let parts = [("docs", &new[..]), ("b-0", &first), ("b-1", &first)];
    for (denied, expected) in [(9, "accepted"), (10, "key_revoked")] {
        let judged = judge_parts(&head(&collection, &[denied]), &parts);
        assert_eq!(code(judged), expected, "{denied}");
    }
    collection.files.insert(role("docs"), new.clone());
    collection.files.extend([(role("b-0"), first.clone()), (role("b-1"), first.clone())]);
    for (seeds, denied, expected) in
        [(&[10][..], 10, "accepted"), (&[10, 9], 10, "accepted"), (&[10, 9], 9, "key_revoked")]
    {
        let docs = divided(collection.next("docs"), seeds);
        let judged = judge_parts(&head(&collection, &[denied]), &[("docs", &docs)]);
        assert_eq!(code(judged), expected, "{seeds:?}, {denied} is revoked");
    }
}

#[test]
fn a_new_threshold_is_one_that_keys_reach_which_are_not_revoked() {
    let collection = with_docs_keys(&[DOCS, 9], 2);
    let denied = head(&collection, &[9]);
    let docs = |seeds: &[u8], threshold| {
        let docs = delegation("docs", &["docs/*", "new/*"], seeds, threshold);
        sign(&collection.next("targets").with_delegation(docs, seeds).finish(), &[TARGETS])
    };
    for (what, seeds, threshold, expected) in [
        ("it is as before, and too high since the revocation", &[DOCS, 9][..], 2, "accepted"),
        ("lower, so that the other one reaches it", &[DOCS, 9], 1, "accepted"),
        ("with another key that reaches it", &[DOCS, 9, 10], 2, "accepted"),
        ("with another key, and higher again", &[DOCS, 9, 10], 3, "threshold_unreachable"),
    ] {
        let file = docs(seeds, threshold);
        assert_eq!(code(judge_parts(&denied, &[("targets", &file)])), expected, "{what}");
    }
    let denied = head(&with_docs_keys(&[DOCS, 9], 1), &[9]);
    for (threshold, expected) in [(1, "accepted"), (2, "threshold_unreachable")] {
        let file = docs(&[DOCS, 9], threshold);
        let judged = judge_parts(&denied, &[("targets", &file)]);
        assert_eq!(code(judged), expected, "the same keys, of which {threshold} must sign");
    }
    let root = changed_root(|root| {
        root.keys.extend(keys(&[9]));
        root.roles.targets = role_keys(&[TARGETS, 9], 2);
    });
    let targets = sign(&Collection::new().next("targets").finish(), &[TARGETS, 9]);
    let parts = [("root", &sign(&root, &[ROOT])[..]), ("targets", &targets)];
    let unsigned = |denied: &[u8]| {
        let head = head(&Collection::new(), denied);
        check_unsigned(Some(&head), &batch(&parts), &rules(), now())
            .map_err(|refusal| refusal.code())
    };
    assert_eq!(unsigned(&[10]).map(drop), Ok(()));
    assert_eq!(unsigned(&[TARGETS]).map(drop), Err("threshold_unreachable"));
}

#[test]
fn a_judgement_ends_with_the_revocation_of_a_key() {
    let collection = Collection::new();
    let docs = sign(&collection.next("docs").finish(), &[DOCS]);
    let before = collection.head();
    let accepted = judge_parts(&before, &[("docs", &docs)]).unwrap();
    assert!(accepted.holds_on(&before.clone()));
    assert!(!accepted.holds_on(&head(&collection, &[9])), "whoever's key it is");
    let after = judge_parts(&head(&collection, &[9]), &[("docs", &docs)]).unwrap();
    assert!(after.holds_on(&head(&collection, &[9])));
    assert!(!after.holds_on(&before), "nor with the return of one");
}
