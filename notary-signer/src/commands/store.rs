//! What the software store is opened with.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{CommandError, Output};
use crate::config::Config;
use crate::config::backends::SOFTWARE;
use crate::opening::{self, OpenError};
use crate::store::audit::{Caller, Subject, append};
use crate::store::keys::{self, HeldKey};
use crate::store::{Database, MemoryLock, header};

/// Puts the keys of the software store into a new one, whose key only the wrapping key of the configuration
/// leads to: with what led to the former one, and a copy of the database of then, nobody opens it.
pub(crate) fn wrap(
    config: &Config,
    passphrase_file: Option<&Path>,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let lock = MemoryLock::take(&config.database)?;
    let database = Database::create(&config.database, &lock, now)?;
    let header = database.transaction(header::load)?.ok_or(CommandError::NoStore)?;
    let former = opening::open_former(config, || opening::passphrase(passphrase_file), &header)?;
    let (store, wrapped) = opening::create(config)?;
    let number = database.transaction(|connection| -> Result<_, CommandError> {
        let mut held = keys::all(connection)?;
        held.retain(|held| held.backend == SOFTWARE);
        for HeldKey { key, stored, .. } in &held {
            let handle = former.resealed(&stored.handle, &store).map_err(OpenError::from)?;
            keys::seal_anew(connection, &key.keyid, &handle)?;
        }
        header::save(connection, &wrapped)?;
        let caller = Caller::operator("store wrap", now);
        append(connection, &caller, &Subject::default(), "changed")?;
        Ok(held.len())
    })?;
    let rewritten = database.write_anew();
    let mut lines = vec![
        format!("the software store is wrapped, keys sealed anew: {number}"),
        "these keys are in copies of the database from before, too, which still open as they did: \
         `notary rotate` replaces them where that counts"
            .to_owned(),
    ];
    lines.extend(rewritten.as_ref().err().map(|error| {
        format!(
            "the file still has what was replaced in it ({error}): make room for a second copy of \
             it and repeat this command"
        )
    }));
    Ok(Output::lines(lines, rewritten.is_ok()))
}
