//! Python with the reference implementation of TUF, as an independent judge.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::tree;

/// The interpreter that has `tests/requirements.txt`; the first call builds its environment.
pub fn interpreter() -> &'static PathBuf {
    static INTERPRETER: OnceLock<PathBuf> = OnceLock::new();
    INTERPRETER.get_or_init(|| {
        let script = tree::root().join("tests/python/venv");
        let output = Command::new(&script).stderr(Stdio::inherit()).output().expect("sh is there");
        assert!(output.status.success(), "{} failed; try tests/setup", script.display());
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end())
    })
}

/// Runs a script of `tests/python/` and answers what it printed.
///
/// # Panics
/// When the script fails; what it wrote to stderr stands in the test's output.
pub fn run(script: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(interpreter())
        .arg(tree::root().join("tests/python").join(script))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the interpreter starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()));
        child.wait_with_output().expect("the script ends")
    });
    assert!(output.status.success(), "{script} {arguments:?} failed");
    String::from_utf8(output.stdout).expect("the script prints UTF-8")
}
