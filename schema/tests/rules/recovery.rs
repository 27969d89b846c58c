//! When clients forget what they have seen, and what the next snapshot then lists.

use std::collections::BTreeMap;

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::online::OnlineRole::{self, Snapshot, Timestamp};
use notary_schema::online::{Overlap, entry, next_snapshot};
use notary_schema::publish::{Head, entries_over, starts_over};
use notary_schema::role::{Authority, FileMeta, Root};

use crate::support::*;

/// Keys of a signer that has signed nothing yet.
const NEW: [u8; 2] = [61, 62];

/// Root 2 of the collection, with these keys of snapshot and timestamp.
fn with(snapshot: &[u8], timestamp: &[u8]) -> Root {
    let mut next = root(2);
    next.keys.extend(keys(snapshot).into_iter().chain(keys(timestamp)));
    next.roles.snapshot = role_keys(snapshot, 1);
    next.roles.timestamp = role_keys(timestamp, 1);
    next
}

fn sign_on(keys: &[(OnlineRole, u8)]) -> Overlap {
    keys.iter().map(|(role, seed)| (*role, signer(*seed).id())).collect()
}

#[test]
fn clients_forget_where_every_key_of_both_roles_is_another_one() {
    let head = Collection::new().head();
    let [snapshot, timestamp] = [&[NEW[0]][..], &[NEW[1]]];
    for (keys, forgets) in [
        ((snapshot, timestamp), true),
        ((snapshot, &[TIMESTAMP][..]), false),
        ((&[SNAPSHOT][..], timestamp), false),
        ((&[NEW[0], SNAPSHOT][..], timestamp), false),
        ((&[NEW[0], NEW[1]][..], timestamp), true),
    ] {
        let root = with(keys.0, keys.1);
        assert_eq!(starts_over(&head, &root, &Overlap::default()), forgets, "{keys:?}");
    }
    let root = with(snapshot, timestamp);
    for (keys, forgets) in [
        ((Snapshot, SNAPSHOT), false),
        ((Timestamp, TIMESTAMP), false),
        // A key of a root further back, which clients of this one do not know.
        ((Timestamp, 63), true),
    ] {
        assert_eq!(starts_over(&head, &root, &sign_on(&[keys])), forgets, "{keys:?}");
    }
}

/// A client trusts its stored timestamp under the new root, where a key of that has signed it.
#[test]
fn clients_do_not_forget_what_a_new_key_has_signed_ahead() {
    let mut collection = Collection::new();
    let root = with(&[NEW[0]], &[NEW[1]]);
    assert!(starts_over(&collection.head(), &root, &Overlap::default()));
    let timestamp = timestamp_file(&collection.timestamp);
    collection.timestamp = sign(&Unsigned::of(&timestamp), &[TIMESTAMP, NEW[1]]);
    let head = collection.head();
    let authority: Authority<'_> = root.authority(&RoleName::TIMESTAMP).unwrap();
    assert!(notary_schema::threshold::count(&head.timestamp, authority).is_met());
    assert!(!starts_over(&head, &root, &Overlap::default()));
}

/// The entries, by version and whether they have hashes, of the snapshot over this memory.
fn listed(head: &Head, remembered: Option<&[(&str, FileMeta)]>) -> BTreeMap<String, (u64, bool)> {
    let remembered = remembered.map(|entries| {
        let entries = entries.iter().map(|(name, entry)| (role(name), entry.clone()));
        next_snapshot(None, entries, version(9), in_days(7))
    });
    let entries = entries_over(remembered.as_ref(), head);
    let next = next_snapshot(remembered.as_ref(), entries, version(10), in_days(7));
    let listed = next.meta.iter();
    listed.map(|(name, it)| (name.to_owned(), (it.version.get(), it.hashes.is_some()))).collect()
}

fn expected(entries: &[(&str, u64, bool)]) -> BTreeMap<String, (u64, bool)> {
    entries
        .iter()
        .map(|(name, number, hashes)| (format!("{name}.json"), (*number, *hashes)))
        .collect()
}

#[test]
fn the_first_snapshot_afterwards_lists_the_stored_files_over_the_memory_alone() {
    let collection = Collection::new();
    let mut head = collection.head();
    // The snapshot that is served lists a role that was never there, and one too far.
    let mut ran_away = head.snapshot.signed().clone();
    ran_away.meta.insert("ghost.json", &FileMeta::of(version(5), b"nothing"));
    ran_away.meta.insert("docs.json", &FileMeta::of(version(70), b"nothing"));
    let file = sign(&Unsigned::of(&ran_away), &[SNAPSHOT]);
    head.snapshot = Envelope::parse(file).map(std::sync::Arc::new).unwrap();

    let stored = expected(&[("docs", 1, true), ("targets", 1, true)]);
    assert_eq!(listed(&head, None), stored);
    let [targets, docs] = ["targets", "docs"].map(|name| entry(&collection.file(name)));
    let good = [("targets", targets.clone()), ("docs", docs)];
    assert_eq!(listed(&head, Some(&good)), stored);
    // Nothing goes back of what the operator has not set back.
    let ghost = [("targets", targets), ("ghost", FileMeta::of(version(5), b"nothing"))];
    let kept = expected(&[("docs", 1, true), ("ghost", 5, true), ("targets", 1, true)]);
    assert_eq!(listed(&head, Some(&ghost)), kept);
}

#[test]
fn an_entry_keeps_the_form_in_which_it_was_signed() {
    let mut head = Collection::new().head();
    let mut bare = head.snapshot.signed().clone();
    bare.meta.insert("docs.json", &FileMeta { version: version(1), length: None, hashes: None });
    let file = sign(&Unsigned::of(&bare), &[SNAPSHOT]);
    head.snapshot = Envelope::parse(file).map(std::sync::Arc::new).unwrap();
    assert_eq!(listed(&head, None), expected(&[("docs", 1, false), ("targets", 1, true)]));
}

#[test]
fn roots_in_a_row_add_and_take_away_what_each_of_them_does() {
    use notary_schema::online::Rotation;
    let [first, second, third] = [
        with(&[SNAPSHOT], &[TIMESTAMP]),
        with(&[SNAPSHOT], &[NEW[0]]),
        with(&[SNAPSHOT], &[NEW[1]]),
    ];
    let sound = Default::default();
    let mut rotation = Rotation::of(&first, &second, &sound);
    rotation.then(&Rotation::of(&second, &third, &sound));
    assert_eq!(rotation.added, sign_on(&[(Timestamp, NEW[0]), (Timestamp, NEW[1])]));
    assert_eq!(rotation.taken_away, sign_on(&[(Timestamp, TIMESTAMP), (Timestamp, NEW[0])]));
    let twice = sign_on(&[(Timestamp, NEW[0]), (Timestamp, NEW[0])]);
    assert_eq!(twice.keys().count(), 1);
}
