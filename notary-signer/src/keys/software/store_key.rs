//! The key that the others are sealed under: derived once, at start, from a passphrase, or unwrapped
//! by a backend.

use std::num::NonZeroU32;

use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use ring::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::super::KeyError;
use super::super::wrapping::Wrapper;
use super::{STORE, fill_random};

/// Rounds of PBKDF2-HMAC-SHA256 for a new store: about 0.1 s, once at start.
pub const ROUNDS: u32 = 600_000;
/// More rounds than this are a damaged header, not a careful operator.
const MAX_ROUNDS: u32 = 100_000_000;
pub(super) const SALT_BYTES: usize = 16;

/// Where a store key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// From a passphrase.
    Passphrase {
        /// Rounds of PBKDF2-HMAC-SHA256.
        rounds: u32,
        /// Its salt.
        salt: Vec<u8>,
    },
    /// From a backend.
    Wrapped {
        /// The name of the wrapping key in the backend.
        key: String,
        /// What the backend made of the store key.
        wrapped: Vec<u8>,
    },
}

/// A store key.
pub struct StoreKey(Zeroizing<[u8; 32]>);

impl StoreKey {
    /// A new one from a passphrase.
    ///
    /// # Errors
    /// [`KeyError::PassphraseEmpty`], [`KeyError::Crypto`].
    pub fn from_passphrase(passphrase: &SecretString) -> Result<(StoreKey, Origin), KeyError> {
        let mut salt = vec![0; SALT_BYTES];
        fill_random(&mut salt)?;
        let key = derive(passphrase, &salt, ROUNDS)?;
        Ok((key, Origin::Passphrase { rounds: ROUNDS, salt }))
    }

    /// A new one that no passphrase leads to.
    ///
    /// # Errors
    /// [`KeyError::Crypto`].
    pub fn random() -> Result<StoreKey, KeyError> {
        let mut key = Zeroizing::new([0; 32]);
        fill_random(&mut *key)?;
        Ok(StoreKey(key))
    }

    /// The one that a passphrase led to.
    ///
    /// # Errors
    /// [`KeyError::DoesNotOpen`] for numbers that no store has.
    pub fn derived(
        passphrase: &SecretString,
        rounds: u32,
        salt: &[u8],
    ) -> Result<StoreKey, KeyError> {
        derive(passphrase, salt, rounds)
    }

    /// Has a backend wrap it.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn wrap(&self, wrapper: &dyn Wrapper, key: &str) -> Result<Origin, KeyError> {
        let wrapped = wrapper.wrap(key, &*self.0).await?;
        Ok(Origin::Wrapped { key: key.to_owned(), wrapped })
    }

    /// The one that a backend has wrapped.
    ///
    /// # Errors
    /// Those of the backend; [`KeyError::DoesNotOpen`] for what is no store key.
    pub async fn unwrapped(
        wrapper: &dyn Wrapper,
        key: &str,
        wrapped: &[u8],
    ) -> Result<StoreKey, KeyError> {
        let secret = wrapper.unwrap(key, wrapped).await?;
        let mut own = Zeroizing::new([0; 32]);
        if secret.len() != own.len() {
            return Err(KeyError::DoesNotOpen(STORE.to_owned()));
        }
        own.copy_from_slice(&secret);
        Ok(StoreKey(own))
    }

    pub(super) fn sealer(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &*self.0).expect("32 bytes are a key of AES-256");
        LessSafeKey::new(key)
    }
}

fn derive(passphrase: &SecretString, salt: &[u8], rounds: u32) -> Result<StoreKey, KeyError> {
    if passphrase.expose_secret().is_empty() {
        return Err(KeyError::PassphraseEmpty(STORE.to_owned()));
    }
    let rounds = NonZeroU32::new(rounds)
        .filter(|rounds| rounds.get() <= MAX_ROUNDS)
        .ok_or_else(|| KeyError::DoesNotOpen(STORE.to_owned()))?;
    let mut key = Zeroizing::new([0; 32]);
    let passphrase = passphrase.expose_secret().as_bytes();
    pbkdf2::derive(PBKDF2_HMAC_SHA256, rounds, salt, passphrase, &mut *key);
    Ok(StoreKey(key))
}
