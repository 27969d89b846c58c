//! What a signer signs, with which keys, and what a server takes as its answer.

use std::collections::BTreeSet;

use notary_schema::envelope::{Envelope, Unsigned, assemble};
use notary_schema::name::{KeyId, RoleName};
use notary_schema::online::{
    AnswerError, HeldKeys, Judgement, Lifetimes, MAX_SIGN_KEYS, Memory, OnlineRole, Overlap,
    PlannedTimestamp, Rotation, SignRefusal, SignerPolicy, Signing, accept_answer, judge,
    next_snapshot,
};
use notary_schema::role::{Expires, FileMeta, Root, Snapshot, Timestamp};

use crate::support::*;

const POLICY: SignerPolicy = SignerPolicy {
    max_step: 64,
    snapshot_max_seconds: 15 * DAY as u64,
    timestamp_max_seconds: 3 * DAY as u64,
};

fn entry(number: u64) -> FileMeta {
    FileMeta::of(version(number), b"file")
}

fn snapshot(number: u64, expires: Expires, entries: &[(&str, u64)]) -> Unsigned {
    let entries = entries.iter().map(|(name, number)| (role(name), entry(*number)));
    Unsigned::of(&next_snapshot(None, entries, version(number), expires))
}

fn timestamp(number: u64, expires: Expires, snapshot: &Envelope<Snapshot>) -> Unsigned {
    PlannedTimestamp { version: version(number), expires, keyids: vec![] }.document(snapshot)
}

/// A signer that has signed snapshot 10 (targets 5, docs 5) and timestamp 20.
fn memory() -> Memory {
    let last = sign(&snapshot(10, in_days(7), &[("targets", 5), ("docs", 5)]), &[SNAPSHOT]);
    let last = Envelope::parse(last).unwrap();
    let named = sign(&timestamp(20, in_days(1), &last), &[TIMESTAMP]);
    Memory { snapshot: Some(last), timestamp: Some(Envelope::parse(named).unwrap()) }
}

fn outcome(role: OnlineRole, document: &[u8], memory: &Memory) -> &'static str {
    match judge(role, document, memory, &POLICY, now()) {
        Ok(Judgement::Sign(_)) => "sign",
        Ok(Judgement::Repeat(_)) => "repeat",
        Err(refusal) => refusal.code(),
    }
}

#[test]
fn a_snapshot_goes_forward_in_every_entry_and_not_too_far() {
    let judged = |number, entries: &[(&str, u64)]| {
        outcome(OnlineRole::Snapshot, snapshot(number, in_days(7), entries).signed(), &memory())
    };
    let same = [("targets", 5), ("docs", 5)];
    assert_eq!(judged(11, &same), "sign");
    assert_eq!(judged(74, &same), "sign");
    assert_eq!(judged(75, &same), "version_jump");
    assert_eq!(judged((1 << 53) - 1, &same), "version_jump");
    assert_eq!(judged(10, &same), "repeat");
    assert_eq!(judged(10, &[("targets", 6), ("docs", 5)]), "version_used");
    assert_eq!(judged(9, &same), "would_lower");
    assert_eq!(judged(11, &[("targets", 6), ("docs", 5)]), "sign");
    assert_eq!(judged(11, &[("targets", 69), ("docs", 5)]), "sign");
    assert_eq!(judged(11, &[("targets", 70), ("docs", 5)]), "version_jump");
    assert_eq!(judged(11, &[("targets", 4), ("docs", 5)]), "would_lower");
    assert_eq!(judged(11, &[("targets", 5)]), "would_lower");
    assert_eq!(judged(11, &[("targets", 5), ("docs", 5), ("new", 1)]), "sign");
    assert_eq!(judged(11, &[("targets", 5), ("docs", 5), ("new", 65)]), "version_jump");
}

#[test]
fn an_entry_keeps_its_content_under_its_version_and_never_loses_its_hashes() {
    let judged = |change: fn(&mut Snapshot)| {
        let memory = memory();
        let mut next = memory.snapshot.as_ref().unwrap().signed().clone();
        next.version = version(11);
        change(&mut next);
        outcome(OnlineRole::Snapshot, Unsigned::of(&next).signed(), &memory)
    };
    assert_eq!(judged(|_| {}), "sign");
    let other = |next: &mut Snapshot| {
        next.meta.insert("docs.json", &FileMeta::of(version(5), b"other"));
    };
    assert_eq!(judged(other), "version_used");
    let bare = |number| FileMeta { version: version(number), length: None, hashes: None };
    assert_eq!(
        judged(|next| {
            let entry = next.meta.get("docs.json").unwrap();
            next.meta.insert("docs.json", &FileMeta { length: None, ..entry });
        }),
        "version_used"
    );
    assert_eq!(
        judged(|next| {
            let entry = next.meta.get("docs.json").unwrap();
            let next_entry = FileMeta { version: version(6), hashes: None, ..entry };
            next.meta.insert("docs.json", &next_entry);
        }),
        "hashes_dropped"
    );
    // A bin that never had hashes goes on without.
    let bins = |number| {
        let entries = [(role("bin-0"), bare(number))];
        Unsigned::of(&next_snapshot(None, entries, version(number), in_days(7)))
    };
    let last = Envelope::parse(sign(&bins(1), &[SNAPSHOT])).unwrap();
    let memory = Memory { snapshot: Some(last), timestamp: None };
    assert_eq!(outcome(OnlineRole::Snapshot, bins(2).signed(), &memory), "sign");
}

#[test]
fn a_snapshot_lists_files_of_targets_roles_only() {
    let judged = |name: &str| {
        let mut next = next_snapshot(None, [(role("docs"), entry(1))], version(1), in_days(7));
        next.meta.insert(name, &entry(1));
        outcome(OnlineRole::Snapshot, Unsigned::of(&next).signed(), &Memory::default())
    };
    assert_eq!(judged("targets.json"), "sign");
    assert_eq!(judged("team.json"), "sign");
    for other in ["root.json", "snapshot.json", "timestamp.json", "team", ".json", "a\u{0}.json"] {
        assert_eq!(judged(other), "wrong_document", "{other:?}");
    }
}

#[test]
fn a_signer_without_memory_starts_near_one() {
    let judged = |number| {
        let document = snapshot(number, in_days(7), &[("targets", 1)]);
        outcome(OnlineRole::Snapshot, document.signed(), &Memory::default())
    };
    assert_eq!(judged(1), "sign");
    assert_eq!(judged(64), "sign");
    assert_eq!(judged(65), "version_jump");
    let orphan = timestamp(1, in_days(1), memory().snapshot.as_ref().unwrap());
    assert_eq!(
        outcome(OnlineRole::Timestamp, orphan.signed(), &Memory::default()),
        "other_snapshot"
    );
}

#[test]
fn a_timestamp_names_the_last_snapshot_that_was_signed() {
    let memory = memory();
    let last = memory.snapshot.as_ref().unwrap();
    let other = |signers: &[u8]| {
        let file = sign(&snapshot(10, in_days(7), &[("targets", 5), ("docs", 5)]), signers);
        Envelope::parse(file).unwrap()
    };
    let older = sign(&snapshot(9, in_days(7), &[("targets", 5)]), &[SNAPSHOT]);
    let older = Envelope::parse(older).unwrap();
    let judged = |named: &Envelope<Snapshot>| {
        outcome(OnlineRole::Timestamp, timestamp(21, in_days(1), named).signed(), &memory)
    };
    assert_eq!(judged(last), "sign");
    assert_eq!(judged(&other(&[SNAPSHOT, 9])), "other_snapshot");
    assert_eq!(judged(&older), "other_snapshot");
    let again = memory.timestamp.as_ref().unwrap();
    assert_eq!(outcome(OnlineRole::Timestamp, again.message(), &memory), "repeat");
}

#[test]
fn lives_are_in_the_future_and_within_the_policy() {
    let memory = memory();
    let last = memory.snapshot.as_ref().unwrap();
    let judged =
        |days| outcome(OnlineRole::Timestamp, timestamp(21, in_days(days), last).signed(), &memory);
    assert_eq!(judged(1), "sign");
    assert_eq!(judged(3), "sign");
    assert_eq!(judged(4), "expires_too_late");
    assert_eq!(judged(0), "expired");
    assert_eq!(judged(-1), "expired");
}

#[test]
fn a_repeat_is_answered_with_the_stored_file_even_when_it_has_expired() {
    let expired = sign(&snapshot(10, in_days(-1), &[("targets", 5)]), &[SNAPSHOT]);
    let memory =
        Memory { snapshot: Some(Envelope::parse(expired.clone()).unwrap()), timestamp: None };
    let document = memory.snapshot.as_ref().unwrap().message().to_vec();
    match judge(OnlineRole::Snapshot, &document, &memory, &POLICY, now()) {
        Ok(Judgement::Repeat(file)) => assert_eq!(file[..], expired[..]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_the_document_of_the_role_is_signed_and_only_as_we_would_write_it() {
    let memory = memory();
    let plain = snapshot(11, in_days(7), &[("targets", 5), ("docs", 5)]);
    let text = String::from_utf8(plain.signed().to_vec()).unwrap();
    let judged = |text: &str| outcome(OnlineRole::Snapshot, text.as_bytes(), &memory);
    assert_eq!(judged(&text), "sign");
    assert_eq!(judged(&text.replace("\"snapshot\"", "\"targets\"")), "wrong_document");
    assert_eq!(judged(&text.replacen('{', "{\"a\":1,", 1)), "wrong_document");
    assert_eq!(judged(&text.replace(",\"meta\"", ", \"meta\"")), "wrong_document");
    assert_eq!(judged(&text.replace("\"1.0.34\"", "\"2.0.0\"")), "wrong_document");
    assert_eq!(judged("0123"), "wrong_document");
    let targets = Collection::new().next("targets").finish();
    let root = Unsigned::of(&root(1));
    for other in [targets.signed(), root.signed()] {
        assert_eq!(outcome(OnlineRole::Snapshot, other, &memory), "wrong_document");
        assert_eq!(outcome(OnlineRole::Timestamp, other, &memory), "wrong_document");
    }
    assert_eq!(outcome(OnlineRole::Timestamp, plain.signed(), &memory), "wrong_document");
}

#[test]
fn a_request_names_the_keys_that_root_lists_and_the_signer_holds_for_the_role() {
    let mut root = root(1);
    root.roles.timestamp = role_keys(&[TIMESTAMP, 10, 11, 12, 13, 14, 15, 16, 17], 1);
    let signing = |seeds: &[u8]| held(seeds).signing(&root, OnlineRole::Timestamp);
    assert_eq!(signing(&[10, TIMESTAMP]), [signer(TIMESTAMP).id(), signer(10).id()]);
    assert_eq!(signing(&[99]), []);
    assert_eq!(signing(&[TIMESTAMP, 10, 11, 12, 13, 14, 15, 16]).len(), MAX_SIGN_KEYS);
    assert_eq!(signing(&[TIMESTAMP, 10, 11, 12, 13, 14, 15, 16, 17]).len(), MAX_SIGN_KEYS);
    assert_eq!(held(&[SNAPSHOT]).signing(&root, OnlineRole::Snapshot), []);
}

/// Root 1, and a root 2 whose timestamp is signed by another key.
fn rotation() -> (Root, Root) {
    let mut after = root(2);
    after.keys.extend(keys(&[9]));
    after.roles.timestamp = role_keys(&[9], 1);
    (root(1), after)
}

fn held(seeds: &[u8]) -> HeldKeys {
    seeds.iter().map(|seed| (OnlineRole::Timestamp, signer(*seed).id())).collect()
}

fn ids(seeds: &[u8]) -> Vec<KeyId> {
    seeds.iter().map(|seed| signer(*seed).id()).collect()
}

#[test]
fn an_overlap_begins_with_the_keys_that_a_root_takes_away_and_nobody_else_has() {
    let (before, after) = rotation();
    let begins = |before: &Root, after: &Root, compromised: &[&str]| {
        let compromised = compromised.iter().map(|name| role(name)).collect();
        let rotation = Rotation::of(before, after, &compromised);
        assert_eq!(Rotation::of(after, before, &compromised).added, rotation.taken_away);
        rotation.taken_away.keys().map(|(role, keyid)| (role, keyid.clone())).collect::<Vec<_>>()
    };
    let old = [(OnlineRole::Timestamp, signer(TIMESTAMP).id())];
    assert_eq!(begins(&before, &after, &[]), old);
    assert_eq!(begins(&before, &after, &["snapshot"]), old);
    assert_eq!(begins(&before, &after, &["timestamp"]), []);
    assert_eq!(begins(&before, &root(2), &[]), []);
}

#[test]
fn during_an_overlap_the_keys_before_sign_beside_the_new_ones() {
    let (before, after) = rotation();
    let overlap = Rotation::of(&before, &after, &BTreeSet::new()).taken_away;
    let keyids = |root: &Root, seeds: &[u8], overlap: &Overlap| {
        Signing { root, held: &held(seeds), overlap }.keyids(OnlineRole::Timestamp)
    };
    assert_eq!(keyids(&after, &[TIMESTAMP, 9], &overlap), ids(&[9, TIMESTAMP]));
    assert_eq!(keyids(&after, &[TIMESTAMP, 9], &Overlap::default()), ids(&[9]));
    assert_eq!(keyids(&after, &[9], &overlap), ids(&[9]), "a lost key blocks nothing");
    assert_eq!(keyids(&before, &[TIMESTAMP, 9], &overlap), ids(&[TIMESTAMP]), "none twice");
    let many = [10, 11, 12, 13, 14, 15, 16, TIMESTAMP];
    let all = many.map(|seed| (OnlineRole::Timestamp, signer(seed).id())).into_iter().collect();
    let found = keyids(&after, &[&[9], &many[..]].concat(), &all);
    assert_eq!(found, ids(&[9, 10, 11, 12, 13, 14, 15, 16]), "no more than one request may name");
}

/// Keys 20 and 21, of which the second stands by for the first.
fn with_standby(seeds: &[u8]) -> HeldKeys {
    held(seeds).with_standbys([(signer(21).id(), signer(20).id())])
}

#[test]
fn a_key_and_its_standby_reach_no_threshold_of_two() {
    let mut root = root(1);
    root.keys.extend(keys(&[20, 21, 22]));
    let mut reachable = |listed: &[u8], seeds: &[u8]| {
        root.roles.timestamp = role_keys(listed, 1);
        with_standby(seeds).reachable(&root, OnlineRole::Timestamp)
    };
    assert_eq!(reachable(&[20, 21], &[20, 21]), 1);
    assert_eq!(reachable(&[21, 20, 22], &[20, 21, 22]), 2);
    // Each of them alone is a key like any other.
    assert_eq!(reachable(&[21, 22], &[20, 21, 22]), 2);
    assert_eq!(reachable(&[20, 21], &[21]), 1);
    assert_eq!(reachable(&[20, 22], &[20, 21, 22]), 2);
    let named = with_standby(&[20, 21]).reachable_by(&ids(&[20, 22]), &root, OnlineRole::Timestamp);
    assert_eq!(named, 2, "whether it is held is not asked again");
}

/// The signature of the one that the root does not list would leave its clients without any.
#[test]
fn a_key_signs_along_only_where_the_root_does_not_list_the_other_one_of_its_pair() {
    let mut root = root(2);
    root.keys.extend(keys(&[20, 21, 9]));
    let both = [20, 21].map(|seed| (OnlineRole::Timestamp, signer(seed).id()));
    let overlap: Overlap = both.into_iter().collect();
    let mut keyids = |listed: &[u8], seeds: &[u8]| {
        root.roles.timestamp = role_keys(listed, 1);
        let held = with_standby(seeds);
        Signing { root: &root, held: &held, overlap: &overlap }.keyids(OnlineRole::Timestamp)
    };
    assert_eq!(keyids(&[20, 21], &[20, 21]), ids(&[20, 21]));
    assert_eq!(keyids(&[20], &[20, 21]), ids(&[20]));
    assert_eq!(keyids(&[21], &[20, 21]), ids(&[21]));
    assert_eq!(keyids(&[9], &[9, 20, 21]), ids(&[9, 20, 21]));
    assert_eq!(keyids(&[20], &[21]), ids(&[21]), "the listed one is lost");
}

#[test]
fn an_overlap_outlasts_every_timestamp_of_before_it() {
    let overlap = |overlap_seconds, timestamp_seconds| {
        let lifetimes = Lifetimes { overlap_seconds, timestamp_seconds, ..Lifetimes::default() };
        lifetimes.overlap().num_seconds()
    };
    assert_eq!(overlap(7_200, 3_600), 7_200);
    assert_eq!(overlap(3_600, 3_600), 3_605, "and the caches");
    assert_eq!(overlap(0, 3_600), 3_605);
    assert!(overlap(u64::MAX, 3_600) > 1 << 40);
}

#[test]
fn a_refusal_names_what_would_go_back() {
    let document = snapshot(11, in_days(7), &[("targets", 5), ("docs", 4)]);
    let refusal = judge(OnlineRole::Snapshot, document.signed(), &memory(), &POLICY, now());
    let expected =
        SignRefusal::WouldLower { what: "docs.json".into(), last: version(5), wanted: 4 };
    assert_eq!(refusal.unwrap_err(), expected);
}

#[test]
fn an_answer_is_the_document_that_was_sent_signed_as_the_root_says() {
    let root = root(1);
    let sent = snapshot(1, in_days(7), &[("targets", 1)]);
    let accept = |file: Vec<u8>| {
        accept_answer::<Snapshot>(file, sent.message(), OnlineRole::Snapshot, &root)
    };
    accept(sign(&sent, &[SNAPSHOT])).unwrap();
    let other = snapshot(2, in_days(7), &[("targets", 1)]);
    assert_eq!(accept(sign(&other, &[SNAPSHOT])).unwrap_err(), AnswerError::OtherDocument);
    assert!(matches!(accept(sign(&sent, &[TIMESTAMP])), Err(AnswerError::Threshold(_))));
    assert!(matches!(accept(assemble(sent.signed(), &[])), Err(AnswerError::Threshold(_))));
    assert!(matches!(accept(b"{}".to_vec()), Err(AnswerError::Unreadable(_))));
}

#[test]
fn a_planned_timestamp_is_the_same_document_each_time() {
    let memory = memory();
    let named = memory.snapshot.as_ref().unwrap();
    let once = timestamp(5, in_days(1), named);
    assert_eq!(once.signed(), timestamp(5, in_days(1), named).signed());
    let document: Timestamp = notary_schema::json::read(once.signed()).unwrap();
    assert!(document.meta.snapshot.describes(named.bytes()));
    assert_eq!(document.meta.snapshot.version, named.version());
}

#[test]
fn the_next_snapshot_keeps_every_entry() {
    let before =
        next_snapshot(None, [(role("a"), entry(1)), (role("b"), entry(1))], version(1), in_days(7));
    let after = next_snapshot(
        Some(&before),
        [(role("b"), entry(2)), (RoleName::TARGETS, entry(1))],
        version(2),
        in_days(7),
    );
    let versions: Vec<_> =
        after.meta.iter().map(|(name, entry)| (name, entry.version.get())).collect();
    assert_eq!(versions, [("a.json", 1), ("b.json", 2), ("targets.json", 1)]);
}
