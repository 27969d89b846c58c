//! Versions: numbers that every client reads alike.

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use super::NameError;

/// The largest integer of a metadata file: above it JavaScript clients lose digits.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// The version of a metadata file: 1 to [`MAX_INTEGER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Version(NonZeroU64);

impl Version {
    /// The first version of any file.
    pub const FIRST: Version = Version(NonZeroU64::MIN);

    /// A version from a number.
    pub fn new(number: u64) -> Result<Version, NameError> {
        match NonZeroU64::new(number) {
            None => Err(NameError::new("version", "0", "is not a version: versions start at 1")),
            Some(_) if number > MAX_INTEGER => {
                Err(NameError::new("version", &number.to_string(), "is above 2^53-1"))
            }
            Some(number) => Ok(Version(number)),
        }
    }

    /// Reads the decimal form of file names: digits without a leading zero.
    pub fn parse(text: &str) -> Result<Version, NameError> {
        let refuse = || NameError::new("version", text, "is not a number from 1 to 2^53-1");
        if !text.bytes().all(|b| b.is_ascii_digit()) || text.starts_with('0') {
            return Err(refuse());
        }
        Version::new(text.parse().map_err(|_| refuse())?).map_err(|_| refuse())
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The version after this one.
    ///
    /// # Errors
    /// At 2^53-1 there is none.
    pub fn next(self) -> Result<Version, NameError> {
        Version::new(self.get() + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u64> for Version {
    type Error = NameError;
    fn try_from(number: u64) -> Result<Version, NameError> {
        Version::new(number)
    }
}

impl From<Version> for u64 {
    fn from(version: Version) -> u64 {
        version.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_run_from_one_to_the_largest_safe_integer() {
        assert_eq!(Version::new(1).unwrap(), Version::FIRST);
        assert_eq!(Version::new(MAX_INTEGER).unwrap().get(), MAX_INTEGER);
        assert!(Version::new(0).is_err());
        assert!(Version::new(MAX_INTEGER + 1).is_err());
        assert!(Version::new(MAX_INTEGER).unwrap().next().is_err());
        assert_eq!(Version::parse("12").unwrap().get(), 12);
        for bad in
            ["", "0", "01", "+1", "-1", "1.0", " 1", "9007199254740992", "99999999999999999999999"]
        {
            assert!(Version::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
