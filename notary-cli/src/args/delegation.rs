//! Delegations.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use notary_schema::name::{Gun, RoleName};

use super::{DelegationBinsArgs, GunArgs, StageArgs, When};

#[derive(Debug, Subcommand)]
pub(crate) enum DelegationCommand {
    /// As a team: write a request with your public key and the role's first signed file
    Request {
        /// The collection
        gun: Gun,
        /// The role that you ask for
        role: RoleName,
        /// Your key
        #[arg(long, value_name = "KEYREF", required = true)]
        key: Vec<String>,
        /// Where to write the request
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        /// When the first file expires, such as 2030-01-31 or 90d [default: 365d]
        #[arg(long, value_name = "WHEN")]
        expires: Option<When>,
    },
    /// As a manager: stage the delegation of paths to a role
    Add(DelegationAddArgs),
    /// Divide the names of a role into hash bins, and publish that at once
    Bins(DelegationBinsArgs),
    /// As a manager: stage the removal of a delegation; the role's files stay, and nobody trusts them
    Remove(DelegationRemoveArgs),
    /// List the delegations of a collection
    List(GunArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DelegationAddArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The role
    pub(crate) role: RoleName,
    /// The team's request
    #[arg(long, value_name = "FILE", required_unless_present = "public_key")]
    pub(crate) request: Option<PathBuf>,
    /// A public key of the team: a PEM file, or the id of a key of yours
    #[arg(long = "key", value_name = "PUBLIC", requires = "pending", conflicts_with = "request")]
    pub(crate) public_key: Vec<String>,
    /// Delegate before the team has published: look-ups in its paths fail until it does
    #[arg(long, requires = "public_key")]
    pub(crate) pending: bool,
    /// Names that the role is trusted with; * and ? stay within one segment
    #[arg(long = "path", value_name = "PATTERN", required = true)]
    pub(crate) paths: Vec<String>,
    /// How many of the keys must sign
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) threshold: u32,
    /// Whether a look-up in these paths ends with this role
    #[arg(long)]
    pub(crate) terminating: bool,
    /// The role that delegates
    #[arg(long, value_name = "ROLE", default_value = "targets")]
    pub(crate) parent: RoleName,
    /// Publish at once
    #[arg(long)]
    pub(crate) publish: bool,
    /// A key of the delegating role to sign with
    #[arg(long = "sign-key", value_name = "KEYREF")]
    pub(crate) sign_keys: Vec<String>,
    /// When the delegating role's new version expires, such as 2030-01-31 or 90d
    #[arg(long, value_name = "WHEN", requires = "publish")]
    pub(crate) expires: Option<When>,
}

#[derive(Debug, Args)]
pub(crate) struct DelegationRemoveArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The role
    pub(crate) role: RoleName,
    /// The role that delegates [default: the one that does]
    #[arg(long, value_name = "ROLE")]
    pub(crate) parent: Option<RoleName>,
    #[command(flatten)]
    pub(crate) stage: StageArgs,
}
