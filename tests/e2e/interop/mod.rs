//! Do other clients read what we read, and refuse what we refuse?
//!
//! Every pitfall is put to python-tuf and to tough. Where one of them differs from us, the case
//! stands in `tests/interop/deviations.toml` with its error and why ours is right; a difference that
//! is not listed is red, and so is a listed one that is no longer there.

mod deviations;
mod served;

use std::path::Path;

use notary_tests::agent::Verdict;
use notary_tests::judge::{self, NgClient, Question};
use notary_tests::mirror::Mirror;
use tempfile::TempDir;

use crate::pitfalls::{self, Case};

/// Writes the collection of each case into a folder of its own, named by its place in the table.
fn written(cases: &[Case]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (n, case) in cases.iter().enumerate() {
        let folder = directory.path().join(n.to_string());
        std::fs::create_dir(&folder).expect("a new folder");
        for (name, bytes) in case.collection.files() {
            std::fs::write(folder.join(name), bytes).expect("a new file");
        }
    }
    directory
}

/// One question for each case; `base` is the URL of the folder that [`written`] made.
fn questions(cases: &[Case], directory: &Path, base: &str) -> Vec<Question> {
    let question = |(n, case): (usize, &Case)| Question {
        root: std::fs::read(directory.join(format!("{n}/1.root.json"))).expect("it was written"),
        metadata_url: format!("{base}/{n}/"),
        names: case.collection.target_names(),
        targets_url: None,
    };
    cases.iter().enumerate().map(question).collect()
}

#[test]
fn python_tuf_differs_from_us_only_where_it_is_listed() {
    let cases = pitfalls::table();
    let directory = written(&cases);
    let mirror = Mirror::of(directory.path());
    let mut client = NgClient::start();
    let questions = questions(&cases, directory.path(), mirror.url().trim_end_matches('/'));
    let verdicts: Vec<Verdict> = questions.iter().map(|question| client.ask(question)).collect();
    deviations::check("python-tuf", &cases, &verdicts);
}

/// Over files, because it waits 100 ms for each file that it gets over HTTP.
#[test]
fn tough_differs_from_us_only_where_it_is_listed() {
    let cases = pitfalls::table();
    let directory = written(&cases);
    let base = format!("file://{}", directory.path().display());
    let verdicts: Vec<Verdict> =
        questions(&cases, directory.path(), &base).iter().map(judge::tough).collect();
    deviations::check("tough", &cases, &verdicts);
}
