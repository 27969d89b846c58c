//! What becomes of a prepared release: every answer of the signer, every crash, and the way out.

use chrono::TimeDelta;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::online::OnlineRole::{self, Snapshot, Timestamp};
use notary_server::StopPoint;
use notary_server::store::{Joining, Pause, Store};
use tokio::sync::oneshot;

use crate::repo::Repo;
use crate::rotation::publish_behind;
use crate::signer::Fault::{self, AnswerLost, Lost, Refused, Unsigned};
use crate::slow::until;
use crate::store::CommitFault;
use crate::world::World;

const CRASHES: [StopPoint; 4] = [
    StopPoint::AfterPrepare,
    StopPoint::SnapshotSigned,
    StopPoint::TimestampSigned,
    StopPoint::BeforeCommitAnswer,
];

/// Publishes docs 2 and answers status and code.
async fn publish_docs(world: &World, repo: &Repo) -> (u16, String) {
    world.publish(repo, &[repo.team("docs", 2, &["second"])]).await.outcome()
}

/// Another team publishes; afterwards agents find both.
async fn both_are_published(world: &mut World, repo: &Repo) {
    let answer = world.publish(repo, &[repo.team("code", 2, &["second"])]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.read(&repo.gun, Some("docs/second")).await;
    world.read(&repo.gun, Some("code/second")).await;
    let repeated = world.publish(repo, &[repo.team("docs", 2, &["second"])]).await;
    assert_eq!(repeated.status, 200);
    assert_eq!(repeated.json()["roles"][0]["published"], false);
}

#[actix_web::test]
async fn an_unknown_answer_leaves_the_slot_and_the_next_publisher_finishes_it() {
    for (role, fault) in
        [(Snapshot, Lost), (Snapshot, AnswerLost), (Timestamp, Lost), (Timestamp, AnswerLost)]
    {
        let mut world = World::start().await;
        let repo = world.collection("acme/app", &["docs", "code"]).await;
        world.signer.fail(role, &[fault]);
        let outcome = publish_docs(&world, &repo).await;
        let code = if fault == Lost { "signer_unreachable" } else { "signer_timeout" };
        assert_eq!(outcome, (503, code.into()), "{role:?} {fault:?}");
        let docs = world.get("/v2/acme/app/_trust/tuf/docs.json").await;
        assert_eq!(
            docs.bytes,
            repo.team("docs", 1, &["first"]).1,
            "files in a slot are not served"
        );
        both_are_published(&mut world, &repo).await;
        world.end().await;
    }
}

#[actix_web::test]
async fn the_background_finishes_a_slot_alone_and_after_two_days() {
    for later in [TimeDelta::zero(), TimeDelta::days(2), TimeDelta::days(20)] {
        for (role, fault) in
            [(Snapshot, Lost), (Snapshot, AnswerLost), (Timestamp, Lost), (Timestamp, AnswerLost)]
        {
            let mut world = World::start().await;
            let repo = world.collection("acme/app", &["docs", "code"]).await;
            world.signer.fail(role, &[fault]);
            assert_eq!(publish_docs(&world, &repo).await.0, 503);
            world.pass(later);
            assert_eq!(world.roll_all().await, 1, "{role:?} {fault:?} {later}");
            assert_eq!(world.roll_all().await, 0);
            both_are_published(&mut world, &repo).await;
            world.end().await;
        }
    }
}

#[actix_web::test]
async fn a_crash_at_any_point_loses_nothing() {
    for point in CRASHES {
        for next_is_background in [false, true] {
            let mut world = World::start().await;
            let repo = world.collection("acme/app", &["docs", "code"]).await;
            world.die_at(point);
            assert_eq!(publish_docs(&world, &repo).await.0, 500, "{point:?}");
            let committed = point == StopPoint::BeforeCommitAnswer;
            if next_is_background {
                assert_eq!(world.roll_all().await, usize::from(!committed), "{point:?}");
            }
            both_are_published(&mut world, &repo).await;
            world.end().await;
        }
    }
}

#[actix_web::test]
async fn a_first_publish_survives_a_crash_at_any_point() {
    for point in CRASHES {
        let mut world = World::start().await;
        let repo = world.reserve("acme/app", &[]).await;
        let first = [repo.root(1), repo.targets(1, &["a.txt"])];
        world.die_at(point);
        assert_eq!(world.publish(&repo, &first).await.status, 500);
        let answer = world.publish(&repo, &first).await;
        assert_eq!(answer.status, 200, "{point:?} {answer:?}");
        world.pin(&repo);
        world.read(&repo.gun, Some("a.txt")).await;
        world.end().await;
    }
}

#[actix_web::test]
async fn a_refusal_of_the_first_request_drops_the_slot_and_tells_why() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    world.signer.fail(Snapshot, &[Refused("version_jump")]);
    let answer = world.publish(&repo, &[repo.team("docs", 2, &["second"])]).await;
    assert_eq!(answer.outcome(), (502, "signer_refused".into()));
    assert_eq!(answer.json()["signer_code"], "version_jump");
    assert!(world.store.slots().await.unwrap().is_empty());
    assert_eq!(world.roll_all().await, 0);
    assert_eq!(publish_docs(&world, &repo).await.0, 200);
    both_are_published(&mut world, &repo).await;
    world.end().await;
}

#[actix_web::test]
async fn what_may_not_be_dropped_is_rebuilt_at_once() {
    let rows: [(OnlineRole, Fault); 6] = [
        (Snapshot, Refused("expired")),
        (Snapshot, Refused("version_used")),
        (Snapshot, Refused("would_lower")),
        (Snapshot, Unsigned),
        (Timestamp, Refused("version_jump")),
        (Timestamp, Unsigned),
    ];
    for (role, fault) in rows {
        let mut world = World::start().await;
        let repo = world.collection("acme/app", &["docs", "code"]).await;
        world.signer.fail(role, &[fault]);
        assert_eq!(publish_docs(&world, &repo).await, (200, String::new()), "{role:?} {fault:?}");
        both_are_published(&mut world, &repo).await;
        world.end().await;
    }
}

#[actix_web::test]
async fn a_rebuilt_slot_that_is_refused_waits_longer_each_time_and_says_so() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    world.signer.fail(Snapshot, &[Refused("would_lower"), Refused("version_jump")]);
    let answer = world.publish(&repo, &[repo.team("docs", 2, &["second"])]).await;
    assert_eq!(answer.outcome(), (503, "release_waits".into()));
    assert_eq!(answer.header("retry-after"), "2");
    let other = world.publish(&repo, &[repo.team("code", 2, &["second"])]).await;
    assert_eq!(other.outcome(), (503, "release_waits".into()), "nothing else happens before it");
    for path in ["/v2/acme/app/_trust/", "/readyz"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 200);
        let text = answer.json().to_string();
        assert!(text.contains("version_jump") && text.contains("acme/app"), "{text}");
    }
    assert_eq!(world.roll_all().await, 0, "it waits");
    world.signer.fail(Snapshot, &[Refused("version_jump"), Refused("version_jump")]);
    world.pass(TimeDelta::seconds(2));
    assert_eq!(world.roll_all().await, 0);
    let answer = world.publish(&repo, &[repo.team("code", 2, &["second"])]).await;
    assert_eq!(answer.header("retry-after"), "4");
    world.pass(TimeDelta::seconds(4));
    assert_eq!(world.roll_all().await, 1);
    both_are_published(&mut world, &repo).await;
    world.end().await;
}

#[actix_web::test]
async fn without_the_signers_memory_nothing_is_rebuilt() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    world.signer.fail(Timestamp, &[Lost]);
    assert_eq!(publish_docs(&world, &repo).await.0, 503);
    world.pass(TimeDelta::days(2));
    world.signer.go_away();
    for _ in 0..3 {
        assert_eq!(world.roll_all().await, 0);
    }
    world.signer.heal();
    assert_eq!(world.roll_all().await, 1);
    let [_, snapshot, timestamp] = world.read(&repo.gun, None).await;
    assert_eq!((snapshot.get(), timestamp.get()), (2, 2), "no version was burned");
    both_are_published(&mut world, &repo).await;
    world.end().await;
}

/// Of two servers that go on with one release, or two tasks of one.
#[actix_web::test]
async fn a_slot_is_changed_by_nobody_who_read_it_before_a_rebuild() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    world.signer.fail(Snapshot, &[Lost]);
    assert_eq!(publish_docs(&world, &repo).await.0, 503);
    let collection = world.store.standing_of("acme/app").await.life.unwrap();
    let read = world.store.slot(&collection).await.unwrap().unwrap();
    let rebuild = async || {
        let plan = read.plan().clone();
        world.store.rebuild(&read, plan, Joining::default(), None).await.unwrap()
    };
    let pause = || Pause { code: "x".into(), reason: "x".into(), retry_at: world.now() };
    let rebuilt = rebuild().await.unwrap();
    assert!(rebuild().await.is_none());
    assert!(!world.store.pause(&read, pause()).await.unwrap());
    assert!(!world.store.drop_slot(&read).await.unwrap());
    assert!(world.store.pause(&rebuilt, pause()).await.unwrap());
    both_are_published(&mut world, &repo).await;
    world.end().await;
}

#[actix_web::test]
async fn a_new_root_joins_the_slot_whose_key_is_retired() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    world.signer.retire(&repo.gun, Timestamp);
    assert_eq!(publish_docs(&world, &repo).await, (503, "release_waits".into()));
    let rotated = world.post("/v2/acme/app/_trust/keys/timestamp?rotate=true", &world.admin).await;
    repo.timestamp_keys = vec![serde_json::from_value(rotated.json()["key"].clone()).unwrap()];
    let stranger = world.reserve("acme/app", &[]).await;
    let refused = world.publish(&stranger, &[stranger.root(2)]).await;
    assert_eq!(refused.status, 422, "only a good root joins");
    let answer = world.publish(&repo, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    both_are_published(&mut world, &repo).await;
    world.end().await;
}

#[actix_web::test]
async fn of_roots_that_wait_together_each_joins_the_slot_or_what_comes_of_it() {
    let mut world = World::start().await;
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    let rotated = world.post("/v2/acme/app/_trust/keys/timestamp?rotate=true", &world.admin).await;
    let key = serde_json::from_value(rotated.json()["key"].clone()).unwrap();
    world.signer.retire_key(repo.timestamp_keys[0].id());
    let docs = [repo.team("docs", 2, &["second"])];
    repo.timestamp_keys = vec![key];
    let root = [repo.root(2)];
    let signer = world.signer.clone();
    let held = signer.hold.lock().await;
    let (one_waits, then) = oneshot::channel();
    let one = async {
        until("a slot", async || !world.store.slots_of_all().await.is_empty()).await;
        publish_behind(&world, &repo, &root, || one_waits.send(()).unwrap()).await
    };
    let other = async {
        then.await.unwrap();
        publish_behind(&world, &repo, &root, || drop(held)).await
    };
    let answers = tokio::join!(world.publish(&repo, &docs), one, other);
    assert_eq!(answers.0.outcome(), (503, "release_waits".into()));
    let published = [answers.1, answers.2].map(|answer| {
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["roles"][0]["published"].clone()
    });
    assert_eq!(published, [true, false], "the second one is a repeat");
    both_are_published(&mut world, &repo).await;
    world.end().await;
}

/// A collection of which either online role has a second key, each of them enough.
async fn with_two_keys_each(world: &mut World) -> Repo {
    let mut repo = world.collection("acme/app", &["docs", "code"]).await;
    for (role, keys) in
        [("snapshot", &mut repo.snapshot_keys), ("timestamp", &mut repo.timestamp_keys)]
    {
        let path = format!("/v2/acme/app/_trust/keys/{role}?rotate=true");
        let rotated = world.post(&path, &world.admin).await;
        keys.push(serde_json::from_value(rotated.json()["key"].clone()).unwrap());
    }
    let answer = world.publish(&repo, &[repo.root(2)]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    repo
}

#[actix_web::test]
async fn a_key_that_signs_no_more_is_done_without_when_another_is_enough() {
    let gone: [fn(&World, &KeyId); 2] = [
        |world, keyid| world.signer.retire_key(keyid),
        |world, keyid| world.signer.lose_key(keyid),
    ];
    for goes in gone {
        for role in [Snapshot, Timestamp] {
            let mut world = World::start().await;
            let repo = with_two_keys_each(&mut world).await;
            let keys = match role {
                Snapshot => &repo.snapshot_keys,
                Timestamp => &repo.timestamp_keys,
            };
            goes(&world, keys[0].id());
            assert_eq!(publish_docs(&world, &repo).await, (200, String::new()));
            both_are_published(&mut world, &repo).await;
            world.end().await;
        }
    }
}

#[actix_web::test]
async fn a_refresh_does_without_a_key_that_signs_no_more() {
    for days in [1, 5] {
        let mut world = World::start().await;
        let repo = with_two_keys_each(&mut world).await;
        world.signer.retire_key(repo.snapshot_keys[0].id());
        world.signer.retire_key(repo.timestamp_keys[0].id());
        world.pass(TimeDelta::days(days));
        assert_eq!(world.refresh_all().await, 1);
        world.read(&repo.gun, Some("docs/first")).await;
        world.end().await;
    }
}

#[actix_web::test]
async fn a_key_that_is_restored_signs_again() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    world.signer.retire(&repo.gun, Snapshot);
    assert_eq!(publish_docs(&world, &repo).await, (503, "release_waits".into()));
    world.signer.restore_key(repo.snapshot_keys[0].id());
    world.pass(TimeDelta::seconds(2));
    assert_eq!(world.roll_all().await, 1);
    both_are_published(&mut world, &repo).await;
    world.end().await;
}

#[actix_web::test]
async fn a_commit_whose_answer_is_lost_is_found_and_one_that_failed_is_made_again() {
    for (fault, status) in [(CommitFault::AnswerLost, 200), (CommitFault::Failed, 503)] {
        let mut world = World::start().await;
        let repo = world.collection("acme/app", &["docs", "code"]).await;
        *world.store.next_commit.lock().unwrap() = Some(fault);
        let answer = world.publish(&repo, &[repo.team("docs", 2, &["second"])]).await;
        assert_eq!(answer.status, status, "{fault:?}");
        if status == 200 {
            assert_eq!(answer.json()["roles"][0]["published"], true);
        }
        assert_eq!(world.roll_all().await, usize::from(status != 200));
        both_are_published(&mut world, &repo).await;
        world.end().await;
    }
}

#[actix_web::test]
async fn a_file_is_never_changed_once_committed() {
    let mut world = World::start().await;
    let repo = world.collection("acme/app", &["docs"]).await;
    let id = world.store.standing(&repo.gun).await.unwrap().life.unwrap().id;
    let docs = RoleName::parse("docs").unwrap();
    let before = world.store.file(id, &docs, Repo::version(1)).await.unwrap().unwrap();
    assert_eq!(publish_docs(&world, &repo).await.0, 200);
    let after = world.store.file(id, &docs, Repo::version(1)).await.unwrap().unwrap();
    assert_eq!((before.bytes, before.sha256), (after.bytes, after.sha256));
    world.end().await;
}
