//! python-tuf's client.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::{Answer as Seen, Question, Response, Visit};
use crate::agent::Verdict;
use crate::{python, tree};

/// A running python with `tuf.ngclient`, that answers question after question.
pub struct NgClient {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Length(u64),
    Error(String),
}

impl NgClient {
    /// Starts python.
    pub fn start() -> NgClient {
        let mut command = Command::new(python::interpreter());
        command.arg(tree::root().join("tests/python/ngclient.py"));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the interpreter starts");
        let questions = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        NgClient { child, questions, answers }
    }

    /// The answer of a new client.
    pub fn ask(&mut self, question: &Question) -> Verdict {
        self.ask_with(question, None)
    }

    /// The answer of the client that keeps its metadata in this directory.
    pub fn ask_again(&mut self, question: &Question, directory: &Path) -> Verdict {
        self.ask_with(question, Some(directory))
    }

    fn ask_with(&mut self, question: &Question, directory: Option<&Path>) -> Verdict {
        let line = json!({
            "root": hex::encode(&question.root),
            "metadata_url": question.metadata_url,
            "names": question.names,
            "targets_url": question.targets_url,
            "directory": directory,
        });
        let answers: Vec<(String, Answer)> = self.answer(&line);
        let verdict = |(name, answer)| match answer {
            Answer::Length(length) => (name, Ok(length)),
            Answer::Error(error) => (name, Err(error)),
        };
        answers.into_iter().map(verdict).collect()
    }

    /// What the client that keeps its metadata in this directory does on a visit: what is seen of
    /// the refresh, then of each look-up. A directory for targets makes one question of all: the
    /// refresh and the downloads of all names up to the first failure.
    pub fn visit(&mut self, visit: &Visit, directory: &Path, targets: Option<&Path>) -> Vec<Seen> {
        let (mut files, mut statuses) = (Map::new(), Map::new());
        for (name, response) in visit.served.iter() {
            match response {
                Response::File(file) => {
                    files.insert(name.clone(), BASE64_STANDARD.encode(file).into())
                }
                Response::Status(status) => statuses.insert(name.clone(), (*status).into()),
            };
        }
        self.answer(&json!({
            "now": visit.now.timestamp(),
            "files": files,
            "statuses": statuses,
            "names": visit.names,
            "directory": directory,
            "targets": targets,
        }))
    }

    fn answer<T: DeserializeOwned>(&mut self, question: &Value) -> T {
        writeln!(self.questions, "{question}").expect("python reads questions");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("python answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for NgClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
