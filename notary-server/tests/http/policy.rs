//! What an administrator decides about a collection: who may read it, how long its metadata lives.

use chrono::TimeDelta;
use notary_schema::online::{Lifetimes, SignerPolicy};
use notary_schema::wire::GrantLevel;
use notary_server::store::{NewPolicy, Store as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, World};

const POLICY: &str = "/v2/acme/app/_trust/policy";
const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

impl World {
    async fn set(&self, lifetimes: Value) -> Answer {
        self.send_json(Method::PATCH, POLICY, &self.admin, &json!({ "lifetimes": lifetimes })).await
    }

    /// How long the current file of a role still lives, in seconds.
    async fn left(&self, role: &str) -> i64 {
        let info = self.get("/v2/acme/app/_trust/").await.json();
        let mut roles = info["roles"].as_array().unwrap().iter();
        let found = roles.find(|found| found["name"] == role).unwrap();
        let expires = found["file"]["expires"].as_str().unwrap();
        (expires.parse::<chrono::DateTime<chrono::Utc>>().unwrap() - self.now()).num_seconds()
    }
}

#[actix_web::test]
async fn an_administrator_says_who_may_read_and_it_holds_from_the_next_request() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &[]).await;
    let (policy, timestamp) =
        ("/v2/acme/app/_trust/policy", "/v2/acme/app/_trust/tuf/timestamp.json");
    let publisher = world.token(GrantLevel::Publish, "acme/app", &[]).await;
    let patch = async |token: &str, body: serde_json::Value| {
        world.send_json(Method::PATCH, policy, token, &body).await
    };
    assert_eq!(patch(&publisher, json!({"public": false})).await.status, 403);
    assert_eq!(patch(&world.admin, json!({"publik": false})).await.status, 400);
    assert_eq!(patch(&world.admin, json!({})).await.json()["public"], true);
    assert_eq!(world.get(timestamp).await.status, 200);
    let hidden = patch(&world.admin, json!({"public": false})).await;
    assert_eq!(hidden.json()["public"], false);
    assert_eq!(hidden.header("cache-control"), "private, no-store");
    assert_eq!(world.get(timestamp).await.status, 404);
    assert_eq!(world.get(policy).await.status, 404);
    assert_eq!(world.get_as(timestamp, &publisher).await.status, 200);
    // A publish does not bring it back to light.
    assert_eq!(world.publish(&repo, &[repo.targets(2, &["a.txt"])]).await.status, 200);
    assert_eq!(world.get(timestamp).await.status, 404);
    patch(&world.admin, json!({"public": true})).await;
    assert_eq!(world.get(timestamp).await.status, 200);
    let kinds: Vec<_> = world.get("/v2/acme/app/_trust/changefeed").await.json()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["publish", "policy", "publish", "policy"]);
    let missing = "/v2/acme/none/_trust/policy";
    let unknown = world.send_json(Method::PATCH, missing, &world.admin, &json!({})).await;
    assert_eq!(unknown.outcome(), (404, "unknown_collection".into()));
    world.end().await;
}

#[actix_web::test]
async fn lifetimes_are_set_one_by_one_and_taken_back() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    let usual = json!(Lifetimes::default());
    let none = json!({"public": true, "lifetimes": usual, "own_lifetimes": {}});
    assert_eq!(world.get(POLICY).await.json(), none);
    let answer = world.set(json!({"timestamp_seconds": HOUR, "root_seconds": 400 * DAY})).await;
    let mut effective = usual.clone();
    effective["timestamp_seconds"] = HOUR.into();
    effective["root_seconds"] = (400 * DAY).into();
    let own = json!({"root_seconds": 400 * DAY, "timestamp_seconds": HOUR});
    let both = json!({"public": true, "lifetimes": effective, "own_lifetimes": own});
    assert_eq!(answer.json(), both);
    assert_eq!(world.get(POLICY).await.json(), both);
    let info = world.get("/v2/acme/app/_trust/").await.json();
    assert_eq!(info["lifetimes"], effective, "publishers are told");
    let answer = world.set(json!({"root_seconds": null})).await;
    assert_eq!(answer.json()["own_lifetimes"], json!({"timestamp_seconds": HOUR}));
    assert_eq!(world.set(json!({"timestamp_seconds": null})).await.json(), none);
    assert_eq!(world.set(json!({"timestamp_seconds": null})).await.json(), none, "again");
    let feed = world.get("/v2/acme/app/_trust/changefeed").await.json();
    let kinds = feed["items"].as_array().unwrap().iter().map(|event| event["kind"].clone());
    let changes = ["publish", "policy", "policy", "policy"];
    assert_eq!(kinds.collect::<Vec<_>>(), changes, "what changes nothing is no event");
    world.end().await;
}

#[actix_web::test]
async fn lifetimes_that_make_no_sense_are_refused_and_nothing_is_changed() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    let signed = SignerPolicy::default().timestamp_max_seconds;
    for (lifetimes, status, code) in [
        (json!({"timestamp_seconds": signed + 1}), 422, "lifetime_above_signer"),
        (json!({"timestamp_seconds": 599}), 422, "lifetime_too_short"),
        (json!({"snapshot_seconds": DAY - 1}), 422, "lifetime_above_other"),
        (json!({"offline_max_seconds": (1u64 << 53) - 1}), 422, "lifetime_too_long"),
        (json!({"offline_max_seconds": 1u64 << 53}), 400, "malformed_request"),
        (json!({"root_seconds": 400 * DAY, "targets_seconds": 1}), 422, "lifetime_too_short"),
        (json!({"timestamp_seconds": -1}), 400, "malformed_request"),
        (json!({"timestamp_seconds": 0.5}), 400, "malformed_request"),
        (json!({"timestamp_seconds": "1h"}), 400, "malformed_request"),
        (json!({"timestamp": 3600}), 400, "malformed_request"),
        (json!([]), 400, "malformed_request"),
    ] {
        let answer = world.set(lifetimes.clone()).await;
        assert_eq!(answer.outcome(), (status, code.to_owned()), "{lifetimes}");
    }
    let publisher = world.token(GrantLevel::Root, "acme/app", &[]).await;
    let good = json!({"lifetimes": {"timestamp_seconds": signed, "snapshot_seconds": signed}});
    let answer = world.send_json(Method::PATCH, POLICY, &publisher, &good).await;
    assert_eq!(answer.outcome(), (403, "forbidden".to_owned()));
    assert_eq!(world.get(POLICY).await.json()["own_lifetimes"], json!({}));
    let answer = world.send_json(Method::PATCH, POLICY, &world.admin, &good).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.end().await;
}

#[actix_web::test]
async fn a_body_is_read_in_one_way_only_and_what_is_wrong_is_told_in_words_of_json() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    for (method, path, body, words) in [
        (Method::PATCH, POLICY, r#"{"public": true, "public": true}"#, "\"public\" is repeated"),
        (
            Method::PATCH,
            POLICY,
            r#"{"lifetimes": {"timestamp_seconds": 86400, "timestamp_seconds": 86400}}"#,
            "\"timestamp_seconds\" is repeated",
        ),
        (Method::PATCH, POLICY, "[]", "the body: expected '{'"),
        (Method::PATCH, POLICY, "[true, {}]", "the body: expected '{'"),
        (Method::POST, "/v2/_trust/tokens", "[]", "the body: expected '{'"),
        (
            Method::POST,
            "/v2/_trust/tokens",
            r#"{"grant": "read", "collections": "'acme/**'"}"#,
            "no name matches the pattern \"'acme/**'\"",
        ),
        (Method::POST, "/v2/acme/app/_trust/revocations", r#"["a"]"#, "the body: expected '{'"),
        (
            Method::POST,
            "/v2/acme/app/_trust/revocations",
            r#"{"reason": "\u200b", "keyid": "0"}"#,
            "shows nothing",
        ),
    ] {
        let edit = |request: reqwest::RequestBuilder| {
            let request = request.bearer_auth(&world.admin);
            request.header("content-type", "application/json").body(body)
        };
        let answer = world.request(method, path, edit).await;
        assert_eq!(answer.outcome(), (400, "malformed_request".to_owned()), "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(words) && !detail.contains("struct"), "{body}: {detail}");
    }
    world.end().await;
}

#[actix_web::test]
async fn only_what_the_signer_signs_needs_the_signer() {
    let mut world = World::start().await;
    world.collection("acme/app", &[]).await;
    world.signer.go_away();
    let answer = world.set(json!({"timestamp_seconds": HOUR})).await;
    assert_eq!(answer.outcome(), (503, "signer_unreachable".to_owned()));
    assert_eq!(world.set(json!({"root_seconds": 30 * DAY})).await.status, 200);
    world.signer.heal();
    assert_eq!(world.set(json!({"timestamp_seconds": HOUR})).await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn a_changed_life_is_followed_by_a_refresh() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &[]).await;
    world.collection("acme/other", &[]).await;
    assert_eq!(world.refresh_all().await, 0);
    world.set(json!({"timestamp_seconds": HOUR})).await;
    assert_eq!(world.refresh_all().await, 1, "it was signed for longer");
    assert_eq!(world.left("timestamp").await, 3_600);
    assert_eq!(world.refresh_all().await, 0, "once");
    world.pass(TimeDelta::minutes(30));
    assert_eq!(world.refresh_all().await, 0);
    world.pass(TimeDelta::seconds(1));
    assert_eq!(world.refresh_all().await, 1, "half of its own life is gone");
    assert_eq!(world.publish(&repo, &[repo.targets(2, &["a.txt"])]).await.status, 200);
    assert_eq!(world.left("timestamp").await, 3_600, "a publish signs for it, too");
    world.set(json!({"timestamp_seconds": null, "snapshot_seconds": 15 * DAY})).await;
    assert_eq!(world.refresh_all().await, 1, "less than half of the longer life is left");
    assert_eq!(world.left("timestamp").await, 24 * 3_600);
    assert_eq!(world.left("snapshot").await, 15 * 24 * 3_600);
    world.set(json!({"snapshot_seconds": null})).await;
    assert_eq!(world.refresh_all().await, 1, "the server's life is shorter");
    assert_eq!(world.left("snapshot").await, 7 * 24 * 3_600);
    let [_, snapshot, timestamp] = world.read(&repo.gun, Some("a.txt")).await;
    assert_eq!((snapshot.get(), timestamp.get()), (4, 6));
    world.end().await;
}

#[actix_web::test]
async fn publishes_are_held_to_the_longest_life_of_the_collection() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &[]).await;
    let longest = json!({"offline_max_seconds": 20 * DAY, "root_seconds": 10 * DAY,
        "targets_seconds": 10 * DAY});
    assert_eq!(world.set(longest).await.status, 200);
    let answer = world.publish(&repo, &[repo.targets(2, &["b.txt"])]).await;
    assert_eq!(answer.outcome(), (422, "expires_too_late".to_owned()));
    world.set(json!({"offline_max_seconds": null})).await;
    assert_eq!(world.publish(&repo, &[repo.targets(2, &["b.txt"])]).await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn a_signer_that_allows_less_than_before_stops_nothing() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &[]).await;
    world.set(json!({"timestamp_seconds": 3 * DAY})).await;
    world.signer.limits.lock().unwrap().timestamp_max_seconds = 2 * DAY;
    world.pass(TimeDelta::seconds(1));
    assert_eq!(world.get("/readyz").await.status, 200, "the configured lives are shorter");
    assert_eq!(world.refresh_all().await, 1);
    assert_eq!(world.refresh_all().await, 0, "once");
    assert_eq!(world.left("timestamp").await, 2 * 24 * 3_600);
    let policy = world.get(POLICY).await.json();
    assert_eq!(policy["lifetimes"]["timestamp_seconds"], 2 * DAY);
    assert_eq!(
        policy["own_lifetimes"]["timestamp_seconds"],
        3 * DAY,
        "it comes back with the signer's"
    );
    assert_eq!(world.publish(&repo, &[repo.targets(2, &["b.txt"])]).await.status, 200);
    world.end().await;
}

#[actix_web::test]
async fn lifetimes_belong_to_one_life_of_a_name() {
    let mut world = World::start().await;
    let first = world.collection("acme/app", &[]).await;
    world.set(json!({"timestamp_seconds": HOUR})).await;
    let here = "/v2/acme/app/_trust/tuf/?confirm=acme/app";
    let tombstone = world.delete(here, &world.admin).await.json();
    let deleted = (409, "collection_deleted".to_owned());
    assert_eq!(world.set(json!({"timestamp_seconds": DAY})).await.outcome(), deleted);
    assert_eq!(world.post("/v2/acme/app/_trust/undelete", &world.admin).await.status, 200);
    let own = json!({"timestamp_seconds": HOUR});
    assert_eq!(world.get(POLICY).await.json()["own_lifetimes"], own, "a tombstone keeps them");
    assert_eq!(world.left("timestamp").await, 3_600);
    world.read(&first.gun, Some("a.txt")).await;
    world.delete(here, &world.admin).await;
    let replace = format!("?replace={}", tombstone["root"]["sha256"].as_str().unwrap());
    let next = world.reserve_with("acme/app", &replace, &[]).await;
    let answer = world
        .send(&next.gun, &replace, &world.admin, &[next.root(1), next.targets(1, &["a.txt"])])
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.pin(&next);
    assert_eq!(world.get(POLICY).await.json()["own_lifetimes"], json!({}));
    assert_eq!(world.left("timestamp").await, 24 * 3_600);
    world.end().await;
}

/// Otherwise of two who change different things at once, one undoes what the other was answered.
#[actix_web::test]
async fn a_policy_that_was_read_before_a_commit_is_not_set() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let read = world.store.standing_of("acme/app").await.life.unwrap();
    assert_eq!(world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await.status, 200);
    let wanted = || NewPolicy {
        is_public: false,
        lifetimes: read.lifetimes.clone(),
        by: "somebody".to_owned(),
    };
    let late = world.store.set_policy(&read, wanted(), world.now()).await.unwrap();
    assert!(late.is_none(), "{late:?}");
    let now = world.store.standing_of("acme/app").await.life.unwrap();
    assert!(now.is_public);
    let set = world.store.set_policy(&now, wanted(), world.now()).await.unwrap();
    assert!(!set.unwrap().is_public);
}
