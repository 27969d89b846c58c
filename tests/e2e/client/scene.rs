//! A client, a repository that is signed by hand and served over HTTP, and a clock.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use chrono::TimeDelta;
use notary_tests::hand::{HandKey, Repository, Stage};
use notary_tests::judge::{Response, Served, TARGETS};
use notary_tests::recorder::Recorder;
use notary_tests::world::{CLOCK_VARIABLE, Clock, Program};
use serde_json::{Value, json};
use tempfile::TempDir;

/// What a client trusts that has refreshed once.
pub(super) const FIRST: &str = "root 1, snapshot 1, targets 1, timestamp 1";

/// The key of a letter: the same letter is the same key.
pub(super) fn key(letter: char) -> HandKey {
    HandKey::ed25519(u8::try_from(letter).expect("an ASCII letter"))
}

/// The keys of some letters.
pub(super) fn keys(letters: &str) -> Vec<HandKey> {
    letters.chars().map(key).collect()
}

/// The key that a role has at first.
pub(super) fn first_key(role: &str) -> HandKey {
    key(match role {
        "root" => 'R',
        "targets" => 'T',
        "snapshot" => 'S',
        "timestamp" => 'C',
        _ => 'D',
    })
}

/// A client before a repository. It starts with the first root.
pub(super) struct Scene {
    pub(super) repository: Repository,
    /// What is served; a publish begins it anew.
    pub(super) served: Served,
    pub(super) clock: Clock,
    server: Recorder,
    directory: TempDir,
}

impl Scene {
    /// A repository of which the first root is published and nothing else; `edit` changes it before.
    pub(super) fn with(edit: impl FnOnce(&mut Repository)) -> Scene {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Clock::new(directory.path());
        let mut repository = Repository::new(|role| (vec![first_key(role)], 1));
        edit(&mut repository);
        repository.publish_root(clock.now());
        let server = Recorder::start();
        let scene = Scene { repository, served: Served::default(), clock, server, directory };
        let root = scene.path("first-root");
        std::fs::write(&root, scene.repository.root(1)).expect("ours");
        scene.client(&["init", &root.display().to_string()]).done();
        scene
    }

    /// A repository with all its files, of which the client has only the first root.
    pub(super) fn new() -> Scene {
        let mut scene = Scene::with(|_| {});
        scene.publish();
        scene
    }

    /// A client that has refreshed.
    pub(super) fn refreshed() -> Scene {
        let scene = Scene::new();
        scene.refresh().done();
        scene.asked();
        scene
    }

    /// Publishes what was edited.
    pub(super) fn publish(&mut self) {
        self.publish_with(|_, _| {});
    }

    /// Publishes what was edited; `edit` makes mistakes at each stage.
    pub(super) fn publish_with(&mut self, edit: impl FnMut(Stage, &mut Repository)) {
        let now = self.clock.now();
        self.repository.publish(now, edit);
        self.served = self.repository.everything();
    }

    /// Publishes new versions of these roles, of snapshot and timestamp.
    pub(super) fn publish_anew(&mut self, roles: &[&str]) {
        for role in roles {
            self.repository.edit(role);
        }
        self.publish();
    }

    /// Serves this file under this name.
    pub(super) fn put(&mut self, name: &str, file: impl Into<Vec<u8>>) {
        self.served.set(name, Response::File(file.into()));
    }

    /// Signs a role as it stands, and serves it under this name.
    pub(super) fn put_role(&mut self, role: &str, name: &str) {
        let file = self.repository.part(role).file();
        self.put(name, file);
    }

    /// What is served under a name.
    pub(super) fn file(&self, name: &str) -> Vec<u8> {
        self.served.file(name).unwrap_or_else(|| panic!("{name} is not served"))
    }

    /// Days go by.
    pub(super) fn days_later(&self, days: i64) {
        self.clock.advance(TimeDelta::days(days));
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn refresh(&self) -> Outcome {
        self.client(&["--metadata-url", &self.server.url(), "refresh"])
    }

    pub(super) fn download(&self, names: &[&str]) -> Outcome {
        let (metadata, targets) = (self.server.url(), format!("{}{TARGETS}", self.server.url()));
        let directory = self.path("targets").display().to_string();
        let mut arguments = vec!["--metadata-url", &metadata, "download"];
        arguments.extend(["--target-base-url", &targets, "--target-dir", &directory]);
        arguments.extend(names.iter().flat_map(|name| ["--target-name", name]));
        self.client(&arguments)
    }

    fn client(&self, arguments: &[&str]) -> Outcome {
        let mut command: Command = Program::Notary.command();
        command.arg("client").arg("--metadata-dir").arg(self.path("metadata")).args(arguments);
        command.current_dir(self.directory.path()).env(CLOCK_VARIABLE, self.clock.file());
        command.env("HOME", self.directory.path()).env("XDG_CONFIG_HOME", self.directory.path());
        self.server.serve(self.served.clone());
        Outcome(command.stdin(Stdio::null()).output().expect("cargo built it"))
    }

    /// The metadata files that were asked for since the last call.
    pub(super) fn asked(&self) -> Vec<String> {
        let mut requests = self.server.requests();
        requests.retain(|path| !path.starts_with(TARGETS));
        requests
    }

    /// A file of the client's metadata directory.
    pub(super) fn stored(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.path("metadata").join(name)).ok()
    }

    /// What the client trusts: `root 2, snapshot 1`, in the order of the files' names.
    pub(super) fn trusted(&self) -> String {
        let version = |name: String| {
            let role = name.strip_suffix(".json")?;
            let file: Value = serde_json::from_slice(&self.stored(&name)?).expect("it is trusted");
            Some(format!("{role} {}", file["signed"]["version"]))
        };
        let trusted: Vec<String> =
            names(&self.path("metadata")).into_iter().filter_map(version).collect();
        trusted.join(", ")
    }

    /// The target files that the client has: their names and contents.
    pub(super) fn downloaded(&self) -> Vec<(String, Vec<u8>)> {
        let directory = self.path("targets");
        let file = |name: String| {
            let content = std::fs::read(directory.join(&name)).expect("ours");
            (name, content)
        };
        names(&directory).into_iter().map(file).collect()
    }
}

/// The names of the files in a directory, in their order.
fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let name = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.expect("ours").file_name().into_string().expect("a plain name")
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// A delegation of these paths.
pub(super) fn paths(paths: &[&str]) -> Value {
    json!({"paths": paths, "terminating": false})
}

/// What came of a run of `notary client`.
#[must_use]
pub(super) struct Outcome(Output);

impl Outcome {
    /// Asserts that it did what it should.
    #[track_caller]
    pub(super) fn done(&self) {
        self.is("", "");
    }

    /// Asserts that it was refused with these words; with no words, that it was done. `row` names
    /// the case.
    #[track_caller]
    pub(super) fn is(&self, words: &str, row: &str) {
        let said = String::from_utf8_lossy(&self.0.stderr);
        let code = if words.is_empty() { 0 } else { 1 };
        assert_eq!(self.0.status.code(), Some(code), "{row}: {said}");
        assert!(said.contains(words), "{row}: {words:?} is not in {said}");
    }
}
