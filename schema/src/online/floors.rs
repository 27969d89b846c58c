//! Below what no snapshot goes: what the signer has signed, whatever the server knows of it.
//!
//! A server whose database was set back to an older copy lists less than the signer remembers, which
//! the signer refuses. So it takes over what the signer's last snapshot lists, and goes on from there.
//! Roots are in no snapshot: keys that have signed tell of those.

use std::collections::BTreeMap;

use crate::envelope::{Envelope, Signature};
use crate::name::{KeyId, RoleName};
use crate::online::{HeldKeys, OnlineRole, Overlap};
use crate::role::{FileMeta, Listing, Root, Snapshot, Timestamp};

/// The entries of the last snapshot that was signed which another one does not list, or lists lower or
/// otherwise: the next snapshot has them as they are here, or higher.
pub fn floors(signed: &Snapshot, other: Option<&Snapshot>) -> BTreeMap<RoleName, FileMeta> {
    let nothing = Listing::default();
    let other = other.map_or(&nothing, |other| &other.meta);
    let is_below = |signed: &FileMeta, other: Option<FileMeta>| {
        other.is_none_or(|other| other.version <= signed.version && other != *signed)
    };
    let changes = signed.meta.changes(other);
    let below = changes.filter(|(_, signed, other)| is_below(signed, other.clone()));
    below.filter_map(|(name, entry, _)| Some((RoleName::of_file(name)?, entry))).collect()
}

/// Whether a key that has signed tells of a root that is lost: nobody has asked it to sign for the
/// database as it is (`is_asked`), and the newest root there does not name it. A key that was made and
/// waited for its root when the database was copied has signed since, too.
pub fn tells_of_lost_root(
    role: OnlineRole,
    keyid: &KeyId,
    is_asked: bool,
    newest: Option<&Root>,
) -> bool {
    !is_asked && newest.is_none_or(|root| !role.listed_by(root).keyids.contains(keyid))
}

/// The keys that have signed what a database serves, and that its newest root does not list. A root
/// that adds keys has them sign first, and follows within seconds: where the database was set back to a
/// copy of these seconds, they tell of that root, unless a root there has taken them away. Of a key and
/// its stand-by one has signed, and the other one was asked with it, where the root lists both.
pub fn signed_ahead(
    newest: &Root,
    held: &HeldKeys,
    snapshot: &Envelope<Snapshot>,
    timestamp: &Envelope<Timestamp>,
) -> Overlap {
    let of = |role: OnlineRole, signatures: &[Signature]| -> Vec<(OnlineRole, KeyId)> {
        let listed = &role.listed_by(newest).keyids;
        let signers = signatures.iter().map(|one| &one.keyid);
        let both = signers.flat_map(|keyid| [Some(keyid), held.other_half(keyid)]).flatten();
        let ahead = both.filter(|keyid| !listed.contains(keyid));
        ahead.map(|keyid| (role, keyid.clone())).collect()
    };
    let snapshot = of(OnlineRole::Snapshot, snapshot.signatures());
    let timestamp = of(OnlineRole::Timestamp, timestamp.signatures());
    snapshot.into_iter().chain(timestamp).collect()
}
