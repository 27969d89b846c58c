//! Metadata that gathers the signatures of several people.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use notary_schema::name::{Gun, RoleName};

use super::SignArgs;

#[derive(Debug, Subcommand)]
pub(crate) enum ProposalCommand {
    /// List the proposals of a collection, the oldest first
    List {
        /// The collection
        gun: Gun,
    },
    /// Show what a proposal changes in the metadata that is trusted here, who has signed and who is
    /// missing
    Show(ProposalArgs),
    /// Sign a proposal after it was shown; the last signature that is needed publishes it. Without an
    /// ID, of several the only one that waits for a key here
    Sign(ProposalSignArgs),
    /// Write a proposal, with the metadata of its collection, for a holder without a network
    Export(ProposalExportArgs),
    /// Send the signatures that `sign --file` wrote
    Import(ProposalImportArgs),
    /// Make a proposal again on what is there now, without its signatures
    Rebase(ProposalRebaseArgs),
    /// Take a proposal back
    Cancel(OneProposalArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ProposalArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The proposal: its id, or the beginning of it [default: the only one that is open]
    #[arg(value_parser = id)]
    pub(crate) id: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct OneProposalArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The proposal: its id, or the beginning of it
    #[arg(value_parser = id)]
    pub(crate) id: String,
}

#[derive(Debug, Args)]
pub(crate) struct ProposalExportArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The proposal: its id, or the beginning of it
    #[arg(value_parser = id)]
    pub(crate) id: String,
    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ProposalImportArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The signatures
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ProposalRebaseArgs {
    #[command(flatten)]
    pub(crate) proposal: OneProposalArgs,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProposalSignArgs {
    #[command(flatten)]
    pub(crate) proposal: ProposalArgs,
    /// A key to sign with: an id, a file, pkcs11:…, awskms:…, exec:… [default: every key here whose
    /// signature counts]
    #[arg(long, value_name = "KEYREF")]
    pub(crate) key: Vec<String>,
    /// Sign only the file of this role; may be repeated
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<RoleName>,
    /// Sign it also where another content of the same version was signed here
    #[arg(long)]
    pub(crate) second_content: bool,
    /// Sign what `proposal export` wrote, without the server
    #[arg(long, value_name = "FILE", requires = "output", conflicts_with = "id")]
    pub(crate) file: Option<PathBuf>,
    /// Where to write the signatures, for `proposal import`
    #[arg(short, long, value_name = "FILE", requires = "file")]
    pub(crate) output: Option<PathBuf>,
}

/// An id, as servers draw them.
fn id(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric());
    match is_plain && !text.is_empty() && text.len() <= 64 {
        true => Ok(text.to_owned()),
        false => Err("an id is made of letters and digits".to_owned()),
    }
}
