//! [`TrustedSet`] itself: the order of the steps, and what a file must be.

use notary_schema::key::Key;
use notary_schema::name::KeyId;
use notary_schema::role::RoleKeys;
use notary_schema::trusted::RootChange;

use super::*;

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
        let taken = set.update_snapshot(collection.snapshot.clone());
        assert_eq!(taken.is_ok(), accepted, "{taken:?}");

        let docs = &collection.files[&role("docs")];
        let mut entries = collection.head().snapshot.signed().clone();
        entries.meta.insert("docs.json", &listed(change, docs));
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
    let files = [&new.timestamp, &old.snapshot].map(|file| Some(file.clone().into()));
    let [timestamp, snapshot] = files;
    set.restore(timestamp, snapshot).unwrap();
    assert!(!set.reuse_snapshot().unwrap(), "the timestamp lists another");
    let targets = old.files[&RoleName::TARGETS].clone();
    let early = set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets.clone());
    assert!(matches!(early, Err(TrustError::OutOfOrder(_))), "{early:?}");
    set.update_snapshot(new.snapshot.clone()).unwrap();
    set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets).unwrap();
}

#[test]
fn the_steps_come_in_order_or_not_at_all() {
    let collection = Collection::new();
    let mut set = TrustedSet::new(collection.root.clone(), now(), Expiry::Enforced).unwrap();
    let out_of_order =
        |result: Result<(), TrustError>| assert!(matches!(result, Err(TrustError::OutOfOrder(_))));
    out_of_order(set.update_snapshot(collection.snapshot.clone()));
    let targets = collection.files[&RoleName::TARGETS].clone();
    out_of_order(set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets.clone()));
    set.update_timestamp(collection.timestamp.clone()).unwrap();
    out_of_order(set.update_root(sign(&Unsigned::of(&root(2)), &[ROOT])).map(drop));
    out_of_order(set.restore(None, Some(collection.snapshot.clone().into())));
    out_of_order(set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets.clone()));
    set.update_snapshot(collection.snapshot.clone()).unwrap();
    out_of_order(set.update_timestamp(collection.timestamp.clone()).map(drop));
    let docs = collection.files[&role("docs")].clone();
    let early = set.update_targets(&role("docs"), &RoleName::TARGETS, docs.clone());
    assert!(matches!(early, Err(TrustError::NotDelegated { .. })), "{early:?}");
    set.update_targets(&RoleName::TARGETS, &RoleName::ROOT, targets).unwrap();
    set.update_targets(&role("docs"), &RoleName::TARGETS, docs).unwrap();
    out_of_order(set.update_snapshot(collection.snapshot));
}

#[test]
fn a_key_is_taken_away_with_its_id_or_with_what_the_id_stands_for() {
    use RootChange::{KeyTakenAway, KeysStay};
    const NEW: u8 = 61;
    let future = serde_json::json!({"keytype": "future", "scheme": "x", "keyval": {"public": "a"}});
    let future: Key = serde_json::from_value(future).unwrap();
    let mut first = root(1);
    first.roles.snapshot =
        RoleKeys::new(vec![signer(SNAPSHOT).id(), future.id().clone()], 1).unwrap();
    first.keys.insert(future.id().clone(), future);
    first.keys.extend(keys(&[NEW]));
    let first_file = sign(&Unsigned::of(&first), &[ROOT]);
    type Edit<'a> = &'a dyn Fn(&mut Root);
    let rows: [(&str, Edit<'_>, RootChange); 9] = [
        ("nothing", &|_| {}, KeysStay),
        ("a key more", &|r| r.roles.snapshot.keyids.push(signer(NEW).id()), KeysStay),
        ("a key that we cannot read", &|r| drop(r.roles.snapshot.keyids.pop()), KeysStay),
        ("the key of targets", &|r| r.roles.targets = role_keys(&[NEW], 1), KeysStay),
        ("an id of snapshot", &|r| drop(r.roles.snapshot.keyids.remove(0)), KeyTakenAway),
        ("an id of timestamp", &|r| r.roles.timestamp = role_keys(&[NEW], 1), KeyTakenAway),
        ("a key object", &|r| drop(r.keys.remove(&signer(TIMESTAMP).id())), KeyTakenAway),
        (
            "another key object under the id",
            &|r| drop(r.keys.insert(signer(TIMESTAMP).id(), signer(NEW).key.clone())),
            KeyTakenAway,
        ),
        (
            "another id for the key",
            &|r| {
                let id = KeyId::parse("other").unwrap();
                r.keys.insert(id.clone(), signer(TIMESTAMP).key.clone());
                r.roles.timestamp = RoleKeys::new(vec![id], 1).unwrap();
            },
            KeyTakenAway,
        ),
    ];
    for (case, edit, expected) in rows {
        let mut next = first.clone();
        next.version = version(2);
        edit(&mut next);
        let mut set = TrustedSet::new(first_file.clone(), now(), Expiry::Enforced).unwrap();
        let change = set.update_root(sign(&Unsigned::of(&next), &[ROOT])).unwrap();
        assert_eq!(change, expected, "{case}");
    }
}

#[test]
fn nothing_is_taken_under_an_expired_root() {
    let collection = Collection::new();
    for (days, accepted) in [(364, true), (365, false)] {
        let at = now() + TimeDelta::days(days);
        let timestamp = timestamp_of(&collection.snapshot, 1, in_days(400));
        let mut set = TrustedSet::new(collection.root.clone(), at, Expiry::Enforced).unwrap();
        assert_eq!(set.clone().restore(None, None).is_ok(), accepted);
        assert_eq!(set.update_timestamp(timestamp).is_ok(), accepted);
    }
}

#[test]
fn root_delegates_to_targets_alone_and_targets_is_not_let_go_of() {
    let collection = Collection::new();
    let mut set = TrustedSet::new(collection.root.clone(), now(), Expiry::Enforced).unwrap();
    set.update_timestamp(collection.timestamp.clone()).unwrap();
    set.update_snapshot(collection.snapshot.clone()).unwrap();
    for (delegator, name) in [("root", "targets"), ("targets", "docs")] {
        let file = collection.files[&role(name)].clone();
        set.update_targets(&role(name), &role(delegator), file).unwrap();
    }
    for name in ["root", "timestamp", "snapshot", "docs"] {
        assert!(set.authority(&role(name), &RoleName::ROOT).is_err(), "{name}");
    }
    set.authority(&RoleName::TARGETS, &RoleName::ROOT).unwrap();
    set.forget_delegated(|_| true);
    assert_eq!(set.targets_roles().collect::<Vec<_>>(), [&RoleName::TARGETS]);
    assert_eq!(set.held_bytes(), collection.files[&RoleName::TARGETS].len() as u64);
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
