//! Hash bins.

use clap::Args;
use notary_schema::name::{Gun, RoleName};

use super::When;

/// Most bins of one role: all of them are one publish, which has room for 20,000 files.
const MOST_BINS: u32 = 1 << 14;

/// Divide the names of a role into hash bins, and publish that at once
///
/// The bins get names like ROLE-bin-0f. The targets that the role lists move into them, unless
/// another delegation of the role covers them. From then on `add` and `remove` choose the bin of a
/// name by its hash and sign only that one. Names that are divided already are divided anew.
#[derive(Debug, Args)]
pub(crate) struct DelegationBinsArgs {
    /// The collection
    pub(crate) gun: Gun,
    /// The role whose names are divided
    pub(crate) role: RoleName,
    /// How many bins: a power of two up to 16384
    #[arg(long, value_name = "N", value_parser = bit_length)]
    pub(crate) count: BitLength,
    /// Describe the bins as a whole (TAP 15): shorter, and unreadable to clients without it
    #[arg(long)]
    pub(crate) succinct: bool,
    /// What the names of the bins start with [default: ROLE-bin]
    #[arg(long, value_name = "NAME")]
    pub(crate) prefix: Option<String>,
    /// A key to sign the bins with [default: those of the bins of before, or the keys here that sign
    /// the role]
    #[arg(long, value_name = "KEYREF")]
    pub(crate) key: Vec<String>,
    /// How many of the keys must sign a bin [default: as before, or 1]
    #[arg(long, value_name = "N")]
    pub(crate) threshold: Option<u32>,
    /// A key of the role to sign with
    #[arg(long = "sign-key", value_name = "KEYREF")]
    pub(crate) sign_keys: Vec<String>,
    /// When the role's new version and the bins expire, such as 2030-01-31 or 90d
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<When>,
}

/// How many bits of a hash choose among so many bins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BitLength(pub(crate) u32);

fn bit_length(text: &str) -> Result<BitLength, String> {
    match text.parse::<u32>() {
        Ok(count) if (2..=MOST_BINS).contains(&count) && count.is_power_of_two() => {
            Ok(BitLength(count.trailing_zeros()))
        }
        _ => Err(format!(
            "not a power of two from 2 to {MOST_BINS}, which is what one publish has room for"
        )),
    }
}
