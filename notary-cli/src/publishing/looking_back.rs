//! What a revocation looks back at: listed files that clients do not read now, and the versions of a role
//! that the keys may have signed.

use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::name::{RoleName, Version};
use notary_schema::revocation::{Content, Gap, History, Open, Signers};
use notary_schema::role::Targets;
use notary_schema::updater::{Limits, remote_name};

use super::Publisher;
use super::revocation::{Course, Known, Task};
use crate::exit::Failure;

impl Publisher<'_> {
    /// Looks at what a plan wants to look at.
    pub(super) async fn look_at(
        &self,
        open: Open,
        task: &Task,
        mut course: Course,
    ) -> Result<Course, Failure> {
        for role in open.files {
            course.known = self.with_stored(role, course.known).await?;
        }
        for (role, signers) in open.histories {
            let history = self.history(&role, signers, task, &course).await?;
            course.known.histories.insert(role, history);
        }
        Ok(course)
    }

    /// With the listed file of a role that clients do not read now.
    pub(super) async fn with_stored(
        &self,
        role: RoleName,
        mut known: Known,
    ) -> Result<Known, Failure> {
        match self.stored(&role, &known).await? {
            Some(file) => drop(known.others.insert(role, file)),
            None => drop(known.unread.insert(role)),
        }
        Ok(known)
    }

    /// The listed file of a role that clients do not read now; the snapshot vouches for it. `None` where
    /// it is not to be had.
    async fn stored(
        &self,
        role: &RoleName,
        known: &Known,
    ) -> Result<Option<Arc<Envelope<Targets>>>, Failure> {
        let Some(entry) = known.present().snapshot.entry(role) else { return Ok(None) };
        let agent = self.session.agent(self.gun, self.session.now())?;
        let name = remote_name(role, Some(entry.version));
        let found = agent.fetch(&name, Limits::default().targets_bytes).await?;
        let file = found.filter(|file| entry.hashes.is_none() || entry.describes(file));
        let file = file.and_then(|file| Envelope::<Targets>::parse(file).ok());
        let file = file.filter(|file| file.version() == entry.version);
        Ok(file.map(Arc::new))
    }

    pub(super) async fn history(
        &self,
        role: &RoleName,
        signers: Signers,
        task: &Task,
        course: &Course,
    ) -> Result<History, Failure> {
        let keep = match course.choices.content.get(role) {
            Some(Content::Of(version)) => Some(*version),
            _ => None,
        };
        let mut history = History::new(role.clone(), signers, task.revoked.clone(), keep);
        let current = course.known.current(role).expect("the plan asks for roles that have a file");
        let newest = current.version().get();
        let oldest = newest.saturating_sub(task.max_versions.saturating_sub(1)).max(1);
        let what = format!("looking back over {role}");
        let mut progress = self.session.output.files(newest - oldest + 1, &what);
        history.add(current.clone());
        let agent = self.session.agent(self.gun, self.session.now())?;
        for number in (oldest..newest).rev() {
            let version = Version::new(number).expect("below a version");
            let name = remote_name(role, Some(version));
            let bytes = agent.fetch(&name, Limits::default().targets_bytes).await?;
            progress.advance(1);
            // A server that was set back lacks some, and has those before them.
            let Some(bytes) = bytes else { continue };
            match Envelope::<Targets>::parse(bytes) {
                Ok(file) if file.version() == version => history.add(Arc::new(file)),
                Ok(file) => self.session.output.warn(format_args!(
                    "what the server has as {name} is version {}; it is left out",
                    file.version()
                )),
                Err(error) => {
                    self.session.output.warn(format_args!("{name} is left out: {error}"));
                }
            }
        }
        history.finish();
        for Gap { from, to } in &history.gaps {
            self.session.output.warn(format_args!(
                "of {role}, {from} to {to} are not to be had; what the key signed in them is not told"
            ));
        }
        if let Some(oldest) = history.truncated_at {
            self.session.output.warn(format_args!(
                "{role} was looked at back to version {oldest}; what is older is not told"
            ));
        }
        Ok(history)
    }
}
