//! Where the signer answers a stand-by with a key, a root lists both, and one of them signs.

use notary_schema::envelope::Envelope;
use notary_schema::name::KeyId;
use notary_schema::role::Root;
use serde_json::{Value, json};

use super::*;

/// A server that makes collections, and answers this stand-by for the timestamp.
fn creating(collection: &Collection, server: &Server, standby: &Value) {
    let key = |role: &str| {
        let key = collection.key(role);
        json!({ "keyid": key.keyid, "key": key.key, "state": "pending" })
    };
    server.answer("v2/acme/app/_trust/keys/snapshot", Canned::ok(key("snapshot").to_string()));
    let mut timestamp = key("timestamp");
    timestamp["standby"] = standby.clone();
    server.answer("v2/acme/app/_trust/keys/timestamp", Canned::ok(timestamp.to_string()));
    let accepted = json!({ "roles": [], "snapshot": 1, "timestamp": 1, "seq": 1 });
    server.answer("v2/acme/app/_trust/tuf/", Canned::ok(accepted.to_string()));
}

#[test]
fn a_root_lists_a_key_and_its_standby_of_which_one_signs() {
    with_repository(|collection, server| {
        let [key, standby] = ["timestamp", "docs"].map(|role| collection.key(role));
        let answered =
            |keyid: &KeyId| json!({ "keyid": keyid, "key": standby.key, "state": "pending" });
        let here = tempfile::tempdir().unwrap();
        let line = format!(
            "--server {} --trust-dir {} --timeout 1 init acme/app",
            server.url,
            here.path().display()
        );
        // A stand-by under the id of another key, and the key as its own stand-by.
        let itself = json!({ "keyid": key.keyid, "key": key.key, "state": "pending" });
        for wrong in [answered(&key.keyid), itself] {
            creating(collection, server, &wrong);
            notary(&line).expect(1);
        }
        creating(collection, server, &answered(&standby.keyid));
        notary(&line).expect(0);
        let pinned = std::fs::read(here.path().join("collections/acme/app/_pinned.json")).unwrap();
        let root = Envelope::<Root>::parse(pinned).unwrap();
        let timestamp = &root.signed().roles.timestamp;
        assert_eq!(timestamp.keyids, [key.keyid.clone(), standby.keyid.clone()]);
        assert_eq!(timestamp.threshold.get(), 1);
        assert!(timestamp.keyids.iter().all(|keyid| root.signed().keys.contains_key(keyid)));
        assert_eq!(root.signed().roles.snapshot.keyids.len(), 1);
    });
}
