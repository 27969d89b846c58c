//! A blocking client: trusted files in one directory, the repository as a mirror in another.
//!
//! `cargo run -p notary-schema --example blocking -- STORED MIRROR NAME`, where STORED has a trusted
//! `root.json` and MIRROR the files of the repository under the names of their URLs.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Found, Limits, Step, Updater};

#[expect(clippy::disallowed_methods, reason = "a program has a clock, the library has none")]
fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stored, mirror, name] = &arguments[..] else { return Err("STORED MIRROR NAME".into()) };
    let found = look_up(Path::new(stored), Path::new(mirror), name, SystemTime::now().into())?;
    Ok(writeln!(io::stdout(), "{found:#?}")?)
}

/// Brings `stored` up to date with `mirror` and looks up a target.
pub(crate) fn look_up(
    stored: &Path,
    mirror: &Path,
    name: &str,
    now: DateTime<Utc>,
) -> Result<Option<Found>, Box<dyn Error>> {
    let mut updater = Updater::new(now, Expiry::Enforced, Limits::default());
    drive(&mut updater, stored, mirror)?;
    updater.find(name)?;
    drive(&mut updater, stored, mirror)?;
    Ok(updater.found().cloned())
}

fn drive(updater: &mut Updater, stored: &Path, mirror: &Path) -> Result<(), Box<dyn Error>> {
    loop {
        match updater.step() {
            Step::Load { name } => updater.loaded(read(&stored.join(name), u64::MAX)?)?,
            Step::Fetch { name, max_bytes } => match read(&mirror.join(name), max_bytes) {
                Ok(Some(bytes)) => updater.fetched(bytes)?,
                Ok(None) => updater.not_found()?,
                Err(error) => updater.failed(error.to_string())?,
            },
            Step::Save { name, bytes } => {
                let unfinished = stored.join(format!(".{name}.new"));
                let mut file = File::create(&unfinished)?;
                file.write_all(&bytes)?;
                file.sync_all()?;
                fs::rename(unfinished, stored.join(name))?;
                sync(stored)?;
                updater.stored();
            }
            Step::Remove { name } => {
                match fs::remove_file(stored.join(name)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    _ => sync(stored)?,
                }
                updater.stored();
            }
            Step::Done => return Ok(()),
        }
    }
}

/// Makes durable what the directory holds: without it a power cut may bring an older state back, or the
/// new files in another order. A rename is durable by itself where no directory can be opened.
fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}

/// A file, `None` where there is none; one byte more than `most` shows that it is too long.
fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(most.saturating_add(1)).read_to_end(&mut bytes).map(|_| Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
