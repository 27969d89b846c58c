//! Private keys: how a key is named, where it lives, and how it signs. No HTTP and no SQL, so that
//! `notary` shares it with the service.
//!
//! - [`KeyRef`]: what a person writes to name a key
//! - [`KeyStore`]: what every place that holds keys can do, and what it promises
//! - [`private`]: a private key in the memory of this process
//! - [`mod@file`]: a private key in an encrypted file, for people
//! - [`software`]: private keys sealed under one store key, for the service
//!
//! Whatever made a signature, it leaves this module only through one function, which verifies it.

pub mod file;
pub mod private;
pub mod software;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use async_trait::async_trait;
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::KeyId;

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

/// A kind of key that is created here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Algorithm {
    /// Ed25519; scheme `ed25519`.
    #[default]
    Ed25519,
    /// ECDSA on P-256 with SHA-256; scheme `ecdsa-sha2-nistp256`.
    EcdsaP256,
    /// RSA of 3072 bits with PSS and SHA-256; scheme `rsassa-pss-sha256`.
    Rsa3072,
}

impl Algorithm {
    /// Every algorithm, the default first.
    pub const ALL: [Algorithm; 3] = [Algorithm::Ed25519, Algorithm::EcdsaP256, Algorithm::Rsa3072];

    /// The word in commands and configuration.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Ed25519 => "ed25519",
            Algorithm::EcdsaP256 => "ecdsa-p256",
            Algorithm::Rsa3072 => "rsa-3072",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<Algorithm, KeyError> {
        let found = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text);
        found.ok_or_else(|| KeyError::NotAnAlgorithm(text.chars().take(40).collect()))
    }
}

/// A place outside this process that holds keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A token behind PKCS#11.
    Pkcs11,
    /// AWS KMS.
    AwsKms,
    /// A program that signs.
    Exec,
}

impl Backend {
    const ALL: [Backend; 3] = [Backend::Pkcs11, Backend::AwsKms, Backend::Exec];

    fn prefix(self) -> &'static str {
        match self {
            Backend::Pkcs11 => "pkcs11:",
            Backend::AwsKms => "awskms:",
            Backend::Exec => "exec:",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::Pkcs11 => "a PKCS#11 token",
            Backend::AwsKms => "AWS KMS",
            Backend::Exec => "a signing program",
        })
    }
}

/// What a person writes to name a key: a key id, a file, or a key of a [`Backend`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyRef {
    /// A key of the trust directory: 64 lower-case hexadecimal digits.
    Id(KeyId),
    /// A key file; `./` in front makes a file of any name one.
    File(PathBuf),
    /// A key elsewhere, with the whole reference as it was written.
    Elsewhere(Backend, String),
}

impl KeyRef {
    /// The file of the key; `of_id` says where the file of a key id is.
    ///
    /// # Errors
    /// A key of a backend has none.
    pub fn file(&self, of_id: impl FnOnce(&KeyId) -> PathBuf) -> Result<PathBuf, KeyError> {
        match self {
            KeyRef::Id(id) => Ok(of_id(id)),
            KeyRef::File(path) => Ok(path.clone()),
            KeyRef::Elsewhere(backend, reference) => Err(KeyError::BackendNotAvailable {
                backend: *backend,
                reference: reference.clone(),
            }),
        }
    }
}

impl FromStr for KeyRef {
    type Err = KeyError;
    fn from_str(text: &str) -> Result<KeyRef, KeyError> {
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() == 64 && digits {
            return Ok(KeyRef::Id(KeyId::parse(text).expect("64 digits are short enough")));
        }
        let backend = Backend::ALL.into_iter().find(|backend| text.starts_with(backend.prefix()));
        match backend {
            Some(backend) if text.len() > backend.prefix().len() => {
                Ok(KeyRef::Elsewhere(backend, text.to_owned()))
            }
            None if !text.is_empty() => Ok(KeyRef::File(PathBuf::from(text))),
            _ => Err(KeyError::NotAReference(text.to_owned())),
        }
    }
}

/// Where a [`KeyStore`] finds one of its keys again. The caller keeps it; the key is lost with it
/// wherever the store keeps nothing itself.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyHandle {
    /// What the key is for, in words. A store binds the key to it as far as it can, as a label, a
    /// description or authenticated data, so that a handle that was moved to another purpose
    /// is noticed.
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

    /// Signs a message of any length and verifies the signature.
    ///
    /// # Errors
    /// Those of the store, and [`KeyError::SignatureDoesNotVerify`].
    pub async fn sign(&self, store: &dyn KeyStore, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        verified_signature(&self.public, message, store.sign(&self.handle, message).await?)
    }
}

/// A place that holds private keys and signs with them.
///
/// All calls may run at the same time, from any thread, and none of them blocks its thread for
/// long: a store whose library blocks, or that computes for long, moves that to a blocking thread.
/// A store retries only what cannot have had an effect, and never a refused PIN or passphrase; it
/// bounds the time of each call. No call deletes a key.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Makes a key. When it returns, the handle is all that is needed to sign, after a restart
    /// too; the key counts as made once the caller has stored the handle. A caller that lost it
    /// in between leaves an unused key behind at most.
    async fn create(&self, algorithm: Algorithm, purpose: &str) -> Result<StoredKey, KeyError>;

    /// The public key that belongs to a handle, asked from where the private one is: the proof
    /// that the handle still works.
    async fn public(&self, handle: &KeyHandle) -> Result<PublicKey, KeyError>;

    /// Signs a message of any length: Ed25519 over the message, ECDSA in DER over its SHA-256,
    /// RSA-PSS over its SHA-256 with a salt of 32 bytes. Repeating a call is harmless and may give
    /// other bytes. Callers use [`StoredKey::sign`], which verifies the answer.
    async fn sign(&self, handle: &KeyHandle, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// The one door through which signatures leave: a fault, a wrong key or a lying backend must not
/// become a file that no client accepts, or that gives a key away.
fn verified_signature(
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
    use super::private::PrivateKey;
    use super::*;

    #[test]
    fn a_reference_is_a_key_id_a_file_or_a_key_of_a_backend() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(id.parse::<KeyRef>().unwrap(), KeyRef::Id(KeyId::parse(&id).unwrap()));
        for file in ["root.pem", "./exec:x", &id[1..], &id.to_uppercase(), "pkcs12:x"] {
            assert_eq!(file.parse::<KeyRef>().unwrap(), KeyRef::File(file.into()), "{file}");
        }
        for (text, backend) in [
            ("pkcs11:token=a;object=b", Backend::Pkcs11),
            ("awskms:alias/root", Backend::AwsKms),
            ("exec:/usr/bin/sign", Backend::Exec),
        ] {
            let reference: KeyRef = text.parse().unwrap();
            assert_eq!(reference, KeyRef::Elsewhere(backend, text.to_owned()));
            let refused = reference.file(|_| unreachable!("not a key id")).unwrap_err();
            assert!(matches!(refused, KeyError::BackendNotAvailable { .. }), "{refused}");
        }
        for nothing in ["", "pkcs11:", "awskms:", "exec:"] {
            assert!(nothing.parse::<KeyRef>().is_err(), "{nothing:?} was accepted");
        }
    }

    #[test]
    fn the_file_of_a_key_id_is_where_the_caller_keeps_it() {
        let id: KeyRef = "a".repeat(64).parse().unwrap();
        let file = id.file(|id| PathBuf::from(format!("keys/{id}.pem"))).unwrap();
        assert_eq!(file, PathBuf::from(format!("keys/{}.pem", "a".repeat(64))));
    }

    #[test]
    fn algorithms_read_back_from_their_names() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse::<Algorithm>().unwrap(), algorithm);
        }
        assert!("rsa-2048".parse::<Algorithm>().is_err());
    }

    /// Signs with another key than the one it answers as public.
    struct Liar(PrivateKey);

    #[async_trait]
    impl KeyStore for Liar {
        async fn create(&self, _: Algorithm, _: &str) -> Result<StoredKey, KeyError> {
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
