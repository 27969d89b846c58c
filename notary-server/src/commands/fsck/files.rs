//! Is each file what its row says, in both of its forms?

use std::collections::BTreeSet;
use std::io::Read as _;

use flate2::read::GzDecoder;
use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::role::{Role, Root, Snapshot, Targets, Timestamp};

use super::RESTORE;
use super::report::Report;
use crate::store::StoreResult;
use crate::store::inspect::{RawFile, RawLife, View};

/// What was seen of the files of a life.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// How many there are.
    pub(super) count: u64,
    /// Role and version of those that delegate.
    pub(super) delegating: BTreeSet<(String, i64)>,
}

pub(super) fn check(
    view: &mut View<'_>,
    life: &RawLife,
    report: &mut Report<'_>,
) -> StoreResult<Found> {
    let mut found = Found::default();
    let mut at = (String::new(), 0);
    while let Some(file) = view.file_after(life.id, (&at.0, at.1))? {
        found.count += 1;
        if let Err(problem) = check_file(&file, &mut found) {
            report.problem(Some(&file.role), Some(file.version), problem, RESTORE);
        }
        at = (file.role, file.version);
    }
    Ok(found)
}

fn check_file(file: &RawFile, found: &mut Found) -> Result<(), String> {
    let sha256 = sha256_hex(&file.bytes);
    if sha256 != file.sha256 {
        return Err(format!("its bytes have the SHA-256 {sha256}, its row says {}", file.sha256));
    }
    if i64::try_from(file.bytes.len()) != Ok(file.length) {
        let length = file.bytes.len();
        return Err(format!("it has {length} bytes, its row says {}", file.length));
    }
    if let Some(gzip) = &file.gzip {
        check_gzip(gzip, &file.bytes)?;
    }
    match file.role.as_str() {
        "root" => check_header::<Root>(file).map(drop),
        "snapshot" => check_header::<Snapshot>(file).map(drop),
        "timestamp" => check_header::<Timestamp>(file).map(drop),
        _ => {
            let targets = check_header::<Targets>(file)?;
            if targets.signed().delegates() {
                found.delegating.insert((file.role.clone(), file.version));
            }
            Ok(())
        }
    }
}

/// Reads no more of a compressed form than the file has.
fn check_gzip(gzip: &[u8], bytes: &[u8]) -> Result<(), String> {
    let mut unpacked = Vec::with_capacity(bytes.len());
    let most = bytes.len() as u64 + 1;
    let read = GzDecoder::new(gzip).take(most).read_to_end(&mut unpacked);
    match read.is_ok() && unpacked == bytes {
        true => Ok(()),
        false => Err("its compressed form is another file".into()),
    }
}

fn check_header<T: Role>(file: &RawFile) -> Result<Envelope<T>, String> {
    let envelope = Envelope::<T>::parse(file.bytes.clone())
        .map_err(|error| format!("it is not readable: {error}"))?;
    let (version, expires) = (envelope.version().get(), envelope.expires().time().timestamp());
    if i64::try_from(version) != Ok(file.version) {
        return Err(format!("it says that it is version {version}"));
    }
    if expires != file.expires {
        return Err(format!("it expires at {expires} s, its row says {} s", file.expires));
    }
    Ok(envelope)
}
