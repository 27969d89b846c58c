//! The first root of a collection, with its targets: a proposal like any other, except that there is no
//! collection yet on whose server it could wait.

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, RoleName};
use notary_schema::publish::proposal::{is_met, lapse};
use notary_schema::wire::{Proposal, ProposalState, ProposalSummary, ProposedFile, ProposedRole};

use super::Proposed;
use crate::exit::Failure;
use crate::judging::batch;
use crate::publishing::in_flight::InFlight;
use crate::remote::Exempt;

/// How much of the hash of a first root is its id.
const ID_DIGITS: usize = 16;
/// How ids of first roots begin, as none does that a server draws.
pub(crate) const ID_PREFIX: &str = "first-";

/// The id of a first root whose signed bytes have this SHA-256.
pub(crate) fn id_of(signed_sha256: &str) -> String {
    let digits: String = signed_sha256.chars().take(ID_DIGITS).collect();
    format!("{ID_PREFIX}{digits}")
}

/// Whether what is in flight is a first root that lacks signatures: it was never sent.
pub(crate) fn waits(gun: &Gun, in_flight: &InFlight, now: DateTime<Utc>) -> bool {
    let lacks_some = |proposed: &Proposed| {
        proposed.judge(None, now).is_ok_and(|judged| !is_met(&judged.demands))
    };
    in_flight.creates() && proposed(gun, in_flight, now).as_ref().is_ok_and(lacks_some)
}

/// What is in flight as a proposal; its id says which root it is.
pub(crate) fn proposed(
    gun: &Gun,
    in_flight: &InFlight,
    now: DateTime<Utc>,
) -> Result<Proposed, Failure> {
    let files = in_flight.files();
    // Where everybody has signed already it waits for nothing.
    let lapses_at = lapse(&batch(&files, &Exempt::default())?, None, now).unwrap_or(now);
    let contents = in_flight.contents();
    let root = contents.iter().find(|(role, ..)| *role == RoleName::ROOT);
    let id = id_of(root.map_or("", |(_, _, sha256)| sha256));
    let roles = contents.iter().map(|(name, version, signed_sha256)| ProposedRole {
        name: name.clone(),
        version: *version,
        signed_sha256: signed_sha256.clone(),
    });
    let summary = ProposalSummary {
        id,
        state: ProposalState::Open,
        reason: format!("the first root of {gun}"),
        created_at: now,
        created_by: "notary init".to_owned(),
        lapses_at,
        closed_at: None,
        displaced_by: None,
        roles: roles.collect(),
    };
    let file = |role: &ProposedRole, bytes: &[u8]| ProposedFile {
        name: role.name.clone(),
        version: role.version,
        signed_sha256: role.signed_sha256.clone(),
        file: String::from_utf8_lossy(bytes).into_owned(),
        signatures: Vec::new(),
    };
    let files = summary.roles.iter().zip(&files).map(|(role, (_, bytes))| file(role, bytes));
    Proposed::read(Proposal {
        files: files.collect(),
        summary,
        pending: Vec::new(),
        orphan: Vec::new(),
        compromised: Vec::new(),
        demands: Vec::new(),
    })
}
