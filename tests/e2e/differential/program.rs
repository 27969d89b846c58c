//! `notary client` as a client: a process for each visit, over HTTP.

use std::fs;
use std::path::{Path, PathBuf};

use notary_tests::hand::Files;
use notary_tests::judge::{Answer, Decision, TARGETS, Visit, digests};
use notary_tests::recorder::{self, Recorder};
use notary_tests::world::{CLOCK_VARIABLE, Clock, Program};
use tempfile::TempDir;

/// A client that keeps its files in a directory.
pub(super) struct ProgramClient {
    directory: TempDir,
    clock: Clock,
    server: Recorder,
}

impl ProgramClient {
    pub(super) fn pinned(root: &[u8]) -> ProgramClient {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = Clock::new(directory.path());
        let client = ProgramClient { directory, clock, server: Recorder::start() };
        let file = client.directory.path().join("pinned.json");
        fs::write(&file, root).expect("a new file");
        let file = file.to_str().expect("temporary names are text");
        assert_eq!(client.run(&["init", file]), Ok(()));
        assert_eq!(client.server.requests(), [""; 0], "init makes no request");
        client
    }

    pub(super) fn metadata(&self) -> PathBuf {
        self.directory.path().join("metadata")
    }

    /// Refreshes, and downloads all names up to the first failure.
    pub(super) fn visit(&self, visit: &Visit) -> Answer {
        self.clock.advance(visit.now - self.clock.now());
        self.server.serve(visit.served.clone());
        let base = format!("{}{TARGETS}", self.server.url());
        let mut arguments = vec!["download", "--target-base-url", &base, "--target-dir", TARGETS];
        for name in &visit.names {
            arguments.extend(["--target-name", name]);
        }
        let decision = match self.run(&arguments) {
            Ok(()) => Decision::Done,
            Err(words) => Decision::Refused(words),
        };
        let mut requests = recorder::names(&self.server.requests());
        // A lower timestamp may come from a replica that lags behind: it is asked for once more.
        requests.dedup_by(|again, name| again == name && name == "timestamp.json");
        Answer { decision, requests, stored: digests(&self.stored()) }
    }

    /// What it has stored; target files below [`TARGETS`].
    pub(super) fn stored(&self) -> Files {
        let mut stored = read(&self.metadata());
        // Beside metadata there may be a lock.
        stored.retain(|name, _| name.ends_with(".json"));
        let targets = read(&self.directory.path().join(TARGETS));
        stored.extend(targets.into_iter().map(|(name, file)| (format!("{TARGETS}{name}"), file)));
        stored
    }

    fn run(&self, arguments: &[&str]) -> Result<(), String> {
        let mut command = Program::Notary.command();
        command.current_dir(self.directory.path()).env(CLOCK_VARIABLE, self.clock.file());
        // No configuration of whoever runs the tests.
        command.env("HOME", self.directory.path()).env("XDG_CONFIG_HOME", self.directory.path());
        command.args(["client", "--metadata-dir", "metadata", "--metadata-url"]);
        let output = command.arg(self.server.url()).args(arguments).output().expect("it starts");
        match output.status.code() {
            Some(0) => Ok(()),
            Some(1) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            _ => panic!("a client ends in 0 or 1: {output:?}"),
        }
    }
}

fn read(directory: &Path) -> Files {
    let Ok(entries) = fs::read_dir(directory) else { return Files::new() };
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.expect("the client's directory");
        let name = entry.file_name().into_string().expect("names are encoded");
        (name, fs::read(entry.path()).expect("the client's file"))
    };
    entries.map(read).collect()
}
