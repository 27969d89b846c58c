//! Are names that are divided into hash bins found by every client, and published by those who may?

use notary_tests::agent::NOT_LISTED;
use notary_tests::judge::{self, NgClient, Question};
use notary_tests::poller::Poller;
use notary_tests::world::{Person, World};
use serde_json::Value;

use crate::release::{Release, TARGETS};

/// A manager's collection with twelve targets, `a/0` to `a/11`, of which each is as long as its name.
fn collection() -> (World, Person) {
    let world = World::start();
    let manager = world.person("manager", "admin --collection acme/**");
    manager.notary("init acme/app").done();
    for name in names() {
        manager.file(&name, &name);
    }
    manager.notary("add acme/app a/ a --recursive --publish").done();
    (world, manager)
}

fn names() -> Vec<String> {
    (0..12).map(|number| format!("a/{number}")).collect()
}

fn question(world: &World, names: &[&str]) -> Question {
    world.question("acme/app", names)
}

/// What was published by a command, without the online roles.
fn published(answer: &Value) -> Vec<&str> {
    let roles = answer["roles"].as_array().expect("the roles of the publish");
    roles.iter().map(|role| role["name"].as_str().expect("a name")).collect()
}

#[test]
fn targets_move_into_bins_and_every_client_finds_them_there() {
    for (kind, succinct) in [("", false), ("--succinct", true)] {
        let (world, manager) = collection();
        let bins = format!("delegation bins acme/app targets --count 16 {kind} --json");
        let divided = manager.notary(&bins).json();
        assert_eq!((&divided["moved"], &divided["count"]), (&12.into(), &16.into()), "{divided}");
        manager.file("b", "later");
        let added = manager.notary("add acme/app b b --publish --json").json();
        let one_bin = published(&added);
        assert!(one_bin.len() == 1 && one_bin[0].starts_with("targets-bin-"), "{added}");
        let removed = manager.notary("remove acme/app a/0 --publish --json").json();
        assert_eq!(published(&removed).len(), 1, "{removed}");
        let names = [&names()[1..], &["b".to_owned()]].concat();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let length = |name: &str| if name == "b" { 5 } else { name.len() as u64 };
        let all = names.iter().map(|name| ((*name).to_owned(), Ok(length(name)))).collect();
        assert_eq!(NgClient::start().ask(&question(&world, &names)), all, "{kind}");
        let gone = question(&world, &["a/0", "never"]);
        let nobody = NgClient::start().ask(&gone);
        assert!(nobody.values().all(|found| *found == Err(NOT_LISTED.into())), "{nobody:?}");
        if succinct {
            // tough reads no succinct bins: it sees delegations without roles.
            let refused = judge::tough(&question(&world, &names));
            assert!(refused.values().all(Result::is_err), "{refused:?}");
        } else {
            assert_eq!(judge::tough(&question(&world, &names)), all);
        }
        for name in &names {
            let found = manager.notary(&format!("lookup acme/app {name} --json")).json();
            assert!(found["role"].as_str().expect("a role").starts_with("targets-bin-"));
        }
        let listed = manager.notary("list acme/app --json").json();
        assert_eq!(listed["targets"].as_array().map(Vec::len), Some(names.len()));
        manager.notary("verify acme/app b b").done();
    }
}

#[test]
fn publishers_of_many_bins_do_not_stand_in_each_others_way() {
    let (world, manager) = collection();
    manager.notary("delegation bins acme/app targets --count 256 --succinct").done();
    let twins: Vec<Person> = (0..6).map(|n| manager.twin(&format!("twin{n}"))).collect();
    std::thread::scope(|scope| {
        for (n, twin) in twins.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..3 {
                    let name = format!("new/{n}-{round}");
                    twin.file(&name, &name);
                    twin.notary(&format!("add acme/app {name} {name} --publish")).done();
                }
            });
        }
    });
    let names: Vec<String> =
        (0..6).flat_map(|n| (0..3).map(move |round| format!("new/{n}-{round}"))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = NgClient::start().ask(&question(&world, &names));
    assert!(found.values().all(|found| *found == Ok(7)), "{found:?}");
}

#[test]
fn names_are_divided_anew_and_clients_that_hold_the_bins_of_before_go_on() {
    for kind in ["", "--succinct"] {
        let (world, manager) = collection();
        let names = names();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let divide = |count: u32| {
            let bins = format!("delegation bins acme/app targets --count {count} {kind} --json");
            manager.notary(&bins).json()
        };
        assert_eq!(divide(16)["moved"], 12);
        let root = world.http(None).get("/v2/acme/app/_trust/tuf/1.root.json").body;
        let poller = Poller::start(&world, "acme/app", root, "a/0");
        let directory = world.directory().join("ngclient");
        std::fs::create_dir(&directory).expect("a new directory");
        let mut python = NgClient::start();
        let ask = question(&world, &names);
        // Names of other bins, names that go on with other content, and names that come back.
        for (count, moved) in [256, 1_024, 16].into_iter().zip(12..) {
            poller.refreshed_again();
            let found = python.ask_again(&ask, &directory);
            assert!(found.values().all(Result::is_ok), "before {count}: {found:?}");
            // Somebody has staged a target in a bin of before.
            let twin = manager.twin(&format!("twin{count}"));
            let late = format!("late/{count}");
            twin.file(&late, &late);
            twin.notary(&format!("add acme/app {late} {late}")).done();
            let divided = divide(count);
            assert_eq!((&divided["moved"], &divided["count"]), (&moved.into(), &count.into()));
            twin.notary("publish acme/app").done();
            twin.notary(&format!("verify acme/app {late} {late}")).done();
            let found = python.ask_again(&ask, &directory);
            assert!(found.values().all(Result::is_ok), "{count}: {found:?}");
            poller.refreshed_again();
        }
        assert_eq!(poller.stop().errors, Vec::<String>::new());
        assert!(NgClient::start().ask(&ask).values().all(Result::is_ok), "a new client");
        manager.file("b", "later");
        let added = manager.notary("add acme/app b b --publish --json").json();
        assert_eq!(published(&added).len(), 1, "{added}");
        manager.notary("verify acme/app b b").done();
    }
}

#[test]
fn bins_stand_beside_team_roles_and_below_them() {
    let release = Release::publish();
    let refused =
        release.manager.notary("delegation bins acme/app targets --count 4 --succinct").exits(1);
    assert!(refused.contains("leave --succinct out"), "{refused}");
    release.manager.notary("delegation bins acme/app targets --count 4").done();
    let again = release.manager.notary("delegation bins acme/app targets --count 4").exits(1);
    assert!(again.contains("divided into these 4 bins already"), "{again}");
    let other =
        release.manager.notary("delegation bins acme/app targets --count 8 --succinct").exits(1);
    assert!(other.contains("leave out --succinct"), "{other}");
    // The team of docs divides its own names, with a token for the bins.
    let token = release.world.token("publish --collection acme/app --role docs --role docs-bin-*");
    let team = |arguments: &str| {
        let mut command = release.team.command(arguments);
        command.env("NOTARY_TOKEN", &token);
        release.team.run(command)
    };
    team("delegation bins acme/app docs --count 8 --succinct").done();
    release.team.file("more", "more");
    let added = team("add acme/app docs/more more --publish --json").json();
    assert!(published(&added)[0].starts_with("docs-bin-"), "{added}");
    let wrong = team("add acme/app app.tgz more --role docs").exits(1);
    assert!(wrong.contains("docs covers docs/* only"), "{wrong}");
    // A stranger's role may not be named like a bin of the team, nor delegated beside them.
    let request = "delegation request acme/app docs-bin-7 --key";
    let key = release.manager.new_key();
    release.manager.notary(&format!("{request} {key} -o request")).done();
    let add = "delegation add acme/app docs-bin-7 --request request --path x/*";
    let taken = release.manager.notary(&format!("{add} --publish")).exits(1);
    assert!(taken.contains("docs-bin-7"), "{taken}");
    release.manager.notary("reset acme/app").done();
    let beside = release.team.notary(
        "delegation add acme/app inner --key ../manager/none --pending --path docs/i --parent docs",
    );
    assert_ne!(beside.code(), 0, "{beside}");
    let names = ["app.tgz", "docs/guide.txt", "docs/more"];
    let lengths = [TARGETS[0].1.len(), TARGETS[1].1.len(), 4].map(|length| Ok(length as u64));
    let found = NgClient::start().ask(&question(&release.world, &names));
    assert_eq!(found.into_values().collect::<Vec<_>>(), lengths);
    let info = release.manager.notary("info acme/app --json").json();
    assert_eq!(info["bins"][0]["count"], 8, "{info}");
    let told = release.manager.notary("delegation list acme/app").done();
    assert!(told.contains("8 bins docs-bin-0 to docs-bin-7 by docs"), "{told}");
    assert!(told.contains("targets-bin-3 by targets"), "{told}");
}

#[test]
fn bins_that_cannot_be_are_refused_before_anything_is_sent() {
    let (_world, manager) = collection();
    for (arguments, code) in [
        ("targets --count 0", 2),
        ("targets --count 1", 2),
        ("targets --count 3", 2),
        ("targets --count 32768", 2),
        ("targets --count 4294967296", 2),
        ("targets", 2),
        ("targets --count 4 --threshold 2", 1),
        ("targets --count 4 --threshold 0", 2),
        ("targets --count 4 --prefix a/b", 2),
        ("targets --count 4 --prefix 1.x", 2),
        ("nobody --count 4", 5),
    ] {
        let refused = manager.notary(&format!("delegation bins acme/app {arguments}"));
        assert_eq!(refused.code(), code, "{refused}");
    }
    manager.file("x", "x");
    manager.notary("add acme/app x x").done();
    let staged = manager.notary("delegation bins acme/app targets --count 2").exits(2);
    assert!(staged.contains("are staged"), "{staged}");
    manager.notary("publish acme/app").done();
    manager.notary("delegation bins acme/app targets --count 2").done();
}
