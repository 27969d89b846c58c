//! The client workflow, driven over maps in memory.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::role::{FileMeta, Targets};
use notary_schema::trusted::{Expiry, Source, TrustError, TrustedSet};
use notary_schema::updater::{Limits, Step, UpdateError, Updater};

use crate::support::*;

/// A client: its stored files, what it asked for, and a repository whose files may fail.
pub struct Client {
    local: BTreeMap<String, Vec<u8>>,
    remote: BTreeMap<String, Vec<u8>>,
    failing: Option<&'static str>,
    pub requests: Vec<String>,
    limits: Limits,
    expiry: Expiry,
    days: i64,
}

impl Client {
    pub fn new(collection: &Collection) -> Client {
        Client {
            local: BTreeMap::from([("root.json".to_owned(), collection.root.clone())]),
            remote: collection.repository(),
            failing: None,
            requests: Vec::new(),
            limits: Limits::default(),
            expiry: Expiry::Enforced,
            days: 0,
        }
    }

    fn updater(&self) -> Updater {
        Updater::new(now() + TimeDelta::days(self.days), self.expiry, self.limits)
    }

    fn drive(&mut self, updater: &mut Updater) -> Result<(), UpdateError> {
        loop {
            match updater.step() {
                Step::Load { name } => updater.loaded(self.local.get(&name).cloned())?,
                Step::Fetch { name, max_bytes } => {
                    self.requests.push(name.clone());
                    assert!(max_bytes > 0);
                    match self.remote.get(&name) {
                        _ if self.failing == Some(name.as_str()) => updater.failed("status 500")?,
                        Some(bytes) => updater.fetched(bytes.clone())?,
                        None => updater.not_found()?,
                    }
                }
                Step::Save { name, bytes } => {
                    self.local.insert(name, bytes.to_vec());
                    updater.stored();
                }
                Step::Remove { name } => {
                    assert!(self.local.remove(&name).is_some(), "{name} was not there");
                    updater.stored();
                }
                Step::Done => return Ok(()),
            }
        }
    }

    /// A new session of this client.
    fn refresh(&mut self) -> Result<Updater, UpdateError> {
        self.requests.clear();
        let mut updater = self.updater();
        self.drive(&mut updater)?;
        Ok(updater)
    }

    /// The role that vouches for a target, in a new session.
    pub fn find(&mut self, name: &str) -> Result<Option<String>, UpdateError> {
        let mut updater = self.refresh()?;
        updater.find(name)?;
        self.drive(&mut updater)?;
        Ok(updater.found().map(|found| found.role.to_string()))
    }

    fn refused(&mut self) -> TrustError {
        match self.refresh() {
            Err(UpdateError::Trust(error)) => error,
            other => panic!("{:?}", other.map(|_| "refreshed")),
        }
    }
}

/// The collection after one more change, version 2 of docs, snapshot and timestamp.
fn second() -> Collection {
    let first = Collection::new();
    let docs = sign(&first.next("docs").with_target("docs/b").finish(), &[DOCS]);
    let mut files = first.files.clone();
    files.insert(role("docs"), docs);
    Collection::of(first.root, files, 2)
}

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
fn an_older_state_is_refused_and_the_trusted_one_stays() {
    let mut client = Client::new(&Collection::new());
    client.remote = second().repository();
    client.refresh().unwrap();
    let trusted = client.local.clone();
    client.remote = Collection::new().repository();
    let rollback =
        TrustError::Rollback { file: "timestamp".into(), trusted: version(2), found: version(1) };
    assert_eq!(client.refused(), rollback);
    assert_eq!(client.local, trusted);
    // A newer timestamp that names the older snapshot is a rollback as well.
    let old = Collection::new();
    let named = timestamp_of(&old.snapshot, 3, in_days(1));
    client.remote.insert("timestamp.json".into(), named);
    let rollback = TrustError::Rollback {
        file: "snapshot.json".into(),
        trusted: version(2),
        found: version(1),
    };
    assert_eq!(client.refused(), rollback);
    assert_eq!(client.local, trusted);
}

#[test]
fn a_snapshot_keeps_every_entry_and_lowers_none() {
    let lowered = Collection::of(Collection::new().root, Collection::new().files, 3);
    let mut files = second().files;
    files.remove(&role("docs"));
    let gone = Collection::of(Collection::new().root, files, 3);
    for (next, expected) in [
        (
            lowered,
            TrustError::Rollback {
                file: "docs.json".into(),
                trusted: version(2),
                found: version(1),
            },
        ),
        (gone, TrustError::EntryGone("docs.json".into())),
    ] {
        let mut client = Client::new(&Collection::new());
        client.remote = second().repository();
        client.refresh().unwrap();
        client.remote = next.repository();
        assert_eq!(client.refused(), expected);
    }
}

#[test]
fn a_file_is_the_one_that_is_listed() {
    let collection = Collection::new();
    for (name, error) in [
        ("1.snapshot.json", TrustError::OtherFile(RoleName::SNAPSHOT)),
        ("1.targets.json", TrustError::OtherFile(RoleName::TARGETS)),
    ] {
        let mut client = Client::new(&collection);
        client.remote.get_mut(name).unwrap().pop();
        assert_eq!(client.refused(), error);
        let mut client = Client::new(&collection);
        client.remote.get_mut(name).unwrap().push(b' ');
        let refused = client.refresh().map(drop).unwrap_err();
        assert!(matches!(refused, UpdateError::TooLong { .. }), "{refused}");
    }
}

#[test]
fn what_has_expired_is_refused_by_agents_and_reported_to_publishers() {
    let day = |days| {
        let mut client = Client::new(&Collection::new());
        client.days = days;
        client
    };
    day(0).refresh().unwrap();
    for (days, expired) in
        [(1, RoleName::TIMESTAMP), (2, RoleName::TIMESTAMP), (365, RoleName::ROOT)]
    {
        match day(days).refused() {
            TrustError::Expired { role, .. } => assert_eq!(role, expired),
            other => panic!("{other}"),
        }
    }
    let mut publisher = day(400);
    publisher.expiry = Expiry::Reported;
    let updater = publisher.refresh().unwrap();
    let expired = updater.trusted().unwrap().expired();
    let roles: Vec<_> = expired.iter().map(|(role, _)| role.as_str()).collect();
    assert_eq!(roles, ["root", "timestamp", "snapshot", "targets"]);
}

#[test]
fn an_expired_delegated_role_fails_its_own_look_ups_only() {
    let mut collection = Collection::new();
    let expired = Draft::with_version(&collection.file("docs"), version(1), in_days(-1));
    collection.files.insert(role("docs"), sign(&expired.finish(), &[DOCS]));
    let mut client = Client::new(&Collection::of(collection.root, collection.files, 1));
    assert_eq!(client.find("a.txt").unwrap().as_deref(), Some("targets"));
    let refused = client.find("docs/intro.txt").unwrap_err();
    assert!(matches!(refused, UpdateError::Trust(TrustError::Expired { .. })), "{refused}");
    assert_eq!(client.find("b.txt").unwrap(), None);
}

#[test]
fn a_delegation_without_a_file_fails_the_look_ups_in_its_paths_only() {
    let mut collection = Collection::new();
    collection.files.remove(&role("docs"));
    let mut client = Client::new(&Collection::of(collection.root, collection.files, 1));
    assert_eq!(client.find("a.txt").unwrap().as_deref(), Some("targets"));
    let refused = client.find("docs/intro.txt").unwrap_err();
    assert_eq!(refused, UpdateError::Trust(TrustError::NotListed(role("docs"))));
}

/// Delegations of `targets` in this order; each role lists the targets given.
fn tree(roles: &[(&str, &str, bool, &[&str])]) -> Client {
    let mut targets = Draft::first_targets(in_days(9));
    let mut files = BTreeMap::new();
    for (name, path, terminating, listed) in roles {
        let mut delegated = delegation(name, &[path], &[6], 1);
        delegated.terminating = *terminating;
        targets = targets.with_delegation(delegated, &[6]);
        let file = listed.iter().fold(Draft::first_targets(in_days(9)), |d, t| d.with_target(t));
        files.insert(role(name), sign(&file.finish(), &[6]));
    }
    files.insert(RoleName::TARGETS, sign(&targets.finish(), &[TARGETS]));
    Client::new(&Collection::of(Collection::new().root, files, 1))
}

#[test]
fn the_first_delegation_that_lists_a_target_wins() {
    let mut client =
        tree(&[("one", "x/*", false, &["x/b"]), ("two", "x/*", false, &["x/a", "x/b"])]);
    assert_eq!(client.find("x/b").unwrap().as_deref(), Some("one"));
    assert!(!client.requests.contains(&"1.two.json".to_owned()), "two was not on the way");
    assert_eq!(client.find("x/a").unwrap().as_deref(), Some("two"));
}

#[test]
fn a_terminating_delegation_ends_the_search_after_its_subtree() {
    let roles = |terminating| {
        tree(&[("one", "x/*", terminating, &["x/b"]), ("two", "x/*", false, &["x/a"])])
    };
    assert_eq!(roles(false).find("x/a").unwrap().as_deref(), Some("two"));
    assert_eq!(roles(true).find("x/a").unwrap(), None);
    assert_eq!(roles(true).find("x/b").unwrap().as_deref(), Some("one"));
}

#[test]
fn a_look_up_visits_a_bounded_number_of_roles() {
    let names: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
    let roles: Vec<(&str, &str, bool, &[&str])> =
        names.iter().map(|name| (name.as_str(), "x/*", false, &[][..])).collect();
    let mut client = tree(&roles);
    assert_eq!(client.find("x/a").unwrap(), None);
    // The eight, and targets.
    client.limits.roles = 9;
    assert_eq!(client.find("x/a").unwrap(), None);
    client.limits.roles = 8;
    assert_eq!(client.find("x/a").unwrap_err(), UpdateError::TooManyRoles(8));
}

#[test]
fn a_chain_of_roles_is_followed_without_a_target() {
    let mut client = Client::new(&Collection::new());
    let mut updater = client.refresh().unwrap();
    updater.follow(&[role("docs")]).unwrap();
    client.drive(&mut updater).unwrap();
    assert!(updater.trusted().unwrap().targets(&role("docs")).is_some());
    updater.follow(&[role("docs"), role("stray")]).unwrap();
    let refused = client.drive(&mut updater).unwrap_err();
    assert_eq!(refused, UpdateError::Trust(TrustError::NotListed(role("stray"))));
}

#[test]
fn a_file_has_the_version_that_is_listed_even_where_its_hash_agrees() {
    let collection = Collection::new();
    let listed = |change: fn(&mut FileMeta), file: &[u8]| {
        let mut entry = FileMeta::of(version(1), file);
        change(&mut entry);
        entry
    };
    for (change, accepted) in
        [((|_| {}) as fn(&mut FileMeta), true), (|entry| entry.version = version(2), false)]
    {
        let mut set = TrustedSet::new(collection.root.clone(), now(), Expiry::Enforced).unwrap();
        let mut timestamp = timestamp_of(&collection.snapshot, 1, in_days(1));
        let mut document = timestamp_file(&timestamp);
        document.meta.snapshot = listed(change, &collection.snapshot);
        timestamp = sign(&Unsigned::of(&document), &[TIMESTAMP]);
        set.update_timestamp(timestamp).unwrap();
        let taken = set.update_snapshot(collection.snapshot.clone(), Source::Remote);
        assert_eq!(taken.is_ok(), accepted, "{taken:?}");

        let docs = &collection.files[&role("docs")];
        let mut entries = collection.head().snapshot.signed().clone();
        entries.meta.insert("docs.json".into(), listed(change, docs));
        let mut client = Client::new(&collection);
        let snapshot = sign(&Unsigned::of(&entries), &[SNAPSHOT]);
        let named = timestamp_of(&snapshot, 1, in_days(1));
        client.remote.insert("1.snapshot.json".into(), snapshot);
        client.remote.insert("timestamp.json".into(), named);
        client.remote.insert("2.docs.json".into(), docs.clone());
        let found = client.find("docs/intro.txt");
        assert_eq!(found.is_ok(), accepted, "{found:?}");
    }
}

#[test]
fn an_older_snapshot_of_the_clients_own_is_no_ground_for_targets() {
    let (old, new) = (Collection::new(), second());
    let mut set = TrustedSet::new(old.root.clone(), now(), Expiry::Enforced).unwrap();
    set.update_timestamp(new.timestamp.clone()).unwrap();
    set.update_snapshot(old.snapshot.clone(), Source::Local).unwrap();
    let targets = old.files[&RoleName::TARGETS].clone();
    let early = set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets.clone());
    assert!(matches!(early, Err(TrustError::OtherVersion { .. })), "{early:?}");
    set.update_snapshot(new.snapshot.clone(), Source::Remote).unwrap();
    set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets).unwrap();
}

#[test]
fn an_expired_snapshot_under_a_fresh_timestamp_is_refused() {
    let with = |days| {
        let mut collection = Collection::new();
        let mut snapshot = collection.head().snapshot.signed().clone();
        snapshot.expires = in_days(days);
        collection.snapshot = sign(&Unsigned::of(&snapshot), &[SNAPSHOT]);
        collection.timestamp = timestamp_of(&collection.snapshot, 1, in_days(1));
        Client::new(&collection).refresh().map(drop)
    };
    with(1).unwrap();
    let expired = TrustError::Expired { role: RoleName::SNAPSHOT, expires: in_days(-1) };
    assert_eq!(with(-1).unwrap_err(), UpdateError::Trust(expired));
}

/// Root 2 with a new root key, signed by these keys.
fn rotated_root(signers: &[u8]) -> Vec<u8> {
    let mut next = root(2);
    next.keys.extend(keys(&[9]));
    next.roles.root = role_keys(&[9], 1);
    sign(&Unsigned::of(&next), signers)
}

#[test]
fn root_rotations() {
    for (case, signers, accepted) in [
        ("old and new", &[ROOT, 9][..], true),
        ("new only", &[9], false),
        ("old only", &[ROOT], false),
        ("somebody else", &[TARGETS, 9], false),
        ("nobody", &[], false),
    ] {
        let mut client = Client::new(&Collection::new());
        client.remote.insert("2.root.json".into(), rotated_root(signers));
        let result = client.refresh();
        assert_eq!(result.is_ok(), accepted, "{case}");
        let stored =
            Envelope::<notary_schema::role::Root>::parse(client.local["root.json"].clone());
        assert_eq!(stored.unwrap().version() == version(2), accepted, "{case}");
    }
}

#[test]
fn a_root_that_is_not_the_next_version_is_refused() {
    let mut client = Client::new(&Collection::new());
    client.remote.insert("2.root.json".into(), sign(&Unsigned::of(&root(3)), &[ROOT]));
    let wrong = TrustError::RootVersion { expected: version(2), found: version(3) };
    assert_eq!(client.refused(), wrong);
}

#[test]
fn an_expired_root_on_the_way_passes_and_at_the_end_does_not() {
    let expired = |number| {
        let mut root = root(number);
        root.expires = in_days(-1);
        sign(&Unsigned::of(&root), &[ROOT])
    };
    let mut client = Client::new(&Collection::new());
    client.remote.insert("2.root.json".into(), expired(2));
    assert!(matches!(client.refused(), TrustError::Expired { .. }));
    client.remote.insert("3.root.json".into(), sign(&Unsigned::of(&root(3)), &[ROOT]));
    client.refresh().unwrap();
}

#[test]
fn only_not_found_ends_the_walk_along_the_roots() {
    let mut client = Client::new(&Collection::new());
    client.failing = Some("2.root.json");
    assert!(matches!(client.refresh().map(drop), Err(UpdateError::Failed { .. })));
    client.failing = None;
    client.refresh().unwrap();
}

#[test]
fn a_long_chain_of_roots_is_walked_in_parts_where_it_exceeds_the_limit() {
    let mut client = Client::new(&Collection::new());
    for number in 2..=300 {
        let file = sign(&Unsigned::of(&root(number)), &[ROOT]);
        client.remote.insert(format!("{number}.root.json"), file);
    }
    client.limits.roots = 200;
    let reached = |updater: &Updater| updater.trusted().unwrap().root().version().get();
    assert_eq!(reached(&client.refresh().unwrap()), 201);
    assert_eq!(reached(&client.refresh().unwrap()), 300);
}

#[test]
fn a_new_timestamp_key_drops_what_the_old_one_signed() {
    let mut client = Client::new(&Collection::new());
    let far = Collection::new();
    let ahead = timestamp_of(&far.snapshot, 1_000_000, in_days(1));
    client.remote.insert("timestamp.json".into(), ahead);
    client.refresh().unwrap();
    // The stolen key ran the version up; a root with a new key lets clients follow again.
    let mut next = root(2);
    next.keys.extend(keys(&[9]));
    next.roles.timestamp = role_keys(&[9], 1);
    client.remote.insert("2.root.json".into(), sign(&Unsigned::of(&next), &[ROOT]));
    let document = Envelope::<notary_schema::role::Timestamp>::parse(far.timestamp.clone());
    let recovered = sign(&Unsigned::of(document.unwrap().signed()), &[9]);
    client.remote.insert("timestamp.json".into(), recovered.clone());
    client.refresh().unwrap();
    assert_eq!(client.local["timestamp.json"], recovered);
}

#[test]
fn the_steps_come_in_order_or_not_at_all() {
    let collection = Collection::new();
    let mut set = TrustedSet::new(collection.root.clone(), now(), Expiry::Enforced).unwrap();
    let out_of_order =
        |result: Result<(), TrustError>| assert!(matches!(result, Err(TrustError::OutOfOrder(_))));
    out_of_order(set.update_snapshot(collection.snapshot.clone(), Source::Remote));
    let targets = collection.files[&RoleName::TARGETS].clone();
    out_of_order(set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets.clone()));
    set.update_timestamp(collection.timestamp.clone()).unwrap();
    out_of_order(set.update_root(rotated_root(&[ROOT, 9])));
    out_of_order(set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets.clone()));
    set.update_snapshot(collection.snapshot.clone(), Source::Remote).unwrap();
    out_of_order(set.update_timestamp(collection.timestamp.clone()).map(drop));
    let docs = collection.files[&role("docs")].clone();
    let early = set.update_targets(&role("docs"), &RoleName::TARGETS, docs.clone());
    assert!(matches!(early, Err(TrustError::NotDelegated { .. })), "{early:?}");
    set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets).unwrap();
    set.update_targets(&role("docs"), &RoleName::TARGETS, docs).unwrap();
    out_of_order(set.update_snapshot(collection.snapshot, Source::Remote));
}

#[test]
fn a_role_is_verified_against_the_delegator_that_leads_to_it() {
    // `shared` is delegated to by two roles with different keys and signed by the key of one.
    let shared = Draft::first_targets(in_days(9)).with_target("x/a").finish();
    let mut files = BTreeMap::from([(role("shared"), sign(&shared, &[6]))]);
    let mut targets = Draft::first_targets(in_days(9));
    for (name, path, key) in [("one", "x/*", 6), ("two", "y/*", 7)] {
        targets = targets.with_delegation(delegation(name, &[path], &[DOCS], 1), &[DOCS]);
        let file = Draft::first_targets(in_days(9))
            .with_delegation(delegation("shared", &["*/*"], &[key], 1), &[key]);
        files.insert(role(name), sign(&file.finish(), &[DOCS]));
    }
    files.insert(RoleName::TARGETS, sign(&targets.finish(), &[TARGETS]));
    let mut client = Client::new(&Collection::of(Collection::new().root, files, 1));
    let mut updater = client.refresh().unwrap();
    updater.find("x/a").unwrap();
    client.drive(&mut updater).unwrap();
    assert_eq!(updater.found().unwrap().role, role("shared"));
    updater.find("y/a").unwrap();
    let refused = client.drive(&mut updater).unwrap_err();
    assert!(matches!(refused, UpdateError::Trust(TrustError::Threshold(_))), "{refused}");
}

#[test]
fn any_flipped_byte_of_a_signed_file_is_noticed() {
    let collection = Collection::new();
    let file = &collection.files[&role("docs")];
    let authority_of = collection.file("targets");
    let authority = authority_of.signed().authority(&role("docs")).unwrap();
    let good = Envelope::<Targets>::parse(file.clone()).unwrap();
    assert!(notary_schema::threshold::count(&good, authority).is_met());
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            let Ok(parsed) = Envelope::<Targets>::parse(flipped) else { continue };
            let same_content =
                parsed.message() == good.message() && parsed.signatures() == good.signatures();
            let met = notary_schema::threshold::count(&parsed, authority).is_met();
            assert!(!met || same_content, "bit {bit} of byte {at}");
        }
    }
}
