//! A second opinion.

use std::str::FromStr;

use clap::Args;
use notary_schema::name::{Gun, RoleName};

use super::When;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// How soon is soon
    #[arg(long, value_name = "SPAN", default_value = "14d")]
    pub(crate) within: When,
    /// Draw the same roles of a large collection again [default: a new number]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
    /// Not to be acted on: findings of this code, or of this code about one role; may be repeated.
    /// They are shown all the same. Errors cannot be accepted
    #[arg(long, value_name = "CODE[:ROLE]")]
    pub(crate) accept: Vec<Accepted>,
}

/// The codes of what somebody may accept: every warning and note.
pub(crate) const ACCEPTABLE: [&str; 19] = [
    "delegation_pending",
    "expires_soon",
    "key_id_differs",
    "key_shared",
    "key_unknown",
    "path_unclear",
    "role_long",
    "roles_visited",
    "root_chain_long",
    "root_long",
    "root_threshold_one",
    "root_without_spare_key",
    "several_delegators",
    "snapshot_long",
    "succinct_bins",
    "target_hidden",
    "target_outside_paths",
    "target_without_sha256",
    "timestamp_long",
];

/// Findings that somebody has accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Accepted {
    code: &'static str,
    role: Option<RoleName>,
}

impl Accepted {
    /// Whether a finding of this code about this role is meant.
    pub(crate) fn covers(&self, code: &str, role: &RoleName) -> bool {
        self.code == code && self.role.as_ref().is_none_or(|only| only == role)
    }
}

impl FromStr for Accepted {
    type Err = String;

    fn from_str(text: &str) -> Result<Accepted, String> {
        let (name, role) = match text.split_once(':') {
            Some((name, role)) => (name, Some(role)),
            None => (text, None),
        };
        let role = role.map(RoleName::parse).transpose().map_err(|error| error.to_string())?;
        match ACCEPTABLE.into_iter().find(|code| *code == name) {
            Some(code) => Ok(Accepted { code, role }),
            None => {
                let all = ACCEPTABLE.join(", ");
                Err(format!("no warning or note has this code; they have {all}"))
            }
        }
    }
}

impl std::fmt::Display for Accepted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.role {
            Some(role) => write!(f, "{}:{role}", self.code),
            None => f.write_str(self.code),
        }
    }
}
