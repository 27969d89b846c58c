//! Is one publish found, by the trace that its client names, in the log of both programs and in the
//! signer's audit?

use notary_tests::publisher::Publisher;
use notary_tests::world::{Answer, Program, World};
use serde_json::Value;

const GUN: &str = "acme/app";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Publishes the next version of the role, with these headers.
fn publish(world: &World, publisher: &mut Publisher, traceparents: &[&str]) -> Answer {
    let file = publisher.next("docs", world.clock.now());
    let request = publisher.http.publish_request(GUN, &[("docs", &file)]);
    let request = traceparents.iter().fold(request, |it, text| it.header("traceparent", *text));
    let answer = publisher.http.send(request);
    assert_eq!(answer.status, 200, "{answer:?}");
    publisher.acknowledged("docs", file);
    answer
}

fn tail(world: &World, form: &str) -> String {
    world.operate(Program::Signer, &format!("audit tail {form}"))
}

/// The last lines of the audit, of a snapshot and its timestamp: by whom they were asked for.
fn last_signed(world: &World) -> Vec<String> {
    let lines = tail(world, "-n 2 --json");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line"));
    let signed = lines.inspect(|line| assert_eq!(line["outcome"], "signed", "{line}"));
    signed.map(|line| line["request_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn one_publish_is_followed_through_both_logs_and_the_audit() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, GUN, &["docs"]);
    let answer = publish(&world, &mut publisher, &[&format!("00-{TRACE}-00f067aa0ba902b7-01")]);

    let (server, signer) = (world.server.log(), world.signer.log());
    let seq = format!("seq={}", answer.json()["seq"]);
    let of_trace =
        |log: &str, text: &str| log.lines().any(|line| line.contains(TRACE) && line.contains(text));
    assert!(of_trace(&server, "committed") && of_trace(&server, &seq), "{server}");
    assert!(of_trace(&signer, "POST /v1/sign"), "{signer}");
    assert_eq!(last_signed(&world), [TRACE, TRACE]);
    let told = tail(&world, "-n 2");
    assert_eq!(told.matches(&format!("request {TRACE}")).count(), 2, "{told}");
}

#[test]
fn a_publish_whose_client_names_no_trace_begins_one() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, GUN, &["docs"]);
    let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let mut seen = Vec::new();
    for named in [&[][..], &[&good[..54]], &[&good.to_uppercase()], &[&good, &good]] {
        publish(&world, &mut publisher, named);
        let [of_snapshot, of_timestamp] = &last_signed(&world)[..] else { panic!("two lines") };
        assert_eq!(of_snapshot, of_timestamp, "{named:?}");
        let log = world.server.log();
        assert!(log.lines().any(|line| line.contains(of_snapshot) && line.contains("committed")));
        assert!(of_snapshot != TRACE && !seen.contains(of_snapshot), "{named:?}: {of_snapshot}");
        seen.push(of_snapshot.clone());
    }
}
