//! Which status a broken rule of `notary_schema` has.

use actix_web::http::StatusCode;
use notary_schema::publish::Refusal;
use notary_schema::publish::proposal::ProposalRefusal;

/// Rules of single parts are 400 where the request is not readable, 413 where it is too long; a
/// conflict is 409; every other rule is 422.
pub(super) fn refusal_status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::VersionConflict { .. }
        | Refusal::Lost { .. }
        | Refusal::DelegatorLost { .. }
        | Refusal::RootLost { .. } => StatusCode::CONFLICT,
        Refusal::Unreadable { .. } | Refusal::RepeatedPart(_) | Refusal::OnlineRole(_) => {
            StatusCode::BAD_REQUEST
        }
        Refusal::TooMany { what: "bytes", .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::TooMany { .. }
        | Refusal::FirstPublish(_)
        | Refusal::Threshold(_)
        | Refusal::OverlapMissing { .. }
        | Refusal::Expired { .. }
        | Refusal::ExpiresTooLate { .. }
        | Refusal::NotConsistent
        | Refusal::RootUnreadable { .. }
        | Refusal::KeyIdMismatch { .. }
        | Refusal::UnknownKey { .. }
        | Refusal::KeyRevoked { .. }
        | Refusal::ThresholdUnreachable { .. }
        | Refusal::OnlineKeysNotHeld { .. }
        | Refusal::TargetName { .. }
        | Refusal::Target { .. }
        | Refusal::DelegatedName { .. }
        | Refusal::RoleNameTaken { .. }
        | Refusal::DelegatedPath { .. }
        | Refusal::NotDelegated(_)
        | Refusal::OutsidePaths { .. }
        | Refusal::WouldOrphan(_)
        | Refusal::Pending(_)
        | Refusal::MissingBins { .. }
        | Refusal::NamedWithoutNeed { .. }
        | Refusal::Adopted(_)
        | Refusal::NotVouched(_)
        | Refusal::NotWhole(_)
        | Refusal::NoNewestRoot
        | Refusal::TooDeep { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

/// A signature that is there already is a conflict; every other rule of proposals is 422.
pub(super) fn proposal_status(refusal: &ProposalRefusal) -> StatusCode {
    match refusal {
        ProposalRefusal::SignedAlready { .. } => StatusCode::CONFLICT,
        ProposalRefusal::NothingMissing
        | ProposalRefusal::LapsesTooLate { .. }
        | ProposalRefusal::ExpiresTooSoon { .. }
        | ProposalRefusal::NotProposed(_)
        | ProposalRefusal::KeyNotListed { .. }
        | ProposalRefusal::BadSignature { .. }
        | ProposalRefusal::KeyRevoked { .. }
        | ProposalRefusal::RepeatedKey { .. }
        | ProposalRefusal::TooManySignatures(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
