//! What becomes of a collection when a key is revoked.

mod bins;
mod decided;
mod delegated;
mod history;
mod left;
mod past;
mod top_level;

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{RoleName, Version};
use notary_schema::revocation::{
    Choices, Content, Origin, Plan, Problem, Revoked, Standing, signers_listing, standing,
};
use notary_schema::role::{Root, TopLevelRoles};

use crate::support::*;
use past::*;

fn chosen(content: Content) -> Choices {
    Choices { content: [(role("docs"), content)].into(), ..Choices::default() }
}

fn taking_over(content: Option<Content>) -> Choices {
    let content = content.map(|content| (role("docs"), content)).into_iter().collect();
    Choices { new_keys: vec![signer(NEW).key.clone()], content, ..Choices::default() }
}

fn origins(plan: &Plan) -> Vec<(String, Origin)> {
    let mut all: Vec<_> =
        plan.roles.iter().map(|part| (part.role.to_string(), part.origin)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn a_version_stands_when_other_keys_alone_reach_its_threshold() {
    use Standing::*;
    let document = Draft::first_targets(in_days(1)).with_target("docs/a").finish();
    for (threshold, by, wanted) in [
        (1, &[OTHER][..], Untouched),
        (1, &[STOLEN, OTHER], Stands),
        (1, &[STOLEN], Needed),
        (2, &[OTHER, THIRD], Untouched),
        (2, &[STOLEN, OTHER, THIRD], Stands),
        (2, &[STOLEN, OTHER], Needed),
        (2, &[STOLEN], Unverified),
        (1, &[THIEF], Unverified),
        (1, &[], Unverified),
    ] {
        let file = parse(sign(&document, by));
        let today = signers(&[STOLEN, OTHER, THIRD], threshold);
        assert_eq!(
            standing(&file, today.authority(), &revoked().all),
            wanted,
            "{threshold} {by:?}"
        );
    }
}

#[test]
fn a_revoked_key_touches_what_it_may_sign_today() {
    let document = Draft::first_targets(in_days(1)).finish();
    let file = parse(sign(&document, &[STOLEN, OTHER]));
    for (today, wanted) in
        [(&[STOLEN, OTHER], Standing::Stands), (&[THIRD, OTHER], Standing::Untouched)]
    {
        let today = signers(today, 1);
        assert_eq!(standing(&file, today.authority(), &revoked().all), wanted);
    }
}

#[test]
fn a_key_under_two_ids_is_revoked_under_both() {
    let stolen = &signer(STOLEN).key;
    let mut object = serde_json::to_value(stolen).unwrap();
    object["x-note"] = "the same key".into();
    let twin: notary_schema::key::Key = serde_json::from_value(object).unwrap();
    assert_ne!(twin.id(), stolen.id());
    let mut today = signers(&[STOLEN, OTHER], 1);
    today.keys.insert(twin.id().clone(), twin.clone());
    today.role.keyids.push(twin.id().clone());
    assert_eq!(revoked().listed(today.authority()), [stolen.id().clone(), twin.id().clone()]);
    let document = Draft::first_targets(in_days(1)).finish();
    let signature = signer(STOLEN).sign(document.message());
    let file = parse(document.with_signatures(&[(twin.id().clone(), signature)]));
    assert_eq!(standing(&file, today.authority(), &revoked().all), Standing::Needed);
}

#[test]
fn the_content_that_is_published_again_is_the_last_that_stood_without_the_key() {
    use Origin::*;
    let second = version(2);
    for (what, docs, published, choices, wanted) in [
        (
            "what others signed stays as it is",
            (&[STOLEN, OTHER][..], 1),
            &[(GOOD, &[OTHER][..])][..],
            Choices::default(),
            vec![("targets", Current)],
        ),
        (
            "one version of the thief",
            (&[STOLEN, OTHER], 1),
            &[(GOOD, &[OTHER]), (BAD, &[STOLEN])],
            Choices::default(),
            vec![("docs", Version(version(1))), ("targets", Current)],
        ),
        (
            "several versions of the thief",
            (&[STOLEN, OTHER], 1),
            &[(GOOD, &[STOLEN]), (GOOD, &[OTHER]), (BAD, &[STOLEN]), (GOOD, &[STOLEN])],
            Choices::default(),
            vec![("docs", Version(second)), ("targets", Current)],
        ),
        (
            "others have signed the version of the thief, too",
            (&[STOLEN, OTHER], 1),
            &[(GOOD, &[OTHER]), (BAD, &[STOLEN]), (BAD, &[OTHER, STOLEN])],
            Choices::default(),
            vec![("targets", Current)],
        ),
        (
            "two of three, one of them stolen",
            (&[STOLEN, OTHER, THIRD], 2),
            &[(GOOD, &[OTHER, THIRD]), (BAD, &[STOLEN, OTHER])],
            Choices::default(),
            vec![("docs", Version(version(1))), ("targets", Current)],
        ),
        (
            "a lowered threshold counts for what is there",
            (&[STOLEN, OTHER], 2),
            &[(GOOD, &[OTHER, STOLEN])],
            Choices { threshold: Some(1), ..Choices::default() },
            vec![("targets", Current)],
        ),
        (
            "reviewed",
            (&[STOLEN, OTHER], 1),
            &[(GOOD, &[OTHER]), (BAD, &[STOLEN])],
            chosen(Content::Reviewed(second)),
            vec![("docs", Current), ("targets", Current)],
        ),
        (
            "taken over, from a version that a person vouches for",
            (&[STOLEN], 1),
            &[(GOOD, &[STOLEN]), (BAD, &[STOLEN])],
            taking_over(Some(Content::Of(self::version(1)))),
            vec![("docs", Version(version(1))), ("targets", Current)],
        ),
        (
            "taken over, empty",
            (&[STOLEN], 1),
            &[(BAD, &[STOLEN])],
            taking_over(Some(Content::Empty)),
            vec![("docs", Empty), ("targets", Current)],
        ),
        (
            "the last key takes the delegation with it",
            (&[STOLEN], 1),
            &[(BAD, &[STOLEN])],
            Choices::default(),
            vec![("targets", Current)],
        ),
    ] {
        let past = Past::of(docs, published);
        let plan = past.plan(&revoked(), &choices).unwrap_or_else(|why| panic!("{what}: {why}"));
        let wanted: Vec<_> =
            wanted.into_iter().map(|(role, origin)| (role.to_owned(), origin)).collect();
        assert_eq!(origins(&plan), wanted, "{what}");
        let files = past.published(&plan, &[TARGETS, OTHER, THIRD, NEW]);
        let targets = &files[&RoleName::TARGETS];
        let listed = targets.signed().delegations.as_ref().unwrap();
        assert!(listed.keys.values().all(|key| !revoked().all.contains(key)), "{what}");
        let gone = listed.delegation(&role("docs")).is_none();
        assert_eq!(plan.orphans, gone.then(|| role("docs")).into_iter().collect(), "{what}");
    }
}

#[test]
fn what_needs_a_decision_is_named() {
    let stolen_alone = Past::of((&[STOLEN], 1), &[(GOOD, &[STOLEN])]);
    let stolen_of_two = Past::of((&[STOLEN, OTHER], 2), &[(GOOD, &[STOLEN, OTHER])]);
    let never_good = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[STOLEN])]);
    let second = version(2);
    for (what, past, choices, wanted) in [
        (
            "no good version of a role that is taken over",
            &stolen_alone,
            taking_over(None),
            "no version of docs stands without the revoked key; the current one is 1",
        ),
        (
            "no good version of a role that others sign, too",
            &never_good,
            Choices::default(),
            "no version of docs stands without the revoked key; the current one is 1",
        ),
        (
            "fewer keys than must sign",
            &stolen_of_two,
            Choices::default(),
            "docs would have 1 keys and ask for 2",
        ),
        (
            "another version was reviewed",
            &never_good,
            chosen(Content::Reviewed(second)),
            "docs is at version 1, and 2 was reviewed",
        ),
        (
            "a version that is not there",
            &never_good,
            chosen(Content::Of(second)),
            "no docs 2 was found that the keys of today have signed",
        ),
    ] {
        let problem = past.plan(&revoked(), &choices).map(drop).unwrap_err();
        assert_eq!(problem.to_string(), wanted, "{what}");
    }
}

#[test]
fn only_a_version_that_somebody_vouches_for_is_published_again() {
    let published: &[(&[&str], &[u8])] = &[(BAD, &[THIEF]), (GOOD, &[STOLEN]), (BAD, &[STOLEN])];
    let past = Past::of((&[STOLEN, OTHER], 1), published);
    let problem = past.plan(&revoked(), &chosen(Content::Of(version(1)))).map(drop).unwrap_err();
    assert!(matches!(problem, Problem::NotVerified { .. }), "{problem}");
    past.plan(&revoked(), &chosen(Content::Of(version(2)))).unwrap();
}

#[test]
fn a_new_key_is_none_that_is_revoked_and_counts_once() {
    let with = |seed: u8| Choices {
        new_keys: vec![signer(seed).key.clone()],
        content: [(role("docs"), Content::Empty)].into(),
        ..Choices::default()
    };
    let alone = Past::of((&[STOLEN], 1), &[(GOOD, &[STOLEN])]);
    assert_eq!(alone.plan(&revoked(), &with(STOLEN)).unwrap().orphans, [role("docs")].into());
    assert_eq!(alone.plan(&revoked(), &with(NEW)).unwrap().orphans, [].into());
    let before = signer(NEW).key.public().cloned().into_iter().collect();
    let earlier = Revoked::new(revoked().now, before);
    assert_eq!(alone.plan(&earlier, &with(NEW)).unwrap().orphans, [role("docs")].into());
    let shared = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER])]);
    let plan = shared.plan(&revoked(), &with(OTHER)).unwrap();
    assert_eq!(plan.changed[0].after, Some(signers(&[OTHER], 1)));
}

#[test]
fn a_key_that_a_delegator_dropped_before_makes_no_version_good() {
    // OTHER was stolen first and dropped; then only STOLEN signed.
    let published: &[(&[&str], &[u8])] = &[(BAD, &[OTHER]), (GOOD, &[STOLEN])];
    let past = Past::of((&[STOLEN, THIRD], 1), published);
    let problem = past.plan(&revoked(), &Choices::default()).map(drop).unwrap_err();
    assert!(matches!(problem, Problem::NoGoodVersion { .. }), "{problem}");
}

#[test]
fn what_another_revoked_key_has_signed_is_not_good_and_its_own_roles_are_not_asked_about() {
    let both = || {
        let now = signer(STOLEN).key.public().cloned().into_iter().collect();
        let before = signer(OTHER).key.public().cloned().into_iter().collect();
        Revoked::new(now, before)
    };
    let published: &[(&[&str], &[u8])] = &[(GOOD, &[THIRD]), (BAD, &[OTHER]), (BAD, &[STOLEN])];
    let mut past = Past::of((&[STOLEN, OTHER, THIRD], 1), published);
    let tools = delegation("tools", &["tools/*"], &[OTHER], 1);
    let draft = past.draft("targets").with_delegation(tools, &[OTHER]);
    past.publish("targets", draft, &[TARGETS]);
    past.publish_names("tools", &["tools/a"], &[OTHER]);
    let plan = past.plan(&both(), &Choices::default()).unwrap();
    let first = Origin::Version(Version::FIRST);
    assert_eq!(
        origins(&plan),
        [("docs".to_owned(), first), ("targets".to_owned(), Origin::Current)]
    );
    assert_eq!(plan.left, [].into(), "nor is tools left: it stands as it did");
    // The present version is that of the other key.
    let published: &[(&[&str], &[u8])] = &[(GOOD, &[THIRD]), (BAD, &[OTHER])];
    let past = Past::of((&[STOLEN, OTHER, THIRD], 1), published);
    let plan = past.plan(&both(), &Choices::default()).unwrap();
    assert_eq!(
        origins(&plan),
        [("docs".to_owned(), first), ("targets".to_owned(), Origin::Current)]
    );
    let two = Past::of((&[STOLEN, OTHER, THIRD], 2), &[(GOOD, &[STOLEN, THIRD])]);
    let problem = two.plan(&both(), &Choices::default()).map(drop).unwrap_err();
    assert!(matches!(problem, Problem::TooFewKeys { left: 1, .. }), "{problem}");
}

#[test]
fn what_a_thief_delegates_to_is_left_behind() {
    let mut past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER])]);
    let evil = delegation("evil", &["docs/*"], &[THIEF], 1);
    let planted = past.draft("docs").with_delegation(evil, &[THIEF]);
    past.publish("docs", planted, &[STOLEN]);
    past.publish_names("evil", &["docs/evil"], &[THIEF]);
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!(plan.orphans, [role("evil")].into());
    past.published(&plan, &[TARGETS, OTHER]);
    let history = past.history(&role("docs"), signers(&[STOLEN, OTHER], 1), &revoked(), None);
    let found: Vec<_> = history.planted.values().map(|p| (p.key.id(), p.version)).collect();
    assert_eq!(found, [(signer(THIEF).key.id(), version(2))]);
}

#[test]
fn a_key_that_came_with_the_stolen_one_can_be_revoked_beside_it() {
    let mut past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER])]);
    let evil = delegation("evil", &["docs/*"], &[THIEF], 1);
    let planted = past.draft("docs").with_delegation(evil, &[THIEF]);
    past.publish("docs", planted, &[STOLEN]);
    past.publish_names("evil", &["docs/evil"], &[THIEF]);
    // Somebody who does not know has built on it.
    past.publish_names("docs", &["docs/more"], &[OTHER]);
    let alone = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!(alone.orphans, [].into(), "the present version stands");
    let both = keys_out(&[STOLEN, THIEF]);
    let plan = past.plan(&both, &Choices::default()).unwrap();
    assert_eq!(plan.orphans, [role("evil")].into());
    assert_eq!(
        origins(&plan),
        [("docs".to_owned(), Origin::Current), ("targets".to_owned(), Origin::Current)]
    );
    past.published(&plan, &[TARGETS, OTHER]);
}

#[test]
fn roles_below_a_delegator_that_goes_back_are_those_of_then() {
    // The thief of a targets key takes docs over; the next good targets knows the key of before.
    let mut past = Past::of((&[DOCS], 1), &[(GOOD, &[DOCS])]);
    let mut root: Root = root(1);
    root.roles = TopLevelRoles { targets: role_keys(&[TARGETS, STOLEN], 1), ..root.roles };
    root.keys.extend(keys(&[STOLEN]));
    past.root = Envelope::parse(sign(&Unsigned::of(&root), &[ROOT])).unwrap();
    let taken = delegation("docs", &["docs/*"], &[THIEF], 1);
    let taken = past.draft("targets").with_delegation(taken, &[THIEF]);
    past.publish("targets", taken, &[STOLEN]);
    past.publish_names("docs", BAD, &[THIEF]);
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    let first = Origin::Version(Version::FIRST);
    assert_eq!(origins(&plan), [("docs".to_owned(), first), ("targets".to_owned(), first)]);
    assert!(plan.root.is_some());
    let files = past.published(&plan, &[ROOT, TARGETS, DOCS]);
    assert_eq!(files[&role("docs")].signed().targets.keys().collect::<Vec<_>>(), GOOD);
}

#[test]
fn a_delegation_that_a_thief_took_out_comes_back_with_its_stored_file() {
    let mut past = Past::of((&[DOCS], 1), &[(GOOD, &[DOCS])]);
    let mut root: Root = root(1);
    root.roles = TopLevelRoles { targets: role_keys(&[TARGETS, STOLEN], 1), ..root.roles };
    root.keys.extend(keys(&[STOLEN]));
    past.root = Envelope::parse(sign(&Unsigned::of(&root), &[ROOT])).unwrap();
    let without = past.draft("targets").without_delegation("docs");
    past.publish("targets", without, &[STOLEN]);
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!(origins(&plan), [("targets".to_owned(), Origin::Version(Version::FIRST))]);
    past.published(&plan, &[ROOT, TARGETS]);
}

#[test]
fn every_role_that_lists_the_key_is_found() {
    let mut past = Past::of((&[STOLEN, OTHER], 1), &[(GOOD, &[OTHER])]);
    let below = delegation("german", &["docs/de/*"], &[STOLEN], 1);
    let draft = past.draft("docs").with_delegation(below, &[STOLEN]);
    past.publish("docs", draft, &[OTHER]);
    past.publish_names("german", &["docs/de/a"], &[STOLEN]);
    let found = past.listings(&revoked());
    let of = |by: &str, role: &str| (by.to_owned(), role.to_owned());
    assert_eq!(found, [of("docs", "german"), of("targets", "docs")]);
    assert_eq!(past.listings(&Revoked::default()), []);
    // The one that goes takes along what it delegates to.
    let plan = past.plan(&revoked(), &Choices::default()).unwrap();
    assert_eq!(plan.orphans, [role("german")].into());
    past.published(&plan, &[TARGETS, OTHER]);
}

#[test]
fn whoever_signs_a_role_that_lists_the_key_is_named_and_nobody_else() {
    let draft = Draft::first_targets(in_days(1))
        .with_delegation(delegation("german", &["de/*"], &[STOLEN, OTHER], 2), &[STOLEN, OTHER])
        .with_delegation(delegation("tools", &["tools/*"], &[OTHER], 1), &[OTHER]);
    let file = parse(sign(&draft.finish(), &[DOCS]));
    let found = signers_listing(file.signed(), &revoked(), &[role("tools")].into());
    assert_eq!(found, [(role("german"), signers(&[STOLEN, OTHER], 2))]);
    assert_eq!(signers_listing(file.signed(), &Revoked::default(), &[].into()), []);
    let without = Draft::first_targets(in_days(1)).finish();
    assert_eq!(signers_listing(parse(sign(&without, &[])).signed(), &revoked(), &[].into()), []);
}
