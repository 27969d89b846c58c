//! The command line: what every command takes, and the commands; their own arguments are in files by
//! theme.

mod bins;
mod collection;
mod delegation;
#[cfg(feature = "doctor")]
mod doctor;
mod key;
mod proposal;
mod reading;
mod revoking;
mod rotation;
mod staging;
mod token;
mod trust;
mod watch;
mod when;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use notary_schema::name::Gun;

pub(crate) use bins::*;
pub(crate) use collection::*;
pub(crate) use delegation::*;
#[cfg(feature = "doctor")]
pub(crate) use doctor::*;
pub(crate) use key::*;
pub(crate) use proposal::*;
pub(crate) use reading::*;
pub(crate) use revoking::*;
pub(crate) use rotation::*;
pub(crate) use staging::*;
pub(crate) use token::*;
pub(crate) use trust::*;
pub(crate) use watch::*;
pub(crate) use when::{Interval, When, span, spelled};

/// Publish, delegate and verify software with TUF metadata
#[derive(Debug, Parser)]
#[command(name = "notary", version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused or not verified, 2 usage, 3 conflict, \
    4 server or network unreachable, 5 not found, 6 signatures still missing, \
    7 there is something to do, 8 local state (lock, key file, passphrase)";

/// What every command takes.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalOptions {
    /// The notary-server [env: NOTARY_SERVER]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// Keys, trusted metadata and staged changes [env: NOTARY_TRUST_DIR] [default: ~/.notary]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) trust_dir: Option<PathBuf>,
    /// Configuration file [default: ~/.config/notary/cli.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Certificates (PEM) to trust in place of those of the system
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// API token [env: NOTARY_TOKEN, the token itself]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Also follow redirects to this host; may be repeated [config: redirect_hosts]
    #[arg(long = "redirect-host", global = true, value_name = "HOST")]
    pub(crate) redirect_hosts: Vec<String>,
    /// How long is waited: for a lock, for an answer with all tries (`client`: eight at most), for all
    /// metadata of a run; files and bytes have their time beside it [default: 120]
    #[arg(long, global = true, value_name = "SECONDS")]
    pub(crate) timeout: Option<u64>,
    /// Print one JSON document on stdout
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Answer every question with yes
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// Trust the root that the server shows, where none is pinned yet
    #[arg(long, global = true)]
    pub(crate) tofu: bool,
    /// Print one line for each request
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make, list, import, export and remove keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Create a collection: keys, root 1 and targets 1
    Init(InitArgs),
    /// Take over a TUF repository of somebody else, with its keys: its root keys sign the root that names
    /// the server's online keys, then all of it is sent at once
    Adopt(AdoptArgs),
    /// Show roles, keys, versions and expiries of a collection, as the server tells them
    Info(InfoArgs),
    /// List the collections that the server shows
    Collections,
    /// Show what happened to a collection, as the server tells it
    Log(LogArgs),
    /// Compare two stored versions of a role
    Diff(DiffArgs),
    /// Stage a target, or all files of a directory
    Add(AddArgs),
    /// Stage a target whose length and hash are known
    Addhash(AddhashArgs),
    /// Stage the targets of a list
    Import(ImportArgs),
    /// Stage the removal of a target
    Remove(RemoveArgs),
    /// Stage a role as it is, under a new version and date
    Witness(WitnessArgs),
    /// Show what is staged (exit 7 when something is)
    Status(GunArgs),
    /// Drop what is staged
    Reset(GunArgs),
    /// Sign and publish what is staged; what others have to sign, too, becomes a proposal
    Publish(PublishArgs),
    /// List, show, sign and cancel what waits for the signatures of several people
    #[command(subcommand)]
    Proposal(ProposalCommand),
    /// List the targets of a collection
    List(ListArgs),
    /// Look up one target
    Lookup(LookupArgs),
    /// Request, add, remove and list delegations
    #[command(subcommand)]
    Delegation(DelegationCommand),
    /// Say which root to trust
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Verify a file against a collection
    Verify(VerifyArgs),
    /// Download and verify a target
    Pull(PullArgs),
    /// Download a target whenever it changes, and run a command then
    Watch(WatchArgs),
    /// Read a collection a second time, with another implementation: what is refused, what breaks
    /// clients in the field, what expires soon (exit 7 when something is to be done)
    #[cfg(feature = "doctor")]
    Doctor(DoctorArgs),
    /// Write a collection as files that any web server can serve to any TUF client; targets are not
    /// among them: `add --copy-to` puts those beside
    Export(ExportArgs),
    /// Bring back what a server lost whose database was set back to an older copy, as far as it is here
    /// (exit 7 while something is missing)
    Repair(RepairArgs),
    /// Replace, add or take away keys of a role, or change its threshold
    Rotate(RotateArgs),
    /// Have a key sign nothing new, and publish without it: delegators, and what it alone has changed
    Revoke(RevokeArgs),
    /// Have clients forget versions of snapshot and timestamp that ran away, or that somebody else has
    /// signed: all keys of both are replaced at once
    Recover(RecoverArgs),
    /// Delete a collection: the server keeps its roots, and everything for `undelete`
    Delete(DeleteArgs),
    /// Bring a deleted collection back
    Undelete(GunArgs),
    /// Show or change what the server does with a collection
    Policy(PolicyArgs),
    /// Make, list and revoke API tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Show what the server takes you for
    Whoami,
    /// Print the completion of this command line for a shell
    Completion {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// A client of any TUF repository (exit 0 or 1 only)
    Client(ClientArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GunArgs {
    /// The collection
    pub(crate) gun: Gun,
}

#[cfg(test)]
mod tests;
