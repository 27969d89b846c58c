//! A client that is stopped after any of its writes: the next one ends where an undisturbed one does,
//! and at no point does it take an older state of the repository.

use super::*;

const NEW: u8 = 41;
const NAMES: [&str; 2] = ["docs/b", "a.txt"];

/// A session, stopped after so many writes. Answers whether it came to its end.
fn session(client: &mut Client, writes: usize) -> Result<bool, UpdateError> {
    client.requests.clear();
    client.writes.clear();
    let mut updater = client.updater();
    for name in [None, Some(NAMES[0]), Some(NAMES[1])] {
        if let Some(name) = name {
            updater.find(name)?;
        }
        while updater.step() != Step::Done {
            let is_write = matches!(updater.step(), Step::Save { .. } | Step::Remove { .. });
            if is_write && client.writes.len() == writes {
                return Ok(false);
            }
            client.take_step(&mut updater)?;
        }
    }
    Ok(true)
}

fn next_root(number: u64, edit: impl Fn(&mut Root), signers: &[u8]) -> (String, Vec<u8>) {
    let mut next = root(number);
    next.keys.extend(keys(&[NEW]));
    edit(&mut next);
    (format!("{number}.root.json"), sign(&Unsigned::of(&next), signers))
}

fn new_timestamp_key(root: &mut Root) {
    root.roles.timestamp = role_keys(&[NEW], 1);
}

fn new_snapshot_key(root: &mut Root) {
    root.roles.snapshot = role_keys(&[NEW], 1);
}

fn new_targets_key(root: &mut Root) {
    root.roles.targets = role_keys(&[NEW], 1);
}

/// The third state of the collection, its files signed by these.
fn third(timestamp: u8, snapshot: u8, targets: u8) -> Files {
    let before = second();
    let mut files = before.files.clone();
    let docs = before.next("docs").with_target("docs/c").finish();
    files.insert(role("docs"), sign(&docs, &[DOCS]));
    let own = before.next("targets").with_target("b.txt").finish();
    files.insert(RoleName::TARGETS, sign(&own, &[targets]));
    let mut next = Collection::of(before.root, files, 3);
    next.snapshot = sign(&Unsigned::of(next.head().snapshot.signed()), &[snapshot]);
    let named = timestamp_file(&timestamp_of(&next.snapshot, 3, in_days(1)));
    next.timestamp = sign(&Unsigned::of(&named), &[timestamp]);
    let mut files = next.repository();
    files.remove("1.root.json");
    files
}

/// What the repository has next: by name, with the roots that lead there.
fn changes() -> Vec<(&'static str, Files)> {
    let with =
        |files: Files, roots: Vec<(String, Vec<u8>)>| files.into_iter().chain(roots).collect();
    let plain = || third(TIMESTAMP, SNAPSHOT, TARGETS);
    let root_key = |root: &mut Root| root.roles.root = role_keys(&[NEW], 1);
    let back = |root: &mut Root| root.roles.root = role_keys(&[ROOT], 1);
    let all = |root: &mut Root| {
        new_timestamp_key(root);
        new_snapshot_key(root);
        new_targets_key(root);
    };
    let raised = |root: &mut Root| root.roles.snapshot = role_keys(&[SNAPSHOT, NEW], 2);
    let raised_snapshot = {
        let file = Envelope::<Snapshot>::parse(plain()["3.snapshot.json"].clone()).unwrap();
        sign(&Unsigned::of(file.signed()), &[SNAPSHOT, NEW])
    };
    let raised_files = [
        ("timestamp.json".to_owned(), timestamp_of(&raised_snapshot, 3, in_days(1))),
        ("3.snapshot.json".to_owned(), raised_snapshot),
        next_root(2, raised, &[ROOT]),
    ];
    vec![
        ("files", plain()),
        (
            "two new root keys",
            with(
                plain(),
                vec![next_root(2, root_key, &[ROOT, NEW]), next_root(3, back, &[ROOT, NEW])],
            ),
        ),
        (
            "a new timestamp key",
            with(third(NEW, SNAPSHOT, TARGETS), vec![next_root(2, new_timestamp_key, &[ROOT])]),
        ),
        (
            "a new snapshot key",
            with(third(TIMESTAMP, NEW, TARGETS), vec![next_root(2, new_snapshot_key, &[ROOT])]),
        ),
        (
            "new keys of all, one root each",
            with(
                third(NEW, NEW, NEW),
                vec![next_root(2, new_snapshot_key, &[ROOT]), next_root(3, all, &[ROOT])],
            ),
        ),
        ("a higher threshold", with(plain(), raised_files.into())),
    ]
}

/// A client that has seen the second state of the collection.
fn warm() -> Client {
    let mut client = Client::new(&Collection::new());
    client.remote = second().repository();
    assert!(session(&mut client, usize::MAX).unwrap());
    client
}

/// Whatever the cut left: the first state of the repository is refused, and the second one too as
/// soon as something of the third is trusted.
fn assert_takes_no_older_state(client: &Client, case: &str) {
    for older in [Collection::new(), second()] {
        let mut replayed = Client::new(&older);
        replayed.local = client.local.clone();
        let before = replayed.local.get("timestamp.json").cloned();
        if session(&mut replayed, usize::MAX).is_ok() {
            assert_eq!(before.as_ref(), Some(&second().timestamp), "{case}: rolled back");
            assert_eq!(older.timestamp, second().timestamp, "{case}: rolled back");
        }
    }
}

fn at(local: &Files, remote: &Files) -> Client {
    let mut client = Client::new(&Collection::new());
    (client.local, client.remote) = (local.clone(), remote.clone());
    client
}

#[test]
fn a_cut_at_any_write_loses_nothing_and_opens_no_way_back() {
    let warm = warm();
    for (case, remote) in changes() {
        let mut undisturbed = at(&warm.local, &remote);
        assert!(session(&mut undisturbed, usize::MAX).unwrap(), "{case}");
        let all = undisturbed.writes.len();
        assert!(all >= 4, "{case}: {:?}", undisturbed.writes);
        for first in 0..=all {
            let mut cut = at(&warm.local, &remote);
            assert_eq!(session(&mut cut, first).unwrap(), first == all, "{case}");
            assert_takes_no_older_state(&cut, case);
            // Cut again, wherever, and again after that.
            for second in 0..=all {
                let mut again = at(&cut.local, &remote);
                let ended = session(&mut again, second).unwrap();
                assert_takes_no_older_state(&again, case);
                if !ended {
                    assert!(session(&mut again, usize::MAX).unwrap());
                }
                assert_eq!(again.local, undisturbed.local, "{case}, {first} and {second} writes");
            }
        }
    }
}

#[test]
fn a_cold_client_that_is_cut_ends_where_another_does() {
    let mut undisturbed = Client::new(&second());
    assert!(session(&mut undisturbed, usize::MAX).unwrap());
    for writes in 0..undisturbed.writes.len() {
        let mut cut = Client::new(&second());
        assert!(!session(&mut cut, writes).unwrap());
        assert!(session(&mut cut, usize::MAX).unwrap());
        assert_eq!(cut.local, undisturbed.local);
    }
}

#[test]
fn who_ran_versions_up_is_out_also_where_the_client_is_cut_while_it_recovers() {
    let far = notary_schema::name::MAX_INTEGER;
    let mut stolen = second();
    let mut snapshot = stolen.head().snapshot.signed().clone();
    snapshot.version = version(far);
    stolen.snapshot = sign(&Unsigned::of(&snapshot), &[SNAPSHOT]);
    stolen.timestamp = timestamp_of(&stolen.snapshot, 9, in_days(1));
    let mut victim = Client::new(&stolen);
    assert!(session(&mut victim, usize::MAX).unwrap());
    // Only the snapshot's key is new: the timestamp goes on, and lists a lower version.
    let mut remote = third(TIMESTAMP, NEW, TARGETS);
    let (name, root) = next_root(2, new_snapshot_key, &[ROOT]);
    remote.insert(name, root);
    let snapshot = remote["3.snapshot.json"].clone();
    remote.insert("timestamp.json".into(), timestamp_of(&snapshot, 10, in_days(1)));
    let mut undisturbed = at(&victim.local, &remote);
    assert!(session(&mut undisturbed, usize::MAX).unwrap());
    let all = undisturbed.writes.len();
    for writes in 0..all {
        let mut cut = at(&victim.local, &remote);
        assert!(!session(&mut cut, writes).unwrap());
        assert!(session(&mut cut, usize::MAX).unwrap(), "after {writes} writes");
        assert_eq!(cut.local, undisturbed.local);
    }
}
