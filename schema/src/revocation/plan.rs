//! What a plan is made of, what it says, and why there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{History, Revoked, Signers};
use crate::envelope::{Envelope, Unsigned};
use crate::key::Key;
use crate::name::{KeyId, NameError, RoleName, Version};
use crate::role::{Authority, Expires, Root, Snapshot, Targets};

/// A collection as it is now, verified.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// The newest root.
    pub root: &'a Envelope<Root>,
    /// What is listed, also where nobody delegates to it any more.
    pub snapshot: &'a Snapshot,
    /// The current files of all roles that delegations lead to.
    pub files: &'a BTreeMap<RoleName, Arc<Envelope<Targets>>>,
    /// Files of other roles that [`Open::files`] has asked for.
    pub others: &'a BTreeMap<RoleName, Arc<Envelope<Targets>>>,
    /// What of it is not to be had, or is not what the snapshot lists.
    pub unread: &'a BTreeSet<RoleName>,
    /// What [`Open::histories`] has asked for.
    pub histories: &'a BTreeMap<RoleName, History>,
}

/// Which content the next version of a role gets, as a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// That of the current version, which is this one and was reviewed.
    Reviewed(Version),
    /// That of this earlier version.
    Of(Version),
    /// None: no targets, no delegations.
    Empty,
}

/// What a person has decided.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    /// Keys that take over.
    pub new_keys: Vec<Key>,
    /// How many must sign from now on.
    pub threshold: Option<u32>,
    /// The roles that get those keys and that threshold; all that list the revoked key, where empty.
    pub roles: BTreeSet<RoleName>,
    /// The next keys of online roles. Where one of them is enough, they take the place of all that
    /// are listed: the other one of a key and its stand-by goes with it.
    pub online: BTreeMap<RoleName, Vec<Key>>,
    /// The content of roles.
    pub content: BTreeMap<RoleName, Content>,
}

/// When the next versions expire.
#[derive(Debug, Clone, Copy)]
pub struct Dates {
    /// The root.
    pub root: Expires,
    /// targets and delegated roles.
    pub targets: Expires,
}

/// What has to be looked at before there is a plan.
#[derive(Debug, Clone, Default)]
pub struct Open {
    /// Roles whose versions are to be looked back at, and who signs them today.
    pub histories: BTreeMap<RoleName, Signers>,
    /// Roles that are listed in the snapshot and delegated to again, whose file is needed.
    pub files: BTreeSet<RoleName>,
}

/// Why there is no plan.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Problem {
    /// Something has to be looked at first.
    #[error("more of the collection has to be read")]
    Open(Open),
    /// A role that cannot be left without keys.
    #[error("{role} would have no key left, and cannot be taken out")]
    LastKey {
        /// The role; the first of the bins where it is about those.
        role: RoleName,
    },
    /// Fewer keys than must sign.
    #[error("{role} would have {left} keys and ask for {threshold}")]
    TooFewKeys {
        /// The role.
        role: RoleName,
        /// How many distinct keys are left, new ones counted.
        left: usize,
        /// How many must sign.
        threshold: u32,
    },
    /// No version is good without the revoked key.
    #[error("no version of {role} stands without the revoked key; the current one is {current}")]
    NoGoodVersion {
        /// The role.
        role: RoleName,
        /// Its version.
        current: Version,
        /// The oldest version that was looked at, where older ones were left out.
        truncated_at: Option<Version>,
    },
    /// Another version than the current one was reviewed.
    #[error("{role} is at version {current}, and {reviewed} was reviewed")]
    OtherVersion {
        /// The role.
        role: RoleName,
        /// The version that was reviewed.
        reviewed: Version,
        /// The current one.
        current: Version,
    },
    /// A version that nobody vouches for.
    #[error("no {role} {version} was found that the keys of today have signed")]
    NotVerified {
        /// The role.
        role: RoleName,
        /// The version.
        version: Version,
    },
    /// A role that nobody is left to sign and that cannot be read.
    #[error(
        "{role} would have no key left, and {role} {version} cannot be read: which roles go with it is \
         not known"
    )]
    Unread {
        /// The role.
        role: RoleName,
        /// Its version.
        version: Version,
    },
    /// There is no later version.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Keys that no role can have.
    #[error("{0}")]
    Keys(String),
}

/// Where the content of a next version comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The current version, which stands or was reviewed.
    Current,
    /// An earlier version.
    Version(Version),
    /// Nothing.
    Empty,
}

/// Why a role is left as it is, with all that it delegates to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Its file is not to be had: it may list the key, or be signed by it.
    Unread,
    /// Nobody vouches for its file, who signs it is what it was, and the key has not to do with it.
    Unverified,
}

/// Who signs a role from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Who says so.
    pub delegator: RoleName,
    /// The role; the first bin, where it is about all bins of the delegator.
    pub role: RoleName,
    /// Who signs it today.
    pub before: Signers,
    /// Who signs it then; `None` where the delegation is taken out.
    pub after: Option<Signers>,
}

/// The next version of a role.
#[derive(Debug, Clone)]
pub struct RolePlan {
    /// The role.
    pub role: RoleName,
    /// Its version now.
    pub current: Version,
    /// Where its content comes from.
    pub origin: Origin,
    /// Who signs it.
    pub signers: Signers,
    /// What is to be signed.
    pub document: Unsigned,
}

/// What is to be published when keys are revoked.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The next root.
    pub root: Option<Unsigned>,
    /// The next versions of targets and delegated roles.
    pub roles: Vec<RolePlan>,
    /// Whose signers change.
    pub changed: Vec<Changed>,
    /// Stored roles that no delegation leads to any more.
    pub orphans: BTreeSet<RoleName>,
    /// Roles that are delegated to again and have no file.
    pub pending: BTreeSet<RoleName>,
    /// Roles that are left as they are.
    pub left: BTreeMap<RoleName, Left>,
    /// Online roles that need a key of the signer in place of the revoked one, which was not given.
    pub keyless: BTreeSet<RoleName>,
}

impl Plan {
    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.root.is_none() && self.roles.is_empty() && self.keyless.is_empty()
    }
}

/// Every role that lists one of these keys, by who delegates to it. All succinct bins of a role are
/// one: the first of them.
pub fn listings(present: Present<'_>, revoked: &Revoked) -> Vec<(RoleName, RoleName, Vec<KeyId>)> {
    let mut found = Vec::new();
    let mut look = |delegator: &RoleName, role: &RoleName, authority: Authority<'_>| {
        let ids = revoked.listed(authority);
        if !ids.is_empty() {
            found.push((delegator.clone(), role.clone(), ids));
        }
    };
    for role in TOP_LEVEL {
        let authority = present.root.signed().authority(role).expect("a top-level role");
        look(&RoleName::ROOT, role, authority);
    }
    for (delegator, file) in present.files {
        let Some(delegations) = &file.signed().delegations else { continue };
        let first = delegations.succinct().map(|succinct| succinct.bins.name(0));
        let listed = delegations.listed().iter().map(|role| &role.name);
        for role in listed.chain(&first) {
            look(delegator, role, delegations.authority(role).expect("it is delegated to"));
        }
    }
    found
}

/// Who signs the roles for which a file lists one of these keys; of succinct bins, those among the
/// roles that have a file.
pub fn signers_listing(
    file: &Targets,
    revoked: &Revoked,
    with_file: &BTreeSet<RoleName>,
) -> Vec<(RoleName, Signers)> {
    let Some(delegations) = &file.delegations else { return Vec::new() };
    let listed = delegations.listed().iter().map(|delegated| &delegated.name);
    let is_bin = |role: &&RoleName| {
        delegations.succinct().is_some_and(|succinct| succinct.bins.index(role).is_some())
    };
    let bins = with_file.iter().filter(is_bin);
    let signers = listed.chain(bins).filter_map(|role| {
        let authority = delegations.authority(role)?;
        let lists = !revoked.listed(authority).is_empty();
        lists.then(|| (role.clone(), Signers::of(authority)))
    });
    signers.collect()
}

pub(super) const TOP_LEVEL: [&RoleName; 4] =
    [&RoleName::ROOT, &RoleName::TARGETS, &RoleName::SNAPSHOT, &RoleName::TIMESTAMP];
