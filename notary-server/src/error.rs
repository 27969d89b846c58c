//! What a request can end with.
//!
//! Use [`ServiceError`] for every answer that is not a success. Errors of libraries and of the
//! store turn into it with `?`; what nobody can act on becomes `Internal`: its full text goes to the
//! log once, and the caller gets the request id to quote. [`answer`] is the only place where an
//! outcome becomes a status; [`problem`] writes the bodies.

mod answer;
pub mod problem;
mod rules;

use std::sync::Arc;

use notary_schema::name::{Gun, RoleName};
use notary_schema::online::{Exhausted, LifetimeRefusal};
use notary_schema::publish::Refusal;
use notary_schema::publish::proposal::ProposalRefusal;
use notary_schema::reason::ReasonError;
use notary_schema::role::FileMeta;
use notary_schema::wire::ProposalState;

use crate::panics::Ending;
use crate::signer_client::{SignerError, Trouble};
use crate::store::StoreError;

/// The stable word for a role that has no next version.
pub(crate) const VERSIONS_EXHAUSTED: &str = "versions_exhausted";

/// Why a request is not answered with what it asked for.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServiceError {
    /// No token, or none that is good.
    #[error("{0}; send one as `Authorization: Bearer notary_…`")]
    Unauthenticated(&'static str),
    /// A good token without the grant.
    #[error("{0}; ask an administrator of the collection for a token that may")]
    Forbidden(String),
    /// No collection of this name, as far as the caller may know.
    #[error("there is no collection {0}; create it with `notary init {0}`")]
    UnknownCollection(Gun),
    /// The collection is a tombstone: what is asked for is not to be had.
    #[error("{0} is deleted; an administrator can undelete it")]
    Deleted(Gun),
    /// The collection is a tombstone: nothing can be done to it.
    #[error(
        "{0} is deleted; undelete it, or replace it by a new collection: ?replace= and the SHA-256 \
         of its newest root, to keys and to the first publish"
    )]
    OnTombstone(Gun),
    /// A name is reserved, or a collection is there, with another policy than is asked for.
    #[error("{0} is taken with another `private`; leave it out, or change its policy afterwards")]
    ReservedOtherwise(Gun),
    /// The changefeed is another one than the one that was named.
    #[error(
        "the changefeed is another one: the database was set back to an older copy, and numbers \
         repeat; read it anew from the start, with after=0 and without `feed`"
    )]
    FeedRestarted,
    /// The changefeed that was not named has no such event, for this caller.
    #[error(
        "there is no event {0} to be read here, nor a later one: it was not given yet, or the \
         database was set back to an older copy; read from the start, with after=0, and send the \
         `feed` of each page along"
    )]
    UnknownPlace(u64),
    /// The changefeed that was named has no such event, for this caller.
    #[error(
        "there is no event {0} to be read here, nor a later one, in this changefeed; `after` is \
         the last number of the page before, or 0"
    )]
    UnknownEvent(u64),
    /// No token of this id, as far as the caller may know.
    #[error("there is no token {0} within the caller's own grant")]
    UnknownToken(String),
    /// An origin has too many open tokens.
    #[error("{0} tokens are open already; revoke those that nobody uses")]
    TooManyTokens(u64),
    /// The collection has no such proposal.
    #[error("there is no proposal {0}; those that are kept are listed under /proposals")]
    UnknownProposal(String),
    /// A proposal takes no more signatures, and is not taken back.
    #[error("the proposal {id} is {}", closed_in_words(*state))]
    ProposalClosed {
        /// Its id.
        id: String,
        /// What became of it.
        state: ProposalState,
    },
    /// A role has an open proposal already.
    #[error(
        "{role} is in the open proposal {by}; sign that one, or cancel it first: one that a key of \
         {role} has signed takes the place of one that none has"
    )]
    RoleProposed {
        /// The role.
        role: RoleName,
        /// The id of the proposal.
        by: String,
    },
    /// A collection has too many open proposals.
    #[error(
        "{0} proposals are open already; cancel those that nobody will sign: one that a key of its \
         roles has signed takes the place of the oldest that none has"
    )]
    TooManyProposals(u64),
    /// No metadata that was searched lists such a key.
    #[error(
        "no root, no online key and no newer version of a role that delegates lists {0}; send the \
         key object as `key`"
    )]
    UnknownKey(String),
    /// A key that has no public key which could be compared with others.
    #[error(
        "the key {0} is of a type, scheme or value that is unknown here: none of its signatures \
         counts anyway"
    )]
    UnknownKeyType(String),
    /// The collection has no such revocation.
    #[error("{0} is not revoked; the revoked keys are listed under /revocations")]
    UnknownRevocation(String),
    /// A collection has too many revoked keys.
    #[error("{0} keys are revoked already; take those back that nothing names any more")]
    TooManyRevocations(u64),
    /// A rule of proposals says no.
    #[error(transparent)]
    Proposal(#[from] ProposalRefusal),
    /// The collection has no such file.
    #[error("{gun} has no {name}")]
    UnknownFile {
        /// The collection.
        gun: Gun,
        /// The name of the file.
        name: String,
    },
    /// The collection lists a file that was lost when the database was set back.
    #[error(
        "version {} of {role} of {gun} was lost when the database of the server was set back to an \
         older copy; whoever has it brings it with `notary repair {gun}`, and a version after it \
         replaces it",
        listed.version
    )]
    LostFile {
        /// The collection.
        gun: Gun,
        /// The role.
        role: RoleName,
        /// What is listed.
        listed: FileMeta,
    },
    /// The path is not one of this service.
    #[error("there is nothing at this path; collections are under /v2/NAME/_trust/")]
    UnknownPath,
    /// The request is not what this path takes.
    #[error("{0}")]
    Malformed(String),
    /// The request is larger than allowed.
    #[error("the request has more than {limit} {what}; split it, or ask the operator to raise it")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: u64,
    },
    /// The body did not arrive in time.
    #[error("the body did not arrive within {0} s; send it again")]
    TooSlow(u64),
    /// A queue is full, or its head did not move.
    #[error("the server is busy: {0}; send the same request again")]
    Busy(&'static str),
    /// A rule of publishing says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Lifetimes that make no sense, or that the signer does not allow.
    #[error(transparent)]
    Lifetime(#[from] LifetimeRefusal),
    /// There are too many reservations.
    #[error("{0} names are reserved without a collection; publish to one of them, or delete it")]
    TooManyReservations(u64),
    /// The signer cannot be asked, or what it answers is none of its answers.
    #[error(
        "{trouble}: {reason}; send the same request again: what is already accepted is found then"
    )]
    SignerAway {
        /// What is wrong.
        trouble: Trouble,
        /// What was seen of it.
        reason: String,
    },
    /// The signer said no, and nothing is kept.
    #[error("{reason}; nothing was published")]
    SignerRefused {
        /// The signer's word.
        code: String,
        /// The signer's sentence.
        reason: String,
    },
    /// No version is left for the next release.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
    /// A release of the collection waits for a signer that refuses it.
    #[error("a release of this collection waits: {reason}; it is tried again in {seconds} s")]
    ReleaseWaits {
        /// The signer's word, or the one for what was wrong with its answer.
        code: String,
        /// What the signer said.
        reason: String,
        /// When it is tried again.
        seconds: u64,
    },
    /// The store did not answer.
    #[error(transparent)]
    Store(Arc<StoreError>),
    /// Nothing that the caller can act on.
    #[error("{0}")]
    Internal(String),
}

impl From<ReasonError> for ServiceError {
    fn from(error: ReasonError) -> ServiceError {
        ServiceError::Malformed(error.to_string())
    }
}

impl From<Ending> for ServiceError {
    fn from(_: Ending) -> ServiceError {
        StoreError::Closing.into()
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> ServiceError {
        ServiceError::Store(Arc::new(error))
    }
}

/// For calls that record nothing: a refusal is final, anything else may pass.
impl From<SignerError> for ServiceError {
    fn from(error: SignerError) -> ServiceError {
        match error {
            SignerError::Refused { code, reason } => ServiceError::SignerRefused { code, reason },
            SignerError::Unknown { trouble, reason } => {
                ServiceError::SignerAway { trouble, reason }
            }
        }
    }
}

fn closed_in_words(state: ProposalState) -> &'static str {
    match state {
        ProposalState::Open => "open",
        ProposalState::Stale => {
            "stale: another version of one of its roles was published; propose the next one anew"
        }
        ProposalState::Lapsed => "lapsed: nobody signed in time; propose it anew",
        ProposalState::Published => "published",
        ProposalState::Cancelled => "cancelled; propose it anew if it is still wanted",
        ProposalState::Displaced => {
            "displaced: nobody had signed it who may, and somebody who may proposed another"
        }
    }
}
