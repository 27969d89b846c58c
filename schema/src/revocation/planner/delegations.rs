//! The delegations of a role without the revoked keys: who signs instead, what is taken out, and which roles
//! are left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{By, Planner, Step};
use crate::draft::Draft;
use crate::key::Key;
use crate::name::RoleName;
use crate::revocation::{Present, Problem, Signers};
use crate::role::{Authority, DelegatedRole, Delegations, SuccinctRoles};

impl Planner<'_> {
    /// Takes the revoked keys out of delegations; answers whether there were any.
    pub(super) fn delegations(
        &mut self,
        delegator: By<'_>,
        delegations: &Delegations,
        draft: &mut Draft,
    ) -> Result<bool, Problem> {
        let (mut altered, mut removed) = (Vec::new(), BTreeSet::new());
        let mut keys = BTreeMap::new();
        for delegated in delegations.listed() {
            let role = &delegated.name;
            let authority = delegations.authority(role).expect("it is listed");
            let Some(after) = self.delegated(delegator, role, authority)? else {
                if delegated.is_bin() {
                    return Err(Problem::LastKey { role: role.clone() });
                }
                self.take_out(role)?;
                removed.insert(role.clone());
                continue;
            };
            if after.role != *authority.role {
                let signers = Arc::new(after.role.clone());
                altered.push(DelegatedRole { signers, ..delegated.clone() });
                keys.extend(after.keys.clone());
            }
        }
        let keys: Vec<Key> = keys.into_values().collect();
        if !altered.is_empty() {
            draft.set_delegations(&altered, &keys);
        }
        draft.remove_delegations(&removed);
        let bins = match delegations.succinct() {
            Some(succinct) => self.bins(delegator, delegations, succinct, draft)?,
            None => false,
        };
        Ok(bins || !(altered.is_empty() && removed.is_empty()))
    }

    /// Who signs a delegated role from now on, to which the walk goes on; `None` where it is taken out.
    fn delegated(
        &mut self,
        delegator: By<'_>,
        role: &RoleName,
        authority: Authority<'_>,
    ) -> Result<Option<Signers>, Problem> {
        let before = Signers::of(authority);
        let after = match self.revoked.listed(authority).is_empty() {
            true => Some(before.clone()),
            false => {
                let (new, threshold) = (self.new_keys(role), self.new_threshold(role));
                let after = self.after(role, &before, new, threshold)?;
                self.note(delegator.role, role, &before, after.as_ref());
                after
            }
        };
        if let Some(after) = after.clone() {
            let (role, is_as_now) = (role.clone(), delegator.is_as_now);
            self.waiting.push_back(Step { role, before, after, is_as_now });
        }
        Ok(after)
    }

    /// What a role delegates to goes with it, and is named: its file has to be at hand, unless every
    /// listed role has another delegator.
    fn take_out(&mut self, role: &RoleName) -> Result<(), Problem> {
        let Present { files, others, unread, snapshot, .. } = self.present;
        let is_at_hand = files.contains_key(role) || others.contains_key(role);
        let Some(entry) = snapshot.entry(role).filter(|_| !is_at_hand) else { return Ok(()) };
        if !unread.contains(role) {
            self.open.files.insert(role.clone());
            return Ok(());
        }
        let is_known = |other: &RoleName| *other == RoleName::TARGETS || self.delegates_to(other);
        match self.listed().all(|other| is_known(&other)) {
            true => Ok(()),
            false => Err(Problem::Unread { role: role.clone(), version: entry.version }),
        }
    }

    /// Whether a file that is at hand does.
    fn delegates_to(&self, role: &RoleName) -> bool {
        self.present.files.values().any(|file| file.signed().delegation(role).is_some())
    }

    fn bins(
        &mut self,
        delegator: By<'_>,
        delegations: &Delegations,
        SuccinctRoles { bins, signers }: &SuccinctRoles,
        draft: &mut Draft,
    ) -> Result<bool, Problem> {
        let first = bins.name(0);
        let authority = delegations.authority(&first).expect("it is one of the bins");
        let Some(after) = self.delegated(delegator, &first, authority)? else {
            return Err(Problem::LastKey { role: first });
        };
        let (before, is_as_now) = (Signers::of(authority), delegator.is_as_now);
        let listed: BTreeMap<RoleName, ()> = self.listed().map(|role| (role, ())).collect();
        for role in bins.among(&listed).cloned() {
            let (before, after) = (before.clone(), after.clone());
            self.waiting.push_back(Step { role, before, after, is_as_now });
        }
        let changes = after.role != *signers;
        if changes {
            let roles = SuccinctRoles { bins: bins.clone(), signers: after.role };
            let keys: Vec<Key> = after.keys.into_values().collect();
            draft.set_succinct(&roles, &keys);
        }
        Ok(changes)
    }

    /// The roles that have a file, as clients are told.
    fn listed(&self) -> impl Iterator<Item = RoleName> + use<'_> {
        let entries = self.present.snapshot.meta.iter();
        entries.filter_map(|(name, _)| RoleName::of_file(name))
    }

    /// Names what the new delegations do not lead to any more.
    pub(super) fn leave_behind(&mut self) {
        // Those that are not to be had or not verified are named, too.
        let is_left = |role: &RoleName| {
            let was_there = || self.present.files.contains_key(role) || self.delegates_to(role);
            !self.reached.contains(role) && was_there()
        };
        self.plan.orphans = self.listed().filter(is_left).collect();
        // What was delegated to without a file before is no news.
        let pending = std::mem::take(&mut self.plan.pending);
        self.plan.pending = pending.into_iter().filter(|role| !self.delegates_to(role)).collect();
    }
}
