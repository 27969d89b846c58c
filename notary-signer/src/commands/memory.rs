//! What the signer remembers, shown and set.
//!
//! Setting it is an operator's act: the rules stand in `notary_schema::online`, the audit holds who
//! did it, why, and what was remembered before. A running service judges by what it has read, so it
//! must be stopped: the lock says whether it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::sqlite::SqliteConnection;
use notary_schema::envelope::{Envelope, EnvelopeError};
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, Incarnation, KeyId, Version};
use notary_schema::online::{Memory, MemoryRefusal, OnlineFile, OnlineRole, Served};
use notary_schema::reason::Reason;
use notary_schema::role::Root;
use notary_schema::trusted::TrustError;
use serde::Serialize;

use super::{CommandError, Output, time_text};
use crate::args::Wish;
use crate::config::Config;
use crate::store::audit::{self, Caller, Subject};
use crate::store::tables::role_text;
use crate::store::{Collection, Database, Owner, StoreError, copies, keys, memory};

/// Longest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Most roots in a row, as many as clients take.
const MAX_ROOTS: usize = 1_024;

/// Why a memory is not shown or set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error("nothing was signed for {0} yet")]
    NothingSigned(Gun),
    #[error(
        "this signer has no key of such a life of {0}: where it has lost all of them, say the one \
         that `notary info {0} --json` tells with --incarnation"
    )]
    UnknownLife(Gun),
    #[error("{gun} has several lives here ({lives}): say which with --incarnation")]
    SeveralLives { gun: Gun, lives: String },
    #[error("two files of {role}: give one", role = .0.name())]
    Twice(OnlineRole),
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: {error}", path.display())]
    Unreadable { path: PathBuf, error: EnvelopeError },
    #[error("what is served is not verified from --root on: {0}")]
    NotVerified(#[from] TrustError),
    #[error(
        "the root lists the key {keyid}, which this signer holds for {holder}, not for {meant}"
    )]
    OtherCollection { keyid: KeyId, meant: Collection, holder: Collection },
    #[error("what was signed last is remembered for both roles of {0}: set what it is now")]
    Remembered(Gun),
    #[error(transparent)]
    Refused(#[from] MemoryRefusal),
}

/// What was signed last in every life of a collection.
pub(crate) fn show(config: &Config, gun: &Gun, json: bool) -> Result<Output, CommandError> {
    let database = Database::open(&config.database)?;
    let lives = database.transaction(|connection| memory::lives(connection, gun))?;
    if lives.is_empty() {
        return Err(MemoryError::NothingSigned(gun.clone()).into());
    }
    if json {
        return Ok(Output::json(&serde_json::json!({ "items": lives }), true));
    }
    let line = |last: memory::Remembered| {
        let (incarnation, role) = (last.incarnation, role_text(last.role));
        let time = time_text(last.signed_at);
        let set =
            last.set.map_or_else(String::new, |set| format!(" set by {}: {}", set.by, set.reason));
        format!("{incarnation} {role} {} {} {time}{set}", last.version, last.sha256)
    };
    Ok(Output::lines(lives.into_iter().map(line), true))
}

/// What has become of one role.
#[derive(Debug, Serialize)]
struct Changed {
    role: OnlineRole,
    version: Version,
    sha256: String,
    before: Option<Version>,
}

/// A role of a copy of which nothing is open any more, although nothing else is remembered of it.
#[derive(Debug, Serialize)]
struct Settled {
    role: OnlineRole,
    version: Option<Version>,
}

/// Sets what is remembered of one life of a collection, in one transaction with its audit.
pub(crate) fn set(
    config: &Config,
    wish: &Wish,
    json: bool,
    now: DateTime<Utc>,
) -> Result<Output, CommandError> {
    let source = Source::read(wish, now)?;
    // A service would go on by what it has read, and remember that again.
    let database = Database::open_alone(&config.database, now)?;
    let (life, changed, settled) =
        database.transaction(|connection| -> Result<_, CommandError> {
            let collection = life(connection, wish)?;
            let last = memory::load(connection, &collection)?;
            let next = source.memory(connection, &collection, &last, config.policy.max_step)?;
            let forgotten = wish.forget.iter().copied().collect();
            last.require_confirmed(&next, &forgotten).map_err(MemoryError::from)?;
            let changed = record(connection, &collection, (&last, &next), &wish.reason, now)?;
            let roles = source.roles(&last);
            let settled = settle(connection, &collection, (&roles, &next), &wish.reason, now)?;
            Ok((collection.incarnation, changed, settled))
        })?;
    if json {
        let value = serde_json::json!({
            "collection": wish.gun, "incarnation": life, "changed": changed, "settled": settled,
        });
        return Ok(Output::json(&value, true));
    }
    if changed.is_empty() && settled.is_empty() {
        return Ok(Output::lines(["nothing to change".to_owned()], true));
    }
    let line = |changed: Changed| {
        let before = changed.before.map_or_else(|| "nothing".to_owned(), |last| last.to_string());
        format!("{life} {} {} after {before}", role_text(changed.role), changed.version)
    };
    let as_it_was = |settled: Settled| {
        let at =
            settled.version.map_or_else(|| "nothing".to_owned(), |version| version.to_string());
        format!("{life} {} stays at {at}, and is settled", role_text(settled.role))
    };
    let lines = changed.into_iter().map(line).chain(settled.into_iter().map(as_it_was));
    Ok(Output::lines(lines, true))
}

/// What an operator gives, read.
enum Source {
    /// That nothing was signed where nothing is remembered.
    Nothing,
    /// Files, and versions in place of theirs or of those that are remembered.
    Given { files: Vec<OnlineFile>, versions: BTreeMap<OnlineRole, Version> },
    /// What a server serves.
    Served(Box<Served>),
}

impl Source {
    fn read(wish: &Wish, now: DateTime<Utc>) -> Result<Source, MemoryError> {
        if let (Some(root), Some(directory)) = (&wish.root, &wish.from) {
            return Ok(Source::Served(Box::new(served(root, directory, now)?)));
        }
        if wish.nothing_signed {
            return Ok(Source::Nothing);
        }
        let mut seen = BTreeSet::new();
        let files = wish.files.iter().map(|path| {
            let file = read_online(path)?;
            match seen.insert(file.role()) {
                true => Ok(file),
                false => Err(MemoryError::Twice(file.role())),
            }
        });
        let files = files.collect::<Result<_, _>>()?;
        let versions = [wish.snapshot_version, wish.timestamp_version];
        let versions = OnlineRole::BOTH.into_iter().zip(versions);
        let versions = versions.filter_map(|(role, version)| Some((role, version?))).collect();
        Ok(Source::Given { files, versions })
    }

    fn memory(
        &self,
        connection: &mut SqliteConnection,
        collection: &Collection,
        last: &Memory,
        gap: u64,
    ) -> Result<Memory, CommandError> {
        let next = match self {
            Source::Nothing if self.roles(last).is_empty() => {
                return Err(MemoryError::Remembered(collection.gun.clone()).into());
            }
            Source::Nothing => Ok(last.clone()),
            Source::Served(served) => {
                require_own(connection, collection, served)?;
                last.after_restore(served, gap)
            }
            Source::Given { files, versions } => {
                let next = files.iter().cloned().fold(last.clone(), Memory::with);
                let mut versions = versions.iter();
                versions.try_fold(next, |next, (role, version)| next.at(*role, *version))
            }
        };
        Ok(next.map_err(MemoryError::from)?)
    }

    /// The roles that it speaks of.
    fn roles(&self, last: &Memory) -> BTreeSet<OnlineRole> {
        match self {
            Source::Nothing => {
                OnlineRole::BOTH.into_iter().filter(|role| last.file(*role).is_none()).collect()
            }
            Source::Given { files, versions } => {
                files.iter().map(OnlineFile::role).chain(versions.keys().copied()).collect()
            }
            Source::Served(_) => OnlineRole::BOTH.into(),
        }
    }
}

/// The life that is meant: the one that is named, or the only one. A signer that has lost everything
/// is told which; one that knows the collection is not told of a life that it does not know.
fn life(connection: &mut SqliteConnection, wish: &Wish) -> Result<Collection, CommandError> {
    let gun = wish.gun.clone();
    let mut lives = keys::lives(connection, &gun)?;
    if lives.is_empty() {
        lives.extend(wish.incarnation.clone());
    }
    let named = |life: &&Incarnation| wish.incarnation.as_ref().is_none_or(|named| named == *life);
    let mut found = lives.iter().filter(named);
    match (found.next(), found.next()) {
        (None, _) => Err(MemoryError::UnknownLife(gun).into()),
        (Some(life), None) => Ok(Collection { gun, incarnation: life.clone() }),
        (Some(_), Some(_)) => {
            let lives = lives.iter().map(Incarnation::to_string).collect::<Vec<_>>().join(", ");
            Err(MemoryError::SeveralLives { gun, lives }.into())
        }
    }
}

/// A document does not say of which collection it is; its root lists keys that do.
fn require_own(
    connection: &mut SqliteConnection,
    collection: &Collection,
    served: &Served,
) -> Result<(), CommandError> {
    let listed = |role: OnlineRole| &role.listed_by(served.root()).keyids;
    for keyid in OnlineRole::BOTH.into_iter().flat_map(listed) {
        let Some(held) = keys::by_id(connection, keyid)? else { continue };
        let owner = held.owner().collection;
        if owner != *collection {
            let (keyid, meant) = (keyid.clone(), collection.clone());
            return Err(MemoryError::OtherCollection { keyid, meant, holder: owner }.into());
        }
    }
    Ok(())
}

/// Replaces what differs, each role with its line of the audit.
fn record(
    connection: &mut SqliteConnection,
    collection: &Collection,
    (last, next): (&Memory, &Memory),
    reason: &Reason,
    now: DateTime<Utc>,
) -> Result<Vec<Changed>, StoreError> {
    let caller = Caller::operator(memory::SET, now);
    let act = memory::Set { by: caller.who.clone(), reason: reason.clone().into() };
    let (versions_before, versions) = (last.versions(), next.versions());
    let mut changed = Vec::new();
    for (role, version) in versions {
        let file = next.file(role).expect("it has a version");
        if last.file(role) == Some(file) {
            continue;
        }
        let owner = Owner { collection: collection.clone(), role };
        memory::set(connection, &owner, (version, file), &act, now)?;
        let before = versions_before.get(&role).copied();
        let sha256 = sha256_hex(file);
        let subject = Subject {
            version: Some(version),
            sha256: Some(sha256.clone()),
            reason: Some(reason.clone()),
            before: before.zip(last.file(role).map(|file| sha256_hex(file))),
            ..Subject::of(&owner)
        };
        audit::append(connection, &caller, &subject, "changed")?;
        changed.push(Changed { role, version, sha256, before });
    }
    Ok(changed)
}

/// Settles what a copy has in common with what the operator says, each role with its line of the audit.
fn settle(
    connection: &mut SqliteConnection,
    collection: &Collection,
    (roles, next): (&BTreeSet<OnlineRole>, &Memory),
    reason: &Reason,
    now: DateTime<Utc>,
) -> Result<Vec<Settled>, StoreError> {
    let mut settled = Vec::new();
    for role in roles.iter().copied() {
        let owner = Owner { collection: collection.clone(), role };
        if !copies::settle(connection, &owner)? {
            continue;
        }
        let version = next.versions().get(&role).copied();
        let subject = Subject {
            version,
            sha256: next.file(role).map(|file| sha256_hex(file)),
            reason: Some(reason.clone()),
            ..Subject::of(&owner)
        };
        audit::append(connection, &Caller::operator(memory::SET, now), &subject, "settled")?;
        settled.push(Settled { role, version });
    }
    Ok(settled)
}

// ---- files

/// What stands in a directory, verified from a root that the operator trusts.
fn served(root: &Path, directory: &Path, now: DateTime<Utc>) -> Result<Served, MemoryError> {
    let trusted = read(root)?;
    let first = Envelope::<Root>::parse(trusted.clone());
    let first = first.map_err(|error| MemoryError::Unreadable { path: root.to_owned(), error })?;
    let mut roots = Vec::new();
    let mut version = first.version();
    while let Ok(next) = version.next()
        && roots.len() < MAX_ROOTS
        && let Some(root) = read_if_there(&directory.join(format!("{next}.root.json")))?
    {
        roots.push(root);
        version = next;
    }
    let path = directory.join("timestamp.json");
    let timestamp = match read_online(&path)? {
        OnlineFile::Timestamp(timestamp) => timestamp,
        OnlineFile::Snapshot(_) => {
            let error = EnvelopeError::WrongType { wanted: "timestamp", found: "snapshot".into() };
            return Err(MemoryError::Unreadable { path, error });
        }
    };
    let listed = timestamp.signed().meta.snapshot.version;
    let snapshot = match read_if_there(&directory.join(format!("{listed}.snapshot.json")))? {
        Some(snapshot) => snapshot,
        None => read(&directory.join("snapshot.json"))?,
    };
    Ok(Served::verify(trusted, roots, timestamp.bytes().clone(), snapshot, now)?)
}

fn read_online(path: &Path) -> Result<OnlineFile, MemoryError> {
    let file = OnlineFile::parse(read(path)?);
    file.map_err(|error| MemoryError::Unreadable { path: path.to_owned(), error })
}

fn read_if_there(path: &Path) -> Result<Option<Arc<[u8]>>, MemoryError> {
    match read(path) {
        Ok(file) => Ok(Some(file)),
        Err(MemoryError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn read(path: &Path) -> Result<Arc<[u8]>, MemoryError> {
    let refuse = |source| MemoryError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refuse)?;
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(refuse)?;
    match bytes.len() as u64 > MAX_FILE_BYTES {
        true => Err(refuse(io::Error::other(format!("it is longer than {MAX_FILE_BYTES} bytes")))),
        false => Ok(bytes.into()),
    }
}
