//! The walk from the root over all delegations that writes a [`Plan`].

mod delegations;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::plan::{TOP_LEVEL, listings};
use super::{
    Changed, Choices, Content, Dates, History, Left, Open, Origin, Plan, Present, Problem, Revoked,
    RolePlan, Signers,
};
use crate::draft::Draft;
use crate::envelope::Envelope;
use crate::key::Key;
use crate::name::RoleName;
use crate::role::{RoleKeys, Targets};
use crate::threshold;

/// Writes the next versions: see the [module](super).
///
/// # Errors
/// What has to be looked at or decided first.
pub fn plan(
    present: Present<'_>,
    revoked: &Revoked,
    choices: &Choices,
    dates: Dates,
) -> Result<Plan, Problem> {
    let mut planner = Planner {
        present,
        revoked,
        choices,
        dates,
        plan: Plan::default(),
        open: Open::default(),
        reached: BTreeSet::new(),
        waiting: VecDeque::new(),
    };
    planner.root()?;
    while let Some(step) = planner.waiting.pop_front() {
        planner.role(step)?;
    }
    planner.look_back_at_the_rest();
    if !(planner.open.histories.is_empty() && planner.open.files.is_empty()) {
        return Err(Problem::Open(planner.open));
    }
    planner.leave_behind();
    Ok(planner.plan)
}

/// A role that delegations lead to, and who signs it, before and after.
struct Step {
    role: RoleName,
    before: Signers,
    after: Signers,
    /// Whether who signs it before is what is said of it now.
    is_as_now: bool,
}

/// What a role says from now on: this file, or nothing.
struct Chosen {
    file: Option<Arc<Envelope<Targets>>>,
    origin: Origin,
}

/// Who delegates.
#[derive(Clone, Copy)]
struct By<'a> {
    role: &'a RoleName,
    is_as_now: bool,
}

struct Planner<'a> {
    present: Present<'a>,
    revoked: &'a Revoked,
    choices: &'a Choices,
    dates: Dates,
    plan: Plan,
    open: Open,
    reached: BTreeSet<RoleName>,
    waiting: VecDeque<Step>,
}

impl Planner<'_> {
    fn root(&mut self) -> Result<(), Problem> {
        let present = self.present.root.signed();
        let mut draft = Draft::next(self.present.root, self.dates.root)?;
        let mut changes = false;
        for role in TOP_LEVEL {
            let before = Signers::of(present.authority(role).expect("a top-level role"));
            let after = self.top_level(role, &before)?;
            if let Some(after) = &after {
                let keys: Vec<Key> = after.keys.values().cloned().collect();
                draft.set_signers(role, &after.role, &keys);
                changes = true;
                self.note(&RoleName::ROOT, role, &before, Some(after));
            }
            if *role == RoleName::TARGETS {
                let after = after.unwrap_or_else(|| before.clone());
                let (role, is_as_now) = (role.clone(), true);
                self.waiting.push_back(Step { role, before, after, is_as_now });
            }
        }
        self.plan.root = changes.then(|| draft.finish());
        Ok(())
    }

    /// Who signs a top-level role instead; `None` where that stays.
    fn top_level(&mut self, role: &RoleName, before: &Signers) -> Result<Option<Signers>, Problem> {
        let is_online = *role == RoleName::SNAPSHOT || *role == RoleName::TIMESTAMP;
        let is_listed = !self.revoked.listed(before.authority()).is_empty();
        let is_judgeable = *role != RoleName::TARGETS || self.present.files.contains_key(role);
        let new = match self.choices.online.get(role) {
            // Who signs targets changes together with what they say.
            _ if !is_listed || !is_judgeable => return Ok(None),
            None if is_online => {
                self.plan.keyless.insert(role.clone());
                return Ok(None);
            }
            Some(keys) => &keys[..],
            None => self.new_keys(role),
        };
        let threshold = if is_online { None } else { self.new_threshold(role) };
        let nobody = RoleKeys { keyids: Vec::new(), ..before.role.clone() };
        let nobody = Signers { keys: BTreeMap::new(), role: nobody };
        let is_replaced = is_online && before.role.threshold.get() == 1;
        match self.after(role, if is_replaced { &nobody } else { before }, new, threshold)? {
            None => Err(Problem::LastKey { role: role.clone() }),
            after => Ok(after),
        }
    }

    fn new_keys(&self, role: &RoleName) -> &[Key] {
        if self.is_meant(role) { &self.choices.new_keys } else { &[] }
    }

    fn new_threshold(&self, role: &RoleName) -> Option<u32> {
        self.choices.threshold.filter(|_| self.is_meant(role))
    }

    fn is_meant(&self, role: &RoleName) -> bool {
        self.choices.roles.is_empty() || self.choices.roles.contains(role)
    }

    /// Who signs a role without the revoked keys and with these; `None` where nobody is left.
    fn after(
        &self,
        role: &RoleName,
        before: &Signers,
        new: &[Key],
        threshold: Option<u32>,
    ) -> Result<Option<Signers>, Problem> {
        let gone = self.revoked.listed(before.authority());
        let mut ids = before.role.keyids.clone();
        ids.retain(|id| !gone.contains(id));
        let mut keys = before.keys.clone();
        keys.retain(|id, _| !gone.contains(id));
        for key in new {
            let is_there = keys.values().any(|old| old.public() == key.public());
            if !is_there && !self.revoked.all.contains(key) {
                ids.push(key.id().clone());
                keys.insert(key.id().clone(), key.clone());
            }
        }
        if ids.is_empty() {
            return Ok(None);
        }
        let threshold = threshold.unwrap_or(before.role.threshold.get());
        let role_keys = RoleKeys::new(ids, threshold).map_err(Problem::Keys)?;
        let after = Signers { keys, role: role_keys };
        let left = threshold::reachable_without(after.authority(), &self.revoked.all);
        match left < threshold as usize {
            true => Err(Problem::TooFewKeys { role: role.clone(), left, threshold }),
            false => Ok(Some(after)),
        }
    }

    fn note(&mut self, by: &RoleName, role: &RoleName, before: &Signers, after: Option<&Signers>) {
        let (delegator, role) = (by.clone(), role.clone());
        let (before, after) = (before.clone(), after.cloned());
        self.plan.changed.push(Changed { delegator, role, before, after });
    }

    /// Decides about one role, and goes on with those that it delegates to.
    fn role(&mut self, Step { role, before, after, is_as_now }: Step) -> Result<(), Problem> {
        if !self.reached.insert(role.clone()) {
            return Ok(());
        }
        let Present { files, others, histories, .. } = self.present;
        let Some(current) = files.get(&role).or_else(|| others.get(&role)) else {
            self.without_file(role);
            return Ok(());
        };
        // A threshold that is lowered because a key is gone counts for what that key has signed, too.
        let mut judged = before.clone();
        judged.role.threshold = judged.role.threshold.min(after.role.threshold);
        let is_listed = !self.revoked.listed(before.authority()).is_empty();
        // What other revoked keys have to do with other roles is not asked about.
        let nothing = if is_listed { &self.revoked.all } else { &self.revoked.now };
        let stands = threshold::count_new(current, judged.authority(), nothing).is_met();
        let is_touched = is_listed || !is_as_now || self.revoked.now.have_signed(current);
        if !stands && !is_touched {
            self.plan.left.insert(role, Left::Unverified);
            return Ok(());
        }
        let history = histories.get(&role);
        if (is_listed || !stands) && history.is_none() {
            self.open.histories.insert(role, judged);
            return Ok(());
        }
        let Chosen { file, origin } = self.content(&role, current, stands, history)?;
        let (next, expires) = (current.version().next()?, self.dates.targets);
        let mut draft = match &file {
            Some(file) => Draft::with_version(file, next, expires),
            None => Draft::from_role(&Targets::empty(next, expires)),
        };
        let delegations = file.as_ref().and_then(|file| file.signed().delegations.as_ref());
        let by = By { role: &role, is_as_now: origin == Origin::Current };
        let changes = match delegations {
            Some(delegations) => self.delegations(by, delegations, &mut draft)?,
            None => false,
        };
        let is_signed = threshold::count(current, after.authority()).is_met();
        if changes || origin != Origin::Current || !is_signed {
            let (current, document) = (current.version(), draft.finish());
            self.plan.roles.push(RolePlan { role, current, origin, signers: after, document });
        }
        Ok(())
    }

    /// A role that is delegated to, of which no file is at hand.
    fn without_file(&mut self, role: RoleName) {
        match self.present.snapshot.entry(&role) {
            None => drop(self.plan.pending.insert(role)),
            Some(_) if self.present.unread.contains(&role) => {
                self.plan.left.insert(role, Left::Unread);
            }
            Some(_) => drop(self.open.files.insert(role)),
        }
    }

    /// What the role says from now on.
    fn content(
        &self,
        role: &RoleName,
        current: &Arc<Envelope<Targets>>,
        stands: bool,
        history: Option<&History>,
    ) -> Result<Chosen, Problem> {
        let as_is = || Chosen { file: Some(current.clone()), origin: Origin::Current };
        let of = |file: &Arc<Envelope<Targets>>| match file.version() {
            version if version == current.version() => as_is(),
            version => Chosen { file: Some(file.clone()), origin: Origin::Version(version) },
        };
        // Nobody is asked about a role that the keys did not touch.
        let choice = self.choices.content.get(role).filter(|_| history.is_some());
        match choice {
            Some(Content::Empty) => Ok(Chosen { file: None, origin: Origin::Empty }),
            Some(Content::Reviewed(reviewed)) if *reviewed == current.version() => Ok(as_is()),
            Some(Content::Reviewed(reviewed)) => Err(Problem::OtherVersion {
                role: role.clone(),
                reviewed: *reviewed,
                current: current.version(),
            }),
            Some(Content::Of(version)) => {
                let kept = history.and_then(History::kept).filter(|f| f.version() == *version);
                let (role, version) = (role.clone(), *version);
                kept.map(of).ok_or(Problem::NotVerified { role, version })
            }
            None if stands => Ok(as_is()),
            None => {
                let good = history.and_then(History::last_good);
                good.map(of).ok_or_else(|| Problem::NoGoodVersion {
                    role: role.clone(),
                    current: current.version(),
                    truncated_at: history.and_then(|history| history.truncated_at),
                })
            }
        }
    }

    /// What the keys have signed is told of roles that go, too.
    fn look_back_at_the_rest(&mut self) {
        let Present { files, histories, .. } = self.present;
        for (delegator, role, _) in listings(self.present, self.revoked) {
            let delegator = files.get(&delegator).map(|file| file.signed());
            let authority = delegator.and_then(|delegator| delegator.authority(&role));
            if let (Some(authority), false) = (authority, histories.contains_key(&role))
                && files.contains_key(&role)
            {
                self.open.histories.insert(role, Signers::of(authority));
            }
        }
    }
}
