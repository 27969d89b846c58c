//! What becomes of a collection whose server was set back to an older copy: each file that comes back
//! stands beside one that does not.

use std::collections::BTreeMap;

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::online::{OnlineRole, floors, next_snapshot, tells_of_lost_root};
use notary_schema::publish::{Batch, Head, Rules, StoredFile, check, snapshot_entries};
use notary_schema::role::{FileMeta, Snapshot, Targets};

use crate::publish::{batch, changed_root, code, rules};
use crate::support::*;

const TEAM: u8 = 6;
const OTHER: u8 = 7;

/// A collection of yesterday, and what was published since: `targets` 2 with other targets keys in
/// `docs` and a new role `team`, `docs` 2, `team` 1.
struct SetBack {
    yesterday: Collection,
    files: BTreeMap<RoleName, Vec<u8>>,
    signed: Snapshot,
}

impl SetBack {
    fn new() -> SetBack {
        let yesterday = Collection::new();
        let targets = yesterday
            .next("targets")
            .without_delegation("docs")
            .with_delegation(delegation("docs", &["docs/*"], &[OTHER], 1), &[OTHER])
            .with_delegation(delegation("team", &["team/*"], &[TEAM], 1), &[TEAM]);
        let docs = yesterday.next("docs").with_target("docs/new");
        let team = Draft::first_targets(in_days(365)).with_target("team/a");
        let files = BTreeMap::from([
            (RoleName::TARGETS, sign(&targets.finish(), &[TARGETS])),
            (role("docs"), sign(&docs.finish(), &[OTHER])),
            (role("team"), sign(&team.finish(), &[TEAM])),
        ]);
        let entries = files.iter().map(|(role, file)| (role.clone(), entry_of(file)));
        let signed = next_snapshot(None, entries, version(9), in_days(7));
        SetBack { yesterday, files, signed }
    }

    /// The server's head once it goes on listing what the signer has signed.
    fn head(&self) -> Head {
        self.yesterday.head().expecting(&self.signed)
    }

    fn part(&self, name: &'static str) -> (&'static str, &[u8]) {
        (name, &self.files[&role(name)])
    }

    fn judge(&self, parts: &[(&str, &[u8])]) -> &'static str {
        judge_on(&self.head(), &batch(parts))
    }

    /// The head once these were brought back.
    fn repaired(&self, names: &[&'static str]) -> Head {
        let head = self.head();
        let mut files = head.files.clone();
        for name in names {
            let file = Envelope::parse(self.files[&role(name)].clone()).unwrap();
            files.insert(role(name), StoredFile::loaded(file.into()));
        }
        head.with(head.root.clone(), head.snapshot.clone(), head.timestamp.clone(), files)
    }

    /// The next version of a file of today, to be edited.
    fn next(&self, name: &str) -> Draft {
        Draft::next(&self.file(name), in_days(365)).unwrap()
    }

    fn file(&self, name: &str) -> Envelope<Targets> {
        Envelope::parse(self.files[&role(name)].clone()).unwrap()
    }
}

fn judge_on(head: &Head, batch: &Batch) -> &'static str {
    code(check(Some(head), batch, &rules(), now()))
}

fn entry_of(file: &[u8]) -> FileMeta {
    FileMeta::of(Envelope::<Targets>::parse(file.to_vec()).unwrap().version(), file)
}

fn lost(head: &Head) -> Vec<&str> {
    head.lost.keys().map(RoleName::as_str).collect()
}

#[test]
fn what_the_signer_has_signed_and_the_server_does_not_list_is_found() {
    let listing = |entries: &[(&str, u64)]| {
        let entry = |number| FileMeta::of(version(number), b"file");
        let entries = entries.iter().map(|(name, number)| (role(name), entry(*number)));
        next_snapshot(None, entries, version(1), in_days(1))
    };
    let below = |signed: &[(&str, u64)], held: &[(&str, u64)]| {
        let found = floors(&listing(signed), Some(&listing(held)));
        found.into_iter().map(|(role, it)| (role.to_string(), it.version.get())).collect::<Vec<_>>()
    };
    let (same, none) = ([("targets", 3), ("docs", 5)], Vec::<(String, u64)>::new());
    assert_eq!(below(&same, &same), none);
    assert_eq!(below(&same, &[("targets", 4), ("docs", 5), ("new", 1)]), none);
    assert_eq!(below(&same, &[("targets", 3), ("docs", 4)]), [("docs".into(), 5)]);
    assert_eq!(below(&same, &[("targets", 3)]), [("docs".into(), 5)]);
    let other = FileMeta::of(version(5), b"another file");
    let conflict =
        next_snapshot(Some(&listing(&same)), [(role("docs"), other)], version(2), in_days(1));
    assert_eq!(floors(&listing(&same), Some(&conflict)).len(), 1);
    assert_eq!(floors(&listing(&same), None).len(), 2);
}

#[test]
fn what_a_snapshot_lists_beyond_the_files_is_lost_until_it_is_brought() {
    let world = SetBack::new();
    assert!(world.yesterday.head().lost.is_empty());
    let head = world.head();
    assert_eq!(lost(&head), ["docs", "targets", "team"]);
    assert_eq!(head.version(&role("docs")), Some(version(2)));
    assert_eq!(head.version(&role("team")), Some(version(1)));
    assert_eq!(head.files[&role("docs")].version, version(1));
    assert_eq!(lost(&world.repaired(&["docs"])), ["targets", "team"]);
    assert_eq!(lost(&world.repaired(&["docs", "targets", "team"])), [""; 0]);
    // The same from one commit to the next: what is lost is told from what differs.
    let signed = sign(&Unsigned::of(&world.signed), &[SNAPSHOT]);
    let signed = std::sync::Arc::new(Envelope::<Snapshot>::parse(signed).unwrap());
    let before = world.yesterday.head();
    let files = before.files.clone();
    let after = before.with(before.root.clone(), signed, before.timestamp.clone(), files);
    assert_eq!(after.lost, head.lost);
}

#[test]
fn exactly_the_lost_file_comes_back_and_no_other_of_its_version() {
    let world = SetBack::new();
    let [targets, docs, team] = ["targets", "docs", "team"].map(|name| world.part(name));
    assert_eq!(world.judge(&[targets]), "accepted");
    assert_eq!(world.judge(&[targets, docs, team]), "accepted");
    let other = Draft::with_version(&world.file("docs"), version(2), in_days(9));
    let other = sign(&other.finish(), &[OTHER]);
    assert_eq!(world.judge(&[targets, ("docs", &other)]), "lost_in_restore");
    // The same content with another signature is another file.
    let signed = world.file("docs").document().clone();
    let again = Unsigned::new(&signed).with_signatures(&[]);
    assert_eq!(world.judge(&[targets, ("docs", &again)]), "lost_in_restore");
    // Yesterday's successor is not what clients have seen.
    let second = Draft::next(&world.yesterday.file("targets"), in_days(9)).unwrap();
    let second = sign(&second.finish(), &[TARGETS]);
    assert_eq!(world.judge(&[("targets", &second)]), "lost_in_restore");
}

#[test]
fn a_role_without_a_hash_goes_on_after_the_lost_version_only() {
    let mut world = SetBack::new();
    world
        .signed
        .meta
        .insert("docs.json", &FileMeta { length: None, hashes: None, version: version(2) });
    let [targets, docs] = ["targets", "docs"].map(|name| world.part(name));
    assert_eq!(world.judge(&[targets, docs]), "lost_in_restore");
    let third = sign(&world.next("docs").finish(), &[OTHER]);
    assert_eq!(world.judge(&[targets, ("docs", &third)]), "accepted");
}

#[test]
fn a_lost_file_is_verified_by_the_delegators_that_are_here() {
    let world = SetBack::new();
    let [targets, docs, team] = ["targets", "docs", "team"].map(|name| world.part(name));
    // Only yesterday's targets is here, with other keys for docs and none for team.
    assert_eq!(world.judge(&[docs]), "accepted");
    assert_eq!(world.judge(&[team]), "accepted");
    // With today's, whoever it does not name has signed nothing.
    for (what, signer, target, verdict) in [
        ("as it is delegated", OTHER, "docs/new", "accepted"),
        ("of yesterday's key", DOCS, "docs/new", "threshold_not_met"),
        ("outside of its paths", OTHER, "other/new", "outside_paths"),
    ] {
        let file = world.yesterday.next("docs").with_target(target).finish();
        let mut world = SetBack::new();
        let file = sign(&file, &[signer]);
        world.signed.meta.insert("docs.json", &entry_of(&file));
        assert_eq!(world.judge(&[targets, ("docs", &file)]), verdict, "{what}");
        let head = world.repaired(&["targets"]);
        assert_eq!(judge_on(&head, &batch(&[("docs", &file)])), verdict, "{what}, afterwards");
    }
    // targets is signed as the newest root says, whoever brings it.
    let mut world = SetBack::new();
    let unsigned = sign(&world.yesterday.next("targets").finish(), &[]);
    world.signed.meta.insert("targets.json", &entry_of(&unsigned));
    assert_eq!(world.judge(&[("targets", &unsigned)]), "threshold_not_met");
}

#[test]
fn a_lost_role_goes_on_with_the_version_after_it() {
    let world = SetBack::new();
    let next = |number| {
        let draft =
            Draft::with_version(&world.yesterday.file("targets"), version(number), in_days(9));
        sign(&draft.with_target("new").finish(), &[TARGETS])
    };
    assert_eq!(world.judge(&[("targets", &next(3))]), "accepted");
    assert_eq!(world.judge(&[("targets", &next(4))]), "lost_in_restore");
    let targets = world.part("targets");
    let third = sign(&world.next("docs").with_target("docs/x").finish(), &[OTHER]);
    assert_eq!(world.judge(&[targets, ("docs", &third)]), "accepted");
    let second = sign(&world.next("team").finish(), &[TEAM]);
    assert_eq!(world.judge(&[targets, ("team", &second)]), "accepted");
    let strange = sign(&world.next("team").finish(), &[OTHER]);
    assert_eq!(world.judge(&[targets, ("team", &strange)]), "threshold_not_met");
}

#[test]
fn nothing_new_is_judged_by_a_delegator_that_is_lost() {
    let world = SetBack::new();
    let targets = world.part("targets");
    // By yesterday's targets, DOCS signs docs; today it is OTHER.
    let by = |seed| sign(&world.next("docs").with_target("docs/x").finish(), &[seed]);
    assert_eq!(world.judge(&[("docs", &by(DOCS))]), "delegator_lost");
    assert_eq!(world.judge(&[("docs", &by(OTHER))]), "delegator_lost");
    assert_eq!(world.judge(&[targets, ("docs", &by(DOCS))]), "threshold_not_met");
    assert_eq!(world.judge(&[targets, ("docs", &by(OTHER))]), "accepted");
    let head = world.repaired(&["targets", "team"]);
    assert_eq!(judge_on(&head, &batch(&[("docs", &by(OTHER))])), "accepted");
}

#[test]
fn a_role_of_which_nothing_is_lost_goes_on() {
    let mut world = SetBack::new();
    let head = world.yesterday.head();
    world.signed = next_snapshot(
        Some(head.snapshot.signed()),
        [(role("team"), FileMeta::of(version(4), b"lost"))],
        version(9),
        in_days(7),
    );
    assert_eq!(lost(&world.head()), ["team"]);
    let docs = sign(&world.yesterday.next("docs").with_target("docs/x").finish(), &[DOCS]);
    assert_eq!(world.judge(&[("docs", &docs)]), "accepted");
    // It stays under its name: a new delegation to it needs no new file, one to another does.
    let delegating = |name: &str| {
        let draft = world.yesterday.next("targets");
        let draft = draft.with_delegation(delegation(name, &["team/*"], &[TEAM], 1), &[TEAM]);
        sign(&draft.finish(), &[TARGETS])
    };
    assert_eq!(world.judge(&[("targets", &delegating("team"))]), "accepted");
    assert_eq!(world.judge(&[("targets", &delegating("other"))]), "pending_role");
    assert_eq!(world.judge(&[("targets", &delegating("Team"))]), "role_name_taken");
}

#[test]
fn a_missing_root_comes_before_what_only_its_keys_have_signed() {
    let mut world = SetBack::new();
    let root = changed_root(|root| {
        root.keys.extend(keys(&[OTHER]));
        root.roles.targets = role_keys(&[OTHER], 1);
        root.keys.remove(&signer(TARGETS).id());
    });
    let root = sign(&root, &[ROOT]);
    let targets = sign(&world.next("targets").finish(), &[OTHER]);
    world.signed.meta.insert("targets.json", &entry_of(&targets));
    let (root, targets) = (("root", &root[..]), ("targets", &targets[..]));
    assert_eq!(world.judge(&[targets]), "threshold_not_met");
    assert_eq!(world.judge(&[root]), "accepted");
    assert_eq!(world.judge(&[root, targets]), "accepted");
    // Of a targets file that is here, nobody has said yet that the new keys have signed it.
    assert_eq!(judge_on(&world.yesterday.head(), &batch(&[root])), "threshold_not_met");
}

#[test]
fn an_entry_stays_as_it_was_signed_when_its_file_comes_back() {
    let mut world = SetBack::new();
    let docs = Envelope::<Targets>::parse(world.files[&role("docs")].clone()).unwrap();
    let no_length = FileMeta { length: None, ..entry_of(docs.bytes()) };
    world.signed.meta.insert("docs.json", &no_length);
    let entry = |file: Envelope<Targets>| {
        let files = BTreeMap::from([(role("docs"), file.into())]);
        snapshot_entries(Some(&world.head()), files).remove(&role("docs")).unwrap()
    };
    assert_eq!(entry(docs.clone()), no_length);
    let next = sign(&world.next("docs").finish(), &[OTHER]);
    assert_eq!(entry(Envelope::parse(next.clone()).unwrap()), entry_of(&next));
}

#[test]
fn a_judgement_does_not_outlast_the_loss_or_the_return_of_a_file() {
    let world = SetBack::new();
    let docs = sign(&world.yesterday.next("docs").finish(), &[DOCS]);
    let judged = check(Some(&world.yesterday.head()), &batch(&[("docs", &docs)]), &rules(), now());
    let judged = judged.unwrap();
    assert!(judged.holds_on(&world.yesterday.head()));
    assert!(!judged.holds_on(&world.head()));
    let again =
        check(Some(&world.repaired(&["targets"])), &batch(&[world.part("docs")]), &rules(), now());
    let again = again.unwrap();
    assert!(again.holds_on(&world.repaired(&["targets"])));
    assert!(!again.holds_on(&world.repaired(&["targets", "docs"])));
    assert!(!again.holds_on(&world.head()));
}

#[test]
fn while_a_root_is_lost_the_next_one_is_that_root_or_one_that_gives_it_up() {
    let with = |number: u64, snapshot: u8, timestamp: u8| {
        let mut root = root(number);
        root.keys.extend(keys(&[snapshot, timestamp]));
        root.roles.snapshot = role_keys(&[snapshot], 1);
        root.roles.timestamp = role_keys(&[timestamp], 1);
        sign(&Unsigned::of(&root), &[ROOT])
    };
    let rules = |tells: &[u8]| {
        let key = |role, seeds: &[u8]| -> Vec<_> {
            seeds.iter().map(|seed| (role, signer(*seed).id())).collect()
        };
        let (snapshot, timestamp) = (OnlineRole::Snapshot, OnlineRole::Timestamp);
        let held = [key(snapshot, &[SNAPSHOT, 9]), key(timestamp, &[TIMESTAMP, 9, 10])];
        Rules {
            held_keys: held.concat().into_iter().collect(),
            of_lost_roots: key(timestamp, tells).into_iter().collect(),
            ..rules()
        }
    };
    let plain = [with(2, SNAPSHOT, TIMESTAMP), with(3, SNAPSHOT, 10)];
    let (lost, other, replaced) = (with(2, SNAPSHOT, 10), with(2, SNAPSHOT, 9), with(2, 9, 9));
    let (both, one) = (&["snapshot", "timestamp"][..], &["timestamp"][..]);
    type Row<'a> = (&'a str, &'a [u8], &'a [&'a [u8]], &'a [&'a str], &'a str);
    let rows: [Row; 9] = [
        ("none is lost", &[], &[&plain[0]], &[], "accepted"),
        ("one that tells nothing", &[10], &[&plain[0]], &[], "root_lost"),
        ("one with another key", &[10], &[&other], &[], "root_lost"),
        ("the lost one", &[10], &[&lost], &[], "accepted"),
        ("one of several that are lost", &[9, 10], &[&lost], &[], "accepted"),
        ("with the one that follows it", &[10], &[&plain[0], &plain[1]], &[], "accepted"),
        ("all keys are others", &[10], &[&replaced], &[], "root_lost"),
        ("and it gives the lost one up", &[10], &[&replaced], both, "accepted"),
        ("it gives up, and keeps a key", &[10], &[&other], one, "root_lost"),
    ];
    for (what, tells, roots, compromised, expected) in rows {
        let names: &[&str] = if roots.len() == 1 { &["root"] } else { &["2.root", "root"] };
        let parts: Vec<_> = names.iter().copied().zip(roots.iter().copied()).collect();
        let mut batch = batch(&parts);
        batch.compromised = compromised.iter().map(|name| role(name)).collect();
        let judged = check(Some(&Collection::new().head()), &batch, &rules(tells), now());
        assert_eq!(code(judged), expected, "{what}");
    }
    let docs = sign(&Collection::new().next("docs").finish(), &[DOCS]);
    let docs = batch(&[("docs", &docs)]);
    let judged = check(Some(&Collection::new().head()), &docs, &rules(&[10]), now());
    assert_eq!(code(judged), "accepted", "what is no root goes on");
}

#[test]
fn what_a_snapshot_lists_no_more_after_a_recovery_is_not_lost_either() {
    let world = SetBack::new();
    let head = world.head();
    assert_eq!(lost(&head), ["docs", "targets", "team"]);
    let under = |snapshot: &Snapshot| {
        let file = sign(&Unsigned::of(snapshot), &[SNAPSHOT]);
        let snapshot = std::sync::Arc::new(Envelope::<Snapshot>::parse(file).unwrap());
        let (root, timestamp) = (head.root.clone(), head.timestamp.clone());
        head.with(root, snapshot, timestamp, head.files.clone())
    };
    assert_eq!(lost(&under(&world.signed)), ["docs", "targets", "team"]);
    let without_team = world.signed.meta.iter().filter(|(name, _)| *name != "team.json");
    let entries = without_team.map(|(name, entry)| (RoleName::of_file(name).unwrap(), entry));
    let recovered = next_snapshot(None, entries, version(10), in_days(7));
    assert_eq!(lost(&under(&recovered)), ["docs", "targets"]);
}

#[test]
fn a_key_that_has_signed_unasked_tells_of_a_root_unless_it_is_named() {
    let (named, other) = (signer(TIMESTAMP).id(), signer(OTHER).id());
    let newest = root(1);
    for (what, keyid, is_asked, newest, tells) in [
        ("no root here names it", &other, false, Some(&newest), true),
        ("it was asked to sign ahead of its root", &other, true, Some(&newest), false),
        ("the newest root names it", &named, false, Some(&newest), false),
        ("there is no root yet", &named, false, None, true),
    ] {
        let told = tells_of_lost_root(OnlineRole::Timestamp, keyid, is_asked, newest);
        assert_eq!(told, tells, "{what}");
    }
    let elsewhere = tells_of_lost_root(OnlineRole::Snapshot, &named, false, Some(&newest));
    assert!(elsewhere, "a key of timestamp is none of snapshot");
}
