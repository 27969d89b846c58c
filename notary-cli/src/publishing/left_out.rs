//! Roles that listed a key when it was revoked, and do not any more: an earlier command has left it
//! out, or those who have signed what it proposed. What the key had signed of them is told as then.
//!
//! The changefeed says which files came after the revocation. The version before the first of them is
//! what a role said at that time.

use std::collections::{BTreeMap, BTreeSet};

use notary_schema::envelope::Envelope;
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::revocation::{Revoked, Signers, signers_listing};
use notary_schema::role::{Root, Targets};
use notary_schema::updater::{Limits, remote_name};
use notary_schema::wire::EventKind;

use super::Publisher;
use super::revocation::{Course, Known, Task};
use crate::exit::Failure;

impl Publisher<'_> {
    /// Looks back over the roles that listed the keys when they were revoked, but for those that are
    /// looked back at anyhow.
    pub(crate) async fn look_back_at_left_out(
        &self,
        task: &Task,
        mut course: Course,
    ) -> Result<Course, Failure> {
        let has_file = course.known.with_file();
        let mut waiting = Vec::new();
        for (delegator, first) in self.published_since(&task.before).await? {
            let before = first.get().checked_sub(1).and_then(|before| Version::new(before).ok());
            if let Some(before) = before {
                let listed = self.listed_by(&delegator, before, &task.revoked, &has_file).await?;
                waiting.extend(listed);
            }
        }
        while let Some((role, signers)) = waiting.pop() {
            let is_known = |all: &BTreeMap<_, _>| all.contains_key(&role);
            if is_known(&course.known.histories) || is_known(&course.known.left_out) {
                continue;
            }
            if course.known.current(&role).is_none() {
                course.known = self.with_stored(role.clone(), course.known).await?;
            }
            let Some(file) = course.known.current(&role) else { continue };
            // What nobody delegates to any more has taken along what it delegates to.
            if !course.known.files.contains_key(&role) {
                waiting.extend(signers_listing(file.signed(), &task.revoked, &has_file));
            }
            let signers = as_judged(&role, signers, &course.known);
            let history = self.history(&role, signers, task, &course).await?;
            course.known.left_out.insert(role, history);
        }
        Ok(course)
    }

    /// The first version of each role that came after one of these keys was revoked.
    async fn published_since(
        &self,
        revoked: &[KeyId],
    ) -> Result<BTreeMap<RoleName, Version>, Failure> {
        let (mut since, mut is_revoked, mut after) = (BTreeMap::new(), false, 0);
        while !revoked.is_empty() {
            let page = self.session.server()?.events(self.gun, after, None).await?;
            for event in &page.items {
                is_revoked |= event.kind == EventKind::Revoke
                    && event.revocation.as_ref().is_some_and(|it| revoked.contains(&it.keyid));
                for file in event.roles.iter().filter(|_| is_revoked) {
                    since.entry(file.name.clone()).or_insert(file.version);
                }
            }
            let last = page.items.last().map(|event| event.seq).filter(|last| *last > after);
            match last.filter(|_| page.next.is_some()) {
                Some(last) => after = last,
                None => break,
            }
        }
        Ok(since)
    }

    /// The roles that listed the keys by this version of who delegates to them, and who signed them.
    async fn listed_by(
        &self,
        delegator: &RoleName,
        version: Version,
        revoked: &Revoked,
        has_file: &BTreeSet<RoleName>,
    ) -> Result<Vec<(RoleName, Signers)>, Failure> {
        let (limits, agent) =
            (Limits::default(), self.session.agent(self.gun, self.session.now())?);
        let name = remote_name(delegator, Some(version));
        if *delegator == RoleName::ROOT {
            let bytes = agent.fetch(&name, limits.small_bytes).await?;
            let root = bytes.and_then(|bytes| Envelope::<Root>::parse(bytes).ok());
            let authority = root.as_ref().and_then(|it| it.signed().authority(&RoleName::TARGETS));
            let listed = authority.filter(|authority| !revoked.listed(*authority).is_empty());
            let signers = listed.map(|authority| (RoleName::TARGETS, Signers::of(authority)));
            return Ok(signers.into_iter().collect());
        }
        if !delegator.is_targets_role() {
            return Ok(Vec::new());
        }
        let bytes = agent.fetch(&name, limits.targets_bytes).await?;
        let file = bytes.and_then(|bytes| Envelope::<Targets>::parse(bytes).ok());
        let listed = file.map(|file| signers_listing(file.signed(), revoked, has_file));
        Ok(listed.unwrap_or_default())
    }
}

/// A threshold that was lowered when the key went counts for what is there, as it did then.
fn as_judged(role: &RoleName, mut signers: Signers, known: &Known) -> Signers {
    let root = known.present().root.signed();
    let below = known.files.values().filter_map(|file| file.signed().authority(role));
    let above = (*role == RoleName::TARGETS).then(|| root.authority(role)).flatten();
    let now = below.chain(above).map(|authority| authority.role.threshold);
    signers.role.threshold = now.fold(signers.role.threshold, Ord::min);
    signers
}
