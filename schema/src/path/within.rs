//! Whether one pattern covers all that another one does.

use super::PathPattern;

impl PathPattern {
    /// Whether every name that `other` matches is matched by this pattern, too. Of patterns with
    /// `[…]`, which are read and never published, this is not known and taken to be so.
    ///
    /// ```
    /// use notary_schema::path::PathPattern;
    ///
    /// let docs = PathPattern::new("docs/*");
    /// assert!(docs.contains(&PathPattern::new("docs/*.html")));
    /// assert!(!docs.contains(&PathPattern::new("docs/de/*")), "a * never crosses a /");
    /// assert!(!docs.contains(&PathPattern::new("*")));
    /// ```
    pub fn contains(&self, other: &PathPattern) -> bool {
        if self.0.contains('[') || other.0.contains('[') {
            return true;
        }
        let (wide, narrow) = (self.0.split('/'), other.0.split('/'));
        wide.clone().count() == narrow.clone().count()
            && wide.zip(narrow).all(|(wide, narrow)| contains_segment(wide, narrow))
    }
}

/// The same for one segment: the wildcards of the narrow one are letters that only wildcards match,
/// and a `*` only another `*`. On a mismatch only the last `*` is tried again.
fn contains_segment(wide: &str, narrow: &str) -> bool {
    let (wide, narrow): (Vec<char>, Vec<char>) = (wide.chars().collect(), narrow.chars().collect());
    let (mut w, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < narrow.len() {
        match wide.get(w) {
            Some('*') => {
                star = Some((w, n));
                w += 1;
            }
            Some(c) if narrow[n] != '*' && (*c == '?' || *c == narrow[n]) => {
                w += 1;
                n += 1;
            }
            _ => {
                let Some((star_w, star_n)) = star else { return false };
                star = Some((star_w, star_n + 1));
                w = star_w + 1;
                n = star_n + 1;
            }
        }
    }
    wide[w..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_contains_what_is_matched_by_nothing_else() {
        for (wide, narrow, expected) in [
            ("docs/*", "docs/*", true),
            ("docs/*", "docs/a", true),
            ("docs/*", "docs/?", true),
            ("docs/?", "docs/*", false),
            ("docs/a?", "docs/ab", true),
            ("docs/ab", "docs/a?", false),
            ("docs/*-x", "docs/*-y-x", true),
            ("docs/*-x", "docs/*-xy", false),
            ("docs/a*", "docs/*", false),
            ("docs/a*b*", "docs/aXb?c*", true),
            ("docs/*", "docs/a/b", false),
            ("docs/*", "*/a", false),
            ("*/*", "docs/a*", true),
            ("*?", "*", false),
            ("*", "*?", true),
        ] {
            let [wide, narrow] = [wide, narrow].map(PathPattern::new);
            assert_eq!(wide.contains(&narrow), expected, "{wide:?} {narrow:?}");
        }
    }

    #[test]
    fn patterns_of_many_stars_are_compared_in_reasonable_time() {
        let wide = PathPattern::new(&"*a".repeat(200));
        assert!(!wide.contains(&PathPattern::new(&"ab".repeat(500))));
    }
}
