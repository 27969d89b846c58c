//! A second opinion.

use clap::Args;
use notary_schema::name::Gun;

use super::When;

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// How soon is soon
    #[arg(long, value_name = "SPAN", default_value = "14d")]
    pub(crate) within: When,
    /// Draw the same roles of a large collection again [default: a new number]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u32>,
}
