//! What our client makes of the files of a collection, without network and disk.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Limits, Step, UpdateError, Updater};

use crate::hand::Files;

/// What a client makes of a collection: for each name that it looked up, the length of the target
/// that it trusts, or why it trusts none.
pub type Verdict = BTreeMap<String, Result<u64, String>>;

/// The answer where a client trusts everything on the way and nothing lists the name.
pub const NOT_LISTED: &str = "not listed";

/// Looks up names, each with a client of its own that starts from the first root.
pub fn look_up(files: &Files, names: &[String], now: DateTime<Utc>) -> Verdict {
    let one = |name: &String| {
        let found = find(files, name, now).map_err(|error| error.to_string());
        (name.clone(), found.and_then(|length| length.ok_or_else(|| NOT_LISTED.to_owned())))
    };
    names.iter().map(one).collect()
}

fn find(files: &Files, name: &str, now: DateTime<Utc>) -> Result<Option<u64>, UpdateError> {
    let mut updater = Updater::new(now, Expiry::Enforced, Limits::default());
    let mut local = Files::from([("root.json".to_owned(), files["1.root.json"].clone())]);
    drive(&mut updater, &mut local, files)?;
    updater.find(name)?;
    drive(&mut updater, &mut local, files)?;
    Ok(updater.found().map(|found| found.file.length))
}

fn drive(updater: &mut Updater, local: &mut Files, remote: &Files) -> Result<(), UpdateError> {
    loop {
        match updater.step() {
            Step::Load { name } => updater.loaded(local.get(&name).cloned())?,
            Step::Fetch { name, .. } => match remote.get(&name) {
                Some(bytes) => updater.fetched(bytes.clone())?,
                None => updater.not_found()?,
            },
            Step::Save { name, bytes } => {
                local.insert(name, bytes.to_vec());
                updater.stored();
            }
            Step::Remove { name } => {
                local.remove(&name);
                updater.stored();
            }
            Step::Done => return Ok(()),
        }
    }
}
