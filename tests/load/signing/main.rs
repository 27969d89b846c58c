//! Signs timestamps as fast as it can, for `tests/load/signer`: through a running signer, or with the
//! key library alone. Both sign the same documents with as many keys.
//! usage: signing service ADDRESS PKI    or    signing alone MODULE TOKEN PIN
//!
//! It says `ready` once all keys are made. Then each line `PLACE CLIENTS SECONDS` that it reads is
//! answered with how many signatures were made, and the median and 99th percentile of how long one
//! took, in microseconds.

mod alone;
mod service;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{RoleName, Version};
use notary_schema::online::{PlannedTimestamp, expires_after, next_snapshot};
use notary_schema::role::{Expires, FileMeta, Snapshot};
use notary_signer::Parts;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Most clients at once; each has a collection of its own in each place.
const CLIENTS: usize = 32;

/// Where keys are: the first segment of the names of their collections.
const PLACES: [&str; 3] = ["ed25519", "p256", "token"];

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["service", address, pki] => {
            let mut service = service::Service::prepare(address, Path::new(pki))?;
            serve(|place, clients, end| service.sign(place, clients, end))
        }
        ["alone", module, token, pin] => {
            let alone = alone::Alone::prepare(module, token, pin)?;
            serve(|place, clients, end| alone.sign(place, clients, end))
        }
        _ => Err("usage: signing service ADDRESS PKI, or signing alone MODULE TOKEN PIN".into()),
    }
}

/// Answers the lines of stdin. `sign` answers how long each signature took.
fn serve(mut sign: impl FnMut(usize, usize, Instant) -> Outcome<Vec<Duration>>) -> Outcome<()> {
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    for line in io::stdin().lines() {
        let line = line?;
        let words: Vec<&str> = line.split(' ').collect();
        let [place, clients, seconds] = words[..] else {
            return Err(format!("{line:?} is not PLACE CLIENTS SECONDS").into());
        };
        let known = PLACES.iter().position(|known| *known == place);
        let place = known.ok_or_else(|| format!("no place {place}"))?;
        let end = Instant::now() + Duration::from_secs_f64(seconds.parse()?);
        let mut took = sign(place, clients.parse()?, end)?;
        took.sort_unstable();
        let microseconds = |percent: usize| took[took.len() * percent / 100].as_micros();
        writeln!(out, "{} {} {}", took.len(), microseconds(50), microseconds(99))?;
    }
    Ok(())
}

/// The first snapshot of a collection.
fn snapshot() -> Unsigned {
    let listed = FileMeta { version: Version::FIRST, length: None, hashes: None };
    let entries = [(RoleName::TARGETS, listed)];
    Unsigned::of(&next_snapshot(None, entries, Version::FIRST, tomorrow()))
}

/// A timestamp that names a snapshot.
fn timestamp(version: Version, snapshot: &Envelope<Snapshot>) -> Unsigned {
    PlannedTimestamp { version, expires: tomorrow(), keyids: Vec::new() }.document(snapshot)
}

fn tomorrow() -> Expires {
    expires_after((Parts::system().clock)(), 24 * 60 * 60)
}
