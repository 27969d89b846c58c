//! What becomes of a publish while a key is revoked: nothing is prepared after the answer that the
//! key has signed.

use futures_util::future::{join, join3};
use notary_schema::online::OnlineRole;
use notary_server::StopPoint;

use super::*;
use crate::store::Held;

/// Publishes, and does something else while that is held somewhere.
async fn publish_while<T>(
    world: &World,
    (repo, parts): (&Repo, &[Part]),
    held: Held,
    meanwhile: impl Future<Output = T>,
) -> ((u16, String), T) {
    let gate = world.store.hold(held);
    let meanwhile = async {
        gate.came.await.unwrap();
        let done = meanwhile.await;
        gate.go_on.send(()).unwrap();
        done
    };
    let (answer, done) = join(world.publish(repo, parts), meanwhile).await;
    (answer.outcome(), done)
}

#[actix_web::test]
async fn a_publish_that_was_judged_before_is_judged_again() {
    for held in [Held::Judge, Held::Prepare] {
        let mut world = World::start().await;
        let repo = world.collection("acme/app", &["docs", "code"]).await;
        let second = [repo.team("docs", 2, &["x"])];
        let other = revoked(&world, &repo.key_of("code").key);
        let (answer, _) = publish_while(&world, (&repo, &second), held, other).await;
        assert_eq!(answer, done(), "another key was revoked");
        let third = [repo.team("docs", 3, &["y"])];
        let own = revoked(&world, &repo.key_of("docs").key);
        let (answer, _) = publish_while(&world, (&repo, &third), held, own).await;
        assert_eq!(answer, refused("threshold_not_met"), "{held:?}");
        let current = world.get("/v2/acme/app/_trust/tuf/docs.json").await.bytes;
        assert_eq!(current, repo.team("docs", 2, &["x"]).1);
        assert_eq!(take_back(&world, &repo.key_of("docs").key).await.0, 204);
        assert_eq!(world.publish(&repo, &third).await.outcome(), done());
        world.end().await;
    }
}

#[actix_web::test]
async fn what_is_prepared_before_is_committed_and_nothing_after_it() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let signer = world.signer.clone();
    let signing = signer.hold.lock().await;
    let gate = world.store.hold(Held::Prepared);
    let meanwhile = async {
        gate.came.await.unwrap();
        revoked(&world, &repo.key_of("docs").key).await;
        gate.go_on.send(()).unwrap();
        drop(signing);
    };
    let second = [repo.team("docs", 2, &["x"])];
    let (answer, ()) = join(world.publish(&repo, &second), meanwhile).await;
    assert_eq!(answer.outcome(), done());
    let third = world.publish(&repo, &[repo.team("docs", 3, &["y"])]).await;
    assert_eq!(third.outcome(), refused("threshold_not_met"), "the commit knows the revocation");
    world.read(&repo.gun, Some("docs/x")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_crash_after_the_claim_forgets_no_revocation() {
    for point in [StopPoint::AfterPrepare, StopPoint::SnapshotSigned, StopPoint::TimestampSigned] {
        let mut world = World::start().await;
        let repo = world.collection("acme/app", &["docs"]).await;
        world.die_at(point);
        let crashed = world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await;
        assert!(crashed.status.is_server_error(), "{crashed:?}");
        revoked(&world, &repo.key_of("docs").key).await;
        assert_eq!(world.roll_all().await, 1, "{point:?}: it is rolled forward, never back");
        let third = world.publish(&repo, &[repo.team("docs", 3, &["y"])]).await;
        assert_eq!(third.outcome(), refused("threshold_not_met"), "{point:?}");
        world.read(&repo.gun, Some("docs/x")).await;
        world.end().await;
    }
}

#[actix_web::test]
async fn a_root_that_joins_a_slot_is_judged_again() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    world.signer.retire(&repo.gun, OnlineRole::Timestamp);
    let waits = world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await;
    assert_eq!(waits.outcome(), (503, "release_waits".into()));
    let rotated = world.post("/v2/acme/app/_trust/keys/timestamp?rotate=true", &world.admin).await;
    repo.timestamp_keys = vec![serde_json::from_value(rotated.json()["key"].clone()).unwrap()];
    let root = [repo.root(2)];
    let own = revoked(&world, &repo.root_key.key);
    let (answer, _) = publish_while(&world, (&repo, &root), Held::Join, own).await;
    assert_eq!(answer, refused("threshold_not_met"));
    take_back(&world, &repo.root_key.key).await;
    let other = revoked(&world, &repo.key_of("docs").key);
    let (answer, _) = publish_while(&world, (&repo, &root), Held::Join, other).await;
    assert_eq!(answer, done());
    world.read(&repo.gun, Some("docs/x")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_root_that_waits_for_its_new_online_key_is_judged_again() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let mut repo = world.collection("acme/app", &["docs"]).await;
    let rotated = world.post("/v2/acme/app/_trust/keys/timestamp?rotate=true", &world.admin).await;
    repo.timestamp_keys = vec![serde_json::from_value(rotated.json()["key"].clone()).unwrap()];
    let root = [repo.root(2)];
    let own = revoked(&world, &repo.root_key.key);
    // The first slot is that of the refresh which the new key signs ahead.
    let (answer, _) = publish_while(&world, (&repo, &root), Held::Prepared, own).await;
    assert_eq!(answer, refused("threshold_not_met"));
    assert_eq!(world.get("/v2/acme/app/_trust/tuf/2.root.json").await.status, 404);
    take_back(&world, &repo.root_key.key).await;
    assert_eq!(world.publish(&repo, &root).await.outcome(), done());
    world.read(&repo.gun, Some("docs/first")).await;
    world.end().await;
}

#[actix_web::test]
async fn of_two_managers_at_once_neither_undoes_what_the_other_was_answered() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    let (docs, mut version) = (&repo.key_of("docs").key, 1);
    for round in 0..8 {
        let publish = async {
            let mut sent = Vec::new();
            for next in version + 1..version + 4 {
                let parts = [repo.team("docs", next, &[&format!("{round}")])];
                sent.push(world.publish(&repo, &parts).await.outcome());
            }
            sent
        };
        let others = async {
            let version = 2 + round;
            let parts = [repo.team("code", version, &[&format!("{round}")])];
            world.publish(&repo, &parts).await.outcome()
        };
        let (sent, (), other) =
            join3(publish, async { drop(revoked(&world, docs).await) }, others).await;
        assert_eq!(other, done(), "whose key is good is not disturbed");
        let taken = sent.iter().take_while(|answer| **answer == done()).count();
        let late = &sent[taken..];
        let is_refused = |answer: &(u16, String)| {
            [refused("threshold_not_met"), (409, "version_conflict".into())].contains(answer)
        };
        assert!(late.iter().all(is_refused), "once refused it stays refused: {sent:?}");
        version += taken as u64;
        let after = world.publish(&repo, &[repo.team("docs", version + 1, &["z"])]).await;
        assert_eq!(after.outcome(), refused("threshold_not_met"));
        assert_eq!(take_back(&world, docs).await.0, 204);
    }
    world.read(&repo.gun, Some("code/7")).await;
    world.end().await;
}
