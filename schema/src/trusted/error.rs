//! Why a file is not trusted.

use crate::envelope::EnvelopeError;
use crate::name::{NameError, RoleName, Version};
use crate::role::Expires;
use crate::threshold::ThresholdNotMet;

/// Why a file is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// It is not readable metadata of its role.
    #[error("{role}: {error}")]
    Unreadable {
        /// The role.
        role: RoleName,
        /// What is wrong.
        error: EnvelopeError,
    },
    /// Too few keys have signed it.
    #[error(transparent)]
    Threshold(#[from] ThresholdNotMet),
    /// A root that is not the version after the trusted one.
    #[error("root: version {found} where {expected} was expected")]
    RootVersion {
        /// The version after the trusted one.
        expected: Version,
        /// The version in the file.
        found: Version,
    },
    /// A version, of the file or of an entry, is lower than one that was trusted before.
    #[error("{file} goes back from version {trusted} to {found}")]
    Rollback {
        /// `timestamp`, `snapshot` or the file name of an entry.
        file: String,
        /// The version that was trusted.
        trusted: Version,
        /// The version that was offered.
        found: Version,
    },
    /// An entry of the trusted snapshot is missing in the next one.
    #[error("snapshot: the entry {0:?} of the trusted snapshot is missing")]
    EntryGone(String),
    /// No entry of the snapshot is for this role.
    #[error("{0} is delegated to and not listed in the snapshot")]
    NotListed(RoleName),
    /// It does not have the length or the hashes that are listed.
    #[error("{0} does not have the length and hashes that are listed for it")]
    OtherFile(RoleName),
    /// It does not have the version that is listed.
    #[error("{role}: version {found} where version {listed} is listed")]
    OtherVersion {
        /// The role.
        role: RoleName,
        /// The version in the timestamp or snapshot.
        listed: Version,
        /// The version in the file.
        found: Version,
    },
    /// It is expired.
    #[error("{role} expired at {expires}")]
    Expired {
        /// The role.
        role: RoleName,
        /// When it expired.
        expires: Expires,
    },
    /// The delegator does not delegate to this role.
    #[error("{delegator} does not delegate to {role}")]
    NotDelegated {
        /// The role.
        role: RoleName,
        /// Who was said to delegate to it.
        delegator: RoleName,
    },
    /// A step was taken before the one that it builds on, or after one that must come later.
    #[error("{0}")]
    OutOfOrder(&'static str),
    /// The root has the last version that there is.
    #[error(transparent)]
    NoNextVersion(#[from] NameError),
}
