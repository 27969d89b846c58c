//! The roles of the root lose a key, and never their last.

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::RoleName;
use notary_schema::revocation::{Choices, Problem};
use notary_schema::role::{Root, TopLevelRoles};

use super::past::*;
use super::taking_over;
use crate::support::*;

#[test]
fn a_root_loses_a_key_and_never_its_last() {
    let with = |seeds: &[u8], threshold: u32| {
        let mut root: Root = root(1);
        root.roles = TopLevelRoles { root: role_keys(seeds, threshold), ..root.roles };
        root.keys.extend(keys(seeds));
        let mut past = Past::of((&[DOCS], 1), &[(GOOD, &[DOCS])]);
        past.root = Envelope::parse(sign(&Unsigned::of(&root), seeds)).unwrap();
        past
    };
    let of_three = with(&[STOLEN, OTHER, THIRD], 2);
    let plan = of_three.plan(&revoked(), &Choices::default()).unwrap();
    assert!(plan.roles.is_empty() && !plan.is_empty());
    of_three.published(&plan, &[OTHER, THIRD]);
    let alone = with(&[STOLEN], 1);
    let problem = alone.plan(&revoked(), &Choices::default()).map(drop).unwrap_err();
    assert!(matches!(problem, Problem::LastKey { .. }), "{problem}");
    let plan = alone.plan(&revoked(), &taking_over(None)).unwrap();
    alone.published(&plan, &[STOLEN, NEW]);
}

#[test]
fn an_online_role_waits_for_a_key_of_the_signer() {
    let snapshot = keys_out(&[SNAPSHOT]);
    let past = Past::of((&[DOCS], 1), &[(GOOD, &[DOCS])]);
    let plan = past.plan(&snapshot, &Choices::default()).unwrap();
    assert!(!plan.is_empty(), "a key is to be made");
    assert_eq!((plan.root.is_some(), plan.keyless), (false, [RoleName::SNAPSHOT].into()));
    let online = [(RoleName::SNAPSHOT, vec![signer(NEW).key.clone()])].into();
    // How many sign is decided about roles that people sign.
    let choices = Choices { online, threshold: Some(2), ..Choices::default() };
    let plan = past.plan(&snapshot, &choices).unwrap();
    let root: Envelope<Root> = Envelope::parse(plan.root.unwrap().with_signatures(&[])).unwrap();
    assert_eq!(root.signed().roles.snapshot, role_keys(&[NEW], 1));
}

/// Which of them are a key and its stand-by, only the signer knows.
#[test]
fn the_next_keys_of_an_online_role_take_the_place_of_all_where_one_is_enough() {
    let with = |threshold: u32| {
        let mut root: Root = root(1);
        root.roles.timestamp = role_keys(&[TIMESTAMP, OTHER], threshold);
        root.keys.extend(keys(&[OTHER]));
        let mut past = Past::of((&[DOCS], 1), &[(GOOD, &[DOCS])]);
        past.root = Envelope::parse(sign(&Unsigned::of(&root), &[ROOT])).unwrap();
        let new = vec![signer(NEW).key.clone(), signer(THIRD).key.clone()];
        let online = [(RoleName::TIMESTAMP, new)].into();
        let choices = Choices { online, ..Choices::default() };
        let plan = past.plan(&keys_out(&[TIMESTAMP]), &choices).unwrap();
        let root = plan.root.unwrap().with_signatures(&[]);
        Envelope::<Root>::parse(root).unwrap().signed().roles.timestamp.clone()
    };
    assert_eq!(with(1), role_keys(&[NEW, THIRD], 1));
    assert_eq!(with(2), role_keys(&[OTHER, NEW, THIRD], 2));
}
