//! What trusted metadata says about roles: which there are, who delegates to them, what they may list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::name::{RoleName, Version};
use notary_schema::path::{Candidate, PathPattern, PathSet};
use notary_schema::publish::{Head, StoredFile};
use notary_schema::role::{Authority, DelegatedRole, Targets};
use notary_schema::trusted::TrustedSet;

/// A targets role that delegations lead to.
#[derive(Debug, Clone)]
pub(crate) struct KnownRole {
    /// Its name.
    pub(crate) name: RoleName,
    /// Who delegates to it: `root` for `targets`.
    pub(crate) delegator: RoleName,
    /// The delegations on the way from `targets` to it.
    pub(crate) chain: Vec<DelegatedRole>,
}

impl KnownRole {
    /// Whether every delegation on the way covers a name.
    pub(crate) fn covers(&self, candidate: &Candidate<'_>) -> bool {
        self.chain.iter().all(|step| step.covers(candidate))
    }
}

/// Trusted metadata of one collection, at one time.
#[derive(Debug, Clone)]
pub(crate) struct View {
    trusted: TrustedSet,
    roles: Vec<KnownRole>,
}

impl View {
    /// Follows the delegations of the files that are at hand.
    pub(crate) fn new(trusted: TrustedSet) -> View {
        let mut view = View { trusted, roles: Vec::new() };
        let first =
            KnownRole { name: RoleName::TARGETS, delegator: RoleName::ROOT, chain: Vec::new() };
        let mut stack = vec![first];
        let mut seen = BTreeSet::from([RoleName::TARGETS]);
        while let Some(role) = stack.pop() {
            if let Some(file) = view.file(&role.name).cloned() {
                for delegated in file.signed().delegated_roles().iter().rev() {
                    if seen.insert(delegated.name.clone()) {
                        let chain = role.chain.iter().chain([delegated]).cloned().collect();
                        let (name, delegator) = (delegated.name.clone(), role.name.clone());
                        stack.push(KnownRole { name, delegator, chain });
                    }
                }
            }
            view.roles.push(role);
        }
        view
    }

    /// Every role, in the order of a look-up.
    pub(crate) fn roles(&self) -> &[KnownRole] {
        &self.roles
    }

    /// One role.
    pub(crate) fn role(&self, name: &RoleName) -> Option<&KnownRole> {
        self.roles.iter().find(|role| role.name == *name)
    }

    /// The file of a role, where it is at hand.
    pub(crate) fn file(&self, role: &RoleName) -> Option<&Arc<Envelope<Targets>>> {
        self.trusted.targets(role)
    }

    /// The version under which the snapshot lists a role, also one that nobody delegates to now.
    pub(crate) fn listed(&self, role: &RoleName) -> Option<Version> {
        Some(self.trusted.snapshot()?.signed().entry(role)?.version)
    }

    /// Whose signatures count for a role.
    pub(crate) fn authority(&self, role: &KnownRole) -> Authority<'_> {
        let found = match role.delegator == RoleName::ROOT {
            true => self.trusted.root().signed().authority(&role.name),
            false => self.file(&role.delegator).and_then(|f| f.signed().authority(&role.name)),
        };
        found.expect("the role was found in its delegator")
    }

    /// The collection as [`notary_schema::publish`] looks at it: files that are not at hand are
    /// known by their entry in the snapshot.
    pub(crate) fn head(&self) -> Option<Head> {
        let snapshot = self.trusted.snapshot()?.clone();
        let mut files = BTreeMap::new();
        for (name, entry) in &snapshot.signed().meta {
            let role = RoleName::parse(name.strip_suffix(".json")?).ok()?;
            let stored = match self.file(&role) {
                Some(file) => StoredFile::loaded(file.clone()),
                None => StoredFile {
                    version: entry.version,
                    length: entry.length.unwrap_or_default(),
                    sha256: entry.hashes.as_ref()?.sha256().unwrap_or_default().to_owned(),
                    // Not looked at: stored files may be expired.
                    expires: snapshot.expires(),
                    file: None,
                },
            };
            files.insert(role, stored);
        }
        Some(Head {
            root: self.trusted.root().clone(),
            timestamp: self.trusted.timestamp()?.clone(),
            snapshot,
            files,
        })
    }
}

/// The paths of a delegation, for people.
pub(crate) fn spelled(paths: &PathSet) -> String {
    match paths {
        PathSet::Paths(patterns) => {
            patterns.iter().map(PathPattern::as_str).collect::<Vec<_>>().join(", ")
        }
        PathSet::HashPrefixes(prefixes) => {
            format!("names whose sha256 starts with {}", prefixes.join(", "))
        }
    }
}
