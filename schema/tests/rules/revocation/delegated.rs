//! Which delegations lead where, before and after.

use notary_schema::revocation::{Choices, Origin};

use super::origins;
use super::past::*;
use crate::support::*;

#[test]
fn a_role_that_two_delegate_to_is_published_once() {
    let mut past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER])]);
    let german = || delegation("german", &["docs/de/*"], &[STOLEN, OTHER], 1);
    let tools = delegation("tools", &["docs/*"], &[OTHER], 1);
    let draft = past.draft("targets").with_delegation(tools, &[OTHER]);
    past.publish("targets", draft, &[TARGETS]);
    let draft = past.draft("tools").with_delegation(german(), &[STOLEN, OTHER]);
    past.publish("tools", draft, &[OTHER]);
    let draft = past.draft("docs").with_delegation(german(), &[STOLEN, OTHER]);
    past.publish("docs", draft, &[OTHER]);
    past.publish_names("german", &["docs/de/a"], &[OTHER]);
    past.publish_names("german", &["docs/de/b"], &[STOLEN]);
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    let as_it_is = |name: &str| (name.to_owned(), Origin::Current);
    let first = ("german".to_owned(), Origin::Version(version(1)));
    assert_eq!(origins(&plan), [as_it_is("docs"), first, as_it_is("targets"), as_it_is("tools")]);
}

#[test]
fn what_nobody_delegated_to_before_is_no_news() {
    let mut past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER])]);
    let old = delegation("old", &["old/*"], &[THIRD], 1);
    let draft = past.draft("targets").with_delegation(old, &[THIRD]);
    past.publish("targets", draft, &[TARGETS]);
    past.publish_names("old", &["old/a"], &[THIRD]);
    let new = delegation("new", &["new/*"], &[THIRD], 1);
    let draft = past.draft("targets").without_delegation("old").with_delegation(new, &[THIRD]);
    past.publish("targets", draft, &[TARGETS]);
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!((&plan.orphans, &plan.pending), (&[].into(), &[].into()));
    past.published(&plan, &[TARGETS]);
}

#[test]
fn no_past_is_asked_for_of_a_role_that_has_published_nothing() {
    let mut past = Past::of((&[STOLEN], 1), &[(GOOD, &[STOLEN])]);
    let german = delegation("german", &["docs/de/*"], &[STOLEN], 1);
    let draft = past.draft("docs").with_delegation(german, &[STOLEN]);
    past.publish("docs", draft, &[STOLEN]);
    assert_eq!(past.asked_for(&revoked()), [role("docs")]);
}
