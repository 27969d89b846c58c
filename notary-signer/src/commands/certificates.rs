//! The certificates of an authority of one's own.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{CommandError, Output};
use crate::pki;

/// Revokes a certificate of the authority in a directory.
pub(crate) fn revoke(
    directory: &Path,
    name: &str,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let text = match pki::revoke(directory, name, now)? {
        true => format!(
            "{name} is revoked; a signer whose tls.client_crl is a copy of {} needs the new one",
            directory.join("ca.crl").display()
        ),
        false => format!("{name} was revoked already"),
    };
    Ok(Output::lines([text], true))
}
