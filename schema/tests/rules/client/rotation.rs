//! New keys of timestamp, snapshot and targets, and what was stored before them (TUF 5.3.11).

use notary_schema::name::MAX_INTEGER;

use super::*;

const OLD: u8 = 31;
const NEW: u8 = 32;
const OTHER: u8 = 33;

/// Who may sign the online roles, and how many must.
#[derive(Clone, Copy)]
struct Online {
    timestamp: (&'static [u8], u32),
    snapshot: (&'static [u8], u32),
}

const BEFORE: Online = Online { timestamp: (&[TIMESTAMP], 1), snapshot: (&[SNAPSHOT], 1) };

/// A repository whose online keys and versions can be set.
struct Repository {
    files: BTreeMap<RoleName, Vec<u8>>,
    online: Online,
    roots: Vec<Vec<u8>>,
}

impl Repository {
    fn new() -> Repository {
        Repository { files: second().files, online: BEFORE, roots: vec![] }
    }

    /// The next root names these keys.
    fn rotate(&mut self, online: Online) {
        let number = self.roots.len() as u64 + 2;
        let mut next = root(number);
        for (keyids, _) in [online.timestamp, online.snapshot] {
            next.keys.extend(keys(keyids));
        }
        next.roles.timestamp = role_keys(online.timestamp.0, online.timestamp.1);
        next.roles.snapshot = role_keys(online.snapshot.0, online.snapshot.1);
        self.roots.push(sign(&Unsigned::of(&next), &[ROOT]));
        self.online = online;
    }

    /// What the repository serves with these versions of timestamp and snapshot, signed by all keys.
    fn serve(&self, timestamp: u64, snapshot: u64, edit: impl Fn(&mut Snapshot)) -> Files {
        let current = Collection::of(Collection::new().root, self.files.clone(), snapshot);
        let mut body = current.head().snapshot.signed().clone();
        edit(&mut body);
        let body = sign(&Unsigned::of(&body), self.online.snapshot.0);
        let named = timestamp_file(&timestamp_of(&body, timestamp, in_days(1)));
        let mut files = current.repository();
        files.insert(format!("{snapshot}.snapshot.json"), body);
        let named = sign(&Unsigned::of(&named), self.online.timestamp.0);
        files.insert("timestamp.json".into(), named);
        for (number, root) in (2..).zip(&self.roots) {
            files.insert(format!("{number}.root.json"), root.clone());
        }
        files
    }
}

fn as_it_is(_: &mut Snapshot) {}

fn docs_at(number: u64) -> impl Fn(&mut Snapshot) {
    move |snapshot| {
        let entry = FileMeta { version: version(number), length: None, hashes: None };
        snapshot.meta.insert("docs.json", &entry);
    }
}

fn without_docs(snapshot: &mut Snapshot) {
    snapshot.meta.remove("docs.json");
}

const TIMESTAMP_KEY: Online = Online { timestamp: (&[NEW], 1), ..BEFORE };
const SNAPSHOT_KEY: Online = Online { snapshot: (&[NEW], 1), ..BEFORE };
const BOTH_KEYS: Online = Online { timestamp: (&[NEW], 1), snapshot: (&[OTHER], 1) };
const FURTHER_KEYS: Online =
    Online { timestamp: (&[TIMESTAMP, NEW], 1), snapshot: (&[SNAPSHOT, NEW], 1) };

#[test]
fn who_ran_versions_up_is_out_with_the_key_and_only_with_the_key() {
    const LAST: u64 = MAX_INTEGER;
    type Attack = fn(&Repository) -> Files;
    let timestamp: Attack = |r| r.serve(LAST, 2, as_it_is);
    let snapshot: Attack = |r| r.serve(3, LAST, as_it_is);
    let both: Attack = |r| r.serve(LAST, LAST, as_it_is);
    let entry: Attack = |r| r.serve(3, 3, docs_at(LAST));
    let none = None;
    let gone_forward = |by: &str| Some(format!("{by} goes back from version {LAST} to "));
    for (case, attack, rotation, refused) in [
        ("timestamp, no new key", timestamp, none, gone_forward("timestamp")),
        ("timestamp, a new snapshot key", timestamp, Some(SNAPSHOT_KEY), None),
        ("timestamp, a new timestamp key", timestamp, Some(TIMESTAMP_KEY), None),
        ("snapshot, no new key", snapshot, none, gone_forward("snapshot.json")),
        ("snapshot, a new snapshot key", snapshot, Some(SNAPSHOT_KEY), None),
        ("both, no new key", both, none, gone_forward("timestamp")),
        ("both, new keys", both, Some(BOTH_KEYS), None),
        ("an entry, no new key", entry, none, gone_forward("docs.json")),
        ("an entry, a new timestamp key", entry, Some(TIMESTAMP_KEY), None),
        ("an entry, a further key", entry, Some(FURTHER_KEYS), gone_forward("docs.json")),
        ("an entry, a new snapshot key", entry, Some(SNAPSHOT_KEY), None),
        ("an entry, new keys", entry, Some(BOTH_KEYS), None),
    ] {
        let mut repository = Repository::new();
        let mut client = Client::new(&Collection::new());
        client.remote = attack(&repository);
        client.refresh().unwrap();
        repository.roots.clear();
        rotation.into_iter().for_each(|online| repository.rotate(online));
        client.remote = repository.serve(4, 4, as_it_is);
        match (client.find("docs/b"), refused) {
            (Ok(Some(_)), None) => {}
            (Err(error), Some(part)) if error.to_string().contains(&part) => {}
            (other, _) => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn a_snapshot_that_never_was_does_not_hold_up_who_gets_a_new_timestamp_key() {
    // Who has the timestamp key alone can name a snapshot that nobody signs.
    for (rotation, recovers) in [(None, false), (Some(TIMESTAMP_KEY), true)] {
        let mut repository = Repository::new();
        let mut client = Client::new(&Collection::new());
        client.remote = repository.serve(2, 2, as_it_is);
        client.refresh().unwrap();
        client.remote = repository.serve(3, MAX_INTEGER, as_it_is);
        client.remote.remove(&format!("{MAX_INTEGER}.snapshot.json"));
        assert!(client.refresh().is_err());
        assert_eq!(client.writes, ["+timestamp.json"]);
        rotation.into_iter().for_each(|online| repository.rotate(online));
        client.remote = repository.serve(4, 3, as_it_is);
        assert_eq!(client.refresh().is_ok(), recovers);
    }
}

#[test]
fn an_entry_may_go_with_an_online_key_only() {
    for (rotation, refused) in [
        (None, true),
        (Some(TIMESTAMP_KEY), false),
        (Some(SNAPSHOT_KEY), false),
        (Some(FURTHER_KEYS), true),
    ] {
        let mut repository = Repository::new();
        let mut client = Client::new(&Collection::new());
        client.remote = repository.serve(2, 2, as_it_is);
        client.refresh().unwrap();
        rotation.into_iter().for_each(|online| repository.rotate(online));
        client.remote = repository.serve(3, 3, without_docs);
        match refused {
            true => assert_eq!(client.refused(), TrustError::EntryGone("docs.json".into())),
            false => drop(client.refresh().unwrap()),
        }
    }
}

#[test]
fn timestamp_and_snapshot_go_with_a_key_of_either_and_with_nothing_else() {
    let two = |timestamp, snapshot| Online { timestamp: (timestamp, 1), snapshot: (snapshot, 1) };
    let of_two: Online = Online { timestamp: (&[OLD, TIMESTAMP], 2), ..BEFORE };
    for (case, before, after, gone) in [
        ("no new key", BEFORE, &[BEFORE][..], false),
        ("a new timestamp key", BEFORE, &[TIMESTAMP_KEY], true),
        ("a new snapshot key", BEFORE, &[SNAPSHOT_KEY], true),
        ("new keys", BEFORE, &[BOTH_KEYS], true),
        ("a new key, taken back", BEFORE, &[SNAPSHOT_KEY, BEFORE], true),
        ("keys beside the old ones", BEFORE, &[FURTHER_KEYS], false),
        ("keys beside the old ones, taken back", BEFORE, &[FURTHER_KEYS, BEFORE], true),
        ("one of two that each suffice", two(&[OLD, NEW], &[SNAPSHOT]), &[TIMESTAMP_KEY], true),
        (
            "one of two that are needed",
            of_two,
            &[Online { timestamp: (&[TIMESTAMP, NEW], 2), ..BEFORE }],
            true,
        ),
        ("a higher threshold", BEFORE, &[RAISED], false),
        (
            "a lower threshold",
            of_two,
            &[Online { timestamp: (&[OLD, TIMESTAMP], 1), ..of_two }],
            false,
        ),
    ] {
        let mut repository = Repository::new();
        repository.rotate(before);
        let mut client = Client::new(&Collection::new());
        client.remote = repository.serve(2, 2, as_it_is);
        client.refresh().unwrap();
        let stored = client.local.clone();
        after.iter().for_each(|online| repository.rotate(*online));
        // The new roots are there, and no timestamp that they vouch for.
        client.remote = repository.serve(3, 2, as_it_is);
        client.remote.insert("timestamp.json".into(), b"{}".to_vec());
        assert!(matches!(client.refused(), TrustError::Unreadable { .. }), "{case}");
        for name in ["timestamp.json", "snapshot.json"] {
            let expected = stored.get(name).filter(|_| !gone);
            assert_eq!(client.local.get(name), expected, "{case}: {name}");
        }
        assert!(!client.local.contains_key("root.next"), "{case}");
        client.remote = repository.serve(3, 2, as_it_is);
        client.refresh().unwrap();
    }
}

const RAISED: Online =
    Online { timestamp: (&[TIMESTAMP, NEW], 2), snapshot: (&[SNAPSHOT, NEW], 2) };

#[test]
fn a_higher_threshold_opens_no_way_back() {
    let rollback = |file: &str, trusted, found| {
        let (trusted, found) = (version(trusted), version(found));
        Some(TrustError::Rollback { file: file.into(), trusted, found })
    };
    for (case, timestamp, snapshot, edit, refused) in [
        ("an older timestamp", 6, 5, 1, rollback("timestamp", 7, 6)),
        ("an older snapshot", 8, 4, 1, rollback("snapshot.json", 5, 4)),
        ("an older snapshot in the same timestamp", 7, 4, 1, rollback("snapshot.json", 5, 4)),
        ("an older file", 8, 6, 0, Some(TrustError::EntryGone("docs.json".into()))),
        ("the same versions", 7, 5, 1, None),
        ("newer ones", 8, 6, 1, None),
    ] {
        let mut repository = Repository::new();
        let mut client = Client::new(&Collection::new());
        // What a mirror adds to signatures changes nothing.
        client.remote = repository.serve(7, 5, as_it_is);
        let mut named = timestamp_file(&client.remote["timestamp.json"]);
        (named.meta.snapshot.length, named.meta.snapshot.hashes) = (None, None);
        let named = sign(&Unsigned::of(&named), &[TIMESTAMP]);
        client.remote.insert("timestamp.json".into(), named);
        for name in ["timestamp.json", "5.snapshot.json"] {
            let mut file: serde_json::Value = serde_json::from_slice(&client.remote[name]).unwrap();
            let junk = serde_json::json!({ "keyid": "ab".repeat(32), "sig": "cd" });
            file["signatures"].as_array_mut().unwrap().push(junk);
            client.remote.insert(name.into(), serde_json::to_vec(&file).unwrap());
        }
        client.refresh().unwrap();
        repository.rotate(RAISED);
        // Also where another session has stored the root and came no further.
        client.remote = repository.serve(timestamp, snapshot, as_it_is);
        client.failing = Some("timestamp.json");
        assert!(client.refresh().is_err(), "{case}");
        client.failing = None;
        client.remote = match edit {
            0 => repository.serve(timestamp, snapshot, without_docs),
            _ => repository.serve(timestamp, snapshot, as_it_is),
        };
        match refused {
            Some(refused) => assert_eq!(client.refused(), refused, "{case}"),
            None => {
                client.refresh().unwrap();
                let served = &client.remote["timestamp.json"];
                assert_eq!(client.local["timestamp.json"], *served, "{case}");
            }
        }
    }
}

#[test]
fn what_no_key_of_today_has_signed_holds_nobody_up() {
    // Other clients do not remove what they stored under an older root.
    let mut repository = Repository::new();
    let mut client = Client::new(&Collection::new());
    client.remote = repository.serve(MAX_INTEGER, MAX_INTEGER, docs_at(MAX_INTEGER));
    client.refresh().unwrap();
    repository.rotate(BOTH_KEYS);
    client.local.insert("root.json".into(), repository.roots[0].clone());
    client.remote = repository.serve(4, 4, as_it_is);
    client.refresh().unwrap();
}

#[test]
fn a_root_that_is_about_to_replace_the_trusted_one_is_verified_by_it() {
    let mut repository = Repository::new();
    repository.rotate(BOTH_KEYS);
    let good = repository.roots[0].clone();
    let stranger =
        sign(&Unsigned::of(Envelope::<Root>::parse(good.clone()).unwrap().signed()), &[OLD]);
    for (case, next, reached) in [
        ("signed by the trusted one", good, 2),
        ("signed by another", stranger, 1),
        ("the trusted one", Collection::new().root, 1),
        ("damaged", b"{".to_vec(), 1),
    ] {
        let mut client = Client::new(&second());
        client.refresh().unwrap();
        client.local.insert("root.next".into(), next);
        // The mirror shows no other root.
        assert_eq!(client.refresh().is_ok(), reached == 1, "{case}");
        let stored = Envelope::<Root>::parse(client.local["root.json"].clone()).unwrap();
        assert_eq!(stored.version(), version(reached), "{case}");
        assert_eq!(client.local.contains_key("timestamp.json"), reached == 1, "{case}");
        assert!(!client.local.contains_key("root.next"), "{case}");
    }
}

#[test]
fn a_higher_threshold_is_asked_of_what_is_stored_too() {
    let mut repository = Repository::new();
    let mut client = Client::new(&Collection::new());
    client.remote = repository.serve(2, 2, as_it_is);
    client.refresh().unwrap();
    let stored = client.local.clone();
    let raised = Online { snapshot: (&[SNAPSHOT, NEW], 2), ..BEFORE };
    repository.rotate(raised);
    // The snapshot with one signature is not the current one, even where the timestamp lists it.
    client.remote = repository.serve(3, 2, as_it_is);
    client.remote.insert("2.snapshot.json".into(), stored["snapshot.json"].clone());
    let listed = timestamp_of(&stored["snapshot.json"], 3, in_days(1));
    client.remote.insert("timestamp.json".into(), listed);
    assert!(matches!(client.refused(), TrustError::Threshold(_)));
    assert_eq!(client.local["snapshot.json"], stored["snapshot.json"]);
    client.remote = repository.serve(4, 2, as_it_is);
    client.refresh().unwrap();
}

#[test]
fn a_root_that_comes_during_a_refresh_does_no_harm_while_both_keys_sign() {
    let mut repository = Repository::new();
    let mut client = Client::new(&Collection::new());
    client.remote = repository.serve(2, 2, as_it_is);
    let mut updater = client.updater();
    while client.requests.last().is_none_or(|name| name != "2.root.json") {
        client.take_step(&mut updater).unwrap();
    }
    // The walk has ended; now there is a root 2 that this client does not know.
    repository.rotate(TIMESTAMP_KEY);
    let alone = repository.serve(3, 2, as_it_is)["timestamp.json"].clone();
    let both = sign(&Unsigned::of(&timestamp_file(&alone)), &[TIMESTAMP, NEW]);
    while updater.step() != (Step::Fetch { name: "timestamp.json".into(), max_bytes: 1 << 20 }) {
        client.take_step(&mut updater).unwrap();
    }
    let refused = updater.fetched(alone).unwrap_err();
    assert!(matches!(refused, UpdateError::Trust(TrustError::Threshold(_))), "{refused}");
    updater.fetched(both.clone()).unwrap();
    client.drive(&mut updater).unwrap();
    client.remote = repository.serve(3, 2, as_it_is);
    client.remote.insert("timestamp.json".into(), both.clone());
    client.refresh().unwrap();
    assert_eq!(client.local["timestamp.json"], both, "both roots vouch for it");
}

/// Keys and threshold that a root names for a role, who signs its file, and whether that is enough.
#[test]
fn files_are_signed_as_the_root_of_today_asks() {
    for (case, holders, threshold, signers, accepted) in [
        ("the new key", &[NEW][..], 1, &[NEW][..], true),
        ("the new key and others", &[NEW], 1, &[OLD, NEW, OTHER], true),
        ("the old key", &[NEW], 1, &[OLD], false),
        ("nobody", &[NEW], 1, &[], false),
        ("two of three", &[OLD, NEW, OTHER], 2, &[NEW, OTHER], true),
        ("one of three", &[OLD, NEW, OTHER], 2, &[OTHER], false),
        ("one of three and a stranger", &[OLD, NEW, OTHER], 2, &[OTHER, DOCS], false),
        ("all of a set that is too small", &[OLD], 2, &[OLD], false),
    ] {
        for which in ["timestamp", "snapshot", "targets"] {
            let mut collection = Collection::new();
            let mut root = root(2);
            root.keys.extend(keys(holders));
            let asked = role_keys(holders, threshold);
            match which {
                "timestamp" => root.roles.timestamp = asked,
                "snapshot" => root.roles.snapshot = asked,
                _ => root.roles.targets = asked,
            }
            let again = |file: &[u8], who: &str, own: u8| {
                let value: serde_json::Value = serde_json::from_slice(file).unwrap();
                let signers = if who == which { signers } else { &[own] };
                sign(&Unsigned::new(&value["signed"]), signers)
            };
            let targets = again(&collection.files[&RoleName::TARGETS], "targets", TARGETS);
            collection.files.insert(RoleName::TARGETS, targets);
            let mut published = Collection::of(collection.root, collection.files, 1);
            published.snapshot = again(&published.snapshot, "snapshot", SNAPSHOT);
            published.timestamp = timestamp_of(&published.snapshot, 1, in_days(1));
            published.timestamp = again(&published.timestamp, "timestamp", TIMESTAMP);
            let mut client = Client::new(&published);
            let next = sign(&Unsigned::of(&root), &[ROOT]);
            client.remote.insert("2.root.json".into(), next);
            match client.refresh() {
                Ok(_) => assert!(accepted, "{which}: {case}"),
                Err(UpdateError::Trust(TrustError::Threshold(missed))) => {
                    assert!(!accepted, "{which}: {case}");
                    assert_eq!(missed.role, role(which));
                }
                Err(error) => panic!("{which}: {case}: {error}"),
            }
        }
    }
}
