//! Online roles are signed again in the background when half of their life is gone.

use chrono::TimeDelta;
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};

use crate::signer::Fault::{AnswerLost, Lost, Refused};
use crate::world::World;

#[actix_web::test]
async fn a_role_is_signed_again_at_half_of_its_life_and_not_before() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &[]).await;
    world.pass(TimeDelta::hours(12));
    assert_eq!(world.refresh_all().await, 0);
    world.pass(TimeDelta::seconds(1));
    assert_eq!(world.refresh_all().await, 1);
    assert_eq!(world.refresh_all().await, 0);
    let [_, snapshot, timestamp] = world.read(&repo.gun, Some("a.txt")).await;
    assert_eq!((snapshot.get(), timestamp.get()), (1, 2), "the timestamp alone");
    world.pass(TimeDelta::days(3));
    assert_eq!(world.refresh_all().await, 1);
    let [_, snapshot, timestamp] = world.read(&repo.gun, Some("a.txt")).await;
    assert_eq!((snapshot.get(), timestamp.get()), (2, 3), "both");
    world.end().await;
}

#[actix_web::test]
async fn what_has_expired_is_signed_again_and_takes_publishes() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    world.pass(TimeDelta::days(30));
    let answer = world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.read(&repo.gun, Some("docs/x")).await;
    world.pass(TimeDelta::days(30));
    assert_eq!(world.refresh_all().await, 1);
    world.read(&repo.gun, Some("docs/x")).await;
    world.pass(TimeDelta::days(290));
    assert_eq!(world.refresh_all().await, 1, "also under an expired root");
    world.signer.heal();
    let info = world.get("/v2/acme/app/_trust/").await.json();
    let expired = |name: &str| {
        let roles = info["roles"].as_array().unwrap().iter();
        roles.clone().find(|role| role["name"] == name).unwrap()["file"]["expired"].clone()
    };
    assert_eq!((expired("root"), expired("timestamp")), (true.into(), false.into()));
}

#[actix_web::test]
async fn a_refresh_survives_every_answer_of_the_signer() {
    for (role, fault, days) in [
        (Timestamp, Lost, 1),
        (Timestamp, AnswerLost, 1),
        (Timestamp, Refused("version_used"), 1),
        (Timestamp, Refused("other_snapshot"), 1),
        (Timestamp, Refused("version_jump"), 1),
        (Snapshot, Lost, 5),
        (Snapshot, AnswerLost, 5),
        (Snapshot, Refused("would_lower"), 5),
        (Snapshot, Refused("version_jump"), 5),
    ] {
        let mut world = World::start().await;
        let repo = world.collection("acme/app", &["docs"]).await;
        world.pass(TimeDelta::days(days));
        world.signer.fail(role, &[fault]);
        world.refresh_all().await;
        world.refresh_all().await;
        let [_, _, timestamp] = world.read(&repo.gun, Some("docs/first")).await;
        assert!(timestamp.get() > 1, "{role:?} {fault:?}");
        assert_eq!(world.publish(&repo, &[repo.team("docs", 2, &["x"])]).await.status, 200);
        world.read(&repo.gun, Some("docs/x")).await;
        world.end().await;
    }
}
