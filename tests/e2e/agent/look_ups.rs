//! The exact requests of look-ups and downloads, as [`super::refreshes`] for refreshes.

use notary_schema::key::sha256_hex;
use notary_tests::mirror::Reply;
use serde_json::json;

use super::repository::Repository;
use super::scene::Scene;

/// The requests of a refresh after which nothing has changed.
const WARM: [&str; 2] = ["2.root.json", "timestamp.json"];
/// The requests of a first refresh.
const COLD: [&str; 4] = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"];

/// The requests of a download from a mirror that has everything, after those of the refresh.
#[track_caller]
fn download(scene: &Scene, names: &[&str], refresh: &[&str]) -> Vec<String> {
    scene.publish();
    scene.download(names).done();
    after(scene, refresh)
}

#[track_caller]
fn after(scene: &Scene, refresh: &[&str]) -> Vec<String> {
    let asked = scene.asked();
    assert_eq!(asked[..refresh.len()], *refresh);
    asked[refresh.len()..].to_vec()
}

fn hashed(folder: &str, name: &str, content: &str) -> String {
    format!("targets/{folder}{}.{name}", sha256_hex(content.as_bytes()))
}

#[test]
fn a_delegated_role_is_asked_for_when_its_paths_cover_the_name() {
    let scene = Scene::new();
    assert_eq!(download(&scene, &["app.tgz"], &COLD), [hashed("", "app.tgz", "app")]);
    let guide = hashed("docs/", "guide.txt", "guide");
    assert_eq!(
        download(&scene, &["docs/guide.txt"], &WARM),
        ["1.docs.json".to_owned(), guide],
        "a stored role below another is not asked for"
    );
    assert_eq!(download(&scene, &["docs/guide.txt"], &WARM), [""; 0], "all of it is there");
}

#[test]
fn a_changed_role_is_asked_for_again_by_the_look_up_that_needs_it() {
    let mut scene = Scene::refreshed();
    scene.repository.list("docs", "docs/guide.txt", "GUIDE");
    scene.repository.release(&["docs"]);
    let refresh = ["2.root.json", "timestamp.json", "2.snapshot.json"];
    assert_eq!(download(&scene, &["app.tgz"], &refresh), [hashed("", "app.tgz", "app")]);
    assert_eq!(
        download(&scene, &["docs/guide.txt"], &WARM),
        ["2.docs.json".to_owned(), hashed("docs/", "guide.txt", "GUIDE")]
    );
}

#[test]
fn names_are_handled_in_their_order_and_share_what_was_read() {
    let mut scene = Scene::new();
    scene.repository.list("docs", "docs/more.txt", "more");
    let [guide, more, app] = [
        hashed("docs/", "guide.txt", "guide"),
        hashed("docs/", "more.txt", "more"),
        hashed("", "app.tgz", "app"),
    ];
    let docs = "1.docs.json".to_owned();
    assert_eq!(
        download(&scene, &["docs/more.txt", "app.tgz", "docs/guide.txt"], &COLD),
        [docs, more, app, guide]
    );
}

#[test]
fn the_first_failure_ends_a_download() {
    let scene = Scene::new();
    scene
        .download(&["docs/guide.txt", "docs/nothing", "app.tgz"])
        .refused("no trusted role lists the target \"docs/nothing\"");
    let asked = after(&scene, &COLD);
    assert_eq!(asked, ["1.docs.json".to_owned(), hashed("docs/", "guide.txt", "guide")]);
    let there = std::fs::read_dir(scene.path("targets")).expect("one was downloaded");
    assert_eq!(there.count(), 1);
}

#[test]
fn a_target_is_downloaded_when_it_is_not_there_as_it_is_listed() {
    let mut scene = Scene::refreshed();
    let file = scene.path("targets/docs%2Fguide.txt");
    let guide = [hashed("docs/", "guide.txt", "guide")];
    assert_eq!(download(&scene, &["docs/guide.txt"], &WARM), guide, "missing");
    assert_eq!(download(&scene, &["docs/guide.txt"], &WARM), [""; 0], "there already");
    std::fs::write(&file, b"GUIDE").expect("our own");
    assert_eq!(download(&scene, &["docs/guide.txt"], &WARM), guide, "changed here");
    scene.repository.list("docs", "docs/guide.txt", "longer guide");
    scene.repository.release(&["docs"]);
    let refresh = ["2.root.json", "timestamp.json", "2.snapshot.json", "2.docs.json"];
    let longer = hashed("docs/", "guide.txt", "longer guide");
    assert_eq!(download(&scene, &["docs/guide.txt"], &refresh), [longer], "changed there");
    assert_eq!(std::fs::read(&file).expect("the same name"), b"longer guide");
    assert_eq!(std::fs::read_dir(scene.path("targets")).expect("ours").count(), 1);
}

#[test]
fn a_target_that_the_mirror_does_not_have_is_asked_for_once() {
    let scene = Scene::refreshed();
    let guide = hashed("docs/", "guide.txt", "guide");
    scene.mirror.serve("targets/", &notary_tests::hand::Files::new());
    scene.download(&["docs/guide.txt"]).refused("answers 404");
    assert_eq!(after(&scene, &WARM), [guide]);
    assert_eq!(std::fs::read_dir(scene.path("targets")).expect("ours").count(), 0);
}

#[test]
fn without_consistent_snapshots_names_have_no_version_and_no_hash() {
    let scene = Scene::of(Repository::without_consistent_snapshots());
    let refresh = ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"];
    let asked = download(&scene, &["docs/guide.txt"], &refresh);
    assert_eq!(asked, ["docs.json", "targets/docs/guide.txt"]);
}

#[test]
fn downloaded_names_stay_in_the_directory() {
    let mut repository = Repository::new();
    for name in ["a/../../b", "../b", "/b", "%2e%2e/b", "ü ?#", "a/b"] {
        repository.list("targets", name, "content");
    }
    let scene = Scene::of(repository);
    // A mirror that has the file under every name that a client may ask for.
    let content = sha256_hex(b"content");
    for folder in ["", "%2F", "/", "%252e%252e/", "a/"] {
        for name in ["b", "%C3%BC%20%3F%23"] {
            let path = format!("targets/{folder}{content}.{name}");
            scene.mirror.answer(path, Reply::file(*b"content"));
        }
    }
    for name in ["a/../../b", "../b"] {
        scene.download(&[name]).refused("cannot stand in a URL or a file name");
    }
    scene.download(&["/b", "%2e%2e/b", "ü ?#", "a/b"]).done();
    let there = std::fs::read_dir(scene.path("targets")).expect("they were downloaded");
    let mut there: Vec<_> = there.map(|entry| entry.expect("ours").file_name()).collect();
    there.sort();
    assert_eq!(there, ["%252e%252e%2Fb", "%2Fb", "%C3%BC%20%3F%23", "a%2Fb"]);
    assert!(!scene.path("b").exists());
}

/// Delegations of `x/*`: targets → a → c, targets → b.
fn graph() -> Repository {
    let mut repository = Repository::new();
    for (from, to) in [("targets", "a"), ("targets", "b"), ("a", "c")] {
        repository.delegate(from, to, json!({"paths": ["x/*"]}));
    }
    repository
}

fn terminating(repository: &mut Repository, from: &str, to: &str) {
    let roles = repository.role(from).signed["delegations"]["roles"].as_array_mut();
    let mut roles = roles.expect("a list").iter_mut();
    roles.find(|role| role["name"] == to).expect("it is there")["terminating"] = json!(true);
}

#[test]
fn delegations_are_walked_in_their_order_depth_first() {
    let mut repository = graph();
    repository.list("b", "x/y", "y");
    let scene = Scene::of(repository);
    let y = hashed("x/", "y", "y");
    let asked = download(&scene, &["x/y"], &COLD);
    assert_eq!(asked, ["1.a.json", "1.c.json", "1.b.json", &y]);

    let mut repository = graph();
    repository.list("b", "x/y", "other");
    repository.list("a", "x/y", "y");
    let scene = Scene::of(repository);
    assert_eq!(download(&scene, &["x/y"], &COLD), ["1.a.json", &y], "the first one that lists it");
}

#[test]
fn a_terminating_delegation_ends_the_walk_after_what_is_below_it() {
    let mut repository = graph();
    repository.list("b", "x/y", "y");
    terminating(&mut repository, "targets", "a");
    let scene = Scene::of(repository);
    scene.download(&["x/y"]).refused("no trusted role lists the target \"x/y\"");
    assert_eq!(after(&scene, &COLD), ["1.a.json", "1.c.json"]);
}

#[test]
fn delegations_in_a_circle_are_walked_once() {
    let mut repository = graph();
    repository.list("b", "x/y", "y");
    let back = repository.role("targets").signed["delegations"]["roles"][1].clone();
    let keys = repository.role("targets").signed["delegations"]["keys"].clone();
    repository.role("c").signed["delegations"] = json!({"keys": keys, "roles": [back]});
    let scene = Scene::of(repository);
    let y = hashed("x/", "y", "y");
    let asked = download(&scene, &["x/y"], &COLD);
    assert_eq!(asked, ["1.a.json", "1.c.json", "1.b.json", &y]);
}

#[test]
fn of_hash_bins_the_one_of_the_name_is_asked_for() {
    let name = "x/y";
    let prefix = sha256_hex(name.as_bytes())[..1].to_owned();
    let y = hashed("x/", "y", "y");

    let mut repository = Repository::new();
    for digit in "0123456789abcdef".chars() {
        let bin = format!("bin-{digit}");
        repository.delegate("targets", &bin, json!({"path_hash_prefixes": [digit.to_string()]}));
    }
    repository.list(&format!("bin-{prefix}"), name, "y");
    let scene = Scene::of(repository);
    assert_eq!(download(&scene, &[name], &COLD), [format!("1.bin-{prefix}.json"), y.clone()]);

    let mut repository = Repository::new();
    for digit in "0123456789abcdef".chars() {
        repository.delegate("targets", &format!("bin-{digit}"), json!({"paths": ["unused"]}));
    }
    repository.list(&format!("bin-{prefix}"), name, "y");
    let delegations = &mut repository.role("targets").signed["delegations"];
    let keyids = delegations["roles"][1]["keyids"].clone();
    delegations.as_object_mut().expect("an object").remove("roles");
    delegations["succinct_roles"] =
        json!({"keyids": keyids, "threshold": 1, "bit_length": 4, "name_prefix": "bin"});
    let scene = Scene::of(repository);
    assert_eq!(download(&scene, &[name], &COLD), [format!("1.bin-{prefix}.json"), y]);
}

#[test]
fn delegated_roles_are_stored_and_asked_for_percent_encoded() {
    let mut repository = Repository::new();
    repository.delegate("targets", "a/ü", json!({"paths": ["x/*"]}));
    repository.list("a/ü", "x/y", "y");
    let scene = Scene::of(repository);
    scene.mirror.answer(
        "metadata/1.a%2F%C3%BC.json",
        Reply::file(scene.repository.metadata()["1.a/ü.json"].as_slice()),
    );
    scene.download(&["x/y"]).done();
    assert_eq!(after(&scene, &COLD), ["1.a%2F%C3%BC.json", &hashed("x/", "y", "y")]);
    let stored = scene.stored();
    assert_eq!(stored["a%2F%C3%BC.json"], scene.repository.metadata()["1.a/ü.json"]);
}

#[test]
fn all_known_hashes_of_a_target_must_agree_and_one_must_be_known() {
    let sha256 = sha256_hex(b"content");
    let sha512 = hex::encode(ring::digest::digest(&ring::digest::SHA512, b"content"));
    let zeros = |length: usize| "0".repeat(length);
    let mut repository = Repository::new();
    for (name, hashes) in [
        ("both", json!({"sha256": sha256, "sha512": sha512})),
        ("sha512", json!({"sha512": sha512})),
        ("unknown-beside", json!({"sha256": sha256, "blake3": "00"})),
        ("one-differs", json!({"sha256": sha256, "sha512": zeros(128)})),
        ("other-differs", json!({"sha256": zeros(64), "sha512": sha512})),
        ("unknown", json!({"blake3": "00"})),
    ] {
        repository.role("targets").signed["targets"][name] = json!({"length": 7, "hashes": hashes});
    }
    let scene = Scene::of(repository);
    for (hash, name) in [
        (&sha256, "both"),
        (&sha512, "sha512"),
        (&sha256, "unknown-beside"),
        (&sha256, "one-differs"),
        (&zeros(64), "other-differs"),
    ] {
        scene.mirror.answer(format!("targets/{hash}.{name}"), Reply::file(*b"content"));
    }
    scene.download(&["both", "sha512", "unknown-beside"]).done();
    for (name, hash) in [("one-differs", "its sha512 is"), ("other-differs", "its sha256 is")] {
        scene.download(&[name]).refused(hash);
    }
    scene.download(&["unknown"]).refused("no hash of a kind that is known here (sha256, sha512)");
    assert_eq!(std::fs::read_dir(scene.path("targets")).expect("ours").count(), 3);
}

#[test]
fn a_target_is_never_held_in_memory() {
    let content = vec![b'x'; 128 << 20];
    let mut repository = Repository::new();
    repository.role("targets").signed["targets"]["big"] = notary_tests::hand::target(&content);
    let scene = Scene::of(repository);
    scene.pin();
    let place = format!("targets/{}.big", sha256_hex(&content));
    scene.mirror.answer(place, Reply::file(content.as_slice()));
    let download = scene.download(&["big"]);
    assert!(download.peak_mib < 32, "{} MiB", download.peak_mib);
    download.done();
    let targets = format!("{}targets/", scene.mirror.url());
    let mut command = scene.user(&["pull", "acme/app", "big"]);
    command.args(["--targets-url", &targets, "-o", &scene.place("pulled")]);
    let pull = scene.run(command);
    assert!(pull.peak_mib < 32, "{} MiB", pull.peak_mib);
    pull.done();
    assert!(std::fs::read(scene.path("pulled")).expect("it is there") == content);
    // Whether it is there already is read in pieces too.
    let again = scene.download(&["big"]);
    assert!(again.peak_mib < 32, "{} MiB", again.peak_mib);
    again.done();
}

#[test]
fn the_commands_of_a_collection_ask_for_the_same() {
    let scene = Scene::new();
    scene.pin();
    scene.mirror.take_asked();
    scene.run(scene.user(&["lookup", "acme/app", "docs/guide.txt"])).done();
    assert_eq!(after(&scene, &COLD), ["1.docs.json"]);
    let guide = scene.path("guide");
    std::fs::write(&guide, b"guide").expect("our own");
    let guide = guide.display().to_string();
    scene.run(scene.user(&["verify", "acme/app", "docs/guide.txt", &guide])).done();
    assert_eq!(after(&scene, &WARM), [""; 0]);
    let pull = || {
        let targets = format!("{}targets/", scene.mirror.url());
        let mut command = scene.user(&["pull", "acme/app", "docs/guide.txt"]);
        command.args(["--targets-url", &targets, "-o", &scene.place("pulled")]);
        scene.run(command)
    };
    pull().done();
    assert_eq!(after(&scene, &WARM), [hashed("docs/", "guide.txt", "guide")]);
    pull().done();
    assert_eq!(after(&scene, &WARM), [""; 0], "what is there is not pulled again");
    scene.run(scene.user(&["list", "acme/app"])).done();
    assert_eq!(after(&scene, &WARM), [""; 0]);
}
