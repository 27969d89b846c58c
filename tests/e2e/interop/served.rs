//! Do other clients read what our server serves?

use notary_tests::agent::Verdict;
use notary_tests::judge::{self, NgClient, Question};
use notary_tests::publisher::Publisher;
use notary_tests::world::World;

use crate::release::{Release, TARGETS};

fn all(targets: &[(&str, u64)]) -> Verdict {
    targets.iter().map(|(name, length)| ((*name).to_owned(), Ok(*length))).collect()
}

/// A client that keeps what it trusted sees every publish, and one that starts anew some of them.
#[test]
fn other_clients_follow_a_collection_over_many_publishes() {
    let world = World::start();
    let mut publisher = Publisher::create(&world, "acme/app", &["docs", "code"]);
    let mut client = NgClient::start();
    let directory = world.directory().join("ngclient");
    std::fs::create_dir(&directory).expect("a new directory");
    let mut names = Vec::new();
    for version in 2..=25 {
        for role in ["docs", "code"] {
            publisher.publish_next(role, world.clock.now());
            names.push(format!("{role}/{version}"));
        }
        let texts: Vec<&str> = names.iter().map(String::as_str).collect();
        let question = world.question("acme/app", &texts);
        let targets: Vec<(&str, u64)> =
            texts.iter().map(|name| (*name, name.len() as u64)).collect();
        assert_eq!(client.ask_again(&question, &directory), all(&targets));
        if version % 10 == 0 {
            assert_eq!(client.ask(&question), all(&targets));
            assert_eq!(judge::tough(&question), all(&targets));
        }
    }
}

#[test]
fn tough_loads_a_collection_that_people_published() {
    let release = Release::publish();
    let question = release.world.question("acme/app", &TARGETS.map(|(name, _)| name));
    let lengths = TARGETS.map(|(name, content)| (name, content.len() as u64));
    assert_eq!(judge::tough(&question), all(&lengths));
}

#[test]
fn python_tuf_downloads_what_people_copied_to_the_site() {
    let release = Release::publish();
    let site = release.world.site();
    let question = release.world.question("acme/app", &TARGETS.map(|(name, _)| name));
    let question = Question { targets_url: Some(site.url()), ..question };
    let lengths = TARGETS.map(|(name, content)| (name, content.len() as u64));
    assert_eq!(NgClient::start().ask(&question), all(&lengths));
}
