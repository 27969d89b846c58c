//! One file: its envelope, and who has signed it.

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, EnvelopeError, MAX_SIGNATURES, Unsigned, assemble};
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::KeyId;
use notary_schema::role::{Authority, Hashes, RoleKeys, TargetFile, Targets};
use notary_schema::threshold::{self, Report, RevokedKeys};
use notary_schema::updater::target_location;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;

use crate::support::*;

fn parse(file: Vec<u8>) -> Result<Envelope<Targets>, EnvelopeError> {
    Envelope::parse(file)
}

#[test]
fn a_file_is_of_the_role_that_its_type_names() {
    let mut document = Draft::first_targets(in_days(9)).finish();
    parse(sign(&document, &[])).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(document.signed()).unwrap();
    for other in ["snapshot", "Targets", "docs", ""] {
        value["_type"] = json!(other);
        document = Unsigned::new(&value);
        let refused = parse(sign(&document, &[])).unwrap_err();
        assert_eq!(refused, EnvelopeError::WrongType { wanted: "targets", found: other.into() });
    }
}

#[test]
fn a_file_has_signatures_up_to_the_limit_and_none_twice() {
    let document = Draft::first_targets(in_days(9)).finish();
    let with = |count: usize| {
        let id = |n: usize| KeyId::parse(&format!("{n:064x}")).unwrap();
        let signatures: Vec<_> = (0..count).map(|n| (id(n), vec![1])).collect();
        assemble(document.signed(), &signatures)
    };
    assert_eq!(parse(with(MAX_SIGNATURES)).unwrap().signatures().len(), MAX_SIGNATURES);
    let refused = parse(with(MAX_SIGNATURES + 1)).unwrap_err();
    assert_eq!(refused, EnvelopeError::TooManySignatures);
    let twice = signer(DOCS).id();
    let file = assemble(document.signed(), &[(twice.clone(), vec![1]), (twice.clone(), vec![2])]);
    assert_eq!(parse(file).unwrap_err(), EnvelopeError::RepeatedSignature(twice));
}

#[test]
fn a_threshold_counts_distinct_public_keys() {
    let own = signer(DOCS);
    let mut object = serde_json::to_value(&own.key).unwrap();
    object["x-note"] = json!("the same key again");
    let twin = Key::from_object(object);
    let document = Draft::first_targets(in_days(9)).finish();
    let signature = own.sign(document.message());
    let mut keys = keys(&[DOCS, 6]);
    keys.insert(twin.id().clone(), twin.clone());
    let ids = vec![own.id(), twin.id().clone(), signer(6).id()];
    let role = RoleKeys::new(ids, 2).unwrap();
    let authority = Authority { keys: &keys, role: &role };
    let count = |signatures: &[(KeyId, Vec<u8>)]| -> Report {
        threshold::count(&parse(document.with_signatures(signatures)).unwrap(), authority)
    };
    let twins = [(own.id(), signature.clone()), (twin.id().clone(), signature.clone())];
    assert!(!count(&twins).is_met(), "one key under two ids");
    assert_eq!(threshold::reachable(authority), 2);
    let two = [(own.id(), signature), (signer(6).id(), signer(6).sign(document.message()))];
    let report = count(&two);
    assert!(report.is_met());
    assert_eq!((report.valid.len(), report.missing), (2, vec![twin.id().clone()]));
}

#[test]
fn a_role_lists_each_key_once_and_asks_for_one_at_least() {
    let [one, two] = [signer(1).id(), signer(2).id()];
    RoleKeys::new(vec![one.clone(), two.clone()], 2).unwrap();
    assert!(RoleKeys::new(vec![one.clone(), two, one.clone()], 2).is_err());
    assert!(RoleKeys::new(vec![one], 0).is_err());
}

#[test]
fn a_delegation_leads_to_no_top_level_role() {
    let delegating = |name: &str| {
        let file = Draft::first_targets(in_days(9)).finish();
        let mut document: serde_json::Value = serde_json::from_slice(file.signed()).unwrap();
        document["delegations"] = json!({"keys": {}, "roles": [{
            "name": name, "keyids": [], "threshold": 1, "terminating": false, "paths": ["*"],
        }]});
        parse(sign(&Unsigned::new(&document), &[])).map(drop)
    };
    delegating("docs").unwrap();
    let mut null = serde_json::to_value(Targets::empty(version(1), in_days(9))).unwrap();
    null["delegations"] = json!(null);
    assert!(parse(sign(&Unsigned::new(&null), &[])).is_err(), "null is no delegations");
    for top_level in ["root", "targets", "snapshot", "timestamp"] {
        let refused = delegating(top_level).unwrap_err().to_string();
        assert!(refused.contains("top-level role"), "{refused}");
    }
}

#[test]
fn a_file_agrees_with_every_hash_that_we_know_and_with_one_at_least() {
    let (sha256, sha512) = ("a".repeat(64), "b".repeat(128));
    let agree = |hashes: serde_json::Value| {
        let hashes: Hashes = serde_json::from_value(hashes).unwrap();
        hashes.agree_with(&sha256, &sha512)
    };
    assert!(agree(json!({"sha256": sha256})));
    assert!(agree(json!({"sha512": sha512, "blake9": "c"})));
    assert!(agree(json!({"sha256": sha256, "sha512": sha512})));
    assert!(!agree(json!({"sha256": sha512, "sha512": sha512})));
    assert!(!agree(json!({"sha256": sha256, "sha512": sha256})));
    assert!(!agree(json!({"blake9": "c"})));
    assert!(serde_json::from_value::<Hashes>(json!({})).is_err());
}

#[test]
fn a_target_is_located_by_a_hash_that_is_listed() {
    let located = |hashes: serde_json::Value| {
        let hashes = serde_json::from_value(hashes).unwrap();
        target_location("d/f", &TargetFile { length: 1, hashes, custom: None }, true)
    };
    assert_eq!(located(json!({"sha256": "aa", "sha512": "bb"})).as_deref(), Some("d/aa.f"));
    assert_eq!(located(json!({"sha512": "bb"})).as_deref(), Some("d/bb.f"));
    assert_eq!(located(json!({"blake9": "cc"})), None);
}

#[test]
fn a_key_is_revoked_in_every_spelling() {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
    let public = PublicKey::EcdsaP256(pair.public_key().as_ref().to_vec());
    let denied: RevokedKeys = [public.clone()].into_iter().collect();
    let point = hex::encode(pair.public_key().as_ref());
    for keytype in ["ecdsa", "ecdsa-sha2-nistp256"] {
        for value in [point.clone(), point.to_uppercase(), public.to_pem()] {
            let key = Key::from_object(json!({
                "keytype": keytype, "keyval": {"public": value}, "scheme": "ecdsa-sha2-nistp256",
            }));
            assert!(denied.contains(&key), "{keytype} {value}");
        }
    }
    assert!(!denied.contains(&signer(DOCS).key));
}
