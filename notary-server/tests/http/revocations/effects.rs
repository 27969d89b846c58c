//! What counts no more, what still does, and who is told.

use notary_schema::wire::EventKind;

use super::*;

async fn publish(world: &World, repo: &Repo, parts: &[Part]) -> (u16, String) {
    world.publish(repo, parts).await.outcome()
}

#[actix_web::test]
async fn a_revoked_key_publishes_nothing_until_it_is_taken_back() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    let docs = &repo.key_of("docs").key;
    let told = revoked(&world, docs).await;
    assert_eq!((&told["reason"], &told["at"]), (&json!("stolen"), &json!(world.now())));
    assert_eq!((&told["listed_in"], &told["key"]), (&json!(["targets"]), &json!(docs)));
    let second = [repo.team("docs", 2, &["x"])];
    assert_eq!(publish(&world, &repo, &second).await, refused("threshold_not_met"));
    let repeated = [repo.team("docs", 1, &["first"])];
    assert_eq!(publish(&world, &repo, &repeated).await, done(), "what is stored is stored");
    assert_eq!(publish(&world, &repo, &[repo.team("code", 2, &["x"])]).await, done());
    world.read(&repo.gun, Some("docs/first")).await;
    assert_eq!(take_back(&world, docs).await, (204, String::new()));
    assert_eq!(take_back(&world, docs).await, (404, "unknown_revocation".into()));
    assert_eq!(publish(&world, &repo, &second).await, done());
    world.read(&repo.gun, Some("docs/x")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_repeat_answers_the_first_entry_whatever_the_id() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let first = revoked(&world, &repo.key_of("docs").key).await;
    world.pass(chrono::TimeDelta::seconds(9));
    let again = json!({"keyid": repo.key_of("docs").key.id(), "reason": "lost after all"});
    let mut twin = json!(repo.key_of("docs").key);
    twin["x-name"] = json!("the same again");
    for body in [again, json!({"key": twin, "reason": "another id"})] {
        let answer = post(&world, &world.admin, &body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, first.clone()));
    }
    assert_eq!(listed(&world).await, [repo.key_of("docs").key.id().as_str()]);
    world.end().await;
}

#[actix_web::test]
async fn nothing_names_a_revoked_key_anew_and_other_changes_go_on() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    revoked(&world, &repo.key_of("docs").key).await;
    let stolen = TestKey::draw();
    let body = json!({"key": stolen.key, "reason": "found in a log"});
    assert_eq!(post(&world, &world.admin, &body).await.status, 201);
    assert_eq!(publish(&world, &repo, &[repo.root(2)]).await, done());
    repo.teams.push(("code".to_owned(), stolen));
    let parts = [repo.targets(2, &["a.txt"]), repo.team("code", 1, &[])];
    assert_eq!(publish(&world, &repo, &parts).await, refused("key_revoked"));
    repo.teams.last_mut().unwrap().1 = TestKey::draw();
    let parts = [repo.targets(2, &["a.txt", "b.txt"]), repo.team("code", 1, &[])];
    assert_eq!(publish(&world, &repo, &parts).await, done(), "docs is named as before");
    world.read(&repo.gun, Some("docs/first")).await;
    // The delegation leaves the key out, and its role goes on with another one.
    repo.teams[0].1 = TestKey::draw();
    let parts = [repo.targets(3, &["a.txt"]), repo.team("docs", 2, &["second"])];
    assert_eq!(publish(&world, &repo, &parts).await, done());
    world.read(&repo.gun, Some("docs/second")).await;
    let list = world.get(REVOCATIONS).await.json();
    for item in list["items"].as_array().unwrap() {
        assert_eq!(item["listed_in"], json!([]), "{item}");
    }
    world.end().await;
}

#[actix_web::test]
async fn an_online_key_signs_on_until_a_root_leaves_it_out() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let told = revoked(&world, &repo.timestamp_keys[0]).await;
    let warning = told["warnings"][0].as_str().unwrap();
    assert!(warning.contains("`notary rotate acme/app timestamp --compromised`"), "{warning}");
    assert_eq!(told["listed_in"], json!(["root"]));
    let other = revoked(&world, &repo.key_of("docs").key).await;
    assert!(other.get("warnings").is_none(), "{other}");
    assert_eq!(publish(&world, &repo, &[repo.targets(2, &["b.txt"])]).await, done());
    world.pass(chrono::TimeDelta::days(1));
    assert_eq!(world.refresh_all().await, 1);
    world.read(&repo.gun, Some("b.txt")).await;
    let rotated = world.post("/v2/acme/app/_trust/keys/timestamp?rotate=true", &world.admin).await;
    let new: Key = serde_json::from_value(rotated.json()["key"].clone()).unwrap();
    let old = std::mem::replace(&mut repo.timestamp_keys, vec![new]);
    let root = [repo.root(2)];
    let rotate = world.send(&repo.gun, "?compromised=timestamp", &world.admin, &root).await;
    assert_eq!(rotate.outcome(), done());
    world.read(&repo.gun, Some("b.txt")).await;
    let list = world.get(REVOCATIONS).await.json();
    let entries = list["items"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry.get("warnings").is_none()), "{list}");
    repo.timestamp_keys = old;
    assert_eq!(publish(&world, &repo, &[repo.root(3)]).await, refused("key_revoked"));
    world.end().await;
}

#[actix_web::test]
async fn a_pending_online_key_that_is_revoked_is_followed_by_another() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let ask = async || -> Key {
        let path = "/v2/acme/app/_trust/keys/timestamp?rotate=true";
        let answer = world.post(path, &world.admin).await;
        serde_json::from_value(answer.json()["key"].clone()).unwrap()
    };
    let stolen = ask().await;
    assert_eq!(ask().await.id(), stolen.id(), "it has not signed yet");
    revoked(&world, &stolen).await;
    let new = ask().await;
    assert_ne!(new.id(), stolen.id());
    assert_eq!(ask().await.id(), new.id(), "a repeat answers the same");
    for (key, expected) in [(stolen, refused("key_revoked")), (new, done())] {
        repo.timestamp_keys = vec![key];
        assert_eq!(publish(&world, &repo, &[repo.root(2)]).await, expected);
    }
    world.read(&repo.gun, None).await;
    world.end().await;
}

#[actix_web::test]
async fn fsck_notes_where_a_revoked_key_is_still_named() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    assert_eq!(world.fsck_notes().await, [""; 0]);
    let named =
        |key: &Key, role: &str| format!("it still names the revoked key {} for {role};", key.id());
    let (docs, timestamp) = (repo.key_of("docs").key.clone(), repo.timestamp_keys[0].clone());
    revoked(&world, &docs).await;
    revoked(&world, &timestamp).await;
    let notes = world.fsck_notes().await;
    let expected = [
        ("acme/app root 1", named(&timestamp, "timestamp")),
        ("acme/app targets 1", named(&docs, "docs")),
    ];
    assert_eq!(notes.len(), expected.len(), "{notes:#?}");
    for (note, (file, what)) in notes.iter().zip(&expected) {
        assert!(note.starts_with(&format!("{file}: {what}")), "{note}");
    }
    repo.teams[0].1 = TestKey::draw();
    let parts = [repo.targets(2, &["a.txt"]), repo.team("docs", 2, &["second"])];
    assert_eq!(publish(&world, &repo, &parts).await, done());
    assert_eq!(world.fsck_notes().await.len(), 1, "the next targets leaves it out");
    world.end().await;
}

#[actix_web::test]
async fn info_names_revoked_keys_and_roles_without_any() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    let key = repo.key_of("docs").key.clone();
    revoked(&world, &key).await;
    let info = async |query: &str| {
        let info = world.get(&format!("/v2/acme/app/_trust/{query}")).await.json();
        let role = info["roles"].as_array().unwrap().iter().find(|role| role["name"] == "docs");
        role.cloned()
    };
    let docs = info("").await.unwrap();
    assert_eq!((&docs["revoked"], &docs["keyids"]), (&json!([key.id()]), &json!([key.id()])));
    repo.teams.remove(0);
    let targets = [repo.targets(2, &["a.txt"])];
    let answer = world.send(&repo.gun, "?orphan=docs", &world.admin, &targets).await;
    assert_eq!(answer.outcome(), done());
    for query in ["", "?role=docs", "?role=docs&role=code"] {
        let docs = info(query).await.unwrap();
        assert_eq!((&docs["keyids"], &docs["threshold"]), (&json!([]), &json!(0)), "{query}");
        assert_eq!((docs.get("delegated_by"), &docs["file"]["version"]), (None, &json!(1)));
    }
    assert_eq!(info("?role=code").await, None, "nobody asks for it");
    world.end().await;
}

#[actix_web::test]
async fn pages_of_the_list_follow_one_another() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    for key in [&repo.root_key, repo.key_of("docs"), repo.key_of("code")] {
        revoked(&world, &key.key).await;
    }
    let all = listed(&world).await;
    assert!(all.is_sorted() && all.len() == 3, "{all:?}");
    let first = world.get(&format!("{REVOCATIONS}?limit=2")).await.json();
    assert_eq!(first["next"], all[1]);
    let second = world.get(&format!("{REVOCATIONS}?limit=2&after={}", all[1])).await.json();
    assert_eq!((&second["items"][0]["keyid"], second.get("next")), (&json!(all[2]), None));
    world.end().await;
}

#[actix_web::test]
async fn events_tell_of_revocations_who_and_why() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let docs = &repo.key_of("docs").key;
    revoked(&world, docs).await;
    assert_eq!(revoke(&world, docs).await.status, 200, "a repeat is no event");
    take_back(&world, docs).await;
    let own = world.get_as("/v2/_trust/tokens/self", &world.admin).await.json();
    let answer = world.get("/v2/acme/app/_trust/changefeed").await;
    let page: notary_schema::wire::Page<notary_schema::wire::Event> =
        serde_json::from_slice(&answer.bytes).unwrap();
    let kinds: Vec<_> = page.items.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Publish, EventKind::Revoke, EventKind::Unrevoke]);
    assert!(page.items[0].revocation.is_none());
    for event in &page.items[1..] {
        let key = event.revocation.as_ref().unwrap();
        assert_eq!((&key.keyid, key.reason.as_str()), (docs.id(), "stolen"));
        assert_eq!(event.by.as_deref(), own["id"].as_str());
        assert!(event.roles.is_empty());
    }
    world.end().await;
}

#[actix_web::test]
async fn revocations_live_as_long_as_their_collection() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let docs = &repo.key_of("docs").key;
    revoked(&world, docs).await;
    let delete = "/v2/acme/app/_trust/tuf/?confirm=acme/app";
    let deleted = world.delete(delete, &world.admin).await.json();
    assert_eq!(world.get(REVOCATIONS).await.outcome(), (404, "collection_deleted".into()));
    assert_eq!(revoke(&world, docs).await.outcome(), (409, "collection_deleted".into()));
    assert_eq!(take_back(&world, docs).await, (409, "collection_deleted".into()));
    world.post("/v2/acme/app/_trust/undelete", &world.admin).await;
    assert_eq!(listed(&world).await, [docs.id().as_str()]);
    let second = [repo.team("docs", 2, &["x"])];
    assert_eq!(publish(&world, &repo, &second).await, refused("threshold_not_met"));
    world.delete(delete, &world.admin).await;
    let replace = format!("?replace={}", deleted["root"]["sha256"].as_str().unwrap());
    let mut next = world.reserve_with("acme/app", &replace, &["docs"]).await;
    next.teams = repo.teams;
    let parts = [next.root(1), next.targets(1, &[]), next.team("docs", 1, &[])];
    let replaced = world.send(&next.gun, &replace, &world.admin, &parts).await;
    assert_eq!(replaced.outcome(), done(), "the next life begins without any");
    assert_eq!(listed(&world).await, [""; 0]);
    world.pin(&next);
    world.end().await;
}
