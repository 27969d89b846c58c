//! What holds for every file, not only for those that somebody thought of.

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::json;
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::RoleName;
use notary_schema::role::{FileMeta, Role, Root, Snapshot, Targets, Timestamp};
use notary_schema::threshold;
use notary_tests::arbitrary;
use notary_tests::hand::{Collection, HandKey, Layout};
use proptest::prelude::*;
use proptest::sample::Index;
use serde::Serialize;
use serde_json::{Value, json};

/// What a file is once it is read, written and read again.
fn read_and_written<T: Role + Serialize>(document: &Value) -> Value {
    let file = Unsigned::new(document).with_signatures(&[]);
    let read: Envelope<T> = Envelope::parse(file).expect("it is a document of this role");
    assert_eq!(read.message(), json::canonical(document), "nothing of it is lost for signatures");
    serde_json::to_value(read.signed()).expect("a role is JSON")
}

#[test]
fn a_document_of_each_role_is_the_same_after_it_was_read_and_written() {
    let mut collection = Collection::new();
    collection.trust("targets", &[HandKey::p256(), HandKey::p384()], 2);
    let described = json!({"version": 7, "length": 3, "hashes": {"sha256": "ab", "sha512": "cd"}});
    for entry in [described, json!({"version": 7})] {
        collection.snapshot.signed["meta"]["docs.json"] = entry.clone();
        collection.snapshot.signed["meta"]["targets.json"] = json!({"version": 1});
        collection.timestamp.signed["meta"]["snapshot.json"] = entry;
        let (root, targets) = (&collection.root.signed, &collection.targets.signed);
        assert_eq!(read_and_written::<Root>(root), *root);
        assert_eq!(read_and_written::<Targets>(targets), *targets);
        let (snapshot, timestamp) = (&collection.snapshot.signed, &collection.timestamp.signed);
        assert_eq!(read_and_written::<Snapshot>(snapshot), *snapshot);
        assert_eq!(read_and_written::<Timestamp>(timestamp), *timestamp);
    }
}

/// Whether the file is trusted as `targets` of the collection.
fn trusted(file: &[u8], root: &Root) -> Option<Envelope<Targets>> {
    let file: Envelope<Targets> = Envelope::parse(file).ok()?;
    let authority = root.authority(&RoleName::TARGETS).expect("root lists targets");
    threshold::count(&file, authority).is_met().then_some(file)
}

/// The property: a file with a changed bit is unreadable, or too few signatures verify, or it says
/// exactly what was signed (white space, or the case of a hexadecimal digit). Even then it is not
/// the file that the snapshot describes.
#[test]
fn a_changed_bit_never_changes_what_is_trusted() {
    for layout in [Layout::Compact, Layout::Pretty] {
        let mut collection = Collection::new();
        collection.targets.layout = layout;
        collection.add_target("line\nbreak \"e\u{301}\"", b"x")["custom"] = json!({"n": [1, null]});
        let root: Envelope<Root> = Envelope::parse(collection.root.file()).expect("a root");
        let original = collection.targets.file();
        let entry = FileMeta::of(root.version(), &original);
        let message = collection.targets.message();
        assert!(trusted(&original, root.signed()).is_some() && entry.describes(&original));
        let (mut refused, mut same) = (0, 0);
        for at in 0..original.len() {
            for bit in 0..8 {
                let mut file = original.clone();
                file[at] ^= 1 << bit;
                assert!(!entry.describes(&file), "byte {at}");
                match trusted(&file, root.signed()) {
                    Some(file) => {
                        assert_eq!(file.message(), message, "byte {at}, bit {bit}");
                        same += 1;
                    }
                    None => refused += 1,
                }
            }
        }
        assert!(refused > 9 * same && same > 0, "{layout:?}: {refused} refused, {same} the same");
    }
}

/// A valid file of each role, to be damaged.
fn files() -> Vec<Vec<u8>> {
    let mut collection = Collection::new();
    collection.trust("targets", &[HandKey::p256()], 1);
    collection.files().into_values().collect()
}

/// One damage: so many bytes at a place are replaced by others.
fn damage() -> impl Strategy<Value = (Index, usize, Vec<u8>)> {
    let pieces = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..8),
        prop::sample::select(vec![
            "{", "}", "[", "\"", "\\u", ":1e9", "null", "-0", "\\ud800", "{\"a\":"
        ])
        .prop_map(|piece| piece.as_bytes().to_vec()),
    ];
    (any::<Index>(), 0..32_usize, pieces)
}

/// Reads bytes as everything that reads bytes.
fn read_as_everything(bytes: &[u8]) {
    let _ = Envelope::<Root>::parse(bytes).map(|file| {
        file.signed()
            .authority(&RoleName::ROOT)
            .map(|authority| (threshold::count(&file, authority), threshold::reachable(authority)))
    });
    let _ = Envelope::<Targets>::parse(bytes);
    let _ = Envelope::<Snapshot>::parse(bytes);
    let _ = Envelope::<Timestamp>::parse(bytes);
    let _ = PublicKey::from_spki(bytes).map(|key| key.verifies(bytes, bytes));
    let text = String::from_utf8_lossy(bytes);
    let _ = PublicKey::from_pem(&text).map(|key| key.verifies(bytes, bytes));
    for (keytype, scheme) in
        [("ed25519", "ed25519"), ("ecdsa", "ecdsa-sha2-nistp256"), ("rsa", "rsassa-pss-sha256")]
    {
        for public in [text.to_string(), hex::encode(bytes)] {
            let key = json!({"keytype": keytype, "scheme": scheme, "keyval": {"public": public}});
            let key = Key::from_object(key);
            let _ = key.public().map(|public| public.verifies(bytes, bytes));
        }
    }
}

proptest! {
    #[test]
    fn any_targets_document_keeps_its_names_and_its_canonical_form(document in arbitrary::targets()) {
        let written = read_and_written::<Targets>(&document);
        prop_assert_eq!(&written["targets"], &document["targets"]);
        prop_assert_eq!(&written["version"], &document["version"]);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn no_damaged_file_panics(which in any::<Index>(), damages in prop::collection::vec(damage(), 1..4)) {
        let files = files();
        let mut file = which.get(&files).clone();
        for (at, length, piece) in damages {
            let start = at.index(file.len() + 1);
            file.splice(start..file.len().min(start + length), piece);
        }
        read_as_everything(&file);
    }

    #[test]
    fn no_damaged_key_panics(p384 in any::<bool>(), at in any::<Index>(), flipped in 1..=u8::MAX, cut in any::<Index>()) {
        let key = if p384 { HandKey::p384() } else { HandKey::p256() };
        let public = Key::from_object(key.object().clone()).public().cloned().expect("a known key");
        let mut der = public.to_spki();
        let at = at.index(der.len());
        der[at] ^= flipped;
        read_as_everything(&der);
        read_as_everything(&der[..cut.index(der.len())]);
    }
}
