//! What is asked for again, and what never is; how long all of it may take.

use std::io::Write;
use std::time::{Duration, Instant};

use notary_tests::mirror::Reply;

use crate::scene::{Scene, hashed};

#[test]
fn not_found_and_forbidden_end_the_walk_along_the_roots() {
    let scene = Scene::looked_up();
    for missing in ["404 Not Found", "403 Forbidden"] {
        scene.answer("2.root.json", Reply::status(missing));
        scene.refresh().done();
        assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"], "{missing}");
    }
}

#[test]
fn no_other_answer_ends_the_walk_along_the_roots() {
    let scene = Scene::looked_up();
    let before = scene.stored();
    for (what, reply, tries) in [
        ("400", Reply::status("400 Bad Request"), 1..=1),
        ("401", Reply::status("401 Unauthorized"), 1..=1),
        ("410", Reply::status("410 Gone"), 1..=1),
        ("429", Reply::status("429 Too Many Requests"), 2..=8),
        ("500", Reply::status("500 Internal Server Error"), 2..=8),
        ("503", Reply::status("503 Service Unavailable"), 2..=8),
        ("no answer", Reply::hang_up(), 2..=8),
        ("silence", Reply::Silence, 1..=1),
    ] {
        scene.answer("2.root.json", reply);
        // Not long, for what may get better.
        scene.run(scene.command("refresh --timeout 3")).refused("2.root.json");
        let asked = scene.asked();
        assert!(asked.iter().all(|name| name == "2.root.json"), "{what}: {asked:?}");
        assert!(tries.contains(&asked.len()), "{what}: {asked:?}");
        assert_eq!(scene.stored(), before, "{what}");
    }
}

#[test]
fn what_may_pass_is_asked_for_again() {
    let scene = Scene::looked_up();
    let good = Reply::file(scene.repository.file("timestamp.json"));
    for (what, passing) in [
        ("500", Reply::status("500 Internal Server Error")),
        ("502", Reply::status("502 Bad Gateway")),
        ("429", Reply::status("429 Too Many Requests\r\nretry-after: 0")),
        ("no answer", Reply::hang_up()),
        ("broken off", Reply::cut_off(b"{", 100)),
    ] {
        scene.answer("timestamp.json", Reply::Turns(vec![passing, good.clone()]));
        scene.refresh().done();
        assert_eq!(
            scene.asked(),
            ["2.root.json", "timestamp.json", "timestamp.json"],
            "after {what}"
        );
    }
}

#[test]
fn what_does_not_pass_is_asked_for_eight_times() {
    let scene = Scene::looked_up();
    scene.answer("2.root.json", Reply::hang_up());
    scene.refresh().refused("2.root.json could not be reached");
    assert_eq!(scene.asked(), ["2.root.json"; 8]);
    let busy = Reply::status("503 Service Unavailable\r\nretry-after: 0");
    scene.answer("2.root.json", busy.clone());
    scene.refresh().refused("2.root.json answers 503");
    assert_eq!(scene.asked(), ["2.root.json"; 8]);

    // A command of a collection outlives a server that is away for longer.
    scene.pin();
    let again = [vec![busy; 8], vec![Reply::status("404 Not Found")]].concat();
    scene.answer("2.root.json", Reply::Turns(again));
    scene.run(scene.look_up("app.tgz")).done();
}

#[test]
fn a_retry_after_is_obeyed() {
    let scene = Scene::looked_up();
    let good = Reply::file(scene.repository.file("timestamp.json"));
    let busy = Reply::status("503 Service Unavailable\r\nretry-after: 1");
    scene.answer("timestamp.json", Reply::Turns(vec![busy, good]));
    scene.refresh().done();
    let asked = scene.mirror.take_asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].at - asked[1].at >= Duration::from_secs(1));
}

#[test]
fn what_will_not_get_better_is_asked_for_once() {
    let mut scene = Scene::looked_up();
    scene.publish_anew(&["targets"]);
    for (what, reply) in [
        ("missing", Reply::status("404 Not Found")),
        ("forbidden", Reply::status("403 Forbidden")),
        ("not signed", Reply::file(*b"{}")),
        ("too long", Reply::file(vec![b' '; (1 << 20) + 1])),
        ("packed", Reply::status("200 OK\r\ncontent-encoding: gzip")),
        ("a redirect", Reply::status("302 Found\r\nlocation: http://127.0.0.1:1/")),
    ] {
        scene.answer("timestamp.json", reply);
        scene.refresh().refused("");
        assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"], "{what}");
    }
}

#[test]
fn a_redirect_within_the_origin_is_followed() {
    let scene = Scene::looked_up();
    scene.answer("timestamp.json", Reply::status("302 Found\r\nlocation: elsewhere/file"));
    scene.put("elsewhere/file", scene.repository.file("timestamp.json"));
    scene.refresh().done();
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json", "elsewhere/file"]);
}

#[test]
fn plain_http_reaches_other_machines_only_where_that_is_allowed() {
    let scene = Scene::looked_up();
    // This machine by an address that is not known to be it.
    let url = scene.metadata_url().replace("127.0.0.1", "0.0.0.0");
    let refresh = format!("client --metadata-dir metadata --metadata-url {url} refresh");
    let refused = scene.run(scene.user(&refresh));
    refused.refused("is neither https:// nor http:// on loopback");
    assert_eq!(scene.asked(), [""; 0]);
    scene.run(scene.user(&format!("{refresh} --allow-http"))).done();
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"]);
}

#[test]
fn a_redirect_to_another_host_is_followed_where_that_is_allowed() {
    let scene = Scene::looked_up();
    let place = hashed("app.tgz", "app");
    let elsewhere = scene.mirror.url().replace("127.0.0.1", "localhost");
    let away = Reply::status(&format!("302 Found\r\nlocation: {elsewhere}cdn/app"));
    scene.answer(&place, away);
    scene.mirror.answer("cdn/app", Reply::file(*b"app"));
    scene.download(&["app.tgz"]).refused("or allow the other host with --redirect-host");
    scene.asked();
    let mut command = scene.download_command(&["app.tgz"]);
    command.args(["--redirect-host", "localhost"]);
    scene.run(command).done();
    assert_eq!(scene.asked()[2..], [place, "cdn/app".to_owned()]);
}

/// Replicas of a server may be a moment apart.
#[test]
fn an_older_timestamp_of_another_replica_is_asked_for_again_after_a_second() {
    let mut scene = Scene::looked_up();
    let old = Reply::file(scene.repository.file("timestamp.json"));
    scene.publish();
    scene.refresh().done();
    scene.asked();
    let new = scene.repository.file("timestamp.json").to_vec();

    scene.answer("timestamp.json", Reply::Turns(vec![old.clone(), Reply::file(new.clone())]));
    scene.refresh().done();
    let asked = scene.mirror.take_asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[2].at - asked[1].at >= Duration::from_secs(1));

    scene.answer("timestamp.json", old);
    scene.refresh().refused("timestamp goes back from version 2 to 1");
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json", "timestamp.json"]);
    assert_eq!(scene.stored()["timestamp.json"], new);
}

/// A mirror may be slow with one file, not with each of many.
#[test]
fn a_mirror_that_is_slow_with_every_file_is_given_up_and_one_that_was_slow_once_is_not() {
    const TIMEOUT: Duration = Duration::from_secs(6);
    const LATE: Duration = Duration::from_secs(4);
    let mut scene = Scene::looked_up();
    (2..=9).for_each(|_| scene.publish_root());
    let serve = |version: u64, pause: Duration| {
        let file = scene.repository.root(version).to_vec();
        let reply = Reply::wire(move |stream| {
            std::thread::park_timeout(pause);
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", file.len())?;
            stream.write_all(&file)
        });
        scene.answer(&format!("{version}.root.json"), reply);
    };
    let refresh = || scene.run(scene.command(&format!("refresh --timeout {}", TIMEOUT.as_secs())));
    (2..=9).for_each(|version| serve(version, LATE));
    let started = Instant::now();
    refresh().refused("the time is over (--timeout)");
    assert!(started.elapsed() < 4 * LATE, "{:?}", started.elapsed());
    assert_eq!(scene.asked(), ["2.root.json", "3.root.json"]);
    assert_eq!(scene.stored()["root.json"], scene.repository.root(2), "what has come is kept");

    serve(3, LATE);
    (4..=9).for_each(|version| serve(version, Duration::from_millis(500)));
    let started = Instant::now();
    refresh().done();
    assert!(started.elapsed() > TIMEOUT, "{:?}", started.elapsed());
    assert_eq!(scene.stored()["root.json"], scene.repository.root(9));
}
