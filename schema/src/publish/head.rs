//! The state of a collection that a publish is judged on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::view::View;
use super::{Batch, lost};
use crate::envelope::Envelope;
use crate::key::PublicKey;
use crate::name::{RoleName, Version};
use crate::role::{Expires, FileMeta, Root, Snapshot, Targets, Timestamp};
use crate::threshold::RevokedKeys;

/// What a collection consists of right now.
///
/// `targets` and files of roles that delegate are always loaded, since the graph of delegations is
/// read from them; other files only where [`Head::missing`] names them, so that one change in a
/// collection of thousands of bins reads one bin.
#[derive(Debug, Clone)]
pub struct Head {
    /// The newest root.
    pub root: Arc<Envelope<Root>>,
    /// The snapshot that clients see.
    pub snapshot: Arc<Envelope<Snapshot>>,
    /// The timestamp that clients see.
    pub timestamp: Arc<Envelope<Timestamp>>,
    /// `targets` and every delegated role that was ever published, also those that no delegation
    /// leads to any more.
    pub files: BTreeMap<RoleName, StoredFile>,
    /// The keys that sign nothing new here. They belong to the head, so that a publish is judged
    /// again when one was revoked meanwhile.
    pub revoked: RevokedKeys,
    /// What the snapshot lists and is not here: lost when the database was set back.
    pub lost: BTreeMap<RoleName, FileMeta>,
}

/// Which version of a role clients are told of, and whether its file is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    version: Version,
    is_lost: bool,
}

/// The current file of a targets role.
#[derive(Debug, Clone)]
pub struct StoredFile {
    /// Its version.
    pub version: Version,
    /// Its length in bytes.
    pub length: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// When it expires.
    pub expires: Expires,
    /// The file, where it is loaded.
    pub file: Option<Arc<Envelope<Targets>>>,
}

impl StoredFile {
    /// A file that is at hand.
    pub fn loaded(file: Arc<Envelope<Targets>>) -> StoredFile {
        StoredFile {
            version: file.version(),
            length: file.bytes().len() as u64,
            sha256: file.sha256().to_owned(),
            expires: file.expires(),
            file: Some(file),
        }
    }
}

impl Head {
    /// A head of these without revoked keys; what its snapshot lists beyond its files is lost.
    pub fn new(
        root: Arc<Envelope<Root>>,
        snapshot: Arc<Envelope<Snapshot>>,
        timestamp: Arc<Envelope<Timestamp>>,
        files: BTreeMap<RoleName, StoredFile>,
    ) -> Head {
        let lost = lost::lost(&files, snapshot.signed());
        Head { root, snapshot, timestamp, files, lost, revoked: RevokedKeys::default() }
    }

    /// The head with another root and other files under another snapshot and timestamp: what is lost
    /// is told from what differs.
    pub fn with(
        &self,
        root: Arc<Envelope<Root>>,
        snapshot: Arc<Envelope<Snapshot>>,
        timestamp: Arc<Envelope<Timestamp>>,
        files: BTreeMap<RoleName, StoredFile>,
    ) -> Head {
        let changed = snapshot.signed().meta.changes(&self.snapshot.signed().meta);
        let changed =
            changed.filter_map(|(name, entry, _)| Some((RoleName::of_file(name)?, entry)));
        let mut lost: BTreeMap<_, _> = self.lost.clone().into_iter().chain(changed).collect();
        lost.retain(|role, entry| lost::is_lost(files.get(role), entry));
        if !Arc::ptr_eq(&snapshot, &self.snapshot) {
            // After a recovery it may list less.
            lost.retain(|role, _| snapshot.signed().entry(role).is_some());
        }
        let revoked = self.revoked.clone();
        Head { root, snapshot, timestamp, files, lost, revoked }
    }

    /// The same as it will be under a snapshot that is not signed yet.
    pub fn expecting(mut self, snapshot: &Snapshot) -> Head {
        self.lost = lost::lost(&self.files, snapshot);
        self
    }

    /// What clients are told of the file of a targets role.
    pub fn entry(&self, role: &RoleName) -> Option<FileMeta> {
        self.lost.get(role).cloned().or_else(|| self.snapshot.signed().entry(role))
    }

    pub(super) fn standing(&self, role: &RoleName) -> Option<Standing> {
        let is_lost = self.lost.contains_key(role);
        self.version(role).map(|version| Standing { version, is_lost })
    }

    /// The files that [`super::check`] wants to look into for this batch and that are not loaded.
    pub fn missing(&self, batch: &Batch) -> BTreeSet<RoleName> {
        let view = View::new(Some(self), batch);
        let stored = view.touched().into_iter().filter(|role| batch.targets(role).is_none());
        let unloaded = |role: &RoleName| self.files.get(role).is_some_and(|f| f.file.is_none());
        stored.filter(unloaded).collect()
    }

    /// The current version of root or of a targets role, also where its file is lost.
    pub fn version(&self, role: &RoleName) -> Option<Version> {
        if *role == RoleName::ROOT {
            return Some(self.root.version());
        }
        let lost = self.lost.get(role).map(|entry| entry.version);
        lost.or_else(|| self.files.get(role).map(|file| file.version))
    }

    /// The whole next head as a client would see it: a snapshot lists exactly the files that are here,
    /// and of each lost one what was listed before. Answers the first role of which it does not.
    pub fn first_unlisted(&self, snapshot: &Snapshot) -> Option<&RoleName> {
        let is_listed = |role: &RoleName, file: &StoredFile| {
            snapshot.entry(role).is_some_and(|entry| {
                let sha256 = entry.hashes.as_ref().and_then(|hashes| hashes.sha256());
                entry.version == file.version && sha256.is_none_or(|it| it == file.sha256)
            })
        };
        let mut lost = self.lost.iter();
        let lost = lost.find(|(role, listed)| snapshot.entry(role).as_ref() != Some(*listed));
        let mut held = self.files.iter().filter(|(role, _)| !self.lost.contains_key(*role));
        let held = held.find(|(role, file)| !is_listed(role, file));
        lost.map(|(role, _)| role).or(held.map(|(role, _)| role))
    }

    /// The public keys that current files name for some role, and these files.
    pub fn named_keys(&self) -> BTreeMap<&PublicKey, BTreeSet<RoleName>> {
        let root = self.root.signed();
        let top_level = root.roles.all().into_iter().map(|role| (RoleName::ROOT, &root.keys, role));
        let files = self.files.iter().filter_map(|(name, stored)| {
            let delegations = stored.file.as_ref()?.signed().delegations.as_ref()?;
            Some((name, delegations))
        });
        let delegated = files.flat_map(|(name, all)| {
            let listed = all.listed().iter().map(|role| &*role.signers);
            let bins = all.succinct().map(|succinct| &succinct.signers);
            listed.chain(bins).map(|signers| (name.clone(), &all.keys, signers))
        });
        let mut named: BTreeMap<&PublicKey, BTreeSet<RoleName>> = BTreeMap::new();
        for (name, keys, signers) in top_level.chain(delegated) {
            for key in signers.keyids.iter().filter_map(|keyid| keys.get(keyid)?.public()) {
                named.entry(key).or_default().insert(name.clone());
            }
        }
        named
    }

    /// The roles whose current metadata is expired, in the order of their names.
    pub fn expired(&self, now: DateTime<Utc>) -> Vec<RoleName> {
        let roots = [
            (RoleName::ROOT, self.root.expires()),
            (RoleName::SNAPSHOT, self.snapshot.expires()),
            (RoleName::TIMESTAMP, self.timestamp.expires()),
        ];
        let files = self.files.iter().map(|(role, file)| (role.clone(), file.expires));
        let past = files.chain(roots).filter(|(_, expires)| expires.is_past(now));
        past.map(|(role, _)| role).collect()
    }
}
