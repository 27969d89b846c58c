//! Is each proposal what its rows say?

use notary_schema::envelope::{Envelope, EnvelopeError};
use notary_schema::key::sha256_hex;
use notary_schema::name::{RoleName, Version};
use notary_schema::role::{Role, Root, Targets};

use super::report::Report;
use super::{number, readable};
use crate::store::inspect::{RawLife, View};
use crate::store::{Closed, ProposedFile, StoreResult};

/// What to do about a damaged proposal: nobody but those who sign it depends on it.
const PROPOSE_ANEW: &str = "cancel the proposal and propose it anew";

pub(super) fn check(
    view: &mut View<'_>,
    life: &RawLife,
    report: &mut Report<'_>,
) -> StoreResult<()> {
    let listed = view.proposals(life.id);
    for proposal in readable(listed, report, None)?.unwrap_or_default() {
        let files = view.proposed_files(&proposal.id);
        let Some(files) = readable(files, report, None)? else { continue };
        if files.is_empty() {
            let problem = format!("the proposal {} has no file", proposal.id);
            report.problem(None, None, problem, PROPOSE_ANEW);
        }
        for file in files {
            let (role, version) = (file.named.role.as_str(), number(file.named.version.get()));
            if let Err(problem) = check_file(&file) {
                let problem = format!("in the proposal {}, {problem}", proposal.id);
                report.problem(Some(role), Some(version), problem, PROPOSE_ANEW);
            }
            let is_published = matches!(proposal.closed, Some(Closed::Published(_)));
            if is_published && view.columns(life.id, role, version)?.is_none() {
                let problem =
                    format!("the proposal {} is published, and it is not stored", proposal.id);
                report.problem(Some(role), Some(version), problem, super::RESTORE);
            }
        }
    }
    Ok(())
}

fn check_file(file: &ProposedFile) -> Result<(), String> {
    let read = match file.named.role == RoleName::ROOT {
        true => told_by::<Root>(file),
        false => told_by::<Targets>(file),
    };
    let (version, sha256) = read.map_err(|error| format!("it is not readable: {error}"))?;
    if version != file.named.version {
        return Err(format!("it says that it is version {version}"));
    }
    if sha256 != file.named.signed_sha256 {
        let row = &file.named.signed_sha256;
        return Err(format!("what it signs has the SHA-256 {sha256}, its row says {row}"));
    }
    Ok(())
}

fn told_by<T: Role>(file: &ProposedFile) -> Result<(Version, String), EnvelopeError> {
    let read = Envelope::<T>::parse(file.bytes())?;
    Ok((read.version(), sha256_hex(read.message())))
}
