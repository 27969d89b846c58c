//! What monitoring sees.

use std::io::{Read, Write};
use std::net::TcpStream;

use notary_schema::online::OnlineRole::Snapshot;

use crate::world::World;

/// The answer to a request without TLS, as text.
fn get(world: &World, path: &str) -> String {
    let mut stream = TcpStream::connect(world.metrics_address()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// What `/metrics` answers.
pub(crate) fn metrics(world: &World) -> String {
    get(world, "/metrics")
}

/// The value of a line of `/metrics`.
pub(crate) fn value(answer: &str, name: &str) -> f64 {
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in {answer}")).parse().unwrap()
}

#[tokio::test]
async fn requests_are_counted_by_call_and_outcome() {
    let world = World::started().await;
    let server = world.server();
    let key = server.key(Snapshot, false).await.keyid;
    let file = server.sign(&[&key], &world.snapshot(2, 1)).await.file();
    for _ in 0..3 {
        assert_eq!(server.sign(&[&key], &world.snapshot(1, 1)).await.refusal(), "would_lower");
    }
    for path in ["/v1/a", "/v1/b"] {
        server.get(path).await.unwrap();
    }
    let answer = metrics(&world);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    let requests = |call: &str, outcome: &str| {
        let labels = format!("call=\"{call}\",outcome=\"{outcome}\"");
        value(&answer, &format!("notary_signer_requests_total{{{labels}}}"))
    };
    assert_eq!(requests("POST /v1/sign", "ok"), 1.0);
    assert_eq!(requests("POST /v1/sign", "would_lower"), 3.0);
    assert_eq!(requests("POST /v1/keys", "ok"), 1.0);
    // Whatever paths are asked for, the labels are few.
    assert_eq!(requests("GET other", "not_found"), 2.0);
    let took = "notary_signer_request_seconds_count{call=\"POST /v1/sign\"}";
    assert_eq!(value(&answer, took), 4.0);
    let backend = |operation: &str| {
        let labels = format!("backend=\"software\",operation=\"{operation}\",outcome=\"ok\"");
        value(&answer, &format!("notary_signer_backend_call_seconds_count{{{labels}}}"))
    };
    // What was refused was not asked of the backend.
    assert_eq!((backend("create"), backend("sign")), (1.0, 1.0));
    assert_eq!(value(&answer, "notary_signer_memory_files"), 1.0);
    assert_eq!(value(&answer, "notary_signer_memory_bytes"), file.len() as f64);
    assert!(value(&answer, "notary_signer_database_bytes") > 0.0);
    let (changes, commits) =
        (value(&answer, "notary_signer_changes"), value(&answer, "notary_signer_commits"));
    assert!(changes >= commits && commits > 0.0, "{changes} changes in {commits} commits");
    assert_eq!(value(&answer, "notary_signer_requests_at_once"), 0.0);
    for file in ["certificate", "client_ca"] {
        let name = "notary_signer_certificate_expiry_timestamp_seconds";
        assert!(value(&answer, &format!("{name}{{file=\"{file}\"}}")) > 1.7e9);
    }
    assert!(!answer.contains("acme") && !answer.contains(key.as_str()), "{answer}");
}

#[tokio::test]
async fn the_listener_of_metrics_answers_nothing_else() {
    let world = World::started().await;
    for path in ["/", "/healthz", "/v1/keys", "/v1/policy", "/v1/memory"] {
        assert!(get(&world, path).starts_with("HTTP/1.1 404"), "{path}");
    }
}
