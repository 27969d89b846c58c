//! A repository of somebody else that the server takes over.

use std::collections::BTreeMap;

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::online::OnlineRole::Snapshot;
use notary_schema::online::{PlannedTimestamp, next_snapshot};
use notary_schema::role::{Expires, FileMeta};

use crate::repo::{Part, Repo};
use crate::signer::{Fault, TestKey};
use crate::world::{Answer, World};

/// The version of their snapshot and of their timestamp.
const THEIRS: u64 = 9;

/// A reserved name, and a request that takes a repository over: root 1 with their online keys, the
/// same root again with the signer's, targets 1, and their snapshot and timestamp.
async fn foreign(world: &World) -> (Repo, Vec<Part>) {
    let mut repo = world.reserve("acme/app", &[]).await;
    let online = [TestKey::draw(), TestKey::draw()];
    let theirs = online.each_ref().map(|key| vec![key.key.clone()]);
    let [snapshot, timestamp] = theirs;
    let snapshot = std::mem::replace(&mut repo.snapshot_keys, snapshot);
    let timestamp = std::mem::replace(&mut repo.timestamp_keys, timestamp);
    let first = repo.root(1).1;
    (repo.snapshot_keys, repo.timestamp_keys) = (snapshot, timestamp);

    let targets = repo.targets(1, &["a.txt"]);
    let entry = FileMeta::of(Repo::version(1), &targets.1);
    let (expires, version) = (Expires::at(repo.now), Repo::version(THEIRS));
    let entries = BTreeMap::from([(RoleName::TARGETS, entry)]);
    let snapshot = Unsigned::of(&next_snapshot(None, entries, version, expires));
    let snapshot = snapshot.with_signatures(&[online[0].sign(snapshot.message())]);
    let named = Envelope::parse(snapshot.clone()).unwrap();
    let timestamp = PlannedTimestamp { version, expires, keyids: vec![] }.document(&named);
    let timestamp = timestamp.with_signatures(&[online[1].sign(timestamp.message())]);
    let parts = vec![
        ("1.root".to_owned(), first),
        repo.root(2),
        targets,
        ("snapshot".to_owned(), snapshot),
        ("timestamp".to_owned(), timestamp),
    ];
    (repo, parts)
}

async fn adopt(world: &World, repo: &Repo, parts: &[Part]) -> Answer {
    world.send(&repo.gun, "?adopt=true", &world.admin, parts).await
}

#[actix_web::test]
async fn its_versions_go_on_also_where_the_first_release_is_planned_anew() {
    for is_planned_anew in [false, true] {
        let world = World::start().await;
        let (repo, parts) = foreign(&world).await;
        if is_planned_anew {
            world.signer.fail(Snapshot, &[Fault::Refused("expired")]);
        }
        let answer = adopt(&world, &repo, &parts).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let versions = [&answer.json()["snapshot"], &answer.json()["timestamp"]]
            .map(|version| version.as_u64());
        assert_eq!(versions, [Some(THEIRS + 1); 2], "planned anew: {is_planned_anew}");
        world.end().await;
    }
}
