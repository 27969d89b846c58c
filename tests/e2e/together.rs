//! Do many publish at once without getting in each other's way?

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use notary_tests::judge::NgClient;
use notary_tests::publisher::Publisher;
use notary_tests::world::{Person, World};

const TEAMS: usize = 8;
const PUBLISHES: usize = 25;
const GUN: &str = "acme/app";

/// A team with a key of its own that the manager has delegated `ROLE/*` to.
fn team(world: &World, manager: &Person, role: &str) -> Person {
    let team = world.person(role, &format!("publish --collection {GUN} --role {role}"));
    let key = team.notary("key generate --json").json();
    let key = key["keyid"].as_str().expect("a key id").to_owned();
    let root = manager.directory().join("trust/collections").join(GUN).join("_pinned.json");
    team.notary(&format!("trust add {GUN} --root {}", root.display())).done();
    team.notary(&format!("delegation request {GUN} {role} --key {key} -o ../{role}.request"))
        .done();
    let add = format!("delegation add {GUN} {role} --request ../{role}.request --path {role}/*");
    manager.notary(&add).done();
    team
}

fn names(person: &Person) -> BTreeSet<String> {
    let list = person.notary(&format!("list {GUN} --json")).json();
    let items = list["targets"].as_array().unwrap_or_else(|| panic!("{list}"));
    items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn eight_teams_publish_at_once_while_python_tuf_polls() {
    let world = World::start();
    let manager = world.person("manager", "admin --collection acme/*");
    manager.notary(&format!("init {GUN}")).done();
    manager.file("first.txt", "first");
    manager.notary(&format!("add {GUN} first.txt first.txt")).done();
    let roles: Vec<String> = (1..=TEAMS).map(|n| format!("team-{n}")).collect();
    let teams: Vec<Person> = roles.iter().map(|role| team(&world, &manager, role)).collect();
    manager.notary(&format!("publish {GUN}")).done();

    let question = world.question(GUN, &["first.txt"]);
    let mut python = NgClient::start();
    let directory = world.directory().join("python");
    std::fs::create_dir(&directory).expect("a new directory");
    let mut poll = || python.ask_again(&question, &directory)["first.txt"].clone();
    assert_eq!(poll(), Ok(5));
    let done = AtomicBool::new(false);
    let polls = thread::scope(|scope| {
        let poller = scope.spawn(|| {
            let mut polls = 0;
            while !done.load(Ordering::Relaxed) {
                assert_eq!(poll(), Ok(5), "after {polls} polls");
                polls += 1;
            }
            polls
        });
        let publishers: Vec<_> = roles
            .iter()
            .zip(&teams)
            .map(|(role, team)| scope.spawn(move || publish_many(team, role)))
            .collect();
        // Joined before anything is asserted, so that the poller always ends.
        let results: Vec<_> = publishers.into_iter().map(|publisher| publisher.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok), "a team could not publish");
        poller.join().expect("python-tuf trusted every state")
    });
    assert!(polls > 0);
    eprintln!("{polls} polls of python-tuf");

    let agent = world.stranger("agent");
    let root = manager.directory().join("trust/collections").join(GUN).join("_pinned.json");
    agent.notary(&format!("trust add {GUN} --root {}", root.display())).done();
    let published = |role: &String| {
        let role = role.clone();
        (0..PUBLISHES).map(move |n| format!("{role}/{n}"))
    };
    let mut expected: BTreeSet<String> = roles.iter().flat_map(published).collect();
    expected.insert("first.txt".into());
    assert_eq!(names(&agent), expected);
}

fn publish_many(team: &Person, role: &str) {
    for n in 0..PUBLISHES {
        team.file("file", format!("{role} {n}"));
        team.notary(&format!("add {GUN} {role}/{n} file --publish")).done();
    }
}

#[test]
fn two_publishers_of_one_role_keep_each_others_targets() {
    const EACH: usize = 8;
    let world = World::start();
    let manager = world.person("manager", "admin --collection acme/*");
    manager.notary(&format!("init {GUN}")).done();
    let one = team(&world, &manager, "docs");
    manager.notary(&format!("publish {GUN}")).done();
    // The same key on another machine.
    let other = world.person("docs-ci", "publish --collection acme/app --role docs");
    let root = manager.directory().join("trust/collections").join(GUN).join("_pinned.json");
    other.notary(&format!("trust add {GUN} --root {}", root.display())).done();
    copy_keys(&one, &other);
    thread::scope(|scope| {
        for (person, name) in [(&one, "one"), (&other, "other")] {
            scope.spawn(move || {
                for n in 0..EACH {
                    person.file("file", format!("{name} {n}"));
                    person.notary(&format!("add {GUN} docs/{name}-{n} file --publish")).done();
                }
            });
        }
    });
    let expected = ["one", "other"].map(|name| (0..EACH).map(move |n| format!("docs/{name}-{n}")));
    assert_eq!(names(&one), expected.into_iter().flatten().collect());
}

fn copy_keys(from: &Person, to: &Person) {
    let [from, to] = [from, to].map(|person| person.directory().join("trust/keys"));
    std::fs::create_dir_all(&to).expect("their own directory");
    for key in std::fs::read_dir(from).expect("keys") {
        let key = key.expect("a key").path();
        std::fs::copy(&key, to.join(key.file_name().expect("a name"))).expect("a copy");
    }
}

#[test]
fn a_version_has_one_content_and_repeating_it_is_success() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, GUN, &["a"]);
    let second = publisher.next("a", world.clock.now());
    publisher.publish_next("a", world.clock.now());
    let publish = |publisher: &Publisher, file: &[u8]| publisher.http.publish(GUN, &[("a", file)]);

    let again = publish(&publisher, &second);
    assert_eq!((again.status, &again.json()["roles"][0]["published"]), (200, &false.into()));
    let mut other = second.clone();
    other.insert(1, b' ');
    let conflict = publish(&publisher, &other);
    assert_eq!((conflict.status, conflict.code().as_str()), (409, "version_conflict"));
    let problem = conflict.json();
    assert_eq!(problem["role"], "a");
    assert_eq!((&problem["current_version"], &problem["expected_version"]), (&2.into(), &3.into()));
    let current = notary_schema::key::sha256_hex(&second);
    assert_eq!(problem["current_sha256"], current.as_str());

    publisher.publish_next("a", world.clock.now());
    let late = publish(&publisher, &second);
    assert_eq!((late.status, &late.json()["roles"][0]["published"]), (200, &false.into()));
    assert_eq!(publish(&publisher, &other).status, 409);
}
