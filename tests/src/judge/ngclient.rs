//! python-tuf's client.

use serde::Deserialize;
use serde_json::json;

use super::Question;
use crate::agent::Verdict;
use crate::python;

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Length(u64),
    Error(String),
}

/// What `tuf.ngclient` answers to each question, each with a new client.
pub fn ngclient(questions: &[Question]) -> Vec<Verdict> {
    let ask = |question: &Question| {
        let root = hex::encode(&question.root);
        let (url, names) = (&question.metadata_url, &question.names);
        json!({"root": root, "metadata_url": url, "names": names}).to_string() + "\n"
    };
    let answers = python::run("ngclient.py", &[], &questions.iter().map(ask).collect::<String>());
    let read = |line: &str| -> Verdict {
        let answers: Vec<(String, Answer)> = serde_json::from_str(line).expect("a line of answers");
        let verdict = |(name, answer)| match answer {
            Answer::Length(length) => (name, Ok(length)),
            Answer::Error(error) => (name, Err(error)),
        };
        answers.into_iter().map(verdict).collect()
    };
    answers.lines().map(read).collect()
}
