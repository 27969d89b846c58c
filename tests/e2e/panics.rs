//! What does a mistake in a program cost?
//!
//! The mistake is put in from outside: a clock that is no number, at which whoever asks for the time
//! panics.

use notary_tests::publisher::Publisher;
use notary_tests::world::{Answer, Service, World, wait_for};

const GUN: &str = "acme/app";

/// A failure without detail, whose request id finds the panic in the log.
#[track_caller]
fn assert_incident(service: &Service, answer: &Answer, code: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (500, code));
    let problem = answer.json();
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(!detail.contains("offset"), "{detail}");
    let id = problem["request_id"].as_str().expect("an id");
    let log = service.log();
    let found = log.lines().any(|line| line.contains(id) && line.contains("offset in seconds"));
    assert!(found, "{id} is not in the log:\n{log}");
}

#[test]
fn a_panic_ends_one_request_and_the_log_finds_it_by_the_id_of_the_answer() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, GUN, &["docs"]);
    let signer = world.signer_http("server");
    let info = format!("/v2/{GUN}/_trust/");
    let incarnation = publisher.http.get(&info).json()["incarnation"].clone();
    let keys = format!(
        "/v1/keys?collection={GUN}&incarnation={}",
        incarnation.as_str().expect("an incarnation")
    );
    assert_eq!((publisher.http.get(&info).status, signer.get(&keys).status), (200, 200));

    world.clock.break_it();
    assert_incident(&world.server, &publisher.http.get(&info), "internal");
    assert_incident(&world.signer, &signer.get(&keys), "failed");
    wait_for("a panic in the background", || {
        world.server.log().contains("a round of the background work ended early").then_some(())
    });

    world.clock.mend();
    assert_eq!((publisher.http.get(&info).status, signer.get(&keys).status), (200, 200));
    publisher.publish_next("docs", world.clock.now());
    assert_eq!(world.http(None).get("/readyz").status, 200);
}
