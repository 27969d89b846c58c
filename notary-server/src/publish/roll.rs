//! Steps 8 and 9 of a publish: a prepared release is signed and committed.
//!
//! **A prepared release is rolled forward, never back, once a sign request may have left the
//! server.** The publisher that prepared it, the next publisher, start-up and the refresh task all
//! call [`Publisher::roll_forward`]; whoever comes after a crash sends the same bytes and gets the
//! same files. Where the signer refuses the bytes of a slot, [`consequence`] says what becomes of
//! it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use notary_schema::json;
use notary_schema::online::{OnlineRole, Plan, refusal_code};
use notary_schema::role::Snapshot;

use super::plan::{Keys, next_root};
use super::rebuild::Rebuilt;
use super::{Ground, Publisher};
use crate::StopPoint;
use crate::error::{ServiceError, VERSIONS_EXHAUSTED};
use crate::served::Live;
use crate::signer_client::{self, NO_KEY, Release, SignFailure, SignedBy, SignerError, Trouble};
use crate::store::{Joining, Pause, Prepared};

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

/// What came of a plan.
enum Finished {
    Committed(Arc<Live>),
    /// Another plan may be signed.
    Refused {
        code: String,
        reason: String,
    },
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

    /// Has a prepared release signed, and commits it on the head it was prepared on: with the plan
    /// that it has, and where the signer refuses that, once more with a new one. Where the new plan
    /// goes on from what a database lost that was set back, publishers read what there is then.
    ///
    /// # Errors
    /// Whatever [`Unfinished`] names; the slot is then as the table in [`consequence`] says.
    pub(super) async fn roll_forward(
        &self,
        prepared: Prepared,
        before: Option<&Arc<Live>>,
        now: DateTime<Utc>,
    ) -> Result<Arc<Live>, Unfinished> {
        if let Some(pause) = prepared.pause().filter(|pause| pause.retry_at > now) {
            let error = waits(pause, now);
            return Err(Unfinished::Waits(Box::new(prepared), error));
        }
        match self.finish(&prepared, before, now).await? {
            Finished::Committed(live) => return Ok(live),
            Finished::Refused { .. } => {}
        }
        let (prepared, is_set_back) =
            match self.rebuild(&prepared, before, Joining::default(), now).await {
                Ok(Rebuilt::AsJudged(prepared)) => (prepared, false),
                Ok(Rebuilt::SetBack(prepared)) => (prepared, true),
                Err(Unfinished::Failed(error @ ServiceError::Exhausted(_))) => {
                    return Err(self.wait_for_versions(prepared, error, now).await);
                }
                Err(unfinished) => return Err(unfinished),
            };
        match self.finish(&prepared, before, now).await? {
            Finished::Committed(_) if is_set_back => Err(Unfinished::Moved),
            Finished::Committed(live) => Ok(live),
            Finished::Refused { code, reason } => {
                let seconds = 2i64.saturating_pow(prepared.rebuilds());
                Err(self.wait(prepared, (code, reason), seconds, now).await)
            }
        }
    }

    /// Steps 8 and 9 with the plan that the slot has, as far as the signer goes along.
    async fn finish(
        &self,
        prepared: &Prepared,
        before: Option<&Arc<Live>>,
        now: DateTime<Utc>,
    ) -> Result<Finished, Unfinished> {
        let keys = self.keys_then(prepared.collection()).await?;
        match self.attempt(prepared, before, &keys, now).await {
            Ok(release) => Ok(Finished::Committed(self.commit(release, before, now).await?)),
            Err(Then::Rebuild { code, reason }) => Ok(Finished::Refused { code, reason }),
            Err(Then::Keep(error)) => Err(ServiceError::from(error).into()),
            Err(Then::Drop { code, reason }) => {
                let dropped = self.store.drop_slot(prepared).await?;
                tracing::warn!(gun = %prepared.collection().gun, code, "release dropped");
                Err(match dropped {
                    true => ServiceError::SignerRefused { code, reason }.into(),
                    false => Unfinished::Moved,
                })
            }
        }
    }

    /// Step 8, or why not.
    async fn attempt(
        &self,
        prepared: &Prepared,
        before: Option<&Arc<Live>>,
        keys: &Keys,
        now: DateTime<Utc>,
    ) -> Result<Release, Then> {
        if is_past(prepared.plan(), now) {
            return Err(Then::rebuild(refusal_code::EXPIRED, "its dates have passed"));
        }
        let head = before.map(|live| live.head.as_ref());
        let root = next_root(head, prepared.files());
        let current = head.map(|head| &head.snapshot);
        let (signer, stop) = (self.signer.as_ref(), self.parts.stop.as_ref());
        let by = SignedBy { root: &root, held: &keys.held };
        let release = signer_client::sign(signer, prepared.clone(), by, current, stop).await;
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
        // The signer has signed above all that it remembers.
        self.note_compared(live.collection.id);
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

    /// Where no plan can be made, since the versions are used up. None was stored, so the time since
    /// this one stands there makes the pauses grow.
    async fn wait_for_versions(
        &self,
        prepared: Prepared,
        exhausted: ServiceError,
        now: DateTime<Utc>,
    ) -> Unfinished {
        let seconds = (now - prepared.prepared_at()).num_seconds() + 2;
        let reason = (VERSIONS_EXHAUSTED.to_owned(), exhausted.to_string());
        match self.wait(prepared, reason, seconds, now).await {
            Unfinished::Waits(prepared, _) => Unfinished::Waits(prepared, exhausted),
            other => other,
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
