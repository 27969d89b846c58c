//! What is refused, and that nothing changes with it.

use super::*;

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
fn a_listed_length_above_the_limit_is_not_read() {
    let collection = Collection::new();
    let lengths = [&collection.snapshot, &collection.files[&RoleName::TARGETS]];
    let [snapshot, targets] = lengths.map(|file| file.len() as u64);
    for (snapshot_bytes, targets_bytes, refused) in [
        (snapshot, targets, None),
        (snapshot - 1, targets, Some(("1.snapshot.json", snapshot - 1))),
        (snapshot, targets - 1, Some(("1.targets.json", targets - 1))),
    ] {
        let mut client = Client::new(&collection);
        client.limits = Limits { snapshot_bytes, targets_bytes, ..Limits::default() };
        let refused = refused.map(|(name, max_bytes)| (name.to_owned(), max_bytes));
        let expected = refused.map(|(name, max_bytes)| UpdateError::TooLong { name, max_bytes });
        assert_eq!(client.refresh().map(drop).err(), expected);
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

/// Drives a new session to the request of this file.
fn at_request(client: &mut Client, wanted: &str) -> Updater {
    let mut updater = client.updater();
    loop {
        match updater.step() {
            Step::Fetch { name, .. } if name == wanted => return updater,
            Step::Done => panic!("{wanted} was not asked for"),
            _ => client.take_step(&mut updater).unwrap(),
        }
    }
}

#[test]
fn a_refused_answer_changes_nothing_and_another_one_may_be_handed_in() {
    let mut next = second();
    next.root = sign(&Unsigned::of(&root(2)), &[ROOT]);
    let expired_snapshot = {
        let mut snapshot = next.head().snapshot.signed().clone();
        snapshot.expires = in_days(-1);
        sign(&Unsigned::of(&snapshot), &[SNAPSHOT])
    };
    let snapshot = next.snapshot.clone();
    for (name, bad) in [
        ("2.root.json", sign(&Unsigned::of(&root(3)), &[ROOT])),
        ("2.root.json", sign(&Unsigned::of(&root(2)), &[TARGETS])),
        ("2.root.json", b"{}".to_vec()),
        ("timestamp.json", Collection::new().timestamp),
        ("timestamp.json", timestamp_of(&snapshot, 9, in_days(-1))),
        ("timestamp.json", sign(&Unsigned::of(&timestamp_file(&next.timestamp)), &[SNAPSHOT])),
        ("timestamp.json", vec![b' '; 2 << 20]),
        ("2.snapshot.json", Collection::new().snapshot),
        ("2.snapshot.json", expired_snapshot),
        ("2.docs.json", Collection::new().files[&role("docs")].clone()),
        ("2.docs.json", b"not JSON".to_vec()),
    ] {
        let mut client = Client::new(&Collection::new());
        let before = second();
        client.remote = before.repository();
        client.find("docs/b").unwrap();
        // Timestamp 2 is trusted; one more timestamp makes each file of the refresh be asked for.
        client.local.remove("snapshot.json");
        client.local.remove("docs.json");
        client.remote.extend(next.repository());
        client.remote.insert("timestamp.json".into(), timestamp_of(&snapshot, 3, in_days(1)));
        let mut updater = match name.starts_with("2.docs") {
            false => at_request(&mut client, name),
            true => {
                let mut updater = client.refresh().unwrap();
                updater.find("docs/b").unwrap();
                client.take_step(&mut updater).unwrap();
                updater
            }
        };
        let (asked, stored) = (updater.step(), client.local.clone());
        let trusted = |updater: &Updater| {
            let set = updater.trusted().unwrap();
            let versions =
                (set.timestamp().map(|f| f.version()), set.snapshot().map(|f| f.version()));
            (set.root().version(), versions, set.targets_roles().cloned().collect::<Vec<_>>())
        };
        let trusted_before = trusted(&updater);
        updater.fetched(bad).unwrap_err();
        updater.failed("status 500").unwrap_err();
        if name != "2.root.json" {
            assert_eq!(updater.not_found().unwrap_err(), UpdateError::NotFound(name.to_owned()));
        }
        assert_eq!(updater.step(), asked, "{name}");
        assert_eq!(trusted(&updater), trusted_before, "{name}");
        assert_eq!(client.local, stored);
        client.drive(&mut updater).unwrap();
        assert_eq!(client.look_up(&mut updater, "docs/b").unwrap().as_deref(), Some("docs"));
    }
}

#[test]
fn an_older_timestamp_is_told_apart_so_that_it_may_be_asked_for_again() {
    let mut client = Client::new(&Collection::new());
    client.remote = second().repository();
    client.refresh().unwrap();
    let mut updater = at_request(&mut client, "timestamp.json");
    let lagging = updater.fetched(Collection::new().timestamp).unwrap_err();
    assert!(lagging.is_older_timestamp(), "{lagging}");
    let unsigned = timestamp_file(&second().timestamp);
    let unsigned = updater.fetched(Unsigned::of(&unsigned).with_signatures(&[])).unwrap_err();
    assert!(!unsigned.is_older_timestamp(), "{unsigned}");
    client.drive(&mut updater).unwrap();
}

#[test]
fn an_answer_to_another_question_is_refused_and_the_question_stays() {
    let mut client = Client::new(&Collection::new());
    let mut updater = client.updater();
    let mut questions = 0;
    let wrong = Err(UpdateError::WrongAnswer);
    for name in [None, Some("docs/intro.txt")] {
        if let Some(name) = name {
            updater.find(name).unwrap();
        }
        while updater.step() != Step::Done {
            let step = updater.step();
            let root = client.local["root.json"].clone();
            if !matches!(step, Step::Load { .. }) {
                assert_eq!(updater.loaded(Some(root.clone())), wrong, "{step:?}");
            }
            if !matches!(step, Step::Fetch { .. }) {
                assert_eq!(updater.fetched(root), wrong, "{step:?}");
                assert_eq!(updater.not_found(), wrong, "{step:?}");
                assert_eq!(updater.failed("why"), wrong, "{step:?}");
            }
            if !matches!(step, Step::Save { .. } | Step::Remove { .. }) {
                updater.stored();
            }
            assert_eq!(updater.step(), step);
            client.take_step(&mut updater).unwrap();
            questions += 1;
        }
    }
    assert_eq!(questions, 15, "loads, requests and saves of five roles, and no next root");
    assert_eq!(updater.fetched(Vec::new()), wrong);
    assert_eq!(updater.found().unwrap().role, role("docs"));
}

#[test]
fn a_look_up_comes_after_the_refresh() {
    let mut client = Client::new(&Collection::new());
    let mut updater = client.updater();
    while updater.trusted().is_none_or(|set| set.targets(&RoleName::TARGETS).is_none()) {
        assert_eq!(updater.find("a.txt").unwrap_err(), UpdateError::NotRefreshed);
        assert_eq!(updater.follow(&[role("docs")]).unwrap_err(), UpdateError::NotRefreshed);
        client.take_step(&mut updater).unwrap();
    }
    assert_eq!(client.look_up(&mut updater, "a.txt").unwrap().as_deref(), Some("targets"));
}

#[test]
fn an_expired_file_is_not_stored() {
    let mut client = Client::new(&Collection::new());
    client.refresh().unwrap();
    let trusted = client.local.clone();
    let next = second();
    client.remote = next.repository();
    client.remote.insert("timestamp.json".into(), timestamp_of(&next.snapshot, 2, in_days(0)));
    assert!(matches!(client.refused(), TrustError::Expired { .. }), "now is not later than now");
    assert!(client.writes.is_empty() && client.local == trusted);
    let mut snapshot = next.head().snapshot.signed().clone();
    snapshot.expires = in_days(0);
    let snapshot = sign(&Unsigned::of(&snapshot), &[SNAPSHOT]);
    client.remote.insert("timestamp.json".into(), timestamp_of(&snapshot, 2, in_days(1)));
    client.remote.insert("2.snapshot.json".into(), snapshot);
    assert!(matches!(client.refused(), TrustError::Expired { .. }));
    assert_eq!(client.writes, ["+timestamp.json"]);
}

#[test]
fn trust_starts_with_a_stored_root_that_has_signed_itself() {
    for (case, stored) in [
        ("none", None),
        ("unsigned", Some(Unsigned::of(&root(1)).with_signatures(&[]))),
        ("signed by another", Some(sign(&Unsigned::of(&root(1)), &[TARGETS]))),
        ("no root", Some(Collection::new().timestamp)),
    ] {
        let mut client = Client::new(&Collection::new());
        let good = client.local.remove("root.json").unwrap();
        client.local.extend(stored.map(|file| ("root.json".to_owned(), file)));
        let mut updater = client.updater();
        let refused = client.drive(&mut updater).unwrap_err();
        assert_eq!(case == "none", refused == UpdateError::NoTrustedRoot, "{case}: {refused}");
        assert!(client.requests.is_empty(), "{case}");
        assert_eq!(updater.step(), Step::Load { name: "root.json".into() });
        client.local.insert("root.json".into(), good);
        client.drive(&mut updater).unwrap();
    }
}
