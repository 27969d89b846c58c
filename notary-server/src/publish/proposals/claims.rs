//! Which proposal makes way for which.
//!
//! One role has one open proposal. Everybody who may publish the role may make it, also without a key:
//! a release manager asks those who have one. So what nobody has signed who may must keep nobody from
//! proposing who has, or a token alone would keep the keys of a role from it for a month. The same
//! holds for the places of a collection.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::name::RoleName;
use notary_schema::publish::proposal::claimed;

use super::{batch_of, named_of};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::publish::Publisher;
use crate::served::Live;
use crate::store::{NewProposal, Proposal, Proposed, ProposedFile};

impl Publisher {
    /// Stores a proposal whose signatures claim these roles, in the place of those that claim none of
    /// the roles in which they meet, and where there are too many, of the oldest that claims none at
    /// all; answers its id.
    ///
    /// # Errors
    /// [`ServiceError::RoleProposed`], [`ServiceError::TooManyProposals`].
    pub(super) async fn keep(
        &self,
        live: &Live,
        new: Arc<NewProposal>,
        claims: &BTreeSet<RoleName>,
        now: DateTime<Utc>,
    ) -> Result<String, ServiceError> {
        // Those that make way. Each may be signed between two looks at it.
        let mut over: Vec<Proposal> = Vec::new();
        for _ in 0..new.most.saturating_mul(2) {
            let proposed = self.store.propose(live.collection.id, new.clone(), &over, now).await?;
            let other = match proposed {
                Proposed::As(id) => {
                    let gun = &live.collection.gun;
                    for Proposal { id: proposal, .. } in &over {
                        tracing::info!(%gun, proposal, by = id, "displaced");
                    }
                    return Ok(id);
                }
                Proposed::TooMany(open) => {
                    let other = self.makes_room(live, &open, claims).await?;
                    other.ok_or(ServiceError::TooManyProposals(new.most))?
                }
                Proposed::RoleTaken { role, by } => {
                    let other = self.makes_way(live, &by, &new, claims).await?;
                    other.ok_or(ServiceError::RoleProposed { role, by })?
                }
            };
            over.retain(|before| before.id != other.id);
            over.push(other);
        }
        Err(ServiceError::Busy("others sign proposals of the same roles"))
    }

    /// The open proposal of this id, as it is read, where it makes way.
    async fn makes_way(
        &self,
        live: &Live,
        id: &str,
        new: &NewProposal,
        claims: &BTreeSet<RoleName>,
    ) -> Result<Option<Proposal>, ServiceError> {
        let Some((other, files)) = self.store.proposal(live.collection.id, id).await? else {
            return Ok(None);
        };
        let is_met = |role: &&RoleName| new.files.iter().any(|file| file.named.role == **role);
        let roles = other.versions.iter().map(|named| &named.role).filter(is_met);
        let contested: BTreeSet<RoleName> = roles.cloned().collect();
        if !contested.is_subset(claims) {
            return Ok(None);
        }
        let held = claims_of(live, &other, files).await?;
        Ok(held.is_disjoint(&contested).then_some(other))
    }

    /// The first of these open proposals that claims no role, for one that claims some.
    async fn makes_room(
        &self,
        live: &Live,
        open: &[String],
        claims: &BTreeSet<RoleName>,
    ) -> Result<Option<Proposal>, ServiceError> {
        for id in open.iter().filter(|_| !claims.is_empty()) {
            let found = self.store.proposal(live.collection.id, id).await?;
            let Some((other, files)) = found else { continue };
            if claims_of(live, &other, files).await?.is_empty() {
                return Ok(Some(other));
            }
        }
        Ok(None)
    }
}

/// The roles that the signatures of a proposal claim.
async fn claims_of(
    live: &Live,
    proposal: &Proposal,
    files: Vec<ProposedFile>,
) -> Result<BTreeSet<RoleName>, ServiceError> {
    let (head, named) = (live.head.clone(), named_of(proposal));
    let read =
        blocking(move || Ok::<_, ServiceError>(claimed(&head, &batch_of(files.iter(), &named)?)));
    read.await?
}
