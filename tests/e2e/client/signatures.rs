//! Who must sign a file, and what counts as a signature.

use notary_tests::hand::HandKey;
use serde_json::{Value, json};

use crate::scene::{FIRST, Scene, key, keys};

#[test]
fn the_first_root_must_be_readable_and_signed_before_anybody_is_asked() {
    let whole = Scene::new();
    whole.refresh().done();
    for (row, edit, words) in [
        ("no version", without_version as fn(&mut Value), "version"),
        ("another signature", with_other_signature, "root is signed by 0 of 1 keys"),
    ] {
        let scene = Scene::new();
        let mut root: Value = serde_json::from_slice(scene.repository.root(1)).expect("it is JSON");
        edit(&mut root);
        let place = scene.path("metadata/root.json");
        std::fs::write(place, root.to_string()).expect("ours");
        scene.refresh().is(words, row);
        assert_eq!(scene.asked(), [""; 0], "{row}");
    }
}

fn without_version(root: &mut Value) {
    root["signed"].as_object_mut().expect("an object").remove("version");
}

fn with_other_signature(root: &mut Value) {
    root["signatures"][0]["sig"] = hex::encode(HandKey::of("root").sign(b"something else")).into();
}

#[test]
fn a_refresh_ends_at_the_file_that_too_few_have_signed() {
    for (row, unsigned, trusted) in [
        ("all of them are signed", "", "root 2, snapshot 2, targets 2, timestamp 2"),
        ("root", "root", FIRST),
        ("timestamp", "timestamp", "root 2, snapshot 1, targets 1, timestamp 1"),
        ("snapshot", "snapshot", "root 2, snapshot 1, targets 1, timestamp 2"),
        ("targets", "targets", "root 2, snapshot 2, targets 1, timestamp 2"),
    ] {
        let mut scene = Scene::refreshed();
        if !unsigned.is_empty() {
            scene.repository.edit(unsigned).signers = keys("x");
        }
        scene.publish_anew(&["root", "targets"]);
        let words = format!("{unsigned} is signed by 0 of 1 keys");
        scene.refresh().is(if unsigned.is_empty() { "" } else { &words }, row);
        assert_eq!(scene.trusted(), trusted, "{row}");
    }
}

/// Edits the signatures of the snapshot, of which the keys `abc` may sign.
type Edit = fn(&mut Vec<Value>);

#[test]
fn a_threshold_is_reached_by_different_keys_with_one_signature_each() {
    let unedited: Edit = |_| {};
    let repeated: Edit = |signatures| signatures.push(signatures[0].clone());
    let broken: Edit = |signatures| signatures[2]["sig"] = signatures[1]["sig"].clone();
    let empty: Edit = |signatures| signatures[2]["sig"] = json!("");
    let no_hex: Edit = |signatures| signatures[2]["sig"] = json!("none");
    let foreign: Edit = |signatures| signatures[2]["keyid"] = json!("of nobody");
    for (row, threshold, signers, edit, words) in [
        ("three of three", 3, "abc", unedited, ""),
        ("two of three", 3, "ab", unedited, "2 of 3 keys"),
        ("two of two", 2, "ab", unedited, ""),
        ("more than there are keys", 4, "abc", unedited, "3 of 4 keys"),
        ("one of them twice, three needed", 3, "ab", repeated, "two signatures"),
        ("one of them twice, two needed", 2, "ab", repeated, "two signatures"),
        ("a wrong one that is not needed", 2, "abc", broken, ""),
        ("a wrong one that is needed", 3, "abc", broken, "2 of 3 keys"),
        ("an empty one that is not needed", 2, "abc", empty, ""),
        ("an empty one that is needed", 3, "abc", empty, "2 of 3 keys"),
        ("no hex where it is not needed", 2, "abc", no_hex, ""),
        ("no hex where it is needed", 3, "abc", no_hex, "2 of 3 keys"),
        ("somebody else's beside", 2, "abc", foreign, ""),
        ("somebody else's instead", 3, "abc", foreign, "2 of 3 keys"),
    ] {
        let mut scene = Scene::refreshed();
        scene.repository.trust("root", "snapshot", &keys("abc"), threshold);
        let snapshot = scene.repository.edit("snapshot");
        snapshot.signers = keys(signers);
        snapshot.edit_signatures(edit);
        scene.publish();
        scene.refresh().is(words, row);
    }
}

#[test]
fn a_root_lists_no_key_twice_for_a_role() {
    for (row, threshold, twice, words) in [
        ("each once", 2, false, ""),
        ("one twice, which would reach the threshold", 3, true, "is listed twice for one role"),
        ("one twice, which nobody needs", 2, true, "is listed twice for one role"),
    ] {
        let mut scene = Scene::refreshed();
        scene.repository.trust("root", "snapshot", &keys("ab"), threshold);
        if twice {
            let root = &mut scene.repository.edit("root").signed;
            let keyids = root["roles"]["snapshot"]["keyids"].as_array_mut().expect("a list");
            keyids.push(keyids[0].clone());
        }
        scene.publish();
        scene.refresh().is(words, row);
        assert_eq!(scene.trusted() == FIRST, twice, "{row}");
    }
}

#[test]
fn signatures_of_every_standard_scheme_are_verified() {
    let [rsa, p256, p384] = [HandKey::rsa(), HandKey::p256(), HandKey::p384()];
    for (row, new) in [("rsa", rsa), ("p256", p256), ("p384", p384), ("ed25519", key('e'))] {
        let mut scene = Scene::refreshed();
        let both = [HandKey::of("root"), new];
        scene.repository.trust("root", "root", &both, 2);
        scene.publish();
        scene.refresh().done();
        assert_eq!(scene.trusted(), "root 2, snapshot 1, targets 1, timestamp 2", "{row}");
        let wrong = hex::encode(both[1].sign(b"something else"));
        let root = scene.repository.edit("root");
        root.edit_signatures(move |signatures| signatures[1]["sig"] = json!(wrong));
        scene.publish();
        scene.refresh().is("root is signed by 1 of 2 keys", row);
        assert_eq!(scene.trusted(), "root 2, snapshot 1, targets 1, timestamp 2", "{row}");
    }
}

#[test]
fn what_nobody_knows_is_signed_like_everything_else() {
    for (row, edit) in [
        ("in the document", (|root| root["of-theirs"] = json!({"a": [1, null]})) as fn(&mut Value)),
        ("in a role", |root| root["roles"]["snapshot"]["of-theirs"] = json!("x")),
    ] {
        let mut scene = Scene::refreshed();
        edit(&mut scene.repository.edit("root").signed);
        scene.publish();
        let whole = String::from_utf8(scene.repository.root(2).to_vec()).expect("JSON");
        scene.put("2.root.json", whole.replace("of-theirs", "of-others"));
        scene.refresh().is("root is signed by 0 of 1 keys", row);
        scene.put("2.root.json", whole);
        scene.refresh().done();
        assert_eq!(scene.trusted(), "root 2, snapshot 1, targets 1, timestamp 2", "{row}");
    }
}

#[test]
fn a_key_may_carry_more_than_its_kind_has() {
    for (row, member, value) in [
        ("a member of theirs", "x-owner", json!({"a": 1})),
        ("hash algorithms of old", "keyid_hash_algorithms", json!(["sha256", "sha512"])),
        ("hash algorithms that are none", "keyid_hash_algorithms", json!("md5")),
    ] {
        let mut scene = Scene::refreshed();
        let mut object = key('k').object().clone();
        object[member] = value;
        let listed = [key('k').listed_as(object)];
        scene.repository.trust("root", "snapshot", &listed, 1);
        scene.publish();
        scene.refresh().is("", row);
        assert_eq!(scene.trusted(), "root 2, snapshot 2, targets 1, timestamp 2", "{row}");
    }
}
