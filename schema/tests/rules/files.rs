//! One file: its envelope, and who has signed it.

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, EnvelopeError, MAX_SIGNATURES, Unsigned, assemble};
use notary_schema::key::Key;
use notary_schema::name::KeyId;
use notary_schema::role::{Authority, RoleKeys, Targets};
use notary_schema::threshold::{self, Report};
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
    assert_eq!(refused, EnvelopeError::TooManySignatures(MAX_SIGNATURES + 1));
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
