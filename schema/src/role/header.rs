//! What stands at the head of every signed part: the specification's version and the date.

use std::fmt;

use chrono::{DateTime, NaiveDateTime, SubsecRound, Timelike, Utc};
use serde::{Deserialize, Serialize};

/// The specification that we write.
pub const SPEC_VERSION: &str = "1.0.34";

/// A point in time as metadata spells it: `2030-01-31T12:00:00Z`, nothing more and nothing less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expires(DateTime<Utc>);

impl Expires {
    /// The point in time without its fraction of a second.
    pub fn at(time: DateTime<Utc>) -> Expires {
        Expires(time.trunc_subsecs(0))
    }

    /// The point in time.
    pub fn time(self) -> DateTime<Utc> {
        self.0
    }

    /// Whether metadata with this date is expired at `now`: it must be *later* than now.
    pub fn is_past(self, now: DateTime<Utc>) -> bool {
        self.0 <= now
    }
}

impl TryFrom<String> for Expires {
    type Error = String;
    fn try_from(text: String) -> Result<Expires, String> {
        let refuse = || format!("{text:?} is not a date like 2030-01-31T12:00:00Z");
        if text.len() != "2030-01-31T12:00:00Z".len() {
            return Err(refuse());
        }
        let time =
            NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%SZ").map_err(|_| refuse())?;
        let expires = Expires(time.and_utc());
        // chrono keeps a second 60 as a fraction of a second; other clients refuse it.
        let is_leap_second = time.nanosecond() != 0;
        if is_leap_second || expires.to_string() != text { Err(refuse()) } else { Ok(expires) }
    }
}

impl From<Expires> for String {
    fn from(expires: Expires) -> String {
        expires.to_string()
    }
}

impl fmt::Display for Expires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format("%Y-%m-%dT%H:%M:%SZ").fmt(f)
    }
}

/// The specification that a file follows; only 1.x is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpecVersion(String);

impl Default for SpecVersion {
    fn default() -> SpecVersion {
        SpecVersion(SPEC_VERSION.to_owned())
    }
}

impl TryFrom<String> for SpecVersion {
    type Error = String;
    fn try_from(text: String) -> Result<SpecVersion, String> {
        let numbers: Vec<&str> = text.split('.').collect();
        let plain =
            |n: &&str| !n.is_empty() && n.len() < 10 && n.bytes().all(|b| b.is_ascii_digit());
        if !matches!(numbers.len(), 2 | 3) || !numbers.iter().all(plain) {
            return Err(format!("spec_version {text:?} is not like 1.0.34"));
        }
        if numbers[0] != "1" {
            return Err(format!(
                "spec_version {text:?} is not 1.x, which is all that is read here"
            ));
        }
        Ok(SpecVersion(text))
    }
}

impl From<SpecVersion> for String {
    fn from(version: SpecVersion) -> String {
        version.0
    }
}
