//! The bodies that the programs exchange: plain serde types, no rules.
//!
//! Metadata files travel as the bytes they are, never inside these types, with three exceptions:
//! what the signer is asked to sign ([`SignRequest::signed`], raw JSON), what it remembers
//! ([`RememberedFile::file`], text), and what gathers signatures ([`ProposedFile::file`], text).

mod collections;
mod events;
mod proposals;
mod revocations;
mod signer;
mod tokens;
mod trace;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use collections::*;
pub use events::*;
pub use proposals::*;
pub use revocations::*;
pub use signer::*;
pub use tokens::*;
pub use trace::*;

/// The media type of [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// An error of the server or the signer (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs: `version_conflict`.
    pub code: String,
    /// The status in words.
    pub title: String,
    /// What is wrong, with the input named, and what to do next.
    pub detail: String,
    /// Finds the request in the log.
    pub request_id: String,
    /// Members of single codes, as each code's documentation lists them.
    #[serde(flatten)]
    #[cfg_attr(
        feature = "openapi",
        schema(value_type = std::collections::BTreeMap<String, Value>)
    )]
    pub more: Map<String, Value>,
}

/// A page of a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// Where the next page starts: the `after` of the next request; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The page of what was read: where that is more than `limit` items, there is a next one, which
    /// starts after the last item that fits.
    pub fn cut(mut items: Vec<T>, limit: usize, name: impl Fn(&T) -> String) -> Page<T> {
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| has_more).map(name);
        Page { items, next }
    }
}
