//! Delegations as a file that people review: who is trusted with what, in the order of priority.
//!
//! ```yaml
//! roles:
//! - name: docs
//!   paths: ["docs/*"]
//!   keys: [team-a.pem, team-b.pem]
//!   threshold: 2
//!   request: docs.request
//!   roles:
//!   - name: german
//!     paths: ["docs/de.*"]
//!     keys: [3f0a…]
//! bins: {prefix: targets-bin, count: 256, keys: [9c41…]}
//! ```
//! What stands under `roles` is all that a role delegates to; a role without `roles` and `bins` is
//! left alone in what it delegates to itself. [`present`] writes such a file, [`changes`] compares.

pub(crate) mod changes;
pub(crate) mod present;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notary_schema::name::RoleName;
use notary_schema::path::{HashPrefixes, PathPattern, PathSet};
use notary_schema::publish::Limits;
use serde::{Deserialize, Serialize};
use serde_saphyr::UserMessageFormatter;

use crate::exit::Failure;
use crate::named;

/// The longest file that is read: 20,000 delegations take a tenth of it.
const MAX_BYTES: u64 = 64 << 20;

const NO_ROLES: &str = "it has no `roles`; the list of all delegations of targets stands there, and \
                        `roles: []` says that there are none";

/// The delegations of a collection, from `targets` on.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Declared {
    /// What `targets` delegates to, the first asked first.
    pub(crate) roles: Vec<DeclaredRole>,
    /// The bins of `targets`, which are asked after these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bins: Option<DeclaredBins>,
}

/// A file as it is read. What is not said of `targets` is no word to take all its delegations out.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredFile {
    #[serde(default)]
    roles: Option<Vec<DeclaredRole>>,
    #[serde(default)]
    bins: Option<DeclaredBins>,
}

/// The delegation to one role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeclaredRole {
    /// Its name.
    pub(crate) name: RoleName,
    /// Patterns of the names that it is trusted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) paths: Option<Vec<String>>,
    /// Starts of the SHA-256 of these names, in place of patterns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path_hash_prefixes: Option<Vec<String>>,
    /// Whether a look-up in its paths ends with it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) terminating: bool,
    /// Key ids that the collection or the trust directory knows, and PEM files of public keys, seen
    /// from this file; empty for those of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// How many of them must sign.
    #[serde(default = "one")]
    pub(crate) threshold: u32,
    /// What the team has asked with: it holds the first file of the role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<PathBuf>,
    /// Whether it is delegated to before it has a file.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) pending: bool,
    /// All that it delegates to itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) roles: Option<Vec<DeclaredRole>>,
    /// The bins that its names are divided into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bins: Option<DeclaredBins>,
}

/// Bins that were made by `notary delegation bins`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeclaredBins {
    /// What their names start with.
    pub(crate) prefix: String,
    /// How many there are.
    pub(crate) count: u64,
    /// Whether they are described as a whole (TAP 15).
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) succinct: bool,
    /// Who signs each of them.
    pub(crate) keys: Vec<String>,
    /// How many must.
    #[serde(default = "one")]
    pub(crate) threshold: u32,
}

/// What one role delegates to, as declared.
pub(crate) struct Delegating<'a> {
    /// The role.
    pub(crate) delegator: RoleName,
    /// What it delegates to.
    pub(crate) roles: &'a [DeclaredRole],
    /// Its bins.
    pub(crate) bins: Option<&'a DeclaredBins>,
}

impl Declared {
    /// Reads a file.
    ///
    /// # Errors
    /// What is no YAML, a field that is not known (by name and line), no `roles`, two roles of one
    /// name, more than a role may delegate to, a role that could never be signed or asked.
    pub(crate) fn read(path: &Path) -> Result<Declared, Failure> {
        let unreadable = |error| Failure::file("read", path, error);
        let refuse = |why: String| Failure::Refused(format!("{}: {why}", path.display()));
        let text = named::read_text(path, MAX_BYTES).map_err(unreadable)?;
        Declared::parse(&text).map_err(refuse)
    }

    fn parse(text: &str) -> Result<Declared, String> {
        let budget = serde_saphyr::budget! { max_nodes: 4_000_000, max_events: 8_000_000 };
        let options = serde_saphyr::options! { budget: budget, with_snippet: false };
        let DeclaredFile { roles, bins } = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| error.render_with_formatter(&UserMessageFormatter))?;
        let roles = roles.ok_or(NO_ROLES)?;
        let declared = Declared { roles, bins };
        declared.check()?;
        Ok(declared)
    }

    /// The file as text.
    pub(crate) fn to_yaml(&self) -> String {
        serde_saphyr::to_string(self).expect("it is made of texts, numbers and lists")
    }

    /// Every role that says what it delegates to, those above others first.
    pub(crate) fn delegating(&self) -> Vec<Delegating<'_>> {
        let top = RoleName::TARGETS;
        let mut all =
            vec![Delegating { delegator: top, roles: &self.roles, bins: self.bins.as_ref() }];
        let mut next = 0;
        while let Some(Delegating { roles, .. }) = all.get(next) {
            next += 1;
            let says = |role: &&DeclaredRole| role.roles.is_some() || role.bins.is_some();
            let below: Vec<_> = roles.iter().filter(says).collect();
            all.extend(below.into_iter().map(|role| Delegating {
                delegator: role.name.clone(),
                roles: role.roles.as_deref().unwrap_or_default(),
                bins: role.bins.as_ref(),
            }));
        }
        all
    }

    fn check(&self) -> Result<(), String> {
        let most = Limits::default().delegations_per_role;
        let mut seen = BTreeSet::new();
        for Delegating { delegator, roles, bins } in self.delegating() {
            let count = roles.len() as u64 + bins.map_or(0, |bins| bins.count);
            if count > most {
                return Err(format!(
                    "{delegator}: {count} delegations, more than the limit of {most}"
                ));
            }
            for role in roles {
                if !seen.insert(&role.name) {
                    return Err(format!("{} is there twice; a role has one delegator", role.name));
                }
                role.check().map_err(|why| format!("{}: {why}", role.name))?;
            }
        }
        Ok(())
    }
}

impl DeclaredRole {
    fn check(&self) -> Result<(), String> {
        self.name.check_creatable().map_err(|error| error.to_string())?;
        match (&self.paths, &self.path_hash_prefixes) {
            (Some(paths), None) | (None, Some(paths)) if !paths.is_empty() => {}
            _ => return Err("exactly one of `paths` and `path_hash_prefixes` is needed".into()),
        }
        self.path_set().check_publishable().map_err(|error| error.to_string())?;
        if self.keys.is_empty() && self.request.is_none() {
            return Err("name its `keys`, or the `request` of the team".into());
        }
        Ok(())
    }

    /// The names that it is trusted with.
    fn path_set(&self) -> PathSet {
        match &self.path_hash_prefixes {
            Some(prefixes) => PathSet::HashPrefixes(HashPrefixes::new(prefixes)),
            None => {
                let paths = self.paths.iter().flatten();
                PathSet::Paths(paths.map(|path| PathPattern::new(path)).collect())
            }
        }
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEAM: &str = "roles:\n- name: docs\n  paths: [\"docs/*\"]\n  keys: [a.pem]\n";

    #[test]
    fn a_file_says_what_is_left_out_as_it_is_usually_meant() {
        let declared = Declared::parse(TEAM).unwrap();
        let [docs] = &declared.roles[..] else { panic!("one role") };
        assert_eq!((docs.threshold, docs.terminating, docs.pending), (1, false, false));
        assert!(docs.roles.is_none(), "what it delegates to is left alone");
        assert_eq!(Declared::parse(&declared.to_yaml()).unwrap(), declared);
        assert_eq!(Declared::parse("roles: []").unwrap(), Declared::default());
    }

    #[test]
    fn what_is_wrong_is_refused_by_name() {
        for (text, why) in [
            (format!("{TEAM}  colour: red\n"), "unknown field `colour`"),
            (format!("{TEAM}  colour: red\n"), "line 5"),
            ("groups: []".to_owned(), "unknown field `groups`"),
            (String::new(), "it has no `roles`"),
            ("# roles: []\n".to_owned(), "it has no `roles`"),
            ("---\n".to_owned(), "it has no `roles`"),
            ("null".to_owned(), "it has no `roles`"),
            ("{}".to_owned(), "it has no `roles`"),
            ("roles:\n".to_owned(), "it has no `roles`"),
            ("roles: null\n".to_owned(), "it has no `roles`"),
            ("roles: ~\n".to_owned(), "it has no `roles`"),
            ("bins: {prefix: x, count: 2, keys: [k]}".to_owned(), "it has no `roles`"),
            (format!("{TEAM}- name: docs\n  paths: [x]\n  keys: [a.pem]\n"), "docs is there twice"),
            (format!("{TEAM}  name: other\n"), "name"),
            (format!("{TEAM}  path_hash_prefixes: [\"00\"]\n"), "docs: exactly one of"),
            (format!("{TEAM}  threshold: -1\n"), "line 5"),
            ("roles:\n- name: snapshot\n  paths: [x]\n  keys: [k]\n".to_owned(), "snapshot"),
            ("roles: []\n---\nroles: []\n".to_owned(), "document"),
            ("roles:\n- name: docs\n  paths: [x]\n".to_owned(), "docs: name its `keys`"),
            ("roles:\n- name: docs\n  paths: [\"**\"]\n  keys: [x]\n".to_owned(), "docs: the path"),
            ("roles:\n- name: docs\n  keys: [x]\n".to_owned(), "docs: exactly one of"),
            ("roles:\n- name: docs\n  paths: []\n  keys: [x]\n".to_owned(), "docs: exactly one of"),
            (
                format!("{TEAM}  roles:\n  - name: docs\n    paths: [x]\n    keys: [a.pem]\n"),
                "docs is there twice",
            ),
        ] {
            let refused = Declared::parse(&text).unwrap_err();
            assert!(refused.contains(why), "{why}: {refused}");
            assert!(!refused.contains('\n'), "{refused:?}");
            assert!(!refused.contains("Options") && !refused.contains("from_"), "{refused}");
        }
    }

    #[test]
    fn as_many_delegations_as_a_role_may_have_are_read_and_no_more() {
        let declare = |count: usize| {
            let role = |n: usize| format!("- name: team-{n}\n  paths: [\"{n}/*\"]\n  keys: [k]\n");
            Declared::parse(&format!("roles:\n{}", (0..count).map(role).collect::<String>()))
        };
        assert_eq!(declare(20_000).unwrap().roles.len(), 20_000);
        let refused = declare(20_001).unwrap_err();
        assert_eq!(refused, "targets: 20001 delegations, more than the limit of 20000");
    }

    #[test]
    fn a_file_that_grows_when_it_is_read_is_refused() {
        let levels: String = (1..20)
            .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")))
            .collect();
        assert!(Declared::parse(&format!("a0: &a0 [x]\n{levels}roles: *a19\n")).is_err());
        let deep = format!("{}{}", "roles: [{".repeat(5_000), "}]".repeat(5_000));
        assert!(Declared::parse(&deep).is_err());
    }
}
