//! With which statuses and codes each kind of call is refused.
//!
//! Every answer of the HTTP tests is compared with the document, so a code that is missing here
//! fails the first test that meets it.

use notary_schema::openapi::problems::Codes;
use notary_schema::refusals;

/// Any call: a query that it does not take, a server that is busy or fails.
const ANY: &[Codes] = &[
    (400, &["malformed_request"]),
    (500, &["internal"]),
    (503, &["busy", "database_unavailable"]),
];
/// A token that is missing where it is needed, or no good.
const TOKEN: &[Codes] = &[(401, &["unauthenticated"])];
/// A token without the grant.
const GRANT: &[Codes] = &[(403, &["forbidden"])];
/// A name under which the caller may see nothing.
const COLLECTION: &[Codes] = &[(404, &["unknown_collection", "unknown_path"])];
const TOMBSTONE: &[Codes] = &[(404, &["collection_deleted"])];
const ON_TOMBSTONE: &[Codes] = &[(409, &["collection_deleted"])];
/// A place that a changefeed does not have.
const PLACE: &[Codes] = &[(409, &["feed_restarted", "unknown_event"])];
/// A body that is too long or too slow.
const BODY: &[Codes] = &[(408, &["body_timeout", "timeout"]), (413, &["too_large"])];
/// A signer that is needed: away, or unwilling.
const SIGNER: &[Codes] = &[
    (422, &["versions_exhausted"]),
    (502, &["signer_refused"]),
    (
        503,
        &[
            "signer_unreachable",
            "signer_timeout",
            "signer_certificate",
            "signer_failed",
            "signer_wrong_answer",
        ],
    ),
];
/// A release that the signer refuses, and that is tried again.
const WAITS: &[Codes] = &[(503, &["release_waits"])];
/// The rules of publishing.
const RULES: &[Codes] = &[
    (400, &["unreadable", "repeated_part", "online_role"]),
    (409, &["delegator_lost", "lost_in_restore", "root_lost", "version_conflict"]),
    (413, &["too_many"]),
    (
        422,
        &[
            "adopted_not_whole",
            "adopted_unverified",
            "delegated_path",
            "delegation_too_deep",
            "expired",
            "expires_too_late",
            "first_publish",
            "key_revoked",
            "keyid_mismatch",
            "missing_bins",
            "named_without_need",
            "no_newest_root",
            "not_consistent_snapshot",
            "not_delegated",
            "online_keys_not_held",
            "outside_paths",
            "overlap_missing",
            "pending_role",
            "role_name",
            "role_name_taken",
            "root_unreadable",
            "target",
            "target_name",
            "threshold_not_met",
            "threshold_unreachable",
            "too_many",
            "unknown_key",
            "would_orphan",
        ],
    ),
];

/// A collection without such a proposal.
const PROPOSAL: &[Codes] = &[(404, &["unknown_proposal"])];
/// What is wrong with signatures.
const SIGNATURES: &[Codes] = &[(
    422,
    &["bad_signature", "key_not_listed", "key_revoked", "repeated_key", "too_many_signatures"],
)];

/// Lifetimes that are no good.
const LIFETIMES: &[Codes] = &[(
    422,
    &["lifetime_above_other", "lifetime_above_signer", "lifetime_too_long", "lifetime_too_short"],
)];

refusals! {
    /// Calls that anybody may make.
    Open: ANY;
    /// Lists of what the caller may read.
    Lists: ANY, TOKEN;
    /// The events of all collections that the caller may read.
    AllEvents: ANY, TOKEN, PLACE;
    /// What is told of one collection.
    Collection: ANY, TOKEN, COLLECTION, TOMBSTONE;
    /// The events of one collection or tombstone.
    Events: ANY, TOKEN, COLLECTION, PLACE;
    /// Files.
    Files: ANY, TOKEN, COLLECTION, TOMBSTONE, &[(404, &["lost_in_restore", "unknown_file"])];
    /// The list of tokens.
    Tokens: ANY, TOKEN, GRANT;
    /// One token.
    OneToken: ANY, TOKEN, GRANT, &[(404, &["unknown_token", "unknown_path"])];
    /// Making a token.
    NewTokens: ANY, TOKEN, GRANT, BODY, &[(409, &["too_many_tokens"])];
    /// Changing a policy.
    Policies: ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, BODY, LIFETIMES, SIGNER;
    /// Making a tombstone, or freeing a name.
    Deleting: ANY, TOKEN, GRANT, COLLECTION;
    /// Bringing a tombstone back.
    Undeleting: ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, SIGNER, WAITS;
    /// Reserving a name, asking for its online keys.
    Keys:
        ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, SIGNER,
        &[(409, &["reserved_otherwise", "too_many_reservations"])];
    /// The proposals of a collection.
    ProposalLists: ANY, TOKEN, COLLECTION, TOMBSTONE;
    /// One proposal.
    OneProposal: ANY, TOKEN, COLLECTION, TOMBSTONE, PROPOSAL;
    /// Making a proposal.
    NewProposals:
        ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, BODY, RULES, SIGNATURES, SIGNER,
        &[
            (409, &["role_proposed", "too_many_proposals"]),
            (422, &["expires_too_soon", "lapses_too_late", "nothing_missing"]),
        ];
    /// Signing a proposal, and its publish.
    SigningProposals:
        ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, PROPOSAL, BODY, RULES, SIGNATURES, SIGNER, WAITS,
        &[(409, &["proposal_closed", "signed_already"]), (422, &["not_proposed"])];
    /// Taking a proposal back.
    OwnProposals:
        ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, PROPOSAL, &[(409, &["proposal_closed"])];
    /// The revoked keys of a collection.
    Revocations: ANY, TOKEN, COLLECTION, TOMBSTONE;
    /// Revoking a key.
    NewRevocations:
        ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, BODY,
        &[
            (404, &["unknown_key"]),
            (409, &["too_many_revocations"]),
            (422, &["unknown_key_type"]),
        ];
    /// Taking a revocation back.
    OneRevocation:
        ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, &[(404, &["unknown_revocation"])];
    /// Publishing.
    Publishing: ANY, TOKEN, GRANT, COLLECTION, ON_TOMBSTONE, BODY, RULES, SIGNER, WAITS;
}
