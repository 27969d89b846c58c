//! Private collections: whoever may not read one learns nothing of it, by no path.

use chrono::TimeDelta;
use notary_schema::online::OnlineRole;
use notary_schema::wire::GrantLevel;
use reqwest::Method;
use serde_json::json;
use std::sync::atomic::Ordering;

use crate::signer::Fault;
use crate::world::{Answer, World};

/// All that could tell two answers apart: not the names, which are equally long, nor the ids.
fn face(answer: &Answer, gun: &str) -> String {
    let mut headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "date" | "connection"))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    let body = String::from_utf8(answer.bytes.clone()).unwrap().replace(gun, "NAME");
    let body = body.split("\"request_id\"").next().unwrap_or_default().to_owned();
    format!("{} {headers:?} {body}", answer.status)
}

#[actix_web::test]
async fn a_private_name_and_an_unknown_one_look_the_same_to_strangers() {
    let mut world = World::start().await;
    world.agent_token = Some(world.admin.clone());
    world.private_collection("acme/hidden", &[]).await;
    let stranger = world.token(GrantLevel::Admin, "other/**", &[]).await;
    let whom = [None, Some(stranger.as_str()), Some("notary_unknown")];
    let (get, head, post) = (Method::GET, Method::HEAD, Method::POST);
    for (method, path) in [
        (&get, "tuf/timestamp.json"),
        (&head, "tuf/timestamp.json"),
        (&get, "tuf/1.root.json"),
        (&get, "tuf/2.root.json"),
        (&get, "tuf/1.snapshot.json"),
        (&get, "tuf/targets.json"),
        (&get, "tuf/none"),
        (&get, ""),
        (&head, ""),
        (&get, "policy"),
        (&get, "changefeed"),
        (&post, "tuf/"),
        (&post, "keys/snapshot"),
        (&post, "undelete"),
        (&Method::PATCH, "policy"),
        (&Method::DELETE, "tuf/?confirm=acme/hidden"),
    ] {
        for token in whom {
            let ask = async |gun: &str| {
                let path = format!("/v2/{gun}/_trust/{}", path.replace("acme/hidden", gun));
                let edit = |request: reqwest::RequestBuilder| {
                    let mut request = request.header("if-none-match", "*");
                    if *method == Method::PATCH {
                        request = request.json(&json!({}));
                    }
                    match token {
                        Some(token) => request.bearer_auth(token),
                        None => request,
                    }
                };
                let answer = world.request(method.clone(), &path, edit).await;
                let expected: &[u16] = match (token, *method == post) {
                    (None, false) if matches!(*method, Method::GET | Method::HEAD) => &[404],
                    (Some("notary_unknown") | None, _) => &[401],
                    _ => &[404],
                };
                assert!(expected.contains(&answer.status.as_u16()), "{method} {path} {answer:?}");
                face(&answer, gun)
            };
            let (private, unknown) = (ask("acme/hidden").await, ask("acme/absent").await);
            assert_eq!(private, unknown, "{method} {path} as {token:?}");
        }
    }
    world.end().await;
}

#[actix_web::test]
async fn readyz_names_public_collections_and_counts_the_others() {
    let mut world = World::start().await;
    world.agent_token = Some(world.admin.clone());
    let hidden = world.private_collection("acme/hidden", &["docs"]).await;
    let public = world.collection("acme/public", &["docs"]).await;
    for repo in [&hidden, &public] {
        world.signer.fail(OnlineRole::Snapshot, &[Fault::Lost]);
        assert_eq!(world.publish(repo, &[repo.team("docs", 2, &["x"])]).await.status, 503);
    }
    let ready = world.get("/readyz").await.json();
    assert_eq!(ready["unfinished_releases"], json!([{"gun": "acme/public"}]));
    assert_eq!(ready["other_unfinished_releases"], 1);
    assert_eq!(world.roll_all().await, 2);
    world.end().await;
}

#[actix_web::test]
async fn whoever_has_a_grant_reads_it_and_no_cache_keeps_it() {
    let mut world = World::start().await;
    let reader = world.token(GrantLevel::Read, "acme/*", &[]).await;
    world.agent_token = Some(reader.clone());
    let repo = world.private_collection("acme/hidden", &["docs"]).await;
    world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await;
    world.read(&repo.gun, Some("docs/x")).await;
    let own = "private, no-store";
    for path in ["tuf/timestamp.json", "tuf/1.root.json", "", "policy", "changefeed"] {
        let path = format!("/v2/acme/hidden/_trust/{path}");
        let answer = world.get_as(&path, &reader).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, own), "{path}");
        assert_eq!(world.get(&path).await.outcome(), (404, "unknown_collection".into()), "{path}");
    }
    let timestamp = "/v2/acme/hidden/_trust/tuf/timestamp.json";
    let etag = world.get_as(timestamp, &reader).await.header("etag").to_owned();
    let edit = |request: reqwest::RequestBuilder| {
        request.bearer_auth(&reader).header("if-none-match", &etag)
    };
    let same = world.request(Method::GET, timestamp, edit).await;
    assert_eq!((same.status.as_u16(), same.header("cache-control")), (304, own));
    let missing = world.get_as("/v2/acme/hidden/_trust/tuf/9.docs.json", &reader).await;
    assert_eq!(missing.outcome(), (404, "unknown_file".into()));
    assert_eq!(missing.header("cache-control"), "no-store");
    world.end().await;
}

#[actix_web::test]
async fn lists_show_what_the_caller_may_read() {
    let mut world = World::start().await;
    world.agent_token = Some(world.admin.clone());
    world.private_collection("acme/hidden", &[]).await;
    world.private_collection("other/hidden", &[]).await;
    world.collection("acme/public", &[]).await;
    let reader = world.token(GrantLevel::Read, "acme/*", &[]).await;
    let list = async |token: Option<&str>, path: &str, member: &str| {
        let answer = match token {
            Some(token) => world.get_as(path, token).await,
            None => world.get(path).await,
        };
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("cache-control") == "private, no-store", token.is_some());
        let items = answer.json()["items"].as_array().unwrap().clone();
        items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let collections = "/v2/_trust/collections";
    assert_eq!(list(None, collections, "gun").await, ["acme/public"]);
    let own = ["acme/hidden", "acme/public"];
    assert_eq!(list(Some(&reader), collections, "gun").await, own);
    let first = world.get_as(&format!("{collections}?limit=1"), &reader).await.json();
    assert_eq!(first["next"], own[0]);
    let rest = format!("{collections}?limit=1&after={}", own[0]);
    assert_eq!(list(Some(&reader), &rest, "gun").await, own[1..]);
    let feed = "/v2/_trust/changefeed";
    assert_eq!(list(None, feed, "collection").await, ["acme/public"]);
    assert_eq!(list(Some(&reader), feed, "collection").await, own);
    let all = ["acme/hidden", "other/hidden", "acme/public"];
    assert_eq!(list(Some(&world.admin), feed, "collection").await, all);
    assert_eq!(world.get_as(collections, "notary_unknown").await.status, 401);
    world.end().await;
}

#[actix_web::test]
async fn numbers_of_the_changefeed_do_not_tell_when_others_publish() {
    let mut world = World::start().await;
    world.agent_token = Some(world.admin.clone());
    world.collection("acme/public", &[]).await;
    world.private_collection("acme/hidden", &[]).await;
    let other = world.private_collection("other/hidden", &["docs"]).await;
    let reader = world.token(GrantLevel::Read, "acme/*", &[]).await;
    let asked = ["/v2/_trust/changefeed", "/v2/acme/public/_trust/changefeed"];
    let seen = async |path: &str, token: Option<&str>| {
        let mut seen = Vec::new();
        for after in 0..6 {
            let path = format!("{path}?limit=1&after={after}");
            let answer = match token {
                Some(token) => world.get_as(&path, token).await,
                None => world.get(&path).await,
            };
            seen.push(face(&answer, "other/hidden"));
        }
        seen
    };
    let all = async || {
        let mut all = Vec::new();
        for path in asked {
            all.push([seen(path, None).await, seen(path, Some(&reader)).await]);
        }
        all
    };
    let before = all().await;
    let known = |seen: &[String]| seen.iter().filter(|face| face.starts_with("200")).count();
    assert_eq!(
        before[0].each_ref().map(|seen| known(seen)),
        [2, 3],
        "0 and the events that it reads"
    );
    assert_eq!(
        before[1].each_ref().map(|seen| known(seen)),
        [2, 2],
        "0 and that of the collection"
    );
    assert_eq!(known(&seen(asked[0], Some(&world.admin)).await), 4);
    assert_eq!(world.publish(&other, &[other.team("docs", 2, &["x"])]).await.status, 200);
    assert_eq!(all().await, before);
    assert_eq!(known(&seen(asked[0], Some(&world.admin)).await), 5);
    world.end().await;
}

#[actix_web::test]
async fn a_token_is_looked_up_once_and_revoked_at_once() {
    let mut world = World::start().await;
    world.agent_token = Some(world.admin.clone());
    world.private_collection("acme/hidden", &[]).await;
    let reader = world.token(GrantLevel::Read, "acme/*", &[]).await;
    let path = "/v2/acme/hidden/_trust/tuf/timestamp.json";
    assert_eq!(world.get_as(path, &reader).await.status, 200);
    let before = world.store.token_queries.load(Ordering::SeqCst);
    for _ in 0..20 {
        assert_eq!(world.get_as(path, &reader).await.status, 200);
    }
    let queries = world.store.token_queries.load(Ordering::SeqCst) - before;
    assert!(queries <= 2, "{queries} queries for 20 requests");
    assert_eq!(world.delete("/v2/_trust/tokens/self", &reader).await.status, 204);
    assert_eq!(world.get_as(path, &reader).await.outcome(), (401, "unauthenticated".into()));
    let expiring = world.token(GrantLevel::Read, "acme/*", &[]).await;
    assert_eq!(world.get_as(path, &expiring).await.status, 200);
    world.pass(TimeDelta::days(90));
    assert_eq!(world.get_as(path, &expiring).await.status, 401);
    world.pass(TimeDelta::days(-90));
    world.end().await;
}
