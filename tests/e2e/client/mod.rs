//! Does `notary client` keep to the client workflow, with any repository?
//!
//! Tables of named rows: what a repository does, and what the client makes of it, seen from outside
//! (exit code, words, requests, trusted files). Each refused row stands beside an allowed one.
//!
//! - [`signatures`]: who must sign a file, and what counts as a signature
//! - [`listed`]: files that are not what is listed, or not there
//! - [`rollback`]: what goes back, and what new keys change about it
//! - [`expiry`]: what has expired, here and there
//! - [`search`]: where a look-up finds a target, and whom it believes
//! - [`downloads`]: target files that are not the listed ones, and roles of any name

mod downloads;
mod expiry;
mod listed;
mod rollback;
mod search;
mod signatures;
