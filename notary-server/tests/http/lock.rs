//! One server for each database, asked of the program itself.

use std::path::Path;
use std::process::{Command, Output};

use notary_server::store::ServeLock;

fn notary_server(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
    command.current_dir(directory).args(arguments).args(["--config", "server.toml"]);
    command.output().unwrap()
}

#[test]
fn a_second_server_on_one_database_is_refused_and_commands_work_beside_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let config = include_str!("../../../config/server.toml");
    std::fs::write(directory.path().join("server.toml"), config).unwrap();
    let first = ServeLock::take(&directory.path().join("server.sqlite")).unwrap();
    let second = notary_server(directory.path(), &["serve"]);
    let said = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success());
    assert!(said.contains("server.sqlite.lock is locked; stop it first"), "{said}");
    assert!(!directory.path().join("server.sqlite").exists(), "it made the database");
    for command in [&["migrate"][..], &["token", "list"]] {
        let beside = notary_server(directory.path(), command);
        assert!(beside.status.success(), "{command:?} {beside:?}");
    }
    drop(first);
    // It comes as far as the certificate of the signer, which is not there.
    let next = notary_server(directory.path(), &["serve"]);
    let said = String::from_utf8(next.stderr).unwrap();
    assert!(!next.status.success() && !said.contains("locked"), "{said}");
}
