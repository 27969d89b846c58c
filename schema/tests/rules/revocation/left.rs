//! Roles of which nobody can tell what they say: they stand in nobody's way.

use notary_schema::revocation::{Choices, Left, Origin};

use super::origins;
use super::past::*;
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
