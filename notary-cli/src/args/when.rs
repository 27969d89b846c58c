//! When something expires, as a person writes it.

use std::str::FromStr;

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
        let unit = text.chars().last().ok_or_else(refuse)?;
        let number: i64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| refuse())?;
        let span = match unit {
            'd' => TimeDelta::try_days(number),
            'h' => TimeDelta::try_hours(number),
            'm' => TimeDelta::try_minutes(number),
            _ => None,
        };
        span.filter(|span| *span > TimeDelta::zero()).map(When::After).ok_or_else(refuse)
    }
}
