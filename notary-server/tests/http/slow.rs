//! Clients that hold on to what they have: each ends after its configured time, and as many as are
//! allowed at once leave room for nobody else and refuse nobody else's turn afterwards.

use std::time::Duration;

use notary_server::config::{Config, Limits};
use reqwest::Method;
use tokio::time::{Instant, interval, timeout};

use crate::raw::{Raw, Socket, raw};
use crate::repo::{Part, Repo};
use crate::world::World;

const FORM: &str = "content-type: multipart/form-data; boundary=b";
const PATIENCE: Duration = Duration::from_secs(60);

/// Every time is short here: what shall not end has to be done before.
fn short(config: &mut Config) {
    config.limits = Limits {
        header_seconds: 1,
        idle_seconds: 1,
        body_seconds: 1,
        request_seconds: 3,
        ..config.limits.clone()
    };
}

/// Sends one byte after another, slowly, and never the whole.
async fn trickle(world: &World, before: &str, bytes: &str) -> Vec<u8> {
    let mut socket = Socket::open(world).await;
    socket.send(before.as_bytes()).await;
    let mut ticks = interval(Duration::from_millis(100));
    for byte in bytes.bytes().chain(std::iter::repeat(b'x')) {
        ticks.tick().await;
        if !socket.send(&[byte]).await {
            break;
        }
    }
    socket.rest().await
}

pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        let mut ticks = interval(Duration::from_millis(20));
        while !is_so().await {
            ticks.tick().await;
        }
    };
    timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

#[actix_web::test]
async fn a_head_that_trickles_ends_on_a_new_connection_and_on_a_used_one() {
    let world = World::start_with(short).await;
    let head = "GET /healthz HTTP/1.1\r\nhost: h\r\nx-";
    let answered = trickle(&world, "", head).await;
    assert!(answered.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&answered));
    let first = "GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n";
    let answered = trickle(&world, first, head).await;
    assert!(answered.starts_with(b"HTTP/1.1 200"), "the first request is answered");
    until("the end of all connections", async || world.service.connections.open() == 0).await;
    world.end().await;
}

#[actix_web::test]
async fn connections_that_say_nothing_end() {
    let world = World::start_with(short).await;
    let silent = Socket::open(&world).await;
    let mut idle = Socket::open(&world).await;
    idle.send(b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n").await;
    silent.rest().await;
    assert!(idle.rest().await.starts_with(b"HTTP/1.1 200"));
    world.end().await;
}

#[actix_web::test]
async fn a_body_that_trickles_is_answered_and_its_memory_given_back() {
    let mut world = World::start_with(short).await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let head = |length: &str| {
        format!(
            "POST /v2/acme/app/_trust/tuf/ HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n\
             {FORM}\r\n{length}\r\n\r\n",
            world.admin
        )
    };
    let part = "--b\r\ncontent-disposition: form-data; name=\"files\"; filename=\"docs\"\r\n\r\n";
    for length in ["content-length: 100000", "transfer-encoding: chunked"] {
        let before = match length.starts_with('c') {
            true => format!("{}{part}", head(length)),
            // A chunk of a length that never comes.
            false => format!("{}fffff\r\n{part}", head(length)),
        };
        let answer = Raw::parse(&trickle(&world, &before, "").await);
        assert_eq!((answer.status, answer.code().as_str()), (408, "body_timeout"), "{length}");
    }
    let all = world.service.config.limits.body_memory_bytes as usize;
    assert_eq!(world.service.body_memory.available_permits(), all);
    assert_eq!(world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await.status, 200);
    world.end().await;
}

/// More than the buffers of a connection hold.
fn large(repo: &Repo) -> Part {
    let names: Vec<String> = (0..60_000).map(|number| format!("{number:0>100}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let large = repo.team("docs", 2, &names);
    assert!(large.1.len() > 12 << 20);
    large
}

#[actix_web::test]
async fn an_answer_that_nobody_reads_ends() {
    let mut world = World::start_with(|config| {
        // Long enough to publish a large file in.
        (config.limits.body_seconds, config.limits.request_seconds) = (9, 10);
    })
    .await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let large = large(&repo);
    assert_eq!(world.publish(&repo, std::slice::from_ref(&large)).await.status, 200);
    let get = "GET /v2/acme/app/_trust/tuf/2.docs.json HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut socket = Socket::open(&world).await;
    socket.send(get.as_bytes()).await;
    until("the request", async || world.service.connections.requests() == 1).await;
    until("its end", async || world.service.connections.requests() == 0).await;
    let cut = socket.rest().await.len();
    assert!(cut < large.1.len(), "{cut} bytes came");
    let close = get.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    let whole = raw(&world, close.as_bytes()).await;
    assert_eq!(whole.body.len(), large.1.len(), "who reads gets all of it");
    world.end().await;
}

#[actix_web::test]
async fn answers_that_nobody_reads_do_not_keep_the_last_places() {
    let mut world = World::start_with(|config| {
        (config.limits.requests, config.limits.header_seconds) = (2, 1);
    })
    .await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let large = large(&repo);
    assert_eq!(world.publish(&repo, std::slice::from_ref(&large)).await.status, 200);
    let get = "GET /v2/acme/app/_trust/tuf/2.docs.json HTTP/1.1\r\nhost: h\r\n\r\n";
    let mut one = Socket::open(&world).await;
    one.send(get.as_bytes()).await;
    until("the first request", async || world.service.connections.requests() == 1).await;
    // There is a place left, so it may stand still for as long as somebody else reads all of it.
    let close = get.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    assert_eq!(raw(&world, close.as_bytes()).await.body.len(), large.1.len());
    assert_eq!(world.service.connections.requests(), 1);
    let mut other = Socket::open(&world).await;
    other.send(get.as_bytes()).await;
    until("two requests", async || world.service.connections.requests() == 2).await;
    until("a place", async || world.service.connections.requests() < 2).await;
    assert_eq!(world.get("/healthz").await.status, 200);
    assert!(one.rest().await.len() < large.1.len(), "it was cut");
    drop(other);
    world.end().await;
}

#[actix_web::test]
async fn requests_above_the_limit_are_refused_at_once_and_those_below_are_not() {
    let mut world = World::start_with(|config| config.limits.requests = 2).await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let head = format!(
        "POST /v2/acme/app/_trust/tuf/ HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\n\
         {FORM}\r\ncontent-length: 1000\r\n\r\n",
        world.admin
    );
    let mut one = Socket::open(&world).await;
    one.send(head.as_bytes()).await;
    until("the first request", async || world.service.connections.requests() == 1).await;
    assert_eq!(world.get("/healthz").await.status, 200, "one below the limit");
    let mut other = Socket::open(&world).await;
    other.send(head.as_bytes()).await;
    until("the second request", async || world.service.connections.requests() == 2).await;
    let started = Instant::now();
    let refused = world.get("/healthz").await;
    assert!(started.elapsed() < PATIENCE / 2, "at once");
    assert_eq!(refused.outcome(), (503, "busy".into()));
    assert_eq!(refused.header("retry-after"), "1");
    let head = world.request(Method::HEAD, "/healthz", |request| request).await;
    assert_eq!(head.status, 503);
    drop((one, other));
    until("their ends", async || world.service.connections.requests() == 0).await;
    assert_eq!(world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn connections_above_the_limit_are_told_so() {
    let world = World::start_with(|config| config.limits.connections = 2).await;
    let get = b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n";
    let one = Socket::open(&world).await;
    let mut other = Socket::open(&world).await;
    other.send(get).await;
    until("two connections", async || world.service.connections.open() == 2).await;
    let refused = raw(&world, get).await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "busy"));
    assert!(refused.head.contains("retry-after: 1"), "{refused:?}");
    drop(one);
    until("its end", async || world.service.connections.open() == 1).await;
    let close = b"GET /healthz HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(&world, close).await.status, 200);
    world.end().await;
}
