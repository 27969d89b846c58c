//! What is asked for again, and what never is.

use std::time::Duration;

use notary_tests::mirror::Reply;

use super::scene::Scene;

#[test]
fn not_found_and_forbidden_end_the_walk_along_the_roots() {
    let scene = Scene::refreshed();
    for missing in ["404 Not Found", "403 Forbidden"] {
        scene.answer("2.root.json", Reply::status(missing));
        scene.refresh().done();
        assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"], "{missing}");
    }
}

#[test]
fn no_other_answer_ends_the_walk_along_the_roots() {
    let scene = Scene::refreshed();
    let before = scene.stored();
    let hang_up = Reply::wire(|_| Ok(()));
    for (what, reply, tries) in [
        ("400", Reply::status("400 Bad Request"), 1..=1),
        ("401", Reply::status("401 Unauthorized"), 1..=1),
        ("410", Reply::status("410 Gone"), 1..=1),
        ("429", Reply::status("429 Too Many Requests"), 2..=20),
        ("500", Reply::status("500 Internal Server Error"), 2..=20),
        ("503", Reply::status("503 Service Unavailable"), 2..=20),
        ("no answer", hang_up, 2..=20),
        ("silence", Reply::Silence, 1..=1),
    ] {
        scene.answer("2.root.json", reply);
        let refused = scene.impatient_refresh();
        refused.exits(1, "2.root.json");
        let asked = scene.asked();
        assert!(asked.iter().all(|name| name == "2.root.json"), "{what}: {asked:?}");
        assert!(tries.contains(&asked.len()), "{what}: {asked:?}");
        assert_eq!(scene.stored(), before, "{what}");
    }
}

#[test]
fn what_may_pass_is_asked_for_again() {
    let scene = Scene::refreshed();
    let good = Reply::file(scene.repository.metadata()["timestamp.json"].as_slice());
    let broken_off = Reply::wire(|stream| {
        std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    });
    for (what, passing) in [
        ("500", Reply::status("500 Internal Server Error")),
        ("502", Reply::status("502 Bad Gateway")),
        ("429", Reply::status("429 Too Many Requests\r\nretry-after: 0")),
        ("no answer", Reply::wire(|_| Ok(()))),
        ("broken off", broken_off),
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
fn a_retry_after_is_obeyed() {
    let scene = Scene::refreshed();
    let good = Reply::file(scene.repository.metadata()["timestamp.json"].as_slice());
    let busy = Reply::status("503 Service Unavailable\r\nretry-after: 1");
    scene.answer("timestamp.json", Reply::Turns(vec![busy, good]));
    scene.refresh().done();
    let asked = scene.mirror.take_asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].at - asked[1].at >= Duration::from_secs(1));
}

#[test]
fn what_will_not_get_better_is_asked_for_once() {
    let mut scene = Scene::refreshed();
    scene.repository.release(&["targets"]);
    scene.publish();
    for (what, reply) in [
        ("missing", Reply::status("404 Not Found")),
        ("forbidden", Reply::status("403 Forbidden")),
        ("not signed", Reply::file(*b"{}")),
        ("too long", Reply::file(vec![b' '; (1 << 20) + 1])),
        ("packed", Reply::status("200 OK\r\ncontent-encoding: gzip")),
        ("a redirect", Reply::status("302 Found\r\nlocation: http://127.0.0.1:1/")),
    ] {
        scene.answer("timestamp.json", reply);
        scene.refresh().exits(1, "");
        assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"], "{what}");
    }
}

#[test]
fn a_redirect_within_the_origin_is_followed() {
    let scene = Scene::refreshed();
    let file = scene.repository.metadata()["timestamp.json"].clone();
    scene.answer("timestamp.json", Reply::status("302 Found\r\nlocation: ../elsewhere"));
    scene.mirror.answer("elsewhere", Reply::file(file));
    scene.refresh().done();
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json", "elsewhere"]);
}

#[test]
fn plain_http_reaches_other_machines_only_where_that_is_allowed() {
    let scene = Scene::refreshed();
    // This machine by an address that is not known to be it.
    let url = format!("{}metadata/", scene.mirror.url().replace("127.0.0.1", "0.0.0.0"));
    let refresh = |options: &[&str]| {
        let mut command = scene.client_command(&["--metadata-url", &url, "refresh"]);
        command.args(options);
        scene.run(command)
    };
    refresh(&[]).refused("is neither https:// nor http:// on loopback");
    assert_eq!(scene.asked(), [""; 0]);
    refresh(&["--allow-http"]).done();
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json"]);
}

#[test]
fn a_redirect_to_another_host_is_followed_where_that_is_allowed() {
    let scene = Scene::refreshed();
    let place = scene.repository.targets().into_keys().next().expect("one");
    let elsewhere = scene.mirror.url().replace("127.0.0.1", "localhost");
    let away = Reply::status(&format!("302 Found\r\nlocation: {elsewhere}cdn/app"));
    scene.mirror.answer(format!("targets/{place}"), away);
    scene.mirror.answer("cdn/app", Reply::file(*b"app"));
    scene.download(&["app.tgz"]).refused("or allow the other host with --redirect-host");
    scene.mirror.take_asked();
    let mut command = scene.download_command(&["app.tgz"]);
    command.args(["--redirect-host", "localhost"]);
    scene.run(command).done();
    let asked = scene.asked();
    assert_eq!(asked[2..], [format!("targets/{place}"), "cdn/app".to_owned()]);
}

/// Replicas of a server may be a moment apart.
#[test]
fn an_older_timestamp_of_another_replica_is_asked_for_again_after_a_second() {
    let mut scene = Scene::refreshed();
    let old = Reply::file(scene.repository.metadata()["timestamp.json"].as_slice());
    scene.repository.refresh_timestamp();
    scene.publish();
    scene.refresh().done();
    scene.mirror.take_asked();
    let new = scene.repository.metadata()["timestamp.json"].clone();

    scene.answer("timestamp.json", Reply::Turns(vec![old.clone(), Reply::file(new.clone())]));
    scene.refresh().done();
    let asked = scene.mirror.take_asked();
    let paths: Vec<&str> = asked.iter().map(|asked| asked.path.as_str()).collect();
    assert_eq!(
        paths,
        ["metadata/2.root.json", "metadata/timestamp.json", "metadata/timestamp.json"]
    );
    assert!(asked[2].at - asked[1].at >= Duration::from_secs(1));

    scene.answer("timestamp.json", old);
    scene.refresh().refused("timestamp goes back from version 2 to 1");
    assert_eq!(scene.asked(), ["2.root.json", "timestamp.json", "timestamp.json"]);
    assert_eq!(scene.stored()["timestamp.json"], new);
}
