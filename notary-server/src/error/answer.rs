//! The status of each outcome, its stable word, and what its body has beside both.

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use notary_schema::name::RoleName;
use notary_schema::publish::Refusal;
use notary_schema::role::FileMeta;
use serde_json::{Map, Value, json};

use super::problem::Draft;
use super::rules::{proposal_status, refusal_status};
use super::{ServiceError, VERSIONS_EXHAUSTED};
use crate::store::StoreError;

/// Seconds after which a busy server may be asked again.
const RETRY_SECONDS: u64 = 1;

impl ServiceError {
    /// Status and stable word of each outcome.
    fn status_and_code(&self) -> (StatusCode, &'static str) {
        match self {
            ServiceError::Unauthenticated(_) => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            ServiceError::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden"),
            ServiceError::UnknownCollection(_) => (StatusCode::NOT_FOUND, "unknown_collection"),
            ServiceError::Deleted(_) => (StatusCode::NOT_FOUND, "collection_deleted"),
            ServiceError::OnTombstone(_) => (StatusCode::CONFLICT, "collection_deleted"),
            ServiceError::ReservedOtherwise(_) => (StatusCode::CONFLICT, "reserved_otherwise"),
            ServiceError::FeedRestarted | ServiceError::UnknownPlace(_) => {
                (StatusCode::CONFLICT, "feed_restarted")
            }
            ServiceError::UnknownEvent(_) => (StatusCode::CONFLICT, "unknown_event"),
            ServiceError::UnknownToken(_) => (StatusCode::NOT_FOUND, "unknown_token"),
            ServiceError::TooManyTokens(_) => (StatusCode::CONFLICT, "too_many_tokens"),
            ServiceError::UnknownProposal(_) => (StatusCode::NOT_FOUND, "unknown_proposal"),
            ServiceError::ProposalClosed { .. } => (StatusCode::CONFLICT, "proposal_closed"),
            ServiceError::RoleProposed { .. } => (StatusCode::CONFLICT, "role_proposed"),
            ServiceError::TooManyProposals(_) => (StatusCode::CONFLICT, "too_many_proposals"),
            ServiceError::UnknownKey(_) => (StatusCode::NOT_FOUND, "unknown_key"),
            ServiceError::UnknownKeyType(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unknown_key_type")
            }
            ServiceError::UnknownRevocation(_) => (StatusCode::NOT_FOUND, "unknown_revocation"),
            ServiceError::TooManyRevocations(_) => (StatusCode::CONFLICT, "too_many_revocations"),
            ServiceError::Proposal(refusal) => (proposal_status(refusal), refusal.code()),
            ServiceError::UnknownFile { .. } => (StatusCode::NOT_FOUND, "unknown_file"),
            ServiceError::LostFile { .. } => (StatusCode::NOT_FOUND, "lost_in_restore"),
            ServiceError::UnknownPath => (StatusCode::NOT_FOUND, "unknown_path"),
            ServiceError::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed_request"),
            ServiceError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            ServiceError::TooSlow(_) => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            ServiceError::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy"),
            ServiceError::Refused(refusal) => (refusal_status(refusal), refusal.code()),
            ServiceError::Lifetime(refusal) => (StatusCode::UNPROCESSABLE_ENTITY, refusal.code()),
            ServiceError::TooManyReservations(_) => (StatusCode::CONFLICT, "too_many_reservations"),
            ServiceError::SignerAway { trouble, .. } => {
                (StatusCode::SERVICE_UNAVAILABLE, trouble.code())
            }
            ServiceError::SignerRefused { .. } => (StatusCode::BAD_GATEWAY, "signer_refused"),
            ServiceError::Exhausted(_) => (StatusCode::UNPROCESSABLE_ENTITY, VERSIONS_EXHAUSTED),
            ServiceError::ReleaseWaits { .. } => (StatusCode::SERVICE_UNAVAILABLE, "release_waits"),
            ServiceError::Store(error) => match **error {
                StoreError::Corrupt { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
                StoreError::NoDatabase(_)
                | StoreError::Open { .. }
                | StoreError::Foreign { .. }
                | StoreError::Locked(_)
                | StoreError::Lock { .. }
                | StoreError::File { .. }
                | StoreError::NotMigrated
                | StoreError::Newer { .. }
                | StoreError::Migration(_)
                | StoreError::Database(_)
                | StoreError::Closing => (StatusCode::SERVICE_UNAVAILABLE, "database_unavailable"),
            },
            ServiceError::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    /// The members of the body that belong to single codes.
    fn members(&self) -> Value {
        match self {
            ServiceError::Refused(Refusal::VersionConflict { role, current, expected, sent }) => {
                let (version, sha256) = current.clone().unzip();
                json!({
                    "role": role, "current_version": version, "current_sha256": sha256,
                    "expected_version": expected, "sent_version": sent,
                })
            }
            ServiceError::Refused(Refusal::WouldOrphan(roles) | Refusal::Pending(roles)) => {
                json!({ "roles": roles })
            }
            ServiceError::Refused(Refusal::MissingBins { missing, .. }) => {
                json!({ "roles": missing })
            }
            ServiceError::Refused(Refusal::NamedWithoutNeed { parameter, roles }) => {
                json!({ "parameter": parameter, "roles": roles })
            }
            ServiceError::ProposalClosed { state, .. } => json!({ "state": state }),
            ServiceError::RoleProposed { role, by } => json!({ "role": role, "proposal": by }),
            ServiceError::SignerRefused { code, .. } | ServiceError::ReleaseWaits { code, .. } => {
                json!({ "signer_code": code })
            }
            ServiceError::LostFile { role, listed, .. } => lost_members(role, listed),
            ServiceError::Refused(Refusal::Lost { role, listed, .. }) => lost_members(role, listed),
            ServiceError::Refused(Refusal::DelegatorLost { role, delegator }) => {
                json!({ "role": role, "delegator": delegator })
            }
            _ => Value::Null,
        }
    }

    /// After how many seconds the same request may succeed.
    fn retry_after(&self) -> Option<u64> {
        match self {
            ServiceError::ReleaseWaits { seconds, .. } => Some((*seconds).max(RETRY_SECONDS)),
            _ if self.status_and_code().0 == StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_SECONDS),
            _ => None,
        }
    }

    fn draft(&self) -> Draft {
        let (status, code) = self.status_and_code();
        let text = self.to_string();
        if status == StatusCode::INTERNAL_SERVER_ERROR || code == "database_unavailable" {
            return Draft::opaque(code, text);
        }
        let more = match self.members() {
            Value::Object(more) => more,
            _ => Map::new(),
        };
        Draft { code, detail: text, more, internal: None }
    }
}

fn lost_members(role: &RoleName, listed: &FileMeta) -> Value {
    let sha256 = listed.hashes.as_ref().and_then(|hashes| hashes.sha256());
    json!({ "role": role, "lost_version": listed.version, "lost_sha256": sha256 })
}

impl ResponseError for ServiceError {
    fn status_code(&self) -> StatusCode {
        self.status_and_code().0
    }

    /// Everything but the body, which [`super::problem`] writes.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let ServiceError::Unauthenticated(_) = self {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self.draft());
        response
    }
}
