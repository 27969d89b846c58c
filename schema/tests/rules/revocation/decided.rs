//! What a person has decided is done where it is about the key, and to what was looked at.

use std::collections::BTreeMap;

use notary_schema::name::RoleName;
use notary_schema::revocation::{Choices, Content, Dates, Present, Problem, plan};

use super::past::*;
use super::{chosen, origins};
use crate::support::*;

#[test]
fn nothing_is_decided_about_a_role_that_the_key_did_not_touch() {
    let past = Past::of((&[OTHER], 1), &[(GOOD, &[OTHER]), (BAD, &[OTHER])]);
    for content in [Content::Empty, Content::Of(version(1)), Content::Reviewed(version(9))] {
        let plan = past.plan(&revoked(), &chosen(content)).unwrap();
        assert!(plan.is_empty(), "{content:?}: {:?}", origins(&plan));
    }
}

#[test]
fn no_other_version_than_the_one_that_was_decided_on_is_published_again() {
    let published: &[(&[&str], &[u8])] = &[(GOOD, &[STOLEN]), (GOOD, &[STOLEN]), (BAD, &[STOLEN])];
    let past = Past::of((&[STOLEN, OTHER], 1), published);
    let head = past.head();
    let files: BTreeMap<RoleName, _> =
        head.files.iter().map(|(role, it)| (role.clone(), it.file.clone().unwrap())).collect();
    let others = BTreeMap::new();
    let judged = |looked_at: u64, decided: u64| {
        let (docs, today) = (role("docs"), signers(&[STOLEN, OTHER], 1));
        let history = past.history(&docs, today, &revoked(), Some(version(looked_at)));
        let histories = [(docs, history)].into();
        let present = Present {
            root: &past.root,
            snapshot: head.snapshot.signed(),
            files: &files,
            others: &others,
            unread: &past.unread,
            histories: &histories,
        };
        let dates = Dates { root: in_days(365), targets: in_days(365) };
        plan(present, &revoked(), &chosen(Content::Of(version(decided))), dates)
    };
    judged(2, 2).unwrap();
    let problem = judged(1, 2).map(drop).unwrap_err();
    assert!(matches!(problem, Problem::NotVerified { .. }), "{problem}");
}

#[test]
fn new_keys_and_thresholds_are_for_the_roles_that_are_named() {
    let mut past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER])]);
    let tools = delegation("tools", &["tools/*"], &[STOLEN, OTHER], 1);
    let draft = past.draft("targets").with_delegation(tools, &[STOLEN, OTHER]);
    past.publish("targets", draft, &[TARGETS]);
    past.publish_names("tools", &["tools/a"], &[OTHER]);
    let signed_by = |roles: &[&str]| {
        let choices = Choices {
            new_keys: vec![signer(NEW).key.clone()],
            threshold: Some(2),
            roles: roles.iter().map(|name| role(name)).collect(),
            ..Choices::default()
        };
        let plan = past.plan(&revoked(), &choices).unwrap();
        let changed = plan.changed.into_iter();
        changed.map(|one| (one.role, one.after.unwrap())).collect::<BTreeMap<_, _>>()
    };
    let (alone, taken_over) = (signers(&[OTHER], 1), signers(&[OTHER, NEW], 2));
    let named = signed_by(&["docs"]);
    assert_eq!((&named[&role("docs")], &named[&role("tools")]), (&taken_over, &alone));
    let all = signed_by(&[]);
    assert_eq!((&all[&role("docs")], &all[&role("tools")]), (&taken_over, &taken_over));
}
