//! What a look back over the versions of a role finds.

use notary_schema::revocation::{History, Revoked, Standing};

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
    let history = past.history(&role("docs"), signers(&[STOLEN, OTHER], 1), &revoked(), None);
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
fn what_others_have_signed_is_not_told_as_of_the_key() {
    let of = |published: &[(&[&str], &[u8])], revoked: &Revoked| {
        let past = Past::of((&[STOLEN, OTHER, THIRD], 1), published);
        let today = signers(&[STOLEN, OTHER, THIRD], 1);
        let history = past.history(&role("docs"), today, revoked, None);
        let targets = history.targets.iter();
        let mut told: Vec<_> = targets
            .map(|t| (t.name[5..].to_owned(), t.from.get(), t.to.get(), t.introduced))
            .collect();
        told.sort_unstable();
        told
    };
    let row =
        |name: &str, from: u64, to: u64, introduced: bool| (name.to_owned(), from, to, introduced);
    // The first version came with the key; a later one that others have signed, too, did not.
    let both: &[u8] = &[STOLEN, OTHER];
    assert_eq!(of(&[(GOOD, &[STOLEN])], &revoked()), [row("good", 1, 1, true)]);
    assert_eq!(of(&[(GOOD, both)], &revoked()), [row("good", 1, 1, false)]);
    let beside = of(&[(GOOD, &[OTHER]), (BAD, both)], &revoked());
    assert_eq!(beside, [row("bad", 2, 2, false), row("good", 2, 2, false)]);
    // What another revoked key has signed is told when that one is asked about.
    let earlier = signer(THIRD).key.public().cloned().into_iter().collect();
    let now = Revoked::new(revoked().now, earlier);
    let third = of(&[(GOOD, &[STOLEN]), (BAD, &[THIRD])], &now);
    assert_eq!(third, [row("good", 1, 1, true)]);
}

#[test]
fn what_lies_before_the_oldest_version_that_was_looked_at_is_not_guessed() {
    let published: &[(&[&str], &[u8])] = &[(GOOD, &[OTHER]), (GOOD, &[STOLEN]), (BAD, &[STOLEN])];
    let past = Past::of((&[STOLEN, OTHER], 1), published);
    let mut history = History::new(role("docs"), signers(&[STOLEN, OTHER], 1), revoked(), None);
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

#[test]
fn behind_versions_that_are_gone_the_look_back_goes_on() {
    let published: &[(&[&str], &[u8])] = &[
        (GOOD, &[OTHER]),
        (GOOD, &[STOLEN]),
        (GOOD, &[STOLEN]),
        (GOOD, &[STOLEN]),
        (BAD, &[STOLEN]),
        (BAD, &[STOLEN]),
    ];
    let past = Past::of((&[STOLEN, OTHER], 1), published);
    let looked_at = |wanted: &[u64]| {
        let mut history = History::new(role("docs"), signers(&[STOLEN, OTHER], 1), revoked(), None);
        for file in past.versions[&role("docs")].iter().rev() {
            if wanted.contains(&file.version().get()) {
                history.add(file.clone());
            }
        }
        history.finish();
        history
    };
    let gaps = |history: &History| -> Vec<(u64, u64)> {
        history.gaps.iter().map(|gap| (gap.from.get(), gap.to.get())).collect()
    };
    let told = |history: &History| -> Vec<(String, u64, u64)> {
        let targets = history.targets.iter();
        let mut told: Vec<_> =
            targets.map(|t| (t.name[5..].to_owned(), t.from.get(), t.to.get())).collect();
        told.sort_unstable();
        told
    };
    let row = |name: &str, from: u64, to: u64| (name.to_owned(), from, to);
    let whole = looked_at(&[1, 2, 3, 4, 5, 6]);
    assert_eq!(gaps(&whole), []);
    assert_eq!(told(&whole), [row("bad", 5, 6), row("good", 2, 6)]);
    let torn = looked_at(&[1, 2, 5, 6]);
    assert_eq!(gaps(&torn), [(3, 4)]);
    // Nobody knows that the key signed the two that are gone.
    assert_eq!(told(&torn), [row("bad", 5, 6), row("good", 2, 2), row("good", 5, 6)]);
    assert_eq!(torn.last_good().unwrap().version().get(), 1);
    assert_eq!(gaps(&looked_at(&[1, 3, 6])), [(4, 5), (2, 2)]);
}

#[test]
fn keys_that_came_with_the_stolen_one_are_told_and_no_others() {
    let mut past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER])]);
    let adding = |past: &Past, name: &str, seed: u8| {
        past.draft("docs").with_delegation(delegation(name, &["docs/*"], &[seed], 1), &[seed])
    };
    past.publish("docs", adding(&past, "ours", THIRD), &[OTHER]);
    past.publish("docs", adding(&past, "theirs", THIEF), &[STOLEN]);
    past.publish("docs", adding(&past, "again", STOLEN), &[STOLEN]);
    let told = |history: History| {
        let planted = history.planted.into_iter();
        planted.map(|(id, planted)| (id, planted.version.get())).collect::<Vec<_>>()
    };
    let today = || signers(&[STOLEN, OTHER], 1);
    let whole = past.history(&role("docs"), today(), &revoked(), None);
    assert_eq!(told(whole), [(signer(THIEF).id(), 3)]);
    let earlier = signer(THIEF).key.public().cloned().into_iter().collect();
    let both = Revoked::new(revoked().now, earlier);
    assert_eq!(told(past.history(&role("docs"), today(), &both, None)), [], "it is revoked");
    // Of the oldest version that was looked at nobody knows what it brought.
    let mut newest = History::new(role("docs"), today(), revoked(), None);
    newest.add(past.versions[&role("docs")][3].clone());
    newest.finish();
    assert_eq!(told(newest), []);
}

#[test]
fn a_role_that_lists_the_key_is_looked_back_at_also_where_it_stands() {
    let past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[STOLEN]), (GOOD, &[OTHER])]);
    let asked = past.asked_for(&revoked());
    assert_eq!(asked, [role("docs")]);
    let mut alone = Past::of((&[STOLEN], 1), &[(GOOD, &[STOLEN])]);
    let below = delegation("german", &["docs/de/*"], &[STOLEN], 1);
    let draft = alone.draft("docs").with_delegation(below, &[STOLEN]);
    alone.publish("docs", draft, &[STOLEN]);
    alone.publish_names("german", &["docs/de/a"], &[STOLEN]);
    assert_eq!(alone.asked_for(&revoked()), ["docs", "german"].map(role), "both go");
    let unconcerned = Past::of((&[OTHER], 1), &[(GOOD, &[OTHER])]);
    assert_eq!(unconcerned.asked_for(&revoked()), []);
}
