//! Reads as much of a collection as a publisher needs: the roles that are changed, and those that
//! lead to them.
//!
//! Delegations are followed from `targets` on. Where they do not lead to a changed role by
//! themselves, the server is asked for the way, which is then verified step by step.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, RoleName};
use notary_schema::online::Lifetimes;
use notary_schema::role::Targets;
use notary_schema::updater::UpdateError;
use notary_schema::wire::CollectionInfo;

use super::earlier::Earlier;
use super::revoked::revoked_keys;
use crate::agent::{Agent, AgentError};
use crate::exit::Failure;
use crate::keyring::listed;
use crate::session::Session;
use crate::trust_dir::MetadataDir;
use crate::view::View;
use crate::wanted::Wanted;

static TARGETS: RoleName = RoleName::TARGETS;

/// Most delegations between `targets` and a role that are followed.
const MAX_DEPTH: usize = 32;
/// Most roles that the server is asked for in one request.
const ASKED_AT_ONCE: usize = 50;

/// What a publisher knows of a collection.
pub(crate) struct Reading {
    /// Verified, but for the keys that the server says are revoked.
    pub(crate) view: View,
    /// How long its metadata lives, in the server's words.
    pub(crate) lifetimes: Lifetimes,
}

/// Reads the collection as it is now, as far as it is wanted. Expired metadata is used.
pub(crate) async fn read(
    session: &Session,
    gun: &Gun,
    wanted: Wanted<'_>,
    now: DateTime<Utc>,
) -> Result<Reading, Failure> {
    let agent = session.refreshed_to_publish(gun, now).await?;
    let (reached, earlier) = (BTreeMap::new(), BTreeMap::new());
    let mut walk = Walk {
        session,
        agent,
        wanted,
        reached,
        earlier,
        stored: session.collection(gun)?.trusted(),
    };
    if walk.agent.trusted()?.targets(&TARGETS).is_none() {
        walk.find_earlier_targets(gun).await?;
    }
    walk.descend(Vec::new()).await?;
    let mut asked = BTreeSet::new();
    let lifetimes = loop {
        let unknown = wanted.roles.iter().filter(|role| !walk.reached.contains_key(role));
        let unknown = unknown.filter(|role| !role.is_top_level() && !asked.contains(*role));
        let mut some: Vec<RoleName> = unknown.take(ASKED_AT_ONCE).cloned().collect();
        let is_last = some.len() < ASKED_AT_ONCE;
        if some.is_empty() {
            some.push(RoleName::TARGETS);
        }
        let info = session.server()?.info(gun, &some).await?;
        let delegators = delegators(&info);
        for role in &some {
            walk.follow(&chain(role, &delegators)).await?;
        }
        if is_last {
            break info.lifetimes;
        }
        asked.extend(some);
    };
    let revoked = revoked_keys(session, gun).await?;
    let view = View::new(walk.agent.trusted()?.clone());
    let view = view.building_on(walk.earlier).refusing(revoked);
    Ok(Reading { view, lifetimes })
}

/// A walk along delegations.
struct Walk<'a> {
    session: &'a Session,
    agent: Agent<'a>,
    wanted: Wanted<'a>,
    /// Whether each role that was tried was read.
    reached: BTreeMap<RoleName, bool>,
    /// Of wanted roles whose listed file the server has lost, the last one that is found.
    earlier: BTreeMap<RoleName, Arc<Envelope<Targets>>>,
    stored: MetadataDir,
}

impl Walk<'_> {
    /// Reads what is wanted below the last role of a path, and below that.
    async fn descend(&mut self, path: Vec<RoleName>) -> Result<(), Failure> {
        let mut waiting = vec![path];
        while let Some(path) = waiting.pop() {
            let role = path.last().unwrap_or(&TARGETS);
            let way = if path.is_empty() { std::slice::from_ref(role) } else { &path[..] };
            let Some(file) = self.agent.trusted()?.targets(role).cloned() else { continue };
            for below in self.wanted.below(way, file.signed()) {
                if path.len() < MAX_DEPTH && !self.reached.contains_key(&below) {
                    let path: Vec<_> = path.iter().cloned().chain([below]).collect();
                    if self.read(&path).await? {
                        waiting.push(path);
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads the roles of a chain as far as they were published and are delegated to, and what is
    /// wanted below them.
    async fn follow(&mut self, chain: &[RoleName]) -> Result<(), Failure> {
        for end in 1..=chain.len() {
            let path = &chain[..end];
            let delegator = end.checked_sub(2).map_or(&TARGETS, |at| &chain[at]);
            let file = self.agent.trusted()?.targets(delegator);
            let is_delegated =
                file.is_some_and(|f| f.signed().authority(&chain[end - 1]).is_some());
            if !is_delegated || !self.read(path).await? {
                break;
            }
            self.descend(path.to_vec()).await?;
        }
        Ok(())
    }

    /// Reads the last role of a path; `false` where it is not published or cannot be read.
    async fn read(&mut self, path: &[RoleName]) -> Result<bool, Failure> {
        let role = path.last().expect("a path below targets");
        let delegator = path.len().checked_sub(2).map_or(&TARGETS, |at| &path[at]);
        if let Some(reached) = self.reached.get(role) {
            return Ok(*reached);
        }
        let snapshot = self.agent.trusted()?.snapshot();
        let is_listed = snapshot.is_some_and(|file| file.signed().entry(role).is_some());
        let read = match is_listed {
            true => self.agent.follow(path).await.map(|()| true),
            false => Ok(false),
        };
        let is_lost = matches!(read, Err(AgentError::Update(UpdateError::NotFound(_))))
            && self.is_meant(role, delegator)?
            && self.find_earlier(role, delegator).await?;
        let reached = match read {
            Err(_) if is_lost => false,
            // A role that only might be meant does not stand in the way of the others.
            Err(error) if error.is_of_one_file() && !self.wanted.roles.contains(role) => {
                self.session.output.warn(format_args!("{role} could not be read: {error}"));
                false
            }
            other => other?,
        };
        self.reached.insert(role.clone(), reached);
        Ok(reached)
    }
}

impl Walk<'_> {
    /// Whether a role is changed for sure, or may be: a key that may be used signs it.
    fn is_meant(&self, role: &RoleName, delegator: &RoleName) -> Result<bool, Failure> {
        let authority = self.agent.trusted()?.authority(role, delegator);
        let is_ours = authority.is_ok_and(|keys| !listed(self.wanted.keys, keys).is_empty());
        Ok(is_ours || self.wanted.roles.contains(role))
    }

    /// Looks for what the next version of a role can be built on whose listed file the server has lost.
    async fn find_earlier(
        &mut self,
        role: &RoleName,
        delegator: &RoleName,
    ) -> Result<bool, Failure> {
        let found = Earlier::find(&self.agent, &self.stored, role, delegator).await?;
        let Some(earlier) = found else { return Ok(false) };
        self.session.output.warn_once(&earlier);
        self.earlier.insert(role.clone(), earlier.file);
        Ok(true)
    }

    /// The same for targets. Who may sign the roles below it, it says alone: as long as it is lost,
    /// nothing but its own next version is published.
    async fn find_earlier_targets(&mut self, gun: &Gun) -> Result<(), Failure> {
        let listed = self.agent.trusted()?.targets_entry(&TARGETS).map_err(UpdateError::from);
        let version = listed.map_err(AgentError::from)?.version;
        let is_alone = self.wanted.roles.iter().all(|role| *role == TARGETS);
        if !(is_alone && self.is_meant(&TARGETS, &RoleName::ROOT)?) {
            return Err(Failure::NotFound(format!(
                "targets {version} of {gun} is lost: whoever has it brings it back with `notary \
                 repair {gun}`; if nobody has it, whoever signs targets makes the next version with \
                 `notary witness {gun} targets --publish`; nothing else is published before that"
            )));
        }
        match self.find_earlier(&TARGETS, &RoleName::ROOT).await? {
            true => Ok(()),
            false => Err(Failure::NotFound(format!(
                "targets {version} of {gun} is lost, and so is every earlier version that its keys of \
                 now have signed: whoever has it brings it back with `notary repair {gun}`"
            ))),
        }
    }
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
