//! Look-ups: which roles are visited, in which order, and where that ends.

use super::*;

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
