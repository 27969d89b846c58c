//! A client, the repository that it reads, and the mirror between them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use notary_tests::hand::Files;
use notary_tests::mirror::{Mirror, Reply};
use notary_tests::world::Program;
use notary_tests::wrapper::PEAK_VARIABLE;
use tempfile::TempDir;

use super::repository::Repository;

/// Where the collection of `notary lookup` is.
pub(super) const COLLECTION: &str = "v2/acme/app/_trust/tuf/";

/// Where the mirror has metadata, and where targets.
const PLACES: (&str, &str) = ("metadata/", "targets/");

/// A client of a repository behind a mirror.
pub(super) struct Scene {
    pub(super) repository: Repository,
    pub(super) mirror: Mirror,
    directory: TempDir,
}

impl Scene {
    /// A client that starts with the first root of this repository.
    pub(super) fn of(repository: Repository) -> Scene {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let scene = Scene { repository, mirror: Mirror::start(), directory };
        std::fs::write(scene.path("root"), scene.repository.first_root()).expect("our own");
        scene.client(&["init", &scene.place("root")]).done();
        scene.publish();
        scene
    }

    /// A client that starts with the first root of a repository without a mistake.
    pub(super) fn new() -> Scene {
        Scene::of(Repository::new())
    }

    /// A client that has refreshed, and looked up `docs/guide.txt`.
    pub(super) fn refreshed() -> Scene {
        let scene = Scene::new();
        scene.download(&["docs/guide.txt"]).done();
        std::fs::remove_dir_all(scene.path("targets")).expect("the target is there");
        scene.mirror.take_asked();
        scene
    }

    /// Has the mirror serve what the repository is now.
    pub(super) fn publish(&self) {
        let (metadata, targets) = PLACES;
        let files = self.repository.metadata();
        self.mirror.serve(metadata, &files);
        self.mirror.serve(COLLECTION, &files);
        self.mirror.serve(targets, &self.repository.targets());
    }

    /// Answers the requests of one metadata file so.
    pub(super) fn answer(&self, name: &str, reply: Reply) {
        self.mirror.answer(format!("{}{name}", PLACES.0), reply.clone());
        self.mirror.answer(format!("{COLLECTION}{name}"), reply);
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn place(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `notary client …` with the directory of the client.
    pub(super) fn client(&self, arguments: &[&str]) -> Run {
        self.run(self.client_command(arguments))
    }

    pub(super) fn client_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.notary(&["client", "--metadata-dir", &self.place("metadata")]);
        command.args(arguments);
        command
    }

    pub(super) fn refresh(&self) -> Run {
        self.run(self.refresh_command())
    }

    pub(super) fn refresh_command(&self) -> Command {
        self.client_command(&["--metadata-url", &self.metadata_url(), "refresh"])
    }

    /// A refresh that does not wait long for what may get better.
    pub(super) fn impatient_refresh(&self) -> Run {
        let mut command = self.refresh_command();
        command.args(["--timeout", "3"]);
        self.run(command)
    }

    pub(super) fn download(&self, names: &[&str]) -> Run {
        self.run(self.download_command(names))
    }

    pub(super) fn download_command(&self, names: &[&str]) -> Command {
        let (metadata, targets) =
            (self.metadata_url(), format!("{}{}", self.mirror.url(), PLACES.1));
        let directory = self.place("targets");
        let mut command = self.client_command(&["--metadata-url", &metadata, "download"]);
        command.args(["--target-base-url", &targets, "--target-dir", &directory]);
        for name in names {
            command.args(["--target-name", name]);
        }
        command
    }

    /// `notary …` of a user who reads the collection `acme/app` from the mirror.
    pub(super) fn user(&self, arguments: &[&str]) -> Command {
        let mut command = self.notary(arguments);
        command.args(["--server", &self.mirror.url(), "--trust-dir", &self.place("trust")]);
        command
    }

    /// Has the user trust the first root.
    pub(super) fn pin(&self) {
        self.run(self.user(&["trust", "add", "acme/app", "--root", &self.place("root")])).done();
    }

    pub(super) fn run(&self, mut command: Command) -> Run {
        let peak = self.path("peak");
        let _ = std::fs::remove_file(&peak);
        let output = command.env(PEAK_VARIABLE, &peak).output().expect("cargo built it");
        let peak = std::fs::read_to_string(peak).unwrap_or_default();
        let peak = peak.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
        Run { output, peak_mib: peak.unwrap_or_default() / 1024 }
    }

    /// The files of the client, but for its lock.
    pub(super) fn stored(&self) -> Files {
        stored(&self.path("metadata"))
    }

    /// The files of the user of the collection.
    pub(super) fn users_stored(&self) -> Files {
        stored(&self.path("trust/collections/acme/app/_trusted"))
    }

    /// The metadata files that were asked for since the last call.
    pub(super) fn asked(&self) -> Vec<String> {
        let below = |path: String| match path.strip_prefix(PLACES.0) {
            Some(name) => name.to_owned(),
            None => path.strip_prefix(COLLECTION).map(str::to_owned).unwrap_or(path),
        };
        self.mirror.take_paths().into_iter().map(below).collect()
    }

    fn metadata_url(&self) -> String {
        format!("{}{}", self.mirror.url(), PLACES.0)
    }

    fn notary(&self, arguments: &[&str]) -> Command {
        let mut command = Program::Notary.command();
        command.args(arguments).current_dir(self.directory.path()).stdin(Stdio::null());
        command.env("HOME", self.directory.path()).env("XDG_CONFIG_HOME", self.directory.path());
        command
    }
}

/// Starts a command beside the test; nobody reads what it prints.
pub(super) fn start(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("cargo built it")
}

/// The files of a directory of metadata.
pub(super) fn stored(directory: &Path) -> Files {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut files = BTreeMap::new();
    for entry in entries {
        let entry = entry.expect("our own directory");
        let name = entry.file_name().into_string().expect("a plain name");
        if name != ".lock" {
            files.insert(name, std::fs::read(entry.path()).expect("our own file"));
        }
    }
    files
}

/// What came of a run.
#[must_use]
pub(super) struct Run {
    output: Output,
    /// The most memory that it had, in MiB; 0 where it did not end by itself.
    pub(super) peak_mib: u64,
}

impl Run {
    /// Asserts that it did what it should.
    #[track_caller]
    pub(super) fn done(self) {
        assert_eq!(self.code(), Some(0), "{}", self.stderr());
    }

    /// Asserts that it was refused, with these words.
    #[track_caller]
    pub(super) fn refused(self, words: &str) {
        self.exits(1, words);
    }

    /// Asserts an exit code and words.
    #[track_caller]
    pub(super) fn exits(&self, code: i32, words: &str) {
        let said = self.stderr();
        assert_eq!(self.code(), Some(code), "{said}");
        assert!(said.contains(words), "{words:?} is not in {said}");
    }

    pub(super) fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    pub(super) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
