//! Targets that we publish.

use serde::{Deserialize, Serialize};

use super::{NameError, name_traits};

/// Longest name of a target, in bytes.
pub const MAX_TARGET_PATH_BYTES: usize = 1024;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
