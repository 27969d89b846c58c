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
//! - [`online`]: the next snapshot and timestamp, and what a signer may sign
//! - [`wire`]: the bodies that the programs exchange

pub mod draft;
pub mod envelope;
pub mod json;
pub mod key;
pub mod name;
pub mod online;
pub mod path;
pub mod publish;
pub mod role;
pub mod threshold;
pub mod trusted;
pub mod updater;
pub mod wire;
