//! The certificates of an authority of one's own.

use std::path::Path;

use chrono::{DateTime, Utc};

use super::{CommandError, Output, time_text};
use crate::pki::{self, Usage};
use crate::startup::{Cause, StartError};
use crate::tls;

/// Makes an authority in a directory.
pub(crate) fn init(directory: &Path, now: DateTime<Utc>) -> Result<Output, CommandError> {
    pki::init(directory, now)?;
    Ok(Output::lines([made(directory, pki::CA)?], true))
}

/// Makes a certificate of the authority in a directory.
pub(crate) fn issue(
    directory: &Path,
    name: &str,
    usage: &Usage,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    pki::issue(directory, name, usage, now)?;
    Ok(Output::lines([made(directory, name)?], true))
}

fn made(directory: &Path, name: &str) -> Result<String, CommandError> {
    let [certificate, key] = ["pem", "key"].map(|kind| directory.join(format!("{name}.{kind}")));
    let end = tls::not_after(&certificate).map_err(|error| StartError::from(Cause::from(error)))?;
    let (certificate, key) = (certificate.display(), key.display());
    Ok(format!("made {certificate} and {key}, good until {}", time_text(end)))
}

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
