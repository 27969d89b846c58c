//! What a token may do, and which grants are within which.

use notary_schema::name::{Glob, GlobError, Gun, RoleName};
use notary_schema::wire::GrantLevel;

/// What a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// How much.
    pub level: GrantLevel,
    /// On which collections.
    pub collections: Glob,
    /// Of which roles it may publish; empty for all that the level covers.
    pub roles: Vec<Glob>,
}

impl Grant {
    /// Reads the patterns of a grant.
    pub fn new(level: GrantLevel, collections: &str, roles: &[String]) -> Result<Grant, GlobError> {
        let roles = roles.iter().map(|glob| Glob::parse(glob)).collect::<Result<_, _>>()?;
        Ok(Grant { level, collections: Glob::parse(collections)?, roles })
    }

    /// Refuses patterns that no name can match, such as quotes that a shell has left: whoever writes
    /// one means another.
    pub fn require_possible(&self) -> Result<(), String> {
        // Whatever a wildcard stands for, it is fine as this letter.
        let possible = |glob: &Glob| glob.as_str().replace('*', "a");
        let collections = Gun::parse(&possible(&self.collections)).map(drop);
        let roles =
            self.roles.iter().map(|role| (role, RoleName::parse(&possible(role)).map(drop)));
        for (glob, is_name) in [(&self.collections, collections)].into_iter().chain(roles) {
            is_name.map_err(|why| {
                format!("no name matches the pattern {:?}: {}", glob.as_str(), why.problem())
            })?;
        }
        Ok(())
    }

    /// Whether it covers publishing this role.
    pub(crate) fn covers(&self, role: &RoleName) -> bool {
        let level = match self.level {
            GrantLevel::Read | GrantLevel::Sign => false,
            GrantLevel::Publish => *role != RoleName::ROOT,
            GrantLevel::Root => *role == RoleName::ROOT,
            GrantLevel::Admin => true,
        };
        level
            && (self.roles.is_empty() || self.roles.iter().any(|glob| glob.matches(role.as_str())))
    }

    /// Whether a grant allows nothing that this one does not, as far as the patterns show it.
    pub fn includes(&self, other: &Grant) -> bool {
        let within = |glob: &Glob| self.roles.iter().any(|own| own.includes(glob));
        let roles =
            self.roles.is_empty() || (!other.roles.is_empty() && other.roles.iter().all(within));
        level_includes(self.level, other.level)
            && self.collections.includes(&other.collections)
            && roles
    }
}

/// `publish` and `root` are beside each other: neither includes the other.
fn level_includes(own: GrantLevel, other: GrantLevel) -> bool {
    use GrantLevel::{Admin, Publish, Read, Root, Sign};
    match own {
        Admin => true,
        Publish | Root => other == own || matches!(other, Sign | Read),
        Sign => matches!(other, Sign | Read),
        Read => other == Read,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(level: GrantLevel, collections: &str, roles: &[&str]) -> Grant {
        let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
        Grant::new(level, collections, &roles).unwrap()
    }

    #[test]
    fn a_grant_covers_the_roles_of_its_level() {
        let docs = RoleName::parse("docs").unwrap();
        for (level, root, targets, delegated) in [
            (GrantLevel::Read, false, false, false),
            (GrantLevel::Sign, false, false, false),
            (GrantLevel::Publish, false, true, true),
            (GrantLevel::Root, true, false, false),
            (GrantLevel::Admin, true, true, true),
        ] {
            let grant = grant(level, "**", &[]);
            assert_eq!(grant.covers(&RoleName::ROOT), root, "{level:?}");
            assert_eq!(grant.covers(&RoleName::TARGETS), targets, "{level:?}");
            assert_eq!(grant.covers(&docs), delegated, "{level:?}");
        }
        let docs_only = grant(GrantLevel::Publish, "**", &["docs*"]);
        assert!(docs_only.covers(&docs));
        assert!(!docs_only.covers(&RoleName::TARGETS));
    }

    #[test]
    fn a_pattern_that_no_name_matches_is_told_from_one_that_some_do() {
        let possible = |collections: &str, roles: &[&str]| {
            grant(GrantLevel::Publish, collections, roles).require_possible()
        };
        for good in ["**", "*", "acme/**", "acme/*/x", "a*c", "**/app", "*-x", "acme**", "acme/app"]
        {
            assert_eq!(possible(good, &["docs-*", "team a/x", "Ä*"]), Ok(()), "{good}");
        }
        for bad in [
            "'acme/**'",
            "acme/ *",
            "Acme/*",
            "acme/Ä",
            "/**",
            "acme/",
            "a//*",
            "acme/-*",
            "a\u{1b}",
        ] {
            let refused = possible(bad, &[]).unwrap_err();
            assert!(refused.starts_with("no name matches the pattern "), "{refused}");
        }
        let refused = possible("**", &["docs", "a\u{1b}[31m"]).unwrap_err();
        assert_eq!(
            refused,
            "no name matches the pattern \"a\\u{1b}[31m\": has a control character"
        );
    }

    #[test]
    fn a_grant_includes_what_is_narrower_in_every_respect() {
        use GrantLevel::{Admin, Publish, Read, Root, Sign};
        let all = [Read, Sign, Publish, Root, Admin];
        for (own, included) in [
            (Read, vec![Read]),
            (Sign, vec![Read, Sign]),
            (Publish, vec![Read, Sign, Publish]),
            (Root, vec![Read, Sign, Root]),
            (Admin, all.to_vec()),
        ] {
            for other in all {
                let is = grant(own, "a/*", &[]).includes(&grant(other, "a/b", &[]));
                assert_eq!(is, included.contains(&other), "{own:?} over {other:?}");
            }
        }
        let admin = grant(Admin, "a/*", &[]);
        assert!(admin.includes(&grant(Publish, "a/b", &["docs"])));
        assert!(!admin.includes(&grant(Publish, "a/**", &["docs"])));
        let docs = grant(Admin, "a/*", &["docs-*", "x"]);
        assert!(docs.includes(&grant(Publish, "a/b", &["docs-1", "docs-*", "x"])));
        assert!(!docs.includes(&grant(Publish, "a/b", &["docs-1", "y"])));
        assert!(!docs.includes(&grant(Publish, "a/b", &[])), "no role named is every role");
    }
}
