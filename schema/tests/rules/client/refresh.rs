//! A refresh: what is asked for, in which order, and what is stored.

use super::*;

#[test]
fn a_cold_client_fetches_what_it_needs_in_order_and_a_warm_one_two_files() {
    let mut client = Client::new(&Collection::new());
    assert_eq!(client.find("a.txt").unwrap().as_deref(), Some("targets"));
    let cold = ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"];
    assert_eq!(client.requests, cold);
    assert_eq!(client.find("docs/intro.txt").unwrap().as_deref(), Some("docs"));
    assert_eq!(client.requests, ["2.root.json", "timestamp.json", "1.docs.json"]);
    assert_eq!(client.find("docs/intro.txt").unwrap().as_deref(), Some("docs"));
    assert_eq!(client.requests, ["2.root.json", "timestamp.json"]);
    assert_eq!(client.find("docs/none").unwrap(), None);
    assert_eq!(client.find("elsewhere/none").unwrap(), None);
    assert_eq!(client.requests, ["2.root.json", "timestamp.json"]);
}

#[test]
fn a_change_is_seen_and_only_what_changed_is_fetched() {
    let mut client = Client::new(&Collection::new());
    client.find("docs/intro.txt").unwrap();
    client.remote = second().repository();
    assert_eq!(client.find("docs/b").unwrap().as_deref(), Some("docs"));
    assert_eq!(
        client.requests,
        ["2.root.json", "timestamp.json", "2.snapshot.json", "2.docs.json"]
    );
}

#[test]
fn stored_files_are_the_bytes_that_came() {
    let collection = Collection::new();
    let mut client = Client::new(&collection);
    client.find("docs/intro.txt").unwrap();
    assert_eq!(client.local["timestamp.json"], collection.timestamp);
    assert_eq!(client.local["snapshot.json"], collection.snapshot);
    assert_eq!(client.local["docs.json"], collection.files[&role("docs")]);
    assert_eq!(client.local.len(), 5);
}

#[test]
fn a_warm_start_makes_two_requests_and_stores_nothing() {
    let mut client = Client::new(&Collection::new());
    client.refresh().unwrap();
    assert_eq!(
        client.writes,
        ["+timestamp.json", "+snapshot.json", "+targets.json"],
        "each before what builds on it"
    );
    client.refresh().unwrap();
    assert_eq!(client.requests, ["2.root.json", "timestamp.json"]);
    assert!(client.writes.is_empty(), "{:?}", client.writes);
}

#[test]
fn a_new_root_is_stored_before_anything_else_is_asked_for() {
    let mut client = Client::new(&Collection::new());
    for number in [2, 3] {
        client
            .remote
            .insert(format!("{number}.root.json"), sign(&Unsigned::of(&root(number)), &[ROOT]));
    }
    let mut updater = client.updater();
    while client.requests.len() < 3 {
        client.take_step(&mut updater).unwrap();
    }
    assert_eq!(client.requests, ["2.root.json", "3.root.json", "4.root.json"]);
    assert_eq!(client.local["root.json"], client.remote["3.root.json"]);
    client.drive(&mut updater).unwrap();
    assert_eq!(client.writes[..3], ["+root.json", "+root.json", "+timestamp.json"]);
}

#[test]
fn a_timestamp_of_the_same_version_is_no_error_and_the_stored_bytes_stay() {
    let collection = Collection::new();
    let mut client = Client::new(&collection);
    client.refresh().unwrap();
    // It names a snapshot that does not even exist.
    let mut document = timestamp_file(&collection.timestamp);
    document.meta.snapshot.version = version(9);
    let same = sign(&Unsigned::of(&document), &[TIMESTAMP]);
    client.remote.insert("timestamp.json".into(), same);
    client.refresh().unwrap();
    assert_eq!(client.requests, ["2.root.json", "timestamp.json"]);
    assert_eq!(client.local["timestamp.json"], collection.timestamp);
}

#[test]
fn what_has_expired_in_the_store_is_no_obstacle_and_still_says_what_may_not_go_back() {
    let mut client = Client::new(&Collection::new());
    client.remote = second().repository();
    client.refresh().unwrap();
    // A week later timestamp and snapshot have expired; the repository has new ones.
    client.days = 8;
    let third = |files: &Collection| {
        let mut snapshot = files.head().snapshot.signed().clone();
        (snapshot.version, snapshot.expires) = (version(3), in_days(20));
        let snapshot = sign(&Unsigned::of(&snapshot), &[SNAPSHOT]);
        let mut next = files.repository();
        next.insert("timestamp.json".into(), timestamp_of(&snapshot, 3, in_days(20)));
        next.insert("3.snapshot.json".into(), snapshot);
        next
    };
    let stored = client.local.clone();
    client.remote = third(&Collection::new());
    let lowered =
        TrustError::Rollback { file: "docs.json".into(), trusted: version(2), found: version(1) };
    assert_eq!(client.refused(), lowered);
    client.local = stored;
    client.remote = third(&second());
    client.refresh().unwrap();
    assert_eq!(client.requests, ["2.root.json", "timestamp.json", "3.snapshot.json"]);
}

#[test]
fn what_has_expired_in_the_store_and_is_still_the_newest_is_refused() {
    let collection = Collection::new();
    let expired = |role, days| TrustError::Expired { role, expires: in_days(days) };
    let mut client = Client::new(&collection);
    client.refresh().unwrap();
    let stored = client.local.clone();
    client.days = 1;
    assert_eq!(client.refused(), expired(RoleName::TIMESTAMP, 1));
    assert_eq!(client.requests, ["2.root.json", "timestamp.json"]);
    assert_eq!(client.local, stored);
    // Under a fresh timestamp the snapshot is asked for once more, and is what it was.
    client.days = 7;
    let fresh = timestamp_of(&collection.snapshot, 2, in_days(20));
    client.remote.insert("timestamp.json".into(), fresh);
    assert_eq!(client.refused(), expired(RoleName::SNAPSHOT, 7));
    assert_eq!(client.requests, ["2.root.json", "timestamp.json", "1.snapshot.json"]);
    assert_eq!(client.writes, ["+timestamp.json"]);
}

#[test]
fn a_stored_snapshot_is_used_again_only_where_it_is_the_listed_file() {
    let collection = Collection::new();
    let warm = || {
        let mut client = Client::new(&collection);
        client.refresh().unwrap();
        client
    };
    // A timestamp that lists the version alone vouches for the stored file of that version.
    let without_hash = |number, snapshot| {
        let mut document = timestamp_file(&timestamp_of(&collection.snapshot, number, in_days(1)));
        document.meta.snapshot = FileMeta { version: snapshot, length: None, hashes: None };
        sign(&Unsigned::of(&document), &[TIMESTAMP])
    };
    let mut client = warm();
    client.remote.insert("timestamp.json".into(), without_hash(2, version(1)));
    client.refresh().unwrap();
    assert_eq!(client.requests, ["2.root.json", "timestamp.json"]);
    // Another version is asked for, and so is another content of the same version.
    client.remote.insert("timestamp.json".into(), without_hash(3, version(2)));
    assert!(client.refresh().is_err());
    assert_eq!(client.requests.last().unwrap(), "2.snapshot.json");
    let mut client = warm();
    let mut other = collection.head().snapshot.signed().clone();
    other.expires = in_days(6);
    let other = sign(&Unsigned::of(&other), &[SNAPSHOT]);
    client.remote.insert("timestamp.json".into(), timestamp_of(&other, 2, in_days(1)));
    client.remote.insert("1.snapshot.json".into(), other.clone());
    client.refresh().unwrap();
    assert_eq!(client.requests, ["2.root.json", "timestamp.json", "1.snapshot.json"]);
    assert_eq!(client.local["snapshot.json"], other);
}

#[test]
fn a_stored_file_that_was_damaged_is_fetched_again() {
    for name in ["timestamp.json", "snapshot.json", "targets.json"] {
        let mut client = Client::new(&Collection::new());
        client.refresh().unwrap();
        let stored = client.local.clone();
        client.local.get_mut(name).unwrap().truncate(9);
        client.refresh().unwrap();
        assert_eq!(client.local, stored, "{name}");
        assert_eq!(client.writes, [format!("+{name}")]);
    }
}

#[test]
fn without_consistent_snapshots_only_roots_are_asked_for_by_version() {
    for consistent_snapshot in [None, Some(false)] {
        let mut collection = Collection::new();
        let mut root = root(1);
        root.consistent_snapshot = consistent_snapshot;
        collection.root = sign(&Unsigned::of(&root), &[ROOT]);
        let mut client = Client::new(&collection);
        client.remote = without_versions(&collection.repository());
        assert_eq!(client.find("docs/intro.txt").unwrap().as_deref(), Some("docs"));
        let plain = ["timestamp.json", "snapshot.json", "targets.json", "docs.json"];
        assert_eq!(client.requests[0], "2.root.json");
        assert_eq!(client.requests[1..], plain);
    }
}

#[test]
fn file_names_change_with_the_root_that_says_so() {
    let root = |number, consistent| {
        let mut root = root(number);
        root.consistent_snapshot = Some(consistent);
        sign(&Unsigned::of(&root), &[ROOT])
    };
    let mut client = Client::new(&Collection::new());
    client.find("docs/intro.txt").unwrap();
    client.remote = without_versions(&second().repository());
    client.remote.insert("2.root.json".into(), root(2, false));
    assert_eq!(client.find("docs/b").unwrap().as_deref(), Some("docs"));
    let plain = ["2.root.json", "3.root.json", "timestamp.json", "snapshot.json", "docs.json"];
    assert_eq!(client.requests, plain);
    // Two roots at once: the last one counts.
    let mut client = Client::new(&Collection::new());
    client.remote.insert("2.root.json".into(), root(2, false));
    client.remote.insert("3.root.json".into(), root(3, true));
    client.refresh().unwrap();
    assert_eq!(client.requests[4..], ["1.snapshot.json", "1.targets.json"]);
}

/// The files under the names that they have without consistent snapshots.
fn without_versions(files: &Files) -> Files {
    let plain = |(name, file): (&String, &Vec<u8>)| {
        let start = name.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap();
        (name[start..].to_owned(), file.clone())
    };
    files.iter().map(plain).collect()
}
