//! An update agent before a mirror, and the repository that it reads: signed by hand, so that anything
//! may be wrong with it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chrono::TimeDelta;
use notary_schema::key::sha256_hex;
use notary_tests::hand::{Files, HandKey, Repository, Stage};
use notary_tests::judge::{Served, TARGETS};
use notary_tests::mirror::{Mirror, Reply};
use notary_tests::world::{Clock, Outcome, Person, real_time};
use serde_json::Value;
use tempfile::TempDir;

/// Below this a mirror has a repository: where a server has the metadata of the collection `acme/app`.
/// Target files are below [`TARGETS`] in it.
const BASE: &str = "v2/acme/app/_trust/tuf/";

/// What a client trusts that has refreshed once from [`Repository::sample`].
pub(crate) const FIRST: &str = "root 1, snapshot 1, targets 1, timestamp 1";

/// The key of a letter: the same letter is the same key.
pub(crate) fn key(letter: char) -> HandKey {
    HandKey::ed25519(u8::try_from(letter).expect("an ASCII letter"))
}

/// The keys of some letters.
pub(crate) fn keys(letters: &str) -> Vec<HandKey> {
    letters.chars().map(key).collect()
}

/// The place of a target with consistent snapshots, as [`Client::asked`] names it.
pub(crate) fn hashed(name: &str, content: &str) -> String {
    let hash = sha256_hex(content.as_bytes());
    match name.rsplit_once('/') {
        Some((folder, last)) => format!("{TARGETS}{folder}/{hash}.{last}"),
        None => format!("{TARGETS}{hash}.{name}"),
    }
}

/// Somebody with a directory, in which `notary` runs, and a mirror that answers its requests.
pub(crate) struct Client {
    pub(crate) mirror: Mirror,
    pub(crate) clock: Clock,
    person: Person,
    /// Removed when it is dropped.
    _directory: TempDir,
}

impl Client {
    /// `notary client` with this root and nothing else, before a mirror that has nothing.
    pub(crate) fn pinned(root: &[u8]) -> Client {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mirror, clock) = (Mirror::start(), Clock::new(directory.path()));
        let person = Person::new(directory.path().join("agent"), &clock, &mirror.url(), None);
        let client = Client { mirror, clock, person, _directory: directory };
        client.person.file("root", root);
        client.run(client.command("init root")).done();
        assert_eq!(client.asked(), [""; 0], "init makes no request");
        client
    }

    /// `notary client …` with its directory and the URL of the metadata.
    pub(crate) fn command(&self, words: &str) -> Command {
        let url = self.metadata_url();
        self.user(&format!("client --metadata-dir metadata --metadata-url {url} {words}"))
    }

    /// `notary …` as a user of the collection `acme/app`.
    pub(crate) fn user(&self, words: &str) -> Command {
        self.person.command(words)
    }

    /// Has the user trust the first root.
    pub(crate) fn pin(&self) {
        self.run(self.user("trust add acme/app --root root")).done();
    }

    pub(crate) fn run(&self, command: Command) -> Outcome {
        self.person.run(command)
    }

    pub(crate) fn refresh(&self) -> Outcome {
        self.run(self.command("refresh"))
    }

    pub(crate) fn download(&self, names: &[&str]) -> Outcome {
        self.run(self.download_command(names))
    }

    pub(crate) fn download_command(&self, names: &[&str]) -> Command {
        let url = self.targets_url();
        let mut command =
            self.command(&format!("download --target-base-url {url} --target-dir targets"));
        for name in names {
            command.args(["--target-name", name]);
        }
        command
    }

    /// `notary lookup` of a target of the collection.
    pub(crate) fn look_up(&self, name: &str) -> Command {
        self.user(&format!("lookup acme/app {name}"))
    }

    /// `notary pull` of a target of the collection, to the file `pulled`.
    pub(crate) fn pull(&self, name: &str) -> Command {
        let url = self.targets_url();
        self.user(&format!("pull acme/app {name} --targets-url {url} -o pulled"))
    }

    pub(crate) fn metadata_url(&self) -> String {
        format!("{}{BASE}", self.mirror.url())
    }

    pub(crate) fn targets_url(&self) -> String {
        format!("{}{TARGETS}", self.metadata_url())
    }

    /// A file of its directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.person.directory().join(name)
    }

    /// The files of `notary client`, but for its lock.
    pub(crate) fn stored(&self) -> Files {
        files_in(&self.path("metadata"))
    }

    /// The files of the user of the collection.
    pub(crate) fn users_stored(&self) -> Files {
        files_in(&self.path("trust/collections/acme/app/_trusted"))
    }

    /// The target files.
    pub(crate) fn downloaded(&self) -> Files {
        files_in(&self.path("targets"))
    }

    /// The names of the target files.
    pub(crate) fn downloaded_names(&self) -> Vec<String> {
        self.downloaded().into_keys().collect()
    }

    /// What `notary client` trusts: `root 2, snapshot 1`, in the order of the files' names.
    pub(crate) fn trusted(&self) -> String {
        let version = |(name, file): (&String, &Vec<u8>)| {
            let role = name.strip_suffix(".json")?;
            let file: Value = serde_json::from_slice(file).expect("it is trusted");
            Some(format!("{role} {}", file["signed"]["version"]))
        };
        self.stored().iter().filter_map(version).collect::<Vec<_>>().join(", ")
    }

    /// Has the mirror serve this, and nothing else.
    pub(crate) fn meets(&self, served: &Served) {
        self.mirror.serve(BASE, served);
    }

    /// Answers the requests of one file so.
    pub(crate) fn answer(&self, name: &str, reply: Reply) {
        self.mirror.answer(format!("{BASE}{name}"), reply);
    }

    /// The files that were asked for since the last call, as the requests name them.
    pub(crate) fn asked(&self) -> Vec<String> {
        let name = |path: String| path.strip_prefix(BASE).map(str::to_owned).unwrap_or(path);
        self.mirror.take_paths().into_iter().map(name).collect()
    }

    /// Waits until a file is asked for; forgets what was asked until then.
    pub(crate) fn wait_until_asked(&self, name: &str) {
        self.mirror.wait_until_asked(&format!("{BASE}{name}"));
    }
}

/// A client and the repository that it reads. The client is at hand as the scene itself.
pub(crate) struct Scene {
    pub(crate) repository: Repository,
    client: Client,
}

impl Deref for Scene {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Scene {
    /// A client that starts with the first root of [`Repository::sample`]; `edit` changes the
    /// repository before it is published.
    pub(crate) fn with(edit: impl FnOnce(&mut Repository)) -> Scene {
        let mut repository = Repository::sample();
        edit(&mut repository);
        repository.publish(real_time(), |_, _| {});
        let client = Client::pinned(repository.root(1));
        let scene = Scene { repository, client };
        scene.mend();
        scene
    }

    /// A client that starts with the first root of a repository without a mistake.
    pub(crate) fn new() -> Scene {
        Scene::with(|_| {})
    }

    /// A client that has refreshed.
    pub(crate) fn refreshed() -> Scene {
        let scene = Scene::new();
        scene.refresh().done();
        scene.asked();
        scene
    }

    /// A client that has refreshed, and looked up `docs/guide.txt`.
    pub(crate) fn looked_up() -> Scene {
        let scene = Scene::refreshed();
        scene.download(&["docs/guide.txt"]).done();
        fs::remove_dir_all(scene.path("targets")).expect("the target is there");
        scene.asked();
        scene
    }

    /// Publishes what was edited.
    pub(crate) fn publish(&mut self) {
        self.publish_with(|_, _| {});
    }

    /// Publishes what was edited; `edit` makes mistakes at each stage.
    pub(crate) fn publish_with(&mut self, edit: impl FnMut(Stage, &mut Repository)) {
        self.repository.publish(self.client.clock.now(), edit);
        self.mend();
    }

    /// Publishes new versions of these roles, of snapshot and timestamp.
    pub(crate) fn publish_anew(&mut self, roles: &[&str]) {
        for role in roles {
            self.repository.edit(role);
        }
        self.publish();
    }

    /// Publishes a new root and nothing else.
    pub(crate) fn publish_root(&mut self) {
        self.repository.publish_root(self.client.clock.now());
        self.mend();
    }

    /// Has the mirror serve what was published, and nothing else.
    pub(crate) fn mend(&self) {
        self.meets(&self.repository.everything());
    }

    /// Serves this file under this name.
    pub(crate) fn put(&self, name: &str, file: impl Into<Vec<u8>>) {
        self.answer(name, Reply::file(file.into()));
    }

    /// Signs a role as it stands, and serves it under this name.
    pub(crate) fn put_role(&mut self, role: &str, name: &str) {
        let file = self.repository.part(role).file();
        self.put(name, file);
    }

    /// Days go by.
    pub(crate) fn days_later(&self, days: i64) {
        self.clock.advance(TimeDelta::days(days));
    }
}

/// Starts a command beside the test; nobody reads what it prints.
pub(crate) fn start(mut command: Command) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("cargo built it")
}

/// The files of a directory, but for a lock.
fn files_in(directory: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let entry = entry.expect("our own directory");
        let name = entry.file_name().into_string().expect("a plain name");
        if name != ".lock" {
            files.insert(name, fs::read(entry.path()).expect("our own file"));
        }
    }
    files
}
