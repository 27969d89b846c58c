//! A key of the timestamp with a stand-by: what roots may say of the two, and who has to sign then.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use notary_schema::key::Key;
use notary_schema::online::OnlineRole;
use serde_json::Value;

use crate::repo::Repo;
use crate::rotation::{ids, signers};
use crate::signer::Fault;
use crate::world::World;

/// A collection whose root names a key of the timestamp and its stand-by.
async fn scene() -> (World, Repo) {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    world.signer.make_pairs();
    let repo = world.collection("acme/app", &["docs"]).await;
    assert_eq!(repo.timestamp_keys.len(), 2);
    (world, repo)
}

async fn next_pair(world: &World) -> Vec<Key> {
    world.online_keys("/v2/acme/app/_trust/keys/timestamp?rotate=true").await
}

async fn publish(world: &World, repo: &Repo, version: u64) -> BTreeSet<String> {
    let answer = world.publish(repo, &[repo.team("docs", version, &["a"])]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    signers(world, "timestamp").await
}

async fn lost_root(world: &World) -> Value {
    world.get("/v2/acme/app/_trust/").await.json()["lost_root"].clone()
}

#[actix_web::test]
async fn one_of_a_key_and_its_standby_signs_and_clients_take_either() {
    let (mut world, repo) = scene().await;
    let [key, standby] = &repo.timestamp_keys[..] else { panic!("a pair") };
    assert_eq!(signers(&world, "timestamp").await, ids(&[key]));
    world.signer.are_down(&[key.id()]);
    assert_eq!(publish(&world, &repo, 2).await, ids(&[standby]));
    world.read(&repo.gun, Some("docs/a")).await;
    world.signer.are_down(&[]);
    assert_eq!(publish(&world, &repo, 3).await, ids(&[key]));
    world.read(&repo.gun, Some("docs/a")).await;
    assert_eq!(lost_root(&world).await, Value::Null);
    world.end().await;
}

#[actix_web::test]
async fn a_root_that_needs_both_is_refused_before_anything_is_signed() {
    let (mut world, mut repo) = scene().await;
    let signed = world.signer.signatures();
    repo.timestamp_threshold = 2;
    let answer = world.publish(&repo, &[repo.root(2)]).await;
    assert_eq!(answer.outcome(), (422, "online_keys_not_held".into()));
    assert!(answer.json()["detail"].to_string().contains("its stand-by"), "{answer:?}");
    assert_eq!(world.signer.signatures(), signed);
    // Beside the key of another pair each of them is one.
    let mut keys = next_pair(&world).await;
    keys.extend(repo.timestamp_keys.clone());
    repo.timestamp_keys = keys;
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    world.read(&repo.gun, Some("a.txt")).await;
    repo.timestamp_threshold = 3;
    let answer = world.publish(&repo, &[repo.root(3)]).await;
    assert_eq!(answer.outcome(), (422, "online_keys_not_held".into()));
    world.end().await;
}

/// The root was fine when it came; the key that made up the threshold is gone since.
#[actix_web::test]
async fn where_only_both_would_do_nothing_is_signed_again_and_again() {
    let (mut world, mut repo) = scene().await;
    let other = next_pair(&world).await;
    repo.timestamp_keys.push(other[0].clone());
    repo.timestamp_threshold = 2;
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    world.signer.retire_key(other[0].id());
    let answer = world.publish(&repo, &[repo.team("docs", 2, &["a"])]).await;
    assert_eq!(answer.outcome(), (503, "release_waits".into()));
    let signed = world.signer.signatures();
    for _ in 0..3 {
        world.pass(TimeDelta::minutes(10));
        world.roll_all().await;
    }
    assert_eq!(world.signer.signatures(), signed, "each time under a higher version");
    // A root that one of them is enough for joins what waits.
    repo.timestamp_threshold = 1;
    repo.timestamp_keys.pop();
    let answer = world.publish(&repo, &[repo.root(3)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.read(&repo.gun, Some("docs/a")).await;
    world.end().await;
}

/// Whichever the root lists has to sign, in the overlap too.
#[actix_web::test]
async fn a_root_may_name_one_of_the_two() {
    for (listed, other) in [(0, 1), (1, 0)] {
        let (mut world, mut repo) = scene().await;
        let pair = repo.timestamp_keys.clone();
        repo.timestamp_keys = vec![pair[listed].clone()];
        assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
        world.signer.are_down(&[pair[other].id()]);
        assert_eq!(publish(&world, &repo, 2).await, ids(&[&pair[listed]]));
        world.signer.are_down(&[]);
        assert_eq!(publish(&world, &repo, 3).await, ids(&[&pair[listed]]));
        world.read(&repo.gun, Some("docs/a")).await;
        // And both again.
        repo.timestamp_keys = pair.clone();
        assert_eq!(world.publish(&repo, &[repo.root(3)]).await.status, 200);
        world.signer.are_down(&[pair[0].id()]);
        assert_eq!(publish(&world, &repo, 4).await, ids(&[&pair[1]]));
        world.read(&repo.gun, Some("docs/a")).await;
        assert_eq!(lost_root(&world).await, Value::Null);
        world.end().await;
    }
}

#[actix_web::test]
async fn a_pair_is_replaced_by_a_pair_with_one_signature_of_each_meanwhile() {
    let (mut world, mut repo) = scene().await;
    let old = std::mem::replace(&mut repo.timestamp_keys, next_pair(&world).await);
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    assert_eq!(signers(&world, "timestamp").await, ids(&[&old[0], &repo.timestamp_keys[0]]));
    world.signer.are_down(&[old[0].id(), repo.timestamp_keys[0].id()]);
    let standbys = ids(&[&old[1], &repo.timestamp_keys[1]]);
    assert_eq!(publish(&world, &repo, 2).await, standbys);
    world.read(&repo.gun, Some("docs/a")).await;
    // A second rotation within the overlap: six keys, of which three sign.
    let second = std::mem::replace(&mut repo.timestamp_keys, next_pair(&world).await);
    world.signer.are_down(&[]);
    assert_eq!(world.publish(&repo, &[repo.root(3)]).await.status, 200);
    let all = ids(&[&old[0], &second[0], &repo.timestamp_keys[0]]);
    assert_eq!(signers(&world, "timestamp").await, all);
    world.pass(TimeDelta::days(2));
    assert_eq!(publish(&world, &repo, 3).await, ids(&[&repo.timestamp_keys[0]]));
    world.read(&repo.gun, Some("docs/a")).await;
    assert_eq!(lost_root(&world).await, Value::Null);
    world.end().await;
}

/// The stand-by of a pair that has signed ahead of its root was asked, too, although it did not sign.
#[actix_web::test]
async fn a_pair_that_signs_ahead_of_a_root_which_never_comes_tells_of_no_lost_one() {
    let (mut world, mut repo) = scene().await;
    let before = std::mem::replace(&mut repo.timestamp_keys, next_pair(&world).await);
    world.signer.fail(OnlineRole::Timestamp, &[Fault::AnswerLost]);
    let answer = world.publish(&repo, &[repo.root(2)]).await;
    assert_eq!(answer.outcome(), (503, "signer_timeout".into()));
    world.roll_all().await;
    repo.timestamp_keys = before;
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    assert_eq!(lost_root(&world).await, Value::Null);
    world.read(&repo.gun, None).await;
    world.end().await;
}

#[actix_web::test]
async fn a_lost_root_that_names_a_pair_is_noticed_and_comes_back() {
    let (mut world, mut repo) = scene().await;
    let copy = world.copy_of_database();
    repo.timestamp_keys = next_pair(&world).await;
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    world.pass(TimeDelta::days(2));
    publish(&world, &repo, 2).await;
    world.read(&repo.gun, None).await;
    world.restart_with(copy).await;
    world.survey().await;
    assert_eq!(lost_root(&world).await, true);
    // Who has root 2 goes on, also while its stand-by signs for it.
    world.signer.are_down(&[repo.timestamp_keys[0].id()]);
    world.pass(TimeDelta::days(3));
    assert_eq!(world.refresh_all().await, 1);
    world.read(&repo.gun, None).await;
    let answer = world.publish(&repo, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(lost_root(&world).await, Value::Null);
    world.publish(&repo, &[repo.team("docs", 2, &["a"])]).await;
    world.read(&repo.gun, Some("docs/a")).await;
    world.end().await;
}

/// The copy is of the seconds between what the new keys have signed ahead and the root that names them.
#[actix_web::test]
async fn a_copy_of_the_seconds_before_a_root_tells_of_whom_that_root_names() {
    for names_both in [true, false] {
        let (mut world, mut repo) = scene().await;
        repo.timestamp_keys = next_pair(&world).await;
        if !names_both {
            repo.timestamp_keys.pop();
        }
        world.signer.fail(OnlineRole::Timestamp, &[Fault::AnswerLost]);
        let answer = world.publish(&repo, &[repo.root(2)]).await;
        assert_eq!(answer.outcome(), (503, "signer_timeout".into()));
        world.roll_all().await;
        let copy = world.copy_of_database();
        assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
        world.pass(TimeDelta::days(2));
        publish(&world, &repo, 2).await;
        world.read(&repo.gun, None).await;
        world.restart_with(copy).await;
        world.survey().await;
        assert_eq!(lost_root(&world).await, true);
        // Who has root 2 goes on, also while its stand-by signs for it.
        if names_both {
            world.signer.are_down(&[repo.timestamp_keys[0].id()]);
        }
        world.pass(TimeDelta::days(3));
        assert_eq!(world.refresh_all().await, 1);
        world.read(&repo.gun, None).await;
        assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
        assert_eq!(lost_root(&world).await, Value::Null);
        world.publish(&repo, &[repo.team("docs", 2, &["a"])]).await;
        world.read(&repo.gun, Some("docs/a")).await;
        world.end().await;
    }
}
