//! Do the services keep to their OpenAPI documents, whatever they are asked?
//!
//! `tests/python/calls.py` draws the calls; each answer is compared with the document.

use std::collections::BTreeMap;

use notary_tests::world::{Person, World};
use notary_tests::{python, tree};
use serde_json::Value;

/// Draws the same calls in every run: what it finds stays found.
const SEED: &str = "1";

/// How often a call ended with which status.
type Ended = BTreeMap<String, BTreeMap<String, u64>>;

/// A world with the collection `app`; a name without a slash is one segment of a path, which is all
/// that a drawn path has.
fn world() -> (World, Person) {
    let world = World::start();
    let manager = world.person("manager", "admin --collection **");
    manager.notary("init app").done();
    manager.file("app.tgz", "the release");
    manager.notary("add app app.tgz app.tgz --publish").done();
    (world, manager)
}

/// The document that the server answers, also as a file: from a URL, that call is not drawn.
fn served(world: &World) -> (String, Value) {
    let answer = world.http(None).get("/openapi.json");
    let file = world.directory().join("openapi.json");
    std::fs::write(&file, &answer.body).expect("the world's directory");
    (file.display().to_string(), answer.json())
}

/// Asks with these arguments beside document, base and seed.
fn ask(document: &str, base: &str, arguments: &[&str]) -> Ended {
    let all = [&[document, base, SEED], arguments].concat();
    serde_json::from_str(&python::run("calls.py", &all, "")).expect("it prints what it counted")
}

/// Every call of the document was made, and those of these names succeeded at least once.
fn require(ended: &Ended, document: &Value, succeeded: &[&str]) {
    let paths = document["paths"].as_object().expect("it has paths");
    for (path, calls) in paths {
        for method in calls.as_object().expect("a path has methods").keys() {
            let call = format!("{} {path}", method.to_uppercase());
            assert!(ended.contains_key(&call), "{call} was never made: {ended:?}");
        }
    }
    for call in succeeded {
        let statuses = &ended[*call];
        assert!(statuses.keys().any(|status| status.starts_with('2')), "{call}: {statuses:?}");
    }
}

/// The service does all of its work, whatever it was asked.
fn require_unharmed(world: &World, manager: &Person) {
    let ready = world.http(None).get("/readyz");
    assert_eq!(ready.status, 200, "{ready:?}");
    manager.file("next.tgz", "the next release");
    manager.notary("add app next.tgz next.tgz --publish").done();
}

const READS: [&str; 8] = [
    "GET /healthz",
    "GET /openapi.json",
    "GET /readyz",
    "GET /v2/_trust/changefeed",
    "GET /v2/_trust/collections",
    "GET /v2/{gun}/_trust/",
    "GET /v2/{gun}/_trust/proposals",
    "GET /v2/{gun}/_trust/tuf/{file}",
];
const ADMINISTERS: [&str; 5] = [
    "GET /v2/_trust/tokens",
    "POST /v2/_trust/tokens",
    "POST /v2/{gun}/_trust/keys/{role}",
    "PATCH /v2/{gun}/_trust/policy",
    "POST /v2/{gun}/_trust/undelete",
];
const KNOWN: [&str; 6] =
    ["--known", "gun=app", "--known", "file=timestamp.json", "--known", "file=1.root.json"];

#[test]
fn the_server_answers_anybody_as_its_document_says() {
    let (world, manager) = world();
    let (file, document) = served(&world);
    require(&ask(&file, &world.url(), &KNOWN), &document, &READS);
    require_unharmed(&world, &manager);
}

#[test]
fn the_server_answers_an_administrator_as_its_document_says() {
    let (world, manager) = world();
    let (file, document) = served(&world);
    // It does not cover the manager's token, which is for more collections.
    let token = world.token("admin --collection *");
    let own = world.http(Some(&token)).get("/v2/_trust/tokens/self").json();
    let own = format!("id={}", own["id"].as_str().expect("a token has an id"));
    let arguments =
        [&KNOWN[..], &["--token", &token, "--kept", "id=self", "--kept", &own]].concat();
    let ended = ask(&file, &world.url(), &arguments);
    require(&ended, &document, &[&READS[..], &ADMINISTERS].concat());
    require_unharmed(&world, &manager);
}

#[test]
fn the_signer_answers_as_its_document_says() {
    let (world, manager) = world();
    let file = tree::root().join("schema/openapi/signer.json");
    let text = std::fs::read_to_string(&file).expect("a file of the tree");
    let document: Value = serde_json::from_str(&text).expect("a document is JSON");
    let pki = |name: &str| world.directory().join("pki").join(name).display().to_string();
    let (ca, certificate, key) = (pki("ca.pem"), pki("server.pem"), pki("server.key"));
    let arguments = ["--ca", &ca, "--certificate", &certificate, "--key", &key];
    let base = format!("https://{}", world.signer.address());
    let ended = ask(&file.display().to_string(), &base, &arguments);
    require(
        &ended,
        &document,
        &["GET /healthz", "GET /v1/policy", "POST /v1/keys", "GET /v1/keys"],
    );
    require_unharmed(&world, &manager);
}
