//! The versions of one role, looked at from the newest back.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Revoked, Signers, Standing, standing};
use crate::envelope::Envelope;
use crate::key::Key;
use crate::name::{KeyId, RoleName, Version};
use crate::role::{TargetFile, Targets};

/// Most entries of a list of signed targets. What is beyond them is counted.
const MAX_SIGNED_TARGETS: usize = 1_000_000;

/// A version that a revoked key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedVersion {
    /// The version.
    pub version: Version,
    /// The SHA-256 of the file.
    pub sha256: String,
    /// What it is worth without the key: [`Standing::Stands`], [`Standing::Needed`], or
    /// [`Standing::Unverified`].
    pub standing: Standing,
    /// How many targets it lists.
    pub targets: u64,
}

/// A target as a revoked key has signed it, in versions that follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct SignedTarget {
    /// Its name.
    pub name: String,
    /// What is said of it.
    pub file: TargetFile,
    /// The first of the versions.
    pub from: Version,
    /// The last of them.
    pub to: Version,
    /// Whether these versions needed the signature of the key.
    pub needed: bool,
    /// Whether it came, or came to be so, with a version that needed the key.
    pub introduced: bool,
}

/// A key that is trusted with a role since a version that needed a revoked key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    /// The key.
    pub key: Key,
    /// The version with which it came.
    pub version: Version,
}

/// What a look back over the versions of a role has found.
#[derive(Debug, Clone)]
pub struct History {
    role: RoleName,
    signers: Signers,
    revoked: Revoked,
    kept_version: Option<Version>,
    /// The version that was looked at last, the oldest so far.
    oldest: Option<(Arc<Envelope<Targets>>, Standing, bool)>,
    /// Targets of versions that a key has signed, which go on from here back.
    open: BTreeMap<String, (TargetFile, Version)>,
    last_good: Option<Arc<Envelope<Targets>>>,
    kept: Option<Arc<Envelope<Targets>>>,
    /// The versions that a revoked key has signed, the newest first.
    pub versions: Vec<SignedVersion>,
    /// What they list.
    pub targets: Vec<SignedTarget>,
    /// How many more there are than are listed.
    pub more_targets: u64,
    /// Keys that came with versions that needed a revoked key.
    pub planted: BTreeMap<KeyId, Planted>,
    /// Versions between those that were looked at, the newest first: of what was in them, nothing is
    /// told.
    pub gaps: Vec<Gap>,
    /// The oldest version that was looked at, where older ones were left out.
    pub truncated_at: Option<Version>,
}

/// Versions in a row that were not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The oldest of them.
    pub from: Version,
    /// The newest of them.
    pub to: Version,
}

impl Gap {
    /// What is missing between two versions, if anything is.
    fn between(older: Version, newer: Version) -> Option<Gap> {
        let from = older.next().ok().filter(|next| *next < newer)?;
        let to = Version::new(newer.get() - 1).expect("it is not below the one after the older");
        Some(Gap { from, to })
    }
}

impl History {
    /// Looks back over a role that these sign today. The content of one version may be kept.
    pub fn new(
        role: RoleName,
        signers: Signers,
        revoked: Revoked,
        keep: Option<Version>,
    ) -> History {
        History {
            role,
            signers,
            revoked,
            kept_version: keep,
            oldest: None,
            open: BTreeMap::new(),
            last_good: None,
            kept: None,
            versions: Vec::new(),
            targets: Vec::new(),
            more_targets: 0,
            planted: BTreeMap::new(),
            gaps: Vec::new(),
            truncated_at: None,
        }
    }

    /// The role.
    pub fn role(&self) -> &RoleName {
        &self.role
    }

    /// The newest version that is good without the revoked keys.
    pub fn last_good(&self) -> Option<&Arc<Envelope<Targets>>> {
        self.last_good.as_ref()
    }

    /// The version that was to be kept, where the keys of today, the revoked ones among them, vouch
    /// for it.
    pub fn kept(&self) -> Option<&Arc<Envelope<Targets>>> {
        self.kept.as_ref()
    }

    /// Looks at the next version back. Those that do not exist are left out, and noted.
    ///
    /// # Panics
    /// Where it is not older than the one before.
    pub fn add(&mut self, file: Arc<Envelope<Targets>>) {
        let standing = standing(&file, self.signers.authority(), &self.revoked.all);
        let has_signed = self.revoked.now.have_signed(&file);
        if let Some((newer, newer_standing, newer_signed)) = self.oldest.take() {
            assert!(
                file.version() < newer.version(),
                "versions are looked at from the newest back"
            );
            self.gaps.extend(Gap::between(file.version(), newer.version()));
            let older = Some((file.as_ref(), standing, has_signed));
            self.compare(&newer, (newer_standing, newer_signed), older);
        }
        if has_signed {
            let (version, sha256) = (file.version(), file.sha256().to_owned());
            let targets = file.signed().targets.len() as u64;
            self.versions.push(SignedVersion { version, sha256, standing, targets });
            for (name, target) in file.signed().targets.iter() {
                self.open.entry(name.to_owned()).or_insert((target, version));
            }
        }
        if standing.is_good() && self.last_good.is_none() {
            self.last_good = Some(file.clone());
        }
        if self.kept_version == Some(file.version()) && standing != Standing::Unverified {
            self.kept = Some(file.clone());
        }
        self.oldest = Some((file, standing, has_signed));
    }

    /// No older version is looked at.
    pub fn finish(&mut self) {
        let Some((oldest, standing, has_signed)) = self.oldest.take() else { return };
        if oldest.version() > Version::FIRST {
            self.truncated_at = Some(oldest.version());
        }
        self.compare(&oldest, (standing, has_signed), None);
    }

    /// What a version changed of the one before it. Behind a gap that is the next older one: what the
    /// key may have brought is rather told than kept quiet.
    fn compare(
        &mut self,
        newer: &Envelope<Targets>,
        (standing, has_signed): (Standing, bool),
        older: Option<(&Envelope<Targets>, Standing, bool)>,
    ) {
        // What the first version says came with it; what was before the oldest seen is not known.
        let is_known = older.is_some() || newer.version() == Version::FIRST;
        let needed = standing == Standing::Needed;
        if needed && is_known {
            self.note_planted(newer, older.map(|(file, ..)| file));
        }
        if !has_signed {
            return;
        }
        let goes_on = older.is_some_and(|(file, older, signed)| {
            let follows = Gap::between(file.version(), newer.version()).is_none();
            follows && signed && (older == Standing::Needed) == needed
        });
        let nothing = Default::default();
        let before = older.map_or(&nothing, |(file, ..)| &file.signed().targets);
        let changed: Vec<String> =
            newer.signed().targets.changes(before).map(|(name, ..)| name.to_owned()).collect();
        let mut close = |name: String, introduced: bool| {
            let Some((file, to)) = self.open.remove(&name) else { return };
            if self.targets.len() == MAX_SIGNED_TARGETS {
                return self.more_targets += 1;
            }
            let from = newer.version();
            self.targets.push(SignedTarget { name, file, from, to, needed, introduced });
        };
        for name in changed {
            close(name, needed && is_known);
        }
        if !goes_on {
            let rest: Vec<String> = newer.signed().targets.keys().map(str::to_owned).collect();
            rest.into_iter().for_each(|name| close(name, false));
        }
    }

    fn note_planted(&mut self, newer: &Envelope<Targets>, older: Option<&Envelope<Targets>>) {
        let keys = |file: &Envelope<Targets>| {
            file.signed().delegations.as_ref().map(|all| all.keys.clone()).unwrap_or_default()
        };
        let before = older.map(keys).unwrap_or_default();
        let is_new = |key: &Key| before.values().all(|old| old.public() != key.public());
        for (id, key) in keys(newer) {
            if is_new(&key) && !self.revoked.all.contains(&key) {
                self.planted.insert(id, Planted { key, version: newer.version() });
            }
        }
    }
}
