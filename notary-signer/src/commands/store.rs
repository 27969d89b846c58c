//! What the software store is opened with.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{CommandError, Output};
use crate::config::Config;
use crate::opening;
use crate::store::audit::{Caller, Subject, append};
use crate::store::{Database, MemoryLock, StoreError, header};

/// Puts the key of the software store under the wrapping key of the configuration. The keys in the
/// store stay as they are.
pub(crate) fn wrap(
    config: &Config,
    passphrase_file: Option<&Path>,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let lock = MemoryLock::take(&config.database)?;
    let database = Database::create(&config.database, &lock, now)?;
    let header = database.transaction(header::load)?.ok_or(CommandError::NoStore)?;
    let wrapped = opening::wrap(config, || opening::passphrase(passphrase_file), &header)?;
    database.transaction(|connection| -> Result<_, StoreError> {
        header::save(connection, &wrapped)?;
        let caller = Caller::operator("store wrap", now);
        append(connection, &caller, &Subject::default(), "changed")
    })?;
    let text = "the software store is wrapped; old copies of the database still open as before";
    Ok(Output::lines([text.to_owned()], true))
}
