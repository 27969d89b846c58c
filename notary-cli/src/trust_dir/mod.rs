//! The trust directory: what one user keeps between two commands.
//!
//! ```text
//! keys/                           private keys, encrypted; their public parts are readable
//! collections/GUN/_pinned.json    the root that a person vouched for; never replaced
//! collections/GUN/_trusted/       the newest trusted metadata, byte for byte as it came:
//!                                 root.json timestamp.json snapshot.json targets.json ROLE.json,
//!                                 and root.next while it replaces root.json
//! collections/GUN/_published/     what was published last from here: N.root.json ROLE.json
//! collections/GUN/_staged.json    changes that wait to be published
//! collections/GUN/_in_flight.json signed files of a publish whose outcome is not known
//! collections/GUN/_signed.json    which versions were signed here, with which content
//! collections/GUN/_applied.json   for which files `notary watch` has run its command
//! collections/GUN/_lock           held by the one process that works on the collection
//! ```
//! No segment of a collection name starts with `_`, so a collection below another one has its own
//! files, and a name cannot leave the directory. Every file is replaced at once and durably
//! ([`files::write`]): a crash leaves the old one or the new one.

pub(crate) mod files;
mod lock;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notary_schema::name::Gun;
use serde::Serialize;

use crate::StopPoint;
pub(crate) use lock::Lock;

/// The directory of a collection's trusted metadata.
const TRUSTED: &str = "_trusted";
/// The directory of what was published last from here.
const PUBLISHED: &str = "_published";

/// What is wrong with the files of this user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// The operating system refused.
    #[error("could not {action} {path}: {error}{}", advice(.error, .option))]
    Io {
        /// What was tried: "read".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The option that names the directory that it is in.
        option: &'static str,
        /// Its answer.
        error: std::io::Error,
    },
    /// A file of ours that cannot be read.
    #[error("{path} is damaged: {why}; restore it, or {}", way_out(.path))]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another process works on the collection.
    #[error("{path} is held by another notary process; wait until it is done, or raise --timeout")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

/// What to do about an answer of the operating system, where that is known.
fn advice(error: &std::io::Error, option: &str) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::PermissionDenied => "; it must belong to you, and be writable".to_owned(),
        ErrorKind::ReadOnlyFilesystem => {
            format!("; name a directory that can be written with {option}")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "; nothing is lost: make room and say the same again".to_owned()
        }
        ErrorKind::NotADirectory | ErrorKind::IsADirectory | ErrorKind::AlreadyExists => {
            format!("; move away what stands there, or name another directory with {option}")
        }
        _ => String::new(),
    }
}

/// What is left to do where a damaged file cannot be restored.
fn way_out(path: &Path) -> &'static str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name {
        "_staged.json" => "drop what is staged with `notary reset`",
        "_in_flight.json" => {
            "remove it, look with `notary info` whether the server has taken what was sent, and stage \
             anew what it has not"
        }
        "_signed.json" => {
            "remove it: then this program cannot tell any more whether a version gets a second content"
        }
        "_pinned.json" => "forget it with `notary trust remove` and pin the root again",
        "root.json" if path.parent().is_some_and(|directory| directory.ends_with(TRUSTED)) => {
            "remove the directory that it is in: trust starts again with the pinned root"
        }
        "root.json" => "start again with a root that you trust: `notary client init`",
        _ => "remove it to start anew",
    }
}

impl StateError {
    /// An answer of the operating system.
    pub(crate) fn io(action: &'static str, path: &Path, error: std::io::Error) -> StateError {
        StateError::Io { action, path: path.to_owned(), option: "--trust-dir", error }
    }

    /// The same, where another option than `--trust-dir` names the directory.
    pub(crate) fn in_directory_of(self, option: &'static str) -> StateError {
        match self {
            StateError::Io { action, path, error, .. } => {
                StateError::Io { action, path, option, error }
            }
            other => other,
        }
    }
}

/// The directory of one user.
#[derive(Debug, Clone)]
pub(crate) struct TrustDir {
    path: PathBuf,
}

impl TrustDir {
    /// A directory that need not exist yet.
    pub(crate) fn new(path: PathBuf) -> TrustDir {
        TrustDir { path }
    }

    /// Where private keys are kept.
    pub(crate) fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    /// The collections that have files here, in the order of their names.
    pub(crate) fn collections(&self) -> Result<Vec<Gun>, StateError> {
        let top = self.path.join("collections");
        let (mut found, mut waiting) = (Vec::new(), vec![(top, String::new())]);
        while let Some((directory, name)) = waiting.pop() {
            found.extend(Gun::parse(&name).ok());
            for segment in files::directories(&directory)? {
                let below = match name.is_empty() {
                    true => segment.clone(),
                    false => format!("{name}/{segment}"),
                };
                // What starts with `_` belongs to the collection itself.
                if Gun::parse(&below).is_ok() {
                    waiting.push((directory.join(segment), below));
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// The files of one collection.
    pub(crate) fn collection(&self, gun: &Gun) -> CollectionDir {
        let mut path = self.path.join("collections");
        path.extend(gun.as_str().split('/'));
        CollectionDir { path, stop: Arc::new(|_| {}) }
    }
}

/// The files of one collection.
#[derive(Clone)]
pub(crate) struct CollectionDir {
    path: PathBuf,
    stop: Stop,
}

impl CollectionDir {
    /// The same, and whoever writes there passes these points.
    pub(crate) fn stopping_at(self, stop: Stop) -> CollectionDir {
        CollectionDir { stop, ..self }
    }

    /// Replaces one of its files, durably.
    pub(crate) fn store<T: Serialize>(&self, path: &Path, value: &T) -> Result<(), StateError> {
        let bytes = serde_json::to_vec(value).expect("what we store is JSON");
        files::write_with(path, &bytes, &*self.stop)
    }

    /// Removes one of its files, durably; none to remove is fine.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), StateError> {
        files::remove(path)?;
        (self.stop)(StopPoint::Removed);
        Ok(())
    }

    /// The trusted metadata; where there is none yet, it starts with the pinned root.
    pub(crate) fn trusted(&self) -> MetadataDir {
        let first_root = Some(self.pinned_path());
        MetadataDir { first_root, ..MetadataDir::new(self.path.join(TRUSTED)) }
    }

    /// Where metadata lies: what is trusted, and what was published from here.
    pub(crate) fn metadata_dirs(&self) -> [PathBuf; 2] {
        [self.path.join(TRUSTED), self.path.join(PUBLISHED)]
    }

    /// Keeps a file that was published from here, for a server that loses it. Nothing is trusted
    /// because of it: a crash may tear it.
    pub(crate) fn keep_published(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        let directory = self.path.join(PUBLISHED);
        files::create_dir(&directory)?;
        let path = directory.join(name);
        std::fs::write(&path, bytes).map_err(|error| StateError::io("write", &path, error))
    }

    /// The root that a person vouched for.
    pub(crate) fn pinned_path(&self) -> PathBuf {
        self.path.join("_pinned.json")
    }

    /// Changes that wait to be published.
    pub(crate) fn staged_path(&self) -> PathBuf {
        self.path.join("_staged.json")
    }

    /// Signed files of a publish whose outcome is not known.
    pub(crate) fn in_flight_path(&self) -> PathBuf {
        self.path.join("_in_flight.json")
    }

    /// Which versions were signed here, with which content.
    pub(crate) fn signed_path(&self) -> PathBuf {
        self.path.join("_signed.json")
    }

    /// For which files `notary watch` has run its command.
    pub(crate) fn applied_path(&self) -> PathBuf {
        self.path.join("_applied.json")
    }

    /// Forgets the trusted metadata: trust starts again with the pinned root.
    pub(crate) fn forget_metadata(&self) -> Result<(), StateError> {
        files::remove_all(&self.path.join(TRUSTED))
    }

    /// Forgets the pinned root and the trusted metadata. The root goes last: without it, nothing is
    /// trusted.
    pub(crate) fn forget_trust(&self) -> Result<(), StateError> {
        self.forget_metadata()?;
        // Whatever is trusted next may be another collection of this name, with the same versions.
        self.forget_signed()?;
        files::remove(&self.pinned_path())
    }

    /// Forgets which versions were signed here: others with the same numbers follow.
    pub(crate) fn forget_signed(&self) -> Result<(), StateError> {
        files::remove(&self.signed_path())
    }

    /// Forgets what waits to be published, what was sent without an answer, and what was signed.
    pub(crate) fn forget_changes(&self) -> Result<(), StateError> {
        self.forget_signed()?;
        files::remove(&self.staged_path())?;
        files::remove(&self.in_flight_path())
    }

    /// Waits so long for the collection and keeps other processes out until it is dropped. What killed
    /// processes have left half-written is gone then.
    pub(crate) async fn lock(&self, patience: Duration) -> Result<Lock, StateError> {
        files::create_dir(&self.path)?;
        let lock = Lock::take(self.path.join("_lock"), patience).await?;
        files::sweep(&self.path);
        files::sweep(&self.path.join(TRUSTED));
        Ok(lock)
    }
}

/// What is told when a process passes a point at which a test may end it.
pub(crate) type Stop = Arc<dyn Fn(StopPoint) + Send + Sync>;

/// A directory of trusted metadata, under the names of [`notary_schema::updater::local_name`].
#[derive(Clone)]
pub(crate) struct MetadataDir {
    path: PathBuf,
    /// Read in place of a root that is not there yet.
    first_root: Option<PathBuf>,
    stop: Stop,
}

impl MetadataDir {
    /// The file that is held by the one process that works on such a directory.
    pub(crate) const LOCK: &str = ".lock";

    /// A directory that starts with the root in it.
    pub(crate) fn new(path: PathBuf) -> MetadataDir {
        MetadataDir { path, first_root: None, stop: Arc::new(|_| {}) }
    }

    /// The same, and whoever writes there passes these points.
    pub(crate) fn stopping_at(self, stop: Stop) -> MetadataDir {
        MetadataDir { stop, ..self }
    }

    /// Waits so long for a directory that has no collection's lock around it, as
    /// [`CollectionDir::lock`].
    pub(crate) async fn lock(&self, patience: Duration) -> Result<Lock, StateError> {
        let lock = Lock::take(self.path.join(MetadataDir::LOCK), patience).await?;
        files::sweep(&self.path);
        Ok(lock)
    }

    /// The stored file of this name.
    pub(crate) fn load(&self, name: &str) -> Result<Option<Vec<u8>>, StateError> {
        let stored = files::read(&self.path.join(name))?;
        match &self.first_root {
            Some(first) if stored.is_none() && name == "root.json" => files::read(first),
            _ => Ok(stored),
        }
    }

    /// Where [`MetadataDir::load`] finds the file of this name.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        let stored = self.path.join(name);
        match &self.first_root {
            Some(first) if name == "root.json" && !stored.exists() => first.clone(),
            _ => stored,
        }
    }

    /// Replaces the file of this name, durably: each file is trusted because of those saved before it.
    pub(crate) fn save(&self, name: &str, bytes: &[u8]) -> Result<(), StateError> {
        files::write_with(&self.path.join(name), bytes, &*self.stop)
    }

    /// Removes the file of this name, durably.
    pub(crate) fn remove(&self, name: &str) -> Result<(), StateError> {
        files::remove(&self.path.join(name))?;
        (self.stop)(StopPoint::Removed);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
