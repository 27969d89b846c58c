//! What tests of several stores share.

use std::ffi::OsStr;
use std::process::Command;

/// Runs a test again in a process of its own, with variables that libraries read from there; says
/// whether this is that run. The environment of a running process is never changed.
///
/// `test` is the path of the test in this crate; the first variable tells the two runs apart.
pub(super) fn is_run_with(test: &str, variables: &[(&str, &OsStr)]) -> bool {
    if std::env::var_os(variables[0].0).is_some() {
        return true;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", test, "--nocapture"]).envs(variables.iter().copied());
    let done = again.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
    false
}
