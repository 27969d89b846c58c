//! Collections as a whole.

use clap::Args;
use notary_schema::name::Gun;

use super::When;

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
