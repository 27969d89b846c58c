//! `init --replace` changes what is trusted here when the server has accepted the new root, not before.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::*;

const REPLACED: &str = "--replace 0000000000000000000000000000000000000000000000000000000000000000";

/// A server that makes collections, and knows these online keys.
fn creating(collection: &Collection, server: &Server) {
    for role in ["snapshot", "timestamp"] {
        server.answer(&format!("v2/acme/app/_trust/keys/{role}"), online_key(collection, role));
    }
    server.answer("v2/acme/app/_trust/tuf/", accepted());
}

fn accepted() -> Canned {
    let answer = json!({ "roles": [], "snapshot": 1, "timestamp": 1, "seq": 1 });
    Canned::ok(answer.to_string())
}

/// What must not change: the pinned root, what is trusted, the keys.
fn precious(trust: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for directory in ["keys", "collections/acme/app", "collections/acme/app/_trusted"] {
        let Ok(listing) = std::fs::read_dir(trust.join(directory)) else { continue };
        for path in listing.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            files.insert(path.display().to_string(), std::fs::read(path).unwrap());
        }
    }
    files.retain(|name, _| !name.ends_with("_in_flight.json") && !name.ends_with("_lock"));
    files
}

#[test]
fn a_replacement_touches_neither_pin_nor_keys_until_it_is_accepted() {
    with_repository(|collection, server| {
        creating(collection, server);
        let here = tempfile::tempdir().unwrap();
        let line = format!(
            "--server {} --trust-dir {} --timeout 1 init acme/app",
            server.url,
            here.path().display()
        );
        notary(&line).expect(0);
        let before = precious(here.path());
        assert_eq!(before.len(), 5, "a pin and two keys of two files: {:?}", before.keys());
        let (keys, tuf) = ("v2/acme/app/_trust/keys/snapshot", "v2/acme/app/_trust/tuf/");
        // Another key, so that the new root differs from the old one.
        let right = online_key(collection, "docs");
        server.answer(keys, right.clone());
        for (path, answer, code) in [
            (keys, Canned::status("500 Oops"), 4),
            (keys, Canned::problem(409, "wrong_replace"), 3),
            (keys, Canned::dropped(), 4),
            (keys, Canned::ok("{"), 1),
            (tuf, Canned::status("500 Oops"), 4),
            (tuf, Canned::problem(503, "signer_unreachable"), 4),
            (tuf, Canned::status("409 Conflict"), 3),
            (tuf, Canned::problem(409, "version_conflict"), 3),
            (tuf, Canned::problem(422, "wrong_root"), 1),
            (tuf, Canned::dropped(), 4),
            (tuf, Canned::ok("<html>"), 1),
        ] {
            let what = answer.head.clone();
            server.answer(path, answer);
            notary(&format!("{line} {REPLACED}")).expect(code);
            assert!(precious(here.path()) == before, "{path} answers {what:?}");
            server.answer(keys, right.clone());
            server.answer(tuf, accepted());
        }
        notary(&format!("{line} {REPLACED}")).expect(0);
        let after = precious(here.path());
        let changed = before.iter().filter(|(name, file)| after.get(*name) != Some(file));
        let changed: Vec<_> = changed.map(|(name, _)| name.as_str()).collect();
        assert!(matches!(changed[..], [pin] if pin.ends_with("_pinned.json")), "{changed:?}");
    });
}

fn online_key(collection: &Collection, role: &str) -> Canned {
    let key = collection.key(role);
    Canned::ok(json!({ "keyid": key.keyid, "key": key.key, "state": "pending" }).to_string())
}
