//! Do the commands count as the server does, where a key is revoked and metadata still lists it?

use serde_json::json;

use super::{Ceremony, id_of};

/// The server takes nothing more of a key; nothing is published without it yet.
fn deny(ceremony: &Ceremony, keyid: &str) {
    let token = ceremony.world.token("admin --collection acme/**");
    let denied = json!({ "keyid": keyid, "reason": "lost" });
    let answer = ceremony.world.http(Some(&token)).post("/v2/acme/app/_trust/revocations", &denied);
    assert_eq!(answer.status, 201, "{answer:?}");
}

/// The key of anna that signs docs.
fn key_of_anna(ceremony: &Ceremony) -> String {
    let keys = ceremony.anna.notary("key list --json").json();
    let keys = keys["keys"].as_array().expect("a list");
    let named = keys.iter().find(|key| key["label"] == "anna").expect("it was made for docs");
    named["keyid"].as_str().expect("an id").to_owned()
}

#[test]
fn a_signature_of_a_revoked_key_is_not_told_as_one() {
    let ceremony = Ceremony::start();
    let id = ceremony.propose(&ceremony.anna, "a");
    let anna = key_of_anna(&ceremony);
    let show = || ceremony.carl.notary(&format!("proposal show acme/app {id}")).done();
    assert!(show().contains("docs as targets 2 asks: 1 of 2 signed"), "{}", show());
    deny(&ceremony, &anna);
    let shown = show();
    assert!(shown.contains("docs as targets 2 asks: 0 of 2 signed"), "{shown}");
    assert!(shown.contains(&format!("revoked: {anna}")), "{shown}");
    ceremony.sign(&ceremony.ben, &id).exits(6);
    assert!(show().contains("docs as targets 2 asks: 1 of 2 signed"), "{}", show());
    ceremony.sign(&ceremony.carl, &id).done();
    assert_eq!(ceremony.version("docs"), 1);
}

#[test]
fn what_only_a_revoked_key_could_sign_becomes_a_proposal_for_the_others() {
    let ceremony = Ceremony::start();
    ceremony.anna.notary("rotate acme/app docs --threshold 1").done();
    deny(&ceremony, &key_of_anna(&ceremony));
    ceremony.anna.file("file", "a");
    ceremony.anna.notary("add acme/app docs/a file --role docs").done();
    ceremony.anna.notary("publish acme/app").refused("is revoked and signs nothing new");
    let id = id_of(&ceremony.anna.notary("publish acme/app --propose --json"));
    ceremony.sign(&ceremony.ben, &id).done();
    assert_eq!(ceremony.version("docs"), 1);
    // With another key of hers she goes on alone.
    let other = ceremony.anna.new_key();
    ceremony.anna.notary(&format!("rotate acme/app docs --new-key {other}")).done();
    ceremony.anna.notary("add acme/app docs/b file --role docs --publish").done();
    let served = ceremony.world.http(None).get("/v2/acme/app/_trust/tuf/docs.json").json();
    let signatures = served["signatures"].as_array().expect("a list");
    assert_eq!((signatures.len(), &signatures[0]["keyid"]), (1, &json!(other)));
}
