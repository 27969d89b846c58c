//! Bodies of notary-server about API tokens.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a token allows on its collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum GrantLevel {
    /// To read.
    Read,
    /// To read, and to add signatures to proposals.
    Sign,
    /// `sign`, and to publish targets and delegated roles.
    Publish,
    /// `sign`, and to publish root.
    Root,
    /// Everything, creation included.
    Admin,
}

/// Asks for a token. It is never wider than the caller's own: not in level, collections, roles or
/// time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    /// What to call it: a [`Label`](crate::reason::Label).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do.
    pub grant: GrantLevel,
    /// On which collections: `*` stands for text within a segment, `**` also across `/`.
    pub collections: String,
    /// Which roles it may publish; empty for all that the grant covers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// From when on it is refused; absent for never, where the caller's own has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenInfo {
    /// A short id to speak of it.
    pub id: String,
    /// What whoever made it calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may do.
    pub grant: GrantLevel,
    /// On which collections.
    pub collections: String,
    /// Which roles it may publish; empty for all that the grant covers.
    #[serde(default)]
    pub roles: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// The id of the token with which it was made, or `notary-server` for the server's host.
    pub created_by: String,
    /// From when on it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// About when it was last used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<DateTime<Utc>>,
}

/// The answer to [`NewToken`]: the only time that the token is shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CreatedToken {
    /// The token.
    pub token: String,
    /// What is stored of it.
    #[serde(flatten)]
    pub info: TokenInfo,
}
