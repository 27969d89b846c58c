//! Signed files, as the server will judge them: what they are together, on which head, by which rules.

use std::sync::Arc;

use notary_schema::name::{KeyId, RoleName};
use notary_schema::online::{HeldKeys, Lifetimes, OnlineRole};
use notary_schema::publish::{Batch, Head, Rules};
use notary_schema::role::Root;

use crate::exit::Failure;
use crate::remote::Exempt;
use crate::view::View;

/// What these files are as one publish.
pub(crate) fn batch(files: &[(RoleName, Arc<[u8]>)], exempt: &Exempt) -> Result<Batch, Failure> {
    let mut batch = Batch::default();
    batch.pending = exempt.pending.clone();
    batch.orphan = exempt.orphan.clone();
    batch.compromised = exempt.compromised.clone();
    for (role, bytes) in files {
        batch.add(role.clone(), bytes.clone())?;
    }
    Ok(batch)
}

/// The head to judge on, where every file that the rules look into is at hand.
pub(crate) fn judgeable(view: &View, batch: &Batch) -> Option<Head> {
    view.head().filter(|head| head.missing(batch).is_empty())
}

/// The rules of this collection.
pub(crate) fn rules(lifetimes: &Lifetimes, batch: &Batch) -> Rules {
    let offline_max_seconds = lifetimes.offline_max_seconds;
    // Whether the signer holds them is the server's to say.
    let held_keys = batch.root().map(|root| online_keys(root.signed())).unwrap_or_default();
    Rules { offline_max_seconds, held_keys, ..Rules::default() }
}

/// The online keys that a root names.
fn online_keys(root: &Root) -> HeldKeys {
    let keys = |role: OnlineRole| -> Vec<(OnlineRole, KeyId)> {
        let keyids = role.listed_by(root).keyids.iter();
        keyids.map(|keyid| (role, keyid.clone())).collect()
    };
    OnlineRole::BOTH.into_iter().flat_map(keys).collect()
}
