//! A server whose database is set back to yesterday's copy, while clients poll: nobody accepts an older
//! state, people bring back what they have, and afterwards all is as it was.

use std::thread;

use chrono::TimeDelta;
use notary_tests::judge::NgClient;
use notary_tests::poller::Poller;
use notary_tests::world::{Person, Program, World, wait_for};
use serde_json::{Value, json};

use crate::release::Release;

fn file(world: &World, name: &str) -> (u16, Vec<u8>) {
    let answer = world.http(None).get(&format!("/v2/acme/app/_trust/tuf/{name}"));
    (answer.status, answer.body)
}

fn version(world: &World, name: &str) -> u64 {
    let file: Value = serde_json::from_slice(&file(world, name).1).expect("metadata");
    file["signed"]["version"].as_u64().expect("a version")
}

fn info(world: &World) -> Value {
    world.http(None).get("/v2/acme/app/_trust/").json()
}

/// The names of the lost files.
fn lost(world: &World) -> Vec<String> {
    let info = info(world);
    let lost = info["lost"].as_array().into_iter().flatten();
    lost.map(|lost| lost["name"].as_str().expect("a name").to_owned()).collect()
}

/// What `repair` says by its exit code: 0 whole, 7 something is missing.
fn repair(who: &Person, options: &str) -> i32 {
    who.notary(&format!("repair acme/app {options}")).code()
}

/// The server forgot the token of this team, which is younger than the copy: it gets another one.
fn with_new_token(world: &World, team: &Person) -> String {
    let token = world.token("publish --collection acme/app --role code");
    format!("--token-file {}", team.file("token", token))
}

fn publish(who: &Person, name: &str, content: &str) {
    let local = name.replace('/', "-");
    who.file(&local, content);
    who.notary(&format!("add acme/app {name} {local} --copy-to ../files --publish")).done();
}

/// Yesterday: app.tgz and docs/guide.txt, and hash bins below targets. Since then: a new team `code`,
/// another root, another timestamp key, more of docs, and a name in a bin.
fn set_back() -> (Release, Person) {
    let mut release = Release::publish();
    release.world.back_up();
    publish(&release.manager, "app.tgz", "the second release");
    release.manager.notary("rotate acme/app timestamp").done();
    let code = release.team("code");
    publish(&code, "code/a.txt", "a");
    publish(&release.team, "docs/guide.txt", "how to use it, again");
    (release, code)
}

#[test]
fn whoever_polls_sees_no_older_state_and_after_the_repair_no_error() {
    let (mut release, code) = set_back();
    let root = file(&release.world, "1.root.json").1;
    let directory = release.world.directory().join("ngclient");
    std::fs::create_dir(&directory).expect("a new directory");
    let question = release.world.question("acme/app", &["app.tgz", "docs/guide.txt", "code/a.txt"]);
    let mut python = NgClient::start();
    assert!(python.ask_again(&question, &directory).values().all(Result::is_ok));
    let poller = Poller::start(&release.world, "acme/app", root.clone(), "docs/guide.txt");
    poller.refreshed_again();
    let trusted = |name: &str| -> u64 {
        let file = std::fs::read(directory.join(name)).expect("what the client trusts");
        serde_json::from_slice::<Value>(&file).expect("metadata")["signed"]["version"]
            .as_u64()
            .expect("a version")
    };
    let seen = [trusted("timestamp.json"), trusted("snapshot.json"), trusted("targets.json")];

    release.world.set_back();
    assert_eq!(lost(&release.world), ["code", "docs", "targets"]);
    assert_eq!(info(&release.world)["lost_root"], true);
    // Who has the files needs them no more; who starts anew does.
    let known = python.ask_again(&question, &directory);
    assert!(known.values().all(Result::is_ok), "{known:?}");
    let new = python.ask(&question);
    assert!(new.values().all(Result::is_err), "targets is lost: {new:?}");
    let then = [trusted("timestamp.json"), trusted("snapshot.json"), trusted("targets.json")];
    assert!(then.iter().zip(seen).all(|(then, seen)| *then >= seen), "{seen:?} {then:?}");
    assert_eq!(file(&release.world, "docs.json").0, 404);

    // Everybody brings what they have; the manager holds the roots.
    assert_eq!(repair(&release.team, ""), 7);
    assert_eq!(lost(&release.world), ["code", "targets"]);
    assert_eq!(repair(&release.manager, ""), 7);
    assert_eq!(lost(&release.world), ["code"]);
    assert!(info(&release.world)["lost_root"].is_null());
    code.notary("repair acme/app").exits(7);
    assert_eq!(lost(&release.world), ["code"], "its token is lost, too");
    assert_eq!(repair(&code, &with_new_token(&release.world, &code)), 0);
    assert_eq!(repair(&release.manager, ""), 0, "and again");

    let found = python.ask_again(&question, &directory);
    assert!(found.values().all(Result::is_ok), "{found:?}");
    poller.refreshed_again();
    let polled = poller.stop();
    // While targets was lost, look-ups failed; no older state was ever taken for the newest.
    let other = polled.errors.iter().find(|error| {
        !["targets.json", "timestamp", "docs"].iter().any(|known| error.contains(known))
    });
    assert_eq!(other, None);
    let poller = Poller::start(&release.world, "acme/app", root, "docs/guide.txt");
    poller.refreshed_again();
    publish(&release.team, "docs/guide.txt", "the third");
    publish(&release.manager, "app.tgz", "the third release");
    release.manager.notary("rotate acme/app snapshot").done();
    poller.refreshed_again();
    assert_eq!(poller.stop().errors, Vec::<String>::new());
    let found = python.ask_again(&question, &directory);
    assert!(found.values().all(Result::is_ok), "{found:?}");
}

#[test]
fn a_root_that_a_waiting_key_was_made_for_is_noticed_and_its_clients_go_on() {
    let mut release = Release::publish();
    let admin = release.world.token("admin --collection acme/**");
    let key = "/v2/acme/app/_trust/keys/snapshot?rotate=true";
    let made = release.world.http(Some(&admin)).post(key, &json!({}));
    assert_eq!(made.json()["state"], "pending");
    release.world.back_up();
    release.manager.notary("rotate acme/app snapshot").done();
    publish(&release.manager, "app.tgz", "the second release");
    let agent = release.agent("agent");
    agent.notary("lookup acme/app app.tgz").done();
    release.world.clock.advance(TimeDelta::days(2));
    publish(&release.manager, "app.tgz", "the third release");
    release.world.set_back();
    let told = release.manager.notary("info acme/app --check");
    assert_eq!(told.code(), 7, "{told}");
    assert!(told.stdout().contains("LOST: a root after root 1"), "{told}");
    assert_eq!(repair(&release.manager, ""), 0);
    agent.notary("lookup acme/app app.tgz").done();
}

#[test]
fn until_its_signer_is_there_a_restored_server_tells_nobody_that_it_is_whole() {
    let (mut release, code) = set_back();
    release.world.server.kill();
    release.world.signer.kill();
    let backup = release.world.directory().join("backup.sqlite");
    release.world.operate(Program::Server, &format!("restore {} --replace", backup.display()));
    release.world.server.restart();
    let told = release.manager.notary("info acme/app --check");
    assert_eq!(told.code(), 7, "{told}");
    assert!(told.stdout().contains("NOT COMPARED with the signer"), "{told}");
    let shown = release.manager.notary("info acme/app");
    assert!(shown.stdout().contains("NOT COMPARED with the signer"), "{shown}");
    release.world.signer.restart();
    let lost = wait_for("the server to compare", || {
        let told = release.manager.notary("info acme/app --check");
        (!told.stdout().contains("NOT COMPARED")).then_some(told)
    });
    assert_eq!(lost.code(), 7, "{lost}");
    assert!(lost.stdout().contains("LOST: a root after root 1"), "{lost}");
    assert_eq!(repair(&release.team, ""), 7);
    assert_eq!(repair(&release.manager, ""), 7);
    assert_eq!(repair(&code, &with_new_token(&release.world, &code)), 0);
}

#[test]
fn two_repair_at_once_and_the_server_dies_in_the_middle() {
    let (mut release, code) = set_back();
    release.world.set_back();
    release.world.server.restart_until("timestamp_signed");
    let impatient = release.manager.notary("repair acme/app --timeout 1");
    assert_ne!(impatient.code(), 0);
    release.world.server.aborted();
    release.world.server.restart();
    thread::scope(|scope| {
        for who in [&release.manager, &release.team, &code] {
            scope.spawn(move || assert!([0, 7].contains(&repair(who, ""))));
        }
    });
    repair(&release.manager, "");
    repair(&code, &with_new_token(&release.world, &code));
    assert_eq!(lost(&release.world), [""; 0]);
    assert_eq!(repair(&release.team, ""), 0);
}

#[test]
fn an_agent_s_directory_and_an_export_hold_what_nobody_else_has() {
    let (mut release, _) = set_back();
    let agent = release.agent("agent");
    agent.notary("export acme/app site").done();
    release.world.set_back();
    // The agent may not publish; the manager has its directory, and nothing of his own.
    let manager = release.world.person("other", "admin --collection acme/**");
    manager.notary(&format!("trust add acme/app --sha256 {}", release.root_sha256)).done();
    assert_eq!(repair(&manager, ""), 7);
    assert_eq!(repair(&manager, "--metadata-dir ../agent/site"), 0);
    release.agent("reader").notary("lookup acme/app code/a.txt").done();
}

/// Neither the targets that somebody trusts nor what they have published is on their disk any more.
fn forget_targets(who: &Person) {
    let collection = who.directory().join("trust/collections/acme/app");
    std::fs::remove_file(collection.join("_trusted/targets.json")).expect("what they trust");
    std::fs::remove_dir_all(collection.join("_published")).ok();
}

#[test]
fn targets_that_nobody_has_go_on_above_the_lost_version() {
    let mut release = Release::publish();
    release.world.back_up();
    publish(&release.manager, "app.tgz", "lost");
    let seen = version(&release.world, "targets.json");
    forget_targets(&release.manager);
    release.world.set_back();
    assert_eq!(lost(&release.world), ["targets"]);
    assert_eq!(repair(&release.manager, ""), 7);
    // Who may sign below it is not known before.
    release.team.file("guide.txt", "a new one");
    forget_targets(&release.team);
    let early = release.team.notary("add acme/app docs/guide.txt guide.txt --publish");
    assert_eq!(early.code(), 5, "{early}");
    assert!(early.stderr().contains("notary witness acme/app targets --publish"), "{early}");
    for role in ["timestamp", "targets"] {
        let rotated = release.manager.notary(&format!("rotate acme/app {role}"));
        assert_eq!(rotated.code(), 5, "{rotated}");
        let next = format!("targets {seen} of acme/app is lost: whoever has it brings it back");
        assert!(rotated.stderr().contains(&next), "{rotated}");
        assert!(rotated.stderr().contains("notary repair acme/app"), "{rotated}");
    }

    let witness = release.manager.notary("witness acme/app targets --publish");
    assert_eq!(witness.code(), 0, "{witness}");
    let told = "is not in it";
    assert_eq!(witness.stderr().matches(told).count(), 1, "{witness}");
    assert_eq!(version(&release.world, "targets.json"), seen + 1);
    assert_eq!(repair(&release.manager, ""), 0);
    publish(&release.team, "docs/guide.txt", "a newer one");
    release.agent("reader").notary("lookup acme/app docs/guide.txt").done();
}

/// Two have to sign targets, whose last version is lost for good. Answers who signs as the second, and
/// that version.
fn lost_to_two(release: &mut Release) -> (Person, u64) {
    let second = release.world.person("second", "publish --collection acme/app");
    second.notary(&format!("trust add acme/app --sha256 {}", release.root_sha256)).done();
    let keyid = second.new_key();
    second.notary(&format!("key export {keyid} --public -o ../second.pem")).done();
    let both = "rotate acme/app targets --new-key ../second.pem --threshold 2";
    release.manager.notary(both).exits(6);
    second.notary("proposal sign acme/app --yes").done();
    release.world.back_up();
    release.manager.file("app.tgz", "lost");
    release.manager.notary("add acme/app app.tgz app.tgz --publish").exits(6);
    second.notary("proposal sign acme/app --yes").done();
    let seen = version(&release.world, "targets.json");
    release.world.set_back();
    for who in [&release.manager, &second] {
        forget_targets(who);
    }
    assert_eq!(lost(&release.world), ["targets"]);
    (second, seen)
}

#[test]
fn targets_that_two_have_to_sign_go_on_by_a_proposal() {
    let mut release = Release::publish();
    let (second, seen) = lost_to_two(&mut release);
    release.manager.notary("witness acme/app targets --publish").exits(6);
    let signed = second.notary("proposal sign acme/app --yes");
    assert_eq!(signed.code(), 0, "{signed}");
    assert_eq!(version(&release.world, "targets.json"), seen + 1);
    assert_eq!(repair(&second, ""), 0);
}

#[test]
fn who_has_no_network_judges_what_goes_on_above_a_lost_version() {
    let mut release = Release::publish();
    let (second, seen) = lost_to_two(&mut release);
    let manager = &release.manager;
    manager.notary("witness acme/app targets --publish").exits(6);
    let all = manager.notary("proposal list acme/app --json").json();
    let mut all = all["proposals"].as_array().expect("a list").iter();
    let open = all.find(|one| one["state"] == "open").expect("one is open");
    let id = open["id"].as_str().expect("its id");
    manager.notary(&format!("proposal export acme/app {id} -o ../carried")).done();
    let sign = "proposal sign acme/app --file ../carried -o ../signatures --yes";
    let signed = second.notary(&format!("{sign} --server http://127.0.0.1:1/"));
    assert_eq!(signed.code(), 0, "{signed}");
    let told = format!("targets {seen} is lost: the next version is built on {}", seen - 1);
    assert!(signed.stderr().contains(&told), "{signed}");
    manager.notary("proposal import acme/app ../signatures").done();
    assert_eq!(version(&release.world, "targets.json"), seen + 1);
    assert_eq!(repair(manager, ""), 0);
}

#[test]
fn what_is_lost_for_good_is_published_anew_above_it() {
    let mut release = Release::publish();
    release.world.back_up();
    publish(&release.team, "docs/guide.txt", "lost");
    let seen = version(&release.world, "docs.json");
    std::fs::remove_dir_all(release.team.directory().join("trust/collections/acme/app/_published"))
        .ok();
    release.world.set_back();
    assert_eq!(lost(&release.world), ["docs"]);
    release.manager.notary("lookup acme/app app.tgz").done();
    assert_eq!(repair(&release.team, ""), 7);
    publish(&release.team, "docs/guide.txt", "again");
    assert_eq!(version(&release.world, "docs.json"), seen + 1);
    assert_eq!(repair(&release.team, ""), 0);
    release.agent("reader").notary("lookup acme/app docs/guide.txt").done();
}
