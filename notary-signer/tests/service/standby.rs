//! A key of the timestamp and its stand-by: one of them signs, and what is signed is judged by one
//! memory, whichever it is.

use std::fs;
use std::time::Duration;

use notary_schema::name::KeyId;
use notary_schema::online::DEFAULT_MAX_STEP;
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};
use notary_schema::role;
use notary_schema::wire::{KeyRequest, KeyState, SignerKey};

use crate::client::{Answer, app, life};
use crate::commands::{signer, stdout};
use crate::metrics::{metrics, value};
use crate::places::{self, PLACE, STANDBY};
use crate::world::{Document, World};

/// A signer with a pair for the timestamp, that has signed snapshot 1.
struct Scene {
    world: World,
    /// The key and its stand-by.
    pair: [KeyId; 2],
    snapshot: Vec<u8>,
}

impl Scene {
    /// One where nothing is slow enough to be called slow.
    async fn new() -> Scene {
        Scene::after(600).await
    }

    /// One whose stand-by signs after so many seconds.
    async fn after(seconds: u64) -> Scene {
        let mut world = places::with_standby(seconds);
        world.start().await.unwrap();
        let key = world.server().key(Timestamp, false).await;
        let pair = [key.keyid, key.standby.unwrap().keyid];
        let snapshot_key = world.server().key(Snapshot, false).await.keyid;
        let document = world.snapshot(1, 1);
        let snapshot = world.server().sign(&[&snapshot_key], &document).await.file();
        Scene { world, pair, snapshot }
    }

    /// Lets a place answer with this code, or lets it sign again.
    fn refuses(&self, place: &str, code: Option<&str>) {
        let file = self.world.path(&format!("{place}/refuses"));
        match code {
            Some(code) => fs::write(file, code).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
    }

    fn hangs(&self, place: &str, hangs: bool) {
        let file = self.world.path(&format!("{place}/hangs"));
        match hangs {
            true => fs::write(file, "").unwrap(),
            false => fs::remove_file(file).unwrap(),
        }
    }

    /// When a place has refused to sign.
    async fn has_refused(&self, place: &str) {
        let file = self.world.path(&format!("{place}/refused"));
        let refused = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), refused).await.expect("it is asked");
    }

    fn timestamp(&self, version: u64) -> Document {
        self.world.timestamp(version, &self.snapshot)
    }

    async fn sign(&self, document: &Document) -> Answer {
        let [key, standby] = &self.pair;
        self.world.server().sign(&[key, standby], document).await
    }

    /// Who signs the next version; it has one signature.
    async fn signer_of(&self, version: u64) -> KeyId {
        signer_of(&self.sign(&self.timestamp(version)).await)
    }

    /// When a call that nobody waits for has come to its end.
    async fn call_of_the_key_has_ended(&self) {
        let labels = format!("backend=\"{PLACE}\",operation=\"sign\",outcome=\"ok\"");
        let ended = format!("notary_signer_backend_call_seconds_count{{{labels}}} ");
        while !metrics(&self.world).contains(&ended) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn signatures_of_standbys(&self) -> f64 {
        value(&metrics(&self.world), "notary_signer_standby_signatures_total")
    }
}

fn signer_of(answer: &Answer) -> KeyId {
    let file = answer.envelope::<role::Timestamp>();
    let [one] = file.signatures() else { panic!("{:?}", file.signatures()) };
    one.keyid.clone()
}

fn rotating(except: &[&KeyId]) -> KeyRequest {
    let except = except.iter().map(|keyid| (*keyid).clone()).collect();
    let (collection, incarnation) = (app(), life(1));
    KeyRequest { collection, incarnation, role: Timestamp, rotate: true, except }
}

#[tokio::test]
async fn while_the_place_of_a_key_is_away_its_standby_signs() {
    let scene = Scene::new().await;
    let [key, standby] = &scene.pair;
    assert_eq!(scene.signer_of(1).await, *key);
    let mut version = 1;
    // What is wrong with the place, and what is wrong with the key alone.
    for code in ["unreachable", "key_unusable"] {
        scene.refuses(PLACE, Some(code));
        version += 1;
        assert_eq!(scene.signer_of(version).await, *standby, "{code}");
        scene.refuses(PLACE, None);
        version += 1;
        assert_eq!(scene.signer_of(version).await, *key, "{code}: it is back");
    }
    assert_eq!(scene.signatures_of_standbys(), 2.0);
    let lines = scene.world.audit();
    let lines: Vec<_> = lines.iter().filter(|line| line.outcome == "signed").collect();
    let signed = |keyid: &KeyId| {
        lines.iter().filter(|line| line.keyids.as_deref() == Some(keyid.as_str())).count()
    };
    assert_eq!((signed(key), signed(standby)), (3, 2), "the audit names who has signed");
}

#[tokio::test]
async fn a_key_that_hangs_is_not_waited_for() {
    let scene = Scene::after(1).await;
    let [key, standby] = &scene.pair;
    scene.hangs(PLACE, true);
    // Long before the bounds of the place end the call.
    let signed = tokio::time::timeout(Duration::from_secs(60), scene.signer_of(1)).await;
    assert_eq!(signed.expect("the stand-by does not wait"), *standby);
    scene.hangs(PLACE, false);
    let ended = scene.call_of_the_key_has_ended();
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("its place is learned about");
    let signs_again = async {
        let mut version = 2;
        while scene.signer_of(version).await != *key {
            version += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), signs_again).await.expect("it is back");
}

#[tokio::test]
async fn a_standby_that_is_away_takes_nothing_from_a_key_that_is_slow() {
    let scene = Scene::after(1).await;
    scene.hangs(PLACE, true);
    scene.refuses(STANDBY, Some("key_unusable"));
    let document = scene.timestamp(1);
    let answered = async {
        scene.has_refused(STANDBY).await;
        scene.hangs(PLACE, false);
    };
    let (answer, ()) = futures_util::future::join(scene.sign(&document), answered).await;
    assert_eq!(signer_of(&answer), scene.pair[0]);
    assert_eq!(scene.signatures_of_standbys(), 0.0);
}

#[tokio::test]
async fn where_both_are_away_the_answer_names_both() {
    let scene = Scene::new().await;
    scene.refuses(PLACE, Some("not_let_in"));
    scene.refuses(STANDBY, Some("key_unusable"));
    let refused = scene.sign(&scene.timestamp(1)).await.problem();
    assert_eq!((refused.status, refused.code.as_str()), (503, "backend_unavailable"));
    assert!(refused.detail.contains("\"place\""), "{refused:?}");
    assert!(refused.detail.contains("\"standby\""), "{refused:?}");
    assert_eq!(refused.more.get("recorded"), None, "{refused:?}");
    assert!(scene.world.server().memory().await.timestamp.is_none());
    scene.refuses(STANDBY, None);
    assert_eq!(scene.signer_of(1).await, scene.pair[1]);
}

#[tokio::test]
async fn a_standby_that_is_named_alone_signs_as_any_key() {
    let scene = Scene::new().await;
    let [key, standby] = &scene.pair;
    let alone = scene.world.server().sign(&[standby], &scene.timestamp(1)).await;
    assert_eq!(signer_of(&alone), *standby);
    assert_eq!(scene.signatures_of_standbys(), 0.0);
    let state = |keys: &[SignerKey], keyid: &KeyId| {
        keys.iter().find(|key| key.keyid == *keyid).map(|key| key.state).unwrap()
    };
    let keys = scene.world.server().keys().await;
    assert_eq!(state(&keys, key), KeyState::Pending);
    assert_eq!(state(&keys, standby), KeyState::Active);
}

/// The rules of what may be signed, while the stand-by signs: no key has a memory of its own.
#[tokio::test]
async fn a_standby_has_the_memory_of_its_role() {
    let scene = Scene::new().await;
    scene.signer_of(1).await;
    let second = scene.timestamp(2);
    let file = scene.sign(&second).await.file();
    scene.world.pass_seconds(60);
    scene.refuses(PLACE, Some("unreachable"));
    let refused = async |version| scene.sign(&scene.timestamp(version)).await.refusal();
    assert_eq!(refused(2).await, "version_used", "other bytes for a version that the key signed");
    assert_eq!(refused(1).await, "would_lower");
    assert_eq!(refused(2 + DEFAULT_MAX_STEP + 1).await, "version_jump");
    assert_eq!(scene.sign(&second).await.file(), file, "a repeat, after the place has gone");

    let third = scene.timestamp(3);
    let file = scene.sign(&third).await.file();
    assert_eq!(signer_of(&scene.sign(&third).await), scene.pair[1]);
    scene.world.pass_seconds(60);
    scene.refuses(PLACE, None);
    assert_eq!(scene.sign(&third).await.file(), file, "a repeat, after the place has come back");
    assert_eq!(
        refused(3).await,
        "version_used",
        "other bytes for a version that the stand-by signed"
    );
    assert_eq!(refused(2).await, "would_lower");
    assert_eq!(scene.signer_of(4).await, scene.pair[0]);
}

/// Each is asked for a content of its own, and either place may be the faster one.
#[tokio::test]
async fn of_two_contents_for_a_version_one_is_signed_whichever_key_is_asked_for_it() {
    let scene = Scene::new().await;
    let (server, [key, standby]) = (scene.world.server(), &scene.pair);
    for version in 1..6 {
        let documents =
            [60, 120].map(|life| scene.world.timestamp_of(version, &scene.snapshot, life));
        let ask = async |keyid, document| server.sign(&[keyid], document).await;
        let (one, other) = tokio::join!(ask(key, &documents[0]), ask(standby, &documents[1]));
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        assert_eq!(lost.refusal(), "version_used");
        let memory = server.memory().await.timestamp.unwrap();
        assert_eq!(memory.file.into_bytes(), won.file(), "the other one is remembered");
    }
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
    world.config.limits.keys_per_collection = 3;
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

/// Who retires a key since its place is gone has to be heard, whatever the place does.
#[tokio::test]
async fn a_key_that_an_operator_retires_while_its_place_is_away_is_refused_by_name() {
    let scene = Scene::new().await;
    let [key, standby] = &scene.pair;
    let server = scene.world.server();
    assert_eq!(signer_of(&server.sign(&[key], &scene.timestamp(1)).await), *key);
    scene.refuses(PLACE, Some("unreachable"));
    let next = scene.timestamp(2);
    let failed = async || server.sign(&[key], &next).await.problem().code;
    assert_eq!(failed().await, "backend_unavailable");
    let retire = ["key", "retire", key.as_str(), "--config", "signer.toml"];
    stdout(&signer(&scene.world.path(""), &retire));
    assert_eq!(failed().await, "retired_key");
    let alone = server.sign(&[standby], &next).await;
    assert_eq!(signer_of(&alone), *standby);
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
