//! Other clients, as independent judges of what we serve.

mod ngclient;
mod tough;
mod visit;

pub use ngclient::NgClient;
pub use tough::tough;
pub use visit::{Answer, Decision, FoundTarget, Response, Served, TARGETS, Visit, digests};

/// A collection to judge, and the names to look up in it.
#[derive(Debug, Clone)]
pub struct Question {
    /// The root that the client starts from.
    pub root: Vec<u8>,
    /// Below which the metadata files are.
    pub metadata_url: String,
    /// The names to look up.
    pub names: Vec<String>,
    /// Below which the targets are, where they shall be downloaded too.
    pub targets_url: Option<String>,
}
