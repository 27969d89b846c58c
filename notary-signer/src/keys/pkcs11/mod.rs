//! Keys in a token behind PKCS#11: an HSM, a smart card, SoftHSM. Private keys are made in the token
//! and never leave it.
//!
//! PKCS#11 blocks, so every call runs on a thread of its own ([`threads`]), with a session out of a
//! fixed number ([`session`]) of a library that all share ([`module`]), logged in with a PIN that is
//! tried once ([`login`]). What is signed is always hashed here: ECDSA and RSA-PSS over a digest are
//! what every token has, with or without hashing of its own ([`objects`]).

mod locator;
mod login;
mod module;
mod objects;
mod session;
mod threads;
mod uri;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use cryptoki::session::Session;
use notary_schema::key::PublicKey;
use secrecy::SecretString;
use tokio::sync::{Semaphore, oneshot};

pub use self::locator::Locator;
use self::session::{LoggedIn, Sessions};
use self::threads::Threads;
pub use self::uri::{PinSource, TokenName, TokenUri};
use super::named::NamedKey;
use super::{Algorithm, KeyError, KeyHandle, KeyStore, StoredKey, Trouble};

/// A token, and how to get in.
#[derive(Debug, Clone)]
pub struct Token {
    /// The library of its maker.
    pub module: PathBuf,
    /// How it is told from others.
    pub name: TokenName,
    /// The PIN of its user.
    pub pin: SecretString,
    /// Sessions at once; many tokens have few.
    pub sessions: usize,
}

/// Keys in a [`Token`].
pub struct Pkcs11Store {
    name: String,
    sessions: Arc<Sessions>,
    free: Arc<Semaphore>,
    threads: Threads,
}

impl Pkcs11Store {
    /// `name` is what people call it in errors. The token is not looked at yet.
    pub fn new(name: &str, token: Token) -> Pkcs11Store {
        let free = Arc::new(Semaphore::new(token.sessions));
        let (sessions, threads) = (Arc::new(Sessions::new(token)), Threads::default());
        Pkcs11Store { name: name.to_owned(), sessions, free, threads }
    }

    async fn logged_in<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut LoggedIn) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, KeyError> {
        self.on_a_thread(|sessions| sessions.run(work)).await
    }

    /// Runs work on a thread. A token that hangs keeps the session that hangs, so it never takes more
    /// threads than it has sessions; and no end of a runtime waits for them, as it would for its
    /// blocking threads.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Sessions) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, KeyError> {
        let free = self.free.clone().acquire_owned().await;
        let free = free.map_err(|_| KeyError::Crypto("waiting for a token"))?;
        let sessions = self.sessions.clone();
        let (tell, done) = oneshot::channel();
        let span = tracing::Span::current();
        self.threads.run(free, move || {
            let _ = tell.send(span.in_scope(|| work(&sessions)));
        });
        let done = done.await.map_err(|_| KeyError::Crypto("asking a token"))?;
        done.map_err(|trouble| KeyError::Backend { backend: self.name.clone(), trouble })
    }

    async fn with_session<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, KeyError> {
        self.logged_in(|logged_in| work(&logged_in.session)).await
    }
}

#[async_trait]
impl KeyStore for Pkcs11Store {
    async fn create(&self, algorithm: Algorithm, purpose: &str) -> Result<StoredKey, KeyError> {
        let label = purpose.to_owned();
        let made = self.with_session(move |session| objects::create(session, algorithm, &label));
        let (locator, public) = made.await?;
        Ok(NamedKey { name: locator.to_string(), public }.stored(purpose))
    }

    async fn attach(&self, name: &str, purpose: &str) -> Result<StoredKey, KeyError> {
        let refuse = |problem| KeyError::Backend {
            backend: self.name.clone(),
            trouble: Trouble::NoSuchKey(format!("{name:?}: {problem}")),
        };
        let locator: Locator = name.parse().map_err(refuse)?;
        let find = move |session: &Session| objects::describe(session, &locator);
        let (locator, public) = self.with_session(find).await?;
        Ok(NamedKey { name: locator.to_string(), public }.stored(purpose))
    }

    async fn check(&self) -> Result<(), KeyError> {
        self.on_a_thread(Sessions::check).await
    }

    async fn public(&self, handle: &KeyHandle) -> Result<PublicKey, KeyError> {
        let (locator, _) = self.locate(handle)?;
        let find = move |session: &Session| objects::describe(session, &locator);
        Ok(self.with_session(find).await?.1)
    }

    async fn sign(&self, handle: &KeyHandle, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (locator, public) = self.locate(handle)?;
        let to_sign = objects::Request::new(&public, message);
        self.logged_in(move |logged_in| objects::sign(logged_in, locator, &to_sign)).await
    }
}

impl Pkcs11Store {
    fn locate(&self, handle: &KeyHandle) -> Result<(Locator, PublicKey), KeyError> {
        let NamedKey { name, public } = NamedKey::of(handle)?;
        let locator = name.parse().map_err(|problem| KeyError::NotAPrivateKey {
            input: format!("the stored key for {}", handle.purpose),
            problem,
        })?;
        Ok((locator, public))
    }
}

#[cfg(test)]
mod tests;
