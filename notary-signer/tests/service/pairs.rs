//! A key of the timestamp and its stand-by: how they are made, attached and replaced, together.

use std::fs;

use notary_schema::name::KeyId;
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};
use notary_schema::role;
use notary_schema::wire::{KeyRequest, KeyState, SignerKey};
use notary_signer::config::backends::{BackendConfig, StandbyRule};

use crate::client::{app, life};
use crate::commands::{signer, stdout};
use crate::places::{self, PLACE, STANDBY};
use crate::standby::Scene;
use crate::world::World;

fn rotating(except: &[&KeyId]) -> KeyRequest {
    let except = except.iter().map(|keyid| (*keyid).clone()).collect();
    let (collection, incarnation) = (app(), life(1));
    KeyRequest { collection, incarnation, role: Timestamp, rotate: true, except }
}

#[tokio::test]
async fn a_key_and_its_standby_are_made_and_replaced_together() {
    let scene = Scene::new().await;
    let server = scene.world.server();
    let both = async |request: &KeyRequest| {
        let key = server.key_for(request).await.json::<SignerKey>();
        let standby = key.standby.unwrap();
        assert_eq!(standby.standby_for.as_ref(), Some(&key.keyid));
        [key.keyid, standby.keyid]
    };
    assert_eq!(both(&rotating(&[])).await, scene.pair, "they have not signed yet");
    scene.signer_of(1).await;
    let next = both(&rotating(&[])).await;
    assert!(next.iter().all(|keyid| !scene.pair.contains(keyid)));
    assert_eq!(both(&rotating(&[])).await, next, "a repeated rotation");
    // Whichever of the two is not wanted.
    let [other, more] =
        [both(&rotating(&[&next[1]])).await, both(&rotating(&[&next[0], &next[1]])).await];
    assert!(other.iter().all(|keyid| !next.contains(keyid)));
    assert_eq!(more, other);

    let named = [&other[0], &other[1], &scene.pair[0], &scene.pair[1]];
    let file = server.sign(&named, &scene.timestamp(2)).await;
    let signers: Vec<_> = file
        .envelope::<role::Timestamp>()
        .signatures()
        .iter()
        .map(|one| one.keyid.clone())
        .collect();
    assert_eq!(signers, [other[0].clone(), scene.pair[0].clone()], "of each pair one");
    for key in scene.world.server().keys().await {
        let state = match () {
            () if key.role == Snapshot || other.contains(&key.keyid) => KeyState::Active,
            () => KeyState::Retiring,
        };
        assert_eq!(key.state, state, "{key:?}");
    }
    assert_eq!(server.key(Timestamp, false).await.standby.unwrap().keyid, other[1]);
    let list = signer(&scene.world.path(""), &["key", "list", "--config", "signer.toml"]);
    let list = stdout(&list);
    let line = list.lines().find(|line| line.starts_with(other[1].as_str())).unwrap();
    assert!(line.ends_with(&format!("{STANDBY}, stands by for {}", other[0])), "{line}");
}

#[tokio::test]
async fn no_key_is_made_without_its_standby() {
    let mut world = places::with_standby(600);
    // Room for one key more, and not for two.
    world.config.limits.keys_per_collection = 4;
    world.start().await.unwrap();
    let server = world.server();
    let first = server.key(Timestamp, false).await.keyid;
    let [key, standby] = &server.keys().await[..] else { panic!("not two keys") };
    assert!([key, standby].iter().any(|one| one.keyid == first));
    let snapshot = server.key(Snapshot, false).await.keyid;
    let file = server.sign(&[&snapshot], &world.snapshot(1, 1)).await.file();
    server.sign(&[&first], &world.timestamp(1, &file)).await.file();
    let refused = server.key_for(&rotating(&[])).await;
    assert_eq!((refused.status, refused.refusal().as_str()), (409, "too_many_keys"));
}

/// The key of the rule and its stand-by are named `key` in their places, from these files.
async fn attached(key: &str, standby: &str) -> World {
    let mut world = places::with_standby(600);
    for (place, pem) in [(PLACE, key), (STANDBY, standby)] {
        fs::write(world.path(&format!("{place}/key")), pem).unwrap();
    }
    let rule = &mut world.config.keys[0];
    rule.attach = Some("key".to_owned());
    rule.standby.as_mut().unwrap().attach = Some("key".to_owned());
    world.start().await.unwrap();
    world
}

#[tokio::test]
async fn a_key_and_its_standby_are_attached_together_or_neither_is() {
    let [one, other] = [(); 2].map(|()| places::new_private_key());
    let world = attached(&one, &other).await;
    let key = world.server().key(Timestamp, false).await;
    let standby = key.standby.unwrap();
    assert_ne!(standby.keyid, key.keyid);
    assert_eq!(world.server().keys().await.len(), 2);

    // One key that is in both places is no stand-by of itself.
    let world = attached(&one, &one).await;
    let refused = world.server().key_for(&rotating(&[])).await;
    assert_eq!((refused.status, refused.refusal().as_str()), (409, "key_taken"));
    assert_eq!(world.server().keys().await.len(), 0);
}

/// Private keys are never deleted, so a request that is repeated must not leave one more each time.
#[tokio::test]
async fn no_key_is_made_beside_an_attached_one_that_is_taken() {
    let mut world = places::with_standby(600);
    fs::write(world.path(&format!("{STANDBY}/key")), places::new_private_key()).unwrap();
    world.config.keys[0].standby.as_mut().unwrap().attach = Some("key".to_owned());
    world.start().await.unwrap();
    let server = world.server();
    let key = server.key(Timestamp, false).await.keyid;
    let made = || fs::read_dir(world.path(PLACE)).unwrap().count();
    assert_eq!(made(), 1);
    sign_first(&world, &key).await;
    let refused = server.key_for(&rotating(&[])).await.problem();
    assert_eq!((refused.status, refused.code.as_str()), (409, "key_taken"));
    for said in [STANDBY, "this very role", "`attach`", "restart the signer"] {
        assert!(refused.detail.contains(said), "{refused:?}");
    }
    assert_eq!(made(), 1);
    assert_eq!(server.key(Timestamp, false).await.keyid, key);
}

#[tokio::test]
async fn no_key_is_made_while_the_place_of_its_standby_is_away() {
    let mut world = places::with_standby(600);
    let there = world.config.backends[STANDBY].clone();
    let BackendConfig::Exec(mut away) = there.clone() else { panic!("{there:?} is no program") };
    away.program = world.path("nothing");
    world.config.backends.insert(STANDBY.to_owned(), BackendConfig::Exec(away));
    world.start().await.unwrap();
    let made = || fs::read_dir(world.path(PLACE)).unwrap().count();
    let refused = world.server().key_for(&rotating(&[])).await.problem();
    assert_eq!((refused.status, refused.code.as_str()), (503, "backend_unavailable"));
    assert_eq!(made(), 0);
    world.stop().await;
    world.config.backends.insert(STANDBY.to_owned(), there);
    world.start().await.unwrap();
    assert!(world.server().key(Timestamp, false).await.standby.is_some());
}

/// Has snapshot 1 and timestamp 1 signed.
async fn sign_first(world: &World, timestamp_key: &KeyId) {
    let server = world.server();
    let snapshot_key = server.key(Snapshot, false).await.keyid;
    let file = server.sign(&[&snapshot_key], &world.snapshot(1, 1)).await.file();
    server.sign(&[timestamp_key], &world.timestamp(1, &file)).await.file();
}

#[tokio::test]
async fn a_key_that_waits_for_its_root_gets_the_standby_that_the_rules_ask_for_since() {
    for has_signed in [false, true] {
        let mut world = places::with_standby(600);
        let rule = world.config.keys[0].standby.take();
        world.start().await.unwrap();
        let key = world.server().key(Timestamp, false).await;
        assert!(key.standby.is_none());
        if has_signed {
            sign_first(&world, &key.keyid).await;
        }
        world.stop().await;
        world.config.keys[0].standby = rule;
        world.start().await.unwrap();
        let now = world.server().key(Timestamp, false).await;
        assert_eq!(now.keyid, key.keyid);
        let standby = now.standby.map(|standby| (standby.standby_for, standby.keyid));
        assert_eq!(standby.is_none(), has_signed, "a root names it");
        if let Some((of, standby)) = standby {
            assert_eq!(of, Some(key.keyid.clone()));
            let again = world.server().key(Timestamp, true).await;
            assert_eq!((again.keyid, again.standby.unwrap().keyid), (key.keyid, standby));
        }
    }
}

#[tokio::test]
async fn no_standby_is_made_in_the_place_of_its_key() {
    let mut world = places::with_standby(600);
    let rule = world.config.keys[0].standby.take();
    world.start().await.unwrap();
    let key = world.server().key(Timestamp, false).await.keyid;
    world.stop().await;
    // The rules change places with each other.
    let changed = &mut world.config.keys[0];
    changed.backend = STANDBY.to_owned();
    changed.standby = rule.map(|rule| StandbyRule { backend: PLACE.to_owned(), ..rule });
    world.start().await.unwrap();
    let now = world.server().key(Timestamp, false).await;
    assert_eq!(now.keyid, key);
    assert!(now.standby.is_none(), "it would be away with its key");
}

#[tokio::test]
async fn a_standby_that_is_retired_is_answered_no_more() {
    let scene = Scene::new().await;
    let [key, standby] = &scene.pair;
    scene.signer_of(1).await;
    let retire = ["key", "retire", standby.as_str(), "--config", "signer.toml"];
    stdout(&signer(&scene.world.path(""), &retire));
    let asked = scene.world.server().key(Timestamp, false).await;
    assert_eq!(asked.keyid, *key);
    assert!(asked.standby.is_none(), "a root would name it");
}
