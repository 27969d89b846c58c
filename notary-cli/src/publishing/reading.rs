//! Reads as much of a collection as a publisher needs: the roles that are changed, and those that
//! lead to them.
//!
//! Which roles lead to a role below `targets` is taken from the server's words and then verified
//! along the chain; without them only the delegations of `targets` itself are known.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::online::Lifetimes;
use notary_schema::trusted::Expiry;
use notary_schema::wire::CollectionInfo;

use crate::agent::{Agent, AgentError};
use crate::exit::Failure;
use crate::keyring::KeyEntry;
use crate::session::Session;
use crate::view::View;

/// Most delegations between `targets` and a role that are followed.
const MAX_DEPTH: usize = 32;

/// What a publisher knows of a collection.
pub(crate) struct Reading {
    /// Verified.
    pub(crate) view: View,
    /// How long its metadata lives, in the server's words.
    pub(crate) lifetimes: Lifetimes,
}

/// Reads the collection as it is now: these roles, and every role that one of these keys may sign.
/// Expired metadata is used.
pub(crate) async fn read(
    session: &Session,
    gun: &Gun,
    roles: Vec<&RoleName>,
    keys: &[KeyEntry],
    now: DateTime<Utc>,
) -> Result<Reading, Failure> {
    let mut agent = session.refreshed(gun, now, Expiry::Reported).await?;
    let info = session.server()?.info(gun).await?;
    let held: BTreeSet<&KeyId> = keys.iter().map(|key| &key.keyid).collect();
    let of_keys = info.roles.iter().filter(|role| role.keyids.iter().any(|id| held.contains(id)));
    let wanted = of_keys.map(|role| &role.name).chain(roles.iter().copied()).cloned();
    let wanted: BTreeSet<RoleName> = wanted.filter(RoleName::is_targets_role).collect();
    let delegators = delegators(&info);
    for role in &wanted {
        let followed = follow(&mut agent, &chain(role, &delegators)).await;
        match followed {
            // A role that only might be meant does not stand in the way of the others.
            Err(Failure::Agent(AgentError::Update(error))) if !roles.contains(&role) => {
                session.output.warn(format_args!("{role} could not be read: {error}"));
            }
            other => other?,
        }
    }
    let view = View::new(agent.trusted()?.clone());
    Ok(Reading { view, lifetimes: info.lifetimes })
}

fn delegators(info: &CollectionInfo) -> BTreeMap<&RoleName, &RoleName> {
    let roles = info.roles.iter();
    roles.filter_map(|role| Some((&role.name, role.delegated_by.as_ref()?))).collect()
}

/// The roles from the first below `targets` to this one.
fn chain(role: &RoleName, delegators: &BTreeMap<&RoleName, &RoleName>) -> Vec<RoleName> {
    let mut chain = Vec::new();
    let mut role = role;
    while *role != RoleName::TARGETS && chain.len() < MAX_DEPTH {
        chain.push(role.clone());
        let Some(delegator) = delegators.get(role) else { break };
        role = delegator;
    }
    chain.reverse();
    chain
}

/// Fetches a chain as far as its roles were published and are delegated to.
async fn follow(agent: &mut Agent<'_>, chain: &[RoleName]) -> Result<(), Failure> {
    let view = View::new(agent.trusted()?.clone());
    let mut reach = 0;
    let mut delegator = RoleName::TARGETS;
    for role in chain {
        if view.listed(role).is_none() {
            break;
        }
        if let Some(file) = view.file(&delegator)
            && file.signed().delegation(role).is_none()
        {
            break;
        }
        reach += 1;
        delegator = role.clone();
    }
    Ok(agent.follow(&chain[..reach]).await?)
}
