//! Tokens over HTTP: nobody makes, sees or revokes a wider one than their own.

use chrono::TimeDelta;
use notary_schema::wire::GrantLevel;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Answer, World};

const TOKENS: &str = "/v2/_trust/tokens";

async fn create(world: &World, token: &str, new: Value) -> Answer {
    let answer = world.send_json(Method::POST, TOKENS, token, &new).await;
    let expected = if answer.status == 201 { "private, no-store" } else { "no-store" };
    assert_eq!(answer.header("cache-control"), expected);
    answer
}

#[actix_web::test]
async fn an_administrator_makes_tokens_within_the_own_grant() {
    let world = World::start().await;
    let admin = world.token(GrantLevel::Admin, "acme/*", &[]).await;
    let narrow = world.token(GrantLevel::Admin, "acme/*", &["docs-*"]).await;
    let publisher = world.token(GrantLevel::Publish, "**", &[]).await;
    let end = world.now() + TimeDelta::days(90);
    let late = end + TimeDelta::seconds(1);
    for (who, new, expected) in [
        (&admin, json!({"grant": "admin", "collections": "acme/*"}), 201),
        (&admin, json!({"grant": "read", "collections": "acme/a", "name": "x".repeat(64)}), 201),
        (&admin, json!({"grant": "read", "collections": "acme/a", "name": "x".repeat(65)}), 400),
        (&admin, json!({"grant": "read", "collections": "acme/a", "name": "two\nlines"}), 400),
        (&admin, json!({"grant": "read", "collections": "acme/a", "name": ""}), 400),
        (&admin, json!({"grant": "publish", "collections": "acme/app", "roles": ["docs"]}), 201),
        (&admin, json!({"grant": "read", "collections": "acme/app", "expires_at": end}), 201),
        (&admin, json!({"grant": "read", "collections": "acme/app", "expires_at": late}), 403),
        (
            &admin,
            json!({"grant": "read", "collections": "acme/app", "expires_at": world.now()}),
            400,
        ),
        (&admin, json!({"grant": "read", "collections": "acme/**"}), 403),
        (&admin, json!({"grant": "read", "collections": "*/app"}), 403),
        (&narrow, json!({"grant": "publish", "collections": "acme/a", "roles": ["docs-1"]}), 201),
        (&narrow, json!({"grant": "publish", "collections": "acme/a", "roles": ["docs"]}), 403),
        (&narrow, json!({"grant": "publish", "collections": "acme/a"}), 403),
        (&publisher, json!({"grant": "read", "collections": "acme/app"}), 403),
        (&admin, json!({"grant": "all", "collections": "acme/app"}), 400),
        (&admin, json!({"grant": "read", "collections": ""}), 400),
        (&admin, json!({"grant": "read"}), 400),
        (&admin, json!({"grant": "read", "collections": "acme/app", "more": 1}), 400),
        (&admin, json!([]), 400),
    ] {
        let answer = create(&world, who, new.clone()).await;
        assert_eq!(answer.status, expected, "{new} {answer:?}");
    }
    world.end().await;
}

#[actix_web::test]
async fn a_new_token_opens_what_it_was_made_for_and_ends_with_its_maker() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let admin = world.token(GrantLevel::Admin, "acme/*", &[]).await;
    let new = json!({
        "name": " the nightly job", "grant": "publish", "collections": "acme/app", "roles": ["docs"],
    });
    let made = create(&world, &admin, new).await.json();
    let token = made["token"].as_str().unwrap();
    assert_eq!(made["expires_at"], json!(world.now() + TimeDelta::days(90)));
    let docs = world.send(&repo.gun, "", token, &[repo.team("docs", 2, &["x"])]).await;
    assert_eq!(docs.status, 200, "{docs:?}");
    let targets = world.send(&repo.gun, "", token, &[repo.targets(2, &["a.txt"])]).await;
    assert_eq!(targets.outcome(), (403, "forbidden".into()));
    let own = world.get_as(&format!("{TOKENS}/self"), token).await.json();
    let creator = world.get_as(&format!("{TOKENS}/self"), &admin).await.json();
    assert_eq!(own["id"], made["id"]);
    assert_eq!(own["created_by"], creator["id"]);
    assert_eq!(own["roles"], json!(["docs"]));
    assert_eq!([&made["name"], &own["name"]], ["the nightly job", "the nightly job"]);
    let listed = world.get_as(TOKENS, &admin).await.json();
    let names: Vec<_> = listed["items"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert!(
        names.contains(&&json!("the nightly job")) && names.contains(&&Value::Null),
        "{listed}"
    );
    assert!(own.get("token").is_none() && own.get("sha256").is_none(), "{own}");
    world.end().await;
}

#[actix_web::test]
async fn wider_tokens_are_neither_listed_nor_found_nor_revoked() {
    let world = World::start().await;
    let admin = world.token(GrantLevel::Admin, "acme/*", &[]).await;
    let reader = world.token(GrantLevel::Read, "acme/app", &[]).await;
    let id = async |token: &str| {
        let own = world.get_as(&format!("{TOKENS}/self"), token).await;
        assert_eq!(own.header("cache-control"), "private, no-store");
        own.json()["id"].as_str().unwrap().to_owned()
    };
    let (wide, own, narrow) = (id(&world.admin).await, id(&admin).await, id(&reader).await);
    let mut expected = [own.clone(), narrow.clone()];
    expected.sort();
    let listed = world.get_as(TOKENS, &admin).await.json();
    let ids: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|t| t["id"].as_str().unwrap()).collect();
    assert_eq!(ids, expected);
    let first = world.get_as(&format!("{TOKENS}?limit=1"), &admin).await.json();
    assert_eq!(first["next"], expected[0]);
    let rest = world.get_as(&format!("{TOKENS}?limit=1&after={}", expected[0]), &admin).await;
    assert_eq!(rest.json()["items"][0]["id"], expected[1]);
    assert!(rest.json().get("next").is_none());
    assert_eq!(world.get_as(TOKENS, &reader).await.status, 403);
    for unknown in [wide.as_str(), "nobody"] {
        let path = format!("{TOKENS}/{unknown}");
        for answer in [world.get_as(&path, &admin).await, world.delete(&path, &admin).await] {
            assert_eq!(answer.outcome(), (404, "unknown_token".into()));
        }
    }
    assert_eq!(world.get_as(&format!("{TOKENS}/{narrow}"), &admin).await.status, 200);
    assert_eq!(world.get_as(&format!("{TOKENS}/{narrow}"), &reader).await.status, 200);
    assert_eq!(world.get_as(&format!("{TOKENS}/{own}"), &reader).await.status, 403);
    assert_eq!(world.delete(&format!("{TOKENS}/{own}"), &reader).await.status, 403);
    let since = world.now();
    for _ in 0..2 {
        let revoked = world.delete(&format!("{TOKENS}/{narrow}"), &admin).await;
        assert_eq!((revoked.status.as_u16(), revoked.bytes.len()), (204, 0));
        let told = world.get_as(&format!("{TOKENS}/{narrow}"), &admin).await.json();
        assert_eq!(told["revoked_at"], json!(since), "the first time counts");
        world.pass(TimeDelta::seconds(1));
    }
    assert_eq!(world.get_as(&format!("{TOKENS}/self"), &reader).await.status, 401);
    assert_eq!(world.delete(&format!("{TOKENS}/{own}"), &admin).await.status, 204, "one's own");
    assert_eq!(world.get_as(TOKENS, &admin).await.status, 401);
    world.end().await;
}

#[actix_web::test]
async fn tokens_are_counted_for_their_origin_through_all_that_are_between() {
    let world = World::start_with(|config| config.limits.tokens_per_origin = 3).await;
    let admin = world.token(GrantLevel::Admin, "acme/*", &[]).await;
    let new = json!({"grant": "admin", "collections": "acme/*"});
    let second = create(&world, &admin, new.clone()).await.json();
    let third = create(&world, second["token"].as_str().unwrap(), new.clone()).await.json();
    let full = create(&world, third["token"].as_str().unwrap(), new.clone()).await;
    assert_eq!(full.outcome(), (409, "too_many_tokens".into()));
    let other = world.token(GrantLevel::Admin, "acme/*", &[]).await;
    assert_eq!(create(&world, &other, new.clone()).await.status, 201, "another origin");
    // However many are made and revoked, few rows are left.
    let mut last = third["id"].clone();
    for _ in 0..10 {
        let path = format!("{TOKENS}/{}", last.as_str().unwrap());
        assert_eq!(world.delete(&path, &admin).await.status, 204);
        let made = create(&world, &admin, new.clone()).await;
        assert_eq!(made.status, 201, "{made:?}");
        last = made.json()["id"].clone();
    }
    let listed = world.get_as(TOKENS, &admin).await.json()["items"].as_array().unwrap().len();
    assert!(listed <= 3 + 3 + 2, "{listed} tokens are stored");
    world.end().await;
}

#[actix_web::test]
async fn with_a_token_those_that_were_made_with_it_are_revoked_where_that_is_wished() {
    let world = World::start_with(|config| config.limits.tokens_per_origin = 4).await;
    let stolen = world.token(GrantLevel::Admin, "acme/*", &[]).await;
    let new = json!({"grant": "admin", "collections": "acme/*"});
    let make = async |by: &str| {
        let made = create(&world, by, new.clone()).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["token"].as_str().unwrap().to_owned()
    };
    let delete = async |of: &str, by: &str, query: &str| {
        let own = world.get_as(&format!("{TOKENS}/self"), of).await.json();
        let path = format!("{TOKENS}/{}{query}", own["id"].as_str().unwrap());
        world.delete(&path, by).await.status.as_u16()
    };
    let is_good =
        async |token: &str| world.get_as(&format!("{TOKENS}/self"), token).await.status == 200;
    let other = world.token(GrantLevel::Admin, "acme/*", &[]).await;
    let first = make(&stolen).await;
    let second = make(&first).await;
    let third = make(&second).await;
    for (one, next, query) in [(&second, &third, "?cascade=false"), (&first, &third, "")] {
        assert_eq!(delete(one, &stolen, query).await, 204);
        assert!(!is_good(one).await && is_good(next).await, "alone");
    }
    world.pass(TimeDelta::seconds(1));
    // The token between is forgotten, what was made with it is not.
    for _ in 0..8 {
        let more = make(&stolen).await;
        assert_eq!(delete(&more, &stolen, "?cascade=false").await, 204);
    }
    assert_eq!(delete(&stolen, &world.admin, "?cascade=perhaps").await, 400);
    assert_eq!(delete(&stolen, &world.admin, "?cascade=true").await, 204);
    assert!(!is_good(&stolen).await && !is_good(&third).await);
    assert!(is_good(&other).await && is_good(&world.admin).await, "neither made with it");
    world.end().await;
}

#[actix_web::test]
async fn a_request_for_a_token_is_small_json() {
    let world = World::start_with(|config| config.limits.document_bytes = 200).await;
    let limits = &world.service.config.limits;
    let new = |bytes: usize, roles: usize| {
        let new = json!({"grant": "read", "collections": "a", "roles": vec!["r"; roles]});
        let padding = " ".repeat(bytes.saturating_sub(new.to_string().len()));
        format!("{new}{padding}")
    };
    let send = async |content_type: &str, body: String| {
        let edit = |request: reqwest::RequestBuilder| {
            let request = request.bearer_auth(&world.admin);
            request.header("content-type", content_type.to_owned()).body(body)
        };
        world.request(Method::POST, TOKENS, edit).await.outcome()
    };
    assert_eq!(send("application/json", new(200, 0)).await.0, 201);
    assert_eq!(send("application/json", new(201, 0)).await, (413, "too_large".into()));
    assert_eq!(send("text/plain", new(0, 0)).await, (400, "malformed_request".into()));
    assert_eq!(send("application/json", "{".into()).await, (400, "malformed_request".into()));
    let twice = r#"{"grant": "read", "grant": "read", "collections": "a"}"#;
    assert_eq!(send("application/json", twice.into()).await.0, 400);
    assert_eq!(send("application/json", new(0, limits.role_globs)).await.0, 201);
    assert_eq!(send("application/json", new(0, limits.role_globs + 1)).await.0, 400);
    world.end().await;
}
