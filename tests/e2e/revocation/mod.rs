//! What is left of a stolen key when it is revoked, and what do clients see of that?

mod repeated;
mod set_back;

use std::thread;

use notary_tests::judge::NgClient;
use notary_tests::poller::Poller;
use notary_tests::world::{Person, World};
use serde_json::Value;

use crate::release::Release;

const BAD: &str = "how to be harmed";

/// The only key of somebody.
fn key_of(who: &Person) -> String {
    let keys = who.notary("key list --json").json();
    keys["keys"][0]["keyid"].as_str().expect("the id of the key").to_owned()
}

/// A file of the collection as it is served now.
fn served(world: &World, name: &str) -> Value {
    world.http(None).get(&format!("/v2/acme/app/_trust/tuf/{name}.json")).json()
}

fn revoke(who: &Person, key: &str, options: &str) -> Value {
    who.notary(&format!("revoke acme/app {key} --reason stolen --json {options}")).json()
}

impl Release {
    /// The manager has a key of `docs`, too, and has published with it what is there.
    fn shared() -> Release {
        let release = Release::publish();
        let manager = &release.manager;
        let office = manager.new_key();
        manager.notary(&format!("rotate acme/app docs --new-key {office}")).done();
        manager.notary("witness acme/app docs --publish").done();
        release
    }

    /// Whoever has the key of the team publishes with it.
    fn harm(&self) -> String {
        self.team.file("bad.txt", BAD);
        self.team.notary("add acme/app docs/guide.txt bad.txt --publish").done();
        self.team.notary("add acme/app docs/evil.txt bad.txt --publish").done();
        self.require(BAD);
        key_of(&self.team)
    }

    /// What clients take for the guide.
    #[track_caller]
    fn require(&self, content: &str) {
        let name = format!("agent-{}", self.world.http(None).get("/healthz").status);
        let agent = match self.world.directory().join(&name).exists() {
            true => self.agent(&format!("agent-{}", self.manager.new_key())),
            false => self.agent(&name),
        };
        agent.file("guide.txt", content);
        agent.notary("verify acme/app docs/guide.txt guide.txt").done();
    }

    fn first_root(&self) -> Vec<u8> {
        self.world.http(None).get("/v2/acme/app/_trust/tuf/1.root.json").body
    }
}

/// Clients look up a target all the time while something happens, and meet no error.
fn unnoticed(world: &World, root: Vec<u8>, name: &str, happens: impl FnOnce() + Send) {
    let poller = Poller::start(world, "acme/app", root, name);
    let directory = world.directory().join("ngclient");
    std::fs::create_dir(&directory).expect("a new directory");
    let question = world.question("acme/app", &[name]);
    let mut python = NgClient::start();
    thread::scope(|scope| {
        let happening = scope.spawn(|| {
            poller.refreshed_again();
            happens();
            poller.refreshed_again();
        });
        while !happening.is_finished() {
            let verdict = python.ask_again(&question, &directory);
            assert!(verdict.values().all(Result::is_ok), "{verdict:?}");
        }
        happening.join().expect("it happened");
    });
    assert_eq!(poller.stop().errors, Vec::<String>::new());
}

#[test]
fn clients_see_what_a_thief_published_go_and_no_error() {
    let release = Release::shared();
    let stolen = release.harm();
    unnoticed(&release.world, release.first_root(), "docs/guide.txt", || {
        let report = revoke(&release.manager, &stolen, "");
        let docs = &report["roles"][1];
        assert_eq!(
            (&docs["role"], &docs["version"], &docs["content_of"]),
            (&"docs".into(), &6.into(), &3.into()),
            "{report:#}"
        );
        let mut signed: Vec<_> = report["signed_targets"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|t| {
                (
                    t["name"].as_str().expect("a name"),
                    t["introduced"] == true,
                    t["still_published"] == true,
                )
            })
            .collect();
        signed.sort_unstable();
        assert_eq!(
            signed,
            [
                ("docs/evil.txt", true, false),
                ("docs/guide.txt", true, false),
                ("docs/guide.txt", true, true),
            ],
            "{report:#}"
        );
    });
    release.require("how to use it");
    release.team.notary("add acme/app docs/evil.txt bad.txt --publish").exits(2);
    let again = revoke(&release.manager, &stolen, "");
    assert_eq!((&again["roles"], &again["listed"]), (&Value::Array(vec![]), &Value::Array(vec![])));
}

#[test]
fn a_role_without_another_key_is_taken_over_or_taken_out() {
    for taken_over in [true, false] {
        let release = Release::publish();
        let stolen = release.harm();
        let manager = &release.manager;
        let asked = format!("revoke acme/app {stolen} --reason stolen");
        if taken_over {
            let own = manager.new_key();
            let asked = format!("{asked} --new-key {own}");
            let refused = manager.notary(&asked).exits(2);
            assert!(refused.contains("no version of docs stands"), "{refused}");
            // docs 2 is the last one of the team.
            manager.notary(&format!("{asked} --restore 2")).done();
            release.require("how to use it");
            manager.notary("add acme/app docs/more.txt app.tgz --publish --role docs").done();
        } else {
            let refused = manager.notary(&asked).exits(2);
            assert!(refused.contains("take out the delegation to docs"), "{refused}");
            manager.notary(&format!("{asked} --yes")).done();
            release.agent("reader").notary("lookup acme/app docs/guide.txt").exits(5);
        }
        release.agent("other").notary("lookup acme/app docs/evil.txt").exits(5);
        release.agent("third").notary("lookup acme/app app.tgz").done();
    }
}

#[test]
fn one_of_three_keys_of_which_two_sign_is_left_out() {
    let release = Release::publish();
    let manager = &release.manager;
    let [first, second, third] = [(); 3].map(|()| manager.new_key());
    let old = key_of(&release.team);
    let keys = [&first, &second, &third].map(|key| format!("--new-key {key}")).join(" ");
    let rotate = format!("rotate acme/app docs {keys} --drop-key {old} --threshold 2 --yes");
    manager.notary(&rotate).done();
    manager.file("bad.txt", BAD);
    // The second holder has signed what the thief of the first has shown.
    let bad = "add acme/app docs/guide.txt bad.txt --publish --role docs";
    manager.notary(&format!("{bad} --key {first} --key {second}")).done();
    release.require(BAD);
    let root = release.first_root();
    unnoticed(&release.world, root, "docs/guide.txt", || {
        let report = revoke(manager, &first, "");
        assert_eq!(report["roles"][1]["content_of"], 3, "{report:#}");
    });
    release.require("how to use it");
    let docs = &served(&release.world, "targets")["signed"]["delegations"]["roles"][0];
    assert_eq!(
        (docs["threshold"].as_u64(), docs["keyids"].as_array().map(Vec::len)),
        (Some(2), Some(2))
    );
}

#[test]
fn what_the_thief_delegated_to_goes_with_it() {
    let release = Release::shared();
    // With a token that covers more than the role.
    let thief = release.world.person("thief", "publish --collection acme/app");
    thief.notary(&format!("trust add acme/app --sha256 {}", release.root_sha256)).done();
    thief.run(thief.shell("cp -r ../docs/trust/keys trust/keys")).done();
    let stolen = key_of(&release.team);
    let planted = thief.new_key();
    thief
        .notary(&format!("delegation request acme/app evil --key {planted} -o evil.request"))
        .done();
    let add = "delegation add acme/app evil --parent docs --request evil.request --path docs/*";
    thief.notary(&format!("{add} --publish")).done();
    thief.file("bad.txt", BAD);
    let bad = "add acme/app docs/bad.txt bad.txt --role evil --publish";
    thief.notary(&format!("{bad} --key {planted}")).done();
    let agent = release.agent("agent");
    agent.notary("lookup acme/app docs/bad.txt").done();
    let report = revoke(&release.manager, &stolen, "");
    assert_eq!(report["left_behind"], serde_json::json!(["evil"]), "{report:#}");
    assert_eq!(report["came_with_it"][0]["keyid"], planted.as_str(), "{report:#}");
    agent.notary("lookup acme/app docs/bad.txt").exits(5);
    release.require("how to use it");
}

#[test]
fn what_somebody_has_signed_again_stays_and_is_told() {
    let release = Release::shared();
    let manager = &release.manager;
    let stolen = release.harm();
    manager.notary("witness acme/app docs --publish").done();
    let report = revoke(manager, &stolen, "");
    let targets = report["signed_targets"].as_array().expect("a list");
    let evil = targets.iter().find(|one| one["name"] == "docs/evil.txt").expect("it is told");
    assert_eq!((&evil["introduced"], &evil["still_published"]), (&true.into(), &true.into()));
    release.require(BAD);
    // The version in which the key was not needed is the present one: nothing goes back by itself.
    manager.notary("remove acme/app docs/evil.txt --publish").done();
}

/// A collection of its own whose root and targets have these keys.
fn with_keys(option: &str, count: usize, others: &str) -> (World, Person, Vec<String>) {
    let world = World::start();
    let manager = world.person("manager", "admin --collection acme/**");
    let keys: Vec<String> = (0..count).map(|_| manager.new_key()).collect();
    let named: Vec<String> = keys.iter().map(|key| format!("{option} {key}")).collect();
    manager.notary(&format!("init acme/app {others} {}", named.join(" "))).done();
    manager.file("app.tgz", "the release");
    (world, manager, keys)
}

fn first_root(world: &World) -> Vec<u8> {
    world.http(None).get("/v2/acme/app/_trust/tuf/1.root.json").body
}

#[test]
fn a_stolen_key_of_targets_leaves_without_its_targets() {
    let (world, manager, keys) = with_keys("--targets-key", 2, "");
    let add = |content: &str, key: &str| {
        manager.file("app.tgz", content);
        manager.notary(&format!("add acme/app app.tgz app.tgz --publish --key {key}")).done();
    };
    add("the release", &keys[1]);
    add("a trap", &keys[0]);
    unnoticed(&world, first_root(&world), "app.tgz", || {
        let report = revoke(&manager, &keys[0], "");
        assert_eq!(report["roles"][0]["content_of"], 2, "{report:#}");
        assert_eq!(report["root_version"], 2, "{report:#}");
    });
    manager.file("app.tgz", "the release");
    manager.notary("verify acme/app app.tgz app.tgz").done();
    let targets = &served(&world, "root")["signed"]["roles"]["targets"];
    assert_eq!(targets["keyids"], serde_json::json!([keys[1]]));
}

#[test]
fn the_only_key_of_targets_is_replaced_and_never_left_out() {
    let (world, manager, keys) = with_keys("--targets-key", 1, "");
    manager.notary("add acme/app app.tgz app.tgz --publish").done();
    let refused = manager.notary(&format!("revoke acme/app {} --reason stolen", keys[0])).exits(2);
    assert!(refused.contains("targets would have no key left"), "{refused}");
    let own = manager.new_key();
    revoke(&manager, &keys[0], &format!("--new-key {own} --reviewed 2"));
    manager.notary("verify acme/app app.tgz app.tgz").done();
    let targets = &served(&world, "root")["signed"]["roles"]["targets"];
    assert_eq!(targets["keyids"], serde_json::json!([own]));
}

#[test]
fn a_stolen_root_key_goes_by_the_signatures_of_the_others() {
    let (world, manager, keys) = with_keys("--root-key", 3, "--root-threshold 2");
    manager.notary("add acme/app app.tgz app.tgz --publish").done();
    unnoticed(&world, first_root(&world), "app.tgz", || {
        let report = revoke(&manager, &keys[0], "");
        assert_eq!(report["root_version"], 2, "{report:#}");
    });
    let root = &served(&world, "root")["signed"]["roles"]["root"];
    assert_eq!(
        (&root["keyids"], root["threshold"].as_u64()),
        (&serde_json::json!(keys[1..]), Some(2))
    );
    // Of two keys that both must sign, none can go.
    let refused = manager.notary(&format!("revoke acme/app {} --reason stolen", keys[1])).exits(2);
    assert!(refused.contains("root would have 1 keys and ask for 2"), "{refused}");
    let own = manager.new_key();
    revoke(&manager, &keys[1], &format!("--new-key {own}"));
}

#[test]
fn an_online_key_is_replaced_by_another_of_the_signer() {
    let release = Release::publish();
    for role in ["timestamp", "snapshot"] {
        let keys = || served(&release.world, "root")["signed"]["roles"][role]["keyids"].clone();
        let before = keys();
        let stolen = before[0].as_str().expect("an id");
        let report = revoke(&release.manager, stolen, "");
        assert_eq!(report["listed"][0]["role"], role, "{report:#}");
        assert_ne!(keys(), before);
        release.require("how to use it");
        let again = revoke(&release.manager, stolen, "");
        assert_eq!(again["root_version"], Value::Null, "{again:#}");
    }
}

#[test]
fn all_bins_go_back_to_what_stood_without_the_key() {
    let (world, manager, _) = with_keys("--targets-key", 1, "");
    manager.notary("add acme/app app.tgz app.tgz --publish").done();
    let [own, stolen] = [(); 2].map(|()| manager.new_key());
    let bins = "delegation bins acme/app targets --count 4 --prefix bin --succinct";
    manager.notary(&format!("{bins} --key {own}")).done();
    manager.notary(&format!("rotate acme/app targets --bins --new-key {stolen}")).done();
    manager.file("bad.tgz", "a trap");
    manager.notary(&format!("add acme/app app.tgz bad.tgz --publish --key {stolen}")).done();
    unnoticed(&world, first_root(&world), "app.tgz", || {
        let report = revoke(&manager, &stolen, "");
        assert_eq!(report["roles"].as_array().map(Vec::len), Some(2), "{report:#}");
    });
    manager.notary("verify acme/app app.tgz app.tgz").done();
}

fn waiting(goes_on: &str) {
    let release = Release::publish();
    let (manager, team) = (&release.manager, &release.team);
    let writer = release.world.person("writer", "publish --collection acme/app --role docs");
    writer.notary(&format!("trust add acme/app --sha256 {}", release.root_sha256)).done();
    let own = writer.new_key();
    writer.notary(&format!("key export {own} --public -o ../writer.pem")).done();
    manager.notary("rotate acme/app docs --new-key ../writer.pem").done();
    writer.notary("witness acme/app docs --publish").done();
    let stolen = release.harm();
    let asked = format!("revoke acme/app {stolen} --reason stolen --json");
    let waits = manager.notary(&asked);
    assert_eq!(waits.code(), 6, "{waits}");
    let report: Value = serde_json::from_str(&waits.stdout()).expect("a report");
    // The thief cannot publish meanwhile, and clients still see what was there.
    team.file("more.txt", BAD);
    let refused = team.notary("add acme/app docs/more.txt more.txt --publish");
    assert_ne!(refused.code(), 0, "{refused}");
    release.require(BAD);
    let id = report["proposal"]["id"].as_str().expect("its id");
    match goes_on {
        "the other holder signs" => {
            writer.notary(&format!("proposal sign acme/app {id} --yes")).done();
        }
        _ => {
            let home = manager.new_key();
            let asked = format!("{asked} --new-key {home}");
            manager.notary(&asked).exits(6);
            manager.notary(&format!("proposal cancel acme/app {id} --yes")).done();
            manager.notary(&format!("{asked} --second-content")).done();
        }
    }
    release.require("how to use it");
    assert!(manager.notary(&asked.replace(" --json", "")).done().contains("nothing is left to do"));
}

#[test]
fn what_others_have_to_sign_waits_for_them_or_is_taken_over() {
    for goes_on in ["the other holder signs", "somebody else takes over"] {
        waiting(goes_on);
    }
}

#[test]
fn what_a_crash_has_left_undone_is_done_by_the_same_command() {
    let mut release = Release::shared();
    let stolen = release.harm();
    let asked = format!("revoke acme/app {stolen} --reason stolen --timeout 3");
    release.world.server.restart_until("after_prepare");
    let failed = release.manager.notary(&asked);
    assert_eq!(failed.code(), 4, "{failed}");
    release.world.server.aborted();
    release.world.server.restart();
    release.manager.notary(&asked).done();
    release.require("how to use it");
    let nothing = release.manager.notary(&asked).done();
    assert!(nothing.contains("nothing is left to do"), "{nothing}");
}
