//! Every limit of the server: what is at it is taken, what is one above is refused with its status
//! and code.
//!
//! | limit | where |
//! |---|---|
//! | `body_bytes`, `part_bytes`, `parts`, `body_memory_bytes`, `queue` | here |
//! | `root_bytes`, `snapshot_bytes`, `targets_per_role`, `delegations_per_role`, `keys_per_role`, `keys_per_file`, `custom_bytes`, `delegation_depth` | [`files`]; each rule by itself in schema's tests |
//! | signatures of a file, depth of JSON, lengths of names | [`files`]; constants of `notary_schema` |
//! | roles that one request names | here |
//! | `page` | here for events, [`crate::reading`] for collections |
//! | parts of the default number | [`crate::publishing`] |
//! | publishes that are checked at once | [`crate::publishing`] |
//! | `reservations`, `reservations_per_origin` | [`crate::publishing`], [`crate::names`] |
//! | `tokens_per_origin`, `document_bytes`, `role_globs` | [`crate::tokens`] |
//! | `connections`, `requests` and all that is counted in seconds | [`crate::slow`] |
//! | heads of requests | [`crate::hostile`] |
//!
//! The timestamp is made by the server and names one file, so nothing can lengthen it; clients
//! bound it.

mod files;

use serde_json::json;

use crate::raw::raw;
use crate::repo::{Part, Repo};
use crate::signer::TestKey;
use crate::slow::until;
use crate::world::World;

const GUN: &str = "acme/app";

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

// ---- bodies

/// A body in multipart/form-data.
fn multipart(parts: &[Part]) -> Vec<u8> {
    let mut body = Vec::new();
    for (role, bytes) in parts {
        let disposition = format!("form-data; name=\"files\"; filename=\"{role}\"");
        body.extend(format!("--b\r\ncontent-disposition: {disposition}\r\n\r\n").into_bytes());
        body.extend([bytes, &b"\r\n"[..]].concat());
    }
    body.extend(b"--b--\r\n");
    body
}

/// Publishes a body with its length told before, and again in chunks; both end alike.
async fn send_both_ways(world: &World, body: &[u8]) -> (u16, String) {
    let head = format!(
        "POST /v2/{GUN}/_trust/tuf/ HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\
         authorization: Bearer {}\r\ncontent-type: multipart/form-data; boundary=b\r\n",
        world.admin
    );
    let whole = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
    let with_length = raw(world, &[&whole, body].concat()).await;
    let mut chunked = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.chunks(1_000) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
        chunked.extend([chunk, b"\r\n"].concat());
    }
    chunked.extend(b"0\r\n\r\n");
    let in_chunks = raw(world, &chunked).await;
    let outcome = (with_length.status, with_length.code());
    assert_eq!((in_chunks.status, in_chunks.code()), outcome, "{with_length:?} {in_chunks:?}");
    outcome
}

/// The part with white space behind the document, to so many bytes.
fn padded((role, mut bytes): Part, length: usize) -> Part {
    assert!(bytes.len() <= length, "{} bytes already", bytes.len());
    bytes.resize(length, b' ');
    (role, bytes)
}

#[actix_web::test]
async fn a_body_and_a_part_are_as_long_as_their_limits_however_they_are_sent() {
    const BODY: usize = 20_000;
    const PART: usize = 12_000;
    let mut world = World::start_with(|config| {
        (config.limits.body_bytes, config.limits.part_bytes) = (BODY as u64, PART as u64);
    })
    .await;
    let repo = world.collection(GUN, &["a", "b"]).await;
    let one = |length| multipart(&[padded(repo.team("a", 2, &["x"]), length)]);
    assert_eq!(send_both_ways(&world, &one(PART + 1)).await, refused(413, "too_large"));
    assert_eq!(send_both_ways(&world, &one(PART)).await.0, 200);
    let two = |length: usize| {
        let parts = |rest| {
            let first = padded(repo.team("a", 3, &["x"]), 10_000);
            multipart(&[first, padded(repo.team("b", 2, &["x"]), rest)])
        };
        let body = parts(5_000 + length - parts(5_000).len());
        assert_eq!(body.len(), length);
        body
    };
    assert_eq!(send_both_ways(&world, &two(BODY + 1)).await, refused(413, "too_large"));
    assert_eq!(send_both_ways(&world, &two(BODY)).await.0, 200);
    world.end().await;
}

#[actix_web::test]
async fn a_body_has_as_many_parts_as_the_limit() {
    let mut world = World::start_with(|config| config.limits.parts = 3).await;
    let teams = ["a", "b", "c", "d"];
    let repo = world.reserve(GUN, &[]).await;
    let first = [repo.root(1), repo.targets(1, &["a.txt"])];
    assert_eq!(world.publish(&repo, &first).await.status, 200);
    world.pin(&repo);
    let repo = Repo { teams: teams.map(|team| (team.into(), TestKey::draw())).into(), ..repo };
    let delegation = [repo.targets(2, &["a.txt"])];
    let pending = "?pending=a&pending=b&pending=c&pending=d";
    assert_eq!(world.send(&repo.gun, pending, &world.admin, &delegation).await.status, 200);
    let parts = teams.map(|team| repo.team(team, 1, &["x"]));
    assert_eq!(send_both_ways(&world, &multipart(&parts)).await, refused(413, "too_large"));
    assert_eq!(send_both_ways(&world, &multipart(&parts[..3])).await.0, 200);
    world.end().await;
}

#[actix_web::test]
async fn no_more_of_all_bodies_is_held_than_there_is_memory() {
    let mut world = World::start().await;
    let repo = world.collection(GUN, &["a"]).await;
    let memory = &world.service.body_memory;
    let all = world.service.config.limits.body_memory_bytes as usize;
    assert_eq!(memory.available_permits(), all, "the first publish gave back what it held");
    let docs = repo.team("a", 2, &[]);
    let most = u32::try_from(all - docs.1.len()).unwrap();
    let others = memory.clone().try_acquire_many_owned(most + 1).unwrap();
    let answer = world.publish(&repo, std::slice::from_ref(&docs)).await;
    assert_eq!(answer.outcome(), refused(503, "busy"));
    assert_eq!(answer.header("retry-after"), "1");
    drop(others);
    let others = memory.clone().try_acquire_many_owned(most).unwrap();
    assert_eq!(world.publish(&repo, &[docs]).await.status, 200, "exactly what is left");
    drop(others);
    assert_eq!(world.service.body_memory.available_permits(), all);
    world.end().await;
}

#[actix_web::test]
async fn no_more_publishes_wait_than_the_queue_holds() {
    let mut world = World::start_with(|config| config.limits.queue = 2).await;
    let repo = world.collection(GUN, &["a", "b", "c"]).await;
    let waits = async |team: &str| world.publish(&repo, &[repo.team(team, 2, &["x"])]).await;
    let signer = world.signer.clone();
    let held = signer.hold.lock().await;
    let third = async {
        // A publish that is refused at once leaves its place; one that waits for the signer does not.
        let publisher = &world.service.publisher;
        until("two that wait", async || publisher.free_places() == 0).await;
        let answer = waits("c").await;
        drop(held);
        answer
    };
    let (first, second, third) = tokio::join!(waits("a"), waits("b"), third);
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert_eq!(third.outcome(), refused(503, "busy"));
    let detail = third.json()["detail"].to_string();
    assert!(detail.contains("too many publishes are waiting"), "at once: {detail}");
    assert_eq!(waits("c").await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn publishes_that_wait_for_a_core_are_in_the_queue() {
    let mut world = World::start_with(|config| config.limits.queue = 1).await;
    let repo = world.collection(GUN, &["a", "b"]).await;
    let publish = async |team: &str| world.publish(&repo, &[repo.team(team, 2, &["x"])]).await;
    let publisher = world.service.publisher.clone();
    let mut cores = Vec::new();
    for _ in 0..std::thread::available_parallelism().unwrap().get() {
        cores.push(publisher.core().await.unwrap());
    }
    let second = async {
        until("one that waits", async || publisher.free_places() == 0).await;
        let answer = publish("b").await;
        drop(cores);
        answer
    };
    let (first, second) = tokio::join!(publish("a"), second);
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(second.outcome(), refused(503, "busy"));
    let detail = second.json()["detail"].to_string();
    assert!(detail.contains("too many publishes are waiting"), "at once: {detail}");
    assert_eq!(publish("b").await.status, 200);
    world.end().await;
}

// ---- lists

#[actix_web::test]
async fn a_page_of_events_has_as_many_items_as_the_limit() {
    let mut world = World::start_with(|config| config.limits.page = 2).await;
    for gun in ["a", "b"] {
        world.collection(gun, &[]).await;
    }
    let page = async |world: &World| world.get("/v2/_trust/changefeed?limit=100").await.json();
    let whole = page(&world).await;
    assert_eq!((whole["items"].as_array().unwrap().len(), whole.get("next")), (2, None));
    world.collection("c", &[]).await;
    let first = page(&world).await;
    assert_eq!((first["items"].as_array().unwrap().len(), &first["next"]), (2, &json!("2")));
    world.end().await;
}

#[actix_web::test]
async fn a_request_names_a_hundred_roles_and_is_answered_with_them() {
    let mut world = World::start().await;
    world.collection(GUN, &["docs", "code"]).await;
    let asked = async |names: &[String]| {
        let names: Vec<String> = names.iter().map(|name| format!("role={name}")).collect();
        world.get(&format!("/v2/{GUN}/_trust/?{}", names.join("&"))).await
    };
    let many = |count: usize| {
        let mut names: Vec<String> = (1..count).map(|number| format!("none-{number}")).collect();
        names.push("docs".into());
        names
    };
    let answer = asked(&many(101)).await;
    assert_eq!(answer.outcome(), refused(400, "malformed_request"));
    let answer = asked(&many(100)).await.json();
    let roles = answer["roles"].as_array().unwrap().iter();
    let names: Vec<_> = roles.map(|role| role["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["root", "targets", "snapshot", "timestamp", "docs"]);
    world.end().await;
}
