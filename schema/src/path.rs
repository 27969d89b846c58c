//! Which target names a delegation covers (TUF 4.5: `paths`, `path_hash_prefixes`).
//!
//! Reading follows python-tuf, the reference: a pattern and a name match segment by segment, so a
//! wildcard never crosses `/`, and within a segment `*`, `?` and `[…]` are those of a shell. Clients
//! of the field disagree about everything but `*` and `?`, so these two are all that may be
//! *published* ([`PathSet::check_publishable`]).

mod pattern;
mod within;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use serde::{Serialize, Serializer};

use crate::key::sha256_hex;
use crate::texts::Texts;
pub use pattern::PathPattern;

/// A target name that is looked up; its hash is computed once, when a hash prefix asks for it.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    name: Cow<'a, str>,
    sha256: OnceCell<String>,
}

impl<'a> Candidate<'a> {
    /// A name of any repository.
    pub fn new(name: impl Into<Cow<'a, str>>) -> Candidate<'a> {
        Candidate { name: name.into(), sha256: OnceCell::new() }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of the name in hexadecimal.
    pub fn sha256(&self) -> &str {
        self.sha256.get_or_init(|| sha256_hex(self.name.as_bytes()))
    }

    /// The first 32 bits of the SHA-256.
    pub(crate) fn first_bits(&self) -> u32 {
        u32::from_str_radix(&self.sha256()[..8], 16).expect("a hash is hexadecimal")
    }
}

/// The names that one delegation covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathSet {
    /// Names that match one of these patterns.
    Paths(Vec<PathPattern>),
    /// Names whose SHA-256 in hexadecimal starts with one of these.
    HashPrefixes(HashPrefixes),
}

impl PathSet {
    /// Whether a target of this name may stand in the delegated role.
    pub fn covers(&self, candidate: &Candidate<'_>) -> bool {
        match self {
            PathSet::Paths(patterns) => patterns.iter().any(|p| p.matches(candidate.name())),
            PathSet::HashPrefixes(prefixes) => {
                prefixes.iter().any(|prefix| candidate.sha256().starts_with(prefix))
            }
        }
    }

    /// Whether every client of the field reads these paths alike; otherwise which one is refused
    /// and why.
    pub fn check_publishable(&self) -> Result<(), PathError> {
        match self {
            PathSet::Paths(patterns) => {
                patterns.iter().try_for_each(PathPattern::check_publishable)
            }
            PathSet::HashPrefixes(prefixes) => prefixes.iter().try_for_each(|prefix| {
                let digits = prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if prefix.is_empty() || prefix.len() > 64 || !digits {
                    return Err(PathError::new(
                        prefix,
                        "is not 1 to 64 lower-case hexadecimal digits",
                    ));
                }
                Ok(())
            }),
        }
    }
}

/// Starts of hashes in hexadecimal. Thousands of bins may each have several, so those that come in
/// one file share one text.
#[derive(Clone)]
pub struct HashPrefixes {
    /// Set when the file is read to its end.
    texts: Arc<OnceLock<Texts>>,
    range: Range<u32>,
}

impl HashPrefixes {
    /// These prefixes, in this order.
    pub fn new(prefixes: impl IntoIterator<Item = impl AsRef<str>>) -> HashPrefixes {
        let mut texts = Texts::default();
        prefixes.into_iter().for_each(|prefix| texts.add(prefix.as_ref()));
        HashPrefixes { range: 0..texts.count(), texts: Arc::new(OnceLock::from(texts)) }
    }

    /// Those of these numbers.
    pub(crate) fn among(texts: &Arc<OnceLock<Texts>>, range: Range<u32>) -> HashPrefixes {
        HashPrefixes { texts: texts.clone(), range }
    }

    fn texts(&self) -> &Texts {
        self.texts.get().expect("all delegations of the file have been read")
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.range.len()
    }

    /// The prefixes, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let texts = self.texts();
        self.range.clone().map(|number| texts.get(number))
    }

    /// The prefix at a position, the first one at 0.
    pub(crate) fn at(&self, position: u32) -> &str {
        self.texts().get(self.range.start + position)
    }
}

impl fmt::Debug for HashPrefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for HashPrefixes {
    fn eq(&self, other: &HashPrefixes) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for HashPrefixes {}

impl Serialize for HashPrefixes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// A path of a delegation that is read but never published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path {path:?} {problem}")]
pub struct PathError {
    path: String,
    problem: &'static str,
}

impl PathError {
    fn new(path: &str, problem: &'static str) -> PathError {
        PathError { path: path.to_owned(), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stay_within_their_segment() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("*", "a/b", false),
            ("*.tgz", "foo.tgz", true),
            ("*.tgz", "targets/foo.tgz", false),
            ("docs/*", "docs/a", true),
            ("docs/*", "docs/a/b", false),
            ("docs/*", "docs/", true),
            ("docs/*/x", "docs/a/x", true),
            ("foo-version-?.tgz", "foo-version-2.tgz", true),
            ("foo-version-?.tgz", "foo-version-22.tgz", false),
            ("?", "é", true),
            ("a*b*c", "aXbYbc", true),
            ("a*b*c", "aXbYb", false),
            ("a**c", "abc", true),
            ("", "", true),
            ("", "a", false),
            ("A", "a", false),
        ] {
            assert_eq!(PathPattern::new(pattern).matches(name), expected, "{pattern} ~ {name}");
        }
    }

    #[test]
    fn classes_are_read_as_a_shell_reads_them() {
        for (pattern, name, expected) in [
            ("[abc]", "b", true),
            ("[abc]", "d", false),
            ("[!abc]", "d", true),
            ("[a-c]x", "bx", true),
            ("[]]", "]", true),
            ("[", "[", true),
            ("[a", "[a", true),
            ("[a-]", "-", true),
            ("[a/b]", "[a/b]", true),
        ] {
            assert_eq!(PathPattern::new(pattern).matches(name), expected, "{pattern} ~ {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_matched_in_reasonable_time() {
        let pattern = PathPattern::new(&"*a".repeat(200));
        assert!(!pattern.matches(&"a".repeat(1000).replace("aaaaa", "aaaab").replace('a', "c")));
    }

    #[test]
    fn a_pattern_of_many_open_brackets_is_matched_in_reasonable_time() {
        let brackets = "[".repeat(2_000);
        let pattern = |last| PathPattern::new(&format!("*{brackets}{last}"));
        assert!(pattern("x").matches(&format!("{brackets}x")));
        assert!(!pattern("x").matches(&format!("{brackets}{brackets}")));
        assert!(pattern("]").matches(&format!("a{}", "[")));
    }

    #[test]
    fn a_hash_prefix_covers_the_names_whose_hash_starts_with_it() {
        let name = Candidate::new("docs/a.txt");
        let prefix = name.sha256()[..2].to_owned();
        assert!(PathSet::HashPrefixes(HashPrefixes::new([&prefix])).covers(&name));
        let other = if prefix.starts_with('0') { "1" } else { "0" };
        assert!(!PathSet::HashPrefixes(HashPrefixes::new([other])).covers(&name));
    }

    #[test]
    fn only_patterns_that_all_clients_read_alike_are_published() {
        let paths =
            |pattern: &str| PathSet::Paths(vec![PathPattern::new(pattern)]).check_publishable();
        for good in ["*", "docs/*", "a/?/b*", "plain name"] {
            paths(good).unwrap();
        }
        for bad in ["", "[ab]", "a{b}", "a\\b", "**", "docs/**", "/a", "a//b", "../a", "a\n"] {
            assert!(paths(bad).is_err(), "{bad:?} was accepted");
        }
        let prefix =
            |prefix: &str| PathSet::HashPrefixes(HashPrefixes::new([prefix])).check_publishable();
        prefix("0f").unwrap();
        for bad in ["", "0F", "xy", &"0".repeat(65)] {
            assert!(prefix(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
