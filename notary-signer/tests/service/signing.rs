//! What is signed, and what is answered a second time.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use notary_schema::key::sha256_hex;
use notary_schema::online::OnlineRole::{self, Snapshot, Timestamp};
use notary_schema::role;
use notary_schema::wire::{SignerKey, SignerLimits};
use notary_signer::StopPoint;
use notary_signer::keys::Algorithm;

use crate::client::Answer;
use crate::world::World;

fn assert_signed_by(answer: &Answer, key: &SignerKey, role: OnlineRole) {
    let (message, signatures) = match role {
        Snapshot => {
            let file = answer.envelope::<role::Snapshot>();
            (file.message().to_vec(), file.signatures().to_vec())
        }
        Timestamp => {
            let file = answer.envelope::<role::Timestamp>();
            (file.message().to_vec(), file.signatures().to_vec())
        }
    };
    assert_eq!(signatures.len(), 1);
    assert_eq!(signatures[0].keyid, key.keyid);
    let public = key.key.public().unwrap();
    assert!(public.verifies(&message, signatures[0].bytes.as_ref().unwrap()));
}

#[tokio::test]
async fn snapshot_and_timestamp_are_answered_as_complete_files() {
    for algorithm in Algorithm::ALL {
        let world = World::with_keys(algorithm).await;
        let server = world.server();
        let snapshot_key = server.key(Snapshot, false).await;
        let timestamp_key = server.key(Timestamp, false).await;
        let snapshot = server.sign(&[&snapshot_key.keyid], &world.snapshot(1, 1)).await;
        assert_signed_by(&snapshot, &snapshot_key, Snapshot);
        let timestamp = world.timestamp(1, &snapshot.file());
        let timestamp = server.sign(&[&timestamp_key.keyid], &timestamp).await;
        assert_signed_by(&timestamp, &timestamp_key, Timestamp);

        for answer in [&snapshot, &timestamp] {
            let digest = BASE64_STANDARD.encode(hex::decode(sha256_hex(&answer.body)).unwrap());
            assert_eq!(answer.header("repr-digest"), format!("sha-256=:{digest}:"));
            assert_eq!(answer.header("content-type"), "application/json");
            assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        }
        let memory = server.memory().await;
        assert_eq!(memory.snapshot.unwrap().file.into_bytes(), snapshot.file());
        assert_eq!(memory.timestamp.unwrap().file.into_bytes(), timestamp.file());
    }
}

#[tokio::test]
async fn the_last_document_is_answered_again_byte_for_byte_whatever_has_changed() {
    // An ECDSA signature is another one each time it is made.
    let world = World::with_keys(Algorithm::EcdsaP256).await;
    let server = world.server();
    let key = server.key(Snapshot, false).await.keyid;
    let document = world.snapshot(1, 1);
    let file = server.sign(&[&key], &document).await.file();
    assert_eq!(server.sign(&[&key], &document).await.file(), file);

    let pending = server.key(Snapshot, true).await.keyid;
    assert_eq!(server.sign(&[&pending], &document).await.file(), file, "other keys");
    world.pass_seconds(100 * 24 * 60 * 60);
    assert_eq!(server.sign(&[&key], &document).await.file(), file, "expired");
    let outcomes: Vec<_> = world.audit().into_iter().map(|line| line.outcome).collect();
    let signed = ["created", "signed", "repeated", "created", "repeated", "repeated"];
    assert_eq!(outcomes, signed);
}

#[tokio::test]
async fn several_keys_sign_one_file_in_the_order_in_which_they_are_named() {
    let world = World::started().await;
    let server = world.server();
    let first = server.key(Snapshot, false).await.keyid;
    server.sign(&[&first], &world.snapshot(1, 1)).await.file();
    let second = server.key(Snapshot, true).await.keyid;
    let file = server.sign(&[&second, &first], &world.snapshot(2, 1)).await;
    let file = file.envelope::<role::Snapshot>();
    let ids: Vec<_> = file.signatures().iter().map(|signature| &signature.keyid).collect();
    assert_eq!(ids, [&second, &first]);
}

#[tokio::test]
async fn of_two_contents_for_one_version_exactly_one_is_signed() {
    let world = World::started().await;
    let server = world.server();
    let key = server.key(Snapshot, false).await.keyid;
    for version in 1..=20 {
        let (one, other) = (world.snapshot(version, version), world.snapshot(version, version + 1));
        let keys = [&key];
        let (one, other) = tokio::join!(server.sign(&keys, &one), server.sign(&keys, &other));
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        won.file();
        assert_eq!(lost.refusal(), "version_used");
    }
}

#[tokio::test]
async fn a_failure_before_the_record_leaves_nothing_and_one_after_it_leaves_the_file() {
    let world = World::with_keys(Algorithm::EcdsaP256).await;
    let server = world.server();
    let key = server.key(Snapshot, false).await.keyid;
    let document = world.snapshot(1, 1);

    world.at_stop_points(|point| assert_ne!(point, StopPoint::BeforeRecord, "stopped here"));
    let unknown = server.sign(&[&key], &document).await;
    assert_eq!((unknown.status, unknown.problem().more.get("recorded")), (500, None));
    assert!(server.memory().await.snapshot.is_none());

    world.at_stop_points(|point| assert_ne!(point, StopPoint::AfterRecord, "stopped here"));
    let unknown = server.sign(&[&key], &document).await;
    assert_eq!((unknown.status, unknown.problem().more.get("recorded")), (500, None));
    let recorded = server.memory().await.snapshot.unwrap().file.into_bytes();

    world.at_stop_points(|_| {});
    assert_eq!(server.sign(&[&key], &document).await.file(), recorded);
    server.sign(&[&key], &world.snapshot(2, 1)).await.file();
}

#[tokio::test]
async fn a_snapshot_of_many_megabytes_is_signed() {
    let world = World::started().await;
    let server = world.server();
    let key = server.key(Snapshot, false).await.keyid;
    let names: Vec<String> =
        (0..100_000).map(|n| format!("team-with-a-long-name-{n:030}")).collect();
    let entries: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let document = world.snapshot_of(1, &entries, 60);
    assert!(document.signed.len() > 7_000_000);
    assert_eq!(
        server.sign(&[&key], &document).await.file().len(),
        server.memory().await.snapshot.unwrap().file.len()
    );
}

#[tokio::test]
async fn the_policy_is_told() {
    let mut world = World::new();
    world.config.policy.max_step = 7;
    world.start().await.unwrap();
    let limits: SignerLimits = world.server().get("/v1/policy").await.unwrap().json();
    assert_eq!(limits.max_step, 7);
    assert_eq!(limits.snapshot_max_seconds, 15 * 24 * 60 * 60);
    assert_eq!(limits.timestamp_max_seconds, 3 * 24 * 60 * 60);
}
