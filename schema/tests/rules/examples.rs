//! The clients in `examples/`, over a signed repository in a directory.

#[path = "../../examples/asynchronous.rs"]
#[expect(dead_code, reason = "a test has its own main")]
mod asynchronous;
#[path = "../../examples/blocking.rs"]
#[expect(dead_code, reason = "a test has its own main")]
mod blocking;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use notary_schema::envelope::Unsigned;
use tempfile::TempDir;

use crate::support::*;

/// A mirror of the collection, and the directory of a client that trusts its first root.
fn directories() -> (TempDir, TempDir) {
    let (stored, mirror) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::write(stored.path().join("root.json"), Collection::new().root).unwrap();
    publish(&Collection::new(), mirror.path());
    (stored, mirror)
}

fn publish(collection: &Collection, mirror: &Path) {
    for (name, file) in collection.repository() {
        fs::write(mirror.join(name), file).unwrap();
    }
}

/// The collection under a root with another timestamp key, and a target that was added.
fn changed() -> Collection {
    let first = Collection::new();
    let mut files = first.files.clone();
    let docs = first.next("docs").with_target("docs/new.txt");
    files.insert(role("docs"), sign(&docs.finish(), &[DOCS]));
    let mut root = root(2);
    root.keys.extend(keys(&[9]));
    root.roles.timestamp = role_keys(&[9], 1);
    let mut next = Collection::of(sign(&Unsigned::of(&root), &[ROOT]), files, 2);
    next.timestamp = sign(&Unsigned::of(&timestamp_file(&next.timestamp)), &[9]);
    next
}

fn names(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    entries.map(|path| (named(&path), fs::read(&path).unwrap())).collect()
}

fn assert_is_stored(collection: &Collection, directory: &Path) {
    let files = [
        ("docs.json", &collection.files[&role("docs")]),
        ("root.json", &collection.root),
        ("snapshot.json", &collection.snapshot),
        ("targets.json", &collection.files[&role("targets")]),
        ("timestamp.json", &collection.timestamp),
    ];
    let expected = files.map(|(name, file)| (name.to_owned(), file.clone()));
    assert_eq!(names(directory), BTreeMap::from(expected), "and nothing else");
}

#[test]
fn the_blocking_one_finds_a_target_and_follows_a_change() {
    let (stored, mirror) = directories();
    let look_up = |name| blocking::look_up(stored.path(), mirror.path(), name, now());
    assert_eq!(look_up("docs/intro.txt").unwrap().unwrap().role, role("docs"));
    assert!(look_up("docs/new.txt").unwrap().is_none());
    publish(&changed(), mirror.path());
    assert_eq!(look_up("docs/new.txt").unwrap().unwrap().role, role("docs"));
    assert_is_stored(&changed(), stored.path());
    fs::write(mirror.path().join("timestamp.json"), Collection::new().timestamp).unwrap();
    look_up("docs/new.txt").unwrap_err();
    assert_is_stored(&changed(), stored.path());
}

#[tokio::test]
async fn the_asynchronous_one_finds_a_target_and_follows_a_change() {
    let (stored, mirror) = directories();
    let fetch =
        async |file: &str, most: u64| asynchronous::read(&mirror.path().join(file), most).await;
    let look_up = async |name| {
        let found = asynchronous::look_up(stored.path(), &fetch, name, now()).await.unwrap();
        found.map(|found| found.role)
    };
    assert_eq!(look_up("docs/intro.txt").await, Some(role("docs")));
    assert_eq!(look_up("docs/new.txt").await, None);
    publish(&changed(), mirror.path());
    assert_eq!(look_up("docs/new.txt").await, Some(role("docs")));
    assert_is_stored(&changed(), stored.path());
    let refused = async |_: &str, _: u64| Err(std::io::Error::other("no network"));
    asynchronous::look_up(stored.path(), &refused, "a.txt", now()).await.unwrap_err();
    assert_is_stored(&changed(), stored.path());
}
