//! The rules of what may be published: each refused batch stands beside an allowed neighbour.
//!
//! Here are those of a batch as a whole; `contents` has those of what stands in one file,
//! `delegations` those of who may sign what.

mod contents;
mod delegations;

use std::collections::BTreeSet;

use notary_schema::draft::Draft;
use notary_schema::envelope::Unsigned;
use notary_schema::name::{MAX_INTEGER, RoleName, TargetPath};
use notary_schema::publish::{
    Accepted, Batch, Head, Limits, Refusal, Rules, StoredFile, check, check_unsigned,
};
use notary_schema::role::{FileMeta, Root};
use serde_json::json;

use crate::support::*;

pub fn rules() -> Rules {
    Rules {
        limits: Limits::default(),
        offline_max_seconds: 400 * DAY as u64,
        held_keys: held_keys(),
        ..Rules::default()
    }
}

pub fn batch(parts: &[(&str, &[u8])]) -> Batch {
    let mut batch = Batch::default();
    for (name, bytes) in parts {
        batch.add(role(name), bytes.to_vec().into()).unwrap();
    }
    batch
}

pub fn judge(head: &Head, batch: &Batch) -> Result<Accepted, Refusal> {
    assert!(head.missing(batch).is_empty(), "these heads hold every file");
    check(Some(head), batch, &rules(), now())
}

/// Judges one part on a fresh collection.
pub fn judge_part(name: &str, bytes: &[u8]) -> Result<Accepted, Refusal> {
    judge(&Collection::new().head(), &batch(&[(name, bytes)]))
}

pub fn code(result: Result<Accepted, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.code(), |_| "accepted")
}

fn docs(edit: impl FnOnce(Draft) -> Draft) -> Vec<u8> {
    sign(&edit(Collection::new().next("docs")).finish(), &[DOCS])
}

fn targets(edit: impl FnOnce(Draft) -> Draft) -> Vec<u8> {
    sign(&edit(Collection::new().next("targets")).finish(), &[TARGETS])
}

pub fn changed_root(change: impl FnOnce(&mut Root)) -> Unsigned {
    let mut root = root(2);
    change(&mut root);
    Unsigned::of(&root)
}

#[test]
fn the_first_publish_is_root_one_with_targets_one() {
    let root_file = sign(&Unsigned::of(&root(1)), &[ROOT]);
    let targets_file = sign(&Draft::first_targets(in_days(9)).finish(), &[TARGETS]);
    let judge = |batch: &Batch| code(check(None, batch, &rules(), now()));
    assert_eq!(judge(&batch(&[("root", &root_file), ("targets", &targets_file)])), "accepted");
    assert_eq!(judge(&batch(&[("root", &root_file)])), "first_publish");
    assert_eq!(judge(&batch(&[("targets", &targets_file)])), "first_publish");
    let second = sign(&Unsigned::of(&root(2)), &[ROOT]);
    assert_eq!(judge(&batch(&[("root", &second), ("targets", &targets_file)])), "version_conflict");
}

#[test]
fn a_version_is_exactly_one_above_the_stored_one() {
    let collection = Collection::new();
    let with = |number| {
        let draft = Draft::with_version(&collection.file("docs"), version(number), in_days(9));
        judge_part("docs", &sign(&draft.with_target("docs/new").finish(), &[DOCS]))
    };
    assert_eq!(code(with(2)), "accepted");
    for wrong in [1, 3, 1 << 40, (1 << 53) - 1] {
        match with(wrong) {
            Err(Refusal::VersionConflict { current, expected, sent, .. }) => {
                assert_eq!(current.unwrap().0, version(1));
                assert_eq!((expected, sent), (version(2), version(wrong)));
            }
            other => panic!("version {wrong}: {other:?}"),
        }
    }
}

#[test]
fn stored_files_are_taken_out_of_a_batch_and_nothing_else_is() {
    let collection = Collection::new();
    let stored_bytes = collection.files[&role("docs")].clone();
    let stored_sha = collection.file("docs").sha256().to_owned();
    let stored = |name: &RoleName, number| {
        (*name == role("docs") && number == version(1)).then(|| stored_sha.clone())
    };
    let (rest, repeated) = batch(&[("docs", &stored_bytes)]).without_stored(stored);
    assert!(rest.is_empty());
    assert_eq!(repeated, [(role("docs"), version(1), stored_sha.clone())]);
    let other = sign(&Draft::first_targets(in_days(8)).finish(), &[DOCS]);
    let (rest, repeated) = batch(&[("docs", &other)]).without_stored(stored);
    assert!(repeated.is_empty());
    assert_eq!(code(judge(&collection.head(), &rest)), "version_conflict");
}

#[test]
fn a_role_is_signed_by_the_keys_of_its_delegator() {
    let document = Collection::new().next("docs").with_target("docs/b").finish();
    assert_eq!(code(judge_part("docs", &sign(&document, &[DOCS]))), "accepted");
    assert_eq!(code(judge_part("docs", &sign(&document, &[TARGETS]))), "threshold_not_met");
    assert_eq!(code(judge_part("docs", &sign(&document, &[]))), "threshold_not_met");
    let document = Collection::new().next("targets").with_target("b").finish();
    assert_eq!(code(judge_part("targets", &sign(&document, &[TARGETS]))), "accepted");
    assert_eq!(code(judge_part("targets", &sign(&document, &[DOCS]))), "threshold_not_met");
    let stray = Draft::first_targets(in_days(9)).finish();
    assert_eq!(code(judge_part("stray", &sign(&stray, &[TARGETS]))), "not_delegated");
}

/// A judge that looked at the names first panicked here.
#[test]
fn a_role_that_nobody_delegates_to_is_refused_also_where_it_delegates() {
    let below = || delegation("below", &["docs/*"], &[DOCS], 1);
    let delegating = |draft: Draft| draft.with_delegation(below(), &[DOCS]).finish();
    let judge = |name: &str, file: Vec<u8>| {
        let below = sign(&Draft::first_targets(in_days(9)).finish(), &[DOCS]);
        judge(&Collection::new().head(), &batch(&[(name, &file), ("below", &below)]))
    };
    let stray = delegating(Draft::first_targets(in_days(9)));
    assert_eq!(code(judge("stray", sign(&stray, &[TARGETS]))), "not_delegated");
    let docs = delegating(Collection::new().next("docs"));
    assert_eq!(code(judge("docs", sign(&docs, &[DOCS]))), "accepted");
}

#[test]
fn before_it_is_signed_a_batch_is_judged_by_every_other_rule() {
    let unsigned = |name: &str, draft: Draft| {
        let file = sign(&draft.finish(), &[]);
        let batch = batch(&[(name, &file)]);
        let judged = check_unsigned(Some(&Collection::new().head()), &batch, &rules(), now());
        judged.map_or_else(|refusal| refusal.code(), |_| "accepted")
    };
    let next = |name| Collection::new().next(name);
    assert_eq!(unsigned("docs", next("docs").with_target("docs/b")), "accepted");
    assert_eq!(unsigned("docs", next("docs").with_target("b")), "outside_paths");
    assert_eq!(unsigned("stray", Draft::first_targets(in_days(9))), "not_delegated");
    let team = || delegation("team", &["team/*"], &[DOCS], 1);
    let delegating = next("targets").with_delegation(team(), &[DOCS]);
    assert_eq!(unsigned("targets", delegating), "pending_role");
}

#[test]
fn what_is_new_expires_in_the_future_that_the_policy_allows() {
    let expiring = |days| {
        let draft = Draft::with_version(&Collection::new().file("docs"), version(2), in_days(days));
        code(judge_part("docs", &sign(&draft.finish(), &[DOCS])))
    };
    assert_eq!(expiring(1), "accepted");
    assert_eq!(expiring(400), "accepted");
    assert_eq!(expiring(0), "expired");
    assert_eq!(expiring(-1), "expired");
    assert_eq!(expiring(401), "expires_too_late");
}

#[test]
fn expired_stored_metadata_does_not_block_a_publish() {
    let mut collection = Collection::new();
    for (name, key) in [("targets", TARGETS), ("docs", DOCS)] {
        let expired = Draft::with_version(&collection.file(name), version(1), in_days(-1));
        collection.files.insert(role(name), sign(&expired.finish(), &[key]));
    }
    let head = collection.head();
    assert_eq!(head.expired(now()), [role("docs"), RoleName::TARGETS]);
    let next = sign(&collection.next("docs").with_target("docs/b").finish(), &[DOCS]);
    assert_eq!(code(judge(&head, &batch(&[("docs", &next)]))), "accepted");
}

#[test]
fn a_batch_is_read_part_by_part() {
    let mut batch = Batch::default();
    let file = docs(|draft| draft);
    batch.add(role("docs"), file.clone().into()).unwrap();
    let mut refused =
        |name: &str, bytes: &[u8]| batch.add(role(name), bytes.to_vec().into()).unwrap_err().code();
    assert_eq!(refused("docs", &file), "repeated_part");
    assert_eq!(refused("snapshot", &Collection::new().snapshot), "online_role");
    assert_eq!(refused("timestamp", &Collection::new().timestamp), "online_role");
    assert_eq!(refused("root", &file), "unreadable");
    assert_eq!(refused("web", b"{"), "unreadable");
}

#[test]
fn a_judgement_holds_as_long_as_nothing_moves_that_it_looked_at() {
    let moved = |names: &[(&str, u8)]| {
        let mut collection = Collection::new();
        for (name, key) in names {
            let next = sign(&collection.next(name).finish(), &[*key]);
            collection.files.insert(role(name), next);
        }
        collection.head()
    };
    let own = judge_part("docs", &docs(|draft| draft.with_target("docs/b"))).unwrap();
    assert!(own.holds_on(&moved(&[])));
    assert!(!own.holds_on(&moved(&[("docs", DOCS)])));
    assert!(!own.holds_on(&moved(&[("targets", TARGETS)])));
    let other = judge_part("targets", &targets(|draft| draft.with_target("b"))).unwrap();
    assert!(other.holds_on(&moved(&[("docs", DOCS)])));
    let rekey = targets(|d| d.with_delegation(delegation("docs", &["*/*"], &[DOCS], 1), &[DOCS]));
    let rekey = judge_part("targets", &rekey).unwrap();
    assert!(!rekey.holds_on(&moved(&[("docs", DOCS)])));

    // Two first files of one role, and two delegations to one name, cannot both hold.
    let mut pending = Collection::new();
    pending.files.remove(&role("docs"));
    let pending = Collection::of(pending.root, pending.files, 1);
    let first = sign(&Draft::first_targets(in_days(9)).finish(), &[DOCS]);
    let first = judge(&pending.head(), &batch(&[("docs", &first)])).unwrap();
    assert!(first.holds_on(&pending.head()));
    assert!(!first.holds_on(&moved(&[])));
    let adding =
        targets(|draft| draft.with_delegation(delegation("web", &["web/*"], &[6], 1), &[6]));
    let web = sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
    let adding = judge(&Collection::new().head(), &batch(&[("targets", &adding), ("web", &web)]));
    assert!(!adding.unwrap().holds_on(&moved(&[])));
}

#[test]
fn a_snapshot_that_does_not_list_every_file_as_it_is_is_noticed() {
    let head = Collection::new().head();
    let unlisted = |name: &str, change: fn(&mut StoredFile)| {
        let mut head = head.clone();
        change(head.files.get_mut(&role(name)).unwrap());
        head.first_unlisted(head.snapshot.signed()).map(RoleName::to_string)
    };
    assert_eq!(unlisted("docs", |_| {}), None);
    assert_eq!(unlisted("docs", |file| file.version = version(2)).as_deref(), Some("docs"));
    assert_eq!(
        unlisted("targets", |file| file.sha256 = "0".repeat(64)).as_deref(),
        Some("targets")
    );
    let mut more = head.clone();
    more.files.insert(role("web"), more.files[&role("docs")].clone());
    assert!(more.first_unlisted(head.snapshot.signed()).is_some());
    // Of what is lost, what was listed before.
    let mut lost = head.clone();
    let docs = head.entry(&role("docs")).unwrap();
    lost.lost.insert(role("docs"), docs.clone());
    assert_eq!(lost.first_unlisted(head.snapshot.signed()), None);
    lost.lost.insert(role("docs"), FileMeta { version: version(2), ..docs });
    assert_eq!(lost.first_unlisted(head.snapshot.signed()), Some(&role("docs")));
}

#[test]
fn only_files_whose_trust_changes_have_to_be_loaded() {
    let mut head = Collection::new().head();
    head.files.get_mut(&role("docs")).unwrap().file = None;
    let add = batch(&[("targets", &targets(|draft| draft.with_target("b")))]);
    assert!(head.missing(&add).is_empty());
    assert_eq!(code(judge(&head, &add)), "accepted");
    let rekey = targets(|d| d.with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6]));
    assert_eq!(head.missing(&batch(&[("targets", &rekey)])), BTreeSet::from([role("docs")]));
    let own = batch(&[("docs", &docs(|draft| draft.with_target("docs/b")))]);
    assert!(head.missing(&own).is_empty());
    assert_eq!(code(judge(&head, &own)), "accepted");
}

#[test]
fn unknown_members_survive_into_the_next_version() {
    let mut document = serde_json::to_value(Collection::new().file("docs").signed()).unwrap();
    document["x-team"] = json!({"b": [1, 2]});
    let file = sign(&Unsigned::new(&document), &[DOCS]);
    let file = notary_schema::envelope::Envelope::parse(file).unwrap();
    let mut next = Draft::next::<notary_schema::role::Targets>(&file, in_days(9)).unwrap();
    next.set_target(&TargetPath::parse("docs/b").unwrap(), &target(1));
    let next = next.finish();
    let text = String::from_utf8(next.signed().to_vec()).unwrap();
    assert!(text.contains(r#""x-team":{"b":[1,2]}"#), "{text}");
    assert_eq!(code(judge_part("docs", &sign(&next, &[DOCS]))), "accepted");
}

#[test]
fn the_last_version_of_all_has_one_content() {
    let last = MAX_INTEGER;
    let with_docs = |number: u64| {
        let mut collection = Collection::new();
        let docs = Draft::with_version(&collection.file("docs"), version(number), in_days(365));
        collection.files.insert(role("docs"), sign(&docs.finish(), &[DOCS]));
        Collection::of(collection.root.clone(), collection.files.clone(), 1)
    };
    let sent = |collection: &Collection, number: u64| {
        let docs = Draft::with_version(&collection.file("docs"), version(number), in_days(300));
        let docs = sign(&docs.with_target("docs/more").finish(), &[DOCS]);
        code(judge(&collection.head(), &batch(&[("docs", &docs)])))
    };
    assert_eq!(sent(&with_docs(last - 1), last), "accepted");
    assert_eq!(sent(&with_docs(last), last), "version_conflict");
    assert_eq!(sent(&with_docs(last), last - 1), "version_conflict");
}
