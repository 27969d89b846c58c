//! Proposals: metadata that gathers signatures here and publishes itself when the last one that is
//! needed has come. The publish is one like any other: everything is judged again.

mod claims;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::{Envelope, MAX_SIGNATURES};
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, RoleName};
use notary_schema::publish::proposal::{
    NoProposal, ProposalRefusal, check_proposal, check_signature, claimed, is_met, lapse,
};
use notary_schema::publish::{Batch, Demand, Head, Rules, check_unsigned, demands};
use notary_schema::role::Role;
use notary_schema::wire;
use notary_schema::wire::{ProposalState, SignedProposal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::plan::Keys;
use super::{Core, Named, PublishBatch, Publisher, Sent, share};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::served::Live;
use crate::store::{
    Closed, NewProposal, Proposal, ProposedFile, ProposedSignature, ProposedVersion,
};
use told::state_of;

/// How often somebody who signs starts again because another one was faster.
const MAX_MOVES: usize = 16;

/// What a proposal is beside its files.
#[derive(Debug)]
pub struct Wish {
    /// Its id.
    pub id: String,
    /// Why it is made.
    pub reason: String,
    /// When it shall lapse, where that was asked for.
    pub lapses_at: Option<DateTime<Utc>>,
}

impl Publisher {
    /// Keeps a batch that is right and lacks signatures. A repeat finds what is kept already.
    ///
    /// # Errors
    /// The rule that it breaks; an open proposal for one of its roles; too many of them.
    pub async fn propose(
        &self,
        request: PublishBatch,
        batch: Batch,
        core: Core,
        wish: Wish,
        now: DateTime<Utc>,
    ) -> Result<wire::Proposal, ServiceError> {
        let gun = request.gun();
        let ground = self.ground(gun).await?;
        let Some(live) = ground.live else {
            return Err(ServiceError::UnknownCollection(gun.clone()));
        };
        let keys = match batch.root() {
            Some(_) => self.keys_now(&live.collection).await?,
            None => Keys::default(),
        };
        let head = self.load_missing(&live.collection, &live.head, &batch).await?;
        self.snapshot_fits(Some(&head), &batch)?;
        let rules = self.rules(&self.lifetimes_of(&live.collection), keys);
        let lapses_at = wish.lapses_at;
        let by = request.by().join(",");
        let signer = by.clone();
        let judged = blocking(move || {
            let _core = core;
            check(&head, &batch, &rules, now)?;
            let lapses_at = lapse(&batch, lapses_at, now)?;
            let claimed = claimed(&head, &batch);
            Ok::<_, ServiceError>((files_of(&batch, &signer, now), lapses_at, claimed))
        });
        let (files, lapses_at, claimed) = judged.await??;
        let Named { pending, orphan, compromised, .. } = request.named().clone();
        let new = NewProposal {
            id: wish.id,
            reason: wish.reason,
            created_by: by,
            lapses_at,
            pending,
            orphan,
            compromised,
            files,
            over: Vec::new(),
            most: self.limits.proposals,
            head: live.head.clone(),
        };
        let id = self.keep(&live, new, &claimed, now).await?;
        self.tell(&live, &id, now).await
    }

    /// Adds signatures to a proposal: those that it has already, byte for byte, are no mistake. With
    /// the last one that is needed it is published; nothing is added to one that has enough.
    ///
    /// # Errors
    /// What is wrong with a signature: none is kept then. What publishing ends with: the signatures
    /// are kept, and a repeat of the request goes on.
    pub async fn sign_proposal(
        self: &Arc<Self>,
        (gun, id): (&Gun, &str),
        (role, signatures): (RoleName, Vec<ProposedSignature>),
        memory: &Arc<Semaphore>,
        now: DateTime<Utc>,
    ) -> Result<SignedProposal, ServiceError> {
        let core = self.core().await?;
        for _ in 0..MAX_MOVES {
            let Some(live) = self.ground(gun).await?.live else {
                return Err(ServiceError::UnknownCollection(gun.clone()));
            };
            let (proposal, mut files) = self.find_proposal(&live, id).await?;
            let file = files.iter().find(|file| file.named.role == role);
            let file = file.ok_or_else(|| ProposalRefusal::NotProposed(role.clone()))?;
            let mut new = new_signatures(file, &signatures)?;
            let is_published = file.named.is_published;
            files.retain(|file| !file.named.is_published);
            match state_of(&proposal, &live.head, now) {
                ProposalState::Open => {}
                state @ ProposalState::Published if new.is_empty() => {
                    return Ok(signed_proposal(state, &[], None));
                }
                state => return Err(ServiceError::ProposalClosed { id: id.to_owned(), state }),
            }
            if is_published {
                // It has all that it needed; what is left of the proposal goes on.
                new.clear();
            }
            let (head, named, signed) = (live.head.clone(), named_of(&proposal), role.clone());
            let (core_of_task, added) = (core.clone(), new.clone());
            let judged = blocking(move || {
                let _core = core_of_task;
                let before = demands(Some(&head), &batch_of(files.iter(), &named)?);
                let after = with_signatures(&head, files.clone(), &named, &signed, added)?;
                Ok::<_, ServiceError>((files, named, is_met(&before), after))
            });
            let (files, named, has_enough, after) = judged.await??;
            if has_enough {
                let length = files.iter().map(|file| file.signed.len()).sum();
                let sent = (files, named, share(memory, length)?);
                let published = self.publish_proposal(gun, &proposal, sent, core, now).await?;
                return Ok(signed_proposal(ProposalState::Published, &[], Some(published)));
            }
            let is_kept = new.is_empty() || self.store.sign_proposal(&proposal, &role, new).await?;
            // What is published is what everybody reads, so with the last signature it is read again.
            if is_kept && !is_met(&after) {
                return Ok(signed_proposal(ProposalState::Open, &after, None));
            }
        }
        Err(ServiceError::Busy("others sign the same proposal"))
    }

    async fn publish_proposal(
        self: &Arc<Self>,
        gun: &Gun,
        proposal: &Proposal,
        (files, named, memory): (Vec<ProposedFile>, Named, OwnedSemaphorePermit),
        core: Core,
        now: DateTime<Utc>,
    ) -> Result<wire::PublishAnswer, ServiceError> {
        let mut by = vec![proposal.created_by.clone()];
        for signature in files.iter().flat_map(|file| &file.signatures) {
            if !by.contains(&signature.by) {
                by.push(signature.by.clone());
            }
        }
        let (gun, id) = (gun.clone(), proposal.id.clone());
        let parts = files.into_iter().map(|file| (file.named.role.clone(), file.bytes().into()));
        let parts = parts.collect();
        let (sent, memory) = (Sent { by, may_create: false }, Some(memory));
        let (request, batch) =
            blocking(move || PublishBatch::read(gun, sent, parts, named, memory)).await??;
        let gun = request.gun().clone();
        let answer = self.publish(request, batch, core, now).await?;
        tracing::info!(%gun, proposal = id, seq = answer.seq, "proposal published");
        Ok(answer)
    }

    /// Takes a proposal back, for its author or an administrator. A repeat is fine.
    ///
    /// # Errors
    /// [`ServiceError::Forbidden`] for anybody else; [`ServiceError::ProposalClosed`] when it is
    /// published.
    pub async fn cancel_proposal(
        &self,
        live: &Live,
        id: &str,
        (by, may_any): (&str, bool),
        now: DateTime<Utc>,
    ) -> Result<(), ServiceError> {
        let (proposal, _) = self.find_proposal(live, id).await?;
        if proposal.created_by != by && !may_any {
            let text =
                format!("{id} was made by {}, and the token is not admin", proposal.created_by);
            return Err(ServiceError::Forbidden(text));
        }
        if self.store.cancel_proposal(id, now).await? {
            return Ok(());
        }
        match self.find_proposal(live, id).await?.0.closed {
            Some(Closed::Published(_)) => {
                let state = ProposalState::Published;
                Err(ServiceError::ProposalClosed { id: id.to_owned(), state })
            }
            _ => Ok(()),
        }
    }

    async fn find_proposal(
        &self,
        live: &Live,
        id: &str,
    ) -> Result<(Proposal, Vec<ProposedFile>), ServiceError> {
        let found = self.store.proposal(live.collection.id, id).await?;
        found.ok_or_else(|| ServiceError::UnknownProposal(id.chars().take(80).collect()))
    }
}

fn signed_proposal(
    state: ProposalState,
    demands: &[Demand],
    published: Option<wire::PublishAnswer>,
) -> SignedProposal {
    SignedProposal { state, demands: demands.iter().map(Into::into).collect(), published }
}

fn check(
    head: &Head,
    batch: &Batch,
    rules: &Rules,
    now: DateTime<Utc>,
) -> Result<(), ServiceError> {
    check_unsigned(Some(head), batch, rules, now)?;
    check_proposal(head, batch).map(drop).map_err(|error| match error {
        NoProposal::Refused(refusal) => refusal.into(),
        NoProposal::Proposal(refusal) => refusal.into(),
    })
}

/// The files of a batch, whose signatures verify.
fn files_of(batch: &Batch, by: &str, now: DateTime<Utc>) -> Vec<ProposedFile> {
    let root = batch.root().map(|root| file_of(&RoleName::ROOT, root, by, now));
    let targets = batch.targets_parts().map(|(role, file)| file_of(role, file, by, now));
    root.into_iter().chain(targets).collect()
}

fn file_of<T: Role>(
    role: &RoleName,
    file: &Envelope<T>,
    by: &str,
    now: DateTime<Utc>,
) -> ProposedFile {
    let signed_sha256 = sha256_hex(file.message());
    let given = |signature: &notary_schema::envelope::Signature| {
        let (keyid, bytes) = (signature.keyid.clone(), signature.bytes.clone()?);
        Some(ProposedSignature { keyid, bytes, at: now, by: by.to_owned() })
    };
    ProposedFile {
        named: ProposedVersion {
            role: role.clone(),
            version: file.version(),
            signed_sha256,
            is_published: false,
        },
        signed: file.signed_text().to_vec(),
        signatures: file.signatures().iter().filter_map(given).collect(),
    }
}

fn named_of(proposal: &Proposal) -> Named {
    let Proposal { pending, orphan, compromised, .. } = proposal.clone();
    Named { pending, orphan, compromised, ..Named::default() }
}

/// The files that are still to be published.
fn unpublished(files: &[ProposedFile]) -> impl Iterator<Item = &ProposedFile> {
    files.iter().filter(|file| !file.named.is_published)
}

fn batch_of<'a>(
    files: impl Iterator<Item = &'a ProposedFile>,
    named: &Named,
) -> Result<Batch, ServiceError> {
    let mut batch = named.batch();
    for file in files {
        batch.add(file.named.role.clone(), file.bytes().into())?;
    }
    Ok(batch)
}

/// Those of the signatures that the file does not have.
fn new_signatures(
    file: &ProposedFile,
    sent: &[ProposedSignature],
) -> Result<Vec<ProposedSignature>, ProposalRefusal> {
    let role = &file.named.role;
    let mut seen = BTreeSet::new();
    let mut new = Vec::new();
    for signature in sent {
        let keyid = signature.keyid.clone();
        let before = file.signatures.iter().find(|before| before.keyid == keyid);
        let is_same = before.is_some_and(|before| before.bytes == signature.bytes);
        if !seen.insert(&signature.keyid) || (before.is_some() && !is_same) {
            return Err(ProposalRefusal::SignedAlready { role: role.clone(), keyid });
        }
        if before.is_none() {
            new.push(signature.clone());
        }
    }
    match file.signatures.len() + new.len() > MAX_SIGNATURES {
        true => Err(ProposalRefusal::TooManySignatures(role.clone())),
        false => Ok(new),
    }
}

/// How far the thresholds are with these signatures, each of which verifies.
fn with_signatures(
    head: &Head,
    mut files: Vec<ProposedFile>,
    named: &Named,
    role: &RoleName,
    new: Vec<ProposedSignature>,
) -> Result<Vec<Demand>, ServiceError> {
    let keyids: Vec<_> = new.iter().map(|signature| signature.keyid.clone()).collect();
    for file in files.iter_mut().filter(|file| file.named.role == *role) {
        file.signatures.extend(new.iter().cloned());
    }
    let demands = demands(Some(head), &batch_of(files.iter(), named)?);
    keyids.iter().try_for_each(|keyid| check_signature(&demands, role, keyid))?;
    Ok(demands)
}
