//! Reading and verifying.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use notary_schema::name::{Gun, RoleName};

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// Only the targets of this role
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
}

#[derive(Debug, Args)]
pub(crate) struct LookupArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The name of the target
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The name of the target
    pub(crate) name: String,
    /// The file
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The name of the target
    pub(crate) name: String,
    /// Where to write it [default: the last segment of its name]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Where targets are: https, http on loopback, or file [config: targets_url]
    #[arg(long, value_name = "URL")]
    pub(crate) targets_url: Option<String>,
    /// Ask for DIR/NAME, not DIR/HASH.NAME
    #[arg(long)]
    pub(crate) plain_names: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// Where trusted metadata is kept
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) metadata_dir: Option<PathBuf>,
    /// Where the repository's metadata is
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) metadata_url: Option<String>,
    /// A target to download
    #[arg(long = "target-name", global = true, value_name = "NAME")]
    pub(crate) target_names: Vec<String>,
    /// Where the repository's targets are
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) target_base_url: Option<String>,
    /// Where to write targets
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) target_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: ClientCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Start to trust a root file; makes no request
    Init {
        /// The root file
        root: PathBuf,
    },
    /// Bring the trusted metadata up to date
    Refresh,
    /// Bring the metadata up to date, then download targets
    Download,
}
