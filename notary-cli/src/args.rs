//! The command line.

mod when;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use notary_schema::name::{Gun, RoleName, Version};

pub(crate) use when::When;

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
    /// How long a request is tried again, and a lock waited for [default: 120]
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
    /// Make, list and export keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// Create a collection: keys, root 1 and targets 1
    Init(InitArgs),
    /// Show roles, keys, versions and expiries of a collection, as the server tells them
    Info(InfoArgs),
    /// Stage a target, or all files of a directory
    Add(AddArgs),
    /// Stage the removal of a target
    Remove(RemoveArgs),
    /// Show what is staged (exit 7 when something is)
    Status(GunArgs),
    /// Drop what is staged
    Reset(GunArgs),
    /// Sign and publish what is staged
    Publish(PublishArgs),
    /// List the targets of a collection
    List(ListArgs),
    /// Look up one target
    Lookup(LookupArgs),
    /// Request, add and list delegations
    #[command(subcommand)]
    Delegation(DelegationCommand),
    /// Say which root to trust
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Verify a file against a collection
    Verify(VerifyArgs),
    /// Download and verify a target
    Pull(PullArgs),
    /// A client of any TUF repository (exit 0 or 1 only)
    Client(ClientArgs),
}

#[derive(Debug, Args)]
pub(crate) struct GunArgs {
    /// The collection
    pub(crate) gun: Gun,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key in the trust directory
    Generate {
        #[arg(long, value_enum, default_value_t = Algorithm::Ed25519)]
        algorithm: Algorithm,
        /// A name for people
        #[arg(long, value_name = "LABEL")]
        name: Option<String>,
    },
    /// List the keys of the trust directory
    List,
    /// Write a key: its encrypted file, or its public part
    Export {
        /// The id, or its beginning
        id: String,
        /// Only the public part
        #[arg(long)]
        public: bool,
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    Ed25519,
    EcdsaP256,
    #[value(name = "rsa-3072")]
    Rsa3072,
}

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// A root key; without any, one is made
    #[arg(long, value_name = "KEYREF")]
    pub(crate) root_key: Vec<String>,
    /// How many root keys must sign
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) root_threshold: u32,
    /// A targets key; without any, one is made
    #[arg(long, value_name = "KEYREF")]
    pub(crate) targets_key: Vec<String>,
    /// How many targets keys must sign
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) targets_threshold: u32,
    /// When root and targets expire, such as 2030-01-31 or 90d [default: 365d]
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<When>,
}

#[derive(Debug, Args)]
pub(crate) struct InfoArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// Exit 7 when something expires soon
    #[arg(long)]
    pub(crate) check: bool,
    /// How soon is soon
    #[arg(long, value_name = "SPAN", default_value = "14d", requires = "check")]
    pub(crate) within: When,
}

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

#[cfg(test)]
mod tests;
