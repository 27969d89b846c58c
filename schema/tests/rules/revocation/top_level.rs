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
    assert!(plan.roles.is_empty());
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
    assert_eq!((plan.root.is_some(), plan.keyless), (false, [RoleName::SNAPSHOT].into()));
    let online = [(RoleName::SNAPSHOT, signer(NEW).key.clone())].into();
    // How many sign is decided about roles that people sign.
    let choices = Choices { online, threshold: Some(2), ..Choices::default() };
    let plan = past.plan(&snapshot, &choices).unwrap();
    let root: Envelope<Root> = Envelope::parse(plan.root.unwrap().with_signatures(&[])).unwrap();
    assert_eq!(root.signed().roles.snapshot, role_keys(&[NEW], 1));
}
