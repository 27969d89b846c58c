//! Keys of the trust directory.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key, in the trust directory or elsewhere
    Generate {
        /// [default: ed25519; elsewhere ecdsa-p256, which every place has]
        #[arg(long, value_enum)]
        algorithm: Option<Algorithm>,
        /// Make it elsewhere: pkcs11:token=…;object=…, awskms:, exec:PROGRAM
        #[arg(long = "in", value_name = "PLACE")]
        place: Option<String>,
        /// A name for people
        #[arg(long, value_name = "LABEL")]
        name: Option<String>,
        /// Where to write its public part, which others name it by
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// List a key that is elsewhere and stays there, so that it signs what metadata lists it for
    Add {
        /// pkcs11:…, awskms:…, exec:…
        #[arg(value_name = "KEYREF")]
        keyref: String,
        /// A name for people
        #[arg(long, value_name = "LABEL")]
        name: Option<String>,
    },
    /// List the keys of the trust directory, with where they are
    List,
    /// Write a key: its encrypted file, or its public part
    Export {
        /// The id, or its beginning
        id: String,
        /// Only the public part
        #[arg(long)]
        public: bool,
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take a private key (PEM, PKCS#8) into the trust directory, encrypted anew
    Import {
        /// The key file, as `openssl genpkey` writes it
        file: PathBuf,
        /// A name for people
        #[arg(long, value_name = "LABEL")]
        name: Option<String>,
    },
    /// Change the passphrase of a key [env: NOTARY_NEW_PASSPHRASE]
    Passwd {
        /// The id, or its beginning
        id: String,
    },
    /// Remove a key, for good; one that is elsewhere is forgotten here and stays there
    Remove {
        /// The id, or its beginning
        id: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    Ed25519,
    EcdsaP256,
    #[value(name = "rsa-3072")]
    Rsa3072,
}

/// Least length of the beginning of an id that names a key for a change, in bytes.
const LEAST_ID_BYTES: usize = 8;

/// The id of a key, or the beginning of it: long enough that it is no accident which one is meant.
pub(super) fn key_id(text: &str) -> Result<String, String> {
    match text.len() < LEAST_ID_BYTES {
        true => {
            Err(format!("a key is named by its id, or by at least {LEAST_ID_BYTES} digits of it"))
        }
        false => Ok(text.to_owned()),
    }
}
