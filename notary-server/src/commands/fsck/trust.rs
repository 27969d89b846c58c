//! Would a client that starts with root 1 accept all of it?
//!
//! The client workflow of `notary_schema::trusted` answers. Expired metadata is noted: it is
//! mended by publishing. So is a role whose file no longer carries the signatures that its
//! delegation asks for: a publish may bring that about on purpose.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::envelope::Envelope;
use notary_schema::name::RoleName;
use notary_schema::role::{Delegations, Root};
use notary_schema::trusted::{Expiry, TrustError, TrustedSet};

use super::RESTORE;
use super::report::Report;
use crate::store::StoreResult;
use crate::store::inspect::{RawLife, View};

/// What to do about a role that clients do not accept.
const PUBLISH: &str = "have its next version published by those who hold its keys now";

/// Answers the newest root, where the chain leads to it.
pub(super) fn check(
    view: &mut View<'_>,
    life: &RawLife,
    current: &BTreeMap<String, i64>,
    report: &mut Report<'_>,
    now: DateTime<Utc>,
) -> StoreResult<Option<Arc<Envelope<Root>>>> {
    let Some(newest) = current.get("root").copied() else { return Ok(None) };
    let Some(mut set) = root_chain(view, life, newest, report, now)? else { return Ok(None) };
    let root = set.root().clone();
    for role in ["timestamp", "snapshot"] {
        let Some(version) = current.get(role).copied() else { return Ok(Some(root)) };
        let bytes = view.bytes(life.id, role, version)?.unwrap_or_default();
        let taken = match role {
            "timestamp" => set.update_timestamp(bytes).map(drop),
            _ => set.update_snapshot(bytes),
        };
        if let Err(error) = taken {
            report.problem(Some(role), Some(version), refused(&error), RESTORE);
            return Ok(Some(root));
        }
    }
    check_delegations(view, life, current, &mut set, report)?;
    for (role, expires) in set.expired() {
        note_expired(role.as_str(), current, &expires.to_string(), report);
    }
    Ok(Some(root))
}

/// Every root from the first to the newest.
fn root_chain(
    view: &mut View<'_>,
    life: &RawLife,
    newest: i64,
    report: &mut Report<'_>,
    now: DateTime<Utc>,
) -> StoreResult<Option<TrustedSet>> {
    let mut set: Option<TrustedSet> = None;
    for version in 1..=newest {
        let Some(bytes) = view.bytes(life.id, "root", version)? else {
            let problem = "it is missing: clients cannot get past it".to_owned();
            report.problem(Some("root"), Some(version), problem, RESTORE);
            return Ok(None);
        };
        let taken = match &mut set {
            None => TrustedSet::new(bytes, now, Expiry::Reported).map(|first| set = Some(first)),
            Some(set) => set.update_root(bytes).map(drop),
        };
        if let Err(error) = taken {
            report.problem(Some("root"), Some(version), refused(&error), RESTORE);
            return Ok(None);
        }
    }
    Ok(set)
}

/// Every file that a delegation leads to, against every delegator. Only those that delegate are
/// kept.
fn check_delegations(
    view: &mut View<'_>,
    life: &RawLife,
    current: &BTreeMap<String, i64>,
    set: &mut TrustedSet,
    report: &mut Report<'_>,
) -> StoreResult<()> {
    let mut queue = VecDeque::from([(RoleName::ROOT, RoleName::TARGETS)]);
    let mut seen = BTreeSet::new();
    while let Some((delegator, role)) = queue.pop_front() {
        if !seen.insert((delegator.clone(), role.clone())) {
            continue;
        }
        // A delegation may wait for its first file.
        let Some(version) = current.get(role.as_str()).copied() else { continue };
        let bytes = view.bytes(life.id, role.as_str(), version)?.unwrap_or_default();
        let mut with_role = set.clone();
        match with_role.update_targets(&role, &delegator, bytes) {
            Ok(()) => {}
            Err(error @ TrustError::Threshold(_)) => {
                report.note(Some(role.as_str()), Some(version), refused(&error), PUBLISH);
                continue;
            }
            Err(error) => {
                report.problem(Some(role.as_str()), Some(version), refused(&error), RESTORE);
                continue;
            }
        }
        let file = with_role.targets(&role).expect("it was taken").clone();
        if let Some(delegations) = &file.signed().delegations {
            let next = delegated_roles(delegations, current);
            queue.extend(next.into_iter().map(|next| (role.clone(), next)));
            *set = with_role;
        } else if let Some((_, expires)) =
            with_role.expired().into_iter().find(|(expired, _)| *expired == role)
        {
            note_expired(role.as_str(), current, &expires.to_string(), report);
        }
    }
    Ok(())
}

/// The roles that are delegated to; of succinct bins those that have a file.
fn delegated_roles(delegations: &Delegations, current: &BTreeMap<String, i64>) -> Vec<RoleName> {
    if delegations.succinct().is_none() {
        return delegations.listed().iter().map(|delegated| delegated.name.clone()).collect();
    }
    let stored = current.keys().filter_map(|role| RoleName::parse(role).ok());
    stored.filter(|role| delegations.authority(role).is_some()).collect()
}

fn refused(error: &TrustError) -> String {
    format!("clients refuse it: {error}")
}

fn note_expired(
    role: &str,
    current: &BTreeMap<String, i64>,
    expires: &str,
    report: &mut Report<'_>,
) {
    let advice = match role {
        "snapshot" | "timestamp" => "look whether the server runs and reaches the signer",
        _ => "have its next version published",
    };
    let note = format!("it expired at {expires}");
    report.note(Some(role), current.get(role).copied(), note, advice);
}
