//! python-tuf's client.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde_json::json;

use super::Question;
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
        writeln!(self.questions, "{line}").expect("python reads questions");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("python answers");
        let answers: Vec<(String, Answer)> =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        let verdict = |(name, answer)| match answer {
            Answer::Length(length) => (name, Ok(length)),
            Answer::Error(error) => (name, Err(error)),
        };
        answers.into_iter().map(verdict).collect()
    }
}

impl Drop for NgClient {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
