//! What an updater and its caller say to each other.

use std::sync::Arc;

use crate::name::RoleName;
use crate::role::TargetFile;
use crate::trusted::TrustError;

/// How much an updater downloads and follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest root or timestamp, in bytes.
    pub small_bytes: u64,
    /// Longest snapshot, in bytes.
    pub snapshot_bytes: u64,
    /// Longest targets role, in bytes.
    pub targets_bytes: u64,
    /// Most new roots in one refresh; where more are waiting, the next refresh goes on.
    pub roots: u32,
    /// Most roles that one look-up visits, `targets` among them.
    pub roles: usize,
    /// Most roles of one visit, `targets` and those that were skipped among them.
    pub all_roles: usize,
    /// Longest all targets roles of one look-up together, in bytes.
    pub look_up_bytes: u64,
    /// From this length on, in bytes, a look-up lets go of roles that earlier ones brought; they are
    /// loaded again when one needs them.
    pub kept_bytes: u64,
    /// Longest all targets roles together that were followed or visited, in bytes. Whoever does that
    /// wants to see all of them, so none is let go of.
    pub followed_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            small_bytes: 1 << 20,
            snapshot_bytes: 16 << 20,
            targets_bytes: 64 << 20,
            roots: 1024,
            roles: 64,
            all_roles: 65_536,
            look_up_bytes: 256 << 20,
            kept_bytes: 32 << 20,
            followed_bytes: 1 << 30,
        }
    }
}

/// What the caller does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Read a stored file; answer with [`super::Updater::loaded`].
    Load {
        /// Its name in the client's directory.
        name: String,
    },
    /// Request a file of the repository and read no more than so many bytes; answer with
    /// [`super::Updater::fetched`], [`super::Updater::not_found`] or [`super::Updater::failed`].
    Fetch {
        /// Its name below the repository's metadata URL, percent-encoded.
        name: String,
        /// The longest body to read.
        max_bytes: u64,
    },
    /// Store a file durably, replacing the old one at once or not at all; answer with
    /// [`super::Updater::stored`].
    Save {
        /// Its name in the client's directory.
        name: String,
        /// Its content.
        bytes: Arc<[u8]>,
    },
    /// Remove a stored file durably, if there is one; answer with [`super::Updater::stored`].
    Remove {
        /// Its name in the client's directory.
        name: String,
    },
    /// Nothing: the refresh or the look-up is complete.
    Done,
}

/// Why a refresh or a look-up ended without a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateError {
    /// There is no stored root to start from.
    #[error("no trusted root is stored; start with one that you trust")]
    NoTrustedRoot,
    /// A file is not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The repository does not have a file that it lists.
    #[error("the repository has no {0}")]
    NotFound(String),
    /// A file could not be requested.
    #[error("{name} could not be fetched: {why}")]
    Failed {
        /// The file.
        name: String,
        /// The caller's words.
        why: String,
    },
    /// A body is longer than was asked for.
    #[error("{name} is longer than {max_bytes} bytes")]
    TooLong {
        /// The file.
        name: String,
        /// The longest body.
        max_bytes: u64,
    },
    /// A look-up visited the most roles that it may, without a result.
    #[error("the look-up visited {0} roles without an answer")]
    TooManyRoles(usize),
    /// A visit found more roles than it may.
    #[error("there are more than {0} roles")]
    MoreRoles(usize),
    /// The roles on the way to a target, or of all chains, are longer than may be held.
    #[error("the roles that are needed are longer than {0} bytes together")]
    TooManyBytes(u64),
    /// A look-up before the refresh is done.
    #[error("a look-up comes after the refresh")]
    NotRefreshed,
    /// The answer does not belong to the step that was asked for.
    #[error("this answer does not belong to the current step")]
    WrongAnswer,
}

impl UpdateError {
    /// Whether the repository has an older timestamp than this client trusts. A replica that lags
    /// behind answers so for a moment, a repository that is rolled back does so for good: ask once
    /// more, the step is still the same request.
    pub fn is_older_timestamp(&self) -> bool {
        let timestamp = RoleName::TIMESTAMP;
        matches!(self, UpdateError::Trust(TrustError::Rollback { file, .. }) if *file == timestamp.as_str())
    }
}

/// A target that a role vouches for.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// The role that lists it.
    pub role: RoleName,
    /// Its length, hashes and custom data.
    pub file: TargetFile,
}
