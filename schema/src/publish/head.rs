//! The state of a collection that a publish is judged on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::Batch;
use super::view::View;
use crate::envelope::Envelope;
use crate::name::{RoleName, Version};
use crate::role::{Expires, Root, Snapshot, Targets, Timestamp};

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
    /// The files that [`super::check`] wants to look into for this batch and that are not loaded.
    pub fn missing(&self, batch: &Batch) -> BTreeSet<RoleName> {
        let view = View::new(Some(self), batch);
        let stored = view.touched().into_iter().filter(|role| batch.targets(role).is_none());
        let unloaded = |role: &RoleName| self.files.get(role).is_some_and(|f| f.file.is_none());
        stored.filter(unloaded).collect()
    }

    /// The current version of root or of a targets role.
    pub fn version(&self, role: &RoleName) -> Option<Version> {
        match *role == RoleName::ROOT {
            true => Some(self.root.version()),
            false => self.files.get(role).map(|file| file.version),
        }
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

/// The whole next head as a client would see it: the snapshot lists exactly these files. Answers the
/// first one that it does not list as it is.
pub fn first_unlisted<'a>(
    files: &'a BTreeMap<RoleName, StoredFile>,
    snapshot: &Snapshot,
) -> Option<(&'a RoleName, &'a StoredFile)> {
    files.iter().find(|(role, file)| {
        let is_listed = snapshot.entry(role).is_some_and(|entry| {
            let sha256 = entry.hashes.as_ref().and_then(|hashes| hashes.sha256());
            entry.version == file.version && sha256.is_none_or(|sha256| sha256 == file.sha256)
        });
        !is_listed
    })
}
