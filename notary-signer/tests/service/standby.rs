//! A key of the timestamp and its stand-by: one of them signs, and what is signed is judged by one
//! memory, whichever it is.

use std::fs;
use std::time::Duration;

use notary_schema::name::KeyId;
use notary_schema::online::DEFAULT_MAX_STEP;
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};
use notary_schema::role;
use notary_schema::wire::{KeyState, SignerKey};

use crate::client::Answer;
use crate::commands::{signer, stdout};
use crate::metrics::{metrics, value};
use crate::places::{self, PLACE, STANDBY};
use crate::world::{Document, World};

/// A signer with a pair for the timestamp, that has signed snapshot 1.
pub(crate) struct Scene {
    pub(crate) world: World,
    /// The key and its stand-by.
    pub(crate) pair: [KeyId; 2],
    snapshot: Vec<u8>,
}

impl Scene {
    /// One where nothing is slow enough to be called slow.
    pub(crate) async fn new() -> Scene {
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

    pub(crate) fn timestamp(&self, version: u64) -> Document {
        self.world.timestamp(version, &self.snapshot)
    }

    async fn sign(&self, document: &Document) -> Answer {
        let [key, standby] = &self.pair;
        self.world.server().sign(&[key, standby], document).await
    }

    /// Who signs the next version; it has one signature.
    pub(crate) async fn signer_of(&self, version: u64) -> KeyId {
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
    let asked = scene.world.server().key(Timestamp, false).await;
    assert_eq!(
        (&asked.keyid, &asked.standby.unwrap().keyid),
        (key, standby),
        "the pair of the root"
    );
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
