use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::path::{PathPattern, PathSet};
use notary_schema::role::{Expires, RoleKeys};

use super::*;
use crate::testing::{Collection, role, target};

fn set(content: &str) -> TargetChange {
    TargetChange::Set(target(content.as_bytes()))
}

fn changes(targets: &[(&str, TargetChange)]) -> Changes {
    let targets = targets.iter().map(|(name, change)| ((*name).to_owned(), change.clone()));
    Changes { targets: targets.collect(), ..Changes::default() }
}

/// A role with these targets, each with this content.
fn listing(targets: &[(&str, &str)]) -> Targets {
    let expires = Expires::try_from("2030-01-01T00:00:00Z".to_owned()).unwrap();
    let mut draft = Draft::first_targets(expires);
    for (name, content) in targets {
        draft.set_target(&TargetPath::parse(name).unwrap(), &target(content.as_bytes()));
    }
    let file = draft.finish().with_signatures(&[]);
    Envelope::<Targets>::parse(file).unwrap().signed().clone()
}

fn contents(draft: Draft) -> Vec<(String, TargetFile)> {
    let file = draft.finish().with_signatures(&[]);
    let file = Envelope::<Targets>::parse(file).unwrap();
    file.signed().targets.iter().map(|(name, target)| (name.to_owned(), target)).collect()
}

#[test]
fn changes_are_applied_to_what_is_there() {
    let present = listing(&[("kept", "1"), ("replaced", "1"), ("removed", "1")]);
    let mut draft = Draft::from_role(&present);
    let changes = changes(&[
        ("added", set("2")),
        ("replaced", set("2")),
        ("removed", TargetChange::Remove),
        ("never there", TargetChange::Remove),
    ]);
    changes.apply(&mut draft).unwrap();
    let wanted = [("added", "2"), ("kept", "1"), ("replaced", "2")];
    let wanted = wanted.map(|(name, content)| (name.to_owned(), target(content.as_bytes())));
    assert_eq!(contents(draft), wanted);
}

#[test]
fn an_unclean_name_is_refused_and_can_still_be_removed() {
    let mut draft = Draft::from_role(&listing(&[]));
    assert!(changes(&[("../x", set("1"))]).apply(&mut draft).is_err());
    changes(&[("../x", TargetChange::Remove)]).apply(&mut draft).unwrap();
}

#[test]
fn a_role_that_takes_the_place_of_another_may_have_its_key() {
    let collection = Collection::new();
    let view = collection.view();
    let file = view.file(&RoleName::TARGETS).unwrap();
    let mut delegation = file.signed().delegation(&role("docs")).unwrap().into_owned();
    delegation.name = role("guides");
    // The delegator lists the key already.
    let new = NewDelegation { delegation, keys: Vec::new(), first_file: None };
    let changes = Changes {
        undelegated: [role("docs")].into(),
        delegations: [(role("guides"), new)].into(),
        ..Changes::default()
    };
    let mut draft = Draft::from_role(file.signed());
    changes.apply(&mut draft).unwrap();
    let after = Envelope::<Targets>::parse(draft.finish().with_signatures(&[])).unwrap();
    assert!(after.signed().delegation(&role("docs")).is_none());
    assert!(after.signed().delegation(&role("guides")).is_some());
    let lists = |file: &Targets| {
        let all = file.delegations.as_ref().unwrap();
        all.keys.contains_key(&collection.key("docs").keyid)
    };
    assert!(lists(file.signed()) && lists(after.signed()));
}

/// What was there, what somebody else made of it, what is staged, whether that is a conflict.
#[test]
fn a_conflict_is_the_same_name_changed_to_something_else() {
    for (case, before, after, staged, conflict) in [
        ("nobody else", Some("1"), Some("1"), set("2"), false),
        ("the same content", Some("1"), Some("2"), set("2"), false),
        ("another content", Some("1"), Some("3"), set("2"), true),
        ("added by both", None, Some("3"), set("2"), true),
        ("added by both alike", None, Some("2"), set("2"), false),
        ("removed by them", Some("1"), None, set("2"), true),
        ("removed by both", Some("1"), None, TargetChange::Remove, false),
        ("changed by them, removed by us", Some("1"), Some("3"), TargetChange::Remove, true),
        ("removed by us alone", Some("1"), Some("1"), TargetChange::Remove, false),
    ] {
        let list = |content: Option<&str>| match content {
            Some(content) => listing(&[("x", content), ("other", "1")]),
            None => listing(&[("other", "2")]),
        };
        let changes = changes(&[("x", staged)]);
        let base = changes.base(Some(&list(before)));
        let found = changes.conflicts(&base, Some(&list(after)));
        assert_eq!(!found.is_empty(), conflict, "{case}: {found:?}");
    }
}

#[test]
fn a_role_that_appeared_meanwhile_conflicts_like_any_other() {
    let changes = changes(&[("x", set("2")), ("y", set("2"))]);
    let base = changes.base(None);
    assert_eq!(changes.conflicts(&base, Some(&listing(&[("x", "3")]))), ["x"]);
    assert_eq!(changes.conflicts(&base, None), Vec::<String>::new());
}

#[test]
fn changes_that_are_there_are_dropped_and_the_others_stay() {
    let mut staged = Staged::default();
    let both = changes(&[
        ("there", set("1")),
        ("other", set("2")),
        ("gone", TargetChange::Remove),
        ("still there", TargetChange::Remove),
    ]);
    staged.roles.insert(role("docs"), both);
    let current = listing(&[("there", "1"), ("other", "1"), ("still there", "1")]);
    staged.drop_present(&role("other role"), &current, |_| true);
    assert_eq!(staged.len(), 4);
    staged.drop_present(&role("docs"), &current, |_| true);
    let left: Vec<_> = staged.roles[&role("docs")].targets.keys().collect();
    assert_eq!(left, ["other", "still there"]);
    staged.drop_present(&role("docs"), &listing(&[("other", "2")]), |_| true);
    assert!(staged.is_empty() && staged.roles.is_empty());
}

#[test]
fn a_delegation_is_there_when_its_first_file_is() {
    let view = Collection::new().view();
    let targets = view.file(&RoleName::TARGETS).unwrap().signed().clone();
    let delegation = targets.delegation(&role("team")).unwrap().into_owned();
    let keys = targets.delegations.clone().unwrap().keys.into_values().collect();
    let new = |first_file: Option<&str>, terminating| {
        let delegation = DelegatedRole { terminating, ..delegation.clone() };
        let first_file = first_file.map(str::to_owned);
        let new = NewDelegation { delegation, keys: Vec::clone(&keys), first_file };
        let delegations = BTreeMap::from([(role("team"), new)]);
        let changes = Changes { delegations, ..Changes::default() };
        Staged { roles: BTreeMap::from([(RoleName::TARGETS, changes)]) }
    };
    for (case, mut staged, published, left) in [
        ("delegated, file there", new(Some("{}"), false), true, 0),
        ("delegated, file missing", new(Some("{}"), false), false, 1),
        ("delegated, pending", new(None, false), false, 0),
        ("delegated otherwise", new(None, true), true, 1),
    ] {
        staged.drop_present(&RoleName::TARGETS, &targets, |_| published);
        assert_eq!(staged.len(), left, "{case}");
    }
}

#[test]
fn what_is_staged_reads_back_the_same() {
    let mut staged = Staged::default();
    let changed = changes(&[("a", set("1")), ("b", TargetChange::Remove)]);
    staged.roles.insert(role("docs"), changed);
    let text = serde_json::to_string(&staged).unwrap();
    assert_eq!(serde_json::from_str::<Staged>(&text).unwrap(), staged);
    assert!(serde_json::from_str::<Staged>(&text.replace("\"roles\"", "\"rules\"")).is_err());
}

#[test]
fn the_role_is_the_only_one_that_a_key_may_sign_and_that_covers_the_name() {
    let collection = Collection::new();
    let view = collection.view();
    let keys = |names: &[&str]| names.iter().map(|n| collection.key(n)).collect::<Vec<_>>();
    let role_for = |held: &[&str], name: &str, wanted: Option<&str>| {
        super::role_for(&view, &keys(held), name, wanted.map(role).as_ref())
    };
    for (held, name, wanted, expected) in [
        (&["targets"][..], "app", None, "targets"),
        (&["targets"], "docs/x", None, "targets"),
        (&["docs"], "docs/x", None, "docs"),
        (&["german"], "docs/de", None, "german"),
        (&["team"], "team/x", None, "team"),
        (&["docs", "german"], "docs/x", None, "docs"),
        (&["docs", "german"], "docs/de", Some("german"), "german"),
        (&[], "docs/x", Some("docs"), "docs"),
    ] {
        assert_eq!(role_for(held, name, wanted).unwrap(), role(expected), "{held:?} {name}");
    }
    let several = role_for(&["docs", "german"], "docs/de", None).unwrap_err();
    assert_eq!(several.to_string(), "\"docs/de\" could stand in docs, german; choose with --role");
    let none = role_for(&["docs"], "app", None).unwrap_err().to_string();
    assert!(none.contains(collection.key("targets").keyid.as_str()), "{none}");
    assert!(!none.contains(collection.key("docs").keyid.as_str()), "{none}");
    let outside = role_for(&["docs"], "app", Some("docs")).unwrap_err();
    assert!(matches!(outside, StageError::OutsidePaths { .. }), "{outside}");
    let deep = role_for(&["german"], "docs/en", Some("german")).unwrap_err();
    assert!(matches!(deep, StageError::OutsidePaths { .. }), "{deep}");
    let unknown = role_for(&["docs"], "docs/x", Some("other")).unwrap_err();
    assert!(matches!(unknown, StageError::UnknownRole(_)), "{unknown}");
}

#[test]
fn a_target_is_removed_from_the_role_that_lists_it() {
    let collection = Collection::new();
    let view = collection.view();
    let remove = |held: &str, name: &str, wanted: Option<&str>| {
        role_to_remove_from(&view, &[collection.key(held)], name, wanted.map(role).as_ref())
    };
    assert_eq!(remove("docs", "docs/a.txt", None).unwrap(), role("docs"));
    assert_eq!(remove("targets", "docs/a.txt", Some("docs")).unwrap(), role("docs"));
    for (held, name, wanted) in [
        ("targets", "docs/a.txt", None),
        ("docs", "docs/b.txt", None),
        ("docs", "app.bin", Some("docs")),
    ] {
        let refused = remove(held, name, wanted).unwrap_err();
        assert!(matches!(refused, StageError::NotListed { .. }), "{refused}");
    }
}

/// A file that delegates to these roles, in this order.
fn delegating(names: &[&str]) -> Targets {
    let key = Collection::new().key("docs");
    let signers = Arc::new(RoleKeys::new(vec![key.keyid.clone()], 1).unwrap());
    let delegated = |name: &&str| DelegatedRole {
        name: role(name),
        signers: signers.clone(),
        terminating: false,
        paths: PathSet::Paths(vec![PathPattern::new(name)]),
    };
    let mut draft = Draft::from_role(&listing(&[]));
    draft.set_delegations(&names.iter().map(delegated).collect::<Vec<_>>(), &[key.key]);
    let file = draft.finish().with_signatures(&[]);
    Envelope::<Targets>::parse(file).unwrap().signed().clone()
}

fn ordering(names: &[&str]) -> Changes {
    Changes { order: names.iter().map(|name| role(name)).collect(), ..Changes::default() }
}

#[test]
fn delegations_stand_in_the_order_that_is_staged() {
    for (present, order, wanted) in [
        (&["a", "b", "c"][..], &["c", "a", "b"][..], &["c", "a", "b"][..]),
        (&["a", "b", "c"], &["c"], &["c", "a", "b"]),
        // Somebody else has taken back c and added x meanwhile.
        (&["a", "b", "x"], &["c", "b", "a"], &["b", "a", "x"]),
    ] {
        let (present, changes) = (delegating(present), ordering(order));
        let mut draft = Draft::from_role(&present);
        changes.apply(&mut draft).unwrap();
        let file = draft.finish().with_signatures(&[]);
        let file = Envelope::<Targets>::parse(file).unwrap();
        let wanted: Vec<_> = wanted.iter().map(|name| role(name)).collect();
        assert_eq!(listed(file.signed()), wanted);
        assert_eq!(changes.order_after(Some(&present)), wanted, "as it was foretold");
    }
}

#[test]
fn an_order_is_dropped_where_the_roles_stand_so() {
    for (order, stays) in [(&["a", "b"][..], false), (&["a"], false), (&["b", "a"], true)] {
        let mut staged = Staged { roles: BTreeMap::from([(role("docs"), ordering(order))]) };
        staged.drop_present(&role("docs"), &delegating(&["a", "b"]), |_| true);
        assert_eq!(!staged.is_empty(), stays, "{order:?}");
    }
}
