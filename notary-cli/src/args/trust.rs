//! Which root is trusted.

use std::path::PathBuf;

use clap::{ArgGroup, Subcommand};
use notary_schema::name::{Gun, Version};

use super::GunArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Pin the root of a collection, from a file or by its hash
    #[command(group = ArgGroup::new("pin").required(true).args(["root", "sha256"]))]
    Add {
        /// The collection
        gun: Gun,
        /// A root file that you trust
        #[arg(long, value_name = "FILE")]
        root: Option<PathBuf>,
        /// The SHA-256 of a root file; the file comes from the server
        #[arg(long, value_name = "HEX")]
        sha256: Option<String>,
        /// The version of that root
        #[arg(long, value_name = "N", value_parser = Version::parse, default_value = "1",
            requires = "sha256", conflicts_with = "root")]
        root_version: Version,
    },
    /// List the collections whose root is pinned here
    List,
    /// Show what is trusted of a collection
    Show(GunArgs),
    /// Forget the root and the metadata of a collection: nothing of it is trusted any more
    Remove(GunArgs),
}
