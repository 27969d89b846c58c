//! What can go wrong with a key, and with the place that holds it.

use std::path::PathBuf;
use std::time::Duration;

use notary_schema::name::KeyId;

/// What went wrong with a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A text that names no key.
    #[error(
        "{0:?} is no key: give a key id (64 hexadecimal digits), a key file, or a key elsewhere: pkcs11:, awskms:, exec:"
    )]
    NotAReference(String),
    /// A text that names no algorithm.
    #[error("{0:?} is no algorithm: use ed25519, ecdsa-p256 or rsa-3072")]
    NotAnAlgorithm(String),
    /// A text that begins as a place of keys does, and names none.
    #[error("{scheme}: {problem}")]
    NotAPlace {
        /// How it begins.
        scheme: String,
        /// What is wrong. The text itself is not told: it may hold a secret.
        problem: String,
    },
    /// A place where a key of it has to be named.
    #[error("{place} names no key: {next}")]
    NoKeyNamed {
        /// The place.
        place: String,
        /// What to write.
        next: &'static str,
    },
    /// A place that this build does not have.
    #[error("{0} is not available in this build")]
    NotInThisBuild(&'static str),
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
    /// A backend did not do what it was asked.
    #[error("{backend} {trouble}")]
    Backend {
        /// The backend, by its name in the configuration or by its kind.
        backend: String,
        /// Why.
        trouble: Trouble,
    },
    /// The system's random source or the arithmetic of a key failed.
    #[error("{0} failed: try again, and check the machine if it stays so")]
    Crypto(&'static str),
}

/// Why a backend did not do what it was asked. The texts go on from the backend's name, and say
/// nothing secret: they stand in logs and in `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection, no token in the slot, a program that does not start or has ended.
    #[error("is not reached: {0}")]
    Unreachable(String),
    /// No answer in the whole time that a call may take.
    #[error("did not answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It asks for fewer calls.
    #[error("has too much to do: {0}")]
    Throttled(String),
    /// More calls wait for it than are let wait.
    #[error("is asked more than it can do: {0} calls wait already")]
    Queue(usize),
    /// A refused PIN, credentials that are missing or expired, a permission that is not given.
    #[error("does not let us in: {0}")]
    NotLetIn(String),
    /// There is no such key in it.
    #[error("has no key {0}")]
    NoSuchKey(String),
    /// It has the key and will not use it: disabled, about to be deleted, not for signing.
    #[error("does not sign with {0}")]
    KeyUnusable(String),
    /// It does not have what was asked for: an algorithm, keys by name.
    #[error("cannot do that: {0}")]
    NotSupported(String),
    /// What it answered is not what was asked.
    #[error("answered wrongly: {0}")]
    WrongAnswer(String),
    /// It failed often and is left alone for a while.
    #[error("is left alone for a while, since it {0}")]
    LeftAlone(Box<Trouble>),
}

impl Trouble {
    /// The stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Trouble::Unreachable(_) => "unreachable",
            Trouble::TimedOut(_) => "timed_out",
            Trouble::Throttled(_) => "throttled",
            Trouble::Queue(_) => "queue_full",
            Trouble::NotLetIn(_) => "not_let_in",
            Trouble::NoSuchKey(_) => "no_such_key",
            Trouble::KeyUnusable(_) => "key_unusable",
            Trouble::NotSupported(_) => "not_supported",
            Trouble::WrongAnswer(_) => "wrong_answer",
            Trouble::LeftAlone(_) => "left_alone",
        }
    }

    /// Whether the same call may well succeed a moment later, and cannot have had an effect.
    pub fn passes(&self) -> bool {
        matches!(self, Trouble::Unreachable(_) | Trouble::Throttled(_))
    }

    /// What it was in the first place.
    pub fn cause(&self) -> &Trouble {
        match self {
            Trouble::LeftAlone(cause) => cause.cause(),
            other => other,
        }
    }

    /// Whether it is about the backend as a whole, not about one key or one call.
    pub fn is_sickness(&self) -> bool {
        match self {
            Trouble::Unreachable(_)
            | Trouble::TimedOut(_)
            | Trouble::Throttled(_)
            | Trouble::NotLetIn(_)
            | Trouble::WrongAnswer(_)
            | Trouble::LeftAlone(_) => true,
            Trouble::Queue(_)
            | Trouble::NoSuchKey(_)
            | Trouble::KeyUnusable(_)
            | Trouble::NotSupported(_) => false,
        }
    }
}
