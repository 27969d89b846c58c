//! What becomes of signed files: published where enough keys have signed, otherwise proposed to those
//! whose signatures are missing.
//!
//! 1. The files are judged by every rule but those on signatures; then the signatures are counted.
//! 2. The files, and whether they are published or proposed, are stored ([`InFlight`]).
//! 3. They are sent as one request.
//! 4. A definite answer removes them. What a proposal holds is staged no more: it waits there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::publish::proposal::{NoProposal, check_proposal, is_met};
use notary_schema::publish::{Demand, check_unsigned, demands};
use notary_schema::reason::MAX_REASON_CHARACTERS;
use notary_schema::role::Targets;
use notary_schema::wire::{Proposal, ProposalState, ProposalSummary, PublishAnswer};

use super::in_flight::InFlight;
use super::plan::refused;
use super::reading::Reading;
use super::{Publisher, load, save};
use crate::args::SecondContent;
use crate::exit::Failure;
use crate::judging::{batch, judgeable, rules};
use crate::keyring::KeyringError;
use crate::keyring::memory::{Content, Memory};
use crate::output::one_line;
use crate::remote::{Exempt, RemoteError};
use crate::staged::Base;

/// What became of signed files.
#[derive(Debug)]
pub(crate) enum Delivered {
    /// Clients see them.
    Published(PublishAnswer),
    /// They wait for signatures.
    Proposed(Box<Proposal>),
}

/// The answer to sent files.
pub(super) enum Sent {
    /// The server has taken them.
    Taken(Delivered),
    /// Another version was there first, or what is shown lags behind.
    Overtaken(Failure),
}

/// Signed files, and what is said with them.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    pub(super) files: Vec<(RoleName, Arc<[u8]>)>,
    /// The roles whose files have a signature of a key here.
    pub(super) ours: BTreeSet<RoleName>,
    /// The other ones that were signed here, and the keys that may sign them.
    pub(super) unsigned: Vec<(RoleName, Vec<KeyId>)>,
    pub(super) exempt: Exempt,
    /// What the changed targets were before, by role.
    pub(super) base: BTreeMap<RoleName, Base>,
    /// Why others should sign it, where the user does not say so.
    pub(super) why: String,
}

impl Publisher<'_> {
    /// Publishes or proposes files that are signed as far as the keys here may.
    pub(super) async fn deliver(
        &self,
        outgoing: Outgoing,
        reading: &Reading,
        now: DateTime<Utc>,
    ) -> Result<Sent, Failure> {
        let outgoing = self.without_revoked(outgoing, &reading.view)?;
        let Outgoing { files, ours, unsigned, exempt, base, why } = outgoing;
        let judged = judge(&files, &exempt, reading, now)?;
        let is_met = judged.map(|demands| is_met(&demands));
        // What others have to sign may come with a file of ours; nothing but that takes a word more.
        let others = unsigned.first().filter(|_| ours.is_empty() || is_met.is_none());
        self.require_own(others)?;
        let reason = match is_met {
            Some(true) => None,
            Some(false) => Some(self.reason(why)),
            // The server is the first to judge.
            None => self.propose.propose.then(|| self.reason(why)),
        };
        let in_flight = InFlight::new(&files, exempt, base).because(ours, reason);
        self.hand_in(&in_flight).await
    }

    /// Stores and sends signed files, unless it would be a second content of one version.
    async fn hand_in(&self, in_flight: &InFlight) -> Result<Sent, Failure> {
        let memory = Memory::load(self.collection)?;
        let said = self.propose.second_content();
        for (role, version, sha256) in &in_flight.signed() {
            let content = Content { role, version: *version, sha256 };
            let Some(other) = memory.other(content) else { continue };
            if memory.is_published(content) && said == SecondContent::Ask {
                return Ok(Sent::Overtaken(self.lags_behind(role, *version)));
            }
            self.refuse_repeated(role, other).await?;
            // Asked before it leaves.
            self.session.second_content(content, other, said)?;
        }
        in_flight.save(self.collection)?;
        self.send(in_flight).await
    }

    fn lags_behind(&self, role: &RoleName, version: Version) -> Failure {
        Failure::Conflict(format!(
            "{role} {version} of {gun} was published from here, and the server still shows the one \
             before; try again in a few seconds. Where the server has lost it and `notary repair {gun}` \
             does not bring it back, --second-content signs another one in its place",
            gun = self.gun
        ))
    }

    /// What was signed before may wait for signatures: then there is nothing to make anew.
    async fn refuse_repeated(&self, role: &RoleName, sha256: &str) -> Result<(), Failure> {
        let gun = self.gun;
        let waits = |proposal: &&ProposalSummary| {
            let mut roles = proposal.roles.iter();
            proposal.state == ProposalState::Open
                && roles.any(|file| file.name == *role && file.signed_sha256 == sha256)
        };
        let proposals = self.session.server()?.proposals(gun).await?;
        match proposals.iter().find(waits) {
            Some(ProposalSummary { id, .. }) => Err(Failure::SignaturesMissing(format!(
                "what was signed of {role} here waits in a proposal; look at it with `notary proposal \
                 show {gun} {id}`, and take it back with `notary proposal cancel {gun} {id}`"
            ))),
            None => Ok(()),
        }
    }

    /// Notes what is known of the contents that were signed here.
    fn note(
        &self,
        in_flight: &InFlight,
        what: impl Fn(&mut Memory, Content<'_>),
    ) -> Result<(), Failure> {
        let mut memory = Memory::load(self.collection)?;
        for (role, version, sha256) in &in_flight.signed() {
            what(&mut memory, Content { role, version: *version, sha256 });
        }
        Ok(memory.save()?)
    }

    /// The same for files that nobody here can judge, since what they stand on cannot be read:
    /// `is_met` says whether enough keys have signed.
    pub(super) async fn deliver_unjudged(
        &self,
        outgoing: Outgoing,
        is_met: bool,
    ) -> Result<Sent, Failure> {
        let Outgoing { files, ours, unsigned, exempt, base, why } = outgoing;
        self.require_own(unsigned.first())?;
        let reason = (!is_met).then(|| self.reason(why));
        let in_flight = InFlight::new(&files, exempt, base).because(ours, reason);
        self.hand_in(&in_flight).await
    }

    /// What no key here has signed takes a word more.
    fn require_own(&self, unsigned: Option<&(RoleName, Vec<KeyId>)>) -> Result<(), Failure> {
        let Some((role, wanted)) = unsigned.filter(|_| !self.propose.propose) else {
            return Ok(());
        };
        let error = KeyringError::NoKeyFor { role: role.clone(), wanted: wanted.clone() };
        Err(Failure::Usage(format!("{error}; with --propose, those who hold them can sign it")))
    }

    /// What is told to those who have to sign.
    fn reason(&self, why: String) -> String {
        let reason = self.propose.reason.clone().unwrap_or_else(|| one_line(&why));
        reason.chars().take(MAX_REASON_CHARACTERS).collect()
    }

    /// Sends what an earlier command left in flight. Answers what came of it, and what the changed
    /// targets were when it was built, if it was overtaken.
    pub(super) async fn resend(
        &self,
    ) -> Result<(Option<Delivered>, BTreeMap<RoleName, Base>), Failure> {
        let Some(in_flight) = InFlight::load(self.collection)? else {
            return Ok((None, BTreeMap::new()));
        };
        if in_flight.creates() {
            return Err(Failure::Usage(in_flight.next(self.gun)));
        }
        let output = &self.session.output;
        output.message("sending the files of an earlier publish whose outcome is not known");
        match self.send(&in_flight).await {
            Ok(Sent::Taken(delivered)) => {
                self.drop_staged(&in_flight)?;
                Ok((Some(delivered), BTreeMap::new()))
            }
            Ok(Sent::Overtaken(_)) => Ok((None, in_flight.base)),
            Err(Failure::Remote(error)) if error.is_definite() => {
                output.warn(format_args!("the earlier publish was refused: {error}"));
                Ok((None, in_flight.base))
            }
            Err(failure) => Err(failure),
        }
    }

    /// Drops the staged changes that these files hold; others may have been staged since.
    fn drop_staged(&self, in_flight: &InFlight) -> Result<(), Failure> {
        let (files, mut staged) = (in_flight.files(), load(self.collection)?);
        let has_file = |other: &RoleName| files.iter().any(|(role, _)| role == other);
        for (role, bytes) in &files {
            if let Ok(file) = Envelope::<Targets>::parse(bytes.clone()) {
                staged.drop_present(role, file.signed(), has_file);
                staged.drop_witness(role);
            }
        }
        save(self.collection, &staged)
    }

    /// Sends signed files that are stored, and drops them when the server has judged them.
    async fn send(&self, in_flight: &InFlight) -> Result<Sent, Failure> {
        let (sent, exempt) = (in_flight.files(), &in_flight.exempt);
        let server = self.session.server()?;
        self.note(in_flight, |memory, content| memory.remember(content, &[]))?;
        let answer = match &in_flight.reason {
            None => server.publish(self.gun, &sent, exempt).await.map(Delivered::Published),
            Some(reason) => {
                let proposal = server.propose(self.gun, &sent, exempt, reason).await;
                proposal.map(|proposal| Delivered::Proposed(proposal.into()))
            }
        };
        match answer {
            Ok(delivered) => {
                match &delivered {
                    Delivered::Published(_) => self.note(in_flight, Memory::publish)?,
                    // It waits in the proposal. A crash in between finds it there, and comes here again.
                    Delivered::Proposed(_) => self.drop_staged(in_flight)?,
                }
                if let Delivered::Published(_) = &delivered
                    && let Err(error) = in_flight.keep(self.collection)
                {
                    self.session.output.warn(format_args!("what was sent is not kept: {error}"));
                }
                InFlight::remove(self.collection)?;
                Ok(Sent::Taken(delivered))
            }
            Err(error) if error.is_definite() => {
                self.note(in_flight, Memory::forget)?;
                InFlight::remove(self.collection)?;
                self.judged(error)
            }
            Err(error) => {
                self.session.output.warn(format_args!(
                    "the outcome is not known; the signed files are kept and sent first by the next \
                     `notary publish {}`", self.gun
                ));
                Err(error.into())
            }
        }
    }

    /// A refusal in the words of the commands.
    fn judged(&self, error: RemoteError) -> Result<Sent, Failure> {
        let gun = self.gun;
        match error.problem().map(|problem| problem.code.as_str()) {
            Some("version_conflict") => Ok(Sent::Overtaken(error.into())),
            Some("role_proposed") => {
                let more = error.problem().map(|problem| &problem.more);
                let id = more.and_then(|more| more.get("proposal")?.as_str());
                let id = id.unwrap_or("ID");
                Err(Failure::Conflict(format!(
                    "{error}; look at it with `notary proposal show {gun} {id}`, then sign it, or \
                     `notary proposal cancel {gun} {id}`"
                )))
            }
            _ => Err(error.into()),
        }
    }
}

/// Judges files as the server will, but for what only it knows. Answers the thresholds that they have
/// to reach, and who has signed; `None` where not every file is at hand that the rules look into.
///
/// # Errors
/// The first rule that is broken. Missing signatures break none, as long as they can be added to these
/// files and those that there are verify.
pub(super) fn judge(
    files: &[(RoleName, Arc<[u8]>)],
    exempt: &Exempt,
    reading: &Reading,
    now: DateTime<Utc>,
) -> Result<Option<Vec<Demand>>, Failure> {
    let batch = batch(files, exempt)?;
    let Some(head) = judgeable(&reading.view, &batch) else { return Ok(None) };
    check_unsigned(Some(&head), &batch, &rules(&reading.lifetimes, &batch), now)
        .map_err(refused)?;
    let demands = demands(Some(&head), &batch);
    if is_met(&demands) {
        return Ok(Some(demands));
    }
    match check_proposal(&head, &batch) {
        Ok(demands) => Ok(Some(demands)),
        Err(NoProposal::Refused(refusal)) => Err(refused(refusal)),
        Err(NoProposal::Proposal(refusal)) => Err(Failure::Refused(refusal.to_string())),
    }
}
