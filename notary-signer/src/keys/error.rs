//! What can go wrong with a key, and with the place that holds it.

use std::path::PathBuf;

use notary_schema::name::KeyId;

use super::Backend;

/// What went wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A text that names no key.
    #[error("{0:?} is no key: give a key id (64 hexadecimal digits) or a key file")]
    NotAReference(String),
    /// A text that names no algorithm.
    #[error("{0:?} is no algorithm: use ed25519, ecdsa-p256 or rsa-3072")]
    NotAnAlgorithm(String),
    /// A key of a backend that this build does not have.
    #[error("{reference:?} is a key in {backend}, which is not available in this build")]
    BackendNotAvailable {
        /// The backend.
        backend: Backend,
        /// The reference as it was written.
        reference: String,
    },
    /// The file system refused.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// A file that must not be overwritten is there already.
    #[error("{} exists already: move it away or choose another name", .0.display())]
    Exists(PathBuf),
    /// The file is encrypted and there is no passphrase.
    #[error("{0} is encrypted: give its passphrase")]
    PassphraseMissing(String),
    /// A passphrase that protects nothing.
    #[error("the passphrase for {0} is empty")]
    PassphraseEmpty(String),
    /// Decryption gave nothing that is a key. Which of the two it was, nobody can tell.
    #[error("{0} does not open: the passphrase is wrong, or it is damaged")]
    DoesNotOpen(String),
    /// Readable, and yet no key that we verify with.
    #[error("{input}: {problem}")]
    NotAPublicKey {
        /// The file.
        input: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Readable, and yet no key that we sign with.
    #[error("{input} is no private key that is read here: {problem}")]
    NotAPrivateKey {
        /// The file or the stored key.
        input: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Another key than the one that was asked for.
    #[error("{input} holds the key {found}, not {wanted}")]
    OtherKey {
        /// The file or the stored key.
        input: String,
        /// The id that was asked for.
        wanted: KeyId,
        /// The id of the key that is there.
        found: KeyId,
    },
    /// A signature came back that its public key does not verify. Nothing is signed with it.
    #[error("a signature by the key {0} does not verify: its store answered wrongly")]
    SignatureDoesNotVerify(KeyId),
    /// The system's random source or the arithmetic of a key failed.
    #[error("{0} failed: try again, and check the machine if it stays so")]
    Crypto(&'static str),
}
