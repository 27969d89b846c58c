//! Tombstones: what is left of a deleted collection, how it comes back, and what may take its place.

use chrono::TimeDelta;
use notary_schema::name::Gun;
use notary_schema::online::OnlineRole;
use notary_schema::online::refusal_code;
use notary_schema::wire::GrantLevel;
use reqwest::Method;
use serde_json::json;

use crate::repo::Repo;
use crate::signer::Fault;
use crate::world::{Answer, World};

const GUN: &str = "acme/app";
const DELETE: &str = "/v2/acme/app/_trust/tuf/?confirm=acme/app";
const UNDELETE: &str = "/v2/acme/app/_trust/undelete";

async fn delete(world: &World) -> Answer {
    world.delete(DELETE, &world.admin).await
}

async fn undelete(world: &World) -> Answer {
    world.post(UNDELETE, &world.admin).await
}

async fn file(world: &World, name: &str) -> (u16, String) {
    world.get(&format!("/v2/{GUN}/_trust/tuf/{name}")).await.outcome()
}

fn gone() -> (u16, String) {
    (404, "collection_deleted".into())
}

fn in_the_way() -> (u16, String) {
    (409, "collection_deleted".into())
}

#[actix_web::test]
async fn a_tombstone_serves_its_roots_and_nothing_else() {
    let mut world = World::start().await;
    let repo = world.collection(GUN, &["docs"]).await;
    assert_eq!(world.publish(&repo, &[repo.root(2)]).await.status, 200);
    for query in ["", "?confirm=acme/ap", "?confirm=", "?confirm=acme/app&confirm=acme/app"] {
        let path = format!("/v2/{GUN}/_trust/tuf/{query}");
        assert_eq!(world.delete(&path, &world.admin).await.outcome().0, 400, "{query}");
    }
    let publisher = world.token(GrantLevel::Publish, "**", &[]).await;
    assert_eq!(world.delete(DELETE, &publisher).await.outcome(), (403, "forbidden".into()));
    assert_eq!(file(&world, "timestamp.json").await.0, 200);
    let deleted = delete(&world).await;
    let sha256 = notary_schema::key::sha256_hex(&repo.root(2).1);
    let expected = json!({
        "gun": GUN, "state": "deleted", "root": {"version": 2, "sha256": sha256},
        "deleted_at": world.now(),
    });
    assert_eq!((deleted.status.as_u16(), deleted.json()), (200, expected.clone()));
    world.pass(TimeDelta::seconds(5));
    assert_eq!(delete(&world).await.json(), expected, "a repeat changes nothing");
    for name in ["1.root.json", "2.root.json"] {
        assert_eq!(file(&world, name).await.0, 200, "{name}");
    }
    assert_eq!(file(&world, "3.root.json").await, (404, "unknown_file".into()));
    for name in ["root.json", "timestamp.json", "1.snapshot.json", "1.targets.json", "x"] {
        assert_eq!(file(&world, name).await, gone(), "{name}");
    }
    for path in ["", "policy"] {
        let answer = world.get(&format!("/v2/{GUN}/_trust/{path}")).await;
        assert_eq!(answer.outcome(), gone(), "{path}");
    }
    for parts in [vec![repo.targets(2, &[])], vec![repo.targets(1, &["a.txt"])]] {
        assert_eq!(world.publish(&repo, &parts).await.outcome(), in_the_way());
    }
    let first = [repo.root(1), repo.targets(1, &["a.txt"])];
    assert_eq!(world.publish(&repo, &first).await.outcome(), in_the_way());
    let keys = format!("/v2/{GUN}/_trust/keys/snapshot");
    assert_eq!(world.post(&keys, &world.admin).await.outcome(), in_the_way());
    let policy = format!("/v2/{GUN}/_trust/policy");
    let hide = json!({"public": false});
    let patch = world.send_json(Method::PATCH, &policy, &world.admin, &hide).await;
    assert_eq!(patch.outcome(), in_the_way());
    world.pass(TimeDelta::days(6));
    assert_eq!(world.refresh_all().await, 0);
    let listed = world.get_as("/v2/_trust/collections", &world.admin).await.json();
    assert_eq!(listed["items"], json!([]));
    undelete(&world).await;
    world.end().await;
}

#[actix_web::test]
async fn undelete_brings_all_of_it_back_with_fresh_online_roles() {
    let mut world = World::start().await;
    let repo = world.collection(GUN, &["docs"]).await;
    let before = world.read(&repo.gun, Some("docs/first")).await;
    delete(&world).await;
    world.pass(TimeDelta::days(40));
    world.signer.go_away();
    assert_eq!(undelete(&world).await.outcome(), (503, "signer_unreachable".into()));
    assert_eq!(file(&world, "timestamp.json").await, gone());
    assert_eq!(world.roll_all().await, 0, "what was prepared for it waits for the next undelete");
    world.signer.heal();
    assert_eq!(world.roll_all().await, 0);
    assert_eq!(file(&world, "timestamp.json").await, gone());
    let back = undelete(&world).await;
    assert_eq!((back.status.as_u16(), &back.json()["state"]), (200, &json!("live")));
    assert!(back.json().get("deleted_at").is_none());
    let after = world.read(&repo.gun, Some("docs/first")).await;
    assert!(after[1] > before[1] && after[2] > before[2], "{before:?} {after:?}");
    assert_eq!(undelete(&world).await.status, 200, "a repeat is fine");
    assert_eq!(world.read(&repo.gun, None).await, after);
    let docs = world.publish(&repo, &[repo.team("docs", 2, &["second"])]).await;
    assert_eq!(docs.status, 200, "{docs:?}");
    let unknown = world.post("/v2/acme/none/_trust/undelete", &world.admin).await;
    assert_eq!(unknown.outcome(), (404, "unknown_collection".into()));
    world.reserve("acme/reserved", &[]).await;
    let reserved = world.post("/v2/acme/reserved/_trust/undelete", &world.admin).await;
    assert_eq!(reserved.outcome(), (404, "unknown_collection".into()));
    world.end().await;
}

#[actix_web::test]
async fn a_prepared_release_is_kept_below_a_tombstone_and_comes_back_with_it() {
    let mut world = World::start().await;
    let repo = world.collection(GUN, &["docs"]).await;
    world.signer.fail(OnlineRole::Timestamp, &[Fault::AnswerLost]);
    let docs = repo.team("docs", 2, &["second"]);
    assert_eq!(world.publish(&repo, std::slice::from_ref(&docs)).await.status, 503);
    assert_eq!(delete(&world).await.status, 200);
    assert_eq!(world.roll_all().await, 0);
    let ready = world.get("/readyz").await.json();
    assert_eq!(ready["unfinished_releases"], json!([]));
    assert_eq!(ready["other_unfinished_releases"], 0, "it is left in peace");
    assert_eq!(file(&world, "2.docs.json").await, gone());
    assert_eq!(undelete(&world).await.status, 200);
    world.read(&repo.gun, Some("docs/second")).await;
    let repeat = world.publish(&repo, &[docs]).await.json();
    assert_eq!(repeat["roles"][0]["published"], false);
    world.end().await;
}

#[actix_web::test]
async fn a_collection_that_is_deleted_while_the_signer_signs_stays_deleted() {
    let mut world = World::start().await;
    let repo = world.collection(GUN, &["docs"]).await;
    let parts = [repo.team("docs", 2, &["second"])];
    let signer = world.signer.clone();
    let held = signer.hold.lock().await;
    let meanwhile = async {
        while world.store.slots_of_all().await.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(delete(&world).await.status, 200);
        drop(held);
    };
    let (published, ()) = tokio::join!(world.publish(&repo, &parts), meanwhile);
    assert_eq!(published.outcome(), in_the_way());
    assert_eq!(file(&world, "timestamp.json").await, gone());
    assert_eq!(undelete(&world).await.status, 200);
    world.read(&repo.gun, Some("docs/second")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_tombstone_is_replaced_by_whoever_names_its_newest_root() {
    let mut world = World::start().await;
    let old = world.collection(GUN, &["docs"]).await;
    let deleted = delete(&world).await.json();
    let sha256 = deleted["root"]["sha256"].as_str().unwrap().to_owned();
    let (right, wrong) = (format!("?replace={sha256}"), format!("?replace={}", "0".repeat(64)));
    let keys = |query: &str| format!("/v2/{GUN}/_trust/keys/snapshot{query}");
    assert_eq!(world.post(&keys(&wrong), &world.admin).await.outcome(), in_the_way());
    for no_hash in ["x", &"z".repeat(64), &"A".repeat(64), &"0".repeat(63)] {
        let answer = world.post(&keys(&format!("?replace={no_hash}")), &world.admin).await;
        assert_eq!(answer.outcome().0, 400, "{no_hash}");
    }
    let new = world.reserve_with(GUN, &right, &[]).await;
    assert_ne!(new.snapshot_keys[0].id(), old.snapshot_keys[0].id());
    assert_eq!(file(&world, "1.root.json").await.0, 200, "the old root, until the commit");
    let parts = [new.root(1), new.targets(1, &["b.txt"])];
    for query in ["", wrong.as_str()] {
        let refused = world.send(&new.gun, query, &world.admin, &parts).await;
        assert_eq!(refused.outcome(), in_the_way(), "{query}");
    }
    let replaced = world.send(&new.gun, &right, &world.admin, &parts).await;
    assert_eq!(replaced.status, 200, "{replaced:?}");
    assert!(replaced.json()["warnings"].to_string().contains("pin its root 1 anew"));
    let repeat = world.send(&new.gun, &right, &world.admin, &parts).await;
    assert_eq!(repeat.json()["roles"][0]["published"], false);
    let root = world.get(&format!("/v2/{GUN}/_trust/tuf/1.root.json")).await.bytes;
    assert_eq!(root, new.root(1).1);
    world.pin(&new);
    world.read(&new.gun, Some("b.txt")).await;
    assert_eq!(undelete(&world).await.json()["state"], "live", "the new one: there is no way back");
    world.read(&new.gun, Some("b.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn a_private_collection_in_the_place_of_a_public_one_is_private() {
    let mut world = World::start().await;
    world.collection(GUN, &[]).await;
    let root = delete(&world).await.json()["root"].clone();
    let right = format!("?replace={}", root["sha256"].as_str().unwrap());
    let new = world.reserve_with(GUN, &format!("{right}&private=true"), &[]).await;
    let parts = [new.root(1), new.targets(1, &["b.txt"])];
    assert_eq!(world.send(&new.gun, &right, &world.admin, &parts).await.status, 200);
    let stranger = world.token(GrantLevel::Admin, "other/**", &[]).await;
    let unknown = (404, "unknown_collection".to_owned());
    let keys = format!("/v2/{GUN}/_trust/keys/snapshot");
    assert_eq!(world.post(&keys, &stranger).await.outcome(), unknown);
    assert_eq!(world.get(&format!("/v2/{GUN}/_trust/")).await.outcome(), unknown);
    world.agent_token = Some(world.admin.clone());
    world.pin(&new);
    world.read(&new.gun, Some("b.txt")).await;
    world.end().await;
}

#[actix_web::test]
async fn undelete_drops_the_reservation_that_was_to_take_its_place() {
    let mut world = World::start().await;
    let old = world.collection(GUN, &[]).await;
    let root = delete(&world).await.json()["root"].clone();
    let right = format!("?replace={}", root["sha256"].as_str().unwrap());
    let new = world.reserve_with(GUN, &right, &[]).await;
    assert_eq!(delete(&world).await.json()["state"], "deleted");
    assert!(world.store.standing_of(GUN).await.reservation.is_none(), "DELETE dropped it");
    let new =
        Repo { snapshot_keys: world.reserve_with(GUN, &right, &[]).await.snapshot_keys, ..new };
    assert_eq!(undelete(&world).await.status, 200);
    assert!(world.store.standing_of(GUN).await.reservation.is_none());
    world.read(&old.gun, Some("a.txt")).await;
    let late =
        world.send(&new.gun, &right, &world.admin, &[new.root(1), new.targets(1, &[])]).await;
    assert_eq!(late.outcome(), (409, "version_conflict".into()));
    world.end().await;
}

#[actix_web::test]
async fn a_first_publish_that_is_refused_for_good_is_freed_with_its_reservation() {
    let mut world = World::start().await;
    let stuck = world.reserve(GUN, &[]).await;
    let refused = [Fault::Refused(refusal_code::EXPIRED); 2];
    world.signer.fail(OnlineRole::Snapshot, &refused);
    let first = world.publish(&stuck, &[stuck.root(1), stuck.targets(1, &[])]).await;
    assert_eq!(first.outcome(), (503, "release_waits".into()));
    assert_eq!(world.store.slots_of_all().await.len(), 1);
    let ready = world.get("/readyz").await.json();
    assert_eq!(ready["unfinished_releases"], json!([]), "who may read it is not said yet");
    assert_eq!(ready["other_unfinished_releases"], 1);
    assert_eq!(delete(&world).await.json(), json!({"gun": GUN, "state": "free"}));
    assert!(world.store.slots_of_all().await.is_empty());
    assert_eq!(delete(&world).await.outcome(), (404, "unknown_collection".into()));
    let next = world.collection(GUN, &[]).await;
    assert_ne!(next.snapshot_keys[0].id(), stuck.snapshot_keys[0].id());
    assert_eq!(next.gun, Gun::parse(GUN).unwrap());
    world.end().await;
}
