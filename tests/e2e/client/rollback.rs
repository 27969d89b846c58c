//! What goes back is refused, and how a repository recovers when a thief has run versions up.

use notary_tests::hand::Entry;
use serde_json::json;

use crate::scene::{Scene, keys};

/// What a role's next version is, when it is published.
fn restart_at(scene: &mut Scene, role: &str, version: u64) {
    scene.repository.edit(role).signed["version"] = json!(version - 1);
}

/// A client that trusts version 2 of everything but root, and of the delegated role `docs`.
fn second(kind: Entry) -> Scene {
    let mut scene = Scene::with(|repository| {
        for role in ["targets", "snapshot", "docs"] {
            repository.describe(role, kind);
        }
    });
    scene.publish_anew(&["targets", "docs"]);
    scene.refresh().done();
    assert_eq!(scene.trusted(), format!("root 1, {SECOND}"));
    scene
}

/// What such a client trusts beside root.
const SECOND: &str = "snapshot 2, targets 2, timestamp 2";
/// The same after a timestamp whose snapshot it does not trust.
const OLD: &str = "snapshot 2, targets 2, timestamp 3";

/// What a repository publishes next.
type Next = fn(&mut Scene);

#[test]
fn no_version_goes_back() {
    let rows: [(&str, Next, &str, &str); 6] = [
        ("all go on", |scene| next(scene, "targets"), "", "snapshot 3, targets 3, timestamp 3"),
        ("timestamp", |scene| restart_at(scene, "timestamp", 1), "timestamp goes back", SECOND),
        ("snapshot", |scene| restart_at(scene, "snapshot", 1), "snapshot.json goes back", SECOND),
        ("targets", |scene| restart_at(scene, "targets", 1), "targets.json goes back", OLD),
        ("a delegated role", |scene| restart_at(scene, "docs", 1), "docs.json goes back", OLD),
        ("a role is gone", |scene| forget(scene, "docs"), "\"docs.json\"", OLD),
    ];
    for kind in [Entry::Full, Entry::Version] {
        for (row, change, words, trusted) in &rows {
            let mut scene = second(kind);
            change(&mut scene);
            scene.publish();
            scene.refresh().is(words, &format!("{row}, {kind:?}"));
            assert_eq!(scene.trusted(), format!("root 1, {trusted}"), "{row}, {kind:?}");
        }
    }
}

fn next(scene: &mut Scene, role: &str) {
    scene.repository.edit(role);
}

fn forget(scene: &mut Scene, role: &str) {
    let snapshot = &mut scene.repository.edit("snapshot").signed;
    let meta = snapshot["meta"].as_object_mut().expect("an object");
    meta.remove(&format!("{role}.json")).expect("it was listed");
}

#[test]
fn new_keys_let_a_repository_start_again_from_low_versions() {
    for (role, replaced, recovers) in [
        ("timestamp", "timestamp", true),
        ("timestamp", "targets", false),
        ("snapshot", "snapshot", true),
        ("snapshot", "targets", false),
        ("targets", "snapshot", true),
        ("targets", "targets", false),
    ] {
        let row = format!("{role}, a new key of {replaced}");
        let mut scene = second(Entry::Full);
        restart_at(&mut scene, role, 1_000_000);
        scene.publish();
        scene.refresh().done();
        scene.repository.trust("root", replaced, &keys("n"), 1);
        restart_at(&mut scene, role, 1);
        if recovers && role == "targets" {
            // What a thief has listed may go too.
            forget(&mut scene, "docs");
        }
        scene.publish();
        let words = "goes back from version 1000000 to 1";
        scene.refresh().is(if recovers { "" } else { words }, &row);
        let trusted = scene.trusted();
        let starts_again = trusted.split(", ").any(|one| one == format!("{role} 1"));
        assert_eq!(starts_again, recovers, "{row}: {trusted}");
    }
}
