//! Roots that are lost: no snapshot lists them, and keys of the signer tell of some.

use chrono::TimeDelta;
use notary_schema::online::OnlineRole;
use serde_json::Value;

use super::{info, lost, lost_docs, lost_targets, whole};
use crate::repo::Repo;
use crate::signer::{Fault, TestKey};
use crate::world::World;

/// A collection whose root 2, with another timestamp key, was published after its database was copied.
async fn set_back_before_a_rotation() -> (World, Repo, Repo) {
    set_back_before_the_root(async |_| {}).await
}

/// The same, after this has happened before the copy.
async fn set_back_before_the_root(before: impl AsyncFnOnce(&World)) -> (World, Repo, Repo) {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    before(&world).await;
    let copy = world.copy_of_database();
    let before = Repo {
        timestamp_keys: repo.timestamp_keys.clone(),
        snapshot_keys: repo.snapshot_keys.clone(),
        ..world.reserve("acme/other", &[]).await
    };
    rotate(&world, &mut repo, 2).await;
    // The overlap ends: what is signed now, only root 2 and its key vouch for.
    world.pass(TimeDelta::days(2));
    assert_eq!(world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await.status, 200);
    world.read(&repo.gun, Some("docs/second")).await;
    world.restart_with(copy).await;
    (world, repo, before)
}

/// Publishes a root of this version with a new timestamp key.
async fn rotate(world: &World, repo: &mut Repo, version: u64) {
    let path = "/v2/acme/app/_trust/keys/timestamp?rotate=true";
    let key = world.post(path, &world.admin).await.json()["key"].clone();
    repo.timestamp_keys = vec![serde_json::from_value(key).unwrap()];
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(version)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[actix_web::test]
async fn where_a_root_is_lost_the_keys_that_it_names_sign_along() {
    let (mut world, repo, _) = set_back_before_a_rotation().await;
    assert_eq!(world.survey().await, 1);
    assert_eq!(info(&world).await["lost_root"], true);
    // An agent that has root 2 goes on, also with what is refreshed later.
    world.pass(TimeDelta::days(3));
    assert_eq!(world.refresh_all().await, 1);
    world.read(&repo.gun, None).await;
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await;
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn a_key_that_waited_for_its_root_in_the_copy_tells_of_it_when_it_has_signed() {
    let pending = async |world: &World| {
        let path = "/v2/acme/app/_trust/keys/timestamp?rotate=true";
        assert_eq!(world.post(path, &world.admin).await.json()["state"], "pending");
    };
    let (mut world, repo, _) = set_back_before_the_root(pending).await;
    assert_eq!(world.survey().await, 1);
    assert_eq!(info(&world).await["lost_root"], true);
    world.pass(TimeDelta::days(3));
    assert_eq!(world.refresh_all().await, 1);
    world.read(&repo.gun, None).await;
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await;
    whole(world, &repo, &["docs/second"]).await;
}

/// A new timestamp key has signed what is served, and root 2, which names it, has not come yet.
async fn ahead_of_the_root(world: &World, repo: &mut Repo) {
    let path = "/v2/acme/app/_trust/keys/timestamp?rotate=true";
    let key = world.post(path, &world.admin).await.json()["key"].clone();
    repo.timestamp_keys = vec![serde_json::from_value(key).unwrap()];
    // What goes ahead is signed, and nobody hears of it.
    world.signer.fail(OnlineRole::Timestamp, &[Fault::AnswerLost]);
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.outcome(), (503, "signer_timeout".into()));
    world.roll_all().await;
}

#[actix_web::test]
async fn a_copy_of_the_seconds_before_a_root_tells_of_it_by_who_signed_what_it_serves() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    ahead_of_the_root(&world, &mut repo).await;
    let copy = world.copy_of_database();
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.pass(TimeDelta::days(2));
    assert_eq!(world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await.status, 200);
    world.read(&repo.gun, Some("docs/second")).await;
    world.restart_with(copy).await;
    assert_eq!(world.survey().await, 1);
    assert_eq!(info(&world).await["lost_root"], true);
    // An agent that has root 2 goes on.
    world.read(&repo.gun, None).await;
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await;
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn a_key_that_has_signed_ahead_once_tells_of_nothing_in_a_later_copy() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    let before = repo.timestamp_keys.clone();
    ahead_of_the_root(&world, &mut repo).await;
    repo.timestamp_keys = before;
    world.pass(TimeDelta::days(1));
    assert_eq!(world.refresh_all().await, 1);
    let copy = world.copy_of_database();
    let lost = [lost_docs(&repo), lost_targets(&repo)];
    assert_eq!(world.publish(&repo, &lost).await.status, 200);
    world.restart_with(copy).await;
    assert_eq!(world.survey().await, 1);
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.publish(&repo, &lost).await;
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn a_key_that_a_root_has_taken_away_and_that_signs_on_tells_of_no_lost_one() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    rotate(&world, &mut repo, 2).await;
    let copy = world.copy_of_database();
    let lost = [lost_docs(&repo), lost_targets(&repo)];
    assert_eq!(world.publish(&repo, &lost).await.status, 200);
    world.restart_with(copy).await;
    assert_eq!(world.survey().await, 1);
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(3)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.publish(&repo, &lost).await;
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn a_key_that_signs_ahead_of_a_root_which_never_comes_tells_of_no_lost_one() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &[]).await;
    let before = repo.timestamp_keys.clone();
    ahead_of_the_root(&world, &mut repo).await;
    repo.timestamp_keys = before;
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    world.read(&repo.gun, None).await;
    world.end().await;
}

#[actix_web::test]
async fn no_other_root_takes_the_place_of_one_that_is_known_to_be_lost() {
    let (world, mut repo, before) = set_back_before_a_rotation().await;
    let named = std::mem::replace(&mut repo.timestamp_keys, before.timestamp_keys);
    // Nobody has asked the signer yet: the publish does.
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.outcome(), (409, "root_lost".into()));
    repo.timestamp_keys = named;
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    assert_eq!(world.send(&repo.gun, "", &world.admin, &[repo.root(3)]).await.status, 200);
    world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await;
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn a_root_that_nobody_has_is_given_up_with_all_online_keys() {
    let (world, mut repo, _) = set_back_before_a_rotation().await;
    for (role, keys) in
        [("snapshot", &mut repo.snapshot_keys), ("timestamp", &mut repo.timestamp_keys)]
    {
        let path = format!("/v2/acme/app/_trust/keys/{role}?rotate=true");
        let key = world.post(&path, &world.admin).await.json()["key"].clone();
        *keys = vec![serde_json::from_value(key).unwrap()];
    }
    let send = async |query: &str, version| {
        world.send(&repo.gun, query, &world.admin, &[repo.root(version)]).await.outcome()
    };
    assert_eq!(send("", 2).await, (409, "root_lost".into()));
    let gives_up = "?compromised=snapshot&compromised=timestamp";
    assert_eq!(send(gives_up, 2).await, (200, String::new()));
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    assert_eq!(send("", 3).await, (200, String::new()), "and nothing is lost any more");
    world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await;
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn where_the_old_key_signs_no_more_the_lost_root_opens_the_way() {
    let (mut world, repo, before) = set_back_before_a_rotation().await;
    world.signer.retire_key(before.timestamp_keys[0].id());
    let served = world.get("/v2/acme/app/_trust/tuf/timestamp.json").await.bytes;
    let signed = world.signer.signatures();
    assert_eq!(world.survey().await, 1);
    // Nothing can be signed that root 1 vouches for, and nothing lower is; yesterday stays.
    assert_eq!(world.get("/v2/acme/app/_trust/tuf/timestamp.json").await.bytes, served);
    assert!(world.signer.signatures() == signed);
    let unfinished = info(&world).await["unfinished"].to_string();
    assert!(unfinished.contains("0 of the keys that the root lists for timestamp"), "{unfinished}");
    let answer = world.send(&repo.gun, "", &world.admin, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.read(&repo.gun, None).await;
    assert_eq!(lost(&world).await, ["docs 2", "targets 2"]);
    world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await;
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn several_lost_roots_come_back_in_their_order_all_at_once() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    let copy = world.copy_of_database();
    let mut roots = Vec::new();
    for version in 2..=4 {
        rotate(&world, &mut repo, version).await;
        roots.push(repo.root(version).1);
        let replaced = repo.timestamp_keys[0].id().clone();
        if version < 4 {
            world.signer.retire_key(&replaced);
            world.signer.restore_key(&replaced);
        }
    }
    world.read(&repo.gun, Some("a.txt")).await;
    world.restart_with(copy).await;
    world.survey().await;
    let part = |name: &str, version: usize| (name.to_owned(), roots[version - 2].clone());
    let skips = [part("3.root", 3), part("root", 4)];
    let answer = world.send(&repo.gun, "", &world.admin, &skips).await;
    assert_eq!(answer.outcome(), (409, "version_conflict".into()));
    let publisher = world.token(notary_schema::wire::GrantLevel::Publish, "**", &["*"]).await;
    let chain = [part("2.root", 2), part("3.root", 3), part("root", 4)];
    assert_eq!(info(&world).await["lost_root"], true);
    let answer = world.send(&repo.gun, "", &publisher, &chain).await;
    assert_eq!(answer.outcome(), (403, "forbidden".into()));
    let answer = world.send(&repo.gun, "", &world.admin, &chain).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for version in 1..=4 {
        let name = format!("/v2/acme/app/_trust/tuf/{version}.root.json");
        assert_eq!(world.get(&name).await.status, 200, "{name}");
    }
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    let again = world.send(&repo.gun, "", &world.admin, &chain).await;
    assert_eq!(again.json()["roles"][0]["published"], false);
    whole(world, &repo, &["a.txt"]).await;
}

#[actix_web::test]
async fn a_lost_root_comes_alone_where_a_key_of_the_signer_tells_of_it() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    let copy = world.copy_of_database();
    let mut roots = Vec::new();
    for version in 2..=3 {
        rotate(&world, &mut repo, version).await;
        roots.push(repo.root(version));
    }
    world.read(&repo.gun, None).await;
    world.restart_with(copy).await;
    for (root, is_more_lost) in roots.into_iter().zip([Value::Bool(true), Value::Null]) {
        let answer = world.send(&repo.gun, "", &world.admin, &[root]).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(info(&world).await["lost_root"], is_more_lost);
    }
    whole(world, &repo, &["a.txt"]).await;
}

#[actix_web::test]
async fn a_lost_root_that_changed_no_online_key_comes_with_the_one_that_did() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    let copy = world.copy_of_database();
    let second = repo.root_with(2, &[&TestKey::draw()]);
    let answer = world.send(&repo.gun, "", &world.admin, std::slice::from_ref(&second)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    rotate(&world, &mut repo, 3).await;
    let third = repo.root(3);
    world.read(&repo.gun, None).await;
    world.restart_with(copy).await;
    world.survey().await;
    // Who would tell it from another root 2, which forks the chain?
    let answer = world.send(&repo.gun, "", &world.admin, std::slice::from_ref(&second)).await;
    assert_eq!(answer.outcome(), (409, "root_lost".into()));
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("in one request with the roots after it"), "{detail}");
    let chain = [("2.root".to_owned(), second.1), third];
    let answer = world.send(&repo.gun, "", &world.admin, &chain).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(info(&world).await["lost_root"], Value::Null);
    whole(world, &repo, &["a.txt"]).await;
}
