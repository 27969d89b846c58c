//! Hash bins, whose keys go together and whose names nobody else lists.

use notary_schema::draft::Draft;
use notary_schema::name::Version;
use notary_schema::path::{HashPrefixes, PathSet};
use notary_schema::revocation::{Choices, Origin, Problem, signers_listing};
use notary_schema::role::{Bins, DelegatedRole, SuccinctRoles};

use super::origins;
use super::past::*;
use crate::support::*;

/// The draft with two bins of these keys.
fn with_bins(mut draft: Draft, seeds: &[u8]) -> Draft {
    let bins = Bins::new("bin", 1).unwrap();
    let succinct = SuccinctRoles { bins, signers: role_keys(seeds, 1) };
    draft.set_succinct(&succinct, &keys(seeds).into_values().collect::<Vec<_>>());
    draft
}

#[test]
fn the_first_bin_stands_for_all_that_list_the_key() {
    for (seeds, wanted) in [(&[STOLEN, OTHER][..], vec!["bin-0"]), (&[OTHER], vec![])] {
        let mut past = Past::of((&[DOCS], 1), &[(&[], &[DOCS])]);
        past.publish("docs", with_bins(past.draft("docs"), seeds), &[DOCS]);
        past.publish_names("bin-1", &[], &[OTHER]);
        let wanted: Vec<_> =
            wanted.into_iter().map(|bin: &str| ("docs".to_owned(), bin.to_owned())).collect();
        assert_eq!(past.listings(&revoked()), wanted, "{seeds:?}");
    }
}

#[test]
fn of_bins_those_are_named_that_have_a_file() {
    for (seeds, wanted) in [(&[STOLEN, OTHER][..], vec!["bin-1"]), (&[OTHER], vec![])] {
        let draft = with_bins(Draft::first_targets(in_days(1)), seeds);
        let file = parse(sign(&draft.finish(), &[DOCS]));
        let with_file = [role("bin-1"), role("bin-x"), role("docs")].into();
        let found = signers_listing(file.signed(), &revoked(), &with_file);
        let wanted: Vec<_> =
            wanted.into_iter().map(|bin: &str| (role(bin), signers(seeds, 1))).collect();
        assert_eq!(found, wanted, "{seeds:?}");
    }
}

#[test]
fn all_bins_lose_a_key_together() {
    let of = |seeds: &[u8]| {
        let mut past = Past::of((&[DOCS], 1), &[(&[], &[DOCS])]);
        past.publish("docs", with_bins(past.draft("docs"), seeds), &[DOCS]);
        past.publish_names("bin-0", &[], &[OTHER]);
        past.publish_names("bin-1", &[], &[OTHER]);
        // Their names come by hash: this one belongs to the second.
        past.publish_names("bin-1", &["docs/good"], &[STOLEN]);
        past
    };
    let past = of(&[STOLEN, OTHER]);
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    let first = Origin::Version(Version::FIRST);
    assert_eq!(origins(&plan), [("bin-1".to_owned(), first), ("docs".to_owned(), Origin::Current)]);
    let files = past.published(&plan, &[DOCS, OTHER]);
    assert!(files[&role("bin-1")].signed().targets.is_empty());
    let problem = of(&[STOLEN]).plan(&revoked(), &Choices::default()).map(drop).unwrap_err();
    assert!(matches!(problem, Problem::LastKey { .. }), "{problem}");
}

#[test]
fn a_listed_bin_is_never_taken_out() {
    let prefixes = HashPrefixes::new(["0"]);
    for (seeds, is_refused) in [(&[STOLEN][..], true), (&[STOLEN, OTHER], false)] {
        let mut past = Past::of((&[DOCS], 1), &[(GOOD, &[DOCS])]);
        let paths = PathSet::HashPrefixes(prefixes.clone());
        let bin = DelegatedRole { paths, ..delegation("bin-0", &[], seeds, 1) };
        let draft = past.draft("docs").with_delegation(bin, seeds);
        past.publish("docs", draft, &[DOCS]);
        past.publish_names("bin-0", &[], &seeds[seeds.len() - 1..]);
        let planned = past.plan(&revoked(), &Choices::default());
        assert_eq!(matches!(planned, Err(Problem::LastKey { .. })), is_refused, "{seeds:?}");
        assert_eq!(planned.is_err(), is_refused);
    }
}
