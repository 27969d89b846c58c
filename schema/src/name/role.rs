//! Roles: every name is read that a client can tell from others, and few are created.

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

use super::{NameError, Version, name_traits};

/// Longest role name that is created, in bytes.
pub const MAX_ROLE_BYTES: usize = 128;
/// Longest role name that is read from a foreign repository, in bytes.
pub const MAX_FOREIGN_ROLE_BYTES: usize = 1024;

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

    /// Names for people: the first 20, and how many more there are.
    pub fn list(roles: &[RoleName]) -> String {
        const SHOWN: usize = 20;
        let shown = roles.iter().take(SHOWN).map(RoleName::as_str).collect::<Vec<_>>().join(", ");
        match roles.len().saturating_sub(SHOWN) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }

    /// The key of this role in a snapshot: its name and `.json`, unencoded.
    pub fn file_name(&self) -> String {
        format!("{}.json", self.0)
    }

    /// The role whose key this is in a snapshot; `None` where it is the key of none.
    pub fn of_file(file_name: &str) -> Option<RoleName> {
        file_name.strip_suffix(".json").and_then(|role| RoleName::parse(role).ok())
    }

    /// The role whose file a name like `2.docs.json`, `2.docs` or `docs.json` is; `None` where it is a
    /// role's alone. A role of a foreign repository may be called so, and cannot be published here.
    pub fn meant_by(text: &str) -> Option<&str> {
        let plain = text.strip_suffix(".json").unwrap_or(text);
        let role = match plain.split_once('.') {
            Some((version, role)) if Version::parse(version).is_ok() => role,
            _ => plain,
        };
        (role != text).then_some(role)
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_name_that_is_one_of_a_file_means_its_role() {
        for (text, role) in [
            ("2.docs.json", Some("docs")),
            ("2.docs", Some("docs")),
            ("docs.json", Some("docs")),
            ("1.root", Some("root")),
            ("docs", None),
            ("a.b", None),
            ("7x.y", None),
            ("0.docs", None),
        ] {
            assert_eq!(RoleName::meant_by(text), role, "{text}");
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
}
