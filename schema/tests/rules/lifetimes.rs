//! Which lifetimes make sense, and when an online role is signed again.

use chrono::{DateTime, TimeDelta};
use notary_schema::online::Lifetime::{
    self, OfflineMax, Overlap, Root, Snapshot, Targets, Timestamp,
};
use notary_schema::online::{Lifetimes, OnlineRole, OwnLifetimes, SignerPolicy};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;
const INTERVAL: u64 = 60;

/// The rule that lifetimes break, by its stable word.
fn judge(own: &[(Lifetime, u64)]) -> &'static str {
    let own: OwnLifetimes = own.iter().copied().collect();
    let lifetimes = Lifetimes::default().with(&own);
    let sound = lifetimes.require_sound(INTERVAL);
    let allowed = sound.and_then(|()| lifetimes.require_allowed(&SignerPolicy::default()));
    allowed.map_or_else(|refusal| refusal.code(), |()| "good")
}

#[test]
fn each_bound_stands_beside_what_it_allows() {
    const LONGEST: u64 = 100 * 366 * DAY;
    for (name, own, outcome) in [
        ("none of its own", vec![], "good"),
        ("the shortest timestamp", vec![(Timestamp, 10 * INTERVAL)], "good"),
        ("no time to try again", vec![(Timestamp, 10 * INTERVAL - 1)], "lifetime_too_short"),
        ("a timestamp of nothing", vec![(Timestamp, 0)], "lifetime_too_short"),
        ("the longest timestamp that is signed", vec![(Timestamp, 3 * DAY)], "good"),
        ("one that is not", vec![(Timestamp, 3 * DAY + 1)], "lifetime_above_signer"),
        ("the longest snapshot that is signed", vec![(Snapshot, 15 * DAY)], "good"),
        ("one that is not", vec![(Snapshot, 15 * DAY + 1)], "lifetime_above_signer"),
        ("a snapshot as long as the timestamp", vec![(Snapshot, DAY)], "good"),
        ("a shorter one", vec![(Snapshot, DAY - 1)], "lifetime_above_other"),
        ("both shorter", vec![(Snapshot, HOUR), (Timestamp, HOUR)], "good"),
        ("an hour of root", vec![(Root, HOUR), (Overlap, HOUR)], "good"),
        ("less", vec![(Root, HOUR - 1), (Overlap, 0)], "lifetime_too_short"),
        ("an hour of targets", vec![(Targets, HOUR)], "good"),
        ("less", vec![(Targets, HOUR - 1)], "lifetime_too_short"),
        ("a bound as long as both", vec![(OfflineMax, 365 * DAY)], "good"),
        ("a bound below them", vec![(OfflineMax, 365 * DAY - 1)], "lifetime_above_other"),
        ("a root up to the bound", vec![(Root, 5 * 366 * DAY)], "good"),
        ("a root above it", vec![(Root, 5 * 366 * DAY + 1)], "lifetime_above_other"),
        ("targets above it", vec![(Targets, 5 * 366 * DAY + 1)], "lifetime_above_other"),
        ("a hundred years", vec![(OfflineMax, LONGEST)], "good"),
        ("more", vec![(OfflineMax, LONGEST + 1)], "lifetime_too_long"),
        ("more than any date", vec![(OfflineMax, u64::MAX)], "lifetime_too_long"),
        ("no overlap but the least", vec![(Overlap, 0)], "good"),
        ("an overlap of a root's life", vec![(Overlap, 365 * DAY)], "good"),
        ("a longer one", vec![(Overlap, 365 * DAY + 1)], "lifetime_above_other"),
    ] {
        assert_eq!(judge(&own), outcome, "{name}: {own:?}");
    }
}

#[test]
fn a_refusal_names_the_lifetime_the_bound_and_what_to_do() {
    let refusal = |own: &[(Lifetime, u64)]| {
        let lifetimes = Lifetimes::default().with(&own.iter().copied().collect());
        lifetimes.require_sound(INTERVAL).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(&[(Timestamp, 599)]),
        "timestamp_seconds = 599 is too short: at least 600, ten times refresh.interval_seconds, so \
         that a refresh that fails is tried again"
    );
    assert_eq!(
        refusal(&[(Snapshot, HOUR)]),
        "timestamp_seconds = 86400 is more than snapshot_seconds = 3600, and it would outlive the \
         snapshot that it names; shorten it, or lengthen the other first"
    );
    let lifetimes = Lifetimes { timestamp_seconds: 4 * DAY, ..Lifetimes::default() };
    assert_eq!(
        lifetimes.require_allowed(&SignerPolicy::default()).unwrap_err().to_string(),
        "timestamp_seconds = 345600 is more than the 259200 that the signer allows; shorten it, or \
         raise the signer's policy"
    );
    assert_eq!(lifetimes.within(&SignerPolicy::default()).timestamp_seconds, 3 * DAY);
}

#[test]
fn every_lifetime_has_the_name_of_its_member() {
    let written = serde_json::to_value(Lifetimes::default()).unwrap();
    assert_eq!(written.as_object().unwrap().len(), Lifetime::ALL.len());
    for lifetime in Lifetime::ALL {
        assert_eq!(serde_json::to_value(lifetime).unwrap(), lifetime.name());
        assert_eq!(written[lifetime.name()], Lifetimes::default().seconds(lifetime));
        let own = Lifetimes::default().with(&OwnLifetimes::from([(lifetime, 7)]));
        assert_eq!(serde_json::to_value(own).unwrap()[lifetime.name()], 7);
    }
}

#[test]
fn an_online_role_is_due_at_half_of_its_life_and_when_it_outlives_the_life_of_now() {
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let lifetimes = Lifetimes { timestamp_seconds: DAY, ..Lifetimes::default() };
    for (left, is_fresh) in [
        (TimeDelta::hours(12) - TimeDelta::seconds(1), false),
        (TimeDelta::hours(12), true),
        (TimeDelta::hours(24), true),
        (TimeDelta::hours(24) + TimeDelta::seconds(1), false),
        (TimeDelta::seconds(-1), false),
    ] {
        let fresh = lifetimes.fresh(OnlineRole::Timestamp, now);
        assert_eq!(fresh.contains(&(now + left)), is_fresh, "{left}");
    }
    let fresh = lifetimes.fresh(OnlineRole::Snapshot, now);
    assert!(
        fresh.contains(&(now + TimeDelta::days(7))) && !fresh.contains(&(now + TimeDelta::days(3)))
    );
    let endless = Lifetimes { snapshot_seconds: u64::MAX, ..lifetimes };
    assert!(!endless.fresh(OnlineRole::Snapshot, now).contains(&now));
}
