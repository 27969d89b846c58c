//! An asynchronous client: trusted files in a directory, the repository wherever `fetch` reads.
//!
//! `cargo run -p notary-schema --example asynchronous -- STORED MIRROR NAME`: as `blocking`.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use notary_schema::trusted::Expiry;
use notary_schema::updater::{Found, Limits, Step, Updater};
use tokio::fs;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "a program has a clock, the library has none")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [stored, mirror, name] = &arguments[..] else { return Err("STORED MIRROR NAME".into()) };
    // Over HTTP: a GET of that name that reads no more than `most` bytes; 404 and 403 are `None`.
    let fetch = async |file: &str, most: u64| read(&Path::new(mirror).join(file), most).await;
    let found = look_up(Path::new(stored), &fetch, name, SystemTime::now().into()).await?;
    Ok(writeln!(io::stdout(), "{found:#?}")?)
}

/// Brings `stored` up to date and looks up a target.
pub(crate) async fn look_up(
    stored: &Path,
    fetch: &impl AsyncFn(&str, u64) -> io::Result<Option<Vec<u8>>>,
    name: &str,
    now: DateTime<Utc>,
) -> Result<Option<Found>, Box<dyn Error>> {
    let mut updater = Updater::new(now, Expiry::Enforced, Limits::default());
    drive(&mut updater, stored, fetch).await?;
    updater.find(name)?;
    drive(&mut updater, stored, fetch).await?;
    Ok(updater.found().cloned())
}

async fn drive(
    updater: &mut Updater,
    stored: &Path,
    fetch: &impl AsyncFn(&str, u64) -> io::Result<Option<Vec<u8>>>,
) -> Result<(), Box<dyn Error>> {
    loop {
        match updater.step() {
            Step::Load { name } => updater.loaded(read(&stored.join(name), u64::MAX).await?)?,
            Step::Fetch { name, max_bytes } => match fetch(&name, max_bytes).await {
                Ok(Some(bytes)) => updater.fetched(bytes)?,
                Ok(None) => updater.not_found()?,
                Err(error) => updater.failed(error.to_string())?,
            },
            Step::Save { name, bytes } => {
                let unfinished = stored.join(format!(".{name}.new"));
                let mut file = fs::File::create(&unfinished).await?;
                file.write_all(&bytes).await?;
                file.sync_all().await?;
                fs::rename(unfinished, stored.join(name)).await?;
                sync(stored).await?;
                updater.stored();
            }
            Step::Remove { name } => {
                match fs::remove_file(stored.join(name)).await {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    _ => sync(stored).await?,
                }
                updater.stored();
            }
            Step::Done => return Ok(()),
        }
    }
}

/// Makes durable what the directory holds: without it a power cut may bring an older state back, or the
/// new files in another order. A rename is durable by itself where no directory can be opened.
async fn sync(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { fs::File::open(directory).await?.sync_all().await } else { Ok(()) }
}

/// A file, `None` where there is none; one byte more than `most` shows that it is too long.
pub(crate) async fn read(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match fs::File::open(path).await {
        Ok(file) => {
            file.take(most.saturating_add(1)).read_to_end(&mut bytes).await?;
            Ok(Some(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
