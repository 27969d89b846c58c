//! Keys that were there before the signer: attached by name, each to one role of one collection.

use std::io::{Read, Write};
use std::net::TcpStream;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use notary_schema::key::PublicKey;
use notary_schema::name::{Glob, Gun};
use notary_schema::online::OnlineRole::{self, Snapshot, Timestamp};
use notary_schema::wire::{KeyRequest, SignerKey};
use notary_signer::config::backends::{BackendConfig, KeyRule};
use serde_json::{Value, json};

use crate::client::{Answer, life};
use crate::places;
use crate::world::World;

#[tokio::test]
async fn a_key_in_kms_is_attached_by_its_id_its_arn_or_an_alias_and_to_nothing_else() {
    let test =
        "attached::a_key_in_kms_is_attached_by_its_id_its_arn_or_an_alias_and_to_nothing_else";
    let Some(mut world) = places::in_kms(test) else { return };
    let [by_id, by_arn, by_alias] = [(); 3].map(|()| new_key(&world));
    let alias = "alias/notary";
    ask_kms(&world, "CreateAlias", &json!({ "AliasName": alias, "TargetKeyId": by_alias.0 }));
    let rules = [
        rule("acme/app", Snapshot, &by_id.0),
        rule("acme/app", Timestamp, &by_arn.1),
        rule("acme/other", Timestamp, alias),
        rule("acme/late", Timestamp, &by_id.1),
        rule("acme/typo", Timestamp, "alias/nobody"),
    ];
    world.config.keys.splice(0..0, rules);
    world.start().await.unwrap();

    let attached = key_of(&world, "acme/other", Timestamp).await.json::<SignerKey>();
    assert_eq!(attached.key.public().unwrap().to_pem(), public(&world, &by_alias.0));
    let snapshot_key = key_of(&world, "acme/app", Snapshot).await.json::<SignerKey>().keyid;
    let timestamp_key = key_of(&world, "acme/app", Timestamp).await.json::<SignerKey>().keyid;
    let server = world.server();
    let snapshot = server.sign(&[&snapshot_key], &world.snapshot(1, 1)).await.file();
    server.sign(&[&timestamp_key], &world.timestamp(1, &snapshot)).await.file();

    assert_eq!(key_of(&world, "acme/late", Timestamp).await.refusal(), "key_taken");
    assert!(key_of(&world, "acme/typo", Timestamp).await.status >= 400);
}

fn rule(collection: &str, role: OnlineRole, attach: &str) -> KeyRule {
    KeyRule {
        collections: Glob::parse(collection).unwrap(),
        role: Some(role),
        backend: places::PLACE.to_owned(),
        algorithm: None,
        attach: Some(attach.to_owned()),
        standby: None,
    }
}

async fn key_of(world: &World, gun: &str, role: OnlineRole) -> Answer {
    let collection = Gun::parse(gun).unwrap();
    let request =
        KeyRequest { collection, incarnation: life(1), role, rotate: false, except: vec![] };
    world.server().key_for(&request).await
}

/// Id and ARN of a key that somebody else made.
fn new_key(world: &World) -> (String, String) {
    let asked = json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" });
    let made = ask_kms(world, "CreateKey", &asked);
    let text = |name: &str| made["KeyMetadata"][name].as_str().unwrap().to_owned();
    (text("KeyId"), text("Arn"))
}

fn public(world: &World, id: &str) -> String {
    let answer = ask_kms(world, "GetPublicKey", &json!({ "KeyId": id }));
    let der = BASE64_STANDARD.decode(answer["PublicKey"].as_str().unwrap()).unwrap();
    PublicKey::from_spki(&der).unwrap().to_pem()
}

fn ask_kms(world: &World, call: &str, body: &Value) -> Value {
    let BackendConfig::AwsKms(kms) = &world.config.backends[places::PLACE] else { unreachable!() };
    let address = kms.endpoint_url.as_deref().unwrap().strip_prefix("http://").unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST / HTTP/1.0\r\nX-Amz-Target: TrentService.{call}\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: {}\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=id/20260101/eu-central-1/kms/aws4_request\r\n\
         \r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(" 200 "), "{call}: {answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or(Value::Null)
}
