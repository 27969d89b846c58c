//! Each stop point of server and signer, followed by a publish of another role, by the refresh task
//! alone, and by both two days later.

use chrono::TimeDelta;
use notary_tests::publisher::Publisher;
use notary_tests::world::{World, wait_for};

/// Which program stops, and where.
#[derive(Clone, Copy)]
enum Stop {
    Server(&'static str),
    Signer(&'static str),
}

/// A collection whose publish of role `a` was interrupted; all programs run again.
struct Interrupted {
    publisher: Publisher,
    file: Vec<u8>,
}

impl Interrupted {
    fn at(stop: Stop, world: &mut World, gun: &str) -> Interrupted {
        let publisher = Publisher::create(world, gun, &["a", "b"]);
        let file = publisher.next("a", world.clock.now());
        let (program, point) = match stop {
            Stop::Server(point) => (&mut world.server, point),
            Stop::Signer(point) => (&mut world.signer, point),
        };
        program.restart_until(point);
        send(&publisher, &file);
        program.aborted();
        program.restart();
        Interrupted { publisher, file }
    }

    fn is_published(&self) -> bool {
        self.publisher.is_served("a", &self.file)
    }
}

/// Sends a publish whose answer nobody may ever hear.
fn send(publisher: &Publisher, file: &[u8]) {
    if let Ok(answer) = publisher.try_send("a", file) {
        assert_eq!(answer.status, 503, "the signer is gone: {answer:?}");
    }
}

fn goes_on(stop: Stop) {
    let mut world = World::start();

    let mut other_role = Interrupted::at(stop, &mut world, "acme/other");
    other_role.publisher.publish_next("b", world.clock.now());
    assert!(other_role.is_published(), "the next publisher did not take it on");

    let refresh = Interrupted::at(stop, &mut world, "acme/refresh");
    wait_for("the refresh task to take it on", || refresh.is_published().then_some(()));

    let mut later = Interrupted::at(stop, &mut world, "acme/later");
    world.clock.advance(TimeDelta::days(2));
    later.publisher.publish_next("b", world.clock.now());
    assert!(later.is_published(), "two days later nobody took it on");

    // A world of its own: the one before would stop at the slot that it finds there.
    let mut quiet = World::start();
    let forgotten = Interrupted::at(stop, &mut quiet, "acme/forgotten");
    quiet.clock.advance(TimeDelta::days(2));
    wait_for("the refresh task, two days later", || forgotten.is_published().then_some(()));

    // Nothing of this has left a collection that its owner cannot publish to.
    for interrupted in [&mut other_role, &mut later] {
        let file = interrupted.file.clone();
        let answer =
            interrupted.publisher.http.publish(&interrupted.publisher.gun, &[("a", &file)]);
        assert_eq!(answer.json()["roles"][0]["published"], false, "{answer:?}");
        interrupted.publisher.acknowledged("a", file);
        interrupted.publisher.publish_next("a", world.clock.now());
    }
}

#[test]
fn a_publish_goes_on_after_the_server_stopped_behind_prepare() {
    goes_on(Stop::Server("after_prepare"));
}

#[test]
fn a_publish_goes_on_after_the_server_stopped_with_a_signed_snapshot() {
    goes_on(Stop::Server("snapshot_signed"));
}

#[test]
fn a_publish_goes_on_after_the_server_stopped_with_a_signed_timestamp() {
    goes_on(Stop::Server("timestamp_signed"));
}

#[test]
fn a_publish_stands_after_the_server_stopped_before_its_answer() {
    goes_on(Stop::Server("before_commit_answer"));
}

#[test]
fn a_publish_goes_on_after_the_signer_stopped_before_its_record() {
    goes_on(Stop::Signer("before_record"));
}

#[test]
fn a_publish_goes_on_after_the_signer_stopped_behind_its_record() {
    goes_on(Stop::Signer("after_record"));
}
