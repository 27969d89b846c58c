//! Other keys for a role.

use clap::Args;
use notary_schema::name::{Gun, RoleName};

use super::SignArgs;
use super::key::key_id;

#[derive(Debug, Args)]
pub(crate) struct RecoverArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// snapshot or timestamp: all keys of both are replaced. For other roles: says which command it is
    pub(crate) role: RoleName,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// root, targets, snapshot, timestamp, or a delegated role
    pub(crate) role: RoleName,
    /// A key more: an id, a file, pkcs11:…, awskms:…, exec:…, or the public key of somebody else (PEM).
    /// For snapshot and timestamp the server has a new key made where neither this nor --drop-key is said
    #[arg(long, value_name = "KEYREF")]
    pub(crate) new_key: Vec<String>,
    /// A key less: its id, or the beginning of it
    #[arg(long, value_name = "KEYID", value_parser = key_id)]
    pub(crate) drop_key: Vec<String>,
    /// How many of the keys must sign
    #[arg(long, value_name = "N")]
    pub(crate) threshold: Option<u32>,
    /// The keys of the hash bins that the role delegates to, in place of its own
    #[arg(long, conflicts_with = "compromised")]
    pub(crate) bins: bool,
    /// For a top-level role: somebody else has the keys that go: they sign nothing more, not even for
    /// clients that have not seen the new root yet
    #[arg(long)]
    pub(crate) compromised: bool,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
}
