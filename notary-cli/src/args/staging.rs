//! Changes of targets, and how they are published.

use std::path::PathBuf;

use clap::Args;
use notary_schema::name::{Gun, RoleName};

use super::When;

/// How a publish is signed.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SignArgs {
    /// A key to sign with: an id, a file, pkcs11:…, awskms:…, exec:…
    #[arg(long, value_name = "KEYREF")]
    pub(crate) key: Vec<String>,
    /// When the new versions expire, such as 2030-01-31 or 90d
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<When>,
}

/// How a command stages.
#[derive(Debug, Clone, Args)]
pub(crate) struct StageArgs {
    /// Publish at once
    #[arg(long)]
    pub(crate) publish: bool,
    /// A key to sign with: an id, a file, pkcs11:…, awskms:…, exec:…
    #[arg(long, value_name = "KEYREF")]
    pub(crate) key: Vec<String>,
    /// When the new version expires, such as 2030-01-31 or 90d
    #[arg(long, value_name = "WHEN", requires = "publish")]
    pub(crate) expires: Option<When>,
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The name of the target; with --recursive a prefix such as docs/ (/ for none)
    pub(crate) name: String,
    /// The file; with --recursive the directory
    pub(crate) file: PathBuf,
    /// Add every file below the directory
    #[arg(long)]
    pub(crate) recursive: bool,
    /// The role that lists it [default: the only one that your keys may sign and that covers it]
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    /// A JSON file to publish as the target's custom data
    #[arg(long, value_name = "FILE")]
    pub(crate) custom: Option<PathBuf>,
    /// Copy the file to DIR/…/SHA256.NAME, where clients of consistent snapshots ask for it
    #[arg(long, value_name = "DIR")]
    pub(crate) copy_to: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) stage: StageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The name of the target
    pub(crate) name: String,
    /// The role that lists it [default: the only one that your keys may sign and that lists it]
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    #[command(flatten)]
    pub(crate) stage: StageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// Show roles, versions and sizes, and publish nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
}
