//! Delegations.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use notary_schema::name::{Gun, RoleName};

use super::{DelegationBinsArgs, SignArgs, StageArgs, When};

const DECLARED: &str = "\
The file lists all roles that targets delegates to, the first one asked first:

  roles:
  - name: docs                    # a role that is not listed is taken back
    paths: [\"docs/*\"]             # or path_hash_prefixes
    keys: [a.pem, b.pem]          # files of public keys, or key ids; left out: those of the request
    threshold: 2                  # default: 1
    terminating: true             # default: false
    request: docs.request         # of the team, for a role without a file; or `pending: true`
    roles: []                     # all that docs delegates to; left out: as it is
  bins: {prefix: targets-bin, count: 256, succinct: false, keys: [a.pem], threshold: 1}

`notary delegation list --yaml` writes it. Bins are made by `notary delegation bins`; here, who signs \
them may change.";

#[derive(Debug, Subcommand)]
pub(crate) enum DelegationCommand {
    /// As a team: write a request with your public key and the role's first signed file
    Request(DelegationRequestArgs),
    /// As a manager: stage the delegation of paths to a role
    Add(DelegationAddArgs),
    /// As a manager: stage other paths or another priority for a delegation; `rotate` is for its keys
    Update(DelegationUpdateArgs),
    /// Divide the names of a role into hash bins, and publish that at once
    Bins(DelegationBinsArgs),
    /// As a manager: stage the removal of a delegation; the role's files stay, and nobody trusts them
    Remove(DelegationRemoveArgs),
    /// List the delegations of a collection
    List(DelegationListArgs),
    /// Compare the delegations with a file that declares them (exit 7 when something would change)
    #[command(after_long_help = DECLARED)]
    Plan(DelegationPlanArgs),
    /// Make the delegations what a file declares, and publish that at once
    #[command(after_long_help = DECLARED)]
    Apply(DelegationApplyArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DelegationRequestArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The role that you ask for
    pub(crate) role: RoleName,
    /// Your key
    #[arg(long, value_name = "KEYREF", required = true)]
    pub(crate) key: Vec<String>,
    /// With what the role listed when it was published last, in place of an empty file
    #[arg(long)]
    pub(crate) from_history: bool,
    /// Where to write the request
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// When the first file expires, such as 2030-01-31 or 90d [default: 365d]
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<When>,
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
    #[arg(long = "key", value_name = "PUBLIC", requires = "state", conflicts_with = "request")]
    pub(crate) public_key: Vec<String>,
    /// Delegate before the team has published: look-ups in its paths fail until it does
    #[arg(long, requires = "public_key", conflicts_with = "request", group = "state")]
    pub(crate) pending: bool,
    /// Bring back what the role listed when it was published last, signed by the keys here
    #[arg(long, requires = "public_key", conflicts_with = "request", group = "state")]
    pub(crate) from_history: bool,
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
pub(crate) struct DelegationUpdateArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The role
    pub(crate) role: RoleName,
    #[command(flatten)]
    pub(crate) update: DelegationUpdate,
    #[command(flatten)]
    pub(crate) stage: StageArgs,
}

/// What becomes of a delegation. All that is not said stays as it is.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct DelegationUpdate {
    /// All the names that the role is trusted with from now on
    #[arg(long = "path", value_name = "PATTERN")]
    pub(crate) paths: Vec<String>,
    /// Whether a look-up in its paths ends with this role
    #[arg(long, value_name = "BOOL")]
    pub(crate) terminating: Option<bool>,
    /// It is asked before all other roles of its delegator
    #[arg(long, group = "place")]
    pub(crate) first: bool,
    /// It is asked after all others
    #[arg(long, group = "place")]
    pub(crate) last: bool,
    /// It is asked just before this role
    #[arg(long, value_name = "ROLE", group = "place")]
    pub(crate) before: Option<RoleName>,
    /// It is asked just after this role
    #[arg(long, value_name = "ROLE", group = "place")]
    pub(crate) after: Option<RoleName>,
}

#[derive(Debug, Args)]
pub(crate) struct DelegationListArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// As a file for `delegation plan` and `apply`
    #[arg(long, conflicts_with = "json")]
    pub(crate) yaml: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DelegationPlanArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// All delegations in the order of their priority (YAML); keys and requests are sought beside it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DelegationApplyArgs {
    #[command(flatten)]
    pub(crate) plan: DelegationPlanArgs,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
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
