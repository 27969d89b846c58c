//! Names that are left out: `--exclude GLOB`.

use notary_schema::path::{PathPattern, PathSet};

use crate::exit::Failure;

/// The patterns of one command. One with a `/` is compared with a whole name, one without with each
/// segment; what matches a directory leaves out all below it.
#[derive(Debug)]
pub(super) struct Exclude {
    patterns: Vec<PathPattern>,
}

impl Exclude {
    /// Reads patterns: those that a delegation may have.
    pub(super) fn parse(globs: &[String]) -> Result<Exclude, Failure> {
        let patterns: Vec<_> = globs.iter().map(|glob| PathPattern::new(glob)).collect();
        PathSet::Paths(patterns.clone())
            .check_publishable()
            .map_err(|error| Failure::Usage(format!("--exclude: {error}")))?;
        Ok(Exclude { patterns })
    }

    /// Whether a name is left out.
    pub(super) fn matches(&self, name: &str) -> bool {
        let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
        let above: Vec<&str> = ends.map(|end| &name[..end]).collect();
        self.patterns.iter().any(|pattern| {
            let whole = pattern.as_str().contains('/');
            above.iter().any(|name| {
                let last = name.rsplit('/').next().unwrap_or(name);
                pattern.matches(if whole { name } else { last })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_slash_is_for_every_segment() {
        let exclude = |glob: &str| Exclude::parse(&[glob.to_owned()]).unwrap();
        for (glob, matched, kept) in [
            ("*.o", "src/a.o", "src/a.c"),
            ("target", "a/target/x", "a/targets/x"),
            ("a/*.o", "a/x.o", "b/x.o"),
            ("a/*", "a/b/c", "b/a/c"),
            ("?", "a/b", "aa/bb"),
        ] {
            assert!(exclude(glob).matches(matched), "{glob} {matched}");
            assert!(!exclude(glob).matches(kept), "{glob} {kept}");
        }
        assert!(!Exclude::parse(&[]).unwrap().matches("a"));
        assert_eq!(Exclude::parse(&["a[b]".to_owned()]).unwrap_err().code(), 2);
    }
}
