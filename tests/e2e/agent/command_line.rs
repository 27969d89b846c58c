//! What `notary client` promises to those who script it, one promise after another, with the exact
//! requests of each.

use notary_schema::key::sha256_hex;
use notary_tests::hand::Layout;
use notary_tests::mirror::Reply;
use notary_tests::world::Outcome;

use super::{COLD, WARM, after, download};
use crate::scene::{Scene, hashed};

/// `notary client …` with words of which `METADATA` and `TARGETS` are the URLs.
fn client(scene: &Scene, words: &str) -> Outcome {
    let words = words.replace("METADATA", &scene.metadata_url());
    scene.run(scene.user(&format!("client {}", words.replace("TARGETS", &scene.targets_url()))))
}

#[test]
fn options_stand_before_or_after_the_sub_command() {
    let options = [
        "--metadata-dir metadata",
        "--metadata-url METADATA",
        "--target-dir targets",
        "--target-base-url TARGETS",
        "--target-name app.tgz",
    ];
    for split in 0..=options.len() {
        let (before, after) = (options[..split].join(" "), options[split..].join(" "));
        let scene = Scene::new();
        client(&scene, &format!("{before} download {after}")).done();
        let app = hashed("app.tgz", "app");
        assert_eq!(scene.asked(), [&COLD[..], &[&app]].concat(), "{before} download {after}");
        assert_eq!(scene.downloaded_names(), ["app.tgz"]);
    }
    for split in 0..=2 {
        let (before, after) = (options[..split].join(" "), options[split..2].join(" "));
        let scene = Scene::new();
        client(&scene, &format!("{before} refresh {after}")).done();
        assert_eq!(scene.asked(), COLD, "{before} refresh {after}");
        std::fs::remove_dir_all(scene.path("metadata")).expect("it is there");
        client(&scene, &format!("{before} init root {after}")).done();
        assert_eq!(scene.asked(), [""; 0], "{before} init root {after}");
        assert_eq!(scene.stored()["root.json"], scene.repository.root(1));
    }
}

#[test]
fn init_asks_for_nothing_and_looks_at_nothing() {
    let scene = Scene::new();
    std::fs::write(scene.path("root"), b"no root at all").expect("our own");
    scene.run(scene.command("init root")).done();
    assert_eq!(scene.asked(), [""; 0]);
    assert_eq!(scene.stored()["root.json"], b"no root at all");
    scene.refresh().refused("root.json is damaged");
    assert_eq!(scene.asked(), [""; 0], "without a root nobody is asked");
}

#[test]
fn names_are_handled_in_their_order_and_share_what_was_read() {
    let scene = Scene::with(|repository| {
        repository.add_target("docs", "docs/more.txt", b"more");
    });
    let [guide, more, app] = [
        hashed("docs/guide.txt", "guide"),
        hashed("docs/more.txt", "more"),
        hashed("app.tgz", "app"),
    ];
    let docs = "1.docs.json".to_owned();
    assert_eq!(
        download(&scene, &["docs/more.txt", "app.tgz", "docs/guide.txt"], &COLD),
        [docs, more, app, guide]
    );
}

#[test]
fn names_stand_on_both_sides_of_the_sub_command_and_may_repeat() {
    let scene = Scene::new();
    let names = "--target-name docs/guide.txt --target-name app.tgz";
    let words = "--metadata-dir metadata --metadata-url METADATA --target-name app.tgz download";
    let places = "--target-dir targets --target-base-url TARGETS";
    client(&scene, &format!("{words} {names} {places}")).done();
    let (app, guide) = (hashed("app.tgz", "app"), hashed("docs/guide.txt", "guide"));
    assert_eq!(after(&scene, &COLD), [&app, "1.docs.json", &guide], "each is asked for once");
}

#[test]
fn the_first_failure_ends_a_download() {
    let (app, guide) = (hashed("app.tgz", "app"), hashed("docs/guide.txt", "guide"));
    let missing = || Reply::status("404 Not Found");
    for (row, name, answered, words) in [
        ("not listed", "docs/none", None, "no trusted role lists the target \"docs/none\""),
        ("no role", "docs/guide.txt", Some(("1.docs.json", missing())), "has no 1.docs.json"),
        ("no file", "docs/guide.txt", Some((&guide, missing())), "answers 404"),
        ("another", "docs/guide.txt", Some((&guide, Reply::file(*b"GUIDE"))), "not the listed one"),
    ] {
        let scene = Scene::with(|repository| {
            repository.add_target("targets", "last", b"last");
        });
        let mut wanted = vec![app.as_str(), "1.docs.json"];
        if let Some((place, reply)) = answered {
            scene.answer(place, reply);
            wanted.extend(Some(place).filter(|place| *place == guide));
        }
        scene.download(&["app.tgz", name, "last"]).is(words, row);
        assert_eq!(after(&scene, &COLD), wanted, "{row}");
        assert_eq!(scene.downloaded_names(), ["app.tgz"], "{row}");
    }
}

#[test]
fn a_usage_error_ends_in_1_and_help_in_0_and_neither_asks_for_anything() {
    let scene = Scene::new();
    let before = scene.stored();
    for words in [
        "",
        "update",
        "init",
        "init missing",
        "refresh",
        "refresh now --metadata-dir metadata --metadata-url METADATA",
        "refresh --metadata-dir metadata",
        "refresh --metadata-url METADATA",
        "refresh --metadata-dir metadata --metadata-url METADATA --nothing",
        "refresh --metadata-dir metadata --metadata-url METADATA --timeout soon",
        "refresh --metadata-dir metadata --metadata-url nowhere",
        "refresh --metadata-dir nowhere --metadata-url METADATA",
        "download --metadata-dir metadata --metadata-url METADATA",
        "download --metadata-dir metadata --metadata-url METADATA --target-dir targets \
         --target-base-url TARGETS",
        "download --metadata-dir metadata --metadata-url METADATA --target-dir targets \
         --target-name app.tgz",
        "download --metadata-dir metadata --metadata-url METADATA --target-base-url TARGETS \
         --target-name app.tgz",
        "download --metadata-dir metadata --metadata-url METADATA --target-dir metadata \
         --target-base-url TARGETS --target-name app.tgz",
    ] {
        assert_eq!(client(&scene, words).code(), 1, "{words}");
        assert_eq!(scene.asked(), [""; 0], "{words}");
        assert_eq!(scene.stored(), before, "{words}");
    }
    for words in ["--help", "help download", "init --help"] {
        assert_eq!(client(&scene, words).code(), 0, "{words}");
        assert_eq!(scene.asked(), [""; 0], "{words}");
    }
}

/// Files that no writer of ours would write so: whoever stores them stores what came.
#[test]
fn trusted_files_have_encoded_names_and_the_bytes_that_came() {
    let scene = Scene::with(|repository| {
        repository.delegate_paths("targets", "a/ü", &["x/*"]);
        repository.add_target("a/ü", "x/y", b"y");
        for role in repository.roles() {
            repository.edit(&role).layout = Layout::Pretty;
        }
    });
    let asked = download(&scene, &["x/y"], &COLD);
    assert_eq!(asked, ["1.a%2F%C3%BC.json", &hashed("x/y", "y")]);
    let file = |role: &str, name: &str| {
        let served = scene.repository.file(&scene.repository.file_name(role));
        (name.to_owned(), served.to_vec())
    };
    let all = [
        file("root", "root.json"),
        file("timestamp", "timestamp.json"),
        file("snapshot", "snapshot.json"),
        file("targets", "targets.json"),
        file("a/ü", "a%2F%C3%BC.json"),
    ];
    assert_eq!(scene.stored(), all.into());
}

#[test]
fn a_target_is_downloaded_when_it_is_not_there_as_it_is_listed() {
    let mut scene = Scene::looked_up();
    let file = scene.path("targets/docs%2Fguide.txt");
    let guide = [hashed("docs/guide.txt", "guide")];
    assert_eq!(download(&scene, &["docs/guide.txt"], &WARM), guide, "missing");
    assert_eq!(download(&scene, &["docs/guide.txt"], &WARM), [""; 0], "there already");
    std::fs::write(&file, b"GUIDE").expect("our own");
    assert_eq!(download(&scene, &["docs/guide.txt"], &WARM), guide, "changed here");
    scene.repository.add_target("docs", "docs/guide.txt", b"longer guide");
    scene.publish();
    let refresh = ["2.root.json", "timestamp.json", "2.snapshot.json", "2.docs.json"];
    let longer = hashed("docs/guide.txt", "longer guide");
    assert_eq!(download(&scene, &["docs/guide.txt"], &refresh), [longer], "changed there");
    assert_eq!(std::fs::read(&file).expect("the same name"), b"longer guide");
    assert_eq!(scene.downloaded().len(), 1);
}

#[test]
fn a_target_that_the_mirror_does_not_have_is_asked_for_once() {
    let scene = Scene::looked_up();
    let guide = hashed("docs/guide.txt", "guide");
    scene.answer(&guide, Reply::status("404 Not Found"));
    scene.download(&["docs/guide.txt"]).refused("answers 404");
    assert_eq!(after(&scene, &WARM), [guide]);
    assert_eq!(scene.downloaded_names(), [""; 0]);
}

#[test]
fn downloaded_names_stay_in_the_directory() {
    let taken = ["/b", "%2e%2e/b", "..b", "a/b", "ü ?#"];
    let refused = ["a/../../b", "../b", "..", "."];
    let scene = Scene::with(|repository| {
        for name in taken.into_iter().chain(refused) {
            repository.add_target("targets", name, b"content");
        }
    });
    let content = sha256_hex(b"content");
    scene.download(&taken).done();
    let asked = ["/HASH.b", "%252e%252e/HASH.b", "HASH...b", "a/HASH.b", "HASH.%C3%BC%20%3F%23"];
    let asked = asked.map(|place| format!("targets/{}", place.replace("HASH", &content)));
    assert_eq!(after(&scene, &COLD), asked);
    let names = ["%252e%252e%2Fb", "%2Fb", "%C3%BC%20%3F%23", "..b", "a%2Fb"];
    assert_eq!(scene.downloaded_names(), names);
    for name in refused {
        scene.download(&[name]).refused("cannot stand in a URL or a file name");
        assert_eq!(after(&scene, &WARM), [""; 0], "{name}");
    }
    assert_eq!(scene.downloaded_names(), names);
    assert!(!scene.path("b").exists());
}
