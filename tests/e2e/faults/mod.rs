//! Does a publish survive whatever ends a process?
//!
//! - [`kills`]: server and signer are killed at points that a seed spreads
//! - [`stops`]: each named stop point once, and who goes on afterwards

mod kills;
mod stops;
