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
    /// A target to download; may be repeated, also after `download`
    // Not global: clap would forget those before the sub-command where there are some after it.
    #[arg(long = "target-name", value_name = "NAME")]
    pub(crate) target_names: Vec<String>,
    /// Where the repository's targets are
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) target_base_url: Option<String>,
    /// Where to write targets
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) target_dir: Option<PathBuf>,
    /// Also use plain HTTP to other machines: files are verified, but others can see and delay them
    #[arg(long, global = true)]
    pub(crate) allow_http: bool,
    #[command(subcommand)]
    pub(crate) command: ClientCommand,
}

impl ClientArgs {
    /// The targets to download, in the order of the command line.
    pub(crate) fn all_target_names(&self) -> impl Iterator<Item = &String> {
        let after = match &self.command {
            ClientCommand::Download { target_names } => target_names.as_slice(),
            _ => &[],
        };
        self.target_names.iter().chain(after)
    }
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
    /// Bring the metadata up to date, then download targets in the order in which they are named
    Download {
        /// A target to download; may be repeated
        #[arg(long = "target-name", value_name = "NAME")]
        target_names: Vec<String>,
    },
}
