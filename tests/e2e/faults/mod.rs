//! Does a publish survive whatever ends a process?
//!
//! - [`kills`]: server and signer are killed at points that a seed spreads
//! - [`log`]: nobody takes the log any more
//! - [`pause`]: nobody takes connections for a while
//! - [`race`]: two clients want one version while the signer is killed
//! - [`signer`]: whatever a signer, or the way to it, can do to a publish
//! - [`stops`]: each named stop point once, and who goes on afterwards

mod kills;
mod log;
mod pause;
mod race;
mod signer;
mod stops;
