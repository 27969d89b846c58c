//! Which clients may ask for what.

use notary_schema::name::Glob;
use serde::{Deserialize, Serialize};

/// A client, by a name in its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientRule {
    /// An alternative name of its certificate: `DNS:…`, `URI:…` or `email:…`.
    pub name: String,
    /// What it may do.
    pub rights: Vec<Right>,
    /// In which collections; left out, in all.
    #[serde(default = "every_collection")]
    pub collections: Glob,
}

/// What a client may do. Each includes reading the keys and the memory of the same collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Have keys made.
    Create,
    /// Have documents signed.
    Sign,
    /// Retire keys.
    Retire,
}

fn every_collection() -> Glob {
    Glob::parse("**").expect("it is a pattern")
}

impl ClientRule {
    /// Refuses a rule that would never hold.
    ///
    /// # Errors
    /// What is wrong, naming the client.
    pub(super) fn check(&self) -> Result<(), String> {
        let ClientRule { name, rights, .. } = self;
        let kinds = ["DNS:", "URI:", "email:"];
        if !kinds.iter().any(|kind| name.strip_prefix(kind).is_some_and(|rest| !rest.is_empty())) {
            return Err(format!("clients.name {name:?} does not begin with DNS:, URI: or email:"));
        }
        if rights.is_empty() {
            return Err(format!("clients.rights of {name:?} is empty, which refuses everything"));
        }
        Ok(())
    }
}
