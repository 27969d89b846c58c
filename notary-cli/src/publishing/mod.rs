//! How staged changes are published.
//!
//! 1. Files of an earlier publish whose outcome is not known are sent first.
//! 2. The collection is read and verified; changes that are there already are dropped.
//! 3. The next versions are built ([`plan`]), signed by own keys, and judged.
//! 4. The signed files are stored ([`in_flight`]), then sent as one request.
//! 5. A definite answer removes them. After `version_conflict` the work starts again at 2 and stops
//!    only when somebody else changed the same target. Whatever fails, what is staged stays staged.

pub(crate) mod asking;
pub(crate) mod bins;
pub(crate) mod delegated;
pub(crate) mod delivery;
pub(crate) mod earlier;
pub(crate) mod in_flight;
mod left_out;
mod looking_back;
pub(crate) mod online_keys;
pub(crate) mod plan;
pub(crate) mod reading;
mod recovery;
pub(crate) mod revocation;
mod revoked;
pub(crate) mod rotation;
pub(crate) mod signers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::name::{Gun, RoleName};
use notary_schema::role::Targets;
use tokio::time::Instant;

use crate::args::{ProposeArgs, SignArgs, When};
use crate::exit::Failure;
use crate::keyring::{KeyEntry, Keyring, Purpose, listed};
use crate::session::Session;
use crate::staged::{Base, Changes, Staged};
use crate::trust_dir::{CollectionDir, files};
use crate::view::View;
use crate::wanted::{Names, Wanted};
use asking::Act;
use delivery::{Delivered, Outgoing, Sent};
use plan::{Part, Plan};
use reading::Reading;

/// The pause before a publish that was overtaken twice is built again; it doubles.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// One publish of one collection, whose lock the caller holds.
pub(crate) struct Publisher<'a> {
    session: &'a Session,
    gun: &'a Gun,
    collection: &'a CollectionDir,
    keyring: &'a Keyring,
    keys: Vec<KeyEntry>,
    expires: Option<When>,
    propose: ProposeArgs,
    /// What somebody has to agree to before every publish.
    act: Option<Act>,
}

impl<'a> Publisher<'a> {
    /// Publishes with these keys.
    pub(crate) fn new(
        session: &'a Session,
        gun: &'a Gun,
        collection: &'a CollectionDir,
        sign: &SignArgs,
    ) -> Result<Publisher<'a>, Failure> {
        let keyring = session.keyring()?;
        let keys = keyring.available(&sign.key)?;
        let (expires, propose) = (sign.expires, sign.propose.clone());
        let act = None;
        Ok(Publisher { session, gun, collection, keyring, keys, expires, propose, act })
    }

    /// The same, where every publish is shown and asked about before it is signed.
    pub(crate) fn asking(self, act: Act) -> Publisher<'a> {
        Publisher { act: Some(act), ..self }
    }

    /// What would be published now; `None` when nothing is left to do.
    pub(crate) async fn dry_run(&self) -> Result<Option<(Plan, Vec<String>)>, Failure> {
        let mut staged = load(self.collection)?;
        let now = self.session.now();
        let reading = self.read(&staged, now).await?;
        staged.move_into_bins(&reading.view);
        self.drop_present(&mut staged, &reading);
        if staged.is_empty() {
            return Ok(None);
        }
        let plan = self.plan(&reading, &staged, now)?;
        let warnings = plan.check(&reading.view, &reading.lifetimes, now)?;
        Ok(Some((plan, warnings)))
    }

    /// Publishes or proposes what is staged; `None` when nothing is left to do.
    pub(crate) async fn publish(&self) -> Result<Option<Delivered>, Failure> {
        let (answer, mut bases) = self.resend().await?;
        let mut tries = Tries::new(self.session);
        loop {
            let mut staged = load(self.collection)?;
            if staged.is_empty() {
                return Ok(answer);
            }
            let now = self.session.now();
            let reading = self.read(&staged, now).await?;
            staged.move_into_bins(&reading.view);
            self.drop_present(&mut staged, &reading);
            if staged.is_empty() {
                save(self.collection, &staged)?;
                return Ok(answer);
            }
            self.refuse_conflicts(&staged, &reading, &bases)?;
            let signed = self.sign(&reading, &staged, &bases, now)?;
            let base = signed.base.clone();
            match self.deliver(signed, &reading, now).await? {
                Sent::Taken(delivered) => {
                    save(self.collection, &Staged::default())?;
                    return Ok(Some(delivered));
                }
                Sent::Overtaken(error) => {
                    tries.again(error).await?;
                    bases = base;
                }
            }
        }
    }

    /// Publishes or proposes a change that is not staged; `None` where it changes nothing. It is made
    /// anew on what is there after somebody else was first. `why` is told to those who have to sign,
    /// where the user gives no reason.
    pub(crate) async fn publish_at_once(
        &self,
        wanted: Wanted<'_>,
        why: &str,
        mut change: impl FnMut(&View) -> Result<Staged, Failure>,
    ) -> Result<Option<Delivered>, Failure> {
        if let Some(proposed) = self.require_nothing_else().await? {
            return Ok(Some(proposed));
        }
        let mut tries = Tries::new(self.session);
        loop {
            let now = self.session.now();
            let reading = reading::read(self.session, self.gun, wanted, now).await?;
            let changes = change(&reading.view)?;
            if changes.is_empty() {
                return Ok(None);
            }
            let plan = self.plan(&reading, &changes, now)?;
            let act = self.signed_anew(&reading.view, &changes).or_else(|| self.act.clone());
            self.agree(act.as_ref(), &plan.unsigned(), &plan.exempt, &reading, now)?;
            let signed = self.sign(&reading, &changes, &BTreeMap::new(), now)?;
            let signed = Outgoing { why: why.to_owned(), ..signed };
            match self.deliver(signed, &reading, now).await? {
                Sent::Taken(delivered) => return Ok(Some(delivered)),
                Sent::Overtaken(error) => tries.again(error).await?,
            }
        }
    }

    /// What is staged or in flight was built on the roles as they are. Answers the proposal that an
    /// earlier command was making: it may be the very same.
    async fn require_nothing_else(&self) -> Result<Option<Delivered>, Failure> {
        let (delivered, _) = self.resend().await?;
        let gun = self.gun;
        match load(self.collection)?.is_empty() {
            true => Ok(delivered.filter(|one| matches!(one, Delivered::Proposed(_)))),
            false => Err(Failure::Usage(format!(
                "changes of {gun} are staged; `notary publish {gun}` or `notary reset {gun}` first"
            ))),
        }
    }

    async fn read(&self, staged: &Staged, now: DateTime<Utc>) -> Result<Reading, Failure> {
        let delegated = staged.roles.values().flat_map(|changes| changes.delegations.keys());
        let roles: Vec<_> = staged.roles.keys().chain(delegated).cloned().collect();
        let names = staged.roles.values().flat_map(|changes| changes.targets.keys());
        let names: Vec<String> = names.cloned().collect();
        let subtrees: Vec<_> = staged.undelegated().cloned().collect();
        let (names, subtrees) = (Names::Placed(&names), &subtrees[..]);
        let wanted =
            Wanted { roles: &roles, names, subtrees, keys: &self.keys, ..Wanted::default() };
        reading::read(self.session, self.gun, wanted, now).await
    }

    fn drop_present(&self, staged: &mut Staged, reading: &Reading) {
        for role in staged.roles.keys().cloned().collect::<Vec<_>>() {
            if let Some(file) = reading.view.file(&role) {
                staged.drop_present(&role, file.signed(), |r| reading.view.listed(r).is_some());
            }
        }
    }

    fn refuse_conflicts(
        &self,
        staged: &Staged,
        reading: &Reading,
        bases: &BTreeMap<RoleName, Base>,
    ) -> Result<(), Failure> {
        for (role, base) in bases {
            let Some(changes) = staged.roles.get(role) else { continue };
            let current = reading.view.file(role).map(|file| file.signed());
            let conflicts = changes.conflicts(base, current);
            if !conflicts.is_empty() {
                let gun = self.gun;
                return Err(Failure::Conflict(format!(
                    "somebody else changed {} in {role} too; look with `notary list {gun} --role \
                     {role}`, then publish again to replace it, or `notary reset {gun}`",
                    conflicts.join(", ")
                )));
            }
        }
        Ok(())
    }

    fn plan(
        &self,
        reading: &Reading,
        staged: &Staged,
        now: DateTime<Utc>,
    ) -> Result<Plan, Failure> {
        let expires = When::or_after(self.expires, reading.lifetimes.targets_seconds, now);
        let plan = plan::plan(&reading.view, staged, expires)?;
        plan.require_room()?;
        Ok(plan)
    }

    fn sign(
        &self,
        reading: &Reading,
        staged: &Staged,
        bases: &BTreeMap<RoleName, Base>,
        now: DateTime<Utc>,
    ) -> Result<Outgoing, Failure> {
        let view = &reading.view;
        let plan = self.plan(reading, staged, now)?;
        let delegators = delegators(&plan, staged);
        let mut signed: Vec<(RoleName, Arc<[u8]>)> = Vec::new();
        let (mut ours, mut unsigned) = (BTreeSet::new(), Vec::new());
        let mut progress = self.session.output.files(plan.parts.len() as u64, "signing files");
        for part in &plan.parts {
            let role = view.role(&part.role).expect("the plan is made of known roles");
            // A role that is published together with its delegation is signed by whom that names.
            let new =
                delegators.get(&role.delegator).and_then(|f| f.signed().authority(&role.name));
            let authority = new.unwrap_or_else(|| view.authority(&role));
            let keys = listed(&self.keys, authority);
            match keys.is_empty() {
                true => unsigned.push((part.role.clone(), authority.role.keyids.clone())),
                false => drop(ours.insert(part.role.clone())),
            }
            let file = self.keyring.sign_with(&part.document, Purpose::of(&part.role), &keys)?;
            signed.push((part.role.clone(), file.into()));
            progress.advance(1);
        }
        let base = |role: &RoleName| {
            let now =
                || staged.roles.get(role).map(|c| c.base(view.file(role).map(|f| f.signed())));
            bases.get(role).cloned().or_else(now).unwrap_or_default()
        };
        let base = plan.parts.iter().map(|part| (part.role.clone(), base(&part.role))).collect();
        let roles: Vec<&str> = plan.parts.iter().map(|part| part.role.as_str()).collect();
        let why = format!("changes of {}", roles.join(", "));
        signed.extend(plan.first_files.iter().cloned());
        Ok(Outgoing { files: signed, ours, unsigned, exempt: plan.exempt.clone(), base, why })
    }
}

/// The tries of one publish.
pub(crate) struct Tries<'a> {
    session: &'a Session,
    end: Instant,
    pause: Duration,
}

impl Tries<'_> {
    /// As many as fit into the time that there is.
    pub(crate) fn new(session: &Session) -> Tries<'_> {
        let end = Instant::now() + session.settings.timeout;
        Tries { session, end, pause: Duration::ZERO }
    }

    /// Waits for the next one, as long as there is time.
    pub(crate) async fn again(&mut self, overtaken: Failure) -> Result<(), Failure> {
        if Instant::now() + self.pause >= self.end {
            return Err(overtaken);
        }
        self.session.output.message("another publish was first; building on it");
        // Once may be chance; more often there is a crowd, or a cache that lags behind.
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        Ok(())
    }
}

/// The planned files that say who may sign other roles, by their role.
fn delegators(plan: &Plan, staged: &Staged) -> BTreeMap<RoleName, Envelope<Targets>> {
    let delegates = |part: &&Part| staged.roles.get(&part.role).is_some_and(Changes::delegates);
    let parsed = |part: &Part| {
        let file = Envelope::parse(part.document.with_signatures(&[]));
        (part.role.clone(), file.expect("it was read before it was changed"))
    };
    plan.parts.iter().filter(delegates).map(parsed).collect()
}

/// What is staged for a collection.
pub(crate) fn load(collection: &CollectionDir) -> Result<Staged, Failure> {
    Ok(files::read_json(&collection.staged_path())?.unwrap_or_default())
}

/// Stores what is staged, in one write.
pub(crate) fn save(collection: &CollectionDir, staged: &Staged) -> Result<(), Failure> {
    let path = collection.staged_path();
    match staged.is_empty() {
        true => Ok(collection.remove(&path)?),
        false => Ok(collection.store(&path, staged)?),
    }
}

#[cfg(test)]
mod tests;
