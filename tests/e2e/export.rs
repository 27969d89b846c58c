//! Does a plain web server serve an export to any client, whenever it is asked?

use std::fs;
use std::path::{Path, PathBuf};

use notary_tests::agent::Verdict;
use notary_tests::hand::{Entry, Files};
use notary_tests::judge::{self, NgClient, Question};
use notary_tests::mirror::Mirror;
use notary_tests::world::STOP_VARIABLE;

use crate::release::{Release, TARGETS};
use crate::scene::{Scene, key};

fn all(targets: &[(&str, u64)]) -> Verdict {
    targets.iter().map(|(name, length)| ((*name).to_owned(), Ok(*length))).collect()
}

/// The files below a directory, but for the lock.
fn exported(directory: &Path) -> Files {
    let (mut files, mut waiting) = (Files::new(), vec![directory.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).expect("an exported directory") {
            let path = entry.expect("its entry").path();
            let name = path.strip_prefix(directory).expect("it is below").display().to_string();
            match path.is_dir() {
                true => waiting.push(path),
                false if name == ".lock" => {}
                false => drop(files.insert(name, fs::read(path).expect("an exported file"))),
            }
        }
    }
    files
}

/// What a client is asked that starts from the first root of an export.
fn question(directory: &Path, mirror: &Mirror, names: &[&str]) -> Question {
    Question {
        root: fs::read(directory.join("1.root.json")).expect("every export has its roots"),
        metadata_url: mirror.url(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        targets_url: None,
    }
}

#[test]
fn every_client_reads_an_export_and_the_next_one() {
    let release = Release::publish();
    let agent = release.agent("mirror");
    let directory = release.world.directory().join("site");
    let export = || agent.notary("export acme/app ../site --json").json();
    let first = export();
    assert_eq!((&first["files"], &first["written"]), (&5.into(), &5.into()), "{first}");
    let mirror = Mirror::of(&directory);
    let lengths = TARGETS.map(|(name, content)| (name, content.len() as u64));
    let names = TARGETS.map(|(name, _)| name);
    let (mut python, kept) = (NgClient::start(), release.world.directory().join("ngclient"));
    fs::create_dir(&kept).expect("a new directory");
    let asked = question(&directory, &mirror, &names);
    assert_eq!(python.ask_again(&asked, &kept), all(&lengths));
    assert_eq!(judge::tough(&asked), all(&lengths));

    // Another root, another key of the timestamp, another target: clients of both states follow.
    release.manager.notary("rotate acme/app timestamp").done();
    release.team.file("more", "more");
    release.team.notary("add acme/app docs/more more --publish").done();
    let before = exported(&directory);
    let second = export();
    assert_eq!((&second["files"], &second["written"]), (&6.into(), &4.into()), "{second}");
    let after = exported(&directory);
    let changed = before.iter().filter(|(name, file)| after.get(*name) != Some(file));
    assert_eq!(changed.map(|(name, _)| name).collect::<Vec<_>>(), ["timestamp.json"]);
    let asked = question(&directory, &mirror, &[&names[..], &["docs/more"]].concat());
    let lengths = [&lengths[..], &[("docs/more", 4)]].concat();
    assert_eq!(python.ask_again(&asked, &kept), all(&lengths));
    assert_eq!(python.ask(&asked), all(&lengths));
    assert_eq!(judge::tough(&asked), all(&lengths));
    let client = release.world.stranger("client");
    client.file("root", &asked.root);
    let line = format!("client --metadata-dir metadata --metadata-url {}", mirror.url());
    client.notary(&format!("{line} init root")).done();
    client.notary(&format!("{line} refresh")).done();

    // Byte for byte as they are served.
    let http = release.world.http(None);
    for (name, file) in &after {
        assert_eq!(http.get(&format!("/v2/acme/app/_trust/tuf/{name}")).body, *file, "{name}");
    }
    assert_eq!(export()["written"], 0);
}

/// A scene whose user has pinned the root.
fn pinned(edit: impl FnOnce(&mut notary_tests::hand::Repository)) -> (Scene, PathBuf) {
    let scene = Scene::with(edit);
    scene.pin();
    let site = scene.path("site");
    (scene, site)
}

const EXPORT: &str = "export acme/app site";

#[test]
fn clients_read_an_export_that_was_killed_at_any_point() {
    let mut python = NgClient::start();
    let mut killed = 0;
    for point in ["written", "renamed"] {
        for time in 1.. {
            let (mut scene, site) = pinned(|_| {});
            scene.run(scene.user(EXPORT)).done();
            let (mirror, kept) = (Mirror::of(&site), scene.path("python"));
            fs::create_dir(&kept).expect("a new directory");
            let names = ["app.tgz", "docs/guide.txt"];
            let wanted = all(&[(names[0], 3), (names[1], 5)]);
            assert_eq!(python.ask_again(&question(&site, &mirror, &names), &kept), wanted);
            scene.repository.trust("root", "timestamp", &[key('n')], 1);
            scene.publish_root();
            scene.publish_anew(&["targets", "docs"]);
            // What the user trusts is stored by then.
            scene.run(scene.user("list acme/app")).done();
            let mut command = scene.user(EXPORT);
            command.env(STOP_VARIABLE, format!("{point}:{time}"));
            let run = scene.run(command);
            let is_killed = run.was_killed();
            let question = question(&site, &mirror, &names);
            // The new root trusts another key, and its timestamp is not there yet.
            let is_torn = is_killed && [("renamed", 4), ("written", 5)].contains(&(point, time));
            match is_torn {
                true => assert!(python.ask(&question).values().all(Result::is_err)),
                false => assert_eq!(python.ask(&question), wanted, "{point}:{time}"),
            }
            scene.run(scene.user(EXPORT)).done();
            assert_eq!(python.ask_again(&question, &kept), wanted, "{point}:{time}");
            assert_eq!(python.ask(&question), wanted, "{point}:{time}");
            if !is_killed {
                break;
            }
            killed += 1;
        }
    }
    assert_eq!(killed, 5 * 2, "root, two roles, snapshot and timestamp");
}

#[test]
fn names_of_foreign_roles_are_found_as_clients_request_them() {
    let (scene, site) = pinned(|repository| {
        repository.delegate_paths("targets", "tëam a/b%20", &["team/*"]);
        repository.add_target("tëam a/b%20", "team/x", b"team");
    });
    scene.run(scene.user(EXPORT)).done();
    assert!(site.join("1.tëam a/b%20.json").is_file());
    let mirror = Mirror::of(&site);
    let names = ["app.tgz", "docs/guide.txt", "team/x"];
    let wanted = all(&[(names[0], 3), (names[1], 5), (names[2], 4)]);
    let question = question(&site, &mirror, &names);
    assert_eq!(NgClient::start().ask(&question), wanted);
    assert_eq!(judge::tough(&question), wanted);
}

#[test]
fn no_role_is_written_outside_of_the_directory() {
    let (scene, site) = pinned(|repository| {
        repository.delegate_paths("targets", "x/../../../out", &["x/*"]);
    });
    scene.run(scene.user(EXPORT)).fails(1, "no web server can have a file for the role");
    assert!(!site.join("timestamp.json").exists() && !scene.path("out.json").exists());
}

/// A role that nobody delegates to any more stays listed: clients that hold an older targets file ask
/// for it.
#[test]
fn a_listed_file_without_a_delegator_is_exported_by_its_hash() {
    for entry in [Entry::Full, Entry::Length] {
        let (mut scene, site) = pinned(|repository| repository.describe("docs", entry));
        scene.repository.undelegate("targets", "docs");
        scene.publish();
        let exported = scene.run(scene.user(EXPORT));
        let file = std::fs::read(site.join("1.docs.json")).ok();
        match entry {
            Entry::Full => {
                exported.done();
                assert_eq!(file.as_deref(), Some(scene.repository.file("1.docs.json")));
                // Another file than the listed one is none of the collection.
                fs::remove_dir_all(&site).expect("it was exported");
                scene.put("1.docs.json", scene.repository.file("1.targets.json").to_vec());
                scene.run(scene.user(EXPORT)).fails(1, "docs.json and 0 others are not exported");
                assert!(!site.join("1.docs.json").exists() && site.join("timestamp.json").exists());
            }
            _ => {
                exported.fails(1, "docs.json and 0 others are not exported");
                assert_eq!(file, None);
            }
        }
    }
}

#[test]
fn an_export_replaces_nothing_that_clients_have_seen() {
    let (mut scene, site) = pinned(|_| {});
    let export = |scene: &Scene| scene.run(scene.user(EXPORT));
    fs::create_dir(&site).expect("a new directory");
    fs::write(site.join("index.html"), "a site").expect("a new file");
    export(&scene).fails(2, "holds other files than those of the collection");
    assert_eq!(exported(&site).into_keys().collect::<Vec<_>>(), ["index.html"]);
    fs::remove_file(site.join("index.html")).expect("it is there");
    export(&scene).done();

    // Beside an export anything may stand.
    fs::write(site.join("index.html"), "a site").expect("a new file");
    let older = exported(&site);
    scene.publish_anew(&["docs"]);
    export(&scene).done();
    let newer = exported(&site);
    fs::write(site.join("2.docs.json"), "another").expect("it is there");
    export(&scene).fails(3, "2.docs.json is another file than that of the collection");
    fs::write(site.join("2.docs.json"), &newer["2.docs.json"]).expect("it is there");

    // Another machine that is shown an older state.
    let (late, _) = pinned(|_| {});
    fs::rename(&site, late.path("site")).expect("one file system");
    let site = late.path("site");
    for (name, file) in older.iter().filter(|(name, _)| name.ends_with(".json")) {
        late.put(name, file.clone());
        fs::write(late.path("root"), &older["1.root.json"]).expect("it is there");
    }
    late.run(late.user("trust remove acme/app --yes")).done();
    late.pin();
    export(&late).fails(3, "timestamp.json has version 2, the collection 1");
    assert_eq!(exported(&site), newer);
    fs::write(site.join("timestamp.json"), "{").expect("it is there");
    export(&late).fails(8, "timestamp.json is damaged");
}

#[test]
fn files_without_a_version_in_their_name_are_replaced() {
    let (mut scene, site) = pinned(|repository| repository.set_consistent(Some(false)));
    scene.run(scene.user(EXPORT)).done();
    let mirror = Mirror::of(&site);
    let mut python = NgClient::start();
    for length in [5, 6] {
        let question = question(&site, &mirror, &["docs/guide.txt"]);
        assert_eq!(python.ask(&question), all(&[("docs/guide.txt", length)]));
        assert_eq!(judge::tough(&question), all(&[("docs/guide.txt", length)]));
        scene.repository.add_target("docs", "docs/guide.txt", b"guides");
        scene.publish();
        scene.run(scene.user(EXPORT)).done();
    }
    let names: Vec<String> = exported(&site).into_keys().collect();
    assert_eq!(
        names,
        ["1.root.json", "docs.json", "snapshot.json", "targets.json", "timestamp.json"]
    );
}
