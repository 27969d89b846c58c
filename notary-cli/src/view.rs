//! What trusted metadata says about roles: which there are, who delegates to them, what they may list.

mod divided;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::name::{RoleName, Version};
use notary_schema::path::{Candidate, PathPattern, PathSet};
use notary_schema::publish::{Head, StoredFile};
use notary_schema::role::{Authority, DelegatedRole, SuccinctRoles, Targets};
use notary_schema::threshold::RevokedKeys;
use notary_schema::trusted::TrustedSet;

pub(crate) use divided::PresentBins;

/// A targets role that delegations lead to.
#[derive(Debug, Clone)]
pub(crate) struct KnownRole {
    /// Its name.
    pub(crate) name: RoleName,
    /// Who delegates to it: `root` for `targets`.
    pub(crate) delegator: RoleName,
    /// The delegations on the way from `targets` to it.
    pub(crate) chain: Vec<Arc<DelegatedRole>>,
}

impl KnownRole {
    fn targets() -> KnownRole {
        KnownRole { name: RoleName::TARGETS, delegator: RoleName::ROOT, chain: Vec::new() }
    }

    /// The role that this one delegates to.
    fn below(&self, delegated: Cow<'_, DelegatedRole>) -> KnownRole {
        let delegated = Arc::new(delegated.into_owned());
        let (name, delegator) = (delegated.name.clone(), self.name.clone());
        let chain = self.chain.iter().cloned().chain([delegated]).collect();
        KnownRole { name, delegator, chain }
    }

    /// The roles on the way from `targets` to it, with itself.
    pub(crate) fn path(&self) -> Vec<RoleName> {
        self.chain.iter().map(|step| step.name.clone()).collect()
    }

    /// Whether names come to it by their hash.
    pub(crate) fn is_bin(&self) -> bool {
        self.chain.last().is_some_and(|step| step.is_bin())
    }
}

/// Trusted metadata of one collection, at one time.
#[derive(Debug, Clone)]
pub(crate) struct View {
    trusted: TrustedSet,
    roles: Vec<KnownRole>,
    positions: BTreeMap<RoleName, usize>,
    /// Positions of roles that delegate to succinct bins.
    bin_owners: Vec<usize>,
    /// Earlier files of roles whose listed file is lost.
    earlier: BTreeMap<RoleName, Arc<Envelope<Targets>>>,
    /// Keys that sign nothing new, in the server's words: fewer signatures count for them, never more.
    revoked: RevokedKeys,
}

impl View {
    /// Follows the delegations of the files that are at hand. Where several lead to a role, it is the
    /// first one against which its file is verified that counts.
    pub(crate) fn new(trusted: TrustedSet) -> View {
        let (positions, bin_owners) = (BTreeMap::new(), Vec::new());
        let (roles, earlier, revoked) = Default::default();
        let mut view = View { trusted, roles, positions, bin_owners, earlier, revoked };
        let mut stack = vec![KnownRole::targets()];
        while let Some(role) = stack.pop() {
            let file = view.file(&role.name).cloned();
            let is_verified = view.trusted.verified(&role.name, &role.delegator).is_some();
            if view.positions.contains_key(&role.name) || file.is_some() && !is_verified {
                continue;
            }
            if let Some(delegations) = file.as_ref().and_then(|f| f.signed().delegations.as_ref()) {
                if delegations.succinct().is_some() {
                    view.bin_owners.push(view.roles.len());
                }
                let listed = delegations.listed().iter().map(Cow::Borrowed);
                let at_hand =
                    view.trusted.targets_roles().filter(|_| delegations.succinct().is_some());
                let bins = at_hand.filter_map(|bin| delegations.delegation(bin));
                let below: Vec<_> = listed.chain(bins).collect();
                stack.extend(below.into_iter().rev().map(|delegated| role.below(delegated)));
            }
            view.positions.insert(role.name.clone(), view.roles.len());
            view.roles.push(role);
        }
        view
    }

    /// The same with earlier files of roles whose listed file is lost.
    pub(crate) fn building_on(self, earlier: BTreeMap<RoleName, Arc<Envelope<Targets>>>) -> View {
        View { earlier, ..self }
    }

    /// The same where these keys are revoked.
    pub(crate) fn refusing(self, revoked: RevokedKeys) -> View {
        View { revoked, ..self }
    }

    /// The keys that sign nothing new.
    pub(crate) fn revoked(&self) -> &RevokedKeys {
        &self.revoked
    }

    /// What the next version of a role is built on: its file, or the earlier one where that is lost.
    pub(crate) fn ground(&self, role: &RoleName) -> Option<&Arc<Envelope<Targets>>> {
        self.file(role).or_else(|| self.earlier.get(role))
    }

    /// All that is trusted.
    pub(crate) fn trusted(&self) -> &TrustedSet {
        &self.trusted
    }

    /// Every role, in the order of a look-up; of succinct bins those whose file is at hand.
    pub(crate) fn roles(&self) -> &[KnownRole] {
        &self.roles
    }

    /// One role.
    pub(crate) fn role(&self, name: &RoleName) -> Option<Cow<'_, KnownRole>> {
        if let Some(position) = self.positions.get(name) {
            return Some(Cow::Borrowed(&self.roles[*position]));
        }
        let mut owners = self.bin_owners.iter().map(|position| &self.roles[*position]);
        owners.find_map(|owner| {
            let delegated = self.file(&owner.name)?.signed().delegation(name)?;
            Some(Cow::Owned(owner.below(delegated)))
        })
    }

    /// The succinct bins that names are divided into, with the role whose names those are.
    pub(crate) fn succinct(&self) -> impl Iterator<Item = (&KnownRole, &SuccinctRoles)> {
        self.bin_owners.iter().filter_map(|position| {
            let role = &self.roles[*position];
            let delegations = self.file(&role.name)?.signed().delegations.as_ref()?;
            Some((role, delegations.succinct()?))
        })
    }

    /// The roles that may list a name, in the order of a look-up.
    pub(crate) fn covering(&self, candidate: &Candidate<'_>) -> Vec<KnownRole> {
        let mut covering = Vec::new();
        let mut seen = BTreeSet::from([RoleName::TARGETS]);
        let mut stack = vec![KnownRole::targets()];
        while let Some(role) = stack.pop() {
            if let Some(file) = self.file(&role.name) {
                for delegated in file.signed().covering(candidate).into_iter().rev() {
                    if seen.insert(delegated.name.clone()) {
                        stack.push(role.below(delegated));
                    }
                }
            }
            covering.push(role);
        }
        covering
    }

    /// The bin below a role, or below its bins, that a name belongs to by its hash.
    pub(crate) fn bin(&self, role: &KnownRole, candidate: &Candidate<'_>) -> Option<KnownRole> {
        let file = self.file(&role.name)?;
        let below = file.signed().covering(candidate).into_iter().map(|d| role.below(d));
        let bin = below.into_iter().find(KnownRole::is_bin)?;
        // A bin that leads back to a role on the way to it would be followed for ever.
        let is_loop = role.name == bin.name || role.path().contains(&bin.name);
        if is_loop { None } else { Some(self.bin(&bin, candidate).unwrap_or(bin)) }
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
        for (name, entry) in snapshot.signed().meta.iter() {
            let role = RoleName::parse(name.strip_suffix(".json")?).ok()?;
            let stored = match self.ground(&role) {
                Some(file) => StoredFile::loaded(file.clone()),
                // They are always read, unless they are lost.
                None if role == RoleName::TARGETS => continue,
                None => StoredFile {
                    version: entry.version,
                    length: entry.length.unwrap_or_default(),
                    // Of hash bins the version alone is listed.
                    sha256: entry
                        .hashes
                        .as_ref()
                        .and_then(|h| h.sha256())
                        .unwrap_or_default()
                        .into(),
                    // Not looked at: stored files may be expired.
                    expires: snapshot.expires(),
                    file: None,
                },
            };
            files.insert(role, stored);
        }
        let (root, timestamp) = (self.trusted.root().clone(), self.trusted.timestamp()?.clone());
        let revoked = self.revoked.clone();
        Some(Head { revoked, ..Head::new(root, snapshot, timestamp, files) })
    }
}

/// Every role that a file delegates to, succinct bins included, in the order of a look-up.
pub(crate) fn delegated(file: &Targets) -> Vec<RoleName> {
    let Some(delegations) = &file.delegations else { return Vec::new() };
    let listed = delegations.listed().iter().map(|role| role.name.clone());
    let bins = delegations.succinct().into_iter().flat_map(|succinct| succinct.bins.names());
    listed.chain(bins).collect()
}

/// The bins among them, of both kinds.
pub(crate) fn bins(file: &Targets) -> Vec<RoleName> {
    let Some(delegations) = &file.delegations else { return Vec::new() };
    let is_bin = |role: &&DelegatedRole| matches!(role.paths, PathSet::HashPrefixes(_));
    let listed = delegations.listed().iter().filter(is_bin).map(|role| role.name.clone());
    let bins = delegations.succinct().into_iter().flat_map(|succinct| succinct.bins.names());
    listed.chain(bins).collect()
}

/// The paths of a delegation, for people.
pub(crate) fn spelled(paths: &PathSet) -> String {
    match paths {
        PathSet::Paths(patterns) => {
            patterns.iter().map(PathPattern::as_str).collect::<Vec<_>>().join(", ")
        }
        PathSet::HashPrefixes(prefixes) => {
            let prefixes = prefixes.iter().collect::<Vec<_>>().join(", ");
            format!("names whose sha256 starts with {prefixes}")
        }
    }
}
