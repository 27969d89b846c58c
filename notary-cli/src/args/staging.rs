//! Changes of targets, and how they are published.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::reason::{Reason, ReasonError};

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
    #[command(flatten)]
    pub(crate) propose: ProposeArgs,
}

/// What becomes of it where other keys have to sign, too.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ProposeArgs {
    /// Where signatures are missing: why others should sign, on one line
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(crate) reason: Option<String>,
    /// Propose it to others also where no key here may sign it
    #[arg(long)]
    pub(crate) propose: bool,
    /// Sign it also where another content of the same version was signed here
    #[arg(long)]
    pub(crate) second_content: bool,
}

impl ProposeArgs {
    /// What is said of a second content.
    pub(crate) fn second_content(&self) -> SecondContent {
        SecondContent::of_flag(self.second_content)
    }
}

/// What the command line says of another content of a version that was signed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SecondContent {
    /// Nothing: a person is asked.
    Ask,
    /// That it is signed, too.
    Sign,
}

impl SecondContent {
    /// What `--second-content` says.
    pub(crate) fn of_flag(is_set: bool) -> SecondContent {
        if is_set { SecondContent::Sign } else { SecondContent::Ask }
    }
}

fn reason(text: &str) -> Result<String, ReasonError> {
    Reason::parse(text).map(String::from)
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
    /// Leave out files whose name below the directory matches; * and ? stay within one segment, and
    /// a pattern without / is compared with the last segment
    #[arg(long, value_name = "GLOB", requires = "recursive")]
    pub(crate) exclude: Vec<String>,
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
pub(crate) struct AddhashArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The name of the target
    pub(crate) name: String,
    /// Its length in bytes
    pub(crate) length: u64,
    /// Its SHA-256 in hexadecimal
    #[arg(long, value_name = "HEX")]
    pub(crate) sha256: String,
    /// The role that lists it [default: the only one that your keys may sign and that covers it]
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    /// A JSON file to publish as the target's custom data
    #[arg(long, value_name = "FILE")]
    pub(crate) custom: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) stage: StageArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The list; - is stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// How it is written
    #[arg(long, value_enum)]
    pub(crate) format: ListFormat,
    /// Where the files are: each is read, and must be what its line says
    #[arg(long, value_name = "DIR", required_if_eq("format", "sha256sum"))]
    pub(crate) root: Option<PathBuf>,
    /// Leave out names that match; * and ? stay within one segment, and a pattern without / is
    /// compared with the last segment
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// The role that lists them [default: for each the only one that your keys may sign and that
    /// covers it]
    #[arg(long)]
    pub(crate) role: Option<RoleName>,
    #[command(flatten)]
    pub(crate) stage: StageArgs,
}

/// How a list of targets is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// One JSON object on each line: name, length, sha256 or hashes, custom, role
    Jsonl,
    /// What the program sha256sum prints
    Sha256sum,
}

#[derive(Debug, Args)]
pub(crate) struct WitnessArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The role
    pub(crate) role: RoleName,
    /// Also the hash bins that it delegates to
    #[arg(long)]
    pub(crate) bins: bool,
    /// The version that you have looked at; another one is refused
    #[arg(long, value_name = "VERSION", value_parser = Version::parse, conflicts_with = "bins")]
    pub(crate) reviewed: Option<Version>,
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
