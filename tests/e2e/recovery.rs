//! Does a collection come back from versions that ran away, and from a signer that was lost?

use std::fs;
use std::path::PathBuf;

use notary_schema::key::sha256_hex;
use notary_tests::agent::Verdict;
use notary_tests::judge::{self, NgClient, Question};
use notary_tests::mirror::Mirror;
use notary_tests::poller::Poller;
use notary_tests::world::{Outcome, Program, World};
use serde_json::{Value, json};

use crate::release::Release;

/// The last version that there is.
const LAST: u64 = (1 << 53) - 1;
const NAMES: [&str; 2] = ["app.tgz", "docs/guide.txt"];

/// Every target is found.
fn all() -> Verdict {
    let lengths = [11, 13].map(Ok);
    NAMES.iter().zip(lengths).map(|(name, length)| ((*name).to_owned(), length)).collect()
}

/// A release, and clients that keep what they have seen.
struct Scene {
    release: Release,
    python: NgClient,
    seen: PathBuf,
}

impl Scene {
    fn new() -> Scene {
        let release = Release::publish();
        let seen = release.world.directory().join("ngclient");
        fs::create_dir(&seen).expect("a new directory");
        Scene { release, python: NgClient::start(), seen }
    }

    fn world(&mut self) -> &mut World {
        &mut self.release.world
    }

    fn served(&self, name: &str) -> Value {
        let path = format!("/v2/acme/app/_trust/tuf/{name}");
        self.release.world.http(None).get(&path).json()
    }

    fn versions(&self) -> [u64; 2] {
        let timestamp = self.served("timestamp.json");
        let signed = &timestamp["signed"];
        let number = |value: &Value| value.as_u64().expect("a version");
        [number(&signed["meta"]["snapshot.json"]["version"]), number(&signed["version"])]
    }

    /// Stops the signer, sets its memory, and starts it again.
    fn set_memory(&mut self, arguments: &str) {
        self.world().signer.kill();
        let set = format!("memory set --gun acme/app --reason test {arguments}");
        self.world().operate(Program::Signer, &set);
        self.world().signer.restart();
    }

    fn manager(&self, command: &str) -> Outcome {
        self.release.manager.notary(command)
    }

    /// The client that has seen everything so far, new ones of two kinds, and our own.
    fn clients_follow(&mut self) {
        let question = self.release.world.question("acme/app", &NAMES);
        assert_eq!(self.python.ask_again(&question, &self.seen), all());
        assert_eq!(self.python.ask(&question), all());
        assert_eq!(judge::tough(&question), all());
    }

    /// Has snapshot and timestamp signed anew, by a publish of the manager.
    fn publish(&self) -> Outcome {
        self.manager("witness acme/app targets --publish --timeout 20")
    }
}

#[test]
fn versions_that_ran_to_the_end_come_back_and_every_client_follows() {
    let mut scene = Scene::new();
    let agent = scene.release.agent("agent");
    let [snapshot, timestamp] = scene.versions();
    scene.clients_follow();
    // A mistake of the operator, or of whoever has the signer.
    let far = LAST - 2;
    scene.set_memory(&format!("--snapshot-version {far} --timestamp-version {far}"));
    scene.publish().done();
    assert_eq!(scene.versions(), [LAST - 1; 2]);
    scene.publish().done();
    assert_eq!(scene.versions(), [LAST; 2]);
    scene.clients_follow();
    agent.notary("lookup acme/app app.tgz").done();
    let stuck = scene.publish().exits(1);
    assert!(stuck.contains("`notary-signer memory set`"), "{stuck}");

    // Out of order: what is missing is named, and nothing has changed.
    let early = scene.manager("recover acme/app snapshot").exits(1);
    assert!(early.contains("`notary-signer memory set`"), "{early}");
    assert_eq!(scene.served("root.json")["signed"]["version"], 1);
    // One too low: a version that clients know is not made again.
    let (low, low_timestamp) = (snapshot - 1, timestamp - 1);
    let back = format!("--snapshot-version {low} --timestamp-version {low_timestamp}");
    let back = format!("{back} --forget snapshot={LAST} --forget timestamp={LAST}");
    scene.set_memory(&back);
    let stuck = scene.publish().exits(1);
    assert!(stuck.contains("`notary recover`"), "{stuck}");

    let recovered = scene.manager("recover acme/app snapshot --json").json();
    assert_eq!(recovered["root_version"], 2, "{recovered}");
    assert_eq!(scene.versions(), [snapshot + 1, timestamp + 1]);
    scene.clients_follow();
    agent.notary("lookup acme/app docs/guide.txt").done();
    scene.publish().done();
    scene.clients_follow();
    assert_eq!(scene.versions(), [snapshot + 2, timestamp + 2]);
}

/// What a stolen server can have signed: a role that was never there. It stays listed until clients
/// forget it.
#[test]
fn a_role_that_never_was_is_forgotten_by_the_clients_that_have_seen_it() {
    let mut scene = Scene::new();
    let stolen = scene.steal();
    let question = scene.release.world.question("acme/app", &NAMES);
    let seen_elsewhere = Question { metadata_url: stolen.mirror.url(), ..question };
    assert_eq!(scene.python.ask_again(&seen_elsewhere, &scene.seen), all());
    // The operator finds out, and has the last good snapshot count as the one that went wrong.
    let [snapshot, _] = scene.versions();
    let good = scene.release.world.directory().join("good.json");
    fs::write(&good, scene.file(&format!("{snapshot}.snapshot.json"))).expect("a new file");
    let bad = snapshot + 1;
    let set = format!("--file {} --snapshot-version {bad} --forget snapshot={bad}", good.display());
    scene.set_memory(&set);
    scene.manager("recover acme/app snapshot").done();
    assert_eq!(scene.versions(), [bad + 1, stolen.timestamp + 1]);
    let listed = scene.served(&format!("{}.snapshot.json", bad + 1));
    assert!(listed["signed"]["meta"].get("ghost.json").is_none(), "{listed}");
    scene.clients_follow();
}

/// What a thief has had signed, and served from a place of its own.
struct Stolen {
    mirror: Mirror,
    timestamp: u64,
}

impl Scene {
    fn file(&self, name: &str) -> Vec<u8> {
        self.release.world.http(None).get(&format!("/v2/acme/app/_trust/tuf/{name}")).body
    }

    /// Has the signer sign a snapshot with a role more, and a timestamp that names it, as who has
    /// the server's certificate can.
    fn steal(&self) -> Stolen {
        let [snapshot, timestamp] = self.versions().map(|version| version + 1);
        let mut document = self.served(&format!("{}.snapshot.json", snapshot - 1))["signed"].take();
        document["version"] = snapshot.into();
        document["meta"]["ghost.json"] = json!({ "version": 5 });
        let snapshot_file = self.sign("snapshot", &document);
        let mut document = self.served("timestamp.json")["signed"].take();
        document["version"] = timestamp.into();
        document["meta"]["snapshot.json"] = json!({
            "version": snapshot, "length": snapshot_file.len(),
            "hashes": { "sha256": sha256_hex(&snapshot_file) },
        });
        let timestamp_file = self.sign("timestamp", &document);
        let directory = self.release.world.directory().join("stolen");
        fs::create_dir(&directory).expect("a new directory");
        let put = |name: &str, file: &[u8]| fs::write(directory.join(name), file).expect("a file");
        let entries = self.served(&format!("{}.snapshot.json", snapshot - 1));
        for (name, entry) in entries["signed"]["meta"].as_object().expect("entries") {
            let name = format!("{}.{name}", entry["version"]);
            put(&name, &self.file(&name));
        }
        put("1.root.json", &self.file("1.root.json"));
        put(&format!("{snapshot}.snapshot.json"), &snapshot_file);
        put("timestamp.json", &timestamp_file);
        Stolen { mirror: Mirror::of(&directory), timestamp }
    }

    fn sign(&self, role: &str, document: &Value) -> Vec<u8> {
        let info = self.release.world.http(None).get("/v2/acme/app/_trust/").json();
        let keyids = &self.served("root.json")["signed"]["roles"][role]["keyids"];
        let request = json!({
            "collection": "acme/app", "incarnation": info["incarnation"], "role": role,
            "keyids": keyids, "signed": document,
        });
        let answer = self.release.world.signer_http("server").post("/v1/sign", &request);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }
}

/// The signer has signed a snapshot that nobody has committed, and forgets it with all else since its
/// backup.
#[test]
fn a_signer_from_a_backup_goes_on_above_what_waits_in_the_slot() {
    let mut scene = Scene::new();
    let directory = scene.release.world.directory().to_owned();
    let backup = directory.join("backup");
    scene.world().signer.kill();
    World::copy_database(Program::Signer, &directory, &backup);
    scene.world().signer.restart();
    scene.publish().done();
    scene.clients_follow();
    scene.world().server.restart_until("snapshot_signed");
    assert_ne!(scene.manager("witness acme/app targets --publish --timeout 1").code(), 0);
    scene.world().server.aborted();

    scene.world().signer.kill();
    World::copy_database(Program::Signer, &backup, &directory);
    scene.world().server.restart();
    let [snapshot, timestamp] = scene.versions();
    scene.release.agent("operator").notary("export acme/app ../served").done();
    let served = directory.join("served");
    let (root, from) = (served.join("1.root.json"), served.display());
    scene.set_memory(&format!("--after-restore --root {} --from {from}", root.display()));
    scene.publish().done();
    let [after, after_timestamp] = scene.versions();
    assert!(after > snapshot + 64 && after_timestamp > timestamp + 64, "{after} {after_timestamp}");
    scene.clients_follow();
}

#[test]
fn clients_that_refresh_all_the_time_fail_once_at_most_in_a_recovery() {
    let scene = Scene::new();
    let root = scene.file("1.root.json");
    let poller = Poller::start(&scene.release.world, "acme/app", root, "docs/guide.txt");
    for _ in 0..2 {
        poller.refreshed_again();
        scene.manager("recover acme/app timestamp").done();
        poller.refreshed_again();
    }
    let errors = poller.stop().errors;
    assert!(errors.len() <= 2, "{errors:?}");
    for error in errors {
        assert!(error.contains("timestamp") || error.contains("snapshot"), "{error}");
    }
}

#[test]
fn a_root_that_is_made_alone_does_without_keys_that_are_revoked() {
    let world = World::start();
    let manager = world.person("manager", "admin --collection acme/**");
    let third = world.person("third", "admin --collection acme/**");
    let keys = [&manager, &manager, &third].map(|who| who.new_key());
    let [first, stolen, other] = &keys;
    third.notary(&format!("key export {other} --public -o ../other.pem")).done();
    let roots = format!("--root-key {first} --root-key {stolen} --root-key ../other.pem");
    let init = manager.notary(&format!("init acme/app {roots} --root-threshold 2 --json")).json();
    let sha256 = init["root_sha256"].as_str().expect("the hash to pin");
    third.notary(&format!("trust add acme/app --sha256 {sha256}")).done();
    let version = || {
        let root = world.http(None).get("/v2/acme/app/_trust/tuf/root.json").json();
        root["signed"]["version"].as_u64().expect("a version")
    };
    let open = || {
        let all = third.notary("proposal list acme/app --json").json();
        let mut all = all["proposals"].as_array().expect("a list").iter();
        let open = all.find(|one| one["state"] == "open").expect("one is open");
        open["id"].as_str().expect("its id").to_owned()
    };
    // With two keys here that may sign.
    manager.notary("witness acme/app root --publish").done();
    assert_eq!(version(), 2);
    // Whoever cannot take it out of the root has it sign nothing new.
    let revoke = format!("revoke acme/app {stolen} --reason stolen --key {other}");
    third.notary(&revoke).exits(6);
    for command in ["witness acme/app root --publish", "recover acme/app snapshot --second-content"]
    {
        let id = open();
        third.notary(&format!("proposal cancel acme/app {id} --yes")).done();
        let before = version();
        let made = manager.notary(command);
        assert_eq!((made.code(), version()), (6, before), "{made}");
        let id = open();
        third.notary(&format!("proposal export acme/app {id} -o {id}")).done();
        let carried = fs::read(third.directory().join(&id)).expect("it was written");
        let carried: Value = serde_json::from_slice(&carried).expect("a proposal");
        let root = carried["proposal"]["files"][0]["file"].as_str().expect("its text");
        let root: Value = serde_json::from_str(root).expect("a root");
        let by: Vec<_> = root["signatures"].as_array().expect("a list").iter().collect();
        assert_eq!(by.len(), 1, "{root:#}");
        assert_eq!(by[0]["keyid"], first.as_str());
    }
}
