//! TUF metadata: every format that outlives a process, and the rules to trust it.
//!
//! A pure library. Bytes and `now` go in, values come out; nothing here opens a connection or a
//! file, reads a clock, logs, or signs. The modules, in reading order:
//!
//! - [`name`]: collections, roles, targets, key ids, versions
//! - [`json`]: strict reading, and the canonical form that signatures are over
//! - [`key`]: public keys, key ids, one signature
//! - [`role`]: root, targets, snapshot, timestamp
//! - [`path`]: which names a delegation covers
//! - [`envelope`]: a file: received bytes, signatures and parsed body
//! - [`threshold`]: the only function that counts signatures
//! - [`trusted`]: what a client trusts, and the order in which it takes files
//! - [`updater`]: a client without I/O
//! - [`draft`]: the next version of a role
//! - [`publish`]: every rule of what may be published
//! - [`revocation`]: what becomes of a collection when a key is revoked
//! - [`online`]: the next snapshot and timestamp, and what a signer may sign
//! - [`reason`]: what people write for people
//! - [`wire`]: the bodies that the programs exchange
//!
//! A file is trusted when enough distinct keys of its role have signed the canonical form of what
//! it says:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use chrono::DateTime;
//! use notary_schema::envelope::{Envelope, Unsigned};
//! use notary_schema::key::{Key, PublicKey};
//! use notary_schema::name::Version;
//! use notary_schema::role::{Authority, Expires, RoleKeys, Targets};
//! use notary_schema::threshold;
//! use ring::signature::{Ed25519KeyPair, KeyPair};
//!
//! let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
//! let key = Key::new(PublicKey::Ed25519(pair.public_key().as_ref().try_into()?));
//! let keys = BTreeMap::from([(key.id().clone(), key.clone())]);
//! let role = RoleKeys::new(vec![key.id().clone()], 1)?;
//! let authority = Authority { keys: &keys, role: &role };
//!
//! let expires = Expires::at(DateTime::from_timestamp(1_900_000_000, 0).unwrap());
//! let document = Unsigned::of(&Targets::empty(Version::FIRST, expires));
//! let signature = pair.sign(document.message()).as_ref().to_vec();
//! let file = document.with_signatures(&[(key.id().clone(), signature)]);
//! assert!(threshold::count(&Envelope::<Targets>::parse(file.clone())?, authority).is_met());
//!
//! let tampered = String::from_utf8(file)?.replace("\"version\":1", "\"version\":2");
//! let tampered = Envelope::<Targets>::parse(tampered.into_bytes())?;
//! assert!(!threshold::count(&tampered, authority).is_met());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod draft;
pub mod envelope;
pub mod json;
pub mod key;
pub mod name;
pub mod online;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod path;
pub mod publish;
pub mod reason;
pub mod revocation;
pub mod role;
mod texts;
pub mod threshold;
pub mod trusted;
pub mod updater;
pub mod wire;
