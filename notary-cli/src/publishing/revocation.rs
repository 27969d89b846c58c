//! How a collection goes on without a key that is revoked.
//!
//! What is to be published, [`notary_schema::revocation`] says; it is asked again until it has all
//! that it wants to look at. Everything goes into one request, so that no client sees a delegator
//! without the key beside a file that needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::online::OnlineRole;
use notary_schema::revocation::{
    Choices, Content, Dates, History, Plan, Present, Problem, Revoked, plan,
};
use notary_schema::role::{Authority, Root, Targets};
use notary_schema::threshold;
use notary_schema::updater::Roles;
use notary_schema::wire::{Proposal, Revocation};

use super::Publisher;
use super::delivery::{Delivered, Outgoing, Sent};
use super::in_flight::InFlight;
use super::online_keys;
use super::reading::Reading;
use crate::args::When;
use crate::exit::Failure;
use crate::keyring::{Purpose, listed};
use crate::view::View;

/// What a command revokes, and how far it goes.
pub(crate) struct Task {
    /// The keys that it names, as the server revoked them.
    pub(crate) revocations: Vec<Revocation>,
    /// Those of them that an earlier command has revoked.
    pub(crate) before: Vec<KeyId>,
    /// The keys, beside all that count for nothing.
    pub(crate) revoked: Revoked,
    /// Whether roles without a good version become empty.
    pub(crate) empty: bool,
    /// Most versions of a role that are looked back over.
    pub(crate) max_versions: u64,
}

/// How far a task is. Each step takes it, and gives it back with what it has found out.
pub(crate) struct Course {
    /// What is known of the collection.
    pub(crate) known: Known,
    /// What was decided, on the command line and since.
    pub(crate) choices: Choices,
    /// The roles of which somebody was asked what they say from now on.
    pub(crate) asked: BTreeSet<RoleName>,
}

impl Course {
    /// With what a person has decided that a role says: its versions are looked at with that in mind.
    pub(crate) fn decided(mut self, role: RoleName, content: Content) -> Course {
        self.known.histories.remove(&role);
        self.choices.content.insert(role, content);
        self
    }
}

/// A whole collection, as it is now.
pub(crate) struct Known {
    /// Top-level roles and lifetimes.
    pub(crate) reading: Reading,
    /// The current files that delegations lead to.
    pub(crate) files: BTreeMap<RoleName, Arc<Envelope<Targets>>>,
    pub(super) others: BTreeMap<RoleName, Arc<Envelope<Targets>>>,
    pub(super) unread: BTreeSet<RoleName>,
    pub(super) histories: BTreeMap<RoleName, History>,
    /// The same of roles that an earlier command has left the keys out of.
    pub(super) left_out: BTreeMap<RoleName, History>,
}

impl Known {
    /// The current file of a role, also of one that nobody delegates to.
    pub(crate) fn current(&self, role: &RoleName) -> Option<&Arc<Envelope<Targets>>> {
        self.files.get(role).or_else(|| self.others.get(role))
    }

    /// What was looked back over.
    pub(crate) fn histories(&self) -> impl Iterator<Item = &History> {
        self.histories.values().chain(self.left_out.values())
    }

    /// The roles that have a file, as clients are told.
    pub(super) fn with_file(&self) -> BTreeSet<RoleName> {
        let entries = self.present().snapshot.meta.iter();
        entries.filter_map(|(name, _)| RoleName::of_file(name)).collect()
    }

    /// For [`plan`].
    pub(crate) fn present(&self) -> Present<'_> {
        let trusted = self.reading.view.trusted();
        Present {
            root: trusted.root(),
            snapshot: trusted.snapshot().expect("a refresh ends with a snapshot").signed(),
            files: &self.files,
            others: &self.others,
            unread: &self.unread,
            histories: &self.histories,
        }
    }
}

/// What became of a plan.
pub(crate) enum Became {
    /// Clients see it, or will in a few seconds.
    Published,
    /// It waits for signatures.
    Proposed(Box<Proposal>),
    /// Somebody else was first.
    Overtaken(Failure),
}

/// Why there is no plan.
pub(crate) struct NoPlan {
    /// The role of which somebody has to decide what it says, and its version.
    pub(crate) undecided: Option<(RoleName, Version)>,
    /// What is told where nobody does.
    pub(crate) failure: Failure,
}

impl From<NoPlan> for Failure {
    fn from(no_plan: NoPlan) -> Failure {
        no_plan.failure
    }
}

impl Publisher<'_> {
    /// Sends what an earlier command left in flight; answers whether there was anything.
    pub(crate) async fn resend_any(&self) -> Result<bool, Failure> {
        let is_any = InFlight::load(self.collection)?.is_some();
        self.resend().await.map(|_| is_any)
    }

    /// Reads every role of the collection.
    pub(crate) async fn collect(&self) -> Result<Known, Failure> {
        let (session, gun) = (self.session, self.gun);
        let mut agent = session.refreshed_to_publish(gun, session.now()).await?;
        // Below targets that are lost, nothing is known.
        let unread = match agent.trusted()?.targets(&RoleName::TARGETS) {
            Some(_) => agent.visit(Roles::All).await?,
            None => Vec::new(),
        };
        for unread in unread.iter().filter(|one| !one.is_pending()) {
            let (role, delegator, error) = (&unread.role, &unread.delegator, &unread.error);
            let told = format_args!("clients refuse {role} of {delegator}: {error}");
            session.output.warn(told);
        }
        let lifetimes = session.server()?.info(gun, &[RoleName::TARGETS]).await?.lifetimes;
        let view = View::new(agent.trusted()?.clone());
        let known = view.roles().iter().map(|role| &role.name);
        let file = |role: &RoleName| Some((role.clone(), view.file(role)?.clone()));
        let files = known.filter_map(file).collect();
        let reading = Reading { view, lifetimes };
        let (others, unread) = Default::default();
        let (histories, left_out) = Default::default();
        Ok(Known { reading, files, others, unread, histories, left_out })
    }

    /// What is to be published; all that it takes is looked at.
    pub(crate) async fn plan_without(
        &self,
        task: &Task,
        mut course: Course,
    ) -> Result<(Course, Result<Plan, NoPlan>), Failure> {
        loop {
            let now = self.session.now();
            let date = |seconds| When::or_after(self.expires, seconds, now);
            let lifetimes = &course.known.reading.lifetimes;
            let dates = Dates {
                root: date(lifetimes.root_seconds),
                targets: date(lifetimes.targets_seconds),
            };
            match plan(course.known.present(), &task.revoked, &course.choices, dates) {
                Ok(plan) => return Ok((course, Ok(plan))),
                Err(Problem::Open(open)) => course = self.look_at(open, task, course).await?,
                Err(Problem::NoGoodVersion { role, .. }) if task.empty => {
                    course.choices.content.insert(role, Content::Empty);
                }
                Err(problem) => return Ok((course, Err(self.no_plan(problem)))),
            }
        }
    }

    fn no_plan(&self, problem: Problem) -> NoPlan {
        let undecided = match &problem {
            Problem::NoGoodVersion { role, current, .. } => Some((role.clone(), *current)),
            _ => None,
        };
        NoPlan { undecided, failure: self.explained(problem) }
    }

    /// With keys of the signer for each online role that loses its own.
    pub(crate) async fn with_online_keys(
        &self,
        plan: &Plan,
        mut course: Course,
    ) -> Result<Course, Failure> {
        for role in OnlineRole::BOTH {
            if plan.keyless.contains(&role.name()) {
                let next = online_keys::next(self.session, self.gun, role).await?;
                course.choices.online.insert(role.name(), next);
            }
        }
        Ok(course)
    }

    /// Signs what is planned, and publishes or proposes it.
    pub(crate) async fn publish_without(
        &self,
        plan: &Plan,
        task: &Task,
        known: &Known,
    ) -> Result<Became, Failure> {
        let before = known.reading.view.trusted().root();
        let mut next =
            Outgoing { why: "without a key that is revoked".into(), ..Outgoing::default() };
        next.exempt.orphan = plan.orphans.clone();
        next.exempt.pending = plan.pending.clone();
        for part in &plan.roles {
            self.sign_part(&part.document, &part.role, &[part.signers.authority()], &mut next)?;
        }
        if let Some(root) = &plan.root {
            let new: Envelope<Root> =
                Envelope::parse(root.with_signatures(&[])).expect("we wrote it");
            next.exempt.compromised = compromised(before.signed(), new.signed(), &next, task);
            let authorities = [before.signed(), new.signed()]
                .map(|root| root.authority(&RoleName::ROOT).expect("a top-level role"));
            self.sign_part(root, &RoleName::ROOT, &authorities, &mut next)?;
        }
        let answer = match self.deliver(next, &known.reading, self.session.now()).await? {
            Sent::Overtaken(error) => return Ok(Became::Overtaken(error)),
            Sent::Taken(Delivered::Proposed(proposal)) => return Ok(Became::Proposed(proposal)),
            Sent::Taken(Delivered::Published(answer)) => answer,
        };
        answer.warnings.iter().for_each(|warning| self.session.output.warn(warning));
        Ok(Became::Published)
    }

    /// Signs with every key here that one of these lists.
    fn sign_part(
        &self,
        document: &Unsigned,
        role: &RoleName,
        authorities: &[Authority<'_>],
        next: &mut Outgoing,
    ) -> Result<(), Failure> {
        let mut keys: Vec<_> =
            authorities.iter().flat_map(|authority| listed(&self.keys, *authority)).collect();
        let mut seen = BTreeSet::new();
        keys.retain(|(keyid, _)| seen.insert((*keyid).clone()));
        match keys.is_empty() {
            true => {
                let last = authorities.last().expect("somebody signs it");
                next.unsigned.push((role.clone(), last.role.keyids.clone()));
            }
            false => drop(next.ours.insert(role.clone())),
        }
        let file = self.keyring.sign_with(document, Purpose::of(role), &keys)?;
        next.files.push((role.clone(), file.into()));
        Ok(())
    }

    /// What has to be decided, and how that is said.
    fn explained(&self, problem: Problem) -> Failure {
        let gun = self.gun;
        Failure::Usage(match &problem {
            Problem::LastKey { role } => format!(
                "{problem}: name the key that takes over with --new-key, or replace its keys with \
                 `notary rotate {gun} {role}`"
            ),
            Problem::TooFewKeys { .. } => {
                format!("{problem}: name another key with --new-key, or say --threshold")
            }
            Problem::NoGoodVersion { role, current, truncated_at } => {
                let further = match truncated_at {
                    Some(oldest) => format!(" (looked at back to {oldest}: --versions)"),
                    None => String::new(),
                };
                format!(
                    "{problem}{further}: look with `notary diff {gun} {role} VERSION {current}`, then \
                     publish an earlier one again with --restore {role}=VERSION, the current one as it \
                     is with --reviewed {role}={current}, or nothing in its place with --empty"
                )
            }
            Problem::OtherVersion { role, reviewed, current } => {
                return Failure::Conflict(format!(
                    "{problem}; look at what differs with `notary diff {gun} {role} {reviewed} \
                     {current}`, then say --reviewed {role}={current}"
                ));
            }
            Problem::Unread { .. } => format!(
                "{problem}: `notary repair {gun}` brings it back; without it, name the key that takes \
                 over with --new-key"
            ),
            Problem::NotVerified { .. } => {
                format!("{problem}; --versions looks further back")
            }
            other => other.to_string(),
        })
    }
}

/// The roles whose keys a root replaces at once. Of targets it does so only where too few keys are left
/// that the root before trusts, too: otherwise both have a targets in common.
fn compromised(before: &Root, after: &Root, next: &Outgoing, task: &Task) -> BTreeSet<RoleName> {
    let authority = before.authority(&RoleName::TARGETS).expect("a top-level role");
    let left = threshold::reachable_without(authority, &task.revoked.all);
    let is_sent = next.files.iter().any(|(role, _)| *role == RoleName::TARGETS);
    let has_overlap = !is_sent || left >= authority.role.threshold.get() as usize;
    let replaced = |role: &RoleName| before.role_keys(role) != after.role_keys(role);
    let roles = [RoleName::TARGETS, RoleName::SNAPSHOT, RoleName::TIMESTAMP].into_iter();
    roles.filter(|role| replaced(role) && (*role != RoleName::TARGETS || !has_overlap)).collect()
}
