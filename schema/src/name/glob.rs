//! Patterns of names, and which of them are within which: what a token or a key store is for.

use serde::{Deserialize, Serialize};

/// Longest glob, in bytes.
pub const MAX_GLOB_BYTES: usize = 1024;

/// A pattern of names: `*` stands for any text within a segment, `**` also across `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Glob(String);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {0:?} is empty or longer than {MAX_GLOB_BYTES} bytes")]
pub struct GlobError(String);

/// A byte of a name, or a wildcard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symbol {
    Byte(u8),
    /// `*`
    Within,
    /// `**`
    Across,
}

impl TryFrom<String> for Glob {
    type Error = GlobError;
    fn try_from(text: String) -> Result<Glob, GlobError> {
        Glob::parse(&text)
    }
}

impl Glob {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Glob, GlobError> {
        if text.is_empty() || text.len() > MAX_GLOB_BYTES {
            return Err(GlobError(text.chars().take(80).collect()));
        }
        Ok(Glob(text.to_owned()))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole name matches. Takes time in proportion to pattern times name.
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<Symbol> = name.bytes().map(Symbol::Byte).collect();
        covers(&self.symbols(), &name)
    }

    /// Whether every name that `other` matches is matched here, as far as can be seen from the two
    /// texts. Never true where it is not so; false for some patterns where it is.
    pub fn includes(&self, other: &Glob) -> bool {
        covers(&self.symbols(), &other.symbols())
    }

    fn symbols(&self) -> Vec<Symbol> {
        let mut symbols = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            symbols.push(match (first, after.first()) {
                (b'*', Some(b'*')) => {
                    rest = &after[1..];
                    Symbol::Across
                }
                (b'*', _) => Symbol::Within,
                _ => Symbol::Byte(first),
            });
        }
        symbols
    }
}

/// Whether a pattern covers a name, or another pattern: what a wildcard of the other stands for can
/// only be consumed by a wildcard that stands for at least as much.
fn covers(pattern: &[Symbol], other: &[Symbol]) -> bool {
    // `reached[i]`: the pattern so far can have consumed the first i symbols of the other.
    let mut reached = vec![false; other.len() + 1];
    reached[0] = true;
    for symbol in pattern {
        match symbol {
            Symbol::Byte(_) => {
                for at in (0..other.len()).rev() {
                    reached[at + 1] = reached[at] && other[at] == *symbol;
                }
                reached[0] = false;
            }
            Symbol::Within => {
                for at in 0..other.len() {
                    let stays = !matches!(other[at], Symbol::Byte(b'/') | Symbol::Across);
                    reached[at + 1] |= reached[at] && stays;
                }
            }
            Symbol::Across => {
                for at in 0..other.len() {
                    reached[at + 1] |= reached[at];
                }
            }
        }
    }
    reached[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(text: &str) -> Glob {
        Glob::parse(text).unwrap()
    }

    #[test]
    fn a_star_stays_within_a_segment_and_two_go_across() {
        for (pattern, name, matches) in [
            ("acme/app", "acme/app", true),
            ("acme/app", "acme/apps", false),
            ("acme/*", "acme/app", true),
            ("acme/*", "acme/app/x", false),
            ("acme/**", "acme/app/x", true),
            ("acme/**", "acme", false),
            ("**", "acme/app", true),
            ("*", "acme", true),
            ("*", "acme/app", false),
            ("a*c/**/z", "abc/x/y/z", true),
            ("a*c/**/z", "abc/z", false),
            ("team-*", "team-", true),
            ("*a*b", "xxaxxb", true),
            ("*a*b", "xxbxxa", false),
        ] {
            assert_eq!(glob(pattern).matches(name), matches, "{pattern} {name}");
        }
        assert!(Glob::parse("").is_err());
        assert!(Glob::parse(&"*".repeat(MAX_GLOB_BYTES + 1)).is_err());
        assert!(!glob(&"*a".repeat(512)).matches(&"a".repeat(255)));
    }

    #[test]
    fn a_pattern_includes_what_its_wildcards_stand_for() {
        for (wide, narrow, includes) in [
            ("acme/app", "acme/app", true),
            ("acme/app", "acme/*", false),
            ("acme/*", "acme/app", true),
            ("acme/*", "acme/*", true),
            ("acme/*", "acme/a*", true),
            ("acme/a*", "acme/*", false),
            ("acme/*", "acme/**", false),
            ("acme/*", "acme/*/*", false),
            ("acme/*", "*/app", false),
            ("acme/**", "acme/*", true),
            ("acme/**", "acme/*/x/**", true),
            ("acme/**", "acme/**", true),
            ("acme/**", "**", false),
            ("**", "**", true),
            ("**", "*", true),
            ("*", "**", false),
            ("*", "*/*", false),
            ("*a*", "xa*", true),
            ("*a*", "*b*", false),
            ("**/app", "acme/*/app", true),
            ("**/app", "**", false),
        ] {
            assert_eq!(glob(wide).includes(&glob(narrow)), includes, "{wide} over {narrow}");
        }
    }

    /// Every pair of short patterns against every short name.
    #[test]
    fn no_pattern_includes_more_than_it_matches() {
        let texts = |alphabet: &[&str]| {
            let mut all: Vec<String> = vec![String::new()];
            for length in 1..=3 {
                let of_length: Vec<String> =
                    all.iter().filter(|t| t.len() == length - 1).cloned().collect();
                all.extend(
                    of_length.iter().flat_map(|t| alphabet.iter().map(move |c| format!("{t}{c}"))),
                );
            }
            all
        };
        let patterns: Vec<Glob> = texts(&["a", "/", "*"])
            .iter()
            .filter(|text| !text.is_empty())
            .map(|text| glob(text))
            .collect();
        let names = texts(&["a", "b", "/"]);
        for wide in &patterns {
            for narrow in patterns.iter().filter(|narrow| wide.includes(narrow)) {
                for name in names.iter().filter(|name| narrow.matches(name)) {
                    assert!(wide.matches(name), "{wide:?} over {narrow:?}: {name}");
                }
            }
        }
    }
}
