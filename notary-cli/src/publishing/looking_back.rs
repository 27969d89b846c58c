//! What a revocation looks back at: listed files that clients do not read now, and the versions of a role
//! that the keys may have signed.

use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::name::{RoleName, Version};
use notary_schema::revocation::{Content, Gap, History, Open, Signers};
use notary_schema::role::Targets;
use notary_schema::updater::{Limits, remote_name};

use super::Publisher;
use super::revocation::{Collected, Wish};
use crate::exit::Failure;

impl Publisher<'_> {
    /// Looks at what a plan wants to look at.
    pub(super) async fn look_at(
        &self,
        open: Open,
        wish: &Wish,
        collected: &mut Collected,
    ) -> Result<(), Failure> {
        for role in open.files {
            self.read_stored(role, collected).await?;
        }
        for (role, signers) in open.histories {
            let history = self.history(&role, signers, wish, collected).await?;
            collected.histories.insert(role, history);
        }
        Ok(())
    }

    /// Reads the listed file of a role that clients do not read now.
    pub(super) async fn read_stored(
        &self,
        role: RoleName,
        collected: &mut Collected,
    ) -> Result<(), Failure> {
        match self.stored(&role, collected).await? {
            Some(file) => drop(collected.others.insert(role, file)),
            None => drop(collected.unread.insert(role)),
        }
        Ok(())
    }

    /// The listed file of a role that clients do not read now; the snapshot vouches for it. `None` where
    /// it is not to be had.
    async fn stored(
        &self,
        role: &RoleName,
        collected: &Collected,
    ) -> Result<Option<Arc<Envelope<Targets>>>, Failure> {
        let Some(entry) = collected.present().snapshot.entry(role) else { return Ok(None) };
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
        wish: &Wish,
        collected: &Collected,
    ) -> Result<History, Failure> {
        let keep = match wish.choices.content.get(role) {
            Some(Content::Of(version)) => Some(*version),
            _ => None,
        };
        let mut history = History::new(role.clone(), signers, wish.revoked.clone(), keep);
        let current = collected.current(role).expect("the plan asks for roles that have a file");
        let newest = current.version().get();
        let oldest = newest.saturating_sub(wish.max_versions.saturating_sub(1)).max(1);
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
