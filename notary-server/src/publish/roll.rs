//! Steps 8 and 9 of a publish: a prepared release is signed and committed.
//!
//! **A prepared release is rolled forward, never back, once a sign request may have left the
//! server.** The publisher that prepared it, the next publisher, start-up and the refresh task all
//! call [`Publisher::roll_forward`]; whoever comes after a crash sends the same bytes and gets the
//! same files. Where the signer refuses the bytes of a slot, [`consequence`] says what becomes of
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::json;
use notary_schema::name::{RoleName, Version};
use notary_schema::online::{
    Exhausted, OnlineRole, Plan, PlannedSnapshot, Versions, accept_answer, floors, next_snapshot,
};
use notary_schema::publish::Head;
use notary_schema::role::{FileMeta, Snapshot, Timestamp};
use notary_schema::wire::{RememberedFile, SignerMemory, refusal_code};

use super::plan::{next_root, plan, plan_anew, planned_snapshot, versions_after};
use super::recovery::{forgotten, plan_over};
use super::{Ground, Publisher};
use crate::StopPoint;
use crate::error::{ServiceError, VERSIONS_EXHAUSTED};
use crate::served::Live;
use crate::signer_client::{self, NO_KEY, Release, SignFailure, SignerError, Trouble};
use crate::store::{Collection, Joining, Pause, Prepared, RoleFile};

/// Longest pause between two attempts at a slot that the signer refuses, in seconds.
const MAX_PAUSE_SECONDS: i64 = 300;

/// Why a prepared release is not committed now.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// Somebody else went on: read again.
    Moved,
    /// The slot is gone, or stays for the next attempt: what to tell the publishers.
    Failed(ServiceError),
    /// The signer refuses it for the time being. A publish with a new root may join it.
    Waits(Box<Prepared>, ServiceError),
}

/// A slot with a new plan.
#[derive(Debug)]
pub(super) enum Rebuilt {
    /// All that was accepted is in it.
    AsJudged(Prepared),
    /// The database was set back: what was accepted before that was known has left it.
    SetBack(Prepared),
}

impl<E: Into<ServiceError>> From<E> for Unfinished {
    fn from(error: E) -> Unfinished {
        Unfinished::Failed(error.into())
    }
}

/// What becomes of a slot that is not signed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Then {
    /// It stays as it is.
    Keep(SignerError),
    /// Nothing was recorded and nothing depends on it: it goes.
    Drop { code: String, reason: String },
    /// It gets a new plan.
    Rebuild { code: String, reason: String },
}

impl Then {
    fn rebuild(code: &str, reason: impl ToString) -> Then {
        Then::Rebuild { code: code.to_owned(), reason: reason.to_string() }
    }
}

/// What becomes of a slot that is not signed. A slot of which anything may have been recorded is
/// never dropped: the signer's memory must not get ahead of slot and head together.
fn consequence(failure: &SignFailure, prepared: &Prepared) -> Then {
    let (role, error) = match failure {
        SignFailure::Unverified(error) => {
            return Then::rebuild(Trouble::WrongAnswer.code(), error);
        }
        SignFailure::Signer { role, error } => (role, error),
    };
    let SignerError::Refused { code, reason } = error else {
        return Then::Keep(error.clone());
    };
    let has_snapshot = prepared.plan().snapshot.is_some();
    let is_first_request = *role == OnlineRole::Snapshot || !has_snapshot;
    match is_first_request && !is_outdated(code) && prepared.rebuilds() == 0 {
        true => Then::Drop { code: code.clone(), reason: reason.clone() },
        false => Then::rebuild(code, format!("{reason} ({code})")),
    }
}

/// Whether a refusal says that the plan was made from old knowledge, so that a new plan may be
/// signed: old dates, old versions, old states of the keys.
fn is_outdated(code: &str) -> bool {
    use refusal_code::{
        EXPIRED, OTHER_SNAPSHOT, RETIRED_KEY, UNKNOWN_KEY, VERSION_USED, WOULD_LOWER,
    };
    // `OTHER_SNAPSHOT` of a lone timestamp: the signer knows another snapshot than the head.
    let plan = [EXPIRED, VERSION_USED, WOULD_LOWER, OTHER_SNAPSHOT];
    let keys = [RETIRED_KEY, UNKNOWN_KEY, NO_KEY];
    plan.contains(&code) || keys.contains(&code)
}

impl Publisher {
    /// Finishes the release in the slot, if there is one, before anything else happens in the
    /// collection; answers what the collection is then.
    pub(crate) async fn settle(
        &self,
        ground: Ground,
        now: DateTime<Utc>,
    ) -> Result<Ground, Unfinished> {
        let Some(prepared) = self.store.slot(&ground.collection).await? else { return Ok(ground) };
        let live = self.roll_forward(prepared, ground.live.as_ref(), now).await?;
        Ok(Ground { collection: live.collection.clone(), live: Some(live), replaces: None })
    }

    /// Has a prepared release signed, and commits it on the head it was prepared on.
    ///
    /// # Errors
    /// Whatever [`Unfinished`] names; the slot is then as the table in [`consequence`] says.
    pub(super) async fn roll_forward(
        &self,
        mut prepared: Prepared,
        before: Option<&Arc<Live>>,
        now: DateTime<Utc>,
    ) -> Result<Arc<Live>, Unfinished> {
        if let Some(pause) = prepared.pause().filter(|pause| pause.retry_at > now) {
            let error = waits(pause, now);
            return Err(Unfinished::Waits(Box::new(prepared), error));
        }
        let (mut is_new_plan, mut is_set_back) = (false, false);
        loop {
            let (code, reason) = match self.attempt(&prepared, before, now).await {
                Ok(release) => {
                    let live = self.commit(release, before, now).await?;
                    return if is_set_back { Err(Unfinished::Moved) } else { Ok(live) };
                }
                Err(Then::Keep(error)) => return Err(ServiceError::from(error).into()),
                Err(Then::Drop { code, reason }) => {
                    let dropped = self.store.drop_slot(&prepared).await?;
                    tracing::warn!(gun = %prepared.collection().gun, code, "release dropped");
                    return Err(match dropped {
                        true => ServiceError::SignerRefused { code, reason }.into(),
                        false => Unfinished::Moved,
                    });
                }
                Err(Then::Rebuild { code, reason }) => (code, reason),
            };
            if is_new_plan {
                let seconds = 2i64.saturating_pow(prepared.rebuilds());
                return Err(self.wait(prepared, (code, reason), seconds, now).await);
            }
            prepared = match self.rebuild(&prepared, before, Joining::default(), now).await {
                Ok(Rebuilt::AsJudged(prepared)) => prepared,
                Ok(Rebuilt::SetBack(prepared)) => {
                    is_set_back = true;
                    prepared
                }
                Err(Unfinished::Failed(error @ ServiceError::Exhausted(_))) => {
                    // No plan was stored, so the time since it stands there makes the pauses grow.
                    let seconds = (now - prepared.prepared_at()).num_seconds() + 2;
                    let reason = (VERSIONS_EXHAUSTED.to_owned(), error.to_string());
                    let waits = self.wait(prepared, reason, seconds, now).await;
                    return Err(match waits {
                        Unfinished::Waits(prepared, _) => Unfinished::Waits(prepared, error),
                        other => other,
                    });
                }
                Err(unfinished) => return Err(unfinished),
            };
            is_new_plan = true;
        }
    }

    /// Step 8, or why not.
    async fn attempt(
        &self,
        prepared: &Prepared,
        before: Option<&Arc<Live>>,
        now: DateTime<Utc>,
    ) -> Result<Release, Then> {
        if is_past(prepared.plan(), now) {
            return Err(Then::rebuild(refusal_code::EXPIRED, "its dates have passed"));
        }
        let head = before.map(|live| live.head.as_ref());
        let root = next_root(head, prepared.files());
        let current = head.map(|head| &head.snapshot);
        let (signer, stop) = (self.signer.as_ref(), self.parts.stop.as_ref());
        let release = signer_client::sign(signer, prepared.clone(), &root, current, stop).await;
        release.map_err(|failure| consequence(&failure, prepared))
    }

    /// Step 9, **the commit point**: one call of the store.
    ///
    /// A crash before it leaves the slot, and everybody serves what they served; whoever finds the
    /// slot repeats step 8 and comes here again. A crash after it leaves the new head and no slot:
    /// the publishers may not have heard of it, and find their files when they ask again.
    async fn commit(
        &self,
        release: Release,
        before: Option<&Arc<Live>>,
        now: DateTime<Utc>,
    ) -> Result<Arc<Live>, Unfinished> {
        let release = Arc::new(release);
        let mut head = Live::head_after(before.map(|live| live.head.as_ref()), &release);
        let lost = head.lost.len() as u64;
        let committed = match self.store.commit(release.clone(), lost, now).await {
            Ok(Some(committed)) => committed,
            Ok(None) => return Err(Unfinished::Moved),
            // Unknown: only the slot can tell whether it happened.
            Err(error) => {
                let prepared = release.prepared();
                let slot = self.store.slot(prepared.collection()).await?;
                return Err(match slot.is_some_and(|slot| slot.is_claim_of(prepared)) {
                    true => error.into(),
                    false => Unfinished::Moved,
                });
            }
        };
        head.revoked = committed.revoked().clone();
        let collection = committed.collection().clone();
        let live = Arc::new(Live { collection, head: Arc::new(head) });
        self.served.replace(live.clone());
        tracing::info!(
            gun = %live.collection.gun,
            seq = live.collection.seq,
            files = release.prepared().files().len(),
            snapshot = live.head.snapshot.version().get(),
            timestamp = live.head.timestamp.version().get(),
            "committed"
        );
        (self.parts.stop)(StopPoint::BeforeCommitAnswer);
        Ok(live)
    }

    /// Gives a slot a plan that the signer can accept by what it remembers, and what joins it.
    ///
    /// Without the signer's memory nothing is rebuilt, so versions do not drift while it is away.
    pub(super) async fn rebuild(
        &self,
        prepared: &Prepared,
        before: Option<&Arc<Live>>,
        joining: Joining,
        now: DateTime<Utc>,
    ) -> Result<Rebuilt, Unfinished> {
        let collection = prepared.collection();
        let memory = self.remembered(collection).await?;
        let head = before.map(|live| live.head.as_ref());
        let planned = planned_snapshot(prepared.plan());
        let listed = planned.as_ref().or(head.map(|head| head.snapshot.signed()));
        let lost = memory.beyond(listed);
        let has_files = !prepared.files().is_empty() || !joining.files.is_empty();
        let is_set_back = head.is_some() && !lost.is_empty() && has_files;
        let (files, joining) = match head.filter(|_| !lost.is_empty()) {
            None => (prepared.files().iter().chain(&joining.files).cloned().collect(), joining),
            Some(_) => found(prepared.files(), memory.snapshot.as_ref().map(Envelope::signed)),
        };
        // Also what the slot lists and the head does not, where it was found before.
        let floors = memory.beyond(head.map_or(listed, |head| Some(head.snapshot.signed())));
        let head = head.map(|head| expecting(head, &floors));
        let head = head.as_ref();
        let mut sign_on = prepared.overlap().clone();
        sign_on.add(&joining.overlap);
        let keys = self.keys_now(collection).await?.and(&sign_on);
        let forgotten = forgotten(head, &files, &sign_on);
        let versions = match &forgotten {
            Some(_) => memory.versions()?,
            None => memory.versions_after(head)?,
        };
        let versions = self.free(collection, versions).await?;
        let lifetimes = self.lifetimes_of(collection);
        let mut next = match (head, &planned) {
            (Some(_), _) if let Some(head) = &forgotten => {
                plan_over(&memory, head, &keys, &lifetimes, versions, now)
            }
            // No head says how far clients have seen: what was planned does.
            (None, Some(planned)) => {
                let versions = versions.no_lower_than(prepared.plan());
                let entries = with_floors(planned, &floors);
                plan_anew(&entries, &files, &keys, &lifetimes, versions, now)
            }
            _ => plan(head, &files, &keys, &lifetimes, versions, now),
        };
        if joining.files.is_empty() {
            let root = next_root(head, &files);
            match &prepared.plan().snapshot {
                Some(planned) if memory.has_signed(planned, &root, now) => {
                    next.snapshot = Some(planned.clone());
                }
                None if memory.is_served_by(head, now) => next.snapshot = None,
                _ => {}
            }
        }
        let rebuilt = self.store.rebuild(prepared, next, joining).await?;
        let rebuilt = rebuilt.ok_or(Unfinished::Moved)?;
        if !lost.is_empty() {
            let gun = &collection.gun;
            tracing::error!(%gun, lost = lost.len(), "the database was set back to an older copy");
        }
        Ok(if is_set_back { Rebuilt::SetBack(rebuilt) } else { Rebuilt::AsJudged(rebuilt) })
    }

    /// What the signer remembers now.
    pub(super) async fn remembered(
        &self,
        collection: &Collection,
    ) -> Result<Remembered, ServiceError> {
        let memory = self.signer.memory(&collection.gun, &collection.incarnation).await?;
        Remembered::read(memory)
    }

    /// Refuses a timestamp that does not follow from the one before and that the signer would not
    /// sign: it would find out when the snapshot is recorded already, and a release is not taken back
    /// from there.
    pub(super) fn require_reachable(
        &self,
        memory: &Remembered,
        timestamp: Version,
    ) -> Result<(), ServiceError> {
        let last = memory.timestamp.as_ref().map_or(0, |last| last.version().get());
        let most = self.largest_group() as u64;
        match timestamp.get().saturating_sub(last) > most {
            false => Ok(()),
            true => Err(ServiceError::SignerRefused {
                code: "version_jump".to_owned(),
                reason: format!(
                    "timestamp would jump from version {last} to {timestamp}, by more than {most}; \
                     an operator lets it with `notary-signer memory set` on the signer's host"
                ),
            }),
        }
    }

    /// Notes why a slot waits, and for how long: about twice as long each time.
    async fn wait(
        &self,
        prepared: Prepared,
        (code, reason): (String, String),
        seconds: i64,
        now: DateTime<Utc>,
    ) -> Unfinished {
        let seconds = seconds.clamp(1, MAX_PAUSE_SECONDS);
        let pause = Pause { code, reason, retry_at: now + TimeDelta::seconds(seconds) };
        tracing::error!(
            gun = %prepared.collection().gun,
            code = pause.code,
            reason = pause.reason,
            retry_in_seconds = seconds,
            "the signer refuses a release that must not be dropped"
        );
        match self.store.pause(&prepared, pause.clone()).await {
            Ok(true) => Unfinished::Waits(Box::new(prepared), waits(&pause, now)),
            Ok(false) => Unfinished::Moved,
            Err(error) => error.into(),
        }
    }
}

fn waits(pause: &Pause, now: DateTime<Utc>) -> ServiceError {
    let seconds = (pause.retry_at - now).num_seconds().unsigned_abs();
    let Pause { code, reason, .. } = pause.clone();
    ServiceError::ReleaseWaits { code, reason, seconds }
}

/// Whether a plan can no longer be signed, since it expires by now.
fn is_past(plan: &Plan, now: DateTime<Utc>) -> bool {
    let snapshot = plan.snapshot.as_ref();
    let snapshot = snapshot.and_then(|planned| json::read::<Snapshot>(&planned.signed).ok());
    snapshot.is_some_and(|snapshot| snapshot.expires.is_past(now))
        || plan.timestamp.expires.is_past(now)
}

/// The files of a slot that was judged on a database that was set back: those which were signed exactly
/// so stay; all others leave, since what they are a step from is lost.
fn found(files: &[RoleFile], signed: Option<&Snapshot>) -> (Vec<RoleFile>, Joining) {
    let is_found = |file: &&RoleFile| {
        let listed = signed.and_then(|signed| signed.entry(&file.role()));
        listed.is_some_and(|listed| listed.binds(file.version(), file.bytes()))
    };
    let (found, leaving): (Vec<&RoleFile>, Vec<&RoleFile>) = files.iter().partition(is_found);
    let leaving = leaving.into_iter().map(|file| (file.role(), file.version())).collect();
    (found.into_iter().cloned().collect(), Joining { leaving, ..Joining::default() })
}

/// A head that lists what the signer has signed.
fn expecting(head: &Head, floors: &BTreeMap<RoleName, FileMeta>) -> Head {
    match floors.is_empty() {
        true => head.clone(),
        false => head.clone().expecting(&with_floors(head.snapshot.signed(), floors)),
    }
}

fn with_floors(snapshot: &Snapshot, floors: &BTreeMap<RoleName, FileMeta>) -> Snapshot {
    next_snapshot(Some(snapshot), floors.clone(), snapshot.version, snapshot.expires)
}

/// The signer's memory, read.
pub(super) struct Remembered {
    snapshot: Option<Envelope<Snapshot>>,
    timestamp: Option<Envelope<Timestamp>>,
}

impl Remembered {
    fn read(memory: SignerMemory) -> Result<Remembered, ServiceError> {
        fn file<T: notary_schema::role::Role>(
            remembered: Option<RememberedFile>,
        ) -> Result<Option<Envelope<T>>, ServiceError> {
            let parsed = remembered.map(|found| Envelope::parse(found.file.into_bytes()));
            parsed.transpose().map_err(|error| {
                let reason = format!("its memory is not readable: {error}");
                ServiceError::SignerAway { trouble: Trouble::WrongAnswer, reason }
            })
        }
        Ok(Remembered { snapshot: file(memory.snapshot)?, timestamp: file(memory.timestamp)? })
    }

    /// One above what the head has and the signer remembers.
    fn versions_after(&self, head: Option<&Head>) -> Result<Versions, Exhausted> {
        self.versions_above(versions_after(head)?)
    }

    /// One above what the signer remembers.
    pub(super) fn versions(&self) -> Result<Versions, Exhausted> {
        self.versions_above(Versions::FIRST)
    }

    fn versions_above(&self, least: Versions) -> Result<Versions, Exhausted> {
        let snapshot = self.snapshot.as_ref().map(Envelope::version);
        let timestamp = self.timestamp.as_ref().map(Envelope::version);
        least.above(snapshot, timestamp)
    }

    /// The last snapshot.
    pub(super) fn snapshot(&self) -> Option<&Snapshot> {
        self.snapshot.as_ref().map(Envelope::signed)
    }

    /// What the last snapshot lists beyond another one.
    fn beyond(&self, listed: Option<&Snapshot>) -> BTreeMap<RoleName, FileMeta> {
        let last = self.snapshot.as_ref();
        last.map_or_else(BTreeMap::new, |last| floors(last.signed(), listed))
    }

    /// Whether the last snapshot is the planned one, and can be used.
    fn has_signed(
        &self,
        planned: &PlannedSnapshot,
        root: &notary_schema::role::Root,
        now: DateTime<Utc>,
    ) -> bool {
        self.snapshot.as_ref().is_some_and(|last| {
            let (bytes, role) = (last.bytes().clone(), OnlineRole::Snapshot);
            !last.expires().is_past(now)
                && accept_answer::<Snapshot>(bytes, &planned.signed, role, root).is_ok()
        })
    }

    /// Whether the last snapshot is the one that is served, so that a timestamp can name it.
    fn is_served_by(&self, head: Option<&Head>, now: DateTime<Utc>) -> bool {
        let (Some(last), Some(head)) = (&self.snapshot, head) else { return false };
        last.sha256() == head.snapshot.sha256() && !last.expires().is_past(now)
    }
}
