//! Files that are not what is listed, or not there: the refresh ends at them, and what came before
//! them is kept.

use notary_tests::hand::{Entry, HandKey, Repository, Stage};
use notary_tests::mirror::Reply;
use serde_json::{Value, json};

use crate::scene::{FIRST, Scene};

/// All versions are 2 but those.
fn all_but(old: &[&str]) -> String {
    let roles = ["root", "snapshot", "targets", "timestamp"];
    let version = |role: &&str| format!("{role} {}", if old.contains(role) { 1 } else { 2 });
    roles.iter().map(version).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_file_that_is_listed_must_be_there() {
    for (row, lost, trusted) in [
        ("all are there", None, all_but(&[])),
        ("timestamp", Some("timestamp.json"), all_but(&["snapshot", "targets", "timestamp"])),
        ("snapshot", Some("2.snapshot.json"), all_but(&["snapshot", "targets"])),
        ("targets", Some("2.targets.json"), all_but(&["targets"])),
    ] {
        let mut scene = Scene::refreshed();
        scene.publish_anew(&["root", "targets"]);
        if let Some(lost) = lost {
            scene.answer(lost, Reply::status("404 Not Found"));
        }
        let words = lost.map_or(String::new(), |lost| format!("the repository has no {lost}"));
        scene.refresh().is(&words, row);
        assert_eq!(scene.trusted(), trusted, "{row}");
        let last = lost.unwrap_or("2.targets.json");
        assert_eq!(scene.asked().last().map(String::as_str), Some(last), "{row}");
    }
}

#[test]
fn a_file_is_of_the_version_in_its_name() {
    for (role, trusted) in [
        ("root", FIRST.to_owned()),
        ("snapshot", all_but(&["snapshot", "targets"])),
        ("targets", all_but(&["targets"])),
    ] {
        let mut scene = Scene::refreshed();
        for role in ["root", "snapshot", "targets"] {
            scene.repository.describe(role, Entry::Version);
        }
        scene.repository.edit("root");
        scene.repository.edit("targets");
        // The third version of the role, under the name of the second.
        scene.publish_with(|stage, repository| match (stage, role) {
            (Stage::Roles, _) => repository.part(role).signed["version"] = json!(3),
            (Stage::Snapshot, "targets") => list(repository, "snapshot", "targets.json"),
            (Stage::Timestamp, "snapshot") => list(repository, "timestamp", "snapshot.json"),
            _ => {}
        });
        scene.put(&format!("2.{role}.json"), scene.repository.file(&format!("3.{role}.json")));
        scene.refresh().is("version 3 where ", role);
        assert_eq!(scene.trusted(), trusted, "{role}");
    }
}

/// Lists version 2 of a file, whatever it is.
fn list(repository: &mut Repository, lister: &str, entry: &str) {
    repository.part(lister).signed["meta"][entry] = json!({"version": 2});
}

#[test]
fn a_timestamp_of_a_known_version_says_nothing_new() {
    let mut scene = Scene::refreshed();
    let known = scene.stored();
    scene.publish_anew(&["targets"]);
    let newer = scene.repository.file("timestamp.json").to_vec();
    scene.repository.part("timestamp").signed["version"] = json!(1);
    scene.put_role("timestamp", "timestamp.json");
    scene.refresh().done();
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"]);
    assert_eq!(scene.stored(), known);
    scene.put("timestamp.json", newer);
    scene.refresh().done();
    assert_eq!(scene.trusted(), "root 1, snapshot 2, targets 2, timestamp 2");
}

#[test]
fn a_version_that_is_not_listed_is_not_asked_for() {
    let mut scene = Scene::refreshed();
    let timestamp = scene.repository.file("timestamp.json").to_vec();
    scene.publish_anew(&["targets"]);
    scene.put("timestamp.json", timestamp);
    scene.refresh().done();
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"]);
    assert_eq!(scene.trusted(), FIRST);
}

#[test]
fn a_file_has_the_length_and_hashes_that_are_listed() {
    let wrong_hash: fn(&mut Value) = |entry| entry["hashes"]["sha256"] = json!("00".repeat(32));
    let wrong_length: fn(&mut Value) = |entry| entry["length"] = json!(100_000);
    let too_short: fn(&mut Value) = |entry| entry["length"] = json!(10);
    for (row, kind, edit, words) in [
        ("both", Entry::Full, None, ""),
        ("the length", Entry::Length, None, ""),
        ("SHA-512", Entry::Sha512, None, ""),
        ("neither", Entry::Version, None, ""),
        ("another hash", Entry::Full, Some(wrong_hash), "length and hashes"),
        ("another length", Entry::Length, Some(wrong_length), "length and hashes"),
        ("a length that the file exceeds", Entry::Length, Some(too_short), "longer than"),
    ] {
        for (role, lister, stage, old) in [
            ("targets", "snapshot", Stage::Snapshot, &["targets"][..]),
            ("snapshot", "timestamp", Stage::Timestamp, &["snapshot", "targets"]),
        ] {
            let mut scene = Scene::refreshed();
            scene.repository.describe(role, kind);
            scene.repository.edit("root");
            scene.repository.edit("targets");
            scene.publish_with(|at, repository| {
                if let Some(edit) = edit
                    && at == stage
                {
                    edit(&mut repository.part(lister).signed["meta"][format!("{role}.json")]);
                }
            });
            scene.refresh().is(words, &format!("{role}: {row}"));
            let old = if words.is_empty() { &[][..] } else { old };
            assert_eq!(scene.trusted(), all_but(old), "{role}: {row}");
        }
    }
}

#[test]
fn a_file_is_of_its_own_kind() {
    let mut scene = Scene::refreshed();
    // A snapshot that reads like a timestamp and is signed by its key.
    scene.repository.edit("snapshot").signers.push(HandKey::of("timestamp"));
    scene.repository.part("snapshot").signed["meta"] = json!({"snapshot.json": {"version": 1}});
    scene.repository.part("snapshot").signed["version"] = json!(2);
    scene.put_role("snapshot", "timestamp.json");
    scene.refresh().is("snapshot", "a snapshot as a timestamp");
    assert_eq!(scene.trusted(), FIRST);
    scene.repository.part("snapshot").signed["_type"] = json!("timestamp");
    scene.put_role("snapshot", "timestamp.json");
    scene.refresh().done();
    assert_eq!(scene.trusted(), "root 1, snapshot 1, targets 1, timestamp 2");
}
