//! Reads a collection as far as the doctor examines it: the top-level roles, the chain of roots that
//! old clients climb, and the delegated roles.
//!
//! A small collection is read as a whole. Of a large one a sample of its delegated roles is read,
//! drawn by a seed: those whose name hashes lowest together with it, so that the same seed gives the
//! same roles for as long as these exist, whatever else is published.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use notary_schema::key::sha256_hex;
use notary_schema::name::RoleName;
use notary_schema::path::PathSet;
use notary_schema::role::{DelegatedRole, Delegations, Targets};
use notary_schema::trusted::TrustedSet;
use serde::Serialize;

use crate::agent::Agent;
use crate::agent::roots::{Roots, climb};
use crate::exit::Failure;
use crate::view::View;

/// Most roots below the newest that are read: no client in the field climbs further.
const MAX_ROOT_STEPS: u64 = 256;
/// Most delegations between `targets` and a role that are followed.
const MAX_DEPTH: usize = 32;
/// Most bins of one role that a sample is drawn from.
const MAX_BINS: usize = 65_536;
/// Most comparisons of a name with a path or hash prefix: `tough` hashes each name once for every
/// prefix of every delegation.
const MAX_COMPARISONS: usize = 20_000_000;
/// Most paths of delegations that `tough` compiles while it loads a collection; each takes 10 KB.
const MAX_LOADED_PATHS: usize = 50_000;
/// Most bytes of delegated roles that `tough` loads, each as often as it does.
const MAX_LOADED_BYTES: usize = 128 << 20;

/// From when on a collection is large, and how much of a large one is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Most delegated roles.
    pub(crate) roles: usize,
    /// Most targets.
    pub(crate) targets: usize,
    /// Most bytes of delegated roles; a sample ends here, too.
    pub(crate) bytes: usize,
    /// How many delegated roles of a large collection are read.
    pub(crate) sample: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { roles: 256, targets: 200_000, bytes: 64 << 20, sample: 64 }
    }
}

/// How much of the delegated roles was read.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Extent {
    /// How many were read.
    pub(crate) roles: usize,
    /// How many the files that were read delegate to; of bins up to 65,536 each.
    pub(crate) known: usize,
    /// How many targets they list, with those of `targets`.
    pub(crate) targets: usize,
    /// What the sample was drawn by; none where everything was read.
    pub(crate) seed: Option<u32>,
}

/// What was read.
#[derive(Debug, Clone)]
pub(crate) struct Collected {
    /// All that is verified; expired files are used.
    pub(crate) view: View,
    /// The chain of roots.
    pub(crate) roots: Roots,
    /// Delegated roles that are not trusted, and why.
    pub(crate) refused: BTreeMap<RoleName, String>,
    /// How much that is.
    pub(crate) extent: Extent,
}

impl Collected {
    /// Whether it takes very long to compare every target with every path.
    pub(crate) fn has_many_comparisons(&self) -> bool {
        let paths = self.view.roles().iter().filter_map(|role| match &role.chain.last()?.paths {
            PathSet::Paths(paths) => Some(paths.len()),
            PathSet::HashPrefixes(prefixes) => Some(prefixes.iter().count()),
        });
        self.extent.targets.saturating_mul(paths.sum()) > MAX_COMPARISONS
    }

    /// Whether `tough` would take very long to load it, and very much memory.
    pub(crate) fn takes_many_loads(&self) -> bool {
        let mut loads = Loads::default();
        loads.below(self.view.trusted(), &RoleName::TARGETS);
        loads.are_too_many()
    }
}

/// What `tough` loads of the roles below `targets`. Of each role it reads the whole list of delegations,
/// but for those into which it has descended, before it descends into the first of them: a role to which
/// many delegate may be read for each of them, and all of that is held at once.
#[derive(Debug, Default)]
struct Loads<'a> {
    /// Roles into which it has descended: it does not read them again.
    done: BTreeSet<&'a RoleName>,
    paths: usize,
    bytes: usize,
}

impl<'a> Loads<'a> {
    fn below(&mut self, trusted: &'a TrustedSet, delegator: &RoleName) {
        for role in listed_by(trusted, delegator) {
            if self.done.contains(&role.name) {
                continue;
            }
            let Some(file) = trusted.targets(&role.name) else {
                // Where one has published nothing it leaves the whole list.
                self.done.insert(&role.name);
                return;
            };
            let paths = listed_by(trusted, &role.name).iter().map(|role| match &role.paths {
                PathSet::Paths(paths) => paths.len(),
                PathSet::HashPrefixes(_) => 1,
            });
            self.paths += paths.sum::<usize>();
            self.bytes += file.bytes().len();
        }
        for role in listed_by(trusted, delegator) {
            if self.are_too_many() {
                return;
            }
            if self.done.insert(&role.name) {
                self.below(trusted, &role.name);
            }
        }
    }

    fn are_too_many(&self) -> bool {
        self.paths > MAX_LOADED_PATHS || self.bytes > MAX_LOADED_BYTES
    }
}

fn listed_by<'a>(trusted: &'a TrustedSet, delegator: &RoleName) -> &'a [DelegatedRole] {
    let delegations =
        trusted.targets(delegator).and_then(|file| file.signed().delegations.as_ref());
    delegations.map_or(&[], Delegations::listed)
}

/// Reads a collection whose top-level roles the agent has brought up to date.
pub(crate) async fn collect(
    agent: &mut Agent<'_>,
    bounds: Bounds,
    seed: u32,
    now: DateTime<Utc>,
) -> Result<Collected, Failure> {
    let roots = climb(agent, MAX_ROOT_STEPS, now).await?;
    let mut walk = Walk::new(bounds, seed);
    let targets = agent.trusted()?.targets(&RoleName::TARGETS).cloned();
    let targets = targets.expect("a refresh ends with targets");
    walk.extent.targets = targets.signed().targets.len();
    walk.discover(&[], targets.signed());
    while let Some(path) = walk.next() {
        walk.read(agent, &path).await?;
    }
    let view = View::new(agent.trusted()?.clone());
    Ok(Collected { view, roots, refused: walk.refused, extent: walk.extent })
}

/// A walk along delegations, in an order that a seed draws.
struct Walk {
    bounds: Bounds,
    seed: u32,
    /// Roles to read with the way to each, by their place in the order.
    waiting: BTreeMap<String, Vec<RoleName>>,
    known: BTreeSet<RoleName>,
    read: BTreeSet<RoleName>,
    bytes: usize,
    refused: BTreeMap<RoleName, String>,
    extent: Extent,
}

impl Walk {
    fn new(bounds: Bounds, seed: u32) -> Walk {
        Walk {
            bounds,
            seed,
            waiting: BTreeMap::new(),
            known: BTreeSet::new(),
            read: BTreeSet::new(),
            bytes: 0,
            refused: BTreeMap::new(),
            extent: Extent { roles: 0, known: 0, targets: 0, seed: None },
        }
    }

    /// Notes the roles that a file delegates to, also those to which another one does: they are
    /// verified for each.
    fn discover(&mut self, path: &[RoleName], file: &Targets) {
        let Some(delegations) = &file.delegations else { return };
        let listed = delegations.listed().iter().map(|role| role.name.clone());
        let bins = delegations.succinct().into_iter().flat_map(|succinct| succinct.bins.names());
        for role in listed.chain(bins.take(MAX_BINS)) {
            let again = if self.known.insert(role.clone()) { None } else { path.last() };
            if path.len() < MAX_DEPTH {
                let again = again.map(|delegator| format!(" {delegator}")).unwrap_or_default();
                let place = sha256_hex(format!("{} {role}{again}", self.seed).as_bytes());
                self.waiting.insert(place, path.iter().cloned().chain([role]).collect());
            }
        }
        self.extent.known = self.known.len();
    }

    /// The way to the role that is read next; none at the end, or when the sample is complete.
    fn next(&mut self) -> Option<Vec<RoleName>> {
        let Bounds { roles, targets, bytes, sample } = self.bounds;
        let is_full = self.bytes > bytes;
        let is_large = self.known.len() > roles || self.extent.targets > targets || is_full;
        let (_, path) = self.waiting.pop_first()?;
        if is_large {
            self.extent.seed = Some(self.seed);
        }
        (!is_large || (self.extent.roles < sample && !is_full)).then_some(path)
    }

    /// Reads the last role of a path, unless it has published nothing yet.
    async fn read(&mut self, agent: &mut Agent<'_>, path: &[RoleName]) -> Result<(), Failure> {
        let role = path.last().expect("a path below targets");
        let snapshot = agent.trusted()?.snapshot();
        if snapshot.is_some_and(|snapshot| snapshot.signed().entry(role).is_none()) {
            return Ok(());
        }
        match agent.follow(path).await {
            Ok(()) => {}
            Err(error) if error.is_of_one_file() => {
                self.refused.insert(role.clone(), error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        if !self.read.insert(role.clone()) {
            return Ok(());
        }
        let file = agent.trusted()?.targets(role).expect("it was followed").clone();
        self.extent.roles += 1;
        self.extent.targets += file.signed().targets.len();
        self.bytes += file.bytes().len();
        self.discover(path, file.signed());
        Ok(())
    }
}
