//! Who may do what: API tokens, and the [`Permit`] that is step 1 of a publish.
//!
//! A request is decided on from its headers, before a byte of its body is read. A token is 256
//! random bits behind a prefix that scanners for leaked secrets recognise; only its SHA-256 is
//! stored. A token never replaces a TUF signature: it says who may send, not what is true.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, RoleName};
use notary_schema::wire::GrantLevel;
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::ServiceError;
use crate::store::{Store, Token};

/// What every token starts with.
pub const TOKEN_PREFIX: &str = "notary_";
/// How many random bytes follow.
const TOKEN_BYTES: usize = 32;
/// Most tokens that are remembered for reading.
const MAX_READERS: u64 = 10_000;
/// How long a token is remembered for reading, in seconds.
const READER_SECONDS: u64 = 2;
/// What is said of a token that is no good; not which of these it is.
const BAD_TOKEN: &str = "the token is unknown, expired or revoked";

/// Leave to do something in one collection. Only [`Gate`] gives one.
#[derive(Debug, Clone)]
pub struct Permit {
    token: Token,
}

impl Permit {
    /// Whether it covers publishing this role.
    pub fn covers(&self, role: &RoleName) -> bool {
        self.token.grant.covers(role)
    }

    /// Whether it covers administering the collection, making it included.
    pub fn covers_administration(&self) -> bool {
        self.token.grant.level == GrantLevel::Admin
    }

    /// The token that it was given for.
    pub fn token(&self) -> &Token {
        &self.token
    }
}

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// To add signatures to a proposal.
    Sign,
    /// To publish some role.
    Publish,
    /// To administer a collection.
    Admin,
}

impl Wanted {
    fn is_covered_by(self, level: GrantLevel) -> bool {
        match self {
            Wanted::Sign => level != GrantLevel::Read,
            Wanted::Publish => {
                matches!(level, GrantLevel::Publish | GrantLevel::Root | GrantLevel::Admin)
            }
            Wanted::Admin => level == GrantLevel::Admin,
        }
    }
}

/// Who reads.
#[derive(Debug, Clone)]
pub enum Reader {
    /// Somebody without a token.
    Anybody,
    /// The holder of a good token.
    Holder(Arc<Token>),
}

impl Reader {
    /// Whether a collection may be read that is not public.
    pub fn may_read(&self, gun: &Gun) -> bool {
        match self {
            Reader::Anybody => false,
            Reader::Holder(token) => token.grant.collections.matches(gun.as_str()),
        }
    }
}

/// Decides who may pass.
pub struct Gate {
    store: Arc<dyn Store>,
    /// When tokens were used since the last [`Gate::note_uses`], by id.
    used: Mutex<HashMap<String, DateTime<Utc>>>,
    /// Tokens that private collections are read with, by SHA-256.
    readers: Cache<String, Arc<Token>>,
}

impl Gate {
    /// A gate over the tokens of a store.
    pub fn new(store: Arc<dyn Store>) -> Gate {
        let readers = Cache::builder()
            .max_capacity(MAX_READERS)
            .time_to_live(Duration::from_secs(READER_SECONDS))
            .build();
        Gate { store, used: Mutex::default(), readers }
    }

    /// Who is it?
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`], or what the store failed with.
    pub async fn holder(
        &self,
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) -> Result<Token, ServiceError> {
        let secret = bearer(headers)?;
        let token = self.store.token(&sha256_hex(secret.as_bytes())).await?;
        let token = token.filter(|token| token.is_open(now));
        let token = token.ok_or(ServiceError::Unauthenticated(BAD_TOKEN))?;
        self.used().insert(token.id.clone(), now);
        Ok(token)
    }

    /// Step 1: who is it, and may they?
    ///
    /// A caller without a grant on a collection that is not public does not learn whether it
    /// exists.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`], [`ServiceError::Forbidden`],
    /// [`ServiceError::UnknownCollection`], or what the store failed with.
    pub async fn permit(
        &self,
        headers: &HeaderMap,
        gun: &Gun,
        wanted: Wanted,
        now: DateTime<Utc>,
    ) -> Result<Permit, ServiceError> {
        let token = self.holder(headers, now).await?;
        if !token.grant.collections.matches(gun.as_str()) {
            return Err(match self.store.is_public(gun).await? {
                true => ServiceError::Forbidden(format!("the token has no grant on {gun}")),
                false => ServiceError::UnknownCollection(gun.clone()),
            });
        }
        if !wanted.is_covered_by(token.grant.level) {
            let needed = match wanted {
                Wanted::Sign => "sign",
                Wanted::Publish => "publish",
                Wanted::Admin => "admin",
            };
            return Err(ServiceError::Forbidden(format!(
                "it needs a token with {needed} on {gun}"
            )));
        }
        Ok(Permit { token })
    }

    /// Who reads? Asked where what is read may not be public, so it costs no query for each
    /// request: a token that another process revokes is good for [`READER_SECONDS`] more.
    ///
    /// # Errors
    /// [`ServiceError::Unauthenticated`] for a token that is not good: its holder would otherwise
    /// be told that the collection is gone.
    pub async fn reader(
        &self,
        headers: &HeaderMap,
        now: DateTime<Utc>,
    ) -> Result<Reader, ServiceError> {
        if !headers.contains_key(AUTHORIZATION) {
            return Ok(Reader::Anybody);
        }
        let sha256 = sha256_hex(bearer(headers)?.as_bytes());
        if let Some(token) = self.readers.get(&sha256) {
            if !token.is_open(now) {
                return Err(ServiceError::Unauthenticated(BAD_TOKEN));
            }
            self.used().insert(token.id.clone(), now);
            return Ok(Reader::Holder(token));
        }
        let token = Arc::new(self.holder(headers, now).await?);
        self.readers.insert(sha256, token.clone());
        Ok(Reader::Holder(token))
    }

    /// Forgets what is remembered of tokens: one was revoked.
    pub fn forget_readers(&self) {
        self.readers.invalidate_all();
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
    fn tokens_are_long_recognisable_and_never_the_same() {
        let ((first, id), (second, _)) = (draw_token(), draw_token());
        assert!(first.starts_with(TOKEN_PREFIX) && first.len() == TOKEN_PREFIX.len() + 43);
        assert_ne!(first, second);
        assert_eq!(id.len(), 12);
    }
}
