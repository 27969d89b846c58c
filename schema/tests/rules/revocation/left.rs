//! Roles of which nobody can tell what they say: they stand in nobody's way.

use std::collections::BTreeSet;

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::revocation::{Choices, Left, Origin, Problem};
use notary_schema::role::{Root, TopLevelRoles};

use super::past::*;
use super::{origins, taking_over};
use crate::support::*;

/// `docs` with a version of a thief, and `tools`, which another key signs.
fn harmed(tools: &[u8]) -> Past {
    let mut past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER]), (BAD, &[STOLEN])]);
    let delegated = delegation("tools", &["tools/*"], &[THIRD], 1);
    let draft = past.draft("targets").with_delegation(delegated, &[THIRD]);
    past.publish("targets", draft, &[TARGETS]);
    past.publish_names("tools", &["tools/a"], tools);
    past
}

fn goes_back() -> Vec<(String, Origin)> {
    vec![("docs".into(), Origin::Version(version(1))), ("targets".into(), Origin::Current)]
}

#[test]
fn a_role_that_cannot_be_read_is_left_and_the_others_are_not() {
    let mut past = harmed(&[THIRD]);
    past.unread.insert(role("tools"));
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!(origins(&plan), goes_back());
    assert_eq!(plan.left, [(role("tools"), Left::Unread)].into());
    past.published(&plan, &[TARGETS, OTHER]);
    // The role of the key itself: its delegator lists the key no more.
    past.unread = [role("docs")].into();
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!(origins(&plan), [("targets".to_owned(), Origin::Current)]);
    assert_eq!(plan.left, [(role("docs"), Left::Unread)].into());
    past.published(&plan, &[TARGETS]);
}

#[test]
fn an_unread_role_that_is_taken_out_is_named() {
    let mut past = Past::of((&[STOLEN], 1), &[(GOOD, &[STOLEN])]);
    past.unread.insert(role("docs"));
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!((&plan.orphans, plan.left.len()), (&[role("docs")].into(), 0));
    past.published(&plan, &[TARGETS]);
}

#[test]
fn an_unread_role_is_not_taken_out_while_roles_may_be_below_it() {
    let mut past = Past::of((&[STOLEN], 1), &[(GOOD, &[STOLEN])]);
    let german = delegation("german", &["docs/de/*"], &[OTHER], 1);
    let draft = past.draft("docs").with_delegation(german, &[OTHER]);
    past.publish("docs", draft, &[STOLEN]);
    past.publish_names("german", &["docs/de/a"], &[OTHER]);
    let both: BTreeSet<_> = ["docs", "german"].map(role).into();
    assert_eq!(past.plan(&revoked(), &Choices::default()).unwrap().orphans, both);
    past.unread.insert(role("docs"));
    let problem = past.plan(&revoked(), &Choices::default()).map(drop).unwrap_err();
    assert!(matches!(problem, Problem::Unread { .. }), "{problem}");
    let plan = past.plan(&revoked(), &taking_over(None)).unwrap();
    assert_eq!((&plan.orphans, &plan.left), (&[].into(), &[(role("docs"), Left::Unread)].into()));
    past.published(&plan, &[TARGETS]);
}

#[test]
fn a_root_goes_on_without_the_targets_that_cannot_be_read() {
    let mut past = Past::of((&[DOCS], 1), &[(GOOD, &[DOCS])]);
    let mut root: Root = root(1);
    let both = || role_keys(&[ROOT, STOLEN], 1);
    root.roles = TopLevelRoles { root: both(), targets: role_keys(&[STOLEN], 1), ..root.roles };
    root.keys.extend(keys(&[STOLEN]));
    past.root = Envelope::parse(sign(&Unsigned::of(&root), &[ROOT])).unwrap();
    let problem = past.plan(&revoked(), &Choices::default()).map(drop).unwrap_err();
    assert!(matches!(problem, Problem::LastKey { .. }), "{problem}");
    past.unread.insert(RoleName::TARGETS);
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!(plan.left, [(RoleName::TARGETS, Left::Unread)].into());
    let next: Envelope<Root> =
        Envelope::parse(plan.root.as_ref().unwrap().with_signatures(&[])).unwrap();
    let roles = &next.signed().roles;
    assert_eq!((&roles.root, &roles.targets), (&role_keys(&[ROOT], 1), &role_keys(&[STOLEN], 1)));
    past.published(&plan, &[ROOT]);
}

#[test]
fn a_role_that_the_key_never_touched_is_left_though_nobody_vouches_for_it() {
    let past = harmed(&[OTHER]);
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!(origins(&plan), goes_back());
    assert_eq!(plan.left, [(role("tools"), Left::Unverified)].into());
    // What the key has signed is a matter of the key.
    let touched = harmed(&[STOLEN]);
    let problem = touched.plan(&revoked(), &Choices::default()).map(drop).unwrap_err();
    assert!(problem.to_string().starts_with("no version of tools stands"), "{problem}");
}
