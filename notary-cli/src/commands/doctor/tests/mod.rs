//! Each rule beside its allowed neighbour, and what is collected of small and large collections.

mod collecting;
mod hand;

use chrono::TimeDelta;
use notary_schema::name::{Gun, RoleName, Version};
use serde_json::json;

use super::finding::Severity::{Error, Note, Warning};
use super::*;
use crate::testing::{now, role};
use hand::{Hand, days, target, targets};

type Found = Vec<(Severity, &'static str, String)>;

fn told(findings: &[Finding]) -> Found {
    let told = |finding: &Finding| (finding.severity, finding.code, finding.role.to_string());
    findings.iter().map(told).collect()
}

fn examined(hand: &Hand) -> Vec<Finding> {
    let (gun, collected, now) = (Gun::parse("acme/app").unwrap(), hand.collected(), now());
    examine(&Subject { gun: &gun, collected: &collected, now, by: now + TimeDelta::days(14) })
}

/// One mistake, and all that is found of it.
type Row = (&'static str, fn(&mut Hand), &'static [(Severity, &'static str, &'static str)]);

#[track_caller]
fn check(rows: &[Row]) {
    for (what, mistake, expected) in rows {
        let mut hand = Hand::healthy();
        mistake(&mut hand);
        let found = examined(&hand);
        let expected: Found = expected
            .iter()
            .map(|(severity, code, role)| (*severity, *code, (*role).into()))
            .collect();
        assert_eq!(told(&found), expected, "{what}: {found:#?}");
        for Finding { what: text, next, .. } in &found {
            assert!(!text.is_empty() && !next.is_empty() && !text.ends_with('.'), "{text}; {next}");
        }
    }
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    check(&[("healthy", |_| {}, &[])]);
}

#[test]
fn keys() {
    check(&[
        (
            "one root key is enough",
            |hand| hand.root["roles"]["root"]["threshold"] = json!(1),
            &[(Warning, "root_threshold_one", "root")],
        ),
        (
            "every root key is needed",
            |hand| hand.root["roles"]["root"]["threshold"] = json!(3),
            &[(Note, "root_without_spare_key", "root")],
        ),
        (
            "an online key signs roots, too",
            |hand| hand.share_key("timestamp", "root"),
            &[(Warning, "key_shared", "root")],
        ),
        (
            "one online key for both",
            |hand| hand.share_key("timestamp", "snapshot"),
            &[(Warning, "key_shared", "snapshot")],
        ),
        (
            "a team's key signs for targets, too",
            team_key_for_targets,
            &[(Note, "key_shared", "targets")],
        ),
        (
            "one key for all bins of a role",
            |hand| hand.delegate_to_bins(2),
            &[(Note, "succinct_bins", "german")],
        ),
        (
            "a key of an unknown scheme",
            |hand| {
                let key = json!({ "keytype": "x", "scheme": "y", "keyval": { "public": "z" } });
                let id = notary_schema::key::Key::from_object(key.clone()).id().to_string();
                hand.root["keys"][&id] = key;
            },
            &[(Warning, "key_unknown", "root")],
        ),
        (
            "a key under another id",
            |hand| {
                let keys = hand.document("targets")["delegations"]["keys"].as_object_mut().unwrap();
                let key = keys.values().next().unwrap().clone();
                keys.insert("ab".repeat(32), key);
            },
            &[(Warning, "key_id_differs", "targets")],
        ),
    ]);
}

fn team_key_for_targets(hand: &mut Hand) {
    let delegations = hand.document("targets")["delegations"].clone();
    let id = delegations["roles"][0]["keyids"][0].as_str().unwrap();
    hand.root["keys"][id] = delegations["keys"][id].clone();
    hand.root["roles"]["targets"]["keyids"].as_array_mut().unwrap().push(json!(id));
}

#[test]
fn dates() {
    check(&[
        ("in 15 days", |hand| hand.document("docs")["expires"] = json!(days(15)), &[]),
        (
            "in 14 days",
            |hand| hand.document("docs")["expires"] = json!(days(14)),
            &[(Warning, "expires_soon", "docs")],
        ),
        ("now", |hand| hand.root["expires"] = json!(days(0)), &[(Error, "expired", "root")]),
        ("an online role in a day", |hand| hand.timestamp_days = 1, &[]),
        ("an online role", |hand| hand.timestamp_days = -1, &[(Error, "expired", "timestamp")]),
        (
            "one of two bins",
            |hand| {
                hand.delegate_to_bins(2);
                hand.document("bin-1")["expires"] = json!(days(3));
            },
            &[(Warning, "expires_soon", "german"), (Note, "succinct_bins", "german")],
        ),
    ]);
}

#[test]
fn limits_of_clients_in_the_field() {
    check(&[
        ("200 steps", |hand| hand.root["version"] = json!(201), &[]),
        (
            "201 steps",
            |hand| hand.root["version"] = json!(202),
            &[(Warning, "root_chain_long", "root")],
        ),
        (
            "a long root",
            |hand| hand.root["padding"] = json!("x".repeat(256_000)),
            &[(Warning, "root_long", "root")],
        ),
        ("a timestamp of 7 kB", |hand| hand.timestamp_padding = 7_000, &[]),
        (
            "a timestamp of 9 kB",
            |hand| hand.timestamp_padding = 9_000,
            &[(Warning, "timestamp_long", "timestamp")],
        ),
        (
            "a long snapshot",
            |hand| hand.snapshot_padding = 1_000_000,
            &[(Warning, "snapshot_long", "snapshot")],
        ),
        (
            "a long role of listed length",
            |hand| hand.document("docs")["padding"] = json!("x".repeat(2_500_000)),
            &[],
        ),
        (
            "a long role without length",
            |hand| {
                hand.document("docs")["padding"] = json!("x".repeat(2_500_000));
                hand.without_length = vec!["docs"];
            },
            &[(Warning, "role_long", "docs")],
        ),
        ("24 roles visited", |hand| crowd(hand, 23), &[]),
        ("25 roles visited", |hand| crowd(hand, 24), &[(Warning, "roles_visited", "team23")]),
        (
            "25 roles of which the first ends the look-up",
            |hand| {
                crowd(hand, 24);
                let first = &mut hand.document("targets")["delegations"]["roles"][1];
                first["terminating"] = json!(true);
            },
            &[],
        ),
    ]);
}

/// So many teams with the same paths.
fn crowd(hand: &mut Hand, teams: usize) {
    for number in 0..teams {
        let paths = json!({ "paths": ["team/*"] });
        hand.delegate("targets", &format!("team{number}"), paths, Some(&[]));
    }
}

#[test]
fn delegations() {
    check(&[
        (
            "a role that has published nothing",
            |hand| hand.delegate("targets", "team", json!({ "paths": ["team/*"] }), None),
            &[(Warning, "delegation_pending", "team")],
        ),
        (
            "a bin that was not published",
            |hand| hand.delegate_to_bins(1),
            &[(Warning, "delegation_pending", "german"), (Note, "succinct_bins", "german")],
        ),
        (
            "two delegate to one",
            |hand| hand.delegate("targets", "german", json!({ "paths": ["de/*"] }), None),
            &[(Warning, "several_delegators", "german")],
        ),
        (
            "a pattern that clients read differently",
            |hand| hand.delegate("targets", "team", json!({ "paths": ["team/**"] }), Some(&[])),
            &[(Warning, "path_unclear", "team")],
        ),
        (
            "a role that is not verified",
            |hand| drop(hand.refused.insert(role("team"), "why".into())),
            &[(Error, "not_verified", "team")],
        ),
        (
            "a root that others cannot take",
            |hand| hand.roots.gaps.push((Version::FIRST, "why".into())),
            &[(Error, "root_chain_broken", "root")],
        ),
    ]);
}

#[test]
fn single_targets() {
    check(&[
        (
            "a target that no look-up finds",
            |hand| hand.document("german")["targets"]["docs/en"] = target("docs/en"),
            &[(Warning, "target_outside_paths", "german")],
        ),
        (
            "a target that a role before it lists, too",
            |hand| {
                hand.delegate("targets", "team", json!({ "paths": ["docs/*"] }), Some(&["docs/a"]));
            },
            &[(Warning, "target_hidden", "team")],
        ),
        (
            "a target behind a terminating delegation",
            |hand| {
                hand.delegate("targets", "team", json!({ "paths": ["docs/*"] }), Some(&["docs/b"]));
                hand.document("targets")["delegations"]["roles"][0]["terminating"] = json!(true);
            },
            &[(Warning, "target_hidden", "team")],
        ),
        (
            "a target behind one that does not terminate",
            |hand| {
                hand.delegate("targets", "team", json!({ "paths": ["docs/*"] }), Some(&["docs/b"]));
            },
            &[],
        ),
        (
            "a target with another hash alone",
            |hand| {
                let hashes = &mut hand.document("docs")["targets"]["docs/a"]["hashes"];
                *hashes = json!({ "sha512": "ab".repeat(64) });
            },
            &[(Warning, "target_without_sha256", "docs")],
        ),
        (
            "one with both",
            |hand| {
                let hashes = &mut hand.document("docs")["targets"]["docs/a"]["hashes"];
                hashes["sha512"] = json!("ab".repeat(64));
            },
            &[],
        ),
    ]);
}

/// One peculiarity, and the files that tough refuses for it.
type Refusals = (&'static str, fn(&mut Hand), &'static [&'static str]);

/// What is valid, and tough does not read, file by file: pitfalls that it is known for.
#[test]
fn what_the_second_implementation_refuses_is_told_by_file() {
    let rows: &[Refusals] = &[
        ("healthy", |_| {}, &[]),
        (
            "a target with a sha512 alone",
            |hand| {
                let hashes = &mut hand.document("docs")["targets"]["docs/a"]["hashes"];
                *hashes = json!({ "sha512": "ab".repeat(64) });
            },
            &["docs"],
        ),
        (
            "names of which one goes on with a space",
            |hand| *hand.document("docs") = with_delegations_of(hand, &["docs/a", "docs/a b"]),
            &["docs"],
        ),
        ("succinct bins", |hand| hand.delegate_to_bins(2), &["german"]),
        (
            "an unknown member of delegations",
            |hand| hand.document("docs")["delegations"]["more"] = json!(1),
            &["docs"],
        ),
        ("an unknown member of a root", |hand| hand.root["more"] = json!({ "a": [1] }), &[]),
    ];
    for (what, mistake, expected) in rows {
        let mut hand = Hand::healthy();
        mistake(&mut hand);
        let findings = opinion::files(&hand.collected().view);
        let roles: Vec<&str> = findings.iter().map(|finding| finding.role.as_str()).collect();
        assert_eq!(&roles, expected, "{what}: {findings:#?}");
        assert!(findings.iter().all(|f| (f.severity, f.code) == (Error, "tough_refuses")));
    }
}

fn with_delegations_of(hand: &mut Hand, names: &[&str]) -> serde_json::Value {
    let mut document = targets(names);
    document["delegations"] = hand.document("docs")["delegations"].clone();
    document
}

#[test]
fn what_is_refused_here_is_not_verified_and_what_another_refuses_is_to_do() {
    let finding = |severity| Finding {
        severity,
        ..Finding::note("key_shared", &RoleName::ROOT, "a".into(), "b".into())
    };
    let (error, warning, note) = (&[finding(Error)], &[finding(Warning)], &[finding(Note)]);
    assert_eq!(outcome(&[], &[]), Outcome::Done);
    assert_eq!(outcome(note, &[]), Outcome::Done);
    assert_eq!(outcome(warning, &[]), Outcome::ToDo);
    assert_eq!(outcome(note, error), Outcome::ToDo);
    assert_eq!(outcome(error, error), Outcome::NotVerified);
}

#[test]
fn what_is_accepted_is_nothing_to_do_unless_it_is_an_error() {
    let outcome_of = |severity, accepted: &str| {
        let text = || "a".to_owned();
        let finding = Finding::warning("key_shared", &RoleName::ROOT, text(), text());
        let mut finding = Finding { severity, ..finding };
        finding.accept(&[accepted.parse().unwrap()]);
        outcome(&[finding], &[])
    };
    for accepted in ["key_shared", "key_shared:root"] {
        assert_eq!(outcome_of(Warning, accepted), Outcome::Done, "{accepted}");
        assert_eq!(outcome_of(Error, accepted), Outcome::NotVerified, "{accepted}");
    }
    for other in ["key_unknown", "key_shared:targets", "key_unknown:root"] {
        assert_eq!(outcome_of(Warning, other), Outcome::ToDo, "{other}");
    }
}

/// Scripts rely on the codes: the page that tells what they mean has them all.
#[test]
fn every_code_is_documented() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).unwrap();
    let sources = [
        include_str!("../opinion.rs"),
        include_str!("../rules/delegations.rs"),
        include_str!("../rules/keys.rs"),
        include_str!("../rules/life.rs"),
        include_str!("../rules/sizes.rs"),
        include_str!("../rules/targets.rs"),
    ];
    let words = sources.iter().flat_map(|source| source.split('"').skip(1).step_by(2));
    let is_code = |word: &&str| {
        word.contains('_')
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let codes: Vec<&str> = words.filter(is_code).chain(["expired"]).collect();
    assert!(codes.len() > 20, "{codes:?}");
    let missing: Vec<_> =
        codes.iter().filter(|code| !page.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
