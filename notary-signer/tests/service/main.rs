//! The service over real mutual TLS, and its commands.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod access;
mod attached;
mod attacks;
mod audit;
mod client;
mod commands;
mod copies;
mod documented;
mod keys;
mod memory;
mod metrics;
mod overload;
mod pairs;
mod places;
mod refusals;
mod restart;
mod rights;
mod signing;
mod standby;
mod tokens;
mod troubles;
mod world;
mod wrapped;
