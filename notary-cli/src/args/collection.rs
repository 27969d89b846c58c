//! Collections as a whole.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use notary_schema::name::{Gun, RoleName, Version};

use super::When;

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// A root key: one that is here, or the public half of somebody else's; without any, one is made
    #[arg(long, value_name = "KEYREF")]
    pub(crate) root_key: Vec<String>,
    /// How many root keys must sign [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) root_threshold: Option<u32>,
    /// A targets key, here or somebody else's; without any, one is made
    #[arg(long, value_name = "KEYREF")]
    pub(crate) targets_key: Vec<String>,
    /// How many targets keys must sign [default: 1]
    #[arg(long, value_name = "N")]
    pub(crate) targets_threshold: Option<u32>,
    /// When root and targets expire, such as 2030-01-31 or 90d [default: 365d]
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<When>,
    /// Only who has a token that allows it may read the collection
    #[arg(long)]
    pub(crate) private: bool,
    /// Put it in the place of a deleted collection, whose newest root has this SHA-256
    #[arg(long, value_name = "SHA256")]
    pub(crate) replace: Option<String>,
    /// Where what others have to sign is written [default: the name of the collection, `.first-root`]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct AdoptArgs {
    /// The collection that it becomes
    pub(crate) gun: Gun,
    /// Where their metadata is
    #[arg(long, value_name = "URL|DIR")]
    pub(crate) from: String,
    /// A root of theirs that you trust; clients that trust it follow
    #[arg(long, value_name = "FILE")]
    pub(crate) root: PathBuf,
    /// Where the new root is kept until enough of their root keys have signed it [default: the name of
    /// the collection, `.adopting-root.json`]
    #[arg(long, value_name = "FILE")]
    pub(crate) new_root: Option<PathBuf>,
    /// Only who has a token that allows it may read the collection
    #[arg(long)]
    pub(crate) private: bool,
    /// A root key of theirs [default: all of the trust directory that their root lists]
    #[arg(long, value_name = "KEYREF")]
    pub(crate) key: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// Print only what expires soon or is stuck, and exit 7 where something is
    #[arg(long)]
    pub(crate) check: bool,
    /// How soon is soon
    #[arg(long, value_name = "SPAN", default_value = "14d", requires = "check")]
    pub(crate) within: When,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// Only what came after this number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    pub(crate) after: u64,
    /// Wait for what comes; with --json, print one document for each event
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The role
    pub(crate) role: RoleName,
    /// A version
    #[arg(value_name = "N", value_parser = Version::parse)]
    pub(crate) from: Version,
    /// Another version
    #[arg(value_name = "M", value_parser = Version::parse)]
    pub(crate) to: Version,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// Only here: forget its root, metadata and staged changes, and ask no server; keys stay
    #[arg(long)]
    pub(crate) local: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// An empty directory, or that of an earlier export: only what is new is written
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// Also look here: metadata of an agent, or an export
    #[arg(long, value_name = "DIR")]
    pub(crate) metadata_dir: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    /// The collection
    pub(crate) gun: Gun,
    #[command(subcommand)]
    pub(crate) command: Option<PolicyCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Change it: `public=false`, `timestamp=12h`, `root=400d`, `timestamp=default`
    ///
    /// public is true or false. How long metadata lives is a span, or default for what the server
    /// is configured to: root, targets (also of delegated roles), offline_max (the longest life of
    /// these that is accepted), snapshot, timestamp, and overlap (how long a key signs on that a
    /// root takes away from snapshot or timestamp).
    Set {
        /// What it shall be
        #[arg(required = true, value_name = "KEY=VALUE")]
        assignments: Vec<String>,
    },
}
