//! Who may revoke, and which keys.

use notary_server::store::{NewRevocation, RevokedKey, Store as _};

use super::*;

#[actix_web::test]
async fn administrators_revoke_and_readers_see_it() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let body = json!({"keyid": repo.key_of("docs").key.id(), "reason": "stolen"});
    let one = format!("{REVOCATIONS}/{}", repo.key_of("docs").key.id());
    for (level, collections, expected) in [
        (GrantLevel::Read, "**", 403),
        (GrantLevel::Sign, "**", 403),
        (GrantLevel::Publish, "**", 403),
        (GrantLevel::Root, "**", 403),
        (GrantLevel::Admin, "other/**", 403),
        (GrantLevel::Admin, "acme/app", 201),
    ] {
        let token = world.token(level, collections, &[]).await;
        assert_eq!(post(&world, &token, &body).await.status, expected, "{level:?} {collections}");
        let taken_back = if expected == 201 { 204 } else { 403 };
        assert_eq!(world.delete(&one, &token).await.status, taken_back, "{level:?} {collections}");
        assert_eq!(world.get_as(REVOCATIONS, &token).await.status, 200);
    }
    for (method, path) in [(Method::POST, REVOCATIONS), (Method::DELETE, &one)] {
        assert_eq!(world.request(method, path, |request| request).await.status, 401, "{path}");
    }
    assert_eq!(listed(&world).await, [""; 0]);
    world.end().await;
}

#[actix_web::test]
async fn a_revocation_and_an_online_key_are_of_one_collection() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let other = world.collection("acme/lib", &[]).await;
    let key = &repo.key_of("docs").key;
    revoked(&world, key).await;
    let elsewhere = format!("/v2/acme/lib/_trust/revocations/{}", key.id());
    let unknown = world.delete(&elsewhere, &world.admin).await;
    assert_eq!(unknown.outcome(), (404, "unknown_revocation".into()));
    assert_eq!(listed(&world).await, [key.id().as_str()]);
    assert_eq!(take_back(&world, key).await, (204, String::new()));

    let theirs = revoke(&world, &other.snapshot_keys[0]).await;
    assert_eq!(theirs.outcome(), (404, "unknown_key".into()));
    let own = revoke(&world, &repo.snapshot_keys[0]).await;
    assert_eq!(own.status, 201, "{own:?}");
    world.end().await;
}

#[actix_web::test]
async fn nothing_is_revoked_in_a_collection_that_was_deleted_meanwhile() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let id = world.store.standing_of("acme/app").await.life.unwrap().id;
    let key = repo.key_of("docs").key.clone();
    let revoke = async |key: &Key| {
        let public = key.public().unwrap().clone();
        let (key, reason, by) = (key.clone(), "stolen".to_owned(), "somebody".to_owned());
        let new = NewRevocation { key, public, reason, by, most: 10 };
        world.store.revoke(id, new, world.now()).await.unwrap()
    };
    assert!(matches!(revoke(&key).await, RevokedKey::New(..)));
    world.delete("/v2/acme/app/_trust/tuf/?confirm=acme/app", &world.admin).await;
    let gone = revoke(&repo.root_key.key).await;
    assert!(matches!(gone, RevokedKey::Gone), "{gone:?}");
    let taken_back = world.store.unrevoke(id, key.id(), "somebody", world.now()).await.unwrap();
    assert!(taken_back.is_none(), "{taken_back:?}");
    world.post("/v2/acme/app/_trust/undelete", &world.admin).await;
    assert_eq!(listed(&world).await, [key.id().as_str()]);
    world.end().await;
}

#[actix_web::test]
async fn the_list_of_a_private_collection_is_for_its_readers() {
    let mut world = World::start().await;
    world.agent_token = Some(world.admin.clone());
    let repo = world.private_collection("acme/app", &["docs"]).await;
    revoked(&world, &repo.key_of("docs").key).await;
    let reader = world.token(GrantLevel::Read, "acme/app", &[]).await;
    let stranger = world.token(GrantLevel::Admin, "other/**", &[]).await;
    let unknown = (404, "unknown_collection".to_owned());
    assert_eq!(world.get(REVOCATIONS).await.outcome(), unknown);
    assert_eq!(world.get_as(REVOCATIONS, &stranger).await.outcome(), unknown);
    let body = json!({"keyid": repo.root_key.key.id(), "reason": "stolen"});
    assert_eq!(post(&world, &stranger, &body).await.outcome(), unknown);
    let read = world.get_as(REVOCATIONS, &reader).await;
    assert_eq!((read.status.as_u16(), read.header("cache-control")), (200, "private, no-store"));
    assert_eq!(read.json()["items"].as_array().unwrap().len(), 1);
    world.end().await;
}

#[actix_web::test]
async fn a_key_is_named_by_an_id_that_the_collection_has_or_sent_as_a_whole() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    let (docs, code) = (repo.key_of("docs").key.clone(), repo.key_of("code").key.clone());
    // docs is delegated to another key, and code to none; root 2 has another key for targets.
    let [new, other] = [TestKey::draw(), TestKey::draw()];
    repo.teams = vec![("docs".to_owned(), new)];
    let parts = [repo.targets(2, &[]), repo.team("docs", 2, &[])];
    assert_eq!(world.send(&repo.gun, "?orphan=code", &world.admin, &parts).await.status, 200);
    let old_targets = std::mem::replace(&mut repo.targets_key, other);
    let parts = [repo.root(2), repo.targets(3, &[])];
    let compromised = "?compromised=targets";
    assert_eq!(world.send(&repo.gun, compromised, &world.admin, &parts).await.status, 200);
    let pending = world.post("/v2/acme/app/_trust/keys/timestamp?rotate=true", &world.admin).await;
    let pending: Key = serde_json::from_value(pending.json()["key"].clone()).unwrap();
    let stranger = TestKey::draw().key;
    let (none, missing) = (String::new(), "unknown_key".to_owned());
    for (what, key, by_id) in [
        ("root", &repo.root_key.key, (201, none.clone())),
        ("targets", &repo.targets_key.key, (201, none.clone())),
        ("targets of an earlier root", &old_targets.key, (201, none.clone())),
        ("snapshot", &repo.snapshot_keys[0], (201, none.clone())),
        ("an online key that no root has yet", &pending, (201, none.clone())),
        ("a delegation", &repo.key_of("docs").key, (201, none.clone())),
        ("a delegation of before", &docs, (201, none.clone())),
        ("a delegation that is gone", &code, (201, none.clone())),
        ("nothing", &stranger, (404, missing)),
    ] {
        assert_eq!(revoke(&world, key).await.outcome(), by_id, "{what}");
        let whole = post(&world, &world.admin, &json!({"key": key, "reason": "x"})).await;
        let expected = if by_id.0 == 201 { 200 } else { 201 };
        assert_eq!(whole.status, expected, "{what}: {whole:?}");
        assert_eq!(take_back(&world, key).await.0, 204, "{what}");
        let both = json!({"keyid": key.id(), "key": key, "reason": "x"});
        assert_eq!(post(&world, &world.admin, &both).await.status, 201, "{what}");
        assert_eq!(take_back(&world, key).await.0, 204, "{what}");
    }
    world.end().await;
}

#[actix_web::test]
async fn a_delegation_of_long_ago_is_not_searched_and_a_root_always() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let docs = repo.teams.remove(0).1.key;
    let orphan = "?orphan=docs";
    let targets = world.send(&repo.gun, orphan, &world.admin, &[repo.targets(2, &[])]).await;
    assert_eq!(targets.status, 200, "{targets:?}");
    for version in 3..=16 {
        let targets = world.publish(&repo, &[repo.targets(version, &[])]).await;
        assert_eq!(targets.status, 200, "{targets:?}");
    }
    revoked(&world, &docs).await;
    take_back(&world, &docs).await;
    let targets = world.publish(&repo, &[repo.targets(17, &[])]).await;
    assert_eq!(targets.status, 200, "{targets:?}");
    assert_eq!(revoke(&world, &docs).await.outcome(), (404, "unknown_key".into()));
    let old = TestKey::draw();
    assert_eq!(world.publish(&repo, &[repo.root_with(2, &[&old])]).await.status, 200);
    for version in 3..=20 {
        let root = world.publish(&repo, &[repo.root(version)]).await;
        assert_eq!(root.status, 200, "{root:?}");
    }
    revoked(&world, &old.key).await;
    world.end().await;
}

#[actix_web::test]
async fn what_is_no_key_and_no_reason_is_refused_by_name() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let (key, other) = (&repo.key_of("docs").key, &repo.root_key.key);
    let foreign = json!({"keytype": "x", "keyval": {"public": "00"}, "scheme": "y"});
    let broken = json!({"keytype": "ed25519", "keyval": {"public": "00"}, "scheme": "ed25519"});
    let long = "é".repeat(500);
    let malformed = (400, "malformed_request".to_owned());
    let unknown_type = (422, "unknown_key_type".to_owned());
    for (what, body, expected) in [
        ("no key", json!({"reason": "x"}), malformed.clone()),
        ("no reason", json!({"keyid": key.id()}), malformed.clone()),
        ("a blank reason", json!({"keyid": key.id(), "reason": " "}), malformed.clone()),
        (
            "text turned around",
            json!({"keyid": key.id(), "reason": "a\u{202e}b"}),
            malformed.clone(),
        ),
        ("two lines", json!({"keyid": key.id(), "reason": "a\nb"}), malformed.clone()),
        (
            "a reason too long",
            json!({"keyid": key.id(), "reason": format!("{long}x")}),
            malformed.clone(),
        ),
        ("a member more", json!({"keyid": key.id(), "reason": "x", "x": 1}), malformed.clone()),
        ("another id", json!({"keyid": other.id(), "key": key, "reason": "x"}), malformed.clone()),
        ("a list", json!([key.id(), null, "x"]), malformed.clone()),
        ("no object", json!({"key": "x", "reason": "x"}), malformed.clone()),
        ("not a key", json!({"key": {}, "reason": "x"}), malformed.clone()),
        ("a key of another kind", json!({"key": foreign, "reason": "x"}), unknown_type.clone()),
        ("half a key", json!({"key": broken, "reason": "x"}), unknown_type),
        ("an id of nothing", json!({"keyid": "", "reason": "x"}), malformed.clone()),
        ("too long an id", json!({"keyid": "a".repeat(257), "reason": "x"}), malformed.clone()),
        ("a good one", json!({"keyid": key.id(), "reason": long}), (201, String::new())),
    ] {
        assert_eq!(post(&world, &world.admin, &body).await.outcome(), expected, "{what}");
    }
    let (query, body) = (format!("{REVOCATIONS}?x=1"), json!({"keyid": key.id(), "reason": "x"}));
    let answer = world.send_json(Method::POST, &query, &world.admin, &body).await;
    assert_eq!(answer.outcome(), malformed);
    let body = json!({"keyid": "\u{1}\u{202e}", "reason": "x"});
    let answer = post(&world, &world.admin, &body).await;
    assert_eq!(answer.outcome(), (404, "unknown_key".into()));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(r"lists \u{1}\u{202e};"), "{detail}");
    for path in [other.id().as_str(), "x", &"a".repeat(300)] {
        let path = format!("{REVOCATIONS}/{path}");
        let answer = world.delete(&path, &world.admin).await;
        assert_eq!(answer.outcome(), (404, "unknown_revocation".into()), "{path}");
    }
    world.end().await;
}

#[actix_web::test]
async fn as_many_keys_are_revoked_as_the_limit_and_a_known_one_again() {
    let mut world = World::start_with(|config| config.limits.revocations = 2).await;
    let repo = world.collection("acme/app", &["docs"]).await;
    world.collection("acme/lib", &[]).await;
    revoked(&world, &repo.key_of("docs").key).await;
    revoked(&world, &repo.targets_key.key).await;
    let answer = revoke(&world, &repo.root_key.key).await;
    assert_eq!(answer.outcome(), (409, "too_many_revocations".into()));
    assert_eq!(revoke(&world, &repo.targets_key.key).await.status, 200, "it is revoked");
    let path = REVOCATIONS.replace("app", "lib");
    let body = json!({"key": repo.root_key.key, "reason": "x"});
    let other = world.send_json(Method::POST, &path, &world.admin, &body).await;
    assert_eq!(other.status, 201, "each collection has its own: {other:?}");
    assert_eq!(take_back(&world, &repo.targets_key.key).await.0, 204);
    revoked(&world, &repo.root_key.key).await;
    world.end().await;
}

#[actix_web::test]
async fn reservations_and_names_of_nothing_have_no_revocations() {
    let world = World::start().await;
    let repo = world.reserve("acme/app", &[]).await;
    let unknown = (404, "unknown_collection".to_owned());
    for path in [REVOCATIONS.to_owned(), REVOCATIONS.replace("app", "none")] {
        let body = json!({"key": repo.root_key.key, "reason": "x"});
        let answer = world.send_json(Method::POST, &path, &world.admin, &body).await;
        assert_eq!(answer.outcome(), unknown, "{path}");
        assert_eq!(world.get_as(&path, &world.admin).await.outcome(), unknown, "{path}");
        let one = format!("{path}/{}", repo.root_key.key.id());
        assert_eq!(world.delete(&one, &world.admin).await.outcome(), unknown, "{path}");
    }
    world.end().await;
}
