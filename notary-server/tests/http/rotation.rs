//! Online keys that are replaced: both sign for a while, so that every client finds a signature that
//! it trusts.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use notary_schema::key::Key;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::repo::{Part, Repo};
use crate::signer::TestKey;
use crate::slow::until;
use crate::store::{Gate, Held};
use crate::world::{Answer, World};

const OVERLAP: TimeDelta = TimeDelta::seconds(86_405);

/// A server whose metadata is kept by no cache, so that a rotation waits for none.
async fn world() -> World {
    World::start_with(|config| config.cache.max_age_seconds = 0).await
}

async fn new_key(world: &World, role: &str) -> Key {
    let path = format!("/v2/acme/app/_trust/keys/{role}?rotate=true");
    serde_json::from_value(world.post(&path, &world.admin).await.json()["key"].clone()).unwrap()
}

/// Who has signed the current file of a role.
pub async fn signers(world: &World, role: &str) -> BTreeSet<String> {
    let file = world.get(&format!("/v2/acme/app/_trust/tuf/{role}.json")).await.json();
    let signatures = file["signatures"].as_array().unwrap().iter();
    signatures.map(|signature| signature["keyid"].as_str().unwrap().to_owned()).collect()
}

pub fn ids(keys: &[&Key]) -> BTreeSet<String> {
    keys.iter().map(|key| key.id().to_string()).collect()
}

/// Replaces the timestamp key, in a request with this query; answers the old one and the new one.
async fn rotate(world: &World, repo: &mut Repo, query: &str) -> (Key, Key) {
    let (old, new) = (repo.timestamp_keys[0].clone(), new_key(world, "timestamp").await);
    repo.timestamp_keys = vec![new.clone()];
    let answer = world.send(&repo.gun, query, &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    (old, new)
}

#[actix_web::test]
async fn the_key_before_signs_on_for_a_day_and_then_no_more() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let (old, new) = rotate(&world, &mut repo, "").await;
    assert_eq!(signers(&world, "timestamp").await, ids(&[&old, &new]));
    assert_eq!(signers(&world, "snapshot").await, ids(&[&repo.snapshot_keys[0]]));
    world.pass(OVERLAP - TimeDelta::seconds(1));
    world.publish(&repo, &[repo.team("docs", 2, &["a"])]).await;
    assert_eq!(signers(&world, "timestamp").await, ids(&[&old, &new]));
    world.pass(TimeDelta::seconds(1));
    world.publish(&repo, &[repo.team("docs", 3, &["a"])]).await;
    assert_eq!(signers(&world, "timestamp").await, ids(&[&new]));
    world.read(&repo.gun, Some("docs/a")).await;
    world.end().await;
}

#[actix_web::test]
async fn refreshes_are_signed_by_both_as_well() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &[]).await;
    let (old, new) = rotate(&world, &mut repo, "").await;
    world.pass(TimeDelta::seconds(60_000));
    assert_eq!(world.refresh_all().await, 1);
    assert_eq!(signers(&world, "timestamp").await, ids(&[&old, &new]));
    world.pass(TimeDelta::seconds(60_000));
    assert_eq!(world.refresh_all().await, 1);
    assert_eq!(signers(&world, "timestamp").await, ids(&[&new]));
    world.read(&repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_compromised_key_signs_nothing_from_the_root_on_that_says_so() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let (_, new) = rotate(&world, &mut repo, "?compromised=timestamp").await;
    assert_eq!(signers(&world, "timestamp").await, ids(&[&new]));
    world.publish(&repo, &[repo.team("docs", 2, &["a"])]).await;
    assert_eq!(signers(&world, "timestamp").await, ids(&[&new]));
    world.read(&repo.gun, Some("docs/a")).await;
    world.end().await;
}

#[actix_web::test]
async fn what_is_not_replaced_is_not_compromised() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &[]).await;
    repo.timestamp_keys = vec![new_key(&world, "timestamp").await];
    let send = async |query: &str| {
        world.send(&repo.gun, query, &world.admin, &[repo.root(2)]).await.outcome()
    };
    for query in ["?compromised=snapshot", "?compromised=targets", "?compromised=root"] {
        assert_eq!(send(query).await, (422, "named_without_need".into()), "{query}");
    }
    assert_eq!(send("?compromised=timestamp").await, (200, String::new()));
    world.end().await;
}

#[actix_web::test]
async fn the_new_key_signs_before_the_root_that_lists_it_is_there() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &[]).await;
    let before: Value = world.get("/v2/acme/app/_trust/tuf/timestamp.json").await.json();
    assert_eq!(before["signed"]["version"], 1);
    rotate(&world, &mut repo, "").await;
    // Root 2 came with timestamp 3: what a cache holds from before it is signed by both.
    let expected = ["snapshot 2, timestamp 2", "root 2, snapshot 3, timestamp 3"];
    assert_eq!(commits(&world).await[1..], expected);
    world.end().await;
}

#[actix_web::test]
async fn targets_that_both_keys_have_signed_is_there_before_the_root() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let old = std::mem::replace(&mut repo.targets_key, TestKey::draw());
    let by_both = repo.targets_by(2, &["a.txt"], &[&old, &repo.targets_key]);
    let batch = [repo.root(2), by_both, repo.team("docs", 2, &["a"])];
    let answer = world.send(&repo.gun, "", &world.admin, &batch).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let published = answer.json()["roles"].as_array().unwrap().clone();
    assert!(published.len() == 3 && published.iter().all(|role| role["published"] == true));
    let expected =
        ["docs 2, snapshot 2, targets 2, timestamp 2", "root 2, snapshot 3, timestamp 3"];
    assert_eq!(commits(&world).await[1..], expected);
    world.read(&repo.gun, Some("docs/a")).await;
    world.end().await;
}

/// Publishes while others of this collection do, and tells when it waits behind them.
pub async fn publish_behind(
    world: &World,
    repo: &Repo,
    parts: &[Part],
    waits: impl FnOnce(),
) -> Answer {
    let Gate { came, go_on } = world.store.hold(Held::Judge);
    let judged = async {
        came.await.unwrap();
        go_on.send(()).unwrap();
        // It keeps one of them until it is judged and goes to wait.
        let cores = std::thread::available_parallelism().unwrap().get();
        let all = (0..cores).map(|_| world.service.publisher.core());
        let all = futures_util::future::try_join_all(all).await.unwrap();
        drop(all);
        waits();
    };
    tokio::join!(world.publish(repo, parts), judged).0
}

#[actix_web::test]
async fn targets_goes_ahead_of_its_root_whatever_waits_behind_it() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let first = [repo.team("docs", 2, &["a"])];
    let old = std::mem::replace(&mut repo.targets_key, TestKey::draw());
    let by_both = repo.targets_by(2, &["a.txt"], &[&old, &repo.targets_key]);
    let (with_root, by_new) = ([repo.root(2), by_both], [repo.targets(3, &["b.txt"])]);
    let signer = world.signer.clone();
    let held = signer.hold.lock().await;
    let (root_waits, then) = oneshot::channel();
    let second = async {
        until("a slot", async || !world.store.slots_of_all().await.is_empty()).await;
        publish_behind(&world, &repo, &with_root, || root_waits.send(()).unwrap()).await
    };
    let third = async {
        then.await.unwrap();
        publish_behind(&world, &repo, &by_new, || drop(held)).await
    };
    let answers = tokio::join!(world.publish(&repo, &first), second, third);
    for answer in [answers.0, answers.1, answers.2] {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let expected = [
        "docs 2, snapshot 2, timestamp 2",
        "snapshot 3, targets 2, timestamp 3",
        "root 2, snapshot 4, timestamp 4",
        "snapshot 5, targets 3, timestamp 5",
    ];
    assert_eq!(commits(&world).await[1..], expected);
    world.read(&repo.gun, Some("b.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn one_wait_is_enough_for_targets_and_for_online_keys() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &[]).await;
    let old = std::mem::replace(&mut repo.targets_key, TestKey::draw());
    repo.timestamp_keys = vec![new_key(&world, "timestamp").await];
    let by_both = repo.targets_by(2, &["a.txt"], &[&old, &repo.targets_key]);
    assert_eq!(world.publish(&repo, &[repo.root(2), by_both]).await.status, 200);
    let expected = ["snapshot 2, targets 2, timestamp 2", "root 2, snapshot 3, timestamp 3"];
    assert_eq!(commits(&world).await[1..], expected);
    world.read(&repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn targets_goes_with_the_root_where_nobody_is_helped_by_its_going_ahead() {
    let at_once = "root 2, snapshot 2, targets 2, timestamp 2";
    for (query, has_new_keys) in [("?compromised=targets", true), ("", false)] {
        let mut world = world().await;
        let mut repo = world.collection("acme/app", &[]).await;
        if has_new_keys {
            repo.targets_key = TestKey::draw();
        }
        let batch = [repo.root(2), repo.targets(2, &["a.txt"])];
        assert_eq!(world.send(&repo.gun, query, &world.admin, &batch).await.status, 200);
        assert_eq!(commits(&world).await[1..], [at_once], "{query}");
        world.read(&repo.gun, Some("a.txt")).await;
        world.end().await;
    }
}

/// What each commit brought.
async fn commits(world: &World) -> Vec<String> {
    let feed = world.get("/v2/acme/app/_trust/changefeed").await.json();
    feed["items"].as_array().unwrap().iter().map(told).collect()
}

/// The files that an event names.
fn told(event: &Value) -> String {
    let roles = event["roles"].as_array().unwrap().iter();
    let mut roles: Vec<String> = roles
        .map(|role| format!("{} {}", role["name"].as_str().unwrap(), role["version"]))
        .collect();
    roles.sort();
    roles.join(", ")
}

#[actix_web::test]
async fn a_key_that_signs_nothing_more_is_replaced_without_an_overlap() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    world.signer.lose_key(repo.timestamp_keys[0].id());
    let (_, new) = rotate(&world, &mut repo, "").await;
    assert_eq!(signers(&world, "timestamp").await, ids(&[&new]));
    world.read(&repo.gun, Some("a.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_key_more_needs_nothing_ahead() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &[]).await;
    repo.snapshot_keys.push(new_key(&world, "snapshot").await);
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    let [_, snapshot, timestamp] = world.read(&repo.gun, None).await;
    assert_eq!((snapshot.get(), timestamp.get()), (2, 2));
    let both: Vec<&Key> = repo.snapshot_keys.iter().collect();
    assert_eq!(signers(&world, "snapshot").await, ids(&both));
    world.end().await;
}

#[actix_web::test]
async fn two_rotations_in_a_row_keep_all_three_keys() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let (first, second) = rotate(&world, &mut repo, "").await;
    world.pass(TimeDelta::seconds(40_000));
    let third = new_key(&world, "timestamp").await;
    repo.timestamp_keys = vec![third.clone()];
    assert_eq!(world.publish(&repo, &[repo.root(3)]).await.status, 200);
    assert_eq!(signers(&world, "timestamp").await, ids(&[&first, &second, &third]));
    world.pass(OVERLAP - TimeDelta::seconds(40_000));
    world.publish(&repo, &[repo.team("docs", 2, &["a"])]).await;
    assert_eq!(signers(&world, "timestamp").await, ids(&[&second, &third]));
    world.read(&repo.gun, Some("docs/a")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_key_that_the_signer_has_for_another_collection_is_none_of_this_one() {
    let mut world = world().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let other = world.collection("acme/other", &[]).await;
    world.signer.mix_up_collections();
    let own = std::mem::replace(&mut repo.timestamp_keys, other.timestamp_keys);
    let answer = world.publish(&repo, &[repo.root(2)]).await;
    assert_eq!(answer.outcome(), (422, "online_keys_not_held".into()));
    repo.timestamp_keys = own;
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    world.end().await;
}
