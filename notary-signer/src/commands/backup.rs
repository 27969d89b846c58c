//! `notary-signer backup`: a copy of keys, memory and audit, beside a running service.
//!
//! The passphrase is not in it, nor are the certificates and the sealed segments of the audit, which
//! are files.

use std::path::Path;

use super::{CommandError, Output};
use crate::config::Config;
use crate::store::copies::{self, Amount};

/// Writes the copy.
pub(crate) fn run(config: &Config, to: &Path, json: bool) -> Result<Output, CommandError> {
    if to.exists() {
        return Err(CommandError::IsThere(to.to_owned()));
    }
    let amount = copies::write(&config.database, to)?;
    if json {
        let value = serde_json::json!({ "file": to, "contents": amount });
        return Ok(Output::json(&value, true));
    }
    let Amount { keys, memories } = amount;
    let lines = [
        format!("wrote {}: {keys} keys, {memories} last signed files", to.display()),
        "it is worth nothing without the passphrase, and starts no signer before `notary-signer \
         memory set --after-restore`"
            .to_owned(),
    ];
    Ok(Output::lines(lines, true))
}
