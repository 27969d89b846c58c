//! What outlives a process, and what keeps a process from starting.

use std::fs;

use notary_schema::online::OnlineRole::Snapshot;
use notary_schema::wire::KeyState;

use crate::world::World;

#[tokio::test]
async fn keys_and_memory_outlive_a_restart() {
    let mut world = World::started().await;
    let document = world.snapshot(1, 1);
    let key = world.server().key(Snapshot, false).await.keyid;
    let file = world.server().sign(&[&key], &document).await.file();
    world.stop().await;
    world.start().await.unwrap();

    let server = world.server();
    let active = server.key(Snapshot, false).await;
    assert_eq!((&active.keyid, active.state), (&key, KeyState::Active));
    assert_eq!(server.memory().await.snapshot.unwrap().file.into_bytes(), file);
    assert_eq!(server.sign(&[&key], &document).await.file(), file);
    let refused = server.sign(&[&key], &world.snapshot(1, 2)).await;
    assert_eq!(refused.refusal(), "version_used");
    server.sign(&[&key], &world.snapshot(2, 2)).await.file();
}

#[tokio::test]
async fn a_wrong_passphrase_stops_the_start() {
    let mut world = World::started().await;
    world.stop().await;
    fs::write(world.path("signer.passphrase"), "correct horsf").unwrap();
    let refused = world.start().await.unwrap_err().to_string();
    assert!(refused.contains("passphrase is wrong"), "{refused}");
    fs::write(world.path("signer.passphrase"), "correct horse").unwrap();
    world.start().await.unwrap();
}

#[tokio::test]
async fn a_memory_has_one_signer_at_a_time() {
    let mut world = World::started().await;
    let mut second = World::new();
    second.config.database = world.config.database.clone();
    let refused = second.start().await.unwrap_err().to_string();
    assert!(refused.contains("signer.sqlite.lock"), "{refused}");
    world.stop().await;
    second.start().await.unwrap();
}
