//! The signer: keys, and the service that signs snapshot and timestamp.

pub mod keys;
