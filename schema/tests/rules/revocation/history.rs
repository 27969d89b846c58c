//! What a look back over the versions of a role finds.

use notary_schema::revocation::{History, Standing};

use super::past::*;
use crate::support::*;

#[test]
fn what_the_key_has_signed_is_told_by_versions() {
    let published: &[(&[&str], &[u8])] = &[
        (&["docs/a"], &[OTHER]),
        (&["docs/a", "docs/b"], &[STOLEN]),
        (&["docs/a", "docs/b", "docs/c"], &[STOLEN]),
        (&["docs/a", "docs/c"], &[STOLEN, OTHER]),
        (&["docs/a"], &[OTHER]),
    ];
    let past = Past::of((&[STOLEN, OTHER], 1), published);
    let history = past.history(&role("docs"), signers(&[STOLEN, OTHER], 1), &denied(), None);
    let mut told: Vec<_> = history
        .targets
        .iter()
        .map(|t| (&t.name[5..], t.from.get(), t.to.get(), t.needed, t.introduced))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("a", 2, 3, true, false),
            ("a", 4, 4, false, false),
            ("b", 2, 3, true, true),
            ("c", 3, 3, true, true),
            ("c", 4, 4, false, false),
        ]
    );
    let versions: Vec<_> = history.versions.iter().map(|v| (v.version.get(), v.standing)).collect();
    assert_eq!(versions, [(4, Standing::Stands), (3, Standing::Needed), (2, Standing::Needed)]);
    assert_eq!(history.last_good().unwrap().version().get(), 5);
    assert_eq!(history.truncated_at, None);
}

#[test]
fn what_lies_before_the_oldest_version_that_was_looked_at_is_not_guessed() {
    let published: &[(&[&str], &[u8])] = &[(GOOD, &[OTHER]), (GOOD, &[STOLEN]), (BAD, &[STOLEN])];
    let past = Past::of((&[STOLEN, OTHER], 1), published);
    let mut history = History::new(role("docs"), signers(&[STOLEN, OTHER], 1), denied(), None);
    for file in past.versions[&role("docs")].iter().rev().take(2) {
        history.add(file.clone());
    }
    history.finish();
    assert_eq!(history.truncated_at, Some(version(2)));
    assert!(history.last_good().is_none());
    let introduced: Vec<_> =
        history.targets.iter().filter(|t| t.introduced).map(|t| t.name.as_str()).collect();
    assert_eq!(introduced, ["docs/bad"], "docs/good may be older");
}
