//! Keys that sign nothing new any more.

use std::str::FromStr;

use clap::Args;
use notary_schema::name::{Gun, RoleName, Version};

use super::SignArgs;
use super::key::key_id;

#[derive(Debug, Args)]
#[command(mut_arg("reason", |arg| arg.help("Why, on one line, for everybody who may read the collection")))]
pub(crate) struct RevokeArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The key: its id, or the beginning of it
    #[arg(required_unless_present_any = ["list", "undo"], value_parser = key_id)]
    pub(crate) keyid: Option<String>,
    /// Show which keys are revoked
    #[arg(long, conflicts_with_all = ["keyid", "undo", "dry_run"])]
    pub(crate) list: bool,
    /// Let a key sign again. What left it out meanwhile stays so
    #[arg(long, value_name = "KEYID", value_parser = key_id, conflicts_with_all = ["keyid", "dry_run"])]
    pub(crate) undo: Option<String>,
    /// A key that takes over: an id, a file, pkcs11:…, awskms:…, exec:…, or the public key of somebody
    /// else (PEM)
    #[arg(long, value_name = "KEYREF")]
    pub(crate) new_key: Vec<String>,
    /// How many of the keys that are left must sign
    #[arg(long, value_name = "N")]
    pub(crate) threshold: Option<u32>,
    /// The roles that --new-key and --threshold are for, where not all that list the key
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<RoleName>,
    /// Sign the current version of a role as it is: it was reviewed and is this one
    #[arg(long, value_name = "[ROLE=]VERSION")]
    pub(crate) reviewed: Vec<OfRole>,
    /// Publish again what this version of a role said
    #[arg(long, value_name = "[ROLE=]VERSION")]
    pub(crate) restore: Vec<OfRole>,
    /// Where no version of a role stands without the key, take out all of its targets and delegations
    #[arg(long)]
    pub(crate) empty: bool,
    /// A key more that is revoked, such as one that came in with the first
    #[arg(long, value_name = "KEYID", value_parser = key_id)]
    pub(crate) also: Vec<String>,
    /// Look back over so many versions of a role at most
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub(crate) versions: u64,
    /// Show what would be done; nothing is sent
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
}

/// A version of a role; of the only one in question, where none is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfRole {
    /// The role.
    pub(crate) role: Option<RoleName>,
    /// The version.
    pub(crate) version: Version,
}

impl FromStr for OfRole {
    type Err = String;
    fn from_str(text: &str) -> Result<OfRole, String> {
        let (role, version) = match text.rsplit_once('=') {
            Some((role, version)) => (Some(role), version),
            None => (None, text),
        };
        let role = role.map(RoleName::parse).transpose().map_err(|error| error.to_string())?;
        let number = version.parse().map_err(|_| format!("{version:?} is no version"))?;
        let version = Version::new(number).map_err(|error| error.to_string())?;
        Ok(OfRole { role, version })
    }
}
