//! `notary repair`: brings back what a server lost whose database was set back to an older copy.
//!
//! The server names what is lost: files by their hash. Whoever has one brings it: the trust directory
//! keeps what was trusted last and what was published from here, other directories of TUF metadata
//! (of an agent, of an export) are named with `--metadata-dir`. Roots are in no snapshot: those that
//! follow the newest one of the server, each signed by the one before it, are brought along. The server
//! judges all of it; several people bring what they have, in any order and at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::role::{Root, Timestamp};
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::wire::{CollectionInfo, LostFile};
use serde::Serialize;

use crate::args::RepairArgs;
use crate::exit::{Failure, Outcome};
use crate::publishing::in_flight::InFlight;
use crate::remote::{Exempt, RemoteError};
use crate::session::Session;
use crate::trust_dir::CollectionDir;

/// Most files that are sent in one request.
const MAX_FILES_AT_ONCE: usize = 1_000;
/// Most bytes that are sent in one request, unless one file alone has more.
const MAX_BYTES_AT_ONCE: usize = 64 << 20;
/// Most roles whose keys are named for those that are still missing.
const MAX_NAMED: usize = 50;

/// A named file that is sent.
type Part = (RoleName, Arc<[u8]>);

/// Runs `notary repair`.
pub(crate) async fn run(session: &Session, args: RepairArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let (collection, _lock) = session.locked(gun).await?;
    let before = session.server()?.info(gun, &[RoleName::TARGETS]).await?;
    let held = Held::read(&collection, &args.metadata_dir)?;
    let roots = later_roots(session, &before, &held).await?;
    let mut repair = Repair { session, gun, refused: Vec::new() };
    repair.send_all(&roots, &held.find(&before.lost)).await?;
    let after = session.server()?.info(gun, &[RoleName::TARGETS]).await?;
    let report = Report::new(&before, after, repair.refused, held.timestamp);
    let text = report.text(&report.keyids(session).await?);
    session.output.result(&report, &text)?;
    Ok(if report.is_whole() { Outcome::Done } else { Outcome::ToDo })
}

/// What is stored here of a collection, whatever it is worth.
#[derive(Default)]
struct Held {
    /// Every file, by its length.
    files: BTreeMap<u64, Vec<PathBuf>>,
    /// Roots by their version. Of one version there may be several that were never published.
    roots: BTreeMap<Version, Vec<Arc<[u8]>>>,
    in_flight: Vec<Part>,
    /// The version of the timestamp that is trusted here.
    timestamp: Option<Version>,
}

impl Held {
    fn read(collection: &CollectionDir, others: &[PathBuf]) -> Result<Held, Failure> {
        let in_flight = InFlight::load(collection)?.map_or_else(Vec::new, |sent| sent.files());
        let mut held = Held { in_flight, ..Held::default() };
        held.add_file(&collection.pinned_path());
        for directory in collection.metadata_dirs() {
            held.add_directory(&directory).ok();
        }
        for directory in others {
            held.add_directory(directory)
                .map_err(|error| Failure::file("read", directory, error))?;
        }
        let timestamp = collection.trusted().load("timestamp.json")?;
        let timestamp = timestamp.and_then(|file| Envelope::<Timestamp>::parse(file).ok());
        held.timestamp = timestamp.map(|file| file.version());
        Ok(held)
    }

    fn add_directory(&mut self, directory: &Path) -> std::io::Result<()> {
        for entry in std::fs::read_dir(directory)? {
            self.add_file(&entry?.path());
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) {
        let Ok(found) = std::fs::metadata(path) else { return };
        if !found.is_file() {
            return;
        }
        self.files.entry(found.len()).or_default().push(path.to_owned());
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let is_root =
            ["root.json", "root.next", "_pinned.json"].iter().any(|it| name.ends_with(it));
        if let Some(file) = is_root.then(|| std::fs::read(path).ok()).flatten() {
            self.add_root(file.into());
        }
    }

    fn add_root(&mut self, file: Arc<[u8]>) {
        if let Ok(root) = Envelope::<Root>::parse(file.clone()) {
            self.roots.entry(root.version()).or_default().push(file);
        }
    }

    /// The lost files that are here.
    fn find(&self, lost: &[LostFile]) -> Vec<Part> {
        let found = lost.iter().filter_map(|lost| {
            let sha256 = lost.sha256.as_ref()?;
            let sent = self.in_flight.iter().map(|(_, file)| file.clone());
            let stored =
                self.files.iter().filter(|(length, _)| lost.length.is_none_or(|it| it == **length));
            let stored =
                stored.flat_map(|(_, paths)| paths).filter_map(|path| std::fs::read(path).ok());
            let mut all = sent.chain(stored.map(Into::into));
            let file = all.find(|file: &Arc<[u8]>| sha256_hex(file) == *sha256)?;
            Some((lost.name.clone(), file))
        });
        found.collect()
    }
}

/// The roots that follow the newest one of the server, in their order, as far as they are here.
async fn later_roots(
    session: &Session,
    info: &CollectionInfo,
    held: &Held,
) -> Result<Vec<Arc<[u8]>>, Failure> {
    let newest = newest_root(info);
    let mut roots = held.roots.clone();
    for (_, file) in held.in_flight.iter().filter(|(role, _)| *role == RoleName::ROOT) {
        if let Ok(root) = Envelope::<Root>::parse(file.clone()) {
            roots.entry(root.version()).or_default().push(file.clone());
        }
    }
    if !newest.next().is_ok_and(|next| roots.contains_key(&next)) {
        return Ok(Vec::new());
    }
    let agent = session.agent(&info.gun, session.now())?;
    let first = session.fetch_root(&info.gun, newest, &agent).await?;
    let mut chain = TrustedSet::new(first, session.now(), Expiry::Reported)?;
    let mut later = Vec::new();
    while let Some(candidates) = chain.root().version().next().ok().and_then(|it| roots.get(&it)) {
        let fits = |file: &&Arc<[u8]>| chain.clone().update_root((*file).clone()).is_ok();
        let Some(root) = candidates.iter().find(fits) else { break };
        chain.update_root(root.clone())?;
        later.push(root.clone());
    }
    Ok(later)
}

fn newest_root(info: &CollectionInfo) -> Version {
    let root = info.roles.iter().find(|role| role.name == RoleName::ROOT);
    root.and_then(|root| root.file.as_ref()).map_or(Version::FIRST, |file| file.version)
}

/// What the server did not take.
#[derive(Debug, Serialize)]
struct Refused {
    name: RoleName,
    why: String,
}

struct Repair<'a> {
    session: &'a Session,
    gun: &'a Gun,
    refused: Vec<Refused>,
}

impl Repair<'_> {
    /// Sends all at once; where that is refused, the roots first, and then each file alone: one that is
    /// not taken, or that the token does not cover, stands in no other's way.
    async fn send_all(&mut self, roots: &[Arc<[u8]>], found: &[Part]) -> Result<(), Failure> {
        let roots = named(roots);
        let mut rest = found;
        let mut first = roots.clone();
        while !first.is_empty() || !rest.is_empty() {
            let (now, later) = rest.split_at(at_once(rest));
            let all: Vec<Part> = first.iter().chain(now).cloned().collect();
            if self.send(&all).await?.is_some() {
                self.send_alone(&first, now).await?;
            }
            (first, rest) = (Vec::new(), later);
        }
        Ok(())
    }

    async fn send_alone(&mut self, roots: &[Part], found: &[Part]) -> Result<(), Failure> {
        let files = found.iter().map(std::slice::from_ref);
        let parts: Vec<&[Part]> = std::iter::once(roots).chain(files).collect();
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            if let Some(error) = self.send(part).await? {
                let name = part[part.len() - 1].0.clone();
                self.refused.push(Refused { name, why: error.to_string() });
            }
        }
        Ok(())
    }

    /// Answers why it is refused, where it is.
    async fn send(&self, parts: &[Part]) -> Result<Option<RemoteError>, Failure> {
        match self.session.server()?.publish(self.gun, parts, &Exempt::default()).await {
            Ok(_) => Ok(None),
            Err(error) if error.is_definite() => Ok(Some(error)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Roots as they are sent: all but the newest one with their version.
fn named(roots: &[Arc<[u8]>]) -> Vec<Part> {
    let name = |(index, root): (usize, &Arc<[u8]>)| {
        let version = Envelope::<Root>::parse(root.clone()).expect("it was read before").version();
        let name = match index + 1 == roots.len() {
            true => RoleName::ROOT,
            false => RoleName::parse(&format!("{version}.root")).expect("a number and a name"),
        };
        (name, root.clone())
    };
    roots.iter().enumerate().map(name).collect()
}

/// How many of these fit into one request.
fn at_once(parts: &[Part]) -> usize {
    let mut bytes = 0;
    let fits = |(index, (_, file)): &(usize, &Part)| {
        bytes += file.len();
        *index == 0 || (bytes <= MAX_BYTES_AT_ONCE && *index < MAX_FILES_AT_ONCE)
    };
    parts.iter().enumerate().take_while(fits).count()
}

/// What was brought back, and what is left.
#[derive(Debug, Serialize)]
struct Report {
    collection: Gun,
    /// The newest root of the server before and after.
    root: [Version; 2],
    brought: Vec<LostFile>,
    refused: Vec<Refused>,
    missing: Vec<LostFile>,
    /// Whether a root is missing, as far as the server can tell.
    missing_root: bool,
    /// Whether the server has not asked its signer yet what else is missing.
    not_compared: bool,
    /// Whether this trust directory has seen a later state than the server tells of.
    behind: bool,
}

impl Report {
    fn new(
        before: &CollectionInfo,
        after: CollectionInfo,
        refused: Vec<Refused>,
        seen: Option<Version>,
    ) -> Report {
        let root = [newest_root(before), newest_root(&after)];
        let is_left = |lost: &&LostFile| after.lost.contains(lost);
        let brought = before.lost.iter().filter(|lost| !is_left(lost)).cloned().collect();
        let timestamp = after.roles.iter().find(|role| role.name == RoleName::TIMESTAMP);
        let timestamp = timestamp.and_then(|role| role.file.as_ref()).map(|file| file.version);
        Report {
            collection: after.gun,
            root,
            brought,
            refused,
            missing: after.lost,
            missing_root: after.lost_root,
            not_compared: after.not_compared,
            behind: seen > timestamp,
        }
    }

    fn is_whole(&self) -> bool {
        let is_known = !self.behind && !self.not_compared;
        self.missing.is_empty() && !self.missing_root && is_known && self.refused.is_empty()
    }

    /// Whose files are missing, as far as the server says who may sign them.
    async fn keyids(&self, session: &Session) -> Result<BTreeMap<RoleName, String>, Failure> {
        let missing: Vec<RoleName> =
            self.missing.iter().take(MAX_NAMED).map(|lost| lost.name.clone()).collect();
        if missing.is_empty() {
            return Ok(BTreeMap::new());
        }
        let info = session.server()?.info(&self.collection, &missing).await?;
        let missing: BTreeSet<RoleName> = missing.into_iter().collect();
        let named = info.roles.into_iter().filter(|role| missing.contains(&role.name));
        let keyids = named.map(|role| {
            let ids: Vec<&str> =
                role.keyids.iter().map(|id| &id.as_str()[..id.as_str().len().min(12)]).collect();
            (role.name, ids.join(", "))
        });
        Ok(keyids.collect())
    }

    fn text(&self, keyids: &BTreeMap<RoleName, String>) -> String {
        let mut text = String::new();
        let mut line = |words: String| writeln!(text, "{words}").expect("a String takes all");
        let (gun, [before, after]) = (&self.collection, self.root);
        if before != after {
            line(format!("brought back: root {after}, the server had {before}"));
        }
        for LostFile { name, version, .. } in &self.brought {
            line(format!("brought back: {name} {version}"));
        }
        for Refused { name, why } in &self.refused {
            line(format!("not taken: {name}: {why}"));
        }
        for LostFile { name, version, sha256, .. } in &self.missing {
            let who = keyids.get(name).map_or(String::new(), |ids| format!(" (its keys: {ids})"));
            line(match sha256 {
                Some(sha256) => format!(
                    "missing: {name} {version}, sha256 {sha256}: whoever published it{who} or \
                     refreshed since says the same; if nobody has it, `notary publish {gun}` of a \
                     change, or `notary witness {gun} {name} --publish`, makes the next version"
                ),
                None => format!(
                    "missing: {name} {version}, of which no hash is listed: whoever holds its \
                     keys{who} publishes the next version"
                ),
            });
        }
        if self.missing_root {
            line(format!(
                "missing: a root after root {after}: whoever signed or refreshed since says the same; \
                 --metadata-dir names other directories, of agents or exports; if nobody has it, \
                 `notary recover {gun} snapshot` gives it up: clients that have it must pin anew"
            ));
        }
        if self.behind {
            line(format!(
                "the server shows an older {gun} than was seen here; it asks its signer when it \
                 starts: say the same again in a while"
            ));
        } else if self.not_compared {
            line(format!(
                "the server has not asked its signer yet what it lost of {gun}: say the same again in \
                 a while; `/readyz` says whether the signer is there"
            ));
        }
        if self.is_whole() {
            line(format!("{gun} is whole"));
        }
        text
    }
}
