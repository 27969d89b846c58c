//! Which proposal makes way for which.
//!
//! One role has one open proposal. Everybody who may publish the role may make it, also without a key:
//! a release manager asks those who have one. So what nobody has signed who may must keep nobody from
//! proposing who has, or a token alone would keep the keys of a role from it for a month.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use notary_schema::name::RoleName;
use notary_schema::publish::proposal::claimed;

use super::{batch_of, named_of};
use crate::error::ServiceError;
use crate::panics::blocking;
use crate::publish::Publisher;
use crate::served::Live;
use crate::store::{NewProposal, Proposal, Proposed};

impl Publisher {
    /// Stores a proposal whose signatures claim these roles, in the place of those that claim none of
    /// the roles in which they meet; answers its id.
    ///
    /// # Errors
    /// [`ServiceError::RoleProposed`], [`ServiceError::TooManyProposals`].
    pub(super) async fn keep(
        &self,
        live: &Live,
        mut new: NewProposal,
        claims: &BTreeSet<RoleName>,
        now: DateTime<Utc>,
    ) -> Result<String, ServiceError> {
        // Each may be signed between two looks at it.
        for _ in 0..new.most.saturating_mul(2) {
            match self.store.propose(live.collection.id, new.clone(), now).await? {
                Proposed::As(id) => {
                    let gun = &live.collection.gun;
                    for Proposal { id: proposal, .. } in &new.over {
                        tracing::info!(%gun, proposal, by = id, "displaced");
                    }
                    return Ok(id);
                }
                Proposed::TooMany(most) => return Err(ServiceError::TooManyProposals(most)),
                Proposed::RoleTaken { role, by } => {
                    let Some(other) = self.makes_way(live, &by, &new, claims).await? else {
                        return Err(ServiceError::RoleProposed { role, by });
                    };
                    new.over.retain(|before| before.id != by);
                    new.over.push(other);
                }
            }
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
        let (head, named) = (live.head.clone(), named_of(&other));
        let held = blocking(move || {
            Ok::<_, ServiceError>(claimed(&head, &batch_of(files.iter(), &named)?))
        });
        let is_free = held.await??.is_disjoint(&contested);
        Ok(is_free.then_some(other))
    }
}
