//! What an operator may make of a signer's memory.

use std::collections::BTreeMap;

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::online::OnlineRole::{Snapshot, Timestamp};
use notary_schema::online::{
    Judgement, Memory, MemoryRefusal, OnlineFile, OnlineRole, Served, SignerPolicy, judge,
    next_snapshot,
};
use notary_schema::role::{FileMeta, Snapshot as SnapshotFile};
use proptest::prelude::*;

use crate::support::*;

/// A signed snapshot whose entries have these versions and contents.
fn snapshot(number: u64, entries: &[(&str, u64, &str)]) -> Vec<u8> {
    let entry = |(name, number, content): &(&str, u64, &str)| {
        (role(name), FileMeta::of(version(*number), content.as_bytes()))
    };
    let next = next_snapshot(None, entries.iter().map(entry), version(number), in_days(7));
    sign(&Unsigned::of(&next), &[SNAPSHOT])
}

/// What a signer remembers that has signed these.
fn memory(snapshot: &[u8], timestamp: u64) -> Memory {
    let timestamp = timestamp_of(snapshot, timestamp, in_days(1));
    let files = [snapshot.to_vec(), timestamp].map(|file| OnlineFile::parse(file).unwrap());
    files.into_iter().fold(Memory::default(), Memory::with)
}

/// What a server serves, verified from root 1.
fn served(snapshot: &[u8], timestamp: u64) -> Served {
    let root = sign(&Unsigned::of(&root(1)), &[ROOT]);
    let timestamp = timestamp_of(snapshot, timestamp, in_days(1));
    let (root, snapshot) = (root.into(), snapshot.to_vec().into());
    Served::verify(root, [], timestamp.into(), snapshot, now()).unwrap()
}

fn numbers(memory: &Memory) -> (u64, u64) {
    let versions = memory.versions();
    let number = |role: OnlineRole| versions.get(&role).map_or(0, |version| version.get());
    (number(Snapshot), number(Timestamp))
}

fn entries(memory: &Memory) -> BTreeMap<String, u64> {
    let snapshot = memory.snapshot.as_ref().unwrap().signed();
    snapshot.meta.iter().map(|(name, entry)| (name.to_owned(), entry.version.get())).collect()
}

/// What a signer with this memory makes of the snapshot of this version with the entries that it
/// remembers, at other dates.
fn signs(memory: &Memory, number: u64) -> &'static str {
    let mut next = memory.snapshot.as_ref().unwrap().signed().clone();
    (next.version, next.expires) = (version(number), in_days(6));
    let policy = SignerPolicy::default();
    match judge(Snapshot, Unsigned::of(&next).signed(), memory, &policy, now()) {
        Ok(Judgement::Sign(_)) => "signed",
        Ok(Judgement::Repeat(_)) => "repeated",
        Err(refusal) => refusal.code(),
    }
}

#[test]
fn the_files_of_somebody_else_count_as_signed_last() {
    let theirs = snapshot(900, &[("targets", 800, "t"), ("docs", 700, "d")]);
    let set = memory(&theirs, 1000);
    assert_eq!(numbers(&set), (900, 1000));
    Memory::default().require_confirmed(&set, &BTreeMap::new()).unwrap();
    for (number, outcome) in
        [(899, "would_lower"), (900, "version_used"), (901, "signed"), (965, "version_jump")]
    {
        assert_eq!(signs(&set, number), outcome, "{number}");
    }
}

#[test]
fn a_file_is_of_the_role_that_it_says() {
    let file = snapshot(1, &[]);
    assert_eq!(OnlineFile::parse(file.clone()).unwrap().role(), Snapshot);
    assert_eq!(OnlineFile::parse(timestamp_of(&file, 1, in_days(1))).unwrap().role(), Timestamp);
    assert!(OnlineFile::parse(sign(&Unsigned::of(&root(1)), &[ROOT])).is_err());
    assert!(OnlineFile::parse(b"{}".to_vec()).is_err());
}

#[test]
fn a_version_that_ran_away_comes_back_where_somebody_says_what_that_gives_up() {
    let far = (1 << 53) - 1;
    let good = snapshot(57, &[("targets", 6, "t"), ("docs", 5, "d")]);
    let last = memory(&good, 103).at(Snapshot, version(far)).unwrap();
    assert_eq!((numbers(&last), signs(&last, far)), ((far, 103), "version_used"));

    let next = last.clone().at(Snapshot, version(57)).unwrap();
    let confirm = |role, number| BTreeMap::from([(role, version(number))]);
    let refused = last.require_confirmed(&next, &BTreeMap::new()).unwrap_err().to_string();
    assert!(refused.contains(&format!("snapshot goes back from version {far} to 57")), "{refused}");
    assert!(refused.ends_with(&format!("say so with --forget snapshot={far}")), "{refused}");
    for wrong in [confirm(Snapshot, 57), confirm(Timestamp, 103)] {
        let refused = last.require_confirmed(&next, &wrong).unwrap_err();
        assert!(matches!(refused, MemoryRefusal::NothingLost { .. }), "{refused}");
    }
    last.require_confirmed(&next, &confirm(Snapshot, far)).unwrap();
    assert_eq!((numbers(&next), signs(&next, 58)), ((57, 103), "signed"));
}

#[test]
fn what_goes_forward_needs_no_confirmation_and_what_changes_does() {
    let last = memory(&snapshot(10, &[("targets", 5, "t"), ("docs", 5, "d")]), 20);
    let loses = |number, entries: &[(&str, u64, &str)]| {
        let file = OnlineFile::parse(snapshot(number, entries)).unwrap();
        let losses = last.losses(&last.clone().with(file));
        losses.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    let same = ("targets", 5, "t");
    assert_eq!(loses(10, &[same, ("docs", 5, "d")]), "");
    assert_eq!(loses(11, &[same, ("docs", 6, "e"), ("new", 1, "n")]), "");
    assert_eq!(loses(9, &[same, ("docs", 5, "d")]), "snapshot goes back from version 10 to 9");
    assert_eq!(loses(10, &[same, ("docs", 6, "e")]), "snapshot 10 gets another content");
    assert_eq!(loses(11, &[same]), "docs.json 5 is forgotten");
    assert_eq!(loses(11, &[same, ("docs", 4, "c")]), "docs.json goes back from version 5 to 4");
    assert_eq!(loses(11, &[same, ("docs", 5, "x")]), "docs.json 5 gets another content");
}

#[test]
fn a_version_alone_says_too_little_where_nothing_is_remembered() {
    let refused = Memory::default().at(Timestamp, version(5)).unwrap_err();
    assert_eq!(refused, MemoryRefusal::NothingRemembered(Timestamp));
}

#[test]
fn a_restored_signer_takes_the_highest_of_all_and_a_gap() {
    let older = memory(&snapshot(10, &[("targets", 5, "t"), ("docs", 9, "d")]), 20);
    let now_served =
        served(&snapshot(15, &[("targets", 7, "u"), ("docs", 8, "c"), ("new", 1, "n")]), 30);
    let restored = older.after_restore(&now_served, 64).unwrap();
    assert_eq!(numbers(&restored), (79, 94));
    let expected = [("docs.json", 9), ("new.json", 1), ("targets.json", 7)];
    assert_eq!(entries(&restored), expected.map(|(name, number)| (name.to_owned(), number)).into());
    // Whatever it signed of the versions up to there is not signed again.
    for number in 11..=79 {
        assert_ne!(signs(&restored, number), "signed", "{number}");
    }
    assert_eq!(signs(&restored, 80), "signed");
    // The same again changes nothing, and no more does a server that is behind.
    for state in [now_served, served(&snapshot(15, &[("targets", 6, "s")]), 30)] {
        let again = restored.after_restore(&state, 64).unwrap();
        assert_eq!(again.file(Snapshot), restored.file(Snapshot));
        assert_eq!(again.file(Timestamp), restored.file(Timestamp));
    }
}

#[test]
fn an_empty_signer_takes_what_is_served() {
    let now_served = served(&snapshot(900, &[("targets", 800, "t")]), 1000);
    let restored = Memory::default().after_restore(&now_served, 64).unwrap();
    assert_eq!((numbers(&restored), signs(&restored, 965)), ((964, 1064), "signed"));
    assert_eq!(signs(&restored, 964), "version_used");
}

#[test]
fn two_contents_of_one_version_are_not_merged() {
    let last = memory(&snapshot(10, &[("targets", 5, "t")]), 20);
    let refused = |state: &Served| match last.after_restore(state, 64) {
        Err(MemoryRefusal::Contradiction { what, version }) => format!("{what} {version}"),
        other => format!("{other:?}"),
    };
    assert_eq!(refused(&served(&snapshot(10, &[("targets", 6, "t")]), 20)), "snapshot 10");
    assert_eq!(refused(&served(&snapshot(11, &[("targets", 5, "x")]), 21)), "targets.json 5");
    assert_eq!(refused(&served(&snapshot(11, &[("targets", 5, "t")]), 20)), "timestamp 20");
    assert!(last.after_restore(&served(&snapshot(10, &[("targets", 5, "t")]), 20), 64).is_ok());
}

#[test]
fn beyond_the_last_version_there_is_no_gap() {
    let last = (1 << 53) - 1;
    let gap = |number| {
        let state = served(&snapshot(number, &[("targets", 5, "t")]), 20);
        Memory::default().after_restore(&state, 64).map(|memory| numbers(&memory).0)
    };
    assert_eq!(gap(last - 64).unwrap(), last);
    assert!(matches!(gap(last - 63), Err(MemoryRefusal::NoRoom { role: Snapshot, .. })));
}

#[test]
fn what_is_served_counts_only_where_it_follows_from_the_trusted_root() {
    let file = snapshot(10, &[("targets", 5, "t")]);
    let verify = |root: &[u8], snapshot: &[u8], timestamp: Vec<u8>| {
        let (root, snapshot) = (root.to_vec().into(), snapshot.to_vec().into());
        Served::verify(root, [], timestamp.into(), snapshot, now())
    };
    let first = sign(&Unsigned::of(&root(1)), &[ROOT]);
    let timestamp = timestamp_of(&file, 20, in_days(1));
    assert!(verify(&first, &file, timestamp.clone()).is_ok());
    // Expired is fine: it says what was signed.
    assert!(verify(&first, &file, timestamp_of(&file, 20, in_days(-1))).is_ok());
    let unsigned = Envelope::<SnapshotFile>::parse(file.clone()).unwrap().signed().clone();
    let unsigned = Unsigned::of(&unsigned).with_signatures(&[]);
    let names_it = timestamp_of(&unsigned, 20, in_days(1));
    assert!(verify(&first, &unsigned, names_it).is_err());
    assert!(verify(&first, &snapshot(11, &[]), timestamp.clone()).is_err());
    assert!(verify(&sign(&Unsigned::of(&root(1)), &[DOCS]), &file, timestamp).is_err());
}

proptest! {
    /// Whatever the backup and the server hold: nothing of either can be signed again.
    #[test]
    fn a_restored_memory_gives_nothing_up(
        backup in prop::option::of((1u64..200, 1u64..200, 1u64..99, 1u64..99)),
        (snap, time, targets, docs) in (1u64..200, 1u64..200, 1u64..99, 1u64..99),
        gap in 1u64..99,
    ) {
        let file = |snap: u64, targets: u64, docs: u64| {
            let content = |name: &str, number: u64| format!("{name} {number}");
            let (t, d) = (content("t", targets), content("d", docs));
            snapshot(snap, &[("targets", targets, &t), ("docs", docs, &d)])
        };
        let backup = backup.map_or_else(Memory::default, |(snap, time, targets, docs)| {
            memory(&file(snap, targets, docs), time)
        });
        let now_served = served(&file(snap, targets, docs), time);
        let Ok(restored) = backup.after_restore(&now_served, gap) else {
            // One version, drawn with two contents.
            let (last_snap, last_time) = numbers(&backup);
            prop_assert!(last_snap == snap || last_time == time);
            return Ok(());
        };
        prop_assert!(backup.losses(&restored).is_empty());
        let state = memory(&file(snap, targets, docs), time);
        prop_assert!(state.losses(&restored).is_empty());
        let (snapshot, timestamp) = numbers(&restored);
        prop_assert!(snapshot >= snap + gap && timestamp >= time + gap);
    }
}
