//! Collections: what they are called, and which life of the name is meant.

use serde::{Deserialize, Serialize};

use super::{NameError, name_traits};

/// Longest name of a collection, in bytes.
pub const MAX_GUN_BYTES: usize = 255;

/// The name of a collection ("globally unique name"): `/`-separated segments of
/// `[a-z0-9][a-z0-9._-]*`, at most [`MAX_GUN_BYTES`].
///
/// It stands unencoded in URLs and in paths of a trust directory, so it can neither leave a
/// directory nor be read in two ways: no segment starts with `_`, `.` or `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Gun(String);

impl Gun {
    /// Reads a collection name.
    pub fn parse(text: &str) -> Result<Gun, NameError> {
        let refuse = |problem| Err(NameError::new("collection name", text, problem));
        if text.is_empty() {
            return refuse("is empty");
        }
        if text.len() > MAX_GUN_BYTES {
            return refuse("is longer than 255 bytes");
        }
        for segment in text.split('/') {
            let mut bytes = segment.bytes();
            match bytes.next() {
                None => return refuse("has an empty segment"),
                Some(b'a'..=b'z' | b'0'..=b'9') => {}
                Some(_) => return refuse("has a segment that does not start with a-z or 0-9"),
            }
            if !bytes.all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-')) {
                return refuse("has a character outside a-z 0-9 . _ - /");
            }
        }
        Ok(Gun(text.to_owned()))
    }
}
name_traits!(Gun);

/// The life of a collection: 32 hexadecimal digits, drawn at random when its name is reserved.
///
/// TUF documents do not name their collection, so the signer binds keys and memory to the pair of
/// name and incarnation: a name that is used again starts with new keys and an empty memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Incarnation(String);

impl Incarnation {
    /// Reads an incarnation.
    pub fn parse(text: &str) -> Result<Incarnation, NameError> {
        if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(NameError::new("incarnation", text, "is not 32 hexadecimal digits"));
        }
        Ok(Incarnation(text.to_owned()))
    }

    /// The incarnation of 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Incarnation {
        Incarnation(hex::encode(bytes))
    }
}
name_traits!(Incarnation);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collection_names_stay_inside_their_directory() {
        for good in ["a", "acme/app", "0.x/y_z-1", &"a".repeat(255)] {
            assert_eq!(Gun::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "", "/", "a/", "/a", "a//b", "../x", "a/../b", "a/_trust", "_a", "A", "a%2fb", "*",
            "a b", ".a", "-a",
        ] {
            assert!(Gun::parse(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(Gun::parse(&"a".repeat(256)).is_err());
    }
}
