//! `notary client` as a client: a process for each visit, over HTTP.

use std::path::PathBuf;

use notary_tests::hand::Files;
use notary_tests::judge::{Answer, Decision, TARGETS, Visit, digests};
use notary_tests::mirror::decoded;

use crate::scene::Client;

/// A client that keeps its files in a directory.
pub(super) struct ProgramClient(Client);

impl ProgramClient {
    pub(super) fn pinned(root: &[u8]) -> ProgramClient {
        ProgramClient(Client::pinned(root))
    }

    pub(super) fn metadata(&self) -> PathBuf {
        self.0.path("metadata")
    }

    /// Refreshes, and downloads all names up to the first failure.
    pub(super) fn visit(&self, visit: &Visit) -> Answer {
        let client = &self.0;
        client.clock.advance(visit.now - client.clock.now());
        client.meets(&visit.served);
        let names: Vec<&str> = visit.names.iter().map(String::as_str).collect();
        let run = client.download(&names);
        let decision = match run.code() {
            0 => Decision::Done,
            1 => Decision::Refused(run.stderr().trim().to_owned()),
            _ => panic!("a client ends in 0 or 1: {run}"),
        };
        // Names of target files are encoded for the request alone.
        let name = |path: String| if path.starts_with(TARGETS) { decoded(&path) } else { path };
        let mut requests: Vec<String> = client.asked().into_iter().map(name).collect();
        // A lower timestamp may come from a replica that lags behind: it is asked for once more.
        requests.dedup_by(|again, name| again == name && name == "timestamp.json");
        Answer { decision, requests, stored: digests(&self.stored()) }
    }

    /// What it has stored; target files below [`TARGETS`].
    pub(super) fn stored(&self) -> Files {
        let targets = self.0.downloaded().into_iter();
        let targets = targets.map(|(name, file)| (format!("{TARGETS}{name}"), file));
        self.0.stored().into_iter().chain(targets).collect()
    }
}
