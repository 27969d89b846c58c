//! When something expires, as a person writes it.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use notary_schema::online::expires_after;
use notary_schema::role::Expires;

/// A date, or a span from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// A date.
    At(DateTime<Utc>),
    /// So long after now.
    After(TimeDelta),
}

impl When {
    /// The point in time, seen from now.
    pub(crate) fn from(self, now: DateTime<Utc>) -> Expires {
        match self {
            When::At(time) => Expires::at(time),
            When::After(span) => {
                let seconds = u64::try_from(span.num_seconds()).unwrap_or_default();
                expires_after(now, seconds)
            }
        }
    }

    /// When something expires: as it is asked for, or so many seconds from now.
    pub(crate) fn or_after(asked: Option<When>, seconds: u64, now: DateTime<Utc>) -> Expires {
        asked.map_or_else(|| expires_after(now, seconds), |when| when.from(now))
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        let refuse = || format!("{text:?} is neither a date like 2030-01-31 nor a span like 90d");
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok();
        if let Some(midnight) = date.and_then(|date| date.and_hms_opt(0, 0, 0)) {
            return Ok(When::At(midnight.and_utc()));
        }
        if let Ok(expires) = Expires::try_from(text.to_owned()) {
            return Ok(When::At(expires.time()));
        }
        span(text).map(When::After).ok_or_else(refuse)
    }
}

/// A span of more than nothing: a number and a unit.
pub(crate) fn span(text: &str) -> Option<TimeDelta> {
    let unit = text.chars().last()?;
    let number: i64 = text[..text.len() - unit.len_utf8()].parse().ok()?;
    let span = match unit {
        'd' => TimeDelta::try_days(number),
        'h' => TimeDelta::try_hours(number),
        'm' => TimeDelta::try_minutes(number),
        's' => TimeDelta::try_seconds(number),
        _ => None,
    };
    span.filter(|span| *span > TimeDelta::zero())
}

/// So many seconds in the largest unit that tells them exactly.
pub(crate) fn spelled(seconds: u64) -> String {
    let units = [("d", 24 * 60 * 60), ("h", 60 * 60), ("m", 60)];
    let fits = units.into_iter().find(|(_, unit)| seconds > 0 && seconds.is_multiple_of(*unit));
    fits.map_or_else(|| format!("{seconds}s"), |(name, unit)| format!("{}{name}", seconds / unit))
}

/// How long to wait, of a second to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval(pub(crate) Duration);

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Interval, String> {
        let refuse = || format!("{text:?} is not a span like 30s, 5m or 1h");
        let span = span(text).filter(|span| span.num_days() <= 3_650).ok_or_else(refuse)?;
        Ok(Interval(span.to_std().map_err(|_| refuse())?))
    }
}
