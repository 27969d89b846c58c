//! What every place that holds private keys can do, and what it promises.

use std::fmt;

use async_trait::async_trait;
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::KeyId;

use super::named::NamedKey;
use super::{Algorithm, KeyError};

/// Where a [`KeyStore`] finds one of its keys again. The caller keeps it; the key is lost with it
/// wherever the store keeps nothing itself.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHandle {
    /// What the key is for, in words: a label or a description in its place. The software store alone
    /// authenticates it, and opens no key for another purpose.
    pub purpose: String,
    /// Opaque to everybody but the store: a sealed key, an address in a token, a name in a cloud.
    pub opaque: Vec<u8>,
}

impl fmt::Debug for KeyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyHandle").field("purpose", &self.purpose).finish_non_exhaustive()
    }
}

/// A key in a [`KeyStore`], with the public key that its signatures must verify with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// The public key.
    pub public: PublicKey,
    /// Where the store finds the private one.
    pub handle: KeyHandle,
}

impl StoredKey {
    /// The id under which metadata lists the key.
    pub fn id(&self) -> KeyId {
        Key::new(self.public.clone()).id().clone()
    }

    /// The name that its place has for it, as [`KeyStore::attach`] takes it; `None` for a key of the
    /// software store, whose keys have no names.
    pub fn name_in_place(&self) -> Option<String> {
        NamedKey::of(&self.handle).ok().map(|named| named.name)
    }

    /// Signs a message of any length and verifies the signature.
    ///
    /// # Errors
    /// Those of the store, and [`KeyError::SignatureDoesNotVerify`] or what the store makes of it.
    pub async fn sign(&self, store: &dyn KeyStore, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        store.sign_verified(self, message).await
    }
}

/// A place that holds private keys and signs with them.
///
/// All calls may run at the same time, from any thread, and none of them blocks its thread for
/// long: a store whose library blocks, or that computes for long, moves that to a blocking thread.
/// A store never repeats a refused PIN or passphrase by itself. How many calls run at once, how long
/// they take and what is tried again is [`Bounded`](super::bounded::Bounded)'s. No call deletes a
/// key.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Makes a key. When it returns, the handle is all that is needed to sign, after a restart
    /// too; the key counts as made once the caller has stored the handle. A caller that lost it
    /// in between leaves an unused key behind at most.
    async fn create(&self, algorithm: Algorithm, purpose: &str) -> Result<StoredKey, KeyError>;

    /// A key that somebody made in the place, by the name that it has there.
    async fn attach(&self, name: &str, purpose: &str) -> Result<StoredKey, KeyError>;

    /// Whether the place is there and lets us in: what the service asks again and again, for `/readyz`.
    /// Signs nothing and makes nothing.
    async fn check(&self) -> Result<(), KeyError>;

    /// The public key that belongs to a handle, asked from where the private one is: the proof
    /// that the handle still works.
    async fn public(&self, handle: &KeyHandle) -> Result<PublicKey, KeyError>;

    /// Signs a message of any length: Ed25519 over the message, ECDSA in DER over its SHA-256,
    /// RSA-PSS over its SHA-256 with a salt of 32 bytes. Repeating a call is harmless and may give
    /// other bytes. Callers use [`StoredKey::sign`], which verifies the answer.
    async fn sign(&self, handle: &KeyHandle, message: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Signs a message, and verifies the signature. What stands around a store learns here whether it
    /// verifies, and says how a failure is to be told.
    async fn sign_verified(&self, key: &StoredKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature = self.sign(&key.handle, message).await?;
        verified_signature(&key.public, message, signature)
    }
}

/// The one door through which signatures leave: a fault, a wrong key or a lying backend must not
/// become a file that no client accepts, or that gives a key away.
pub(super) fn verified_signature(
    public: &PublicKey,
    message: &[u8],
    signature: Vec<u8>,
) -> Result<Vec<u8>, KeyError> {
    if public.verifies(message, &signature) {
        return Ok(signature);
    }
    Err(KeyError::SignatureDoesNotVerify(Key::new(public.clone()).id().clone()))
}

#[cfg(test)]
mod tests {
    use super::super::private::PrivateKey;
    use super::*;

    /// Signs with another key than the one it answers as public.
    struct Liar(PrivateKey);

    #[async_trait]
    impl KeyStore for Liar {
        async fn create(&self, _: Algorithm, _: &str) -> Result<StoredKey, KeyError> {
            unreachable!("not asked")
        }
        async fn attach(&self, _: &str, _: &str) -> Result<StoredKey, KeyError> {
            unreachable!("not asked")
        }
        async fn check(&self) -> Result<(), KeyError> {
            unreachable!("not asked")
        }
        async fn public(&self, _: &KeyHandle) -> Result<PublicKey, KeyError> {
            unreachable!("not asked")
        }
        async fn sign(&self, _: &KeyHandle, message: &[u8]) -> Result<Vec<u8>, KeyError> {
            self.0.sign(message)
        }
    }

    #[tokio::test]
    async fn a_signature_that_does_not_verify_never_leaves() {
        let honest = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let other = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let handle = KeyHandle { purpose: "test".into(), opaque: Vec::new() };
        let key = StoredKey { public: honest.public().clone(), handle };
        let refused = key.sign(&Liar(other), b"message").await.unwrap_err();
        assert!(matches!(refused, KeyError::SignatureDoesNotVerify(id) if id == key.id()));
        let signature = key.sign(&Liar(honest), b"message").await.unwrap();
        assert!(key.public.verifies(b"message", &signature));
    }
}
