//! Writes a repository of one of the sizes at which clients are measured: all metadata, signed, and
//! the file of one target, whose name is printed. A target holds its own name; the one of `large`
//! holds zeros. Keys and dates are fixed, so the same words write the same bytes.
//! usage: repository DIR prefix-bins|succinct-bins|single TARGETS    or    repository DIR large BYTES

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use chrono::DateTime;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::{Key, PublicKey, sha256_hex};
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::online::{PlannedTimestamp, entry, next_snapshot};
use notary_schema::path::Candidate;
use notary_schema::role::{
    Bins, Delegations, Expires, FileMeta, Hashes, RoleKeys, Root, SuccinctRoles, TargetFile,
    Targets, TopLevelRoles,
};
use notary_schema::updater::{remote_name, target_location};
use ring::digest::{Context, SHA256};
use ring::signature::{Ed25519KeyPair, KeyPair};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// 2^14 bins.
const BIN_BITS: u64 = 14;
/// Where the many targets lie.
const POOL: &str = "pool/main/p";

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, shape, size] = &arguments[..] else {
        return Err("usage: repository DIR SHAPE SIZE".into());
    };
    let (repository, size) = (Repository::create(directory.into())?, size.parse()?);
    let bins = Bins::new("bins", BIN_BITS)?;
    let signer = Signer::new(Signer::BINS);
    let (keys, signers) = (signer.keys(), signer.role_keys());
    let delegations = match shape.as_str() {
        "prefix-bins" => {
            let delegation = |bin| bins.delegation(bin, signers.clone(), true);
            Delegations::new(keys, (0..=bins.last()).map(delegation).collect())?
        }
        "succinct-bins" => {
            Delegations::to_bins(keys, SuccinctRoles { bins: bins.clone(), signers })
        }
        "single" => return repository.finish(targets((0..size).map(small)), [], small(size / 2)),
        "large" => {
            let image = ("image".to_owned(), repository.zeros(u64::from(size))?);
            return repository.finish(targets([image.clone()]), [], image);
        }
        _ => return Err(format!("no shape {shape}").into()),
    };
    repository.write_bins(&bins, size)?;
    let mut top = targets([]);
    top.delegations = Some(delegations);
    let unhashed = FileMeta { version: Version::FIRST, length: None, hashes: None };
    repository.finish(top, bins.names().map(|bin| (bin, unhashed.clone())), small(size / 2))
}

/// One of many targets, which holds its name.
fn small(number: u32) -> (String, TargetFile) {
    let name = format!("{POOL}/package_{number:06}_i386.deb");
    let hashes = Hashes::sha256_of(sha256_hex(name.as_bytes()));
    let file = TargetFile { length: name.len() as u64, hashes, custom: None };
    (name, file)
}

fn targets(listed: impl IntoIterator<Item = (String, TargetFile)>) -> Targets {
    let mut targets = Targets::empty(Version::FIRST, expires());
    for (name, file) in listed {
        targets.targets.insert(&name, &file);
    }
    targets
}

fn expires() -> Expires {
    Expires::at(DateTime::from_timestamp(4_000_000_000, 0).expect("a date in 2096"))
}

/// The one key of a role.
struct Signer {
    pair: Ed25519KeyPair,
    key: Key,
}

impl Signer {
    const ROOT: u8 = 1;
    const TARGETS: u8 = 2;
    const SNAPSHOT: u8 = 3;
    const TIMESTAMP: u8 = 4;
    const BINS: u8 = 5;

    fn new(seed: u8) -> Signer {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed has 32 bytes");
        let public = pair.public_key().as_ref().try_into().expect("a key has 32 bytes");
        Signer { key: Key::new(PublicKey::Ed25519(public)), pair }
    }

    fn keys(&self) -> BTreeMap<KeyId, Key> {
        BTreeMap::from([(self.key.id().clone(), self.key.clone())])
    }

    fn role_keys(&self) -> RoleKeys {
        RoleKeys::new(vec![self.key.id().clone()], 1).expect("one key can reach a threshold of 1")
    }

    fn sign(&self, document: &Unsigned) -> Vec<u8> {
        let signature = self.pair.sign(document.message()).as_ref().to_vec();
        document.with_signatures(&[(self.key.id().clone(), signature)])
    }
}

/// A directory with metadata, and targets in a directory below it.
struct Repository {
    directory: PathBuf,
}

impl Repository {
    fn create(directory: PathBuf) -> io::Result<Repository> {
        fs::create_dir_all(directory.join("targets").join(POOL))?;
        Ok(Repository { directory })
    }

    fn write(&self, role: &RoleName, version: Option<Version>, file: &[u8]) -> io::Result<()> {
        fs::write(self.directory.join(remote_name(role, version)), file)
    }

    fn place(&self, name: &str, file: &TargetFile) -> PathBuf {
        let location = target_location(name, file, true).expect("a SHA-256 is listed");
        Path::new(&self.directory).join("targets").join(location)
    }

    /// Divides so many targets over the bins, on all cores.
    fn write_bins(&self, bins: &Bins, count: u32) -> io::Result<()> {
        let mut members = vec![Vec::new(); bins.count() as usize];
        for number in 0..count {
            let (name, _) = small(number);
            members[bins.index_of(&Candidate::new(name)) as usize].push(number);
        }
        let indexed: Vec<(u32, Vec<u32>)> = (0..).zip(members).collect();
        let each = indexed.len().div_ceil(thread::available_parallelism()?.get());
        let write = |part: &[(u32, Vec<u32>)]| {
            let signer = Signer::new(Signer::BINS);
            part.iter().try_for_each(|(bin, members)| {
                let targets = targets(members.iter().copied().map(small));
                let file = signer.sign(&Unsigned::of(&targets));
                self.write(&bins.name(*bin), Some(Version::FIRST), &file)
            })
        };
        thread::scope(|scope| {
            let parts: Vec<_> =
                indexed.chunks(each).map(|part| scope.spawn(move || write(part))).collect();
            parts.into_iter().try_for_each(|part| part.join().expect("a writer does not panic"))
        })
    }

    /// A target of so many zeros, which takes no room on most disks.
    fn zeros(&self, length: u64) -> io::Result<TargetFile> {
        static PIECE: [u8; 1 << 16] = [0; 1 << 16];
        let mut digest = Context::new(&SHA256);
        for start in (0..length).step_by(PIECE.len()) {
            digest.update(&PIECE[..(length - start).min(PIECE.len() as u64) as usize]);
        }
        let hashes = Hashes::sha256_of(hex::encode(digest.finish()));
        let file = TargetFile { length, hashes, custom: None };
        File::create(self.place("image", &file))?.set_len(length)?;
        Ok(file)
    }

    /// Writes the top-level roles above these delegated ones, and the file of one target unless it
    /// is there, and prints its name.
    fn finish(
        &self,
        top: Targets,
        delegated: impl IntoIterator<Item = (RoleName, FileMeta)>,
        (name, target): (String, TargetFile),
    ) -> Outcome<()> {
        let [root, targets, snapshot, timestamp] =
            [Signer::ROOT, Signer::TARGETS, Signer::SNAPSHOT, Signer::TIMESTAMP].map(Signer::new);
        let first = Some(Version::FIRST);
        let keys = [&root, &targets, &snapshot, &timestamp].map(Signer::keys);
        let roles = TopLevelRoles {
            root: root.role_keys(),
            snapshot: snapshot.role_keys(),
            targets: targets.role_keys(),
            timestamp: timestamp.role_keys(),
        };
        let document =
            Root::new(Version::FIRST, expires(), keys.into_iter().flatten().collect(), roles);
        self.write(&RoleName::ROOT, first, &root.sign(&Unsigned::of(&document)))?;

        let file = targets.sign(&Unsigned::of(&top));
        self.write(&RoleName::TARGETS, first, &file)?;
        let listed = entry(&Envelope::<Targets>::parse(file)?);
        let entries = delegated.into_iter().chain([(RoleName::TARGETS, listed)]);
        let document = next_snapshot(None, entries, Version::FIRST, expires());
        let file = snapshot.sign(&Unsigned::of(&document));
        self.write(&RoleName::SNAPSHOT, first, &file)?;
        let plan =
            PlannedTimestamp { version: Version::FIRST, expires: expires(), keyids: Vec::new() };
        let file = timestamp.sign(&plan.document(&Envelope::parse(file)?));
        self.write(&RoleName::TIMESTAMP, None, &file)?;

        let place = self.place(&name, &target);
        if !place.exists() {
            fs::write(place, &name)?;
        }
        Ok(writeln!(io::stdout(), "{name}")?)
    }
}
