//! A directory that a web server may serve while it is written.
//!
//! Each file takes its name at once and whole. The first root comes first: by it the next export knows
//! the directory. Then come roles and the snapshot, of which clients learn by the timestamp alone; when
//! they are durable, new roots; and right after those the timestamp, which an old one may precede for an
//! instant where a new root trusts other keys. So a crash leaves what was there before, or that instant,
//! and the next export goes on. Versioned files are written once and never removed or replaced; a
//! timestamp is never replaced by an older one.
//!
//! [`static_place`] knows what the files are called.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notary_schema::envelope::Envelope;
use notary_schema::name::{RoleName, Version};
use notary_schema::role::Timestamp;
use notary_schema::trusted::TrustedSet;

use crate::agent::whole::{named, no_place, static_place};
use crate::exit::Failure;
use crate::output::Progress;
use crate::session::Session;
use crate::trust_dir::{Lock, MetadataDir, StateError, files};

/// The file of a top-level role.
fn place(role: &RoleName, version: Option<Version>) -> String {
    static_place(role, version).expect("its name is plain")
}

/// One file of a repository.
struct File {
    place: String,
    bytes: Arc<[u8]>,
    /// Whether other bytes may come under this name.
    is_current: bool,
}

/// The files of a repository, in the order in which they are written. Each is durable before the next.
pub(super) struct Exported {
    /// The first root, roles, snapshot; new roots; timestamp.
    stages: [Vec<File>; 3],
    timestamp: Arc<Envelope<Timestamp>>,
}

impl Exported {
    /// Roots in their order, the trusted one last; the current files of roles.
    ///
    /// # Errors
    /// When a role has a name under which no web server can have a file, or that of another file.
    pub(super) fn new(
        trusted: &TrustedSet,
        roots: &[Arc<[u8]>],
        roles: &[(RoleName, Version, Arc<[u8]>)],
    ) -> Result<Exported, Failure> {
        let whole = "a refresh ends with snapshot and timestamp";
        let (snapshot, timestamp) = (trusted.snapshot(), trusted.timestamp());
        let (snapshot, timestamp) = (snapshot.expect(whole), timestamp.expect(whole).clone());
        let first = trusted.root().version().get() + 1 - roots.len() as u64;
        let mut roots = (first..).zip(roots).map(|(version, root)| File {
            place: place(&RoleName::ROOT, Version::new(version).ok()),
            bytes: root.clone(),
            is_current: false,
        });
        let mut files: Vec<File> = roots.next().into_iter().collect();
        let snapshot = (RoleName::SNAPSHOT, snapshot.version(), snapshot.bytes().clone());
        for (role, version, bytes) in roles.iter().cloned().chain([snapshot]) {
            let version = named(trusted, version);
            let place = static_place(&role, version).ok_or_else(|| {
                Failure::Refused(format!("{}; have it renamed by its delegator", no_place(&role)))
            })?;
            files.push(File { place, bytes, is_current: version.is_none() });
        }
        let last = place(&RoleName::TIMESTAMP, None);
        let last = File { place: last, bytes: timestamp.bytes().clone(), is_current: true };
        let exported = Exported { stages: [files, roots.collect(), vec![last]], timestamp };
        let mut places = BTreeSet::new();
        if let Some(file) = exported.files().find(|file| !places.insert(&file.place)) {
            let place = &file.place;
            return Err(Failure::Refused(format!("two roles have the file {place}; rename one")));
        }
        Ok(exported)
    }

    fn files(&self) -> impl Iterator<Item = &File> {
        self.stages.iter().flatten()
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files().count()
    }
}

/// The directory of an export.
pub(super) struct StaticDirectory {
    path: PathBuf,
    files: MetadataDir,
}

impl StaticDirectory {
    /// A directory that need not exist yet.
    pub(super) fn new(path: PathBuf, session: &Session) -> StaticDirectory {
        StaticDirectory { files: session.metadata_dir(path.clone()), path }
    }

    /// Waits so long for the directory and keeps other exports out.
    pub(super) async fn lock(&self, patience: Duration) -> Result<Lock, StateError> {
        files::create_dir(&self.path)?;
        self.files.lock(patience).await
    }

    /// Writes what is not there yet, and answers how many files that were.
    ///
    /// # Errors
    /// Before anything is written: where the directory holds something else, or something newer.
    pub(super) fn take(
        &self,
        exported: &Exported,
        mut progress: Progress,
    ) -> Result<usize, Failure> {
        let mut missing = BTreeSet::new();
        for File { place, bytes, is_current } in exported.files() {
            match self.files.load(place)? {
                Some(there) if *there == **bytes => progress.advance(1),
                Some(_) if !is_current => return Err(self.other(place)),
                _ => drop(missing.insert(place)),
            }
        }
        let first = exported.files().next();
        if first.is_some_and(|first| missing.contains(&first.place)) && !self.is_empty()? {
            return Err(Failure::Usage(format!(
                "{} holds other files than those of the collection; name an empty directory or that \
                 of an earlier export",
                self.path.display()
            )));
        }
        self.refuse_older(&exported.timestamp)?;
        let files = exported.files().filter(|file| missing.contains(&file.place));
        for File { place, bytes, .. } in files {
            self.files.save(place, bytes)?;
            progress.advance(1);
        }
        Ok(missing.len())
    }

    /// Whether nobody has put anything there.
    fn is_empty(&self) -> Result<bool, Failure> {
        let entries = std::fs::read_dir(&self.path).and_then(|entries| {
            let names = entries.map(|entry| Ok(entry?.file_name()));
            names.collect::<std::io::Result<Vec<_>>>()
        });
        let entries = entries.map_err(|error| Failure::file("read", &self.path, error))?;
        Ok(entries.iter().all(|name| name == MetadataDir::LOCK))
    }

    /// Clients that have seen a timestamp take none before it, nor another of its version.
    fn refuse_older(&self, timestamp: &Envelope<Timestamp>) -> Result<(), Failure> {
        let name = place(&RoleName::TIMESTAMP, None);
        let Some(there) = self.files.load(&name)? else { return Ok(()) };
        let path = self.files.place(&name);
        let is_same = *there == **timestamp.bytes();
        let there = Envelope::<Timestamp>::parse(there)
            .map_err(|error| StateError::Corrupt { path: path.clone(), why: error.to_string() })?;
        let (new, old) = (timestamp.version(), there.version());
        match new > old || is_same {
            true => Ok(()),
            false => Err(Failure::Conflict(format!(
                "{} has version {old}, the collection {new}: clients that have seen the one refuse \
                 the other; look with `notary log` what has become of the collection",
                path.display()
            ))),
        }
    }

    fn other(&self, place: &str) -> Failure {
        Failure::Conflict(format!(
            "{} is another file than that of the collection, which never changes; name an empty \
             directory",
            self.files.place(place).display()
        ))
    }
}
