//! The walk along the roots (TUF 5.3).

use notary_schema::name::{KeyId, MAX_INTEGER};
use serde_json::{Value, json};

use super::*;

/// Holders of root keys.
const A: u8 = 21;
const B: u8 = 22;
const C: u8 = 23;
const D: u8 = 24;
const E: u8 = 25;
const F: u8 = 26;

/// A root that these holders of root keys are to sign.
fn held_by(number: u64, holders: &[u8], threshold: u32) -> Root {
    let mut root = root(number);
    root.keys.extend(keys(holders));
    root.roles.root = role_keys(holders, threshold);
    root
}

/// A client that starts from the first of these files, and a repository with all of them.
fn client_of(roots: &[Vec<u8>]) -> Client {
    let mut client = Client::new(&Collection::new());
    client.local.insert("root.json".into(), roots[0].clone());
    for file in roots {
        let parsed = Envelope::<Root>::parse(file.clone()).unwrap();
        client.remote.insert(format!("{}.root.json", parsed.version()), file.clone());
    }
    client
}

fn stored_version(client: &Client) -> u64 {
    Envelope::<Root>::parse(client.local["root.json"].clone()).unwrap().version().get()
}

/// Keys, threshold, and who signed.
type Held = (&'static [u8], u32, &'static [u8]);

#[test]
fn root_rotations() {
    let of_three: Held = (&[A, B, C], 2, &[A, B]);
    let rows: &[(&str, &[Held], Result<u64, u64>)] = &[
        ("nothing changes", &[(&[A], 1, &[A]), (&[A], 1, &[A])], Ok(2)),
        ("one key for another", &[(&[A], 1, &[A]), (&[B], 1, &[A, B])], Ok(2)),
        (
            "one key for another, then without the old one",
            &[(&[A], 1, &[A]), (&[B], 1, &[A, B]), (&[B], 1, &[B])],
            Ok(3),
        ),
        (
            "one key for another, not signed by the old one",
            &[(&[A], 1, &[A]), (&[B], 1, &[B])],
            Err(1),
        ),
        (
            "one key for another, not signed by the new one",
            &[(&[A], 1, &[A]), (&[B], 1, &[A])],
            Err(1),
        ),
        ("signed by nobody", &[(&[A], 1, &[A]), (&[A], 1, &[])], Err(1)),
        (
            "signed by the keys of other roles",
            &[(&[A], 1, &[A]), (&[A], 1, &[TARGETS, SNAPSHOT])],
            Err(1),
        ),
        (
            "signatures that nobody asks for",
            &[(&[A], 1, &[F, A]), (&[B], 1, &[F, B, TARGETS, A])],
            Ok(2),
        ),
        (
            "two of three, each time others",
            &[of_three, (&[A, B, C], 2, &[B, C]), (&[A, B, C], 2, &[C, A])],
            Ok(3),
        ),
        (
            "two of three, one key replaced, the others sign",
            &[of_three, (&[A, B, D], 2, &[A, B])],
            Ok(2),
        ),
        (
            "two of three, one key replaced, all sign",
            &[of_three, (&[A, B, D], 2, &[A, C, D])],
            Ok(2),
        ),
        (
            "two of three, one key replaced, too few of the old",
            &[of_three, (&[A, B, D], 2, &[A, D])],
            Err(1),
        ),
        (
            "two of three, one key replaced, too few of the new",
            &[of_three, (&[A, B, D], 2, &[A, C])],
            Err(1),
        ),
        (
            "the whole set",
            &[of_three, (&[D, E, F], 2, &[A, C, D, F]), (&[D, E, F], 2, &[E, F])],
            Ok(3),
        ),
        (
            "the whole set, one of the old is missing",
            &[of_three, (&[D, E, F], 2, &[A, D, E, F])],
            Err(1),
        ),
        (
            "the whole set, one of the new is missing",
            &[of_three, (&[D, E, F], 2, &[A, B, C, D])],
            Err(1),
        ),
        ("the threshold raised", &[(&[A, B], 1, &[A]), (&[A, B], 2, &[A, B])], Ok(2)),
        (
            "the threshold raised, the new one not reached",
            &[(&[A, B], 1, &[A]), (&[A, B], 2, &[B])],
            Err(1),
        ),
        ("a key added and the threshold raised", &[(&[A], 1, &[A]), (&[A, B], 2, &[A, B])], Ok(2)),
        (
            "the threshold lowered",
            &[of_three, (&[A, B, C], 1, &[B, C]), (&[A, B, C], 1, &[C])],
            Ok(3),
        ),
        (
            "the threshold lowered, the old one not reached",
            &[of_three, (&[A, B, C], 1, &[B])],
            Err(1),
        ),
        ("a threshold that no set of keys reaches", &[(&[A], 1, &[A]), (&[A], 2, &[A])], Err(1)),
        (
            "the second step fails",
            &[(&[A], 1, &[A]), (&[B], 1, &[A, B]), (&[C], 1, &[A, C])],
            Err(2),
        ),
    ];
    for (case, chain, expected) in rows {
        let files: Vec<_> = (1..)
            .zip(*chain)
            .map(|(number, (holders, threshold, signers))| {
                sign(&Unsigned::of(&held_by(number, holders, *threshold)), signers)
            })
            .collect();
        let mut client = client_of(&files);
        match (client.refresh(), expected) {
            (Ok(_), Ok(_)) | (Err(UpdateError::Trust(TrustError::Threshold(_))), Err(_)) => {}
            (other, _) => panic!("{case}: {:?}", other.map(|_| "refreshed")),
        }
        let reached = expected.unwrap_or_else(|version| version);
        assert_eq!(stored_version(&client), reached, "{case}");
        assert_eq!(
            client.local["root.json"],
            files[usize::try_from(reached).unwrap() - 1],
            "{case}"
        );
    }
}

/// Root 2, held by A and B, after a change to its document, with these signatures: a key id and the
/// holder whose signature stands under it.
fn altered(change: impl Fn(&mut Value), signatures: &[(&str, u8)]) -> Result<(), UpdateError> {
    let first = sign(&Unsigned::of(&held_by(1, &[A, B], 2)), &[A, B]);
    let mut document = serde_json::to_value(held_by(2, &[A, B], 2)).unwrap();
    change(&mut document);
    let document = Unsigned::new(&document);
    let signature = |(id, holder): &(&str, u8)| {
        let own = signer(*holder).id();
        let id = if id.is_empty() { own } else { KeyId::parse(id).unwrap() };
        (id, signer(*holder).sign(document.message()))
    };
    let signatures: Vec<_> = signatures.iter().map(signature).collect();
    let mut client = client_of(&[first]);
    client.remote.insert("2.root.json".into(), document.with_signatures(&signatures));
    client.refresh().map(drop)
}

#[test]
fn a_threshold_counts_keys_not_ids_and_only_keys_that_are_known() {
    let as_it_is = |_: &mut Value| {};
    altered(as_it_is, &[("", A), ("", B)]).unwrap();
    let listed = |id: &'static str, key: Value| {
        move |document: &mut Value| {
            document["keys"][id] = key.clone();
            document["roles"]["root"]["keyids"].as_array_mut().unwrap().push(id.into());
        }
    };
    let twin = listed("twin", serde_json::to_value(&signer(A).key).unwrap());
    altered(&twin, &[("", A), ("twin", A), ("", B)]).unwrap();
    // The old root has not seen two keys, and neither has the new one.
    let one_key_twice = altered(&twin, &[("", A), ("twin", A)]).unwrap_err();
    assert!(matches!(one_key_twice, UpdateError::Trust(TrustError::Threshold(_))));
    let future = json!({"keytype": "future", "scheme": "future", "keyval": {"public": "ab"}});
    let future = listed("future", future);
    altered(&future, &[("", A), ("", B), ("future", C)]).unwrap();
    let unknown_counted = altered(&future, &[("", A), ("future", C)]).unwrap_err();
    assert!(matches!(unknown_counted, UpdateError::Trust(TrustError::Threshold(_))));
    let repeated = altered(as_it_is, &[("", A), ("", B), ("", A)]).unwrap_err();
    assert!(matches!(repeated, UpdateError::Trust(TrustError::Unreadable { .. })), "{repeated}");
}

#[test]
fn the_new_root_alone_does_not_count_one_key_as_two() {
    let first = sign(&Unsigned::of(&held_by(1, &[A], 1)), &[A]);
    let mut document = serde_json::to_value(held_by(2, &[A], 2)).unwrap();
    document["keys"]["twin"] = serde_json::to_value(&signer(A).key).unwrap();
    document["roles"]["root"]["keyids"].as_array_mut().unwrap().push("twin".into());
    let document = Unsigned::new(&document);
    let by_a = signer(A).sign(document.message());
    let twin = KeyId::parse("twin").unwrap();
    let mut client = client_of(&[first]);
    let file = document.with_signatures(&[(signer(A).id(), by_a.clone()), (twin, by_a)]);
    client.remote.insert("2.root.json".into(), file);
    assert!(matches!(client.refused(), TrustError::Threshold(_)));
}

#[test]
fn the_next_root_has_exactly_the_next_version() {
    for (found, accepted) in [(4, false), (5, false), (6, true), (7, false)] {
        let at = |number| sign(&Unsigned::of(&held_by(number, &[A], 1)), &[A]);
        let mut client = client_of(&[at(5)]);
        client.remote.insert("6.root.json".into(), at(found));
        match accepted {
            true => drop(client.refresh().unwrap()),
            false => {
                let (expected, found) = (version(6), version(found));
                assert_eq!(client.refused(), TrustError::RootVersion { expected, found });
            }
        }
        assert_eq!(stored_version(&client), if accepted { 6 } else { 5 });
    }
}

#[test]
fn the_last_version_that_there_is_has_no_next_one() {
    let at = |number| sign(&Unsigned::of(&root(number)), &[ROOT]);
    let mut client = client_of(&[at(MAX_INTEGER - 1)]);
    client.refresh().unwrap();
    assert_eq!(client.requests[0], format!("{MAX_INTEGER}.root.json"));
    client.remote.insert(format!("{MAX_INTEGER}.root.json"), at(MAX_INTEGER));
    for _ in 0..2 {
        client.refresh().unwrap();
        assert_eq!(stored_version(&client), MAX_INTEGER);
    }
    assert_eq!(client.requests, ["timestamp.json"], "and nothing is asked for in its place");
}

#[test]
fn an_expired_root_on_the_way_passes_and_at_the_end_does_not() {
    let expired = |number| {
        let mut root = root(number);
        root.expires = in_days(0);
        sign(&Unsigned::of(&root), &[ROOT])
    };
    for cold in [true, false] {
        let mut client = Client::new(&Collection::new());
        if !cold {
            client.refresh().unwrap();
        }
        client.remote.insert("2.root.json".into(), expired(2));
        let end = TrustError::Expired { role: RoleName::ROOT, expires: in_days(0) };
        assert_eq!(client.refused(), end);
        assert_eq!(client.requests, ["2.root.json", "3.root.json"], "no timestamp after that");
        assert_eq!(client.writes, ["+root.json"]);
        assert_eq!(client.refused(), end, "the stored root is where the walk goes on");
        client.remote.insert("3.root.json".into(), sign(&Unsigned::of(&root(3)), &[ROOT]));
        client.refresh().unwrap();
        assert_eq!(client.requests[0], "3.root.json");
    }
}

#[test]
fn only_not_found_ends_the_walk_along_the_roots() {
    let mut client = Client::new(&Collection::new());
    client.failing = Some("2.root.json");
    assert!(matches!(client.refresh().map(drop), Err(UpdateError::Failed { .. })));
    assert_eq!(client.requests, ["2.root.json"]);
    client.failing = None;
    client.refresh().unwrap();
}

#[test]
fn a_root_is_read_up_to_its_longest_length() {
    let mut client = Client::new(&Collection::new());
    let mut file = sign(&Unsigned::of(&root(2)), &[ROOT]);
    client.limits.small_bytes = 4096;
    file.resize(4096, b' ');
    client.remote.insert("2.root.json".into(), file.clone());
    client.refresh().unwrap();
    let mut client = Client::new(&Collection::new());
    client.limits.small_bytes = 4096;
    file.push(b' ');
    client.remote.insert("2.root.json".into(), file);
    let (name, max_bytes) = ("2.root.json".to_owned(), 4096);
    assert_eq!(client.refresh().map(drop), Err(UpdateError::TooLong { name, max_bytes }));
}

/// Each root has another key than the one before it.
fn long_chain(length: u64) -> Client {
    let holder = |number: u64| [100 + u8::try_from(number % 2).unwrap()];
    let file = |number| {
        let signers = [holder(number - 1)[0], holder(number)[0]];
        sign(&Unsigned::of(&held_by(number, &holder(number), 1)), &signers)
    };
    client_of(&(1..=length).map(file).collect::<Vec<_>>())
}

#[test]
fn seven_hundred_roots_are_walked_in_one_refresh() {
    let mut client = long_chain(700);
    client.refresh().unwrap();
    assert_eq!(stored_version(&client), 700);
    assert_eq!(client.requests.len(), 699 + 4);
    // One that is missing in the middle ends the walk there.
    let mut client = long_chain(700);
    client.remote.remove("351.root.json");
    client.refresh().unwrap();
    assert_eq!(stored_version(&client), 350);
}

#[test]
fn a_walk_that_reaches_its_limit_is_no_error_and_the_next_refresh_goes_on() {
    let mut client = long_chain(700);
    client.limits.roots = 256;
    for reached in [257, 513, 700] {
        client.refresh().unwrap();
        assert_eq!(stored_version(&client), reached);
    }
}
