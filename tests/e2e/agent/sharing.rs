//! Several agents with one directory, and agents that are killed.

use std::process::Child;

use notary_tests::mirror::Reply;
use notary_tests::world::{STOP_VARIABLE, wait_for};

use crate::scene::{Scene, hashed, key, start};

#[track_caller]
fn all_done(children: Vec<Child>) {
    let ended = children.into_iter().map(|mut child| child.wait().expect("our child"));
    let failed: Vec<_> = ended.filter(|status| !status.success()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn eight_agents_share_a_metadata_directory() {
    let scene = Scene::new();
    all_done((0..8).map(|_| start(scene.download_command(&["docs/guide.txt"]))).collect());
    let stored: Vec<String> = scene.stored().into_keys().collect();
    assert_eq!(
        stored,
        ["docs.json", "root.json", "snapshot.json", "targets.json", "timestamp.json"]
    );
    let asked = scene.asked();
    let snapshots = asked.iter().filter(|name| *name == "1.snapshot.json").count();
    assert_eq!(snapshots, 1, "who waits finds what was stored: {asked:?}");
}

#[test]
fn eight_agents_share_a_trust_directory() {
    let scene = Scene::new();
    scene.pin();
    all_done((0..8).map(|_| start(scene.look_up("docs/guide.txt"))).collect());
    let asked = scene.asked();
    assert_eq!(asked.iter().filter(|name| *name == "1.docs.json").count(), 1, "{asked:?}");
}

#[test]
fn who_waits_too_long_for_another_is_told() {
    let scene = Scene::new();
    scene.pin();
    scene.answer("2.root.json", Reply::Silence);
    let mut slow = start(scene.look_up("app.tgz"));
    scene.wait_until_asked("2.root.json");
    let mut command = scene.look_up("app.tgz");
    command.args(["--timeout", "0"]);
    scene.run(command).fails(8, "is held by another notary process");
    slow.kill().expect("it waits");
    slow.wait().expect("our child");

    let mut slow = start(scene.command("refresh"));
    scene.wait_until_asked("2.root.json");
    let impatient = scene.run(scene.command("refresh --timeout 0"));
    impatient.refused("is held by another notary process");
    slow.kill().expect("it waits");
    slow.wait().expect("our child");

    // A lock ends with the process that held it.
    scene.mend();
    scene.refresh().done();
}

#[test]
fn a_download_does_not_keep_other_agents_waiting() {
    let scene = Scene::looked_up();
    let place = hashed("app.tgz", "app");
    scene.answer(&place, Reply::Silence);
    let mut slow = start(scene.download_command(&["app.tgz"]));
    scene.wait_until_asked(&place);
    scene.run(scene.command("refresh --timeout 60")).done();
    slow.kill().expect("it waits");
    slow.wait().expect("our child");
}

/// A client of version 1 before a repository whose next refresh stores and removes all it can: two
/// roots with other keys of timestamp and snapshot, and new versions of everything.
fn before_everything_changes() -> Scene {
    let mut scene = Scene::looked_up();
    for role in ["timestamp", "snapshot"] {
        scene.repository.trust("root", role, &[key('n')], 1);
        scene.publish_root();
    }
    scene.publish_anew(&["targets", "docs"]);
    scene
}

/// What the client has at the end, whatever happened on the way.
#[track_caller]
fn ends_well(scene: &Scene, what: &str) {
    scene.download(&["docs/guide.txt"]).done();
    let current = [
        ("root.json", "3.root.json"),
        ("timestamp.json", "timestamp.json"),
        ("snapshot.json", "2.snapshot.json"),
        ("targets.json", "2.targets.json"),
        ("docs.json", "2.docs.json"),
    ];
    let wanted =
        current.map(|(name, served)| (name.to_owned(), scene.repository.file(served).to_vec()));
    assert_eq!(scene.stored(), wanted.into(), "{what}");
}

#[test]
fn a_refresh_goes_on_after_a_kill_at_any_point() {
    let mut killed = 0;
    for point in ["written", "renamed", "removed"] {
        for time in 1.. {
            let scene = before_everything_changes();
            let what = format!("{point}:{time}");
            let mut command = scene.download_command(&["docs/guide.txt"]);
            command.env(STOP_VARIABLE, &what);
            let run = scene.run(command);
            ends_well(&scene, &what);
            if !run.was_killed() {
                run.done();
                break;
            }
            killed += 1;
        }
    }
    // Two roots under two names and four other files, each before and after it takes its name; for
    // each root two files and its first name are removed.
    assert_eq!(killed, 8 * 2 + 6);
}

#[test]
fn a_refresh_goes_on_after_a_kill_at_any_request() {
    let places = ["2.root.json", "3.root.json", "4.root.json", "timestamp.json"];
    let places = places.into_iter().chain(["2.snapshot.json", "2.targets.json", "2.docs.json"]);
    for name in places {
        let scene = before_everything_changes();
        scene.answer(name, Reply::Silence);
        let mut child = start(scene.download_command(&["docs/guide.txt"]));
        scene.wait_until_asked(name);
        child.kill().expect("it waits");
        child.wait().expect("our child");
        scene.mend();
        ends_well(&scene, name);
    }
}

#[test]
fn what_a_killed_download_left_is_removed_by_the_next() {
    let scene = Scene::looked_up();
    let place = hashed("app.tgz", "app");
    let half = Reply::wire(|stream| {
        std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nap")?;
        std::io::Read::read(stream, &mut [0]).map(drop)
    });
    scene.answer(&place, half);
    let mut child = start(scene.download_command(&["app.tgz"]));
    scene.wait_until_asked(&place);
    let names = || scene.downloaded_names();
    wait_for("a file that is half there", || (names().len() == 1).then_some(()));

    // A second download beside it leaves the first one alone.
    scene.download(&["docs/guide.txt"]).done();
    assert_eq!(names().len(), 2);

    child.kill().expect("it waits");
    child.wait().expect("our child");
    assert_eq!(names().len(), 2, "a killed process removes nothing");
    scene.mend();
    scene.download(&["app.tgz"]).done();
    assert_eq!(names(), ["app.tgz", "docs%2Fguide.txt"]);
}
