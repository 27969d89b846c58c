//! Do many publishers get along on one collection?

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use chrono::TimeDelta;
use notary_tests::agent::Verdict;
use notary_tests::judge::NgClient;
use notary_tests::publisher::Publisher;
use notary_tests::world::{Person, World};

use crate::release::Release;

const TEAMS: usize = 8;
const PUBLISHES: usize = 25;

/// Publishes so many targets of the person's role, one after another.
fn publish_all(person: &Person, role: &str, names: impl Iterator<Item = String>) {
    for name in names {
        person.file("content", &name);
        person.notary(&format!("add acme/app {role}/{name} content --publish")).done();
    }
}

/// What a judge must see of these targets, each of which holds its own name.
fn all(names: &[String]) -> Verdict {
    let length = |name: &String| name.rsplit('/').next().map_or(0, str::len) as u64;
    names.iter().map(|name| (name.clone(), Ok(length(name)))).collect()
}

#[test]
fn eight_teams_publish_in_parallel_and_none_fails() {
    let release = Release::publish();
    let roles: Vec<String> = (1..=TEAMS).map(|n| format!("team{n}")).collect();
    let teams: Vec<Person> = roles.iter().map(|role| release.team(role)).collect();
    let mut polling = NgClient::start();
    let directory = release.world.directory().join("ngclient");
    std::fs::create_dir(&directory).expect("a new directory");
    let polled = release.world.question("acme/app", &["app.tgz"]);
    let finished = AtomicUsize::new(0);
    thread::scope(|scope| {
        for (team, role) in teams.iter().zip(&roles) {
            let finished = &finished;
            scope.spawn(move || {
                // Counted whatever becomes of it, so that the polling ends.
                let _counted = Counted(finished);
                publish_all(team, role, (0..PUBLISHES).map(|n| format!("{n}.txt")));
            });
        }
        while finished.load(Ordering::Relaxed) < TEAMS {
            let verdict = polling.ask_again(&polled, &directory);
            assert!(verdict["app.tgz"].is_ok(), "{verdict:?}");
        }
    });
    let names: Vec<String> = roles
        .iter()
        .flat_map(|role| (0..PUBLISHES).map(move |n| format!("{role}/{n}.txt")))
        .collect();
    assert_eq!(names.len(), TEAMS * PUBLISHES);
    let texts: Vec<&str> = names.iter().map(String::as_str).collect();
    let question = release.world.question("acme/app", &texts);
    assert_eq!(polling.ask_again(&question, &directory), all(&names));
}

struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn two_publishers_of_one_role_keep_each_others_targets() {
    let release = Release::publish();
    let twin = release.team.twin("twin");
    thread::scope(|scope| {
        for (person, name) in [(&release.team, "one"), (&twin, "two")] {
            let names = (0..10).map(move |n| format!("{name}{n}.txt"));
            scope.spawn(move || publish_all(person, "docs", names));
        }
    });
    let names: Vec<String> = ["one", "two"]
        .iter()
        .flat_map(|who| (0..10).map(move |n| format!("docs/{who}{n}.txt")))
        .collect();
    let texts: Vec<&str> = names.iter().map(String::as_str).collect();
    let question = release.world.question("acme/app", &texts);
    assert_eq!(NgClient::start().ask(&question), all(&names));
}

#[test]
fn a_version_is_published_once_and_its_bytes_again_at_any_time() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, "acme/app", &["docs"]);
    let first = publisher.file("docs").to_vec();
    publisher.publish_next("docs", world.clock.now());
    let second = publisher.file("docs").to_vec();
    publisher.publish_next("docs", world.clock.now());
    for earlier in [&first, &second] {
        let again = publisher.http.publish("acme/app", &[("docs", earlier)]);
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(again.json()["roles"][0]["published"], false);
    }
    // The third version once more, with another date.
    publisher.acknowledged("docs", second);
    let other = publisher.next("docs", world.clock.now() + TimeDelta::days(1));
    let other = publisher.http.publish("acme/app", &[("docs", &other)]);
    assert_eq!((other.status, other.code().as_str()), (409, "version_conflict"));
    assert_eq!(other.json()["expected_version"], 4);
}
