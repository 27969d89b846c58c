//! What a publish would consist of, as a pure function of trusted metadata and staged changes.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{RoleName, Version};
use notary_schema::online::Lifetimes;
use notary_schema::publish::{Batch, Rules, check, check_unsigned};
use notary_schema::role::{Expires, Targets};

use crate::exit::Failure;
use crate::staged::{StageError, Staged};
use crate::view::View;

/// The next versions of the changed roles, still to be signed.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One for each changed role.
    pub(crate) parts: Vec<Part>,
    /// First files of delegated roles, signed by their teams.
    pub(crate) first_files: Vec<(RoleName, Arc<[u8]>)>,
    /// Roles that are delegated to and have no file yet.
    pub(crate) pending: BTreeSet<RoleName>,
}

/// The next version of one role.
#[derive(Debug)]
pub(crate) struct Part {
    /// The role.
    pub(crate) role: RoleName,
    /// Its version now; `None` before the first.
    pub(crate) current: Option<Version>,
    /// The version that is planned.
    pub(crate) version: Version,
    /// The document.
    pub(crate) document: Unsigned,
}

/// Builds the next versions.
///
/// # Errors
/// A role that no delegation leads to, a name that is not published.
pub(crate) fn plan(view: &View, staged: &Staged, expires: Expires) -> Result<Plan, Failure> {
    let mut plan = Plan { parts: Vec::new(), first_files: Vec::new(), pending: BTreeSet::new() };
    for (role, changes) in staged.roles.iter().filter(|(_, changes)| !changes.is_empty()) {
        if view.role(role).is_none() {
            return Err(StageError::UnknownRole(role.clone()).into());
        }
        let (current, mut draft) = match (view.file(role), view.listed(role)) {
            (Some(file), _) => (Some(file.version()), Draft::next(file, expires)?),
            (None, None) => (None, Draft::first_targets(expires)),
            (None, Some(version)) => {
                return Err(Failure::Refused(format!(
                    "{role} {version} is listed and could not be read, so nothing is built on it"
                )));
            }
        };
        changes.apply(&mut draft)?;
        let version = draft.version();
        let document = draft.finish();
        plan.parts.push(Part { role: role.clone(), current, version, document });
        for (team, new) in &changes.delegations {
            match (&new.first_file, view.listed(team)) {
                (Some(file), listed) => {
                    let bytes: Arc<[u8]> = file.as_bytes().into();
                    // A role that goes on elsewhere keeps what it has published since.
                    if follows(&bytes, listed) {
                        plan.first_files.push((team.clone(), bytes));
                    }
                }
                (None, None) => drop(plan.pending.insert(team.clone())),
                (None, Some(_)) => {}
            }
        }
    }
    Ok(plan)
}

/// Whether a signed first file is the version after the listed one.
fn follows(file: &Arc<[u8]>, listed: Option<Version>) -> bool {
    let expected = listed.map_or(Ok(Version::FIRST), Version::next);
    Envelope::<Targets>::parse(file.clone()).is_ok_and(|file| Ok(file.version()) == expected)
}

impl Plan {
    /// Judges the plan before it is signed. Answers warnings.
    pub(crate) fn check(
        &self,
        view: &View,
        lifetimes: &Lifetimes,
        now: DateTime<Utc>,
    ) -> Result<Vec<String>, Failure> {
        let unsigned = |part: &Part| (part.role.clone(), part.document.with_signatures(&[]).into());
        let batch = self.batch(self.parts.iter().map(unsigned))?;
        match judgeable(view, &batch) {
            Some(head) => Ok(check_unsigned(Some(&head), &batch, &rules(lifetimes), now)?),
            None => Ok(Vec::new()),
        }
    }

    /// Judges the plan with its signed parts.
    pub(crate) fn check_signed(
        &self,
        signed: &[(RoleName, Arc<[u8]>)],
        view: &View,
        lifetimes: &Lifetimes,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        use notary_schema::publish::Refusal;
        let batch = self.batch(signed.iter().cloned())?;
        let Some(head) = judgeable(view, &batch) else { return Ok(()) };
        match check(Some(&head), &batch, &rules(lifetimes), now) {
            Ok(_) => Ok(()),
            Err(Refusal::Threshold(missing)) => {
                Err(Failure::SignaturesMissing(missing.to_string()))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn batch(&self, parts: impl Iterator<Item = (RoleName, Arc<[u8]>)>) -> Result<Batch, Failure> {
        let mut batch = Batch::default();
        batch.pending = self.pending.clone();
        for (role, bytes) in parts.chain(self.first_files.iter().cloned()) {
            batch.add(role, bytes)?;
        }
        Ok(batch)
    }
}

/// The head to judge on, where every file that the rules look into is at hand; otherwise the server
/// is the first to judge.
fn judgeable(view: &View, batch: &Batch) -> Option<notary_schema::publish::Head> {
    view.head().filter(|head| head.missing(batch).is_empty())
}

fn rules(lifetimes: &Lifetimes) -> Rules {
    Rules { offline_max_seconds: lifetimes.offline_max_seconds, ..Rules::default() }
}
