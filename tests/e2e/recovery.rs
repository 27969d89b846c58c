//! Does a collection come back from versions that ran away, and from a signer that was lost?

use std::fs;
use std::path::PathBuf;

use notary_tests::judge::{self, NgClient};
use notary_tests::world::{Outcome, Program, World};
use serde_json::Value;

use crate::release::Release;

/// The last version that there is.
const LAST: u64 = (1 << 53) - 1;
const NAMES: [&str; 2] = ["app.tgz", "docs/guide.txt"];

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
        let all: notary_tests::agent::Verdict = NAMES
            .iter()
            .zip([11, 13])
            .map(|(name, length)| ((*name).to_owned(), Ok(length)))
            .collect();
        assert_eq!(self.python.ask_again(&question, &self.seen), all);
        assert_eq!(self.python.ask(&question), all);
        assert_eq!(judge::tough(&question), all);
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
    let back = format!("--snapshot-version {snapshot} --timestamp-version {timestamp}");
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
