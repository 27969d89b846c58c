//! API tokens.

use clap::{ArgGroup, Args, Subcommand};
use notary_schema::reason::Label;
use notary_schema::wire::GrantLevel;

use super::When;

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token, never wider than your own; it is shown once
    Create(TokenCreateArgs),
    /// List tokens
    List,
    /// Revoke a token
    Revoke {
        /// Its id
        id: String,
        /// Also those that were made with it, and with them
        #[arg(long)]
        cascade: bool,
    },
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("grant").required(true).args(["read", "sign", "publish", "root", "admin"]))]
pub(crate) struct TokenCreateArgs {
    /// To read these collections; * stays within one segment, ** does not
    #[arg(long, value_name = "GLOB")]
    pub(crate) read: Option<String>,
    /// To read them, and to sign proposals
    #[arg(long, value_name = "GLOB")]
    pub(crate) sign: Option<String>,
    /// To read them, to sign proposals, and to publish targets and delegated roles
    #[arg(long, value_name = "GLOB")]
    pub(crate) publish: Option<String>,
    /// To read them, to sign proposals, and to publish roots
    #[arg(long, value_name = "GLOB")]
    pub(crate) root: Option<String>,
    /// For everything on them, creation included
    #[arg(long, value_name = "GLOB")]
    pub(crate) admin: Option<String>,
    /// Only these roles may be published
    #[arg(long = "role", value_name = "GLOB", conflicts_with_all = ["read", "sign", "root", "admin"])]
    pub(crate) roles: Vec<String>,
    /// What to call it, so that people know it again
    #[arg(long, value_name = "LABEL", value_parser = Label::parse)]
    pub(crate) name: Option<Label>,
    /// From when on it is refused, such as 2030-01-31 or 90d [default: never]
    #[arg(long, value_name = "WHEN")]
    pub(crate) expires: Option<When>,
}

impl TokenCreateArgs {
    /// What the token is for, and on which collections.
    pub(crate) fn grant(&self) -> Option<(GrantLevel, &str)> {
        let grants = [
            (GrantLevel::Read, &self.read),
            (GrantLevel::Sign, &self.sign),
            (GrantLevel::Publish, &self.publish),
            (GrantLevel::Root, &self.root),
            (GrantLevel::Admin, &self.admin),
        ];
        grants.into_iter().find_map(|(level, globs)| Some((level, globs.as_deref()?)))
    }
}
