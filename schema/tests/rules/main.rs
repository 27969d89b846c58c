//! The rules of trust, each refused thing beside its allowed neighbour.
#![expect(unreachable_pub, reason = "a test binary exports nothing")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod adopted;
mod bins;
mod client;
mod delegations;
mod examples;
mod files;
mod lifetimes;
mod lost;
mod memory;
mod online;
mod proposals;
mod publish;
mod recovery;
mod revocation;
mod revoked;
mod signatures;
mod support;
