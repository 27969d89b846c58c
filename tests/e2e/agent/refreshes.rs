//! The exact requests of each kind of refresh, since others observe them. What is stored afterwards
//! is what was served, byte for byte.

use notary_tests::hand::HandKey;
use serde_json::json;

use super::repository::Repository;
use super::scene::Scene;

/// The requests of a refresh, which succeeds.
#[track_caller]
fn refresh(scene: &Scene) -> Vec<String> {
    scene.publish();
    scene.refresh().done();
    let (files, stored) = (scene.repository.metadata(), scene.stored());
    for name in ["root.json", "timestamp.json", "snapshot.json", "targets.json"] {
        let served = files.values().any(|file| stored.get(name) == Some(file));
        assert!(served, "{name} is not stored as it was served");
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
    scene.repository.refresh_timestamp();
    assert_eq!(refresh(&scene), ["2.root.json", "timestamp.json"], "a new timestamp only");
    scene.repository.release(&["docs"]);
    assert_eq!(refresh(&scene), ["2.root.json", "timestamp.json", "2.snapshot.json"]);
    scene.repository.release(&["targets"]);
    assert_eq!(
        refresh(&scene),
        ["2.root.json", "timestamp.json", "3.snapshot.json", "2.targets.json"]
    );
    assert_eq!(refresh(&scene), ["2.root.json", "timestamp.json"]);
}

#[test]
fn roots_are_walked_one_by_one() {
    let mut scene = Scene::refreshed();
    scene.repository.rotate_root(|_| {});
    assert_eq!(refresh(&scene), ["2.root.json", "3.root.json", "timestamp.json"]);
    for seed in 20..23 {
        let key = HandKey::ed25519(seed);
        scene.repository.rotate_root(|root| trust(root, "root", &key));
    }
    assert_eq!(
        refresh(&scene),
        ["3.root.json", "4.root.json", "5.root.json", "6.root.json", "timestamp.json"]
    );
    assert_eq!(refresh(&scene), ["6.root.json", "timestamp.json"]);
}

/// Lets a root name this key alone for a role. A root that does so for itself is signed with it.
fn trust(root: &mut notary_tests::hand::Part, role: &str, key: &HandKey) {
    root.signed["keys"][key.id()] = key.object().clone();
    root.signed["roles"][role] = json!({"keyids": [key.id()], "threshold": 1});
    if role == "root" {
        root.signers = vec![key.clone()];
    }
}

#[test]
fn a_new_key_of_an_online_role_makes_its_file_be_asked_for_and_no_other() {
    let mut scene = Scene::refreshed();
    let key = HandKey::ed25519(20);
    scene.repository.rotate_root(|root| trust(root, "timestamp", &key));
    scene.repository.timestamp.signers = vec![key];
    assert_eq!(refresh(&scene), ["2.root.json", "3.root.json", "timestamp.json"]);
    let key = HandKey::ed25519(21);
    scene.repository.rotate_root(|root| trust(root, "snapshot", &key));
    scene.repository.snapshot.signers = vec![key];
    scene.repository.release(&[]);
    assert_eq!(
        refresh(&scene),
        ["3.root.json", "4.root.json", "timestamp.json", "2.snapshot.json"]
    );
}

#[test]
fn without_consistent_snapshots_only_roots_have_versions_in_their_names() {
    let mut scene = Scene::of(Repository::without_consistent_snapshots());
    let first = ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"];
    assert_eq!(refresh(&scene), first);
    scene.repository.release(&["targets"]);
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
fn init_asks_for_nothing_and_looks_at_nothing() {
    let scene = Scene::new();
    std::fs::write(scene.path("root"), b"no root at all").expect("our own");
    scene.client(&["--metadata-url", "http://127.0.0.1:1/", "init", &scene.place("root")]).done();
    assert_eq!(scene.asked(), [""; 0]);
    assert_eq!(scene.stored()["root.json"], b"no root at all");
    scene.refresh().refused("root.json is damaged");
    assert_eq!(scene.asked(), [""; 0], "without a root nobody is asked");
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
