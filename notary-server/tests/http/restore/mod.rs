//! A server whose database was set back to an older copy, beside a signer that remembers: what it
//! serves, what it takes back, and what goes on. `roots`: the same of roots, which no snapshot lists.

mod roots;

use chrono::TimeDelta;
use notary_schema::online::OnlineRole::Snapshot;
use notary_server::StopPoint;
use notary_server::survey::survey;
use serde_json::{Value, json};

use crate::repo::{Part, Repo};
use crate::signer::{Fault, TestKey};
use crate::world::World;

/// A collection of which docs 2 and targets 2 were published after its database was copied, with
/// docs and code as teams. Agents have seen all of it.
async fn set_back() -> (World, Repo) {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let repo = world.collection("acme/app", &["docs", "code"]).await;
    let copy = world.copy_of_database();
    let lost = [lost_docs(&repo), lost_targets(&repo)];
    assert_eq!(world.publish(&repo, &lost).await.status, 200);
    world.read(&repo.gun, Some("docs/second")).await;
    world.restart_with(copy).await;
    (world, repo)
}

fn lost_docs(repo: &Repo) -> Part {
    repo.team("docs", 2, &["second"])
}

fn lost_targets(repo: &Repo) -> Part {
    repo.targets(2, &["a.txt", "b.txt"])
}

async fn info(world: &World) -> Value {
    world.get("/v2/acme/app/_trust/").await.json()
}

async fn lost(world: &World) -> Vec<String> {
    let lost = info(world).await["lost"].as_array().cloned().unwrap_or_default();
    let named = |it: &Value| format!("{} {}", it["name"].as_str().unwrap(), it["version"]);
    lost.iter().map(named).collect()
}

/// All of it is back: agents read it, and nothing tells of a loss.
async fn whole(mut world: World, repo: &Repo, targets: &[&str]) {
    for target in targets {
        world.read(&repo.gun, Some(target)).await;
    }
    assert_eq!(lost(&world).await, [""; 0]);
    assert_eq!(world.get("/readyz").await.json()["incomplete_collections"], json!([]));
    world.end().await;
}

#[actix_web::test]
async fn it_is_found_at_the_start_by_a_refresh_and_by_a_publish() {
    for found_by in ["start", "refresh", "publish", "publish of what is lost"] {
        let (world, repo) = set_back().await;
        match found_by {
            "start" => assert_eq!((world.survey().await, world.survey().await), (1, 0)),
            "refresh" => {
                world.pass(TimeDelta::days(4));
                assert_eq!(world.refresh_all().await, 1);
            }
            "publish" => {
                let answer = world.publish(&repo, &[repo.team("code", 2, &["second"])]).await;
                assert_eq!(answer.outcome(), (409, "delegator_lost".into()));
            }
            _ => assert_eq!(world.publish(&repo, &[lost_docs(&repo)]).await.status, 200),
        }
        let still = if found_by == "publish of what is lost" { &[][..] } else { &["docs 2"][..] };
        assert_eq!(lost(&world).await, [still, &["targets 2"]].concat(), "{found_by}");
        for part in [lost_docs(&repo), lost_targets(&repo)] {
            assert_eq!(world.publish(&repo, &[part]).await.status, 200, "{found_by}");
        }
        whole(world, &repo, &["docs/second", "b.txt", "code/first"]).await;
    }
}

#[actix_web::test]
async fn until_the_signer_was_asked_info_says_that_it_knows_of_no_loss() {
    let (mut world, repo) = set_back().await;
    let told = async |world: &World| {
        let info = info(world).await;
        (info["not_compared"].clone(), lost(world).await)
    };
    world.signer.go_away();
    survey(&world.service.publisher).await.unwrap_err();
    assert_eq!(told(&world).await, (json!(true), vec![]));
    world.signer.heal();
    assert_eq!(world.survey().await, 1);
    assert_eq!(told(&world).await, (Value::Null, vec!["docs 2".into(), "targets 2".into()]));
    world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await;
    let same = world.database().to_owned();
    world.restart_with(same).await;
    assert_eq!(told(&world).await, (json!(true), vec![]), "each start asks");
    let code = repo.team("code", 2, &["second"]);
    assert_eq!(world.publish(&repo, &[code]).await.status, 200);
    assert_eq!(told(&world).await, (Value::Null, vec![]), "what is signed was compared");
    let same = world.database().to_owned();
    world.restart_with(same).await;
    assert_eq!(world.survey().await, 0);
    assert_eq!(told(&world).await, (Value::Null, vec![]));
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn what_is_lost_is_told_and_never_served_as_an_older_one() {
    let (world, repo) = set_back().await;
    world.survey().await;
    for name in ["docs.json", "2.docs.json", "targets.json", "2.targets.json"] {
        let answer = world.get(&format!("/v2/acme/app/_trust/tuf/{name}")).await;
        assert_eq!(answer.outcome(), (404, "lost_in_restore".into()), "{name}");
    }
    for (name, status) in [("1.docs.json", 200), ("code.json", 200), ("3.docs.json", 404)] {
        let answer = world.get(&format!("/v2/acme/app/_trust/tuf/{name}")).await;
        assert_eq!(answer.status, status, "{name}");
        assert_ne!(answer.outcome().1, "lost_in_restore", "{name}");
    }
    let told = info(&world).await;
    let sha256 = notary_schema::key::sha256_hex(&lost_docs(&repo).1);
    assert_eq!(told["lost"][0]["sha256"], sha256);
    let docs =
        told["roles"].as_array().unwrap().iter().find(|role| role["name"] == "docs").unwrap();
    assert_eq!(docs["file"], Value::Null);
    let ready = world.get("/readyz").await.json();
    let named = json!([{ "gun": "acme/app", "lost_files": 2 }]);
    assert_eq!((&ready["ready"], &ready["incomplete_collections"]), (&json!(true), &named));
    let problems = world.fsck(world.database()).await;
    assert_eq!(problems.len(), 2, "{problems:?}");
    for (problem, role) in problems.iter().zip(["docs", "targets"]) {
        let parts = ["acme/app", role, "is not here", "notary repair"];
        assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
    }
    world.publish(&repo, &[lost_docs(&repo), lost_targets(&repo)]).await;
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn refreshes_and_publishes_of_other_roles_go_on() {
    let (mut world, repo) = set_back().await;
    world.survey().await;
    assert_eq!(world.publish(&repo, &[lost_targets(&repo)]).await.status, 200);
    for day in 1..20 {
        world.pass(TimeDelta::days(1));
        assert_eq!(world.refresh_all().await, 1, "day {day}");
    }
    let answer = world.publish(&repo, &[repo.team("code", 2, &["second"])]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    world.read(&repo.gun, Some("code/second")).await;
    world.read(&repo.gun, Some("b.txt")).await;
    assert_eq!(lost(&world).await, ["docs 2"]);
    assert_eq!(world.publish(&repo, &[lost_docs(&repo)]).await.status, 200);
    whole(world, &repo, &["docs/second", "code/second"]).await;
}

#[actix_web::test]
async fn another_file_of_a_lost_version_is_refused_and_the_version_after_it_is_not() {
    let (world, repo) = set_back().await;
    world.survey().await;
    world.publish(&repo, &[lost_targets(&repo)]).await;
    let answer = world.publish(&repo, &[repo.team("docs", 2, &["other"])]).await;
    assert_eq!(answer.outcome(), (409, "lost_in_restore".into()));
    assert_eq!(
        (&answer.json()["role"], &answer.json()["lost_version"]),
        (&json!("docs"), &json!(2))
    );
    let answer = world.publish(&repo, &[repo.team("docs", 4, &["other"])]).await;
    assert_eq!(answer.outcome(), (409, "lost_in_restore".into()));
    let answer = world.publish(&repo, &[repo.team("docs", 3, &["third"])]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    // What was lost for good is nobody's current file any more.
    let answer = world.publish(&repo, &[lost_docs(&repo)]).await;
    assert_eq!(answer.outcome(), (409, "version_conflict".into()));
    whole(world, &repo, &["docs/third"]).await;
}

#[actix_web::test]
async fn two_who_repair_at_once_and_one_who_repeats_it_all_succeed() {
    let (world, repo) = set_back().await;
    world.survey().await;
    let parts = [lost_docs(&repo), lost_targets(&repo)];
    let (one, other) = (world.publish(&repo, &parts), world.publish(&repo, &parts));
    let (one, other) = futures_util::future::join(one, other).await;
    assert_eq!((one.status.as_u16(), other.status.as_u16()), (200, 200), "{one:?} {other:?}");
    let again = world.publish(&repo, &parts).await;
    assert_eq!(again.json()["roles"][0]["published"], false);
    whole(world, &repo, &["docs/second", "b.txt"]).await;
}

#[actix_web::test]
async fn a_crash_at_any_point_of_finding_it_or_of_a_repair_loses_nothing() {
    for point in [
        StopPoint::AfterPrepare,
        StopPoint::SnapshotSigned,
        StopPoint::TimestampSigned,
        StopPoint::BeforeCommitAnswer,
    ] {
        let (world, repo) = set_back().await;
        world.die_at(point);
        let code = repo.team("code", 2, &["second"]);
        assert_eq!(world.publish(&repo, &[code]).await.status, 500, "{point:?}");
        let parts = [lost_docs(&repo), lost_targets(&repo)];
        world.die_at(point);
        let outcome = world.publish(&repo, &parts).await;
        assert!([200, 500].contains(&outcome.status.as_u16()), "{point:?}: {outcome:?}");
        for part in parts {
            let answer = world.publish(&repo, &[part]).await;
            assert_eq!(answer.status, 200, "{point:?}: {answer:?}");
        }
        whole(world, &repo, &["docs/second", "b.txt"]).await;
    }
}

#[actix_web::test]
async fn a_release_that_was_in_its_slot_when_the_copy_was_made_ends_as_it_did_then() {
    for is_published in [true, false] {
        let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
        let repo = world.collection("acme/app", &["docs", "code"]).await;
        world.signer.fail(Snapshot, &[Fault::Lost]);
        assert_eq!(world.publish(&repo, &[lost_docs(&repo)]).await.status, 503);
        let copy = world.copy_of_database();
        assert_eq!(world.roll_all().await, 1);
        if !is_published {
            // docs went on; what was in the slot is history.
            let third = repo.team("docs", 3, &["third"]);
            assert_eq!(world.publish(&repo, &[third]).await.status, 200);
        }
        let code = repo.team("code", 2, &["second"]);
        assert_eq!(world.publish(&repo, std::slice::from_ref(&code)).await.status, 200);
        world.read(&repo.gun, Some("code/second")).await;
        world.restart_with(copy).await;
        world.roll_all().await;
        let expected = if is_published { &["code 2"][..] } else { &["code 2", "docs 3"] };
        assert_eq!(lost(&world).await, expected);
        assert_eq!(world.publish(&repo, &[code]).await.status, 200);
        if !is_published {
            let third = repo.team("docs", 3, &["third"]);
            assert_eq!(world.publish(&repo, &[third]).await.status, 200);
        }
        whole(world, &repo, &["code/second"]).await;
    }
}

#[actix_web::test]
async fn a_root_that_was_in_its_slot_when_the_copy_was_made_is_there_and_no_other() {
    let mut world = World::start_with(|config| config.cache.max_age_seconds = 0).await;
    let repo = world.collection("acme/app", &["docs"]).await;
    world.signer.fail(Snapshot, &[Fault::Lost]);
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 503);
    let copy = world.copy_of_database();
    assert_eq!(world.roll_all().await, 1);
    let docs = repo.team("docs", 2, &["second"]);
    assert_eq!(world.publish(&repo, std::slice::from_ref(&docs)).await.status, 200);
    world.restart_with(copy).await;
    world.roll_all().await;
    assert_eq!(lost(&world).await, ["docs 2"]);
    let other = repo.root_with(2, &[&TestKey::draw()]);
    let answer = world.publish(&repo, &[other]).await;
    assert_eq!(answer.outcome(), (409, "version_conflict".into()));
    assert_eq!(world.publish(&repo, &[docs]).await.status, 200);
    whole(world, &repo, &["docs/second"]).await;
}

#[actix_web::test]
async fn a_file_that_nobody_has_signed_is_no_lost_file() {
    // A stolen server had the signer list it.
    let (world, repo) = set_back().await;
    let unsigned = repo.team("docs", 9, &["evil"]);
    let unsigned: Vec<u8> = {
        let document: Value = serde_json::from_slice(&unsigned.1).unwrap();
        notary_schema::envelope::Unsigned::new(&document["signed"]).with_signatures(&[])
    };
    world.signer.remember(&repo.gun, |memory| {
        let mut ahead = memory.snapshot.as_ref().unwrap().signed().clone();
        let entry = notary_schema::role::FileMeta::of(Repo::version(9), &unsigned);
        ahead.meta.insert("docs.json", &entry);
        ahead.version = Repo::version(9);
        let file = notary_schema::envelope::Unsigned::of(&ahead).with_signatures(&[]);
        memory.snapshot = Some(notary_schema::envelope::Envelope::parse(file).unwrap());
    });
    assert_eq!(world.survey().await, 1);
    assert_eq!(lost(&world).await, ["docs 9", "targets 2"]);
    assert_eq!(world.publish(&repo, &[lost_targets(&repo)]).await.status, 200);
    let answer = world.publish(&repo, &[("docs".into(), unsigned)]).await;
    assert_eq!(answer.outcome(), (422, "threshold_not_met".into()));
    let tenth = repo.team("docs", 10, &["tenth"]);
    assert_eq!(world.publish(&repo, &[tenth]).await.status, 200);
    whole(world, &repo, &["docs/tenth"]).await;
}
