//! The programs under test: those of this tree, as the wrappers of this package.

use std::path::PathBuf;
use std::process::Command;

/// A program that a world starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// notary-server.
    Server,
    /// notary-signer.
    Signer,
    /// The command line `notary`.
    Notary,
}

impl Program {
    /// Its name in messages and logs.
    pub fn name(self) -> &'static str {
        match self {
            Program::Server => "e2e-server",
            Program::Signer => "e2e-signer",
            Program::Notary => "e2e-notary",
        }
    }

    /// A command that starts it without anything of the environment that could change what it does.
    pub fn command(self) -> Command {
        clean(Command::new(self.path()))
    }

    /// Cargo builds the programs of a package before its tests, beside the folder of the tests.
    pub(super) fn path(self) -> PathBuf {
        let test = std::env::current_exe().expect("a test is a program");
        let folder = test.parent().and_then(|deps| deps.parent()).expect("target/PROFILE/deps");
        folder.join(self.name())
    }
}

/// Takes out of the environment of a command what could change what our programs do.
pub(super) fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("NOTARY_") || text.starts_with("E2E_") || text.contains("proxy") {
            command.env_remove(&name);
        }
    }
    command
}
