//! Who may do what: every grant against every call.

use chrono::TimeDelta;
use notary_schema::wire::GrantLevel;
use notary_server::auth::TOKEN_PREFIX;
use notary_server::store::{Revoked, Store};

use crate::world::World;

#[actix_web::test]
async fn every_grant_opens_its_calls_and_no_other() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    // What each token gets for: keys, publish of root, of targets, of docs. Versions are wrong on
    // purpose: 409 says that the request was let in.
    let admin = [200, 409, 409, 409];
    for (level, collections, roles, expected) in [
        (GrantLevel::Read, "**", vec![], [403, 403, 403, 403]),
        (GrantLevel::Sign, "**", vec![], [403, 403, 403, 403]),
        (GrantLevel::Publish, "acme/*", vec![], [403, 403, 409, 409]),
        (GrantLevel::Publish, "acme/*", vec!["docs"], [403, 403, 403, 409]),
        (GrantLevel::Root, "acme/app", vec![], [403, 409, 403, 403]),
        (GrantLevel::Admin, "**", vec![], admin),
        (GrantLevel::Admin, "other/**", vec![], [403, 403, 403, 403]),
    ] {
        let token = world.token(level, collections, &roles).await;
        let keys = world.post("/v2/acme/app/_trust/keys/snapshot", &token).await;
        let mut statuses = vec![keys.status.as_u16()];
        for part in [repo.root(9), repo.targets(9, &[]), repo.team("docs", 9, &[])] {
            let answer = world.send(&repo.gun, "", &token, &[part]).await;
            statuses.push(answer.status.as_u16());
        }
        assert_eq!(statuses, expected, "{level:?} on {collections} {roles:?}");
        // Who takes over a repository brings every role, and has to be an administrator.
        let targets = [repo.targets(9, &[])];
        let adopting = world.send(&repo.gun, "?adopt=true", &token, &targets).await.status;
        assert_eq!(adopting == 403, expected[2] == 403, "{level:?} on {collections} {roles:?}");
    }
    world.end().await;
}

#[actix_web::test]
async fn a_stranger_does_not_learn_which_names_are_taken() {
    let world = World::start().await;
    world.reserve("acme/reserved", &[]).await;
    let stranger = world.token(GrantLevel::Admin, "other/**", &[]).await;
    for gun in ["acme/reserved", "acme/free"] {
        let answer = world.post(&format!("/v2/{gun}/_trust/keys/snapshot"), &stranger).await;
        assert_eq!(answer.outcome(), (404, "unknown_collection".into()));
    }
    let reader = world.token(GrantLevel::Read, "acme/**", &[]).await;
    for gun in ["acme/reserved", "acme/free"] {
        let answer = world.post(&format!("/v2/{gun}/_trust/keys/snapshot"), &reader).await;
        assert_eq!(answer.outcome(), (403, "forbidden".into()));
    }
    world.end().await;
}

#[actix_web::test]
async fn a_token_that_is_missing_unknown_expired_or_revoked_is_401() {
    let world = World::start().await;
    let path = "/v2/acme/app/_trust/keys/snapshot";
    let missing = world.request(reqwest::Method::POST, path, |request| request).await;
    assert_eq!(missing.outcome(), (401, "unauthenticated".into()));
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    let unknown = format!("{TOKEN_PREFIX}unknown");
    assert_eq!(world.post(path, &unknown).await.status, 401);
    let basic = world.request(reqwest::Method::POST, path, |r| r.basic_auth("a", Some("b"))).await;
    assert_eq!(basic.status, 401);
    let token = world.token(GrantLevel::Admin, "**", &[]).await;
    assert_eq!(world.post(path, &token).await.status, 200);
    world.service.gate.note_uses().await.unwrap();
    let sha256 = notary_schema::key::sha256_hex(token.as_bytes());
    let stored = world.store.token(&sha256).await.unwrap().unwrap();
    assert_eq!(stored.last_used_at, Some(world.now()));
    assert!(world.store.revoke_token(&stored.id, Revoked::Alone, world.now()).await.unwrap());
    assert_eq!(world.post(path, &token).await.status, 401);
    assert!(!world.store.revoke_token("nobody", Revoked::AndMade, world.now()).await.unwrap());
    let expiring = world.token(GrantLevel::Admin, "**", &[]).await;
    world.pass(TimeDelta::days(90) - TimeDelta::seconds(1));
    assert_eq!(world.post(path, &expiring).await.status, 200);
    world.pass(TimeDelta::seconds(1));
    assert_eq!(world.post(path, &expiring).await.status, 401);
    world.end().await;
}
