//! What somebody wants to have signed, as it is judged here: on the metadata that is trusted here, never
//! on the words of whoever brings it.
//!
//! Only the next version of a role is ever signed. Who has signed and who is missing is counted here,
//! and what the files change is told against the versions that are trusted.

pub(crate) mod carried;
pub(crate) mod ceremony;
pub(crate) mod first;
pub(crate) mod ground;
pub(crate) mod progress;
pub(crate) mod rebase;
pub(crate) mod signing;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::publish::proposal::is_overtaken;
use notary_schema::publish::{Batch, Demand, Head, Limits, Rules, check_unsigned, demands};
use notary_schema::role::Root;
use notary_schema::wire::{Proposal, ProposalDemand};

use crate::changes::files::{Changed, changed};
use crate::exit::Failure;
use crate::judging::{batch, judgeable, rules};
use crate::remote::Exempt;
use crate::view::View;

/// No life of a file is too long for a signer: that is the server's policy.
const ANY_LIFE_SECONDS: u64 = u32::MAX as u64;

/// A proposal whose files are readable.
pub(crate) struct Proposed {
    /// As it came.
    pub(crate) proposal: Proposal,
    batch: Batch,
}

/// A proposal that may be signed: its files are the next versions here, and break no rule.
pub(crate) struct Judged<'a> {
    /// Its files.
    pub(crate) files: Vec<Changed>,
    /// What it has to reach, and how far it is.
    pub(crate) demands: Vec<Demand>,
    proposed: &'a Proposed,
    /// None where the collection does not exist yet.
    view: Option<&'a View>,
}

impl Proposed {
    /// Reads the files of a proposal.
    ///
    /// # Errors
    /// A file that is not metadata of its role; a key that does not stand under its own hash, so that what
    /// is shown of it would be the id of another key.
    pub(crate) fn read(proposal: Proposal) -> Result<Proposed, Failure> {
        let files: Vec<(RoleName, Arc<[u8]>)> = proposal
            .files
            .iter()
            .map(|file| (file.name.clone(), file.file.as_bytes().into()))
            .collect();
        let exempt = Exempt {
            pending: proposal.pending.iter().cloned().collect(),
            orphan: proposal.orphan.iter().cloned().collect(),
            compromised: proposal.compromised.iter().cloned().collect(),
        };
        let batch = batch(&files, &exempt)?;
        if batch.is_empty() {
            let id = &proposal.summary.id;
            return Err(Failure::Refused(format!("the proposal {id:?} has no files")));
        }
        batch.check_key_ids(&Limits::default())?;
        Ok(Proposed { batch, proposal })
    }

    /// Its files as one publish.
    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Leaves out what is trusted here already: a part of it may have been published before the rest.
    pub(crate) fn leave_out(&mut self, view: &View) {
        let of = |role: &RoleName, version: Version| {
            let root = || view.trusted().root();
            match *role == RoleName::ROOT {
                true => (root().version() == version).then(|| root().sha256().to_owned()),
                false => {
                    let file = view.file(role).filter(|file| file.version() == version)?;
                    Some(file.sha256().to_owned())
                }
            }
        };
        self.batch = std::mem::take(&mut self.batch).without_stored(of).0;
    }

    /// The roles of its files.
    pub(crate) fn roles(&self) -> Vec<RoleName> {
        self.batch.parts().map(|(role, ..)| role).collect()
    }

    /// Judges it on what is trusted here; on nothing where it makes the collection.
    ///
    /// # Errors
    /// A version that is not the next one; the rule of publishing that it breaks; a role that could not
    /// be read here.
    pub(crate) fn judge<'a>(
        &'a self,
        view: Option<&'a View>,
        now: DateTime<Utc>,
    ) -> Result<Judged<'a>, Failure> {
        let batch = &self.batch;
        let unread = || Failure::Refused("what it changes could not be read here".to_owned());
        let head = match view {
            None => None,
            Some(view) => {
                self.refuse_other_versions(&view.head().ok_or_else(unread)?)?;
                Some(judgeable(view, batch).ok_or_else(unread)?)
            }
        };
        let lifetimes = Default::default();
        let rules = Rules { offline_max_seconds: ANY_LIFE_SECONDS, ..rules(&lifetimes, batch) };
        check_unsigned(head.as_ref(), batch, &rules, now)?;
        let demands = demands(head.as_ref(), batch);
        Ok(Judged { files: changed(batch, view), demands, proposed: self, view })
    }

    fn refuse_other_versions(&self, head: &Head) -> Result<(), Failure> {
        let (gun_id, mut parts) = (&self.proposal.summary.id, self.batch.parts());
        match parts.find(|(role, version, _)| is_overtaken(head.version(role), *version)) {
            None => Ok(()),
            Some((role, version, _)) => {
                let now = head.version(&role).map_or("none".to_owned(), |now| now.to_string());
                Err(Failure::Refused(format!(
                    "{role} {version} of the proposal {gun_id} is not the next version: the one that \
                     is trusted here is {now}"
                )))
            }
        }
    }
}

impl Judged<'_> {
    /// What it has to reach, as it is told.
    pub(crate) fn told(&self) -> Vec<ProposalDemand> {
        self.demands.iter().map(Into::into).collect()
    }

    /// The key objects that the thresholds are about.
    fn keys(&self) -> BTreeMap<&KeyId, &Key> {
        let batch = &self.proposed.batch;
        let new: Option<&Root> = batch.root().map(|root| root.signed());
        let before = self.view.map(|view| view.trusted().root().signed());
        let roots = [before, new].into_iter().flatten();
        let mut keys: BTreeMap<&KeyId, &Key> = roots.flat_map(|root| &root.keys).collect();
        for demand in &self.demands {
            let stored = self.view.and_then(|view| view.file(&demand.delegator));
            for file in stored.into_iter().chain(batch.targets(&demand.delegator)) {
                keys.extend(file.signed().delegations.iter().flat_map(|all| &all.keys));
            }
        }
        keys
    }
}

#[cfg(test)]
mod tests;
