//! What can a stolen part do, and what not?
//!
//! Each test takes what a thief would have and tries; the refused attempt stands beside the allowed
//! one. The table is that of `docs/SECURITY.md`.

use chrono::{DateTime, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::Key;
use notary_schema::name::Version;
use notary_schema::online::{PlannedTimestamp, expires_after, next_snapshot};
use notary_schema::role::{FileMeta, Root, Snapshot, Targets, Timestamp};
use notary_tests::hand::{HandKey, target};
use notary_tests::publisher::{Publisher, sign_with};
use notary_tests::world::{Answer, Http, Program, World};
use reqwest::Method;
use serde_json::{Value, json};

const GUN: &str = "acme/app";
const DAY: u64 = 24 * 60 * 60;

/// Somebody with the server's certificate and a copy of its database, at the signer's door.
struct Thief {
    world: World,
    publisher: Publisher,
    signer: Http,
    incarnation: String,
    snapshot: Envelope<Snapshot>,
    timestamp: Envelope<Timestamp>,
}

impl Thief {
    fn new() -> Thief {
        let mut world = World::start();
        // The thief has files signed that the server does not know of.
        world.will_not_end_sound();
        let publisher = Publisher::create(&world, GUN, &["docs"]);
        let signer = world.signer_http("server");
        let info = publisher.http.get(&format!("/v2/{GUN}/_trust/")).json();
        let incarnation = info["incarnation"].as_str().expect("an incarnation").to_owned();
        let timestamp: Envelope<Timestamp> = parse(&served(&publisher, "timestamp.json"));
        let version = timestamp.signed().meta.snapshot.version;
        let snapshot = parse(&served(&publisher, &format!("{version}.snapshot.json")));
        Thief { world, publisher, signer, incarnation, snapshot, timestamp }
    }

    fn now(&self) -> DateTime<Utc> {
        self.world.clock.now()
    }

    fn keyids(&self, role: &str) -> Vec<String> {
        keyids(&self.publisher, role)
    }

    /// Asks the signer for a signature of this role's keys.
    fn sign(&self, role: &str, document: &Unsigned) -> Answer {
        self.sign_for(GUN, &self.incarnation, role, document)
    }

    fn sign_for(&self, gun: &str, life: &str, role: &str, document: &Unsigned) -> Answer {
        self.ask(gun, life, role, std::str::from_utf8(document.signed()).expect("JSON"))
    }

    fn ask(&self, gun: &str, incarnation: &str, role: &str, signed: &str) -> Answer {
        let head = json!({
            "collection": gun, "incarnation": incarnation, "role": role,
            "keyids": self.keyids(role),
        });
        let head = head.to_string();
        let head = head.strip_suffix('}').expect("an object");
        let request = self.signer.request(reqwest::Method::POST, "/v1/sign");
        let request = request.header("content-type", "application/json");
        self.signer.send(request.body(format!("{head},\"signed\":{signed}}}")))
    }

    /// The snapshot after the last one, this many versions on, with `docs` at this version.
    fn next_snapshot(&self, step: u64, docs: Option<u64>) -> Unsigned {
        let mut next = next_snapshot(
            Some(self.snapshot.signed()),
            [],
            Version::new(self.snapshot.version().get() + step).expect("a version"),
            expires_after(self.now(), DAY),
        );
        match docs {
            Some(version) => {
                let entry = next.meta.get("docs.json").expect("docs is listed");
                let version = Version::new(version).expect("a version");
                next.meta.insert("docs.json", &FileMeta { version, ..entry });
            }
            None => assert!(next.meta.remove("docs.json"), "docs is listed"),
        }
        Unsigned::of(&next)
    }

    fn next_timestamp(&self, version: u64, named: &Envelope<Snapshot>, seconds: u64) -> Unsigned {
        let version = Version::new(version).expect("a version");
        let expires = expires_after(self.now(), seconds);
        PlannedTimestamp { version, expires, keyids: Vec::new() }.document(named)
    }
}

fn served(publisher: &Publisher, name: &str) -> Answer {
    publisher.http.get(&format!("/v2/{GUN}/_trust/tuf/{name}"))
}

/// The keys that root 1 names for a role.
fn keyids(publisher: &Publisher, role: &str) -> Vec<String> {
    let root: Value = served(publisher, "1.root.json").json();
    let ids = root["signed"]["roles"][role]["keyids"].as_array().expect("key ids").clone();
    ids.iter().map(|id| id.as_str().expect("text").to_owned()).collect()
}

fn parse<T: notary_schema::role::Role>(answer: &Answer) -> Envelope<T> {
    assert_eq!(answer.status, 200, "{answer:?}");
    Envelope::parse(answer.body.clone()).expect("metadata")
}

/// `signed`, or the code of a refusal that says that nothing was recorded.
fn outcome(answer: &Answer) -> String {
    if answer.status == 200 {
        return "signed".to_owned();
    }
    assert_eq!(answer.json()["recorded"], false, "{answer:?}");
    answer.code()
}

#[test]
fn a_stolen_server_gets_no_signature_on_targets_or_root() {
    let thief = Thief::new();
    let targets: Envelope<Targets> = parse(&served(&thief.publisher, "1.targets.json"));
    let expires = expires_after(thief.now(), DAY);
    let targets = Draft::next(&targets, expires).expect("a version").finish();
    let root = served(&thief.publisher, "1.root.json").json()["signed"].clone();
    for role in ["snapshot", "timestamp"] {
        for document in [&targets, &Unsigned::new(&root)] {
            assert_eq!(outcome(&thief.sign(role, document)), "wrong_document");
        }
        let digest = format!("\"{}\"", "8f".repeat(32));
        let bare = thief.ask(GUN, &thief.incarnation, role, &digest);
        assert_eq!(outcome(&bare), "wrong_document");
    }
    // It has no other words for "sign this".
    let other = thief.signer.post("/v1/sign", &json!({"role": "targets"}));
    assert!((400..500).contains(&other.status), "{other:?}");
}

#[test]
fn a_stolen_server_cannot_go_back_or_run_the_versions_up() {
    let thief = Thief::new();
    for (step, docs, expected) in [
        (65, Some(1), "version_jump"),
        (1, None, "would_lower"),
        (1, Some(66), "version_jump"),
        (1, Some(65), "signed"),
    ] {
        let answer = thief.sign("snapshot", &thief.next_snapshot(step, docs));
        assert_eq!(outcome(&answer), expected, "{step} {docs:?}");
    }
    // What it was signed now is the least from now on.
    let lower = thief.sign("snapshot", &thief.next_snapshot(2, Some(64)));
    assert_eq!(outcome(&lower), "would_lower");
    let older = thief.next_timestamp(thief.timestamp.version().get() + 1, &thief.snapshot, DAY);
    assert_eq!(outcome(&thief.sign("timestamp", &older)), "other_snapshot");
}

#[test]
fn a_stolen_server_gets_one_content_for_one_version() {
    let thief = Thief::new();
    let version = thief.timestamp.version().get();
    let twin = thief.next_timestamp(version, &thief.snapshot, DAY / 2);
    assert_eq!(outcome(&thief.sign("timestamp", &twin)), "version_used");
    let next = thief.next_timestamp(version + 1, &thief.snapshot, DAY);
    let first = thief.sign("timestamp", &next);
    assert_eq!(outcome(&first), "signed");
    assert_eq!(thief.sign("timestamp", &next).body, first.body, "a repeat is the same file");
}

#[test]
fn a_stolen_server_cannot_sign_ahead_of_time() {
    let thief = Thief::new();
    let version = thief.timestamp.version().get() + 1;
    for (days, expected) in [(4, "expires_too_late"), (0, "expired"), (3, "signed")] {
        let document = thief.next_timestamp(version, &thief.snapshot, days * DAY);
        assert_eq!(outcome(&thief.sign("timestamp", &document)), expected, "{days} days");
    }
}

#[test]
fn a_stolen_server_cannot_use_the_keys_of_one_collection_for_another() {
    let thief = Thief::new();
    let document = thief.next_timestamp(1, &thief.snapshot, DAY);
    for (gun, incarnation) in [("acme/other", &thief.incarnation), (GUN, &"0".repeat(32))] {
        let answer = thief.sign_for(gun, incarnation, "timestamp", &document);
        assert_ne!(outcome(&answer), "signed", "{gun} {incarnation}");
    }
}

#[test]
fn a_stolen_server_retires_no_key() {
    let thief = Thief::new();
    let keyid = &thief.keyids("timestamp")[0];
    let answer = thief.signer.post(&format!("/v1/keys/{keyid}/retire"), &json!({}));
    assert!((400..500).contains(&answer.status), "{answer:?}");
    let next = thief.next_timestamp(2, &thief.snapshot, DAY);
    assert_eq!(outcome(&thief.sign("timestamp", &next)), "signed");
    // The operator can, on the signer's host.
    let keys = thief.world.operate(Program::Signer, "key list");
    assert!(keys.contains(keyid.as_str()), "{keys}");
}

#[test]
fn a_copy_of_the_servers_database_holds_no_token_and_no_private_key() {
    let world = World::start();
    let token = world.token("admin --collection acme/*");
    let answer =
        world.http(Some(&token)).post(&format!("/v2/{GUN}/_trust/keys/snapshot"), &json!({}));
    assert_eq!(answer.status, 200, "{answer:?}");
    let holds = |needle: &[u8]| {
        let files = std::fs::read_dir(world.directory()).expect("the world's directory");
        files.map(|file| file.expect("a file").path()).any(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let bytes = std::fs::read(&path).unwrap_or_default();
            name.starts_with("server.sqlite") && bytes.windows(needle.len()).any(|w| w == needle)
        })
    };
    assert!(holds(GUN.as_bytes()), "the database is looked into");
    assert!(!holds(token.as_bytes()));
    let secret = token.strip_prefix("notary_").expect("a token of ours");
    assert!(!holds(secret.as_bytes()));
    assert!(!holds(b"PRIVATE KEY"));
}

/// The code of a refused publish.
fn published(publisher: &Publisher, role: &str, file: &[u8]) -> String {
    let answer = publisher.http.publish(GUN, &[(role, file)]);
    if answer.status == 200 { "published".to_owned() } else { answer.code() }
}

#[test]
fn a_stolen_online_key_signs_no_targets_and_no_root() {
    let world = World::start();
    let publisher = Publisher::create(&world, GUN, &["docs"]);
    let stolen = HandKey::ed25519(77);
    // The thief's key is one of those that the root lists for timestamp, beside the signer's.
    let first: Envelope<Root> = parse(&served(&publisher, "1.root.json"));
    let mut root = first.signed().clone();
    root.version = Version::new(2).expect("a version");
    let key = Key::from_object(stolen.object().clone());
    root.roles.timestamp.keyids.push(key.id().clone());
    root.keys.insert(key.id().clone(), key);
    let root_file = publisher.sign(&Unsigned::of(&root));
    assert_eq!(published(&publisher, "root", &root_file), "published");

    root.version = Version::new(3).expect("a version");
    let forged = sign_with(&[&stolen], &Unsigned::of(&root));
    assert_eq!(published(&publisher, "root", &forged), "threshold_not_met");
    let targets: Envelope<Targets> = parse(&served(&publisher, "1.targets.json"));
    let next = Draft::next(&targets, targets.expires()).expect("a version").finish();
    assert_eq!(
        published(&publisher, "targets", &sign_with(&[&stolen], &next)),
        "threshold_not_met"
    );
    assert_eq!(published(&publisher, "targets", &publisher.sign(&next)), "published");
}

#[test]
fn a_team_with_key_and_token_stays_in_its_paths_names_and_versions() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, GUN, &["docs"]);
    let team = world.token(&format!("publish --collection {GUN} --role docs"));
    publisher.http = world.http(Some(&team));
    let docs = || {
        let file: Envelope<Targets> = parse(&served(&publisher, "1.docs.json"));
        let mut document = file.document();
        document["version"] = 2.into();
        document
    };
    let send = |change: &dyn Fn(&mut Value)| {
        let mut document = docs();
        change(&mut document);
        published(&publisher, "docs", &publisher.sign(&Unsigned::new(&document)))
    };
    let add =
        |name: &'static str| move |document: &mut Value| document["targets"][name] = target(b"x");
    assert_eq!(send(&add("app.tgz")), "outside_paths");
    assert_eq!(send(&add("docs/../app.tgz")), "target_name");
    assert_eq!(send(&|document| document["version"] = 99.into()), "version_conflict");
    let targets: Envelope<Targets> = parse(&served(&publisher, "1.targets.json"));
    let next = Draft::next(&targets, targets.expires()).expect("a version").finish();
    let other = publisher.http.publish(GUN, &[("targets", &publisher.sign(&next))]);
    assert_eq!(other.status, 403, "{other:?}");
    assert_eq!(send(&add("docs/more.txt")), "published");
}

#[test]
fn a_token_alone_publishes_nothing() {
    let world = World::start();
    let publisher = Publisher::create(&world, GUN, &["docs"]);
    let file: Envelope<Targets> = parse(&served(&publisher, "1.docs.json"));
    let next = Draft::next(&file, file.expires()).expect("a version").finish();
    let forged = sign_with(&[&HandKey::ed25519(99)], &next);
    assert_eq!(published(&publisher, "docs", &forged), "threshold_not_met");
    assert_eq!(published(&publisher, "docs", &next.with_signatures(&[])), "threshold_not_met");
    assert_eq!(published(&publisher, "docs", &publisher.sign(&next)), "published");
}

#[test]
fn an_admins_token_stops_publishes_and_changes_nothing_that_is_served() {
    let world = World::start();
    let publisher = Publisher::create(&world, GUN, &["docs"]);
    let revocations = format!("/v2/{GUN}/_trust/revocations");
    let names = ["root.json", "timestamp.json", "1.snapshot.json", "targets.json", "docs.json"];
    let all = || names.map(|name| served(&publisher, name).body);
    let (before, keyid) = (all(), keyids(&publisher, "targets").remove(0));
    let body = json!({"keyid": keyid, "reason": "mischief"});
    let token =
        |grant: &str| world.http(Some(&world.token(&format!("{grant} --collection {GUN}"))));
    assert_eq!(token("root").post(&revocations, &body).status, 403, "a lesser one stops nobody");
    let next = publisher.next("docs", world.clock.now());
    assert_eq!(token("admin").post(&revocations, &body).status, 201);
    assert_eq!(published(&publisher, "docs", &next), "threshold_not_met");
    assert_eq!(all(), before);
    let entry = &publisher.http.get(&revocations).json()["items"][0];
    let events = publisher.http.get(&format!("/v2/{GUN}/_trust/changefeed")).json();
    let last = events["items"].as_array().expect("events").last().expect("an event").clone();
    assert_eq!((&last["kind"], &last["by"]), (&json!("revoke"), &entry["by"]));
    let one = format!("{revocations}/{keyid}");
    let undone = publisher.http.send(publisher.http.request(Method::DELETE, &one));
    assert_eq!(undone.status, 204, "{undone:?}");
    assert_eq!(published(&publisher, "docs", &next), "published");
}
