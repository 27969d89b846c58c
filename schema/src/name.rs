//! Names and numbers that appear in paths, files and requests.
//!
//! Each is a type with a private field and one door, `parse`; below that door nobody handles a bare
//! string. A name that parses may still be one that we would not *create*: repositories of other
//! makers use names that we read and never write, so the stricter rule is a second question
//! ([`RoleName::check_creatable`]).

use std::fmt;
use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

// The lengths are no configuration keys: a name that one program reads, all must.

/// Longest name of a collection, in bytes.
pub const MAX_GUN_BYTES: usize = 255;
/// Longest role name that is created, in bytes.
pub const MAX_ROLE_BYTES: usize = 128;
/// Longest role name that is read from a foreign repository, in bytes.
pub const MAX_FOREIGN_ROLE_BYTES: usize = 1024;
/// Longest name of a target, in bytes.
pub const MAX_TARGET_PATH_BYTES: usize = 1024;
/// Longest key id that is read, in bytes (ours are 64 hexadecimal digits).
pub const MAX_KEY_ID_BYTES: usize = 256;
/// The largest integer of a metadata file: above it JavaScript clients lose digits.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A name that was refused: which kind, the input (shortened) and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {input:?} {problem}")]
pub struct NameError {
    kind: &'static str,
    input: String,
    problem: &'static str,
}

impl NameError {
    fn new(kind: &'static str, input: &str, problem: &'static str) -> NameError {
        const SHOWN: usize = 80;
        let mut shown: String = input.chars().take(SHOWN).collect();
        if shown.len() < input.len() {
            shown.push('…');
        }
        NameError { kind, input: shown, problem }
    }
}

/// `Display`, serde and `AsRef<str>` for a string type with the door `parse`.
macro_rules! name_traits {
    ($name:ident) => {
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<$name, NameError> {
                $name::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<$name, NameError> {
                $name::parse(text)
            }
        }
    };
}

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

/// The name of a role: one of the four top-level roles, or of a delegated role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(SmolStr);

impl RoleName {
    /// The role that lists the keys of the top-level roles.
    pub const ROOT: RoleName = RoleName(SmolStr::new_static("root"));
    /// The top-level role for targets and first delegations.
    pub const TARGETS: RoleName = RoleName(SmolStr::new_static("targets"));
    /// The role that lists the version of every targets role.
    pub const SNAPSHOT: RoleName = RoleName(SmolStr::new_static("snapshot"));
    /// The role that names the current snapshot.
    pub const TIMESTAMP: RoleName = RoleName(SmolStr::new_static("timestamp"));

    /// Reads a role name as any repository may have it: not empty, at most
    /// [`MAX_FOREIGN_ROLE_BYTES`], no control characters.
    pub fn parse(text: &str) -> Result<RoleName, NameError> {
        let refuse = |problem| Err(NameError::new("role name", text, problem));
        match text {
            "root" => return Ok(RoleName::ROOT),
            "targets" => return Ok(RoleName::TARGETS),
            "snapshot" => return Ok(RoleName::SNAPSHOT),
            "timestamp" => return Ok(RoleName::TIMESTAMP),
            "" => return refuse("is empty"),
            _ => {}
        }
        if text.len() > MAX_FOREIGN_ROLE_BYTES {
            return refuse("is longer than 1024 bytes");
        }
        if text.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        Ok(RoleName(SmolStr::new(text)))
    }

    /// Whether this is root, targets, snapshot or timestamp.
    pub fn is_top_level(&self) -> bool {
        matches!(self.as_str(), "root" | "targets" | "snapshot" | "timestamp")
    }

    /// Whether files of this role hold targets: `targets` itself or any delegated role.
    pub fn is_targets_role(&self) -> bool {
        !matches!(self.as_str(), "root" | "snapshot" | "timestamp")
    }

    /// The key of this role in a snapshot: its name and `.json`, unencoded.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.0)
    }

    /// Whether a delegation may *create* this name: 1–128 bytes of
    /// `[A-Za-z0-9_-][A-Za-z0-9._-]*` whose file name cannot be read as that of another file.
    pub fn check_creatable(&self) -> Result<(), NameError> {
        let text = self.as_str();
        let refuse = |problem| Err(NameError::new("role name", text, problem));
        if text.len() > MAX_ROLE_BYTES {
            return refuse("is longer than 128 bytes");
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !text.bytes().all(plain) {
            return refuse("has a character outside A-Z a-z 0-9 . _ -");
        }
        if text.starts_with('.') {
            return refuse("starts with a dot");
        }
        let lower = text.to_ascii_lowercase();
        if matches!(lower.as_str(), "root" | "targets" | "snapshot" | "timestamp" | "mirrors") {
            return refuse("is reserved by the specification");
        }
        if lower.ends_with(".json") {
            return refuse("ends in .json");
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 0 && text.as_bytes().get(digits) == Some(&b'.') {
            return refuse("starts with a number and a dot, like the file name of a version");
        }
        Ok(())
    }
}
name_traits!(RoleName);

/// The name of a target that we publish: relative, `/`-separated, at most
/// [`MAX_TARGET_PATH_BYTES`], without empty, `.` or `..` segments and control characters.
///
/// Foreign repositories may hold other names; they are looked up as text and never become a
/// `TargetPath`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TargetPath(String);

impl TargetPath {
    /// Reads the name of a target.
    pub fn parse(text: &str) -> Result<TargetPath, NameError> {
        let refuse = |problem| Err(NameError::new("target name", text, problem));
        if text.is_empty() {
            return refuse("is empty");
        }
        if text.len() > MAX_TARGET_PATH_BYTES {
            return refuse("is longer than 1024 bytes");
        }
        if text.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        for segment in text.split('/') {
            match segment {
                "" => return refuse("has an empty segment"),
                "." | ".." => return refuse("has a segment . or .."),
                _ => {}
            }
        }
        Ok(TargetPath(text.to_owned()))
    }
}
name_traits!(TargetPath);

/// The id under which a key is listed. Ours is the SHA-256 of the canonical key object in
/// lower-case hexadecimal; foreign repositories may use other text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// Reads a key id as any repository may have it.
    pub fn parse(text: &str) -> Result<KeyId, NameError> {
        if text.len() > MAX_KEY_ID_BYTES {
            return Err(NameError::new("key id", text, "is longer than 256 bytes"));
        }
        Ok(KeyId(text.to_owned()))
    }
}
name_traits!(KeyId);

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

    #[test]
    fn role_names_that_we_create_cannot_be_mistaken_for_another_file() {
        for good in ["docs", "Team_1", "a.b", "-x", "7", "7x.y", &"r".repeat(128)] {
            RoleName::parse(good).unwrap().check_creatable().unwrap();
        }
        for bad in [
            "root",
            "Root",
            "targets",
            "snapshot",
            "timestamp",
            "mirrors",
            "1.root",
            "7.timestamp",
            "a.json",
            "a.JSON",
            ".a",
            "a/b",
            "a b",
            "é",
            &"r".repeat(129),
        ] {
            assert!(
                RoleName::parse(bad).unwrap().check_creatable().is_err(),
                "{bad:?} was accepted"
            );
        }
    }

    #[test]
    fn foreign_role_names_are_read_unless_they_hold_control_characters() {
        for good in ["a/b", "1.root", "ünï", "a b"] {
            RoleName::parse(good).unwrap();
        }
        for bad in ["", "a\0b", "a\nb", &"r".repeat(1025)] {
            assert!(RoleName::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn target_names_are_relative_and_clean() {
        for good in ["a", "a/b.tgz", "a b", "ä", "..a", "a..", &"t".repeat(1024)] {
            TargetPath::parse(good).unwrap();
        }
        for bad in
            ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\u{7f}", "a\0", &"t".repeat(1025)]
        {
            assert!(TargetPath::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

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
