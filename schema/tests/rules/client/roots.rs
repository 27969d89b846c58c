//! The walk along the roots (TUF 5.3).

use super::*;

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
        let stored = Envelope::<Root>::parse(client.local["root.json"].clone());
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
