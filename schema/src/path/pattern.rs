//! One pattern, and the names that it matches.

use serde::{Deserialize, Serialize};

use super::PathError;

/// One pattern of `paths`, such as `docs/*.html`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PathPattern(pub(super) String);

impl PathPattern {
    /// A pattern of any repository.
    pub fn new(pattern: &str) -> PathPattern {
        PathPattern(pattern.to_owned())
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` has as many segments as the pattern and each matches.
    pub fn matches(&self, name: &str) -> bool {
        let mut patterns = self.0.split('/');
        let mut segments = name.split('/');
        loop {
            match (patterns.next(), segments.next()) {
                (None, None) => return true,
                (Some(pattern), Some(segment)) if matches_segment(pattern, segment) => {}
                _ => return false,
            }
        }
    }

    /// What every name that matches starts with: the pattern up to its first wildcard.
    pub(crate) fn literal_start(&self) -> &[u8] {
        let wildcard = self.0.bytes().position(|byte| matches!(byte, b'*' | b'?' | b'['));
        &self.0.as_bytes()[..wildcard.unwrap_or(self.0.len())]
    }

    pub(super) fn check_publishable(&self) -> Result<(), PathError> {
        let refuse = |problem| Err(PathError::new(&self.0, problem));
        if self.0.is_empty() {
            return refuse("is empty");
        }
        if self.0.len() > crate::name::MAX_TARGET_PATH_BYTES {
            return refuse("is longer than 1024 bytes");
        }
        if self.0.chars().any(char::is_control) {
            return refuse("has a control character");
        }
        if self.0.contains(['[', ']', '{', '}', '\\']) {
            return refuse(
                "has one of [ ] { } \\, which clients read differently; use * and ? only",
            );
        }
        if self.0.contains("**") {
            return refuse("has **, which clients read differently; a * never crosses a /");
        }
        if self.0.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return refuse("has an empty segment, . or .., which no target name has");
        }
        Ok(())
    }
}

/// One segment, as Python's `fnmatch` without case folding. Linear in pattern × text: on a
/// mismatch only the last `*` is tried again.
fn matches_segment(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // A `[` behind the last `]` is itself; without this each one would look for its end in vain.
    let classes_end = pattern.iter().rposition(|c| *c == ']').map_or(0, |last| last + 1);
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
            continue;
        }
        match match_one(&pattern[p..], classes_end.saturating_sub(p), text[t]) {
            Some(length) => {
                p += length;
                t += 1;
            }
            None => {
                let Some((star_p, star_t)) = star else { return false };
                star = Some((star_p, star_t + 1));
                p = star_p + 1;
                t = star_t + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// How many characters of the pattern's start match `c`. No class ends behind `classes_end`.
fn match_one(pattern: &[char], classes_end: usize, c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => match class_end(pattern, classes_end) {
            Some(end) => class_matches(&pattern[1..end], c).then_some(end + 1),
            None => (c == '[').then_some(1),
        },
        literal => (*literal == c).then_some(1),
    }
}

/// Where the class that starts here ends; a `]` directly after the start is a member.
fn class_end(pattern: &[char], classes_end: usize) -> Option<usize> {
    let mut at = 1;
    if pattern.get(at) == Some(&'!') {
        at += 1;
    }
    if pattern.get(at) == Some(&']') {
        at += 1;
    }
    pattern.get(at..classes_end)?.iter().position(|c| *c == ']').map(|found| at + found)
}

fn class_matches(class: &[char], c: char) -> bool {
    let (negated, class) = match class.split_first() {
        Some(('!', rest)) => (true, rest),
        _ => (false, class),
    };
    let mut rest = class;
    let mut found = false;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match tail {
            ['-', last, after @ ..] => {
                found |= (*first..=*last).contains(&c);
                rest = after;
            }
            _ => found |= *first == c,
        }
    }
    found != negated
}
