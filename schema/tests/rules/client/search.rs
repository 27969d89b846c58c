//! Look-ups: which roles are visited, in which order, and where that ends.

use super::*;

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
pub(super) fn tree(roles: &[(&str, &str, bool, &[&str])]) -> Client {
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
fn roles_that_are_in_memory_count_too() {
    let roles: [(&str, &str, bool, &[&str]); 4] = [
        ("a", "[xz]/*", false, &[]),
        ("b", "[xz]/*", false, &[]),
        ("c", "[yz]/*", false, &[]),
        ("d", "[yz]/*", false, &["z/found"]),
    ];
    let mut client = tree(&roles);
    client.limits.roles = 3;
    let mut updater = client.refresh().unwrap();
    for name in ["x/none", "y/none"] {
        assert_eq!(client.look_up(&mut updater, name).unwrap(), None);
    }
    let all = client.look_up(&mut updater, "z/found").unwrap_err();
    assert_eq!(all, UpdateError::TooManyRoles(3));
    client.limits.roles = 5;
    assert_eq!(client.find("z/found").unwrap().as_deref(), Some("d"));
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

/// `shared` is delegated to by two roles, for `x` with key 6 and for `y` with key 7.
pub(super) fn shared_by_two(signers: &[u8]) -> Client {
    let shared = Draft::first_targets(in_days(9)).with_target("x/a").with_target("y/a").finish();
    let mut files = BTreeMap::from([(role("shared"), sign(&shared, signers))]);
    let mut targets = Draft::first_targets(in_days(9));
    for (name, path, key) in [("one", "x/*", 6), ("two", "y/*", 7)] {
        targets = targets.with_delegation(delegation(name, &[path], &[DOCS], 1), &[DOCS]);
        let file = Draft::first_targets(in_days(9))
            .with_delegation(delegation("shared", &["*/*"], &[key], 1), &[key]);
        files.insert(role(name), sign(&file.finish(), &[DOCS]));
    }
    files.insert(RoleName::TARGETS, sign(&targets.finish(), &[TARGETS]));
    Client::new(&Collection::of(Collection::new().root, files, 1))
}

#[test]
fn a_role_is_verified_against_the_delegator_that_leads_to_it() {
    let mut client = shared_by_two(&[6]);
    let mut updater = client.refresh().unwrap();
    assert_eq!(client.look_up(&mut updater, "x/a").unwrap().as_deref(), Some("shared"));
    let refused = client.look_up(&mut updater, "y/a").unwrap_err();
    assert!(matches!(refused, UpdateError::Trust(TrustError::Threshold(_))), "{refused}");
    assert_eq!(updater.found(), None);
    assert_eq!(client.look_up(&mut updater, "x/a").unwrap().as_deref(), Some("shared"));
}

/// docs is broken in one way; everything else is right.
#[test]
fn a_broken_delegated_role_fails_its_own_look_ups_only() {
    let collection = Collection::new();
    let good = &collection.files[&role("docs")];
    let again = |seed| sign(&Unsigned::of(collection.file("docs").signed()), &[seed]);
    let expired = Draft::with_version(&collection.file("docs"), version(1), in_days(-1));
    let stray = Draft::with_version(&collection.file("docs"), version(1), in_days(9));
    let stray = sign(&stray.with_target("a.txt").with_target("other/a").finish(), &[DOCS]);
    for (case, file, found) in [
        ("right", Some(good.clone()), true),
        ("missing", None, false),
        ("unparsable", Some(b"{".to_vec()), false),
        ("of another type", Some(collection.timestamp.clone()), false),
        ("signed by another", Some(again(TARGETS)), false),
        ("expired", Some(sign(&expired.finish(), &[DOCS])), false),
        ("with stray targets", Some(stray), true),
    ] {
        // The snapshot vouches for the file as it is: only the role itself is wrong.
        let mut entries = collection.head().snapshot.signed().clone();
        let bytes = file.clone().unwrap_or_else(|| good.clone());
        entries.meta.insert("docs.json", &FileMeta::of(version(1), &bytes));
        let snapshot = sign(&Unsigned::of(&entries), &[SNAPSHOT]);
        let mut client = Client::new(&collection);
        let named = timestamp_of(&snapshot, 1, in_days(1));
        client.remote.insert("timestamp.json".into(), named);
        client.remote.insert("1.snapshot.json".into(), snapshot);
        client.remote.remove("1.docs.json");
        client.remote.extend(file.map(|file| ("1.docs.json".to_owned(), file)));

        let mut updater = client.refresh().unwrap();
        let mut look_up = |name| client.look_up(&mut updater, name);
        assert_eq!(look_up("a.txt").unwrap().as_deref(), Some("targets"), "{case}");
        match (look_up("docs/intro.txt"), found) {
            (Ok(Some(role)), true) => assert_eq!(role, "docs"),
            (Err(UpdateError::Trust(_) | UpdateError::NotFound(_)), false) => {}
            (other, _) => panic!("{case}: {other:?}"),
        }
        // What docs says of names outside its paths is nothing.
        assert_eq!(look_up("other/a").unwrap(), None, "{case}");
        assert_eq!(look_up("a.txt").unwrap().as_deref(), Some("targets"), "{case}");
    }
}

#[test]
fn a_star_does_not_cross_a_slash() {
    let mut client = tree(&[
        ("all", "*", false, &["a", "a/b"]),
        ("archives", "*.tgz", false, &["foo.tgz", "targets/foo.tgz"]),
        ("below", "targets/*.tgz", false, &["targets/bar.tgz"]),
    ]);
    assert_eq!(client.find("a").unwrap().as_deref(), Some("all"));
    assert_eq!(client.find("a/b").unwrap(), None);
    assert_eq!(client.find("foo.tgz").unwrap().as_deref(), Some("archives"));
    assert_eq!(client.find("targets/foo.tgz").unwrap(), None);
    assert_eq!(client.find("targets/bar.tgz").unwrap().as_deref(), Some("below"));
}

/// Delegations by delegator: to whom, for which path, terminating.
pub(super) type Graph<'a> = BTreeMap<&'a str, Vec<(String, &'a str, bool)>>;

/// A repository of these delegations; every role exists, and none lists a target.
pub(super) fn graph(graph: &Graph<'_>) -> Client {
    let mut files = BTreeMap::new();
    let names: Vec<&String> = graph.values().flatten().map(|(name, ..)| name).collect();
    for name in names.into_iter().map(String::as_str).chain(["targets"]) {
        let mut draft = Draft::first_targets(in_days(9));
        for (child, path, terminating) in graph.get(name).into_iter().flatten() {
            let mut delegated = delegation(child, &[path], &[6], 1);
            delegated.terminating = *terminating;
            draft = draft.with_delegation(delegated, &[6]);
        }
        let key = if name == "targets" { TARGETS } else { 6 };
        files.insert(role(name), sign(&draft.finish(), &[key]));
    }
    Client::new(&Collection::of(Collection::new().root, files, 1))
}

pub(super) fn visited(client: &Client) -> Vec<&str> {
    let roles = client.requests[4..].iter();
    roles.map(|name| name.strip_prefix("1.").unwrap().strip_suffix(".json").unwrap()).collect()
}

#[test]
fn roles_are_visited_in_pre_order_depth_first_each_once() {
    let to = |names: &[&str]| names.iter().map(|n| ((*n).to_owned(), "*", false)).collect();
    let last = |name: &str| vec![(name.to_owned(), "*", true)];
    let elsewhere = |name: &str| vec![(name.to_owned(), "x/*", false)];
    let rows: Vec<(&str, Graph<'_>, &[&str])> = vec![
        ("brothers", [("targets", to(&["a", "b"]))].into(), &["a", "b"]),
        (
            "children before brothers",
            [("targets", to(&["a", "b"])), ("a", to(&["c", "d"])), ("c", to(&["e"]))].into(),
            &["a", "c", "e", "d", "b"],
        ),
        (
            "a role below itself",
            [("targets", to(&["a"])), ("a", to(&["a", "b"]))].into(),
            &["a", "b"],
        ),
        (
            "a cycle",
            [("targets", to(&["a"])), ("a", to(&["b"])), ("b", to(&["c"])), ("c", to(&["a"]))]
                .into(),
            &["a", "b", "c"],
        ),
        (
            "one role below two",
            [("targets", to(&["a", "b"])), ("a", to(&["c"])), ("b", to(&["c", "d"]))].into(),
            &["a", "c", "b", "d"],
        ),
        (
            "a terminating one ends it for those beside and above",
            [
                ("targets", to(&["a", "z"])),
                ("a", [last("b"), to(&["y"])].concat()),
                ("b", to(&["c", "d"])),
            ]
            .into(),
            &["a", "b", "c", "d"],
        ),
        (
            "a terminating one for other names does not",
            [("targets", [vec![("a".to_owned(), "x/*", true)], to(&["b"])].concat())].into(),
            &["b"],
        ),
        (
            "what does not cover the name is not visited",
            [("targets", to(&["a", "b"])), ("a", elsewhere("c")), ("b", to(&["d"]))].into(),
            &["a", "b", "d"],
        ),
    ];
    for (case, delegations, expected) in rows {
        let mut client = graph(&delegations);
        assert_eq!(client.find("none").unwrap(), None, "{case}");
        assert_eq!(visited(&client), expected, "{case}");
    }
}

#[test]
fn a_chain_of_ten_thousand_roles_ends_at_the_limit() {
    // What lies deeper than anybody may look is listed and does not exist.
    let name =
        |number: usize| if number == 0 { "targets".to_owned() } else { format!("r{number}") };
    let link = |number: usize| {
        let delegated = delegation(&name(number + 1), &["*"], &[6], 1);
        let draft = Draft::first_targets(in_days(9)).with_delegation(delegated, &[6]);
        sign(&draft.finish(), &[if number == 0 { TARGETS } else { 6 }])
    };
    let files: Vec<_> = (0..64).map(|number| (role(&name(number)), link(number))).collect();
    let mut collection = Collection::of(Collection::new().root, files.into_iter().collect(), 1);
    let mut entries = collection.head().snapshot.signed().clone();
    for number in 64..10_000 {
        let unseen = FileMeta { version: version(1), length: None, hashes: None };
        entries.meta.insert(&format!("{}.json", name(number)), &unseen);
    }
    collection.snapshot = sign(&Unsigned::of(&entries), &[SNAPSHOT]);
    collection.timestamp = timestamp_of(&collection.snapshot, 1, in_days(1));
    let mut client = Client::new(&collection);
    assert_eq!(client.find("x").unwrap_err(), UpdateError::TooManyRoles(64));
    assert_eq!(visited(&client).len(), 63, "the roles below targets, and no more");
    assert_eq!(client.find("x").unwrap_err(), UpdateError::TooManyRoles(64));
    client.limits.roles = 65;
    assert!(matches!(client.find("x").unwrap_err(), UpdateError::NotFound(_)));
}

#[test]
fn a_role_that_two_lead_to_is_verified_for_each_also_where_it_is_stored() {
    let mut client = shared_by_two(&[6]);
    assert_eq!(client.find("x/a").unwrap().as_deref(), Some("shared"));
    assert!(client.local.contains_key("shared.json"));
    let refused = client.find("y/a").unwrap_err();
    assert!(matches!(refused, UpdateError::Trust(TrustError::Threshold(_))), "{refused}");
    assert_eq!(client.find("x/a").unwrap().as_deref(), Some("shared"));
    // Signed for both it serves both, and is fetched once.
    let mut client = shared_by_two(&[6, 7]);
    let mut updater = client.refresh().unwrap();
    for name in ["x/a", "y/a"] {
        assert_eq!(client.look_up(&mut updater, name).unwrap().as_deref(), Some("shared"));
    }
    let fetched = client.requests.iter().filter(|name| *name == "1.shared.json");
    assert_eq!(fetched.count(), 1);
}

#[test]
fn a_chain_that_names_a_role_twice_is_verified_to_its_end() {
    let mut client = shared_by_two(&[6]);
    let mut updater = client.refresh().unwrap();
    let mut follow = |chain: &[&str]| {
        updater.follow(&chain.iter().map(|name| role(name)).collect::<Vec<_>>())?;
        client.drive(&mut updater)
    };
    follow(&["one", "shared"]).unwrap();
    let refused = follow(&["two", "shared"]).unwrap_err();
    assert!(matches!(refused, UpdateError::Trust(TrustError::Threshold(_))), "{refused}");
    // Nobody below one delegates to it.
    let (role, delegator) = (role("one"), role("one"));
    let refused = follow(&["one", "one"]).unwrap_err();
    assert_eq!(refused, UpdateError::Trust(TrustError::NotDelegated { role, delegator }));
    assert!(!client.requests.ends_with(&["1.one.json".to_owned()]), "{:?}", client.requests);
}

#[test]
fn many_look_ups_hold_no_more_roles_than_one_and_what_may_be_kept() {
    let names: Vec<(String, String)> =
        (0..40).map(|n| (format!("r{n}"), format!("{n}/x"))).collect();
    let paths: Vec<String> = (0..40).map(|n| format!("{n}/*")).collect();
    let targets: Vec<[&str; 1]> = names.iter().map(|(_, target)| [target.as_str()]).collect();
    let roles: Vec<(&str, &str, bool, &[&str])> =
        (0..40).map(|n| (names[n].0.as_str(), paths[n].as_str(), false, &targets[n][..])).collect();
    let mut client = tree(&roles);
    let length = |client: &Client, name: &str| client.local[name].len() as u64;
    let mut updater = client.refresh().unwrap();
    let own = length(&client, "targets.json");
    client.look_up(&mut updater, "0/x").unwrap();
    let each = length(&client, "r0.json") + 8;
    client.limits.kept_bytes = own + 10 * each;
    let mut updater = client.refresh().unwrap();
    for round in 0..2 {
        client.requests.clear();
        for (role, target) in &names {
            let found = client.look_up(&mut updater, target).unwrap();
            assert_eq!(found.as_deref(), Some(role.as_str()));
            let held = updater.trusted().unwrap().held_bytes();
            assert!(held <= own + 11 * each, "{held} bytes");
        }
        // What was let go of comes back from the store, without a request.
        assert_eq!(client.requests.is_empty(), round == 1, "{:?}", client.requests);
    }
}

#[test]
fn the_roles_of_one_look_up_are_bounded_in_length() {
    let roles: [(&str, &str, bool, &[&str]); 3] =
        [("a", "x/*", false, &[]), ("b", "x/*", false, &[]), ("c", "x/*", false, &["x/y"])];
    let mut client = tree(&roles);
    assert_eq!(client.find("x/y").unwrap().as_deref(), Some("c"));
    let length = |name: &str| client.local[name].len() as u64;
    let before_c = length("targets.json") + length("a.json") + length("b.json");
    client.limits.look_up_bytes = before_c;
    client.limits.kept_bytes = 0;
    assert_eq!(client.find("x/y").unwrap().as_deref(), Some("c"));
    client.limits.look_up_bytes = before_c - 1;
    assert_eq!(client.find("x/y").unwrap_err(), UpdateError::TooManyBytes(before_c - 1));
}

#[test]
fn roles_to_which_chains_were_followed_are_all_kept() {
    let roles: [(&str, &str, bool, &[&str]); 3] =
        [("a", "a/*", false, &["a/x"]), ("b", "b/*", false, &[]), ("c", "c/*", false, &[])];
    let mut client = tree(&roles);
    client.limits.kept_bytes = 0;
    let mut updater = client.refresh().unwrap();
    for name in ["a", "b"] {
        updater.follow(&[role(name)]).unwrap();
        client.drive(&mut updater).unwrap();
    }
    let trusted = updater.trusted().unwrap();
    assert!(["a", "b"].iter().all(|name| trusted.targets(&role(name)).is_some()));
    let held = trusted.held_bytes();
    for (most, refused) in [(held, false), (held - 1, true)] {
        client.limits.followed_bytes = most;
        let mut updater = client.refresh().unwrap();
        for name in ["a", "b"] {
            updater.follow(&[role(name)]).unwrap();
            client.drive(&mut updater).unwrap();
        }
        let third = updater.follow(&[role("c")]).and_then(|()| client.drive(&mut updater));
        assert_eq!(third.err(), refused.then_some(UpdateError::TooManyBytes(most)));
    }
}
