//! Private keys: how a key is named, where it lives, and how it signs. No HTTP and no SQL, so that
//! `notary` shares it with the service.
//!
//! - [`KeyRef`]: what a person writes to name a key; [`Elsewhere`]: one in a place outside this process
//! - [`KeyStore`]: what every place that holds keys can do, and what it promises
//! - [`private`]: a private key in the memory of this process
//! - [`mod@file`]: a private key in an encrypted file, for people
//! - [`software`]: private keys sealed under one store key, for the service
//! - [`pkcs11`]: private keys in a token, an HSM for one
//! - `aws_kms`: private keys in AWS KMS, with the feature `aws-kms`
//! - [`exec`]: private keys behind a program, for clouds and vaults
//! - [`wrapping`]: what keeps the store key of `software` in a backend
//! - [`bounded`]: any of these places, within bounds of time and number
//!
//! Whatever made a signature, it leaves this module only through one function, which verifies it.

mod algorithm;
#[cfg(feature = "aws-kms")]
pub mod aws_kms;
pub mod bounded;
mod elsewhere;
mod error;
pub mod exec;
pub mod file;
mod named;
mod percent;
pub mod pkcs11;
pub mod private;
mod reference;
mod secrets;
pub mod software;
mod store;
#[cfg(test)]
mod testing;
pub mod wrapping;

pub use algorithm::Algorithm;
pub use elsewhere::{Elsewhere, Place};
pub use error::{KeyError, Trouble};
pub use reference::KeyRef;
pub use secrets::without_line_end;
pub use store::{KeyHandle, KeyStore, StoredKey};

use store::verified_signature;
