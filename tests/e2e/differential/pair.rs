//! Our client and python-tuf's beside each other, on one visit after another.

use std::fs;
use std::path::Path;

use notary_schema::name::RoleName;
use notary_schema::updater::local_name;
use notary_tests::agent::Agent;
use notary_tests::hand::Files;
use notary_tests::judge::{Answer, Decision, NgClient, TARGETS, Visit};
use tempfile::TempDir;

use super::mutations::{Stored, Who};
use super::program::ProgramClient;
use super::scenario::Moment;

/// Two clients that start from one root.
pub(super) struct Pair<'a> {
    ours: Ours,
    python: &'a mut NgClient,
    theirs: TempDir,
}

/// What of ours takes part.
enum Ours {
    /// `schema` alone.
    Library(Agent),
    /// The program, which downloads targets too.
    Program(ProgramClient),
}

/// What both did with one question.
#[derive(Debug)]
pub(super) struct Both {
    /// What was asked.
    pub(super) question: String,
    /// Whether it is the first of a visit.
    pub(super) begins: bool,
    pub(super) ours: Answer,
    pub(super) theirs: Answer,
}

impl Both {
    /// Whether the two decided alike; words of refusals do not count.
    pub(super) fn agree(&self) -> bool {
        match (&self.ours.decision, &self.theirs.decision) {
            (Decision::Refused(_), Decision::Refused(_)) => true,
            (ours, theirs) => ours == theirs,
        }
    }

    /// Whether both go on from the same files.
    pub(super) fn stored_alike(&self) -> bool {
        self.ours.stored == self.theirs.stored
    }

    /// Whether there was a new root and we went on from it.
    pub(super) fn took_a_root(&self) -> bool {
        self.ours.requests.iter().filter(|name| name.ends_with(".root.json")).count() > 1
    }

    /// Whether they did the same in all that can be seen.
    pub(super) fn are_alike(&self) -> bool {
        self.agree() && self.ours.requests == self.theirs.requests && self.stored_alike()
    }
}

impl<'a> Pair<'a> {
    /// python-tuf and one of ours.
    pub(super) fn new(who: Who, root: &[u8], python: &'a mut NgClient) -> Pair<'a> {
        let ours = match who {
            Who::Library => Ours::Library(Agent::pinned(root)),
            Who::Program => Ours::Program(ProgramClient::pinned(root)),
        };
        let theirs = copy_of(&ours.stored());
        Pair { ours, python, theirs }
    }

    /// One visit of both. Where they stored other files, python-tuf goes on with what we have stored,
    /// so that one difference is not reported for ever.
    pub(super) fn visit(&mut self, moment: &Moment) -> Vec<Both> {
        self.damage(moment);
        let metadata = self.theirs.path();
        let (ours, theirs) = match &mut self.ours {
            Ours::Library(agent) => {
                (agent.visit(&moment.visit), self.python.visit(&moment.visit, metadata, None))
            }
            Ours::Program(program) => {
                let targets = metadata.join(TARGETS);
                let theirs = self.python.visit(&moment.visit, metadata, Some(&targets));
                (vec![program.visit(&moment.visit)], theirs)
            }
        };
        let questions = self.questions(&moment.visit).enumerate();
        let both: Vec<Both> = questions
            .zip(ours.into_iter().zip(theirs))
            .map(|((n, question), (ours, theirs))| Both { question, begins: n == 0, ours, theirs })
            .collect();
        if !both.iter().all(Both::stored_alike) {
            self.theirs = copy_of(&self.ours.stored());
        }
        both
    }

    fn questions<'v>(&self, visit: &'v Visit) -> impl Iterator<Item = String> + use<'v> {
        let first = match self.ours {
            Ours::Library(_) => "refresh".to_owned(),
            Ours::Program(_) => format!("notary client download {:?}", visit.names),
        };
        std::iter::once(first).chain(visit.names.iter().map(|name| format!("look up {name:?}")))
    }

    fn damage(&mut self, moment: &Moment) {
        for (role, what) in &moment.damage {
            let name = local_name(&RoleName::parse(role).expect("a role of the repository"));
            // What a client does without a root is no question: a person has to mend it.
            if name == "root.json" || !self.ours.stored().contains_key(&name) {
                continue;
            }
            let garbled = (*what == Stored::Garbled).then_some("{");
            self.ours.put(&name, garbled);
            put(&self.theirs.path().join(&name), garbled);
        }
    }
}

impl Ours {
    /// What it has stored; target files below [`TARGETS`].
    fn stored(&self) -> Files {
        match self {
            Ours::Library(agent) => agent.stored().clone(),
            Ours::Program(program) => program.stored(),
        }
    }

    fn put(&mut self, name: &str, content: Option<&str>) {
        match self {
            Ours::Library(agent) => agent.put(name, content),
            Ours::Program(program) => put(&program.metadata().join(name), content),
        }
    }
}

/// Writes a stored file, or removes it.
fn put(file: &Path, content: Option<&str>) {
    match content {
        Some(content) => fs::write(file, content).expect("the client's directory"),
        None => fs::remove_file(file).expect("both have stored it"),
    }
}

fn copy_of(files: &Files) -> TempDir {
    let copy = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(copy.path().join(TARGETS)).expect("a new directory");
    for (name, file) in files {
        fs::write(copy.path().join(name), file).expect("a new directory");
    }
    copy
}
