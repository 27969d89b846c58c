//! Wrapping: a backend encrypts a secret under a key that never leaves it.
//!
//! The software store's own key is kept so: the backend is asked once, at start, and signing is
//! local from then on, however many collections there are.

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::KeyError;

/// A backend that wraps.
#[async_trait]
pub trait Wrapper: Send + Sync {
    /// Encrypts a secret under the key of this name.
    ///
    /// # Errors
    /// [`KeyError::Backend`].
    async fn wrap(&self, key: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// What was wrapped under the key of this name, and under no other.
    ///
    /// # Errors
    /// [`KeyError::Backend`].
    async fn unwrap(&self, key: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError>;
}
