//! What may wait for signatures, and which signatures it takes.

use chrono::TimeDelta;
use notary_schema::draft::Draft;
use notary_schema::key::Key;
use notary_schema::name::RoleName;
use notary_schema::publish::demands;
use notary_schema::publish::proposal::{
    NoProposal, ProposalRefusal, check_proposal, check_signature, claimed, is_met, is_overtaken,
    lapse,
};

use crate::publish::{batch, changed_root};
use crate::revoked;
use crate::support::*;

/// A root that 9 and 10 sign from now on, with the one who signed before.
fn proposed(signers: &[u8]) -> Vec<u8> {
    let root = changed_root(|root| {
        root.keys.extend(keys(&[9, 10]));
        root.roles.root = role_keys(&[9, 10], 2);
        root.keys.remove(&signer(ROOT).id());
    });
    sign(&root, signers)
}

fn code<T>(judged: Result<T, ProposalRefusal>) -> &'static str {
    judged.map_or_else(|refusal| refusal.code(), |_| "taken")
}

#[test]
fn a_proposal_lacks_signatures_and_those_that_it_has_verify() {
    let head = Collection::new().head();
    for (what, signers, expected) in [
        ("nobody has signed", &[][..], "taken"),
        ("some have", &[ROOT, 9], "taken"),
        ("those of the root alone", &[9, 10], "taken"),
        ("all have", &[ROOT, 9, 10], "nothing_missing"),
        ("somebody has who need not", &[9, 11], "key_not_listed"),
    ] {
        let judged = check_proposal(&head, &batch(&[("root", &proposed(signers))]));
        let judged = judged.map_err(|error| match error {
            NoProposal::Proposal(refusal) => refusal,
            NoProposal::Refused(refusal) => panic!("{what}: {refusal}"),
        });
        assert_eq!(code(judged), expected, "{what}");
    }
}

#[test]
fn what_the_files_of_a_proposal_cannot_mend_is_refused_as_a_publish_is() {
    let head = Collection::new().head();
    let targets_keys = |new: &[u8]| {
        let root = changed_root(|root| {
            root.keys.extend(keys(&[9]));
            root.roles.targets = role_keys(new, 1);
            root.keys.retain(|id, _| {
                *id != signer(TARGETS).id() || root.roles.targets.keyids.contains(id)
            });
        });
        sign(&root, &[])
    };
    let unsigned = sign(&Collection::new().next("targets").finish(), &[]);
    let refused = check_proposal(&head, &batch(&[("root", &targets_keys(&[9]))]));
    let Err(NoProposal::Refused(refused)) = refused else { panic!("{refused:?}") };
    assert_eq!(refused.code(), "threshold_not_met");
    let stays = batch(&[("root", &targets_keys(&[TARGETS, 9]))]);
    assert!(check_proposal(&head, &stays).is_ok(), "the stored targets stays good");
    let both = batch(&[("root", &targets_keys(&[9])), ("targets", &unsigned)]);
    assert!(check_proposal(&head, &both).is_ok(), "it can still be signed by both");
}

#[test]
fn a_signature_is_taken_of_a_listed_key_over_these_bytes() {
    let head = Collection::new().head();
    let other = sign(&Collection::new().next("targets").finish(), &[10]);
    let stolen: serde_json::Value = serde_json::from_slice(&other).unwrap();
    let mut file: serde_json::Value = serde_json::from_slice(&proposed(&[ROOT, 9, 11])).unwrap();
    file["signatures"].as_array_mut().unwrap().push(stolen["signatures"][0].clone());
    let batch = batch(&[("root", &serde_json::to_vec(&file).unwrap())]);
    let demands = demands(Some(&head), &batch);
    for (what, named, seed, expected) in [
        ("a key of the root before", "root", ROOT, "taken"),
        ("a key of the new root", "root", 9, "taken"),
        ("over another file", "root", 10, "bad_signature"),
        ("of nobody", "root", 11, "key_not_listed"),
        ("for a role that nothing is asked of", "docs", ROOT, "key_not_listed"),
    ] {
        let judged = check_signature(&demands, &role(named), &signer(seed).id());
        assert_eq!(code(judged), expected, "{what}");
    }
    assert!(!is_met(&demands));
}

#[test]
fn one_public_key_under_two_ids_signs_once() {
    let key = &signer(9).key;
    let mut object = serde_json::to_value(key).unwrap();
    object["x-name"] = serde_json::json!("the same again");
    let twin: Key = serde_json::from_value(object).unwrap();
    assert_eq!((twin.public(), twin.id() == key.id()), (key.public(), false));
    let root = changed_root(|root| {
        root.keys.extend(keys(&[9, 10]));
        root.keys.insert(twin.id().clone(), twin.clone());
        root.roles.root = role_keys(&[9, 10], 2);
        root.roles.root.keyids.push(twin.id().clone());
        root.keys.remove(&signer(ROOT).id());
    });
    let mut file: serde_json::Value = serde_json::from_slice(&sign(&root, &[9])).unwrap();
    let mut again = file["signatures"][0].clone();
    again["keyid"] = serde_json::json!(twin.id());
    file["signatures"].as_array_mut().unwrap().push(again);
    let batch = batch(&[("root", &serde_json::to_vec(&file).unwrap())]);
    let demands = demands(Some(&Collection::new().head()), &batch);
    let judge = |key: &Key| code(check_signature(&demands, &role("root"), key.id()));
    assert_eq!((judge(key), judge(&twin)), ("taken", "repeated_key"));
}

#[test]
fn a_proposal_lapses_a_day_before_the_first_of_its_files_expires() {
    let docs = |days| {
        let draft = Draft::next(&Collection::new().file("docs"), in_days(days)).unwrap();
        sign(&draft.finish(), &[])
    };
    let day = TimeDelta::days(1);
    for (what, expires_in_days, wanted, expected) in [
        ("30 days by itself", 300, None, Ok(30)),
        ("less where the file lives shorter", 20, None, Ok(19)),
        ("as wanted", 300, Some(7), Ok(7)),
        ("as late as can be", 300, Some(299), Ok(299)),
        ("a day too late", 300, Some(300), Err("lapses_too_late")),
        ("no time at all", 1, None, Err("expires_too_soon")),
        ("no time for what is wanted", 1, Some(1), Err("expires_too_soon")),
    ] {
        let (root, docs) = (proposed(&[]), docs(expires_in_days));
        let batch = batch(&[("root", &root), ("docs", &docs)]);
        let wanted = wanted.map(|days| now() + day * days);
        let lapse = lapse(&batch, wanted, now()).map_err(|refusal| refusal.code());
        assert_eq!(lapse, expected.map(|days| now() + day * days), "{what}");
    }
}

#[test]
fn a_version_that_is_not_the_next_one_is_overtaken() {
    for (current, proposed, expected) in [
        (None, 1, false),
        (None, 2, true),
        (Some(1), 2, false),
        (Some(2), 2, true),
        (Some(1), 3, true),
        (Some((1 << 53) - 1), (1 << 53) - 1, true),
    ] {
        let is = is_overtaken(current.map(version), version(proposed));
        assert_eq!(is, expected, "{proposed} on {current:?}");
    }
}

#[test]
fn a_proposal_asks_no_revoked_key_and_takes_none_of_its_signatures() {
    let collection = revoked::with_docs_keys(&[DOCS, 9, 10], 2);
    let docs = |signers: &[u8]| sign(&collection.next("docs").finish(), signers);
    let denied = revoked::head(&collection, &[9]);
    let asked = &demands(Some(&denied), &batch(&[("docs", &docs(&[DOCS, 9]))]))[0].report;
    let ids = |seeds: &[u8]| seeds.iter().map(|seed| signer(*seed).id()).collect::<Vec<_>>();
    assert_eq!((&asked.valid, &asked.missing), (&ids(&[DOCS]), &ids(&[10])));
    assert_eq!((&asked.revoked, asked.is_met()), (&ids(&[9]), false));
    for (seed, expected) in [(DOCS, "taken"), (9, "key_revoked"), (11, "key_not_listed")] {
        let demands = demands(Some(&denied), &batch(&[("docs", &docs(&[seed]))]));
        let judged = check_signature(&demands, &role("docs"), &signer(seed).id());
        assert_eq!(code(judged), expected);
    }
    assert!(check_proposal(&denied, &batch(&[("docs", &docs(&[DOCS]))])).is_ok());
    assert!(check_proposal(&denied, &batch(&[("docs", &docs(&[DOCS, 9]))])).is_err());
    assert!(check_proposal(&collection.head(), &batch(&[("docs", &docs(&[9]))])).is_ok());
}

#[test]
fn a_signature_for_the_root_before_is_taken_of_a_key_that_goes() {
    let collection = revoked::with_root_keys(&[1, 9], 2);
    let signed = |after: &[u8]| {
        let root = changed_root(|root| {
            root.keys.extend(keys(after));
            root.roles.root = role_keys(after, 2);
        });
        let batch = batch(&[("root", &sign(&root, &[9]))]);
        let demands = demands(Some(&revoked::head(&collection, &[9])), &batch);
        let judged = check_signature(&demands, &RoleName::ROOT, &signer(9).id());
        code(judged)
    };
    assert_eq!(signed(&[1, 10]), "taken");
    assert_eq!(signed(&[1, 9]), "key_revoked");
}

#[test]
fn a_proposal_of_a_root_asks_for_a_key_that_is_not_revoked() {
    let collection = revoked::with_root_keys(&[1, 8, 9], 2);
    let denied = revoked::head(&collection, &[8, 9]);
    let root = changed_root(|root| {
        root.keys.extend(keys(&[10]));
        root.roles.root = role_keys(&[10], 1);
    });
    let batch = |signers: &[u8]| batch(&[("root", &sign(&root, signers))]);
    let asked = check_proposal(&denied, &batch(&[8, 9, 10])).unwrap();
    let open: Vec<_> = asked.iter().filter(|demand| !demand.report.is_met()).collect();
    let [open] = open[..] else { panic!("{asked:?}") };
    assert_eq!((open.version.get(), &open.report.missing), (1, &vec![signer(1).id()]));
    assert!(is_met(&demands(Some(&denied), &batch(&[1, 9, 10]))));
}

#[test]
fn a_proposal_claims_what_keys_of_now_have_signed_and_what_is_below() {
    let collection = Collection::new();
    let root = |signers: &[u8]| {
        let root = changed_root(|root| {
            root.keys.extend(keys(&[9]));
            root.roles.root = role_keys(&[ROOT, 9], 1);
            root.roles.targets = role_keys(&[TARGETS, 9], 1);
        });
        sign(&root, signers)
    };
    let targets = |signers: &[u8]| {
        let docs = delegation("docs", &["docs/*"], &[10], 1);
        let more = delegation("more", &["more/*"], &[10], 1);
        let draft = collection.next("targets").with_delegation(docs, &[10]);
        sign(&draft.with_delegation(more, &[10]).finish(), signers)
    };
    let docs = |signers: &[u8]| sign(&collection.next("docs").finish(), signers);
    let more = |signers: &[u8]| sign(&Draft::first_targets(in_days(9)).finish(), signers);
    let none: &[&str] = &[];
    for (what, parts, expected) in [
        ("nobody has signed", vec![("docs", docs(&[]))], none),
        ("who may has signed", vec![("docs", docs(&[DOCS]))], &["docs"]),
        ("somebody else has", vec![("docs", docs(&[9]))], none),
        ("who will sign root has", vec![("root", root(&[9]))], none),
        ("who signs root has", vec![("root", root(&[ROOT]))], &["root"]),
        (
            "root speaks for targets, and that for docs",
            vec![("root", root(&[ROOT])), ("targets", targets(&[])), ("docs", docs(&[]))],
            &["docs", "root", "targets"],
        ),
        (
            "targets does not speak for root",
            vec![("root", root(&[])), ("targets", targets(&[TARGETS])), ("more", more(&[]))],
            &["more", "targets"],
        ),
        (
            "who will sign docs and more has signed",
            vec![("targets", targets(&[])), ("docs", docs(&[10])), ("more", more(&[10]))],
            none,
        ),
        (
            "who signs docs by now has signed",
            vec![("targets", targets(&[])), ("docs", docs(&[DOCS])), ("more", more(&[10]))],
            &["docs"],
        ),
    ] {
        let parts: Vec<(&str, &[u8])> =
            parts.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
        let claimed = claimed(&collection.head(), &batch(&parts));
        assert_eq!(claimed.iter().map(RoleName::as_str).collect::<Vec<_>>(), expected, "{what}");
    }
}

#[test]
fn a_revoked_key_claims_nothing() {
    let collection = revoked::with_docs_keys(&[DOCS, 9], 1);
    let docs = |seed| sign(&collection.next("docs").finish(), &[seed]);
    let with_root = revoked::with_root_keys(&[1, 9], 2);
    let root = |seed| {
        let root = changed_root(|root| {
            root.keys.extend(keys(&[10]));
            root.roles.root = role_keys(&[1, 10], 2);
        });
        sign(&root, &[seed])
    };
    for (what, collection, name, file, expected) in [
        ("the other key of docs", &collection, "docs", docs(DOCS), true),
        ("the revoked one", &collection, "docs", docs(9), false),
        ("the other key of root", &with_root, "root", root(1), true),
        ("one of root that goes, and counts for that", &with_root, "root", root(9), false),
    ] {
        let denied = revoked::head(collection, &[9]);
        let claimed = claimed(&denied, &batch(&[(name, &file)]));
        assert_eq!(!claimed.is_empty(), expected, "{what}");
    }
}
