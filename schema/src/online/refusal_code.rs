//! Codes of the signer's refusals on which the server acts: it plans anew instead of giving up.

/// The document expires by now.
pub const EXPIRED: &str = "expired";
/// The version was signed with another content.
pub const VERSION_USED: &str = "version_used";
/// The snapshot lists less than the last one signed.
pub const WOULD_LOWER: &str = "would_lower";
/// The timestamp names another snapshot than the last one signed.
pub const OTHER_SNAPSHOT: &str = "other_snapshot";
/// The signer has no such key for this role.
pub const UNKNOWN_KEY: &str = "unknown_key";
/// The key signs nothing any more.
pub const RETIRED_KEY: &str = "retired_key";
