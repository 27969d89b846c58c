//! `notary-signer memory moved`: the database is in another file, and the original signs nothing more.

use chrono::{DateTime, Utc};
use notary_schema::reason::Reason;

use super::{CommandError, Output};
use crate::config::Config;
use crate::store::audit::{self, Caller, Subject};
use crate::store::{Database, StoreError, copies};

/// Says that this is the one database that a signer works with, whatever file it came from, in one
/// transaction with its audit.
pub(crate) fn run(
    config: &Config,
    reason: &Reason,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let database = Database::open_alone(&config.database, now)?;
    let settled = database.transaction(|connection| -> Result<_, StoreError> {
        let settled = copies::settle_moved(connection, &config.database)?;
        if settled > 0 {
            let subject = Subject { reason: Some(reason.clone()), ..Subject::default() };
            let caller = Caller::operator("memory moved", now);
            audit::append(connection, &caller, &subject, "settled")?;
        }
        Ok(settled)
    })?;
    let line = match settled {
        0 => "nothing to change: it is the file that the signer worked in".to_owned(),
        _ => format!("{settled} roles go on here; start no signer on the original again"),
    };
    Ok(Output::lines([line], true))
}
