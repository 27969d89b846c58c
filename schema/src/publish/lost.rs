//! What a server lacks whose database was set back to an older copy.
//!
//! The signer remembers the last snapshot that it signed, and signs none that lists less. So the next
//! snapshot goes on listing files that are not here any more: they are lost until somebody brings
//! them. A lost file comes back as *exactly the file that is listed*, by its hash, or its role goes on
//! with the version after it. Whoever lists no hash (hash bins) has the second way only.
//!
//! A file that is brought back was published once and is what clients have: it is part of the ground
//! on which the rest of a batch is judged, not a change. It is verified as a client would verify it,
//! by every delegator that is here; where the delegator itself is lost, the signed hash vouches for
//! it. What is judged anew needs its delegators: who may sign, and which paths, is what they say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chain::{delegated_parts, inside_paths};
use super::view::View;
use super::{Batch, Head, Refusal, StoredFile, replaces_online_keys};
use crate::envelope::Envelope;
use crate::name::{KeyId, RoleName};
use crate::online::{OnlineRole, Overlap};
use crate::role::{FileMeta, Root, Snapshot, Targets};

/// The entries of a snapshot whose files are not among these.
pub(super) fn lost(
    files: &BTreeMap<RoleName, StoredFile>,
    snapshot: &Snapshot,
) -> BTreeMap<RoleName, FileMeta> {
    let entries = snapshot.meta.iter();
    let lost = entries.filter_map(|(name, entry)| {
        let role = RoleName::of_file(name)?;
        is_lost(files.get(&role), &entry).then_some((role, entry))
    });
    lost.collect()
}

/// Whether an entry is for a later file than this one.
pub(super) fn is_lost(held: Option<&StoredFile>, entry: &FileMeta) -> bool {
    held.is_none_or(|held| held.version < entry.version)
}

/// Whether a file is exactly the one of its role that is lost.
pub(super) fn is_found(head: Option<&Head>, role: &RoleName, file: &Envelope<Targets>) -> bool {
    let listed = head.and_then(|head| head.lost.get(role));
    listed.is_some_and(|listed| listed.binds(file.version(), file.bytes()))
}

/// The parts of a batch that are lost files, as they are listed; and the other parts.
pub(super) fn split(head: Option<&Head>, batch: &Batch) -> (Batch, Batch) {
    let (mut found, mut others) = (Batch::default(), batch.clone());
    for (role, file) in batch.targets_parts() {
        if is_found(head, role, file) {
            found.targets.insert(role.clone(), file.clone());
            others.targets.remove(role);
        }
    }
    (found, others)
}

/// The head with lost files that are found.
pub(super) fn with_found(head: &Head, found: &Batch) -> Head {
    let mut head = head.clone();
    for (role, file) in found.targets_parts() {
        head.lost.remove(role);
        head.files.insert(role.clone(), StoredFile::loaded(file.clone()));
    }
    head
}

/// Files that are found list targets that every delegation covers which is here.
pub(super) fn found_paths(view: &View<'_>, found: &Batch) -> Result<(), Refusal> {
    delegated_parts(found).try_for_each(|(role, file)| inside_paths(view, role, file))
}

/// While a root is lost, the next one is that root, or follows it in the same batch: it names a key
/// that tells of it. Any other one has its version and is not it, and clients that have it would
/// follow nothing more. Where nobody has it, a root that replaces all online keys as compromised
/// takes its place.
pub(super) fn root(head: Option<&Head>, batch: &Batch, of_lost: &Overlap) -> Result<(), Refusal> {
    let Some((head, newest)) = head.zip(batch.root()).filter(|_| !of_lost.is_empty()) else {
        return Ok(());
    };
    let names = |root: &Arc<Envelope<Root>>, (role, keyid): (OnlineRole, &KeyId)| {
        role.listed_by(root.signed()).keyids.contains(keyid)
    };
    let mut roots = batch.earlier_roots().chain([newest]);
    let is_found = roots.any(|root| of_lost.keys().any(|key| names(root, key)));
    let online = [RoleName::SNAPSHOT, RoleName::TIMESTAMP];
    let gives_up = online.iter().all(|role| batch.compromised.contains(role))
        && replaces_online_keys(head.root.signed(), newest.signed());
    match is_found || gives_up {
        true => Ok(()),
        false => Err(Refusal::RootLost { after: head.root.version() }),
    }
}

/// What is new is judged by what its delegators say, so none of them is lost.
pub(super) fn delegators(view: &View<'_>, batch: &Batch) -> Result<(), Refusal> {
    for (role, _) in delegated_parts(batch) {
        if let Some(lost) = view.chain(role).into_iter().find(|step| view.is_lost(step.name)) {
            let (role, delegator) = (role.clone(), lost.name.clone());
            return Err(Refusal::DelegatorLost { role, delegator });
        }
    }
    Ok(())
}
