//! What an operator does on the signer's host, beside a running service or without one.

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod certificates;
pub(crate) mod check;
mod findings;
pub(crate) mod keys;
pub(crate) mod memory;
pub(crate) mod moved;
pub(crate) mod store;

use std::io;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use notary_schema::name::KeyId;
use serde::Serialize;

use crate::config::ConfigError;
use crate::opening::OpenError;
use crate::pki::PkiError;
use crate::sealing::SealError;
use crate::startup::StartError;
use crate::store::StoreError;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Pki(#[from] PkiError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no key {0}: `notary-signer key list` shows those that are there")]
    UnknownKey(KeyId),
    #[error("{} is there already: name a new file", .0.display())]
    IsThere(PathBuf),
    #[error(transparent)]
    Memory(#[from] memory::MemoryError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Opening(#[from] OpenError),
    #[error("there is no software store: `notary-signer serve` makes it where new keys go into it")]
    NoStore,
    #[error("cannot print: {0}")]
    Print(io::Error),
    #[error("the key {keyid} is {state} already")]
    Unchanged { keyid: KeyId, state: &'static str },
}

impl From<diesel::result::Error> for CommandError {
    fn from(error: diesel::result::Error) -> CommandError {
        StoreError::from(error).into()
    }
}

/// What a command prints on stdout, and whether all is well.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) text: String,
    pub(crate) good: bool,
}

impl Default for Output {
    fn default() -> Output {
        Output { text: String::new(), good: true }
    }
}

impl Output {
    fn json(value: &impl Serialize, good: bool) -> Output {
        let text = serde_json::to_string_pretty(value).expect("plain values are JSON");
        Output { text: text + "\n", good }
    }

    fn lines(lines: impl IntoIterator<Item = String>, good: bool) -> Output {
        Output { text: lines.into_iter().map(|line| line + "\n").collect(), good }
    }
}

fn time_text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
