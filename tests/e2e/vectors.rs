//! Do python-securesystemslib and we agree on canonical bytes, key ids and signatures, both ways?

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::json;
use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::Root;
use notary_schema::threshold;
use notary_tests::arbitrary;
use notary_tests::hand::{Collection, HandKey, Part};
use notary_tests::{python, seed};
use serde::Deserialize;
use serde_json::{Value, json};

/// Documents that each side makes for the other.
const COUNT: usize = 300;

/// A line of `vectors.py write`.
#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Vector {
    Document { text: String, canonical: String },
    Key { object: Value, id: String },
    Signature { object: Value, message: String, sig: String },
    Root { file: String },
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).expect("vectors are hexadecimal")
}

fn check(vector: &Vector) {
    match vector {
        Vector::Document { text, canonical } => {
            let value: Value = json::read(text.as_bytes()).expect("python writes JSON");
            assert_eq!(hex::encode(json::canonical(&value)), *canonical, "{text}");
            let written: Value = json::read(&json::compact(&value)).expect("our own JSON");
            assert_eq!(written, value, "{text}");
        }
        Vector::Key { object, id } => {
            let key = Key::from_object(object.clone());
            assert_eq!(key.id().as_str(), id);
            let public = key.public().expect("a kind of key that we know");
            assert_eq!(Key::new(public.clone()).id(), key.id(), "we would list it alike");
        }
        Vector::Signature { object, message, sig } => {
            let key = Key::from_object(object.clone());
            let public = key.public().expect("a kind of key that we know");
            let (mut message, sig) = (bytes(message), bytes(sig));
            assert!(public.verifies(&message, &sig), "{object}");
            message.push(b'.');
            assert!(!public.verifies(&message, &sig), "{object}: of another message");
        }
        Vector::Root { file } => {
            let root: Envelope<Root> =
                Envelope::parse(file.as_bytes()).expect("python writes roots");
            let authority = root.signed().authority(&RoleName::ROOT).expect("root lists itself");
            let report = threshold::count(&root, authority);
            assert_eq!(report.valid.len(), report.threshold as usize, "{report:?}\n{file}");
        }
    }
}

#[test]
fn what_python_writes_means_the_same_to_us() {
    let (seed, count) = (seed::seed().to_string(), COUNT.to_string());
    let vectors = python::run("vectors.py", &["write", &seed, &count], "");
    let vectors: Vec<Vector> =
        vectors.lines().map(|line| serde_json::from_str(line).expect("a vector")).collect();
    vectors.iter().for_each(check);
    let counted = |wanted: fn(&&Vector) -> bool| vectors.iter().filter(wanted).count();
    assert_eq!(counted(|vector| matches!(vector, Vector::Document { .. })), COUNT);
    assert_eq!(counted(|vector| matches!(vector, Vector::Key { .. })), 5, "one of each kind");
    assert_eq!(counted(|vector| matches!(vector, Vector::Signature { .. })), 15);
    assert_eq!(counted(|vector| matches!(vector, Vector::Root { .. })), 2);
}

/// The file as our programs write it.
fn written(part: &Part) -> (String, Vec<u8>) {
    let unsigned = Unsigned::new(&part.signed);
    let sign =
        |key: &HandKey| (KeyId::parse(key.id()).expect("an id"), key.sign(unsigned.message()));
    let signatures: Vec<_> = part.signers.iter().map(sign).collect();
    let file = unsigned.with_signatures(&signatures);
    (String::from_utf8(file).expect("files are UTF-8"), unsigned.message().to_vec())
}

#[test]
fn what_we_write_means_the_same_to_python() {
    let keys = [HandKey::ed25519(50), HandKey::p256(), HandKey::p384()];
    let mut pairs = Vec::new();
    for targets in arbitrary::draw(seed::seed(), COUNT, arbitrary::targets()) {
        let mut collection = Collection::new();
        collection.targets.signed = targets;
        collection.trust("targets", &keys, 3);
        let (root, _) = written(&collection.root);
        let (targets, message) = written(&collection.targets);
        pairs.push(json!({"root": root, "targets": targets, "message": hex::encode(message)}));
    }
    let input: Vec<String> = pairs.iter().map(Value::to_string).collect();
    let answers = python::run("vectors.py", &["read"], &input.join("\n"));
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers.len(), COUNT);
    for (answer, pair) in answers.iter().zip(&pairs) {
        assert_eq!(*answer, "null", "{}", pair["targets"]);
    }
}

#[test]
fn python_refuses_what_was_changed_after_it_was_signed() {
    let mut collection = Collection::new();
    collection.trust("targets", &[HandKey::p256()], 1);
    let (root, _) = written(&collection.root);
    let (targets, _) = written(&collection.targets);
    let changed = targets.replace("app.tgz", "apq.tgz");
    let message = json::read::<Value>(changed.as_bytes()).expect("JSON")["signed"].clone();
    let message = hex::encode(json::canonical(&message));
    let pair = json!({"root": root, "targets": changed, "message": message});
    let answer = python::run("vectors.py", &["read"], &pair.to_string());
    assert!(answer.contains("UnsignedMetadataError"), "{answer}");
}
