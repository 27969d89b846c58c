//! Who may sign what: delegations, and what happens to the roles below them.

use std::collections::BTreeSet;

use notary_schema::draft::Draft;
use notary_schema::name::RoleName;
use notary_schema::publish::{Batch, Refusal};

use super::{batch, code, docs, judge, judge_part, targets};
use crate::support::*;

#[test]
fn a_role_below_a_role_stays_inside_the_paths_of_both() {
    let grandchild = |target: &str| {
        let docs = docs(|draft| {
            draft.with_delegation(delegation("api", &["*/api-*", "x/*"], &[6], 1), &[6])
        });
        let api = sign(&Draft::first_targets(in_days(9)).with_target(target).finish(), &[6]);
        code(judge(&Collection::new().head(), &batch(&[("docs", &docs), ("api", &api)])))
    };
    assert_eq!(grandchild("docs/api-1"), "accepted");
    assert_eq!(grandchild("docs/other"), "outside_paths");
    assert_eq!(grandchild("x/1"), "outside_paths");
}

#[test]
fn a_delegation_comes_with_the_first_file_of_its_role_or_says_that_it_is_pending() {
    let head = Collection::new().head();
    let file = targets(|draft| draft.with_delegation(delegation("web", &["web/*"], &[6], 1), &[6]));
    let web = sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
    let both = batch(&[("targets", &file), ("web", &web)]);
    assert_eq!(code(judge(&head, &both)), "accepted");
    let stolen = sign(&Draft::first_targets(in_days(9)).finish(), &[DOCS]);
    let unproven = batch(&[("targets", &file), ("web", &stolen)]);
    assert_eq!(code(judge(&head, &unproven)), "threshold_not_met");
    let mut alone = batch(&[("targets", &file)]);
    assert_eq!(judge(&head, &alone).unwrap_err(), Refusal::Pending(vec![role("web")]));
    alone.pending = BTreeSet::from([role("web")]);
    assert!(judge(&head, &alone).unwrap().warnings.iter().any(|w| w.contains("web")));
    let mut needless = both.clone();
    needless.pending = BTreeSet::from([role("web")]);
    assert_eq!(code(judge(&head, &needless)), "named_without_need");
}

#[test]
fn names_of_delegated_roles_are_creatable_and_free() {
    let head = Collection::new().head();
    let delegating = |name: &str| {
        let file =
            targets(|draft| draft.with_delegation(delegation(name, &["x/*"], &[6], 1), &[6]));
        let first = sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
        code(judge(&head, &batch(&[("targets", &file), (name, &first)])))
    };
    assert_eq!(delegating("web"), "accepted");
    for bad in ["1.web", "a/b", "web.json", "Mirrors", ".web"] {
        assert_eq!(delegating(bad), "role_name", "{bad}");
    }
    assert_eq!(delegating("Docs"), "role_name_taken");
    let taken = docs(|draft| draft.with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6]));
    assert_eq!(code(judge_part("docs", &taken)), "role_name_taken");
}

#[test]
fn paths_of_delegations_are_read_alike_by_all_clients() {
    let head = Collection::new().head();
    let delegating = |path: &str| {
        let file =
            targets(|draft| draft.with_delegation(delegation("web", &[path], &[6], 1), &[6]));
        let first = sign(&Draft::first_targets(in_days(9)).finish(), &[6]);
        code(judge(&head, &batch(&[("targets", &file), ("web", &first)])))
    };
    assert_eq!(delegating("web/*.h?"), "accepted");
    assert_eq!(delegating("web/[ab]"), "delegated_path");
    assert_eq!(delegating("web/**"), "delegated_path");
}

#[test]
fn a_stored_role_is_orphaned_only_on_purpose() {
    let head = Collection::new().head();
    let orphaning = |file: &[u8]| {
        let mut batch = batch(&[("targets", file)]);
        assert_eq!(judge(&head, &batch).unwrap_err(), Refusal::WouldOrphan(vec![role("docs")]));
        batch.orphan = BTreeSet::from([role("docs")]);
        assert_eq!(code(judge(&head, &batch)), "accepted");
    };
    orphaning(&targets(|draft| draft.without_delegation("docs")));
    orphaning(&targets(|d| d.with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6])));
    orphaning(&targets(|d| {
        d.with_delegation(delegation("docs", &["other/*"], &[DOCS], 1), &[DOCS])
    }));
    orphaning(&targets(|d| {
        d.with_delegation(delegation("docs", &["docs/*"], &[DOCS, 6], 2), &[DOCS, 6])
    }));
    // Wider paths and one more key leave it verifiable.
    let kept = targets(|d| {
        d.with_delegation(delegation("docs", &["docs/*", "x"], &[DOCS, 6], 1), &[DOCS, 6])
    });
    let mut kept = batch(&[("targets", &kept)]);
    assert_eq!(code(judge(&head, &kept)), "accepted");
    kept.orphan = BTreeSet::from([role("docs")]);
    assert_eq!(code(judge(&head, &kept)), "named_without_need");
}

#[test]
fn replacing_a_team_key_comes_with_the_role_signed_by_the_new_one() {
    let head = Collection::new().head();
    let file = targets(|d| d.with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6]));
    let next = Collection::new().next("docs").finish();
    for (key, expected) in [(6, "accepted"), (DOCS, "threshold_not_met")] {
        let both = batch(&[("targets", &file), ("docs", &sign(&next, &[key]))]);
        assert_eq!(code(judge(&head, &both)), expected);
    }
}

#[test]
fn taking_a_delegation_away_orphans_the_roles_below_it_too() {
    let mut collection = Collection::new();
    let below =
        docs(|draft| draft.with_delegation(delegation("api", &["docs/api-*"], &[6], 1), &[6]));
    collection.files.insert(role("docs"), below);
    let api = sign(&Draft::first_targets(in_days(9)).with_target("docs/api-1").finish(), &[6]);
    collection.files.insert(role("api"), api);
    let head = collection.head();
    let removed = targets(|draft| draft.without_delegation("docs"));
    let all = vec![role("api"), role("docs")];
    assert_eq!(
        judge(&head, &batch(&[("targets", &removed)])).unwrap_err(),
        Refusal::WouldOrphan(all)
    );
    let narrowed =
        targets(|d| d.with_delegation(delegation("docs", &["docs/i*"], &[DOCS], 1), &[DOCS]));
    let only_below = vec![role("api")];
    assert_eq!(
        judge(&head, &batch(&[("targets", &narrowed)])).unwrap_err(),
        Refusal::WouldOrphan(only_below)
    );
}

#[test]
fn a_role_that_was_taken_away_goes_on_after_its_last_version() {
    let mut collection = Collection::new();
    let removed = sign(&collection.next("targets").without_delegation("docs").finish(), &[TARGETS]);
    collection.files.insert(RoleName::TARGETS, removed);
    let head = collection.head();
    let again =
        collection.next("targets").with_delegation(delegation("docs", &["docs/*"], &[6], 1), &[6]);
    let again = sign(&again.finish(), &[TARGETS]);
    for (number, expected) in [(2, "accepted"), (1, "version_conflict")] {
        let draft = Draft::with_version(&collection.file("docs"), version(number), in_days(9));
        let both = batch(&[("targets", &again), ("docs", &sign(&draft.finish(), &[6]))]);
        assert_eq!(code(judge(&head, &both)), expected);
    }
    let alone = docs(|draft| draft);
    assert_eq!(code(judge(&head, &batch(&[("docs", &alone)]))), "not_delegated");
}

#[test]
fn chains_of_delegations_end_at_the_limit() {
    let chain = |depth: usize| {
        let mut batch = Batch::default();
        let name = |n: usize| if n == 0 { "targets".to_owned() } else { format!("r{n}") };
        for n in 0..=depth {
            let mut draft = if n == 0 {
                Collection::new().next("targets")
            } else {
                Draft::first_targets(in_days(9))
            };
            if n < depth {
                draft = draft.with_delegation(delegation(&name(n + 1), &["*"], &[6], 1), &[6]);
            }
            let key = if n == 0 { TARGETS } else { 6 };
            batch.add(role(&name(n)), sign(&draft.finish(), &[key]).into()).unwrap();
        }
        code(judge(&Collection::new().head(), &batch))
    };
    assert_eq!(chain(32), "accepted");
    assert_eq!(chain(33), "delegation_too_deep");
}
