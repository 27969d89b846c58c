//! The exact requests of each kind of refresh, since others observe them. What is stored afterwards
//! is what was served, byte for byte.

use crate::scene::{Scene, key};

/// The requests of a refresh, which succeeds.
#[track_caller]
fn refresh(scene: &Scene) -> Vec<String> {
    scene.refresh().done();
    let stored = scene.stored();
    for role in ["root", "timestamp", "snapshot", "targets"] {
        let served = scene.repository.file(&scene.repository.file_name(role));
        assert!(stored[&format!("{role}.json")] == served, "{role} is not stored as it was served");
    }
    scene.asked()
}

#[test]
fn the_first_refresh_asks_for_four_files_and_the_next_for_two() {
    let scene = Scene::new();
    let first = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"];
    assert_eq!(refresh(&scene), first);
    assert_eq!(refresh(&scene), first[..2]);
}

#[test]
fn what_has_not_changed_is_not_asked_for() {
    let mut scene = Scene::refreshed();
    scene.publish();
    assert_eq!(refresh(&scene), ["2.root.json", "timestamp.json"], "a new timestamp only");
    scene.publish_anew(&["docs"]);
    assert_eq!(refresh(&scene), ["2.root.json", "timestamp.json", "2.snapshot.json"]);
    scene.publish_anew(&["targets"]);
    assert_eq!(
        refresh(&scene),
        ["2.root.json", "timestamp.json", "3.snapshot.json", "2.targets.json"]
    );
    assert_eq!(refresh(&scene), ["2.root.json", "timestamp.json"]);
}

#[test]
fn roots_are_walked_one_by_one() {
    let mut scene = Scene::refreshed();
    scene.publish_root();
    assert_eq!(refresh(&scene), ["2.root.json", "3.root.json", "timestamp.json"]);
    for new in ['a', 'b', 'c'] {
        scene.repository.trust("root", "root", &[key(new)], 1);
        scene.publish_root();
    }
    assert_eq!(
        refresh(&scene),
        ["3.root.json", "4.root.json", "5.root.json", "6.root.json", "timestamp.json"]
    );
    assert_eq!(refresh(&scene), ["6.root.json", "timestamp.json"]);
}

#[test]
fn a_new_key_of_an_online_role_makes_timestamp_and_snapshot_be_asked_for_and_no_other() {
    let mut scene = Scene::refreshed();
    scene.repository.trust("root", "timestamp", &[key('a')], 1);
    scene.publish();
    assert_eq!(
        refresh(&scene),
        ["2.root.json", "3.root.json", "timestamp.json", "1.snapshot.json"]
    );
    scene.repository.trust("root", "snapshot", &[key('b')], 1);
    scene.publish();
    assert_eq!(
        refresh(&scene),
        ["3.root.json", "4.root.json", "timestamp.json", "2.snapshot.json"]
    );
}

#[test]
fn without_consistent_snapshots_only_roots_have_versions_in_their_names() {
    let mut scene = Scene::with(|repository| repository.set_consistent(Some(false)));
    let first = ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"];
    assert_eq!(refresh(&scene), first);
    scene.publish_anew(&["targets"]);
    assert_eq!(refresh(&scene), first);
    assert_eq!(refresh(&scene), first[..2]);
}

#[test]
fn a_damaged_or_lost_file_is_asked_for_again() {
    let scene = Scene::refreshed();
    let all = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"];
    for (name, wanted) in [
        ("timestamp.json", &all[..2]),
        ("snapshot.json", &[all[0], all[1], all[2]]),
        ("targets.json", &[all[0], all[1], all[3]]),
    ] {
        std::fs::write(scene.path("metadata").join(name), b"{").expect("our own");
        assert_eq!(refresh(&scene), wanted, "damaged {name}");
        std::fs::remove_file(scene.path("metadata").join(name)).expect("it is there");
        assert_eq!(refresh(&scene), wanted, "lost {name}");
    }
}

#[test]
fn everything_goes_over_one_connection_and_tells_nothing_of_the_user() {
    let scene = Scene::new();
    scene.download(&["docs/guide.txt", "app.tgz"]).done();
    let asked = scene.mirror.take_asked();
    assert_eq!(asked.len(), 7);
    for request in asked {
        assert_eq!((request.method.as_str(), request.connection), ("GET", 0), "{request:?}");
        let told: Vec<&str> = request.headers.keys().map(String::as_str).collect();
        assert_eq!(told, ["accept", "accept-encoding", "host", "user-agent"]);
        assert_eq!(request.headers["accept-encoding"], "identity");
    }
}
