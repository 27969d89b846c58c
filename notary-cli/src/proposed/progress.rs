//! How far a proposal is: who has signed, and who is missing.

use std::fmt::Write;

use notary_schema::name::Gun;
use notary_schema::publish::Purpose;
use notary_schema::wire::{Proposal, ProposalDemand, ProposalState, ProposalSummary};
use serde_json::json;

use crate::exit::{Failure, Outcome};
use crate::output::{joined, one_line, time};
use crate::session::Session;

/// What a proposal is about, on one line: its files, and why it was made.
pub(crate) fn about(proposal: &ProposalSummary) -> String {
    let roles = proposal.roles.iter().map(|role| format!("{} {}", role.name, role.version));
    one_line(&format!("{}: {}", roles.collect::<Vec<_>>().join(", "), proposal.reason))
}

/// What became of a proposal, in a word.
pub(crate) fn word(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Open => "open",
        ProposalState::Stale => "stale",
        ProposalState::Lapsed => "lapsed",
        ProposalState::Published => "published",
        ProposalState::Cancelled => "cancelled",
        ProposalState::Displaced => "displaced",
    }
}

/// Shows a proposal that was made just now.
pub(crate) fn made(session: &Session, gun: &Gun, proposal: &Proposal) -> Result<Outcome, Failure> {
    let value = json!({
        "collection": gun, "proposal": proposal.summary, "demands": proposal.demands,
    });
    session.output.result(&value, &described(proposal))?;
    Ok(waits(session, gun, proposal))
}

/// A proposal that was made just now, for people.
pub(crate) fn described(proposal: &Proposal) -> String {
    let ProposalSummary { id, reason, lapses_at, roles, .. } = &proposal.summary;
    let mut text = format!("proposed {}: {}\n", one_line(id), one_line(reason));
    for role in roles {
        writeln!(text, "{} {}", role.name, role.version).expect("a String takes all");
    }
    text += &signers(&proposal.demands);
    writeln!(text, "it lapses at {}", time(*lapses_at)).expect("a String takes all");
    text
}

/// Says how those go on whose signatures are missing.
pub(crate) fn waits(session: &Session, gun: &Gun, proposal: &Proposal) -> Outcome {
    session.output.message(format_args!(
        "those who hold the missing keys go on with `notary proposal sign {gun} {}`",
        proposal.summary.id
    ));
    Outcome::SignaturesMissing
}

/// Who has signed, and who is missing, for each threshold.
pub(crate) fn signers(demands: &[ProposalDemand]) -> String {
    let mut text = String::new();
    for demand in demands {
        let ProposalDemand { role, delegator, version, purpose, threshold, .. } = demand;
        let ProposalDemand { signed, missing, revoked, .. } = demand;
        let overlap = match purpose {
            Purpose::Trust => "",
            Purpose::Overlap => ", for clients that do not have the next one yet",
        };
        let has = signed.len();
        writeln!(
            text,
            "{role} as {delegator} {version} asks{overlap}: {has} of {threshold} signed"
        )
        .expect("a String takes all");
        let is_met = has >= *threshold as usize;
        let rest = if is_met { &[][..] } else { missing };
        for (what, keyids) in [("signed", &signed[..]), ("missing", rest), ("revoked", revoked)] {
            if !keyids.is_empty() {
                writeln!(text, "  {what}: {}", joined(keyids)).expect("a String takes all");
            }
        }
    }
    text
}
