//! Do other clients read what our server serves?

use notary_tests::agent::Verdict;
use notary_tests::hand::target;
use notary_tests::judge::{self, NgClient, Question};

use crate::collection::Published;
use crate::release::{Release, TARGETS};

fn all(targets: &[(&str, u64)]) -> Verdict {
    targets.iter().map(|(name, length)| ((*name).to_owned(), Ok(*length))).collect()
}

/// A client that starts anew, and one that keeps what it trusted, see every publish.
#[test]
fn python_tuf_follows_a_collection_over_many_publishes() {
    let mut published = Published::new("acme/app");
    let mut client = NgClient::start();
    let directory = published.world.directory().join("ngclient");
    std::fs::create_dir(&directory).expect("a new directory");
    for length in 1..=25 {
        let guide = target(&vec![b'x'; length]);
        published.collection.docs.signed["targets"]["docs/guide.txt"] = guide;
        published.publish(&["docs"]);
        if length % 5 == 0 {
            published.collection.add_target("app.tgz", &vec![b'x'; length]);
            published.publish(&["targets"]);
        }
        let question = published.world.question("acme/app", &["app.tgz", "docs/guide.txt"]);
        let app = if length < 5 { 3 } else { length / 5 * 5 };
        let expected = all(&[("app.tgz", app as u64), ("docs/guide.txt", length as u64)]);
        assert_eq!(client.ask_again(&question, &directory), expected);
        if length % 10 == 1 {
            assert_eq!(client.ask(&question), expected);
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
    let (_files, url) = release.world.serve_files(&release.world.directory().join("files"));
    let question = release.world.question("acme/app", &TARGETS.map(|(name, _)| name));
    let question = Question { targets_url: Some(url), ..question };
    let lengths = TARGETS.map(|(name, content)| (name, content.len() as u64));
    assert_eq!(NgClient::start().ask(&question), all(&lengths));
}
