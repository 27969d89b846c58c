//! Proposals: metadata that gathers signatures here and publishes itself when the last one that is
//! needed has come. The publish is one like any other: everything is judged again.

mod claims;
mod signing;
mod told;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::RoleName;
use notary_schema::publish::proposal::{NoProposal, check_proposal, claimed, lapse};
use notary_schema::publish::{Batch, Head, Rules, check_unsigned};
use notary_schema::role::Role;
use notary_schema::wire;
use notary_schema::wire::ProposalState;

use super::plan::Keys;
use super::{Core, Named, PublishBatch, Publisher};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::served::Live;
use crate::store::{
    Closed, NewProposal, Proposal, ProposedFile, ProposedSignature, ProposedVersion,
};
pub use signing::Signing;

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
            most: self.limits.proposals,
            head: live.head.clone(),
        };
        let id = self.keep(&live, new.into(), &claimed, now).await?;
        self.tell(&live, &id, now).await
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
