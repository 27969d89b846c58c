//! What a request that is not fulfilled ends in, and how the caller hears of it.
//!
//! A [`Refusal`] is a promise: nothing was signed and nothing was recorded, so the server may drop
//! what it prepared. It is spoken only where that is certain, as `"recorded":false`. Every other
//! failure leaves open whether the file was recorded; the caller asks again with the same bytes.
//! HTTP status and code are decided here and nowhere else.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use notary_schema::name::KeyId;
use notary_schema::online::{SignRefusal, refusal_code};
use notary_schema::wire::{PROBLEM_JSON, Problem};
use serde_json::{Map, Value};

use crate::keys::KeyError;
use crate::one_line::one_line;
use crate::store::StoreError;

/// Longest text of a refusal, in characters.
const MAX_TEXT: usize = 1_000;

/// Why a request is refused. It changed nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refusal {
    /// A rule of what may be signed.
    #[error(transparent)]
    Sign(#[from] SignRefusal),
    /// A key that this role of this collection does not have.
    #[error("{0} is no key of this role of the collection: POST /v1/keys answers those it has")]
    UnknownKey(KeyId),
    /// A key that this signer does not have.
    #[error("this signer has no key {0}")]
    NoSuchKey(KeyId),
    /// A key that signs nothing any more.
    #[error("the key {0} is retired: name another one, or restore it on the signer's host")]
    RetiredKey(KeyId),
    /// Another key would be one too many.
    #[error("the collection has {max} keys, which is the limit (limits.keys_per_collection)")]
    TooManyKeys {
        /// The limit.
        max: usize,
    },
    /// The configuration attaches a key that is somebody's.
    #[error(
        "the key {keyid} in {backend:?} is in use already, for {}, and a key serves one role of one \
         life of a collection: make another one there, let `attach` in the signer's configuration \
         name it, restart the signer, and repeat the request",
        if *is_own { "this very role" } else { "another role, life or collection" }
    )]
    KeyTaken {
        /// The key.
        keyid: KeyId,
        /// Where it is.
        backend: String,
        /// Whether it is in use for what it was asked for.
        is_own: bool,
    },
    /// A client asks for what it has no right to.
    #[error("{who} may not {act}: the signer's configuration says who may (clients)")]
    Forbidden {
        /// The client.
        who: String,
        /// What it asked for.
        act: String,
    },
    /// The client's certificate does not count any more.
    #[error("the certificate of this client does not count any more: {0}")]
    Certificate(String),
    /// The request cannot be read.
    #[error("the request is not readable: {0}")]
    Malformed(String),
    /// The body is too long.
    #[error("the body is longer than {max} bytes (limits.body_bytes)")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// No such path.
    #[error("there is nothing at this path")]
    NoSuchPath,
    /// The path does not take this method.
    #[error("this path does not take this method")]
    NoSuchMethod,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Sign(refusal) => match refusal {
                SignRefusal::WrongDocument { .. }
                | SignRefusal::NotARole(_)
                | SignRefusal::HashesDropped(_)
                | SignRefusal::Expired(_)
                | SignRefusal::ExpiresTooLate { .. } => StatusCode::UNPROCESSABLE_ENTITY,
                SignRefusal::VersionUsed { .. }
                | SignRefusal::WouldLower { .. }
                | SignRefusal::VersionJump { .. }
                | SignRefusal::OtherSnapshot => StatusCode::CONFLICT,
            },
            Refusal::UnknownKey(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refusal::RetiredKey(_) | Refusal::TooManyKeys { .. } | Refusal::KeyTaken { .. } => {
                StatusCode::CONFLICT
            }
            Refusal::Forbidden { .. } | Refusal::Certificate(_) => StatusCode::FORBIDDEN,
            Refusal::Malformed(_) => StatusCode::BAD_REQUEST,
            Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::NoSuchPath | Refusal::NoSuchKey(_) => StatusCode::NOT_FOUND,
            Refusal::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Refusal::Sign(refusal) => refusal.code(),
            Refusal::UnknownKey(_) => refusal_code::UNKNOWN_KEY,
            Refusal::RetiredKey(_) => refusal_code::RETIRED_KEY,
            Refusal::TooManyKeys { .. } => "too_many_keys",
            Refusal::KeyTaken { .. } => "key_taken",
            Refusal::Forbidden { .. } => "forbidden",
            Refusal::Certificate(_) => "certificate_refused",
            Refusal::Malformed(_) => "malformed",
            Refusal::TooLarge { .. } => "too_large",
            Refusal::NoSuchPath | Refusal::NoSuchKey(_) => "not_found",
            Refusal::NoSuchMethod => "method_not_allowed",
        }
    }
}

/// Why a request is not fulfilled.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is refused, and changed nothing.
    Refused(Refusal),
    /// Too much is going on; it may be repeated as it is.
    Busy,
    /// The place of a key does not do its work.
    Backend(KeyError),
    /// The places of a key and of its stand-by do not do their work.
    Both {
        /// The places, that of the key first.
        backends: [String; 2],
        /// Why, each.
        errors: [KeyError; 2],
    },
    /// Places of keys that are sick, for who asks whether the signer is ready.
    NotReady(Vec<String>),
    /// Something failed. What became of the request is not known.
    Broken(Broken),
}

/// What failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key store.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A mistake in this program.
    #[error("{0}")]
    Bug(String),
}

impl Failure {
    /// What a response says whose error is not ours: those of the HTTP library.
    pub(crate) fn of_response(status: StatusCode, error: Option<&actix_web::Error>) -> Failure {
        let text = || error.map_or_else(|| status.to_string(), ToString::to_string);
        match status {
            StatusCode::NOT_FOUND => Failure::Refused(Refusal::NoSuchPath),
            StatusCode::METHOD_NOT_ALLOWED => Failure::Refused(Refusal::NoSuchMethod),
            status if status.is_client_error() => Failure::Refused(Refusal::Malformed(text())),
            _ => Failure::Broken(Broken::Bug(text())),
        }
    }

    /// The word for answer and audit.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Failure::Refused(refusal) => refusal.code(),
            Failure::Busy => "busy",
            Failure::Backend(_) | Failure::Both { .. } => "backend_unavailable",
            Failure::NotReady(_) => "not_ready",
            Failure::Broken(_) => "failed",
        }
    }

    /// The answer to the caller.
    pub(crate) fn response(&self, request_id: &str) -> HttpResponse {
        let status = self.status_code();
        let mut more = Map::new();
        if let Failure::Refused(_) = self {
            more.insert("recorded".to_owned(), Value::Bool(false));
        }
        let mut response = HttpResponse::build(status);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header(("Retry-After", "1"));
        }
        response.content_type(PROBLEM_JSON).json(Problem {
            status: status.as_u16(),
            code: self.code().to_owned(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            detail: self.to_string(),
            request_id: request_id.to_owned(),
            more,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // It may name what a caller has sent.
            Failure::Refused(refusal) => f.write_str(&one_line(&refusal.to_string(), MAX_TEXT)),
            Failure::Busy => f.write_str("the signer has too much to do: repeat the request"),
            Failure::Backend(KeyError::Backend { backend, .. }) => write!(
                f,
                "the backend {backend:?} of the signer does not do its work: the signer's log and \
                 `notary-signer check` say why; repeat the request with the same bytes"
            ),
            Failure::Backend(_) => f.write_str("a backend of the signer does not do its work"),
            Failure::Both { backends: [key, standby], .. } => write!(
                f,
                "neither the backend {key:?} of the signer nor {standby:?}, which has the stand-by, does \
                 its work: the signer's log and `notary-signer check` say why; repeat the request with the same bytes"
            ),
            Failure::NotReady(sick) => f.write_str(&sick.join("; ")),
            // Paths and addresses of the signer's host are for its own log.
            Failure::Broken(_) => f.write_str(
                "the signer failed, and whether the request took effect is not known: repeat it \
                 with the same bytes; the signer's log has the reason under the request id",
            ),
        }
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Failure::Refused(refusal) => refusal.status(),
            Failure::Busy | Failure::Backend(_) | Failure::Both { .. } | Failure::NotReady(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Failure::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Failure {
        Failure::Broken(error.into())
    }
}

impl From<diesel::result::Error> for Failure {
    fn from(error: diesel::result::Error) -> Failure {
        StoreError::from(error).into()
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Failure {
        match error {
            KeyError::Backend { .. } => Failure::Backend(error),
            error => Failure::Broken(error.into()),
        }
    }
}
