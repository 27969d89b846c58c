//! The life of an online key.

use std::collections::BTreeSet;

use notary_schema::key::Key;
use notary_schema::name::KeyId;
use notary_schema::online::OnlineRole::{self, Snapshot, Timestamp};
use notary_schema::wire::{KeyRequest, KeyState, Page, SignerKey};

use crate::client::{app, life};
use crate::world::World;

#[tokio::test]
async fn a_key_is_answered_again_until_a_rotation_asks_for_another() {
    let world = World::started().await;
    let server = world.server();
    let first = server.key(Snapshot, false).await;
    assert_eq!(first.state, KeyState::Pending);
    assert_eq!(Key::id(&first.key), &first.keyid);
    assert_eq!(server.key(Snapshot, false).await.keyid, first.keyid);
    assert_eq!(server.key(Snapshot, true).await.keyid, first.keyid, "it has not signed yet");

    server.sign(&[&first.keyid], &world.snapshot(1, 1)).await.file();
    let active = server.key(Snapshot, false).await;
    assert_eq!((active.keyid, active.state), (first.keyid.clone(), KeyState::Active));

    let second = server.key(Snapshot, true).await;
    assert_ne!(second.keyid, first.keyid);
    assert_eq!(second.state, KeyState::Pending);
    assert_eq!(server.key(Snapshot, true).await.keyid, second.keyid, "a repeated rotation");
    assert_eq!(server.key(Snapshot, false).await.keyid, first.keyid, "it is still active");

    server.sign(&[&second.keyid, &first.keyid], &world.snapshot(2, 1)).await.file();
    let active = server.key(Snapshot, false).await;
    assert_eq!((active.keyid, active.state), (second.keyid, KeyState::Active));
    let listed: Page<SignerKey> = keys(&world, "").await;
    let state = |id| listed.items.iter().find(|key| key.keyid == id).unwrap().state;
    assert_eq!(state(first.keyid.clone()), KeyState::Retiring);
    server.sign(&[&first.keyid], &world.snapshot(3, 1)).await.file();
}

#[tokio::test]
async fn a_pending_key_that_is_not_wanted_is_passed_over() {
    let world = World::started().await;
    let server = world.server();
    let ask = async |rotate, except: &[&KeyId]| {
        server.key_for(&request(Snapshot, rotate, except)).await.json::<SignerKey>().keyid
    };
    let first = ask(false, &[]).await;
    let second = ask(false, &[&first]).await;
    assert_ne!(second, first);
    assert_eq!(ask(true, &[&first]).await, second, "a repeat answers the same");
    assert_eq!(ask(true, &[]).await, second, "the one pending key");
    // Where the revocation is taken back, a root may name it.
    server.sign(&[&first], &world.snapshot(1, 1)).await.file();
    server.sign(&[&second], &world.snapshot(2, 1)).await.file();
    assert_eq!(ask(false, &[&second]).await, second, "it signs: a root names it");
}

/// Asks for a key of the first life of the collection.
fn request(role: OnlineRole, rotate: bool, except: &[&KeyId]) -> KeyRequest {
    let except = except.iter().map(|keyid| (*keyid).clone()).collect();
    KeyRequest { collection: app(), incarnation: life(1), role, rotate, except }
}

#[tokio::test]
async fn a_key_belongs_to_one_role_of_one_life_of_one_collection() {
    let world = World::started().await;
    let server = world.server();
    let mut ids = BTreeSet::new();
    for (gun, incarnation, role) in [
        ("acme/app", 1, Snapshot),
        ("acme/app", 1, Timestamp),
        ("acme/app", 2, Snapshot),
        ("acme/other", 1, Snapshot),
    ] {
        let collection = gun.parse().unwrap();
        let request = KeyRequest {
            collection,
            incarnation: life(incarnation),
            role,
            rotate: false,
            except: vec![],
        };
        ids.insert(server.key_for(&request).await.json::<SignerKey>().keyid);
    }
    assert_eq!(ids.len(), 4);

    let other = server.key(Timestamp, false).await;
    let refused = server.sign(&[&other.keyid], &world.snapshot(1, 1)).await;
    assert_eq!((refused.status, refused.refusal().as_str()), (422, "unknown_key"));
    let own = server.key(Snapshot, false).await;
    let refused = server.sign_in(&life(2), &[&own.keyid], &world.snapshot(1, 1)).await;
    assert_eq!(refused.refusal(), "unknown_key");
    server.sign(&[&own.keyid], &world.snapshot(1, 1)).await.file();
}

#[tokio::test]
async fn requests_at_the_same_time_get_the_same_new_key() {
    let world = World::started().await;
    let server = world.server();
    let asked = futures_util::future::join_all((0..8).map(|_| server.key(Snapshot, false))).await;
    let ids: BTreeSet<_> = asked.into_iter().map(|key| key.keyid).collect();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_collection_has_a_limited_number_of_keys() {
    let mut world = World::new();
    world.config.limits.keys_per_collection = 2;
    world.start().await.unwrap();
    let server = world.server();
    let first = server.key(Snapshot, false).await;
    server.sign(&[&first.keyid], &world.snapshot(1, 1)).await.file();
    server.key(Snapshot, true).await;
    let refused = server.key_for(&request(Timestamp, false, &[])).await;
    assert_eq!((refused.status, refused.refusal().as_str()), (409, "too_many_keys"));
    assert_eq!(server.key(Snapshot, false).await.keyid, first.keyid, "those there are answered");
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let world = World::started().await;
    let made = [
        world.server().key(Snapshot, false).await.keyid,
        world.server().key(Timestamp, false).await.keyid,
    ];
    let first = keys(&world, "&limit=1").await;
    assert_eq!(first.items.len(), 1);
    let second = keys(&world, &format!("&limit=1&after={}", first.next.unwrap())).await;
    assert_eq!(second.next, None);
    let listed: BTreeSet<_> =
        first.items.into_iter().chain(second.items).map(|key| key.keyid).collect();
    assert_eq!(listed, BTreeSet::from(made));
}

async fn keys(world: &World, more: &str) -> Page<SignerKey> {
    let path = format!("/v1/keys?collection={}&incarnation={}{more}", app(), life(1));
    world.server().get(&path).await.unwrap().json()
}
