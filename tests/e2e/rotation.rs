//! Do clients see a rotation as if nothing had happened?

use std::thread;

use notary_tests::agent::{Agent, Fetched};
use notary_tests::judge::NgClient;
use notary_tests::poller::Poller;

use crate::release::Release;

impl Release {
    fn root(&self) -> Vec<u8> {
        self.world.http(None).get("/v2/acme/app/_trust/tuf/1.root.json").body
    }

    /// The ids that the newest root lists for a role.
    fn keys_of(&self, role: &str) -> Vec<String> {
        let root = self.world.http(None).get("/v2/acme/app/_trust/tuf/root.json").json();
        let ids = root["signed"]["roles"][role]["keyids"].as_array().expect("a list");
        ids.iter().map(|id| id.as_str().expect("an id").to_owned()).collect()
    }

    /// Replaces all keys of a role.
    fn rotate(&self, role: &str, options: &str) {
        let mut command = format!("rotate acme/app {role} {options}");
        if matches!(role, "root" | "targets") {
            command += &format!(" --new-key {}", self.manager.new_key());
            for old in self.keys_of(role) {
                command += &format!(" --drop-key {old}");
            }
        }
        let before = self.keys_of(role);
        self.manager.notary(&command).done();
        let after = self.keys_of(role);
        assert!(after.len() == 1 && before != after, "{role}: {before:?}, {after:?}");
    }

    /// A client that finds no newer root, and does this before it asks for anything else; answers
    /// whether it finds the target.
    fn caught_between(&self, agent: &mut Agent, meanwhile: impl FnOnce()) -> Result<(), String> {
        let http = self.world.http(None);
        let mut meanwhile = Some(meanwhile);
        let fetch = |name: &str| {
            let answer = http.get(&format!("/v2/acme/app/_trust/tuf/{name}"));
            match answer.status {
                200 => Fetched::File(answer.body),
                404 => {
                    meanwhile.take().into_iter().for_each(|meanwhile| meanwhile());
                    Fetched::NotFound
                }
                status => Fetched::Failed(format!("status {status}")),
            }
        };
        let found = agent.find("docs/guide.txt", self.world.clock.now(), fetch);
        assert!(meanwhile.is_none(), "every client asks for a root that is not there");
        found.map(|found| assert!(found.is_some())).map_err(|error| error.to_string())
    }
}

const ROLES: [&str; 4] = ["timestamp", "snapshot", "targets", "root"];

#[test]
fn clients_that_refresh_all_the_time_notice_no_rotation() {
    let release = Release::publish();
    let poller = Poller::start(&release.world, "acme/app", release.root(), "docs/guide.txt");
    let directory = release.world.directory().join("ngclient");
    std::fs::create_dir(&directory).expect("a new directory");
    let question = release.world.question("acme/app", &["app.tgz", "docs/guide.txt"]);
    let mut python = NgClient::start();
    thread::scope(|scope| {
        let rotations = scope.spawn(|| {
            for role in ROLES {
                poller.refreshed_again();
                release.rotate(role, "");
                poller.refreshed_again();
            }
        });
        while !rotations.is_finished() {
            let verdict = python.ask_again(&question, &directory);
            assert!(verdict.values().all(Result::is_ok), "{verdict:?}");
        }
        rotations.join().expect("every rotation is done");
    });
    assert_eq!(poller.stop().errors, Vec::<String>::new());
}

#[test]
fn a_client_that_has_the_root_before_trusts_the_files_after_a_rotation() {
    let release = Release::publish();
    for role in ROLES {
        let mut agent = Agent::pinned(&release.root());
        release.caught_between(&mut agent, || release.rotate(role, "")).expect(role);
        release.caught_between(&mut agent, || ()).expect(role);
    }
}

#[test]
fn a_client_that_meets_a_compromised_key_being_replaced_fails_once() {
    for role in ["timestamp", "snapshot", "targets"] {
        let release = Release::publish();
        let mut agent = Agent::pinned(&release.root());
        let met = release.caught_between(&mut agent, || release.rotate(role, "--compromised"));
        let refused = met.expect_err("the old key signs nothing more");
        assert!(refused.contains(role), "{refused}");
        release.caught_between(&mut agent, || ()).expect(role);
    }
}

#[test]
fn the_whole_root_set_is_replaced_at_once_by_those_who_hold_both() {
    let release = Release::publish();
    let keys: Vec<String> = (0..3).map(|_| release.manager.new_key()).collect();
    let old = release.keys_of("root");
    let new: Vec<String> = keys.iter().map(|key| format!("--new-key {key}")).collect();
    let swap =
        format!("rotate acme/app root --threshold 2 --drop-key {} {}", old[0], new.join(" "));
    release.manager.notary(&swap).done();
    assert_eq!(release.keys_of("root"), keys);
    // Two of the three are enough from now on, and the key before is worth nothing.
    let drop = format!("rotate acme/app root --drop-key {}", keys[2]);
    release.manager.notary(&format!("{drop} --key {} --key {}", old[0], keys[0])).exits(6);
    let open = release.manager.notary("proposal list acme/app --json").json();
    let id = open["proposals"][0]["id"].as_str().expect("what one has signed waits for another");
    release.manager.notary(&format!("proposal sign acme/app {id} --yes --key {}", keys[1])).done();
    assert_eq!(release.keys_of("root"), keys[..2]);
    release.agent("agent").notary("lookup acme/app app.tgz").done();
}

#[test]
fn clients_that_refresh_all_the_time_notice_no_rotation_of_a_team_or_of_its_bins() {
    let release = Release::publish();
    let [first, second] = [(); 2].map(|()| release.manager.new_key());
    let poller = Poller::start(&release.world, "acme/app", release.root(), "docs/guide.txt");
    let old = release.team.notary("key list --json").json();
    let old = old["keys"][0]["keyid"].as_str().expect("the id of the key");
    let steps = [
        // The team goes on with its own key, in steps; then the manager takes the role over at once.
        (&release.manager, format!("rotate acme/app docs --new-key {first}")),
        (&release.manager, format!("rotate acme/app docs --drop-key {old} --yes")),
        (&release.manager, "delegation bins acme/app docs --count 16".to_owned()),
        (
            &release.manager,
            format!("rotate acme/app docs --bins --new-key {second} --drop-key {first} --yes"),
        ),
        (&release.manager, "witness acme/app docs --bins --publish".to_owned()),
    ];
    for (who, command) in steps {
        poller.refreshed_again();
        who.notary(&command).done();
    }
    poller.refreshed_again();
    assert_eq!(poller.stop().errors, Vec::<String>::new());
}

#[test]
fn clients_that_refresh_all_the_time_notice_nothing_of_declared_delegations() {
    let release = Release::publish();
    let [first, second] = [(); 2].map(|()| release.manager.new_key());
    let poller = Poller::start(&release.world, "acme/app", release.root(), "docs/guide.txt");
    let team = format!("keys: [{first}, {second}]");
    let taken_over = format!("{{name: docs, paths: [\"docs/*\"], {team}, threshold: 2}}");
    let tools = format!("{{name: tools, paths: [\"tools/*\"], {team}, pending: true}}");
    let wider = taken_over.replace("[\"docs/*\"]", "[\"docs/*\", \"doc/*\"]");
    for roles in [
        format!("[{taken_over}]"),
        format!("[{taken_over}, {tools}]"),
        format!("[{tools}, {wider}]"),
        format!("[{wider}]"),
    ] {
        release.manager.file("delegations.yaml", format!("roles: {roles}\n"));
        poller.refreshed_again();
        release.manager.notary("delegation plan acme/app -f delegations.yaml").exits(7);
        release.manager.notary("delegation apply acme/app -f delegations.yaml --yes").done();
        release.manager.notary("delegation plan acme/app -f delegations.yaml").done();
        poller.refreshed_again();
    }
    assert_eq!(poller.stop().errors, Vec::<String>::new());
}

#[test]
fn two_managers_at_once_change_delegations_and_both_are_heard() {
    let release = Release::publish();
    release.team("tools");
    let [first, second] = [(); 2].map(|()| release.manager.new_key());
    let other = release.manager.twin("other");
    let docs = format!("rotate acme/app docs --new-key {first}");
    let tools = format!("rotate acme/app tools --new-key {second}");
    thread::scope(|scope| {
        scope.spawn(|| release.manager.notary(&docs).done());
        scope.spawn(|| other.notary(&tools).done());
    });
    let list = release.agent("agent").notary("delegation list acme/app --json").json();
    let delegations = list["delegations"].as_array().expect("a list");
    let keys = |list: &serde_json::Value| list["delegation"]["keyids"].as_array().map(Vec::len);
    assert_eq!(delegations.iter().map(keys).collect::<Vec<_>>(), [Some(2), Some(2)], "{list}");
}
