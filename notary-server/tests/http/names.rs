//! Reservations: who may make them, how many, and what they promise.

use notary_schema::name::Gun;
use notary_schema::wire::GrantLevel;
use reqwest::Method;
use serde_json::json;

use crate::world::World;

#[actix_web::test]
async fn a_reservation_is_private_or_not_from_its_first_request_on() {
    let mut world = World::start().await;
    world.agent_token = Some(world.admin.clone());
    let key = async |gun: &str, query: &str| {
        world.post(&format!("/v2/{gun}/_trust/keys/snapshot{query}"), &world.admin).await
    };
    for (first, repeats, conflict) in [
        ("?private=true", ["", "?private=true"], "?private=false"),
        ("", ["", "?private=false"], "?private=true"),
    ] {
        let gun = format!("acme/a{}", first.len());
        let made = key(&gun, first).await;
        assert_eq!(made.status, 200, "{made:?}");
        for repeat in repeats {
            assert_eq!(key(&gun, repeat).await.json(), made.json());
        }
        assert_eq!(key(&gun, conflict).await.outcome(), (409, "reserved_otherwise".into()));
    }
    assert_eq!(key("acme/b", "?private=maybe").await.outcome().0, 400);
    world.collection("acme/app", &[]).await;
    let live = world.post("/v2/acme/app/_trust/keys/snapshot?private=true", &world.admin).await;
    assert_eq!(live.outcome(), (409, "reserved_otherwise".into()));
    world.end().await;
}

#[actix_web::test]
async fn one_origin_does_not_use_up_the_reservations_of_all() {
    let world = World::start_with(|config| {
        config.limits.reservations = 3;
        config.limits.reservations_per_origin = 2;
    })
    .await;
    let admin = world.token(GrantLevel::Admin, "acme/*", &[]).await;
    let new = json!({"grant": "admin", "collections": "acme/*"});
    let made = world.send_json(Method::POST, "/v2/_trust/tokens", &admin, &new).await.json();
    let child = made["token"].as_str().unwrap();
    let reserve = async |token: &str, gun: &str| {
        world.post(&format!("/v2/{gun}/_trust/keys/snapshot"), token).await.outcome()
    };
    let full = (409, "too_many_reservations".to_owned());
    assert_eq!(reserve(&admin, "acme/a").await.0, 200);
    assert_eq!(reserve(child, "acme/b").await.0, 200);
    for token in [admin.as_str(), child] {
        assert_eq!(reserve(token, "acme/c").await, full);
        assert_eq!(reserve(token, "acme/a").await.0, 200, "a repeat");
    }
    assert_eq!(reserve(&world.admin, "acme/c").await.0, 200);
    assert_eq!(reserve(&world.admin, "acme/d").await, full);
    let freed = world.delete("/v2/acme/a/_trust/tuf/?confirm=acme/a", &admin).await;
    assert_eq!(freed.json(), json!({"gun": "acme/a", "state": "free"}));
    assert_eq!(reserve(&admin, "acme/d").await.0, 200);
    world.end().await;
}

#[actix_web::test]
async fn nobody_but_an_administrator_has_the_signer_make_a_key() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &[]).await;
    let made = world.signer.keys();
    let publisher = world.token(GrantLevel::Publish, "**", &[]).await;
    let root = world.token(GrantLevel::Root, "**", &[]).await;
    let elsewhere = world.token(GrantLevel::Admin, "other/**", &[]).await;
    for gun in ["acme/app", "acme/new"] {
        for role in ["snapshot", "timestamp", "targets", "snapshot?rotate=true"] {
            let path = format!("/v2/{gun}/_trust/keys/{role}");
            for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
                world.request(method, &path, |request| request).await;
            }
            assert_eq!(world.get_as(&path, &world.admin).await.status, 405);
            for token in [&publisher, &root, &elsewhere] {
                let refused = world.post(&path, token).await.status.as_u16();
                assert!(matches!(refused, 403 | 404), "{refused}");
            }
        }
        for path in ["tuf/timestamp.json", "tuf/1.root.json", "", "policy", "changefeed"] {
            world.get_as(&format!("/v2/{gun}/_trust/{path}"), &world.admin).await;
        }
        let parts = [repo.root(1), repo.targets(1, &["other.txt"])];
        for token in [&publisher, &root, &elsewhere, &world.admin] {
            let gun = notary_schema::name::Gun::parse(gun).unwrap();
            assert_ne!(world.send(&gun, "", token, &parts).await.status, 200);
        }
    }
    world.refresh_all().await;
    assert_eq!(world.signer.keys(), made);
    assert!(world.store.standing_of("acme/new").await.reservation.is_none());
    world.post("/v2/acme/app/_trust/keys/snapshot?rotate=true", &world.admin).await;
    assert_eq!(world.signer.keys(), made + 1, "the count can go up");
    world.end().await;
}

#[actix_web::test]
async fn a_name_that_is_freed_while_its_key_is_made_can_be_reserved_again() {
    let mut world = World::start().await;
    let path = "/v2/acme/app/_trust/keys/snapshot";
    *world.store.freed_before_keys.lock().unwrap() = Some(Gun::parse("acme/app").unwrap());
    let freed = world.post(path, &world.admin).await;
    assert_eq!(freed.outcome(), (503, "busy".into()));
    assert_eq!(freed.header("retry-after"), "1");
    assert_eq!(world.post(path, &world.admin).await.status, 200);
    let repo = world.collection("acme/app", &[]).await;
    world.read(&repo.gun, None).await;
    world.end().await;
}
