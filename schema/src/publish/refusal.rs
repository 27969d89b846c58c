//! Why a publish is refused.

use crate::envelope::EnvelopeError;
use crate::name::{KeyId, NameError, RoleName, Version};
use crate::path::PathError;
use crate::role::{Expires, FileMeta};
use crate::threshold::ThresholdNotMet;
use crate::trusted::TrustError;

/// The stable word for a key that is revoked.
pub(super) const KEY_REVOKED: &str = "key_revoked";

/// The first rule that a batch breaks. Nothing of a refused batch is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A part is not readable metadata of its role.
    #[error("{role}: {error}")]
    Unreadable {
        /// The role that the part is named after.
        role: RoleName,
        /// What is wrong.
        error: EnvelopeError,
    },
    /// Two parts of one role.
    #[error("{0} is in the request twice; send one file for each role")]
    RepeatedPart(RoleName),
    /// A snapshot or timestamp was sent.
    #[error("{0} is signed by the service itself; send root, targets and delegated roles only")]
    OnlineRole(RoleName),
    /// The first publish is not root 1 with targets 1.
    #[error("the first publish of a collection needs root 1 and targets 1; {0} is missing")]
    FirstPublish(RoleName),
    /// The version of a part is not the next one, and the file is not one that is stored.
    #[error(
        "{role}: the current version is {}, so the next one must be {expected}, not {sent}",
        current.as_ref().map_or("none".into(), |current| current.0.to_string())
    )]
    VersionConflict {
        /// The role.
        role: RoleName,
        /// The current version and the SHA-256 of its file, if there is one.
        current: Option<(Version, String)>,
        /// The version that would be accepted.
        expected: Version,
        /// The version that was sent.
        sent: Version,
    },
    /// The file that clients are told of was lost when the database was set back, and the part is
    /// neither that file nor the one after it.
    #[error(
        "{role}: version {} was lost when the database of the server was set back: bring exactly \
         that file{} with `notary repair`, or publish the version after it, not {sent}",
        listed.version,
        listed.hashes.as_ref().and_then(|it| it.sha256()).map_or(String::new(), |it| format!(" ({it})"))
    )]
    Lost {
        /// The role.
        role: RoleName,
        /// What is lost.
        listed: FileMeta,
        /// The version that was sent.
        sent: Version,
    },
    /// What the delegator of a role says is lost.
    #[error(
        "{role} cannot be judged: the current file of {delegator}, which delegates to it, was lost \
         when the database of the server was set back; bring that one first with `notary repair`"
    )]
    DelegatorLost {
        /// The role.
        role: RoleName,
        /// Who delegates on the way to it.
        delegator: RoleName,
    },
    /// The signer has signed with a key of a root that is lost, and no root of the batch names one:
    /// alone, a lost root that changed no online key cannot be told from another one in its place,
    /// and clients that have it would follow nothing more.
    #[error(
        "root: the root after {after} was lost when the database of the server was set back. No key \
         of the signer tells whether this is it or another one: where it is, bring it in one request \
         with the roots after it, up to one that changed a key of snapshot or timestamp (`notary \
         repair` does). Where nobody has the lost one, `notary recover` makes a root that takes its \
         place (`compromised=snapshot` and `compromised=timestamp`, with other keys for both): \
         clients that have the lost one must pin anew"
    )]
    RootLost {
        /// The newest root that is here.
        after: Version,
    },
    /// Too few keys have signed.
    #[error(transparent)]
    Threshold(#[from] ThresholdNotMet),
    /// The root changes who signs targets, and clients that do not have it yet would refuse targets.
    #[error(
        "targets is signed by {} of {} keys that root {version} asks for, so clients that have not \
         seen the new root yet would refuse it: sign targets with the old keys, too, or send \
         `compromised=targets`",
        missing.report.valid.len(), missing.report.threshold
    )]
    OverlapMissing {
        /// The root that clients have.
        version: Version,
        /// How far its threshold is.
        missing: ThresholdNotMet,
    },
    /// A part is expired already.
    #[error("{role} expires at {expires}, which is not in the future; sign it with a later date")]
    Expired {
        /// The role.
        role: RoleName,
        /// Its date.
        expires: Expires,
    },
    /// A part lives longer than the collection allows.
    #[error("{role} expires at {expires}, later than the {max_seconds} s that the policy allows")]
    ExpiresTooLate {
        /// The role.
        role: RoleName,
        /// Its date.
        expires: Expires,
        /// The longest life, in seconds.
        max_seconds: u64,
    },
    /// A root without `consistent_snapshot: true`.
    #[error("root: \"consistent_snapshot\" must be true")]
    NotConsistent,
    /// A root with something that clients in the field cannot read. No later root could repair it:
    /// every client reads every root.
    #[error("root: {what} is unreadable to clients in the field, which no later root can repair")]
    RootUnreadable {
        /// What is in the way.
        what: String,
    },
    /// A key stands under an id that is not the hash of the key object.
    #[error("{role}: the key {listed} must be listed under its hash {expected}")]
    KeyIdMismatch {
        /// The role whose file lists the key.
        role: RoleName,
        /// The id in the file.
        listed: KeyId,
        /// The id that belongs to the key.
        expected: KeyId,
    },
    /// A role names a key that is not in `keys`.
    #[error("{listed_in}: {role} names the key {keyid}, which is not in \"keys\"")]
    UnknownKey {
        /// The role whose file is wrong.
        listed_in: RoleName,
        /// The role that names the key.
        role: RoleName,
        /// The key.
        keyid: KeyId,
    },
    /// A role names a revoked key that it did not name before.
    #[error(
        "{listed_in}: {role} names the key {keyid}, which is revoked; name another one, or take the \
         revocation back first"
    )]
    KeyRevoked {
        /// The role whose file is wrong.
        listed_in: RoleName,
        /// The role that names the key.
        role: RoleName,
        /// The key.
        keyid: KeyId,
    },
    /// A threshold that the listed keys cannot reach.
    #[error(
        "{listed_in}: {role} asks for {threshold} keys and lists {usable} distinct ones that are \
         readable here and not revoked"
    )]
    ThresholdUnreachable {
        /// The role whose file is wrong.
        listed_in: RoleName,
        /// The role with the threshold.
        role: RoleName,
        /// The threshold.
        threshold: u32,
        /// How many distinct, readable keys it lists.
        usable: usize,
    },
    /// The root's snapshot or timestamp keys are not those of the signer.
    #[error(
        "root: the signer signs with {held} of the keys listed for {role} (of a key and its stand-by \
         with one), fewer than its threshold of {threshold}; ask the server for the online keys and list \
         them"
    )]
    OnlineKeysNotHeld {
        /// snapshot or timestamp.
        role: RoleName,
        /// How many of the listed keys the signer holds.
        held: usize,
        /// The threshold.
        threshold: u32,
    },
    /// More of something than the limit.
    #[error("{role}: {found} {what}, more than the limit of {limit}")]
    TooMany {
        /// The role.
        role: RoleName,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        found: u64,
        /// How many there may be.
        limit: u64,
    },
    /// A target name that we do not publish.
    #[error("{role}: {error}")]
    TargetName {
        /// The role.
        role: RoleName,
        /// What is wrong with the name.
        error: NameError,
    },
    /// A target that clients of the field cannot read or verify.
    #[error("{role}: the target {target:?} {problem}")]
    Target {
        /// The role.
        role: RoleName,
        /// The target.
        target: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A delegation to a name that we do not create.
    #[error("{delegator}: {error}")]
    DelegatedName {
        /// The role with the delegation.
        delegator: RoleName,
        /// What is wrong with the name.
        error: NameError,
    },
    /// A delegation to a name that is in use.
    #[error("{delegator} cannot delegate to {role}: {taken_by}; choose another name")]
    RoleNameTaken {
        /// The role with the new delegation.
        delegator: RoleName,
        /// The name.
        role: RoleName,
        /// Who has it.
        taken_by: String,
    },
    /// A path that clients read differently.
    #[error("{delegator}: in the delegation to {role}, {error}")]
    DelegatedPath {
        /// The role with the delegation.
        delegator: RoleName,
        /// The delegated role.
        role: RoleName,
        /// What is wrong.
        error: PathError,
    },
    /// No delegation leads to the role.
    #[error("{0} is not delegated to; its delegator must publish the delegation first")]
    NotDelegated(RoleName),
    /// A target outside the paths of a delegation on the way to its role.
    #[error("{role} may not list {target:?}: {delegator} delegates only other paths to {via}")]
    OutsidePaths {
        /// The role that lists the target.
        role: RoleName,
        /// The target.
        target: String,
        /// The role whose delegation does not cover it.
        delegator: RoleName,
        /// The role that this delegation leads to.
        via: RoleName,
    },
    /// The batch makes stored roles unverifiable without naming them.
    #[error(
        "this would orphan {}: name each with `orphan=` if that is meant, or publish it again in \
         the same request", RoleName::list(.0)
    )]
    WouldOrphan(Vec<RoleName>),
    /// The batch delegates to roles without a file and does not name them.
    #[error(
        "{} would have no file: publish the first one in the same request, or name each with \
         `pending=`", RoleName::list(.0)
    )]
    Pending(Vec<RoleName>),
    /// A role delegates to succinct bins and some of them have no file.
    #[error(
        "{delegator} delegates to bins without a file: {}; publish the first file of each in the \
         same request",
        RoleName::list(missing)
    )]
    MissingBins {
        /// The role with the delegation.
        delegator: RoleName,
        /// The bins without a file.
        missing: Vec<RoleName>,
    },
    /// A parameter names roles for which nothing of the kind happens.
    #[error("`{parameter}=` names {} without need", RoleName::list(roles))]
    NamedWithoutNeed {
        /// `orphan`, `pending` or `compromised`.
        parameter: &'static str,
        /// The roles.
        roles: Vec<RoleName>,
    },
    /// A repository that is to be taken over is not what clients would trust.
    #[error("the repository that is taken over is not verified: {0}")]
    Adopted(TrustError),
    /// A repository that is to be taken over lists a file that could be any.
    #[error(
        "{0} is listed without a hash, and no delegation leads to it: neither a key nor a hash vouches \
         for its file; have it published again where it comes from, with the hash in the snapshot"
    )]
    NotVouched(RoleName),
    /// A repository that is to be taken over lacks a file.
    #[error(
        "{0} is missing: what is taken over comes with all its roots, its timestamp, its snapshot, \
         and every file that this lists"
    )]
    NotWhole(String),
    /// Earlier roots without the newest one.
    #[error("earlier roots come together with the newest one, which is the part \"root\"")]
    NoNewestRoot,
    /// A chain of delegations that clients do not follow.
    #[error("a chain of {depth} delegations is longer than the limit of {limit}")]
    TooDeep {
        /// The length of the chain.
        depth: usize,
        /// The limit.
        limit: usize,
    },
}

impl Refusal {
    /// The stable word for this refusal.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Unreadable { .. } => "unreadable",
            Refusal::RepeatedPart(_) => "repeated_part",
            Refusal::OnlineRole(_) => "online_role",
            Refusal::FirstPublish(_) => "first_publish",
            Refusal::VersionConflict { .. } => "version_conflict",
            Refusal::Lost { .. } => "lost_in_restore",
            Refusal::DelegatorLost { .. } => "delegator_lost",
            Refusal::RootLost { .. } => "root_lost",
            Refusal::Threshold(_) => "threshold_not_met",
            Refusal::OverlapMissing { .. } => "overlap_missing",
            Refusal::Expired { .. } => "expired",
            Refusal::ExpiresTooLate { .. } => "expires_too_late",
            Refusal::NotConsistent => "not_consistent_snapshot",
            Refusal::RootUnreadable { .. } => "root_unreadable",
            Refusal::KeyIdMismatch { .. } => "keyid_mismatch",
            Refusal::UnknownKey { .. } => "unknown_key",
            Refusal::KeyRevoked { .. } => KEY_REVOKED,
            Refusal::ThresholdUnreachable { .. } => "threshold_unreachable",
            Refusal::OnlineKeysNotHeld { .. } => "online_keys_not_held",
            Refusal::TooMany { .. } => "too_many",
            Refusal::TargetName { .. } => "target_name",
            Refusal::Target { .. } => "target",
            Refusal::DelegatedName { .. } => "role_name",
            Refusal::RoleNameTaken { .. } => "role_name_taken",
            Refusal::DelegatedPath { .. } => "delegated_path",
            Refusal::NotDelegated(_) => "not_delegated",
            Refusal::OutsidePaths { .. } => "outside_paths",
            Refusal::WouldOrphan(_) => "would_orphan",
            Refusal::Pending(_) => "pending_role",
            Refusal::MissingBins { .. } => "missing_bins",
            Refusal::NamedWithoutNeed { .. } => "named_without_need",
            Refusal::Adopted(_) | Refusal::NotVouched(_) => "adopted_unverified",
            Refusal::NotWhole(_) => "adopted_not_whole",
            Refusal::NoNewestRoot => "no_newest_root",
            Refusal::TooDeep { .. } => "delegation_too_deep",
        }
    }
}
