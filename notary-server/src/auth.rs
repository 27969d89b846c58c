//! Who may do what: API tokens, grants, and the [`Permit`] that is step 1 of a publish.
//!
//! A request is decided on from its headers, before a byte of its body is read. A token is 256
//! random bits behind a prefix that scanners for leaked secrets recognise; only its SHA-256 is
//! stored. A token never replaces a TUF signature: it says who may send, not what is true.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, RoleName};
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::error::ServiceError;
use crate::store::Store;

/// What every token starts with.
pub const TOKEN_PREFIX: &str = "notary_";
/// How many random bytes follow.
const TOKEN_BYTES: usize = 32;
/// Longest glob, in bytes.
const MAX_GLOB_BYTES: usize = 1024;

/// What a grant allows on its collections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Level {
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

/// A pattern of names: `*` stands for any text within a segment, `**` also across `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Glob(String);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {0:?} is empty or longer than {MAX_GLOB_BYTES} bytes")]
pub struct GlobError(String);

impl Glob {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Glob, GlobError> {
        if text.is_empty() || text.len() > MAX_GLOB_BYTES {
            return Err(GlobError(text.chars().take(80).collect()));
        }
        Ok(Glob(text.to_owned()))
    }

    /// The pattern as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the whole name matches. Takes time in proportion to pattern times name.
    pub fn matches(&self, name: &str) -> bool {
        // `reached[i]`: the pattern so far can have consumed the first i bytes of the name.
        let name = name.as_bytes();
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        let mut rest = self.0.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            let across = rest.starts_with(b"**");
            rest = if across { &after[1..] } else { after };
            if first == b'*' {
                for at in 0..name.len() {
                    reached[at + 1] |= reached[at] && (across || name[at] != b'/');
                }
            } else {
                for at in (0..name.len()).rev() {
                    reached[at + 1] = reached[at] && name[at] == first;
                }
                reached[0] = false;
            }
        }
        reached[name.len()]
    }
}

/// What a token may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// How much.
    pub level: Level,
    /// On which collections.
    pub collections: Glob,
    /// Of which roles it may publish; empty for all that the level covers.
    pub roles: Vec<Glob>,
}

impl Grant {
    /// Reads the patterns of a grant.
    pub fn new(level: Level, collections: &str, roles: &[String]) -> Result<Grant, GlobError> {
        let roles = roles.iter().map(|glob| Glob::parse(glob)).collect::<Result<_, _>>()?;
        Ok(Grant { level, collections: Glob::parse(collections)?, roles })
    }

    /// Whether it covers publishing this role.
    fn covers(&self, role: &RoleName) -> bool {
        let level = match self.level {
            Level::Read | Level::Sign => false,
            Level::Publish => *role != RoleName::ROOT,
            Level::Root => *role == RoleName::ROOT,
            Level::Admin => true,
        };
        level
            && (self.roles.is_empty() || self.roles.iter().any(|glob| glob.matches(role.as_str())))
    }
}

/// Leave to do something in one collection. Only [`Gate`] gives one.
#[derive(Debug, Clone)]
pub struct Permit {
    token: String,
    grant: Grant,
}

impl Permit {
    /// Whether it covers publishing this role.
    pub fn covers(&self, role: &RoleName) -> bool {
        self.grant.covers(role)
    }

    /// Whether it covers making the collection.
    pub fn covers_creation(&self) -> bool {
        self.grant.level == Level::Admin
    }

    /// The id of the token, for logs.
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// To publish some role.
    Publish,
    /// To administer a collection.
    Admin,
}

impl Wanted {
    fn is_covered_by(self, level: Level) -> bool {
        match self {
            Wanted::Publish => matches!(level, Level::Publish | Level::Root | Level::Admin),
            Wanted::Admin => level == Level::Admin,
        }
    }
}

/// Decides who may pass.
pub struct Gate {
    store: Arc<dyn Store>,
    /// When tokens were used since the last [`Gate::note_uses`], by id.
    used: Mutex<HashMap<String, DateTime<Utc>>>,
}

impl Gate {
    /// A gate over the tokens of a store.
    pub fn new(store: Arc<dyn Store>) -> Gate {
        Gate { store, used: Mutex::default() }
    }

    /// Step 1: who is it, and may they?
    ///
    /// `is_public` says whether everybody may read the collection; where that is not so, a caller
    /// without a grant on it does not learn whether it exists.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`], [`ServiceError::Forbidden`],
    /// [`ServiceError::UnknownCollection`], or what the store failed with.
    pub async fn permit(
        &self,
        headers: &HeaderMap,
        gun: &Gun,
        wanted: Wanted,
        is_public: bool,
        now: DateTime<Utc>,
    ) -> Result<Permit, ServiceError> {
        let secret = bearer(headers)?;
        let token = self.store.token(&sha256_hex(secret.as_bytes())).await?;
        let refused = ServiceError::Unauthenticated("the token is unknown, expired or revoked");
        let Some(token) = token else { return Err(refused) };
        if token.revoked_at.is_some() || token.expires_at.is_some_and(|at| at <= now) {
            return Err(refused);
        }
        self.used().insert(token.id.clone(), now);
        if !token.grant.collections.matches(gun.as_str()) {
            return Err(match is_public {
                true => ServiceError::Forbidden(format!("the token has no grant on {gun}")),
                false => ServiceError::UnknownCollection(gun.clone()),
            });
        }
        if !wanted.is_covered_by(token.grant.level) {
            let needed = match wanted {
                Wanted::Publish => "publish",
                Wanted::Admin => "admin",
            };
            return Err(ServiceError::Forbidden(format!(
                "it needs a token with {needed} on {gun}"
            )));
        }
        Ok(Permit { token: token.id, grant: token.grant })
    }

    /// Writes down when tokens were last used: now and then, not at every request.
    pub async fn note_uses(&self) -> Result<(), ServiceError> {
        let used: Vec<_> = self.used().drain().collect();
        if used.is_empty() {
            return Ok(());
        }
        Ok(self.store.touch_tokens(used).await?)
    }

    fn used(&self) -> std::sync::MutexGuard<'_, HashMap<String, DateTime<Utc>>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bearer(headers: &HeaderMap) -> Result<&str, ServiceError> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Err(ServiceError::Unauthenticated("it needs a token"));
    };
    let token = value.to_str().ok().and_then(|text| text.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(ServiceError::Unauthenticated("Authorization is not like: Bearer notary_…")),
    }
}

/// A new token: what its owner keeps, and its id.
pub fn draw_token() -> (String, String) {
    let mut bytes = [0; TOKEN_BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
    let secret = format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
    let id = sha256_hex(secret.as_bytes())[..12].to_owned();
    (secret, id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stays_within_a_segment_and_two_go_across() {
        for (glob, name, matches) in [
            ("acme/app", "acme/app", true),
            ("acme/app", "acme/apps", false),
            ("acme/*", "acme/app", true),
            ("acme/*", "acme/app/x", false),
            ("acme/**", "acme/app/x", true),
            ("acme/**", "acme", false),
            ("**", "acme/app", true),
            ("*", "acme", true),
            ("*", "acme/app", false),
            ("a*c/**/z", "abc/x/y/z", true),
            ("a*c/**/z", "abc/z", false),
            ("team-*", "team-", true),
            ("*a*b", "xxaxxb", true),
            ("*a*b", "xxbxxa", false),
        ] {
            assert_eq!(Glob::parse(glob).unwrap().matches(name), matches, "{glob} {name}");
        }
        assert!(Glob::parse("").is_err());
        assert!(Glob::parse(&"*".repeat(MAX_GLOB_BYTES + 1)).is_err());
        assert!(!Glob::parse(&"*a".repeat(512)).unwrap().matches(&"a".repeat(255)));
    }

    #[test]
    fn a_grant_covers_the_roles_of_its_level() {
        let docs = RoleName::parse("docs").unwrap();
        for (level, root, targets, delegated) in [
            (Level::Read, false, false, false),
            (Level::Sign, false, false, false),
            (Level::Publish, false, true, true),
            (Level::Root, true, false, false),
            (Level::Admin, true, true, true),
        ] {
            let grant = Grant::new(level, "**", &[]).unwrap();
            assert_eq!(grant.covers(&RoleName::ROOT), root, "{level:?}");
            assert_eq!(grant.covers(&RoleName::TARGETS), targets, "{level:?}");
            assert_eq!(grant.covers(&docs), delegated, "{level:?}");
        }
        let docs_only = Grant::new(Level::Publish, "**", &["docs*".into()]).unwrap();
        assert!(docs_only.covers(&docs));
        assert!(!docs_only.covers(&RoleName::TARGETS));
    }

    #[test]
    fn tokens_are_long_recognisable_and_never_the_same() {
        let ((first, id), (second, _)) = (draw_token(), draw_token());
        assert!(first.starts_with(TOKEN_PREFIX) && first.len() == TOKEN_PREFIX.len() + 43);
        assert_ne!(first, second);
        assert_eq!(id.len(), 12);
    }
}
