//! One server for each database, asked of the program itself.

use std::path::Path;
use std::process::{Command, Output};

use notary_server::store::ServeLock;

fn notary_server(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
    command.current_dir(directory).args(arguments).args(["--config", "server.toml"]);
    command.output().unwrap()
}

fn write_config(directory: &Path) {
    let config = include_str!("../../../config/server.toml");
    let beside = config.replace("#database = \"/var/lib/notary/", "database = \"");
    std::fs::write(directory.join("server.toml"), beside).unwrap();
}

#[test]
fn the_configuration_is_where_the_command_or_the_environment_says_or_in_the_usual_place() {
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path());
    let run = |arguments: &[&str], named: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notary-server"));
        command.current_dir(directory.path()).args(arguments);
        let output = command.env("NOTARY_SERVER_CONFIG", named).output().unwrap();
        (
            output.status.success(),
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap(),
        )
    };
    assert!(run(&["migrate"], "server.toml").0);
    assert!(run(&["migrate", "--config", "server.toml"], "none.toml").0);
    let (found, said) = run(&["migrate"], "none.toml");
    assert!(!found, "{said}");
    for named in ["none.toml", "--config", "NOTARY_SERVER_CONFIG"] {
        assert!(said.contains(named), "{said}");
    }
    // An empty one names none.
    let (_, said) = run(&["check"], "");
    assert!(said.contains("/etc/notary/server.toml"), "{said}");
    let (_, help) = run(&["fsck", "--help"], "server.toml");
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("[default: /etc/notary/server.toml]"), "{help}");
}

#[test]
fn a_second_server_on_one_database_is_refused_and_commands_work_beside_the_first() {
    let directory = tempfile::tempdir().unwrap();
    write_config(directory.path());
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
