//! The exact requests of look-ups and downloads, as [`super::refreshes`] for refreshes.

use notary_schema::key::sha256_hex;
use notary_tests::hand::{HandKey, Repository, target};
use serde_json::json;

use super::{COLD, WARM, after, download};
use crate::scene::{Scene, hashed};

#[test]
fn a_delegated_role_is_asked_for_when_its_paths_cover_the_name() {
    let scene = Scene::new();
    assert_eq!(download(&scene, &["app.tgz"], &COLD), [hashed("app.tgz", "app")]);
    let guide = hashed("docs/guide.txt", "guide");
    assert_eq!(
        download(&scene, &["docs/guide.txt"], &WARM),
        ["1.docs.json".to_owned(), guide],
        "a stored role below another is not asked for"
    );
    assert_eq!(download(&scene, &["docs/guide.txt"], &WARM), [""; 0], "all of it is there");
}

#[test]
fn a_changed_role_is_asked_for_again_by_the_look_up_that_needs_it() {
    let mut scene = Scene::looked_up();
    scene.repository.add_target("docs", "docs/guide.txt", b"GUIDE");
    scene.publish();
    let refresh = ["2.root.json", "timestamp.json", "2.snapshot.json"];
    assert_eq!(download(&scene, &["app.tgz"], &refresh), [hashed("app.tgz", "app")]);
    assert_eq!(
        download(&scene, &["docs/guide.txt"], &WARM),
        ["2.docs.json".to_owned(), hashed("docs/guide.txt", "GUIDE")]
    );
}

/// A file system may not tell `Root.json` from `root.json`.
#[test]
fn a_role_that_is_called_like_a_top_level_role_has_a_file_of_its_own() {
    let scene = Scene::with(|repository| {
        repository.delegate_paths("targets", "Root", &["x/*"]);
        repository.add_target("Root", "x/y", b"y");
    });
    let asked = download(&scene, &["x/y"], &COLD);
    assert_eq!(asked, ["1.Root.json".to_owned(), hashed("x/y", "y")]);
    let stored = scene.stored();
    assert_eq!(stored["root.json"], scene.repository.root(1));
    assert_eq!(stored["%52oot.json"], scene.repository.file("1.Root.json"));
}

#[test]
fn without_consistent_snapshots_names_have_no_version_and_no_hash() {
    let scene = Scene::with(|repository| repository.set_consistent(Some(false)));
    let refresh = ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"];
    let asked = download(&scene, &["docs/guide.txt"], &refresh);
    assert_eq!(asked, ["docs.json", "targets/docs/guide.txt"]);
}

/// Delegations of `x/*`: targets → a → c, targets → b.
fn graph(edit: impl FnOnce(&mut Repository)) -> Scene {
    Scene::with(|repository| {
        for (from, to) in [("targets", "a"), ("targets", "b"), ("a", "c")] {
            repository.delegate_paths(from, to, &["x/*"]);
        }
        edit(repository);
    })
}

#[test]
fn delegations_are_walked_in_their_order_depth_first() {
    let y = hashed("x/y", "y");
    let scene = graph(|repository| {
        repository.add_target("b", "x/y", b"y");
    });
    let asked = download(&scene, &["x/y"], &COLD);
    assert_eq!(asked, ["1.a.json", "1.c.json", "1.b.json", &y]);

    let scene = graph(|repository| {
        repository.add_target("b", "x/y", b"other");
        repository.add_target("a", "x/y", b"y");
    });
    assert_eq!(download(&scene, &["x/y"], &COLD), ["1.a.json", &y], "the first one that lists it");
}

#[test]
fn a_terminating_delegation_ends_the_walk_after_what_is_below_it() {
    let scene = graph(|repository| {
        repository.add_target("b", "x/y", b"y");
        repository.undelegate("targets", "a");
        let terminating = json!({"paths": ["x/*"], "terminating": true});
        repository.delegate(("targets", "a"), 0, terminating, (&[HandKey::of("a")], 1));
    });
    scene.download(&["x/y"]).refused("no trusted role lists the target \"x/y\"");
    assert_eq!(after(&scene, &COLD), ["1.a.json", "1.c.json"]);
}

#[test]
fn delegations_in_a_circle_are_walked_once() {
    let scene = graph(|repository| {
        repository.add_target("b", "x/y", b"y");
        repository.delegate_paths("c", "a", &["x/*"]);
    });
    let y = hashed("x/y", "y");
    let asked = download(&scene, &["x/y"], &COLD);
    assert_eq!(asked, ["1.a.json", "1.c.json", "1.b.json", &y]);
}

#[test]
fn of_hash_bins_the_one_of_the_name_is_asked_for() {
    let name = "x/y";
    let prefix = sha256_hex(name.as_bytes())[..1].to_owned();
    let y = hashed("x/y", "y");

    let bin = format!("bin-{prefix}");
    let keys = (&[HandKey::of("bins")][..], 1);
    let divide: [fn(&mut Repository, _); 2] = [
        |repository, keys| {
            for digit in "0123456789abcdef".chars() {
                let prefix =
                    json!({"path_hash_prefixes": [digit.to_string()], "terminating": false});
                repository.delegate(("targets", &format!("bin-{digit}")), usize::MAX, prefix, keys);
            }
        },
        |repository, keys| drop(repository.delegate_to_bins("targets", ("bin", 4), keys)),
    ];
    for divide in divide {
        let scene = Scene::with(|repository| {
            divide(repository, keys);
            repository.add_target(&bin, name, b"y");
        });
        assert_eq!(download(&scene, &[name], &COLD), [format!("1.{bin}.json"), y.clone()]);
    }
}

#[test]
fn all_known_hashes_of_a_target_must_agree_and_one_must_be_known() {
    let sha256 = sha256_hex(b"content");
    let sha512 = hex::encode(ring::digest::digest(&ring::digest::SHA512, b"content"));
    let zeros = |length: usize| "0".repeat(length);
    let hashes = [
        ("both", json!({"sha256": sha256, "sha512": sha512})),
        ("sha512", json!({"sha512": sha512})),
        ("unknown-beside", json!({"sha256": sha256, "blake3": "00"})),
        ("one-differs", json!({"sha256": sha256, "sha512": zeros(128)})),
        ("other-differs", json!({"sha256": zeros(64), "sha512": sha512})),
        ("unknown", json!({"blake3": "00"})),
    ];
    let scene = Scene::with(|repository| {
        let targets = &mut repository.edit("targets").signed["targets"];
        for (name, hashes) in hashes {
            targets[name] = json!({"length": 7, "hashes": hashes});
        }
    });
    for (hash, name) in [
        (&sha256, "both"),
        (&sha512, "sha512"),
        (&sha256, "unknown-beside"),
        (&sha256, "one-differs"),
        (&zeros(64), "other-differs"),
    ] {
        scene.put(&format!("targets/{hash}.{name}"), b"content");
    }
    scene.download(&["both", "sha512", "unknown-beside"]).done();
    for (name, hash) in [("one-differs", "its sha512 is"), ("other-differs", "its sha256 is")] {
        scene.download(&[name]).refused(hash);
    }
    scene.download(&["unknown"]).refused("no hash of a kind that is known here (sha256, sha512)");
    assert_eq!(scene.downloaded_names(), ["both", "sha512", "unknown-beside"]);
}

#[test]
fn a_target_is_never_held_in_memory() {
    let content = vec![b'x'; 128 << 20];
    let scene = Scene::with(|repository| {
        repository.edit("targets").signed["targets"]["big"] = target(&content);
    });
    scene.pin();
    scene.put(&format!("targets/{}.big", sha256_hex(&content)), content.as_slice());
    let download = scene.download(&["big"]);
    assert!(download.peak_mib() < 16, "{} MiB", download.peak_mib());
    download.done();
    let pull = scene.run(scene.pull("big"));
    assert!(pull.peak_mib() < 16, "{} MiB", pull.peak_mib());
    pull.done();
    assert!(std::fs::read(scene.path("pulled")).expect("it is there") == content);
    // Whether it is there already is read in pieces too.
    let again = scene.download(&["big"]);
    assert!(again.peak_mib() < 16, "{} MiB", again.peak_mib());
    again.done();
}

#[test]
fn the_commands_of_a_collection_ask_for_the_same() {
    let scene = Scene::new();
    scene.pin();
    scene.run(scene.look_up("docs/guide.txt")).done();
    assert_eq!(after(&scene, &COLD), ["1.docs.json"]);
    std::fs::write(scene.path("guide"), b"guide").expect("our own");
    scene.run(scene.user("verify acme/app docs/guide.txt guide")).done();
    assert_eq!(after(&scene, &WARM), [""; 0]);
    scene.run(scene.pull("docs/guide.txt")).done();
    assert_eq!(after(&scene, &WARM), [hashed("docs/guide.txt", "guide")]);
    scene.run(scene.pull("docs/guide.txt")).done();
    assert_eq!(after(&scene, &WARM), [""; 0], "what is there is not pulled again");
    scene.run(scene.user("list acme/app")).done();
    assert_eq!(after(&scene, &WARM), [""; 0]);
}
