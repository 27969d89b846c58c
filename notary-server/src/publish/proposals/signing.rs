//! Signatures that come for a proposal, and its publish with the last one that is needed.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::MAX_SIGNATURES;
use notary_schema::name::{Gun, RoleName};
use notary_schema::publish::proposal::{ProposalRefusal, check_signature, is_met};
use notary_schema::publish::{Demand, Head, demands};
use notary_schema::wire::{ProposalState, PublishAnswer, SignedProposal};
use tokio::sync::Semaphore;

use super::told::state_of;
use super::{batch_of, named_of};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::publish::{Core, PublishBatch, Publisher, Sent, share};
use crate::store::{Proposal, ProposedFile, ProposedSignature};

/// How often somebody who signs starts again because another one was faster.
const MAX_MOVES: usize = 16;

/// Signatures that somebody gives for one file of a proposal.
#[derive(Debug)]
pub struct Signing {
    /// The collection.
    pub gun: Gun,
    /// The id of the proposal.
    pub proposal: String,
    /// Whose file they are for.
    pub role: RoleName,
    /// The signatures.
    pub signatures: Vec<ProposedSignature>,
}

/// A proposal with the signatures that came for it.
struct Signed {
    proposal: Proposal,
    /// Its files that are still to be published, with all signatures.
    files: Vec<ProposedFile>,
    /// Those that it did not have, and needs.
    added: Vec<ProposedSignature>,
    /// How far the thresholds are with them.
    demands: Vec<Demand>,
}

impl Publisher {
    /// Adds signatures to a proposal: those that it has already, byte for byte, are no mistake. With
    /// the last one that is needed it is published; nothing is added to one that has enough.
    ///
    /// # Errors
    /// What is wrong with a signature: none is kept then. What publishing ends with: the signatures
    /// are kept, and a repeat of the request goes on.
    pub async fn sign_proposal(
        self: &Arc<Self>,
        new: &Signing,
        memory: &Arc<Semaphore>,
        now: DateTime<Utc>,
    ) -> Result<SignedProposal, ServiceError> {
        let core = self.core().await?;
        for _ in 0..MAX_MOVES {
            let Some(signed) = self.with_signatures(new, &core, now).await? else {
                return Ok(answer(ProposalState::Published, &[], None));
            };
            let Signed { proposal, files, added, demands } = signed;
            if !added.is_empty() && !self.store.sign_proposal(&proposal, &new.role, added).await? {
                // Another one was faster: these go over what is there now.
                continue;
            }
            if !is_met(&demands) {
                return Ok(answer(ProposalState::Open, &demands, None));
            }
            let published = self.publish_proposal(&new.gun, &proposal, files, core, memory, now);
            return Ok(answer(ProposalState::Published, &[], Some(published.await?)));
        }
        Err(ServiceError::Busy("others sign the same proposal"))
    }

    /// What the proposal is with these signatures; nothing where it is published and has them.
    async fn with_signatures(
        &self,
        new: &Signing,
        core: &Core,
        now: DateTime<Utc>,
    ) -> Result<Option<Signed>, ServiceError> {
        let Signing { gun, proposal: id, role, signatures } = new;
        let Some(live) = self.ground(gun).await?.live else {
            return Err(ServiceError::UnknownCollection(gun.clone()));
        };
        let (proposal, mut files) = self.find_proposal(&live, id).await?;
        let Some(file) = files.iter().find(|file| file.named.role == *role) else {
            return Err(ProposalRefusal::NotProposed(role.clone()).into());
        };
        let lacking = lacking(file, signatures)?;
        match state_of(&proposal, &live.head, now) {
            ProposalState::Open => {}
            ProposalState::Published if lacking.is_empty() => return Ok(None),
            state => return Err(ServiceError::ProposalClosed { id: id.clone(), state }),
        }
        files.retain(|file| !file.named.is_published);
        let (head, role, core) = (live.head.clone(), role.clone(), core.clone());
        let signed = blocking(move || {
            let _core = core;
            sign(&head, proposal, files, &role, lacking)
        });
        signed.await?.map(Some)
    }

    async fn publish_proposal(
        self: &Arc<Self>,
        gun: &Gun,
        proposal: &Proposal,
        files: Vec<ProposedFile>,
        core: Core,
        memory: &Arc<Semaphore>,
        now: DateTime<Utc>,
    ) -> Result<PublishAnswer, ServiceError> {
        let memory = share(memory, files.iter().map(|file| file.signed.len()).sum())?;
        let mut by = vec![proposal.created_by.clone()];
        for signature in files.iter().flat_map(|file| &file.signatures) {
            if !by.contains(&signature.by) {
                by.push(signature.by.clone());
            }
        }
        let sent = Sent { by, may_create: false };
        let parts = files.into_iter().map(|file| (file.named.role.clone(), file.bytes().into()));
        let (of, parts, named) = (gun.clone(), parts.collect(), named_of(proposal));
        let (request, batch) =
            blocking(move || PublishBatch::read(of, sent, parts, named, Some(memory))).await??;
        let answer = self.publish(request, batch, core, now).await?;
        tracing::info!(%gun, proposal = proposal.id, seq = answer.seq, "proposal published");
        Ok(answer)
    }
}

/// Those of the signatures that the file does not have.
fn lacking(
    file: &ProposedFile,
    sent: &[ProposedSignature],
) -> Result<Vec<ProposedSignature>, ProposalRefusal> {
    let role = &file.named.role;
    let mut seen = BTreeSet::new();
    let mut lacking = Vec::new();
    for signature in sent {
        let keyid = signature.keyid.clone();
        let before = file.signatures.iter().find(|before| before.keyid == keyid);
        let is_same = before.is_some_and(|before| before.bytes == signature.bytes);
        if !seen.insert(&signature.keyid) || (before.is_some() && !is_same) {
            return Err(ProposalRefusal::SignedAlready { role: role.clone(), keyid });
        }
        if before.is_none() {
            lacking.push(signature.clone());
        }
    }
    match file.signatures.len() + lacking.len() > MAX_SIGNATURES {
        true => Err(ProposalRefusal::TooManySignatures(role.clone())),
        false => Ok(lacking),
    }
}

/// Adds signatures that verify, unless the proposal has enough without them.
fn sign(
    head: &Head,
    proposal: Proposal,
    mut files: Vec<ProposedFile>,
    role: &RoleName,
    mut new: Vec<ProposedSignature>,
) -> Result<Signed, ServiceError> {
    let named = named_of(&proposal);
    let demands_of = |files: &[ProposedFile]| {
        Ok::<_, ServiceError>(demands(Some(head), &batch_of(files.iter(), &named)?))
    };
    let before = demands_of(&files)?;
    let Some(at) = files.iter().position(|file| file.named.role == *role) else {
        // It had all that it needed and is published; what is left of the proposal goes on.
        return Ok(Signed { proposal, files, added: Vec::new(), demands: before });
    };
    let count = files[at].signatures.len();
    files[at].signatures.extend(new.iter().cloned());
    let after = demands_of(&files)?;
    new.iter().try_for_each(|new| check_signature(&after, role, &new.keyid))?;
    if is_met(&before) {
        files[at].signatures.truncate(count);
        new.clear();
    }
    Ok(Signed { proposal, files, added: new, demands: after })
}

fn answer(
    state: ProposalState,
    demands: &[Demand],
    published: Option<PublishAnswer>,
) -> SignedProposal {
    SignedProposal { state, demands: demands.iter().map(Into::into).collect(), published }
}
