//! The signer: the key library, and the service that signs snapshot and timestamp.
//!
//! [`keys`] is always there, without HTTP and SQL: `notary` uses it for the keys of people. The rest
//! is the service, behind the feature `service`. The path of one request, in reading order:
//!
//! - `config`, `opening`, `startup`: from `signer.toml` to a `listener` with mutual TLS (`tls`)
//! - `routes`: every call on one screen; bounded requests (`intake`); one form of error (`error`,
//!   `panics`)
//! - `backends`: where the keys are
//! - `rights`: who may ask for what
//! - `sign`: judge, sign, verify, record, answer; `signatures`: of a key and its stand-by one signs
//! - `turns`: one request at a time in a collection
//! - `online_keys`: pending, active, retiring, retired
//! - `store`: the only place with SQL: keys, memory, audit
//! - `one_line`: what others say, in lines of ours
//! - `metrics`: what is counted; `monitoring`: who sees it; `trace`: what a request is a part of
//! - `background`: what is done without a request
//! - `sealing`: old lines of the audit go to files
//! - `args`, `run`, `commands`, `pki`: what an operator does on the signer's host

pub mod keys;

#[cfg(feature = "service")]
mod args;
#[cfg(feature = "service")]
mod backends;
#[cfg(feature = "service")]
mod background;
#[cfg(feature = "service")]
mod commands;
#[cfg(feature = "service")]
pub mod config;
#[cfg(feature = "service")]
mod error;
#[cfg(feature = "service")]
mod intake;
#[cfg(feature = "service")]
mod listener;
#[cfg(feature = "service")]
mod metrics;
#[cfg(feature = "service")]
mod monitoring;
#[cfg(feature = "service")]
mod one_line;
#[cfg(feature = "service")]
mod online_keys;
#[cfg(all(test, feature = "service"))]
mod openapi;
#[cfg(feature = "service")]
mod opening;
#[cfg(feature = "service")]
mod panics;
#[cfg(feature = "service")]
mod parts;
#[cfg(feature = "service")]
pub mod pki;
#[cfg(feature = "service")]
mod rights;
#[cfg(feature = "service")]
mod routes;
#[cfg(feature = "service")]
mod run;
#[cfg(feature = "service")]
mod sealing;
#[cfg(feature = "service")]
mod sign;
#[cfg(feature = "service")]
mod signatures;
#[cfg(feature = "service")]
pub mod startup;
#[cfg(feature = "service")]
mod store;
#[cfg(feature = "service")]
mod tls;
#[cfg(feature = "service")]
mod trace;
#[cfg(feature = "service")]
mod turns;

#[cfg(feature = "service")]
pub use parts::{Parts, StopPoint};
#[cfg(feature = "service")]
pub use run::{main, run};
