//! Somebody with a trust directory, keys and an API token of their own, at a command line.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::program::clean;
use super::{CLOCK_VARIABLE, Clock, Program};
use crate::wrapper::PEAK_VARIABLE;

/// Protects the keys of every person.
const PASSPHRASE: &str = "correct horse battery staple";

/// A user of `notary`.
pub struct Person {
    directory: PathBuf,
    clock: Clock,
    environment: Vec<(&'static str, String)>,
}

impl Person {
    /// Somebody with this new directory, the environment of whose programs names this server.
    pub fn new(directory: PathBuf, clock: &Clock, server: &str, token: Option<&str>) -> Person {
        std::fs::create_dir(&directory).expect("nobody else has this name");
        let mut environment = vec![
            ("NOTARY_SERVER", server.to_owned()),
            ("NOTARY_TRUST_DIR", directory.join("trust").display().to_string()),
            ("NOTARY_PASSPHRASE", PASSPHRASE.to_owned()),
            // No configuration of whoever runs the tests.
            ("HOME", directory.display().to_string()),
            ("XDG_CONFIG_HOME", directory.display().to_string()),
        ];
        environment.extend(token.map(|token| ("NOTARY_TOKEN", token.to_owned())));
        Person { directory, clock: clock.clone(), environment }
    }

    /// Another machine of the same person, with copies of all their files.
    pub fn twin(&self, name: &str) -> Person {
        let directory = self.directory.with_file_name(name);
        copy(&self.directory, &directory);
        let old = self.directory.display().to_string();
        let moved = |(name, value): &(&'static str, String)| {
            (*name, value.replace(&old, &directory.display().to_string()))
        };
        let environment = self.environment.iter().map(moved).collect();
        Person { directory: directory.clone(), clock: self.clock.clone(), environment }
    }

    /// Their directory, in which commands run.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a file into their directory and answers its name.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.directory.join(name);
        let folder = path.parent().expect("it is in a directory");
        std::fs::create_dir_all(folder).expect("their own directory");
        std::fs::write(&path, content).expect("their own directory");
        name.to_owned()
    }

    /// A command of theirs; arguments may be added before [`Person::run`].
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Program::Notary.command();
        command.args(arguments.split_whitespace());
        self.surround(command)
    }

    /// A line of a shell of theirs, in which `notary` is the program under test, and those of the
    /// services are there with their configuration where they look for it.
    pub fn shell(&self, line: &str) -> Command {
        let programs = self.directory.with_file_name("bin");
        if !programs.exists() {
            std::fs::create_dir(&programs).expect("the world's directory");
            std::os::unix::fs::symlink(Program::Notary.path(), programs.join("notary"))
                .expect("a new link");
            for (name, program) in
                [("notary-signer", Program::Signer), ("notary-server", Program::Server)]
            {
                let config = programs.with_file_name(format!("{}.toml", program.name()));
                let program = program.path();
                let (program, config) = (program.display(), config.display());
                let script = format!("#!/bin/sh\nexec {program} \"$@\" --config {config}\n");
                write_program(&programs.join(name), &script);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(programs).chain(std::env::split_paths(&path));
        let path = std::env::join_paths(path).expect("the world has a plain name");
        let mut command = clean(Command::new("sh"));
        command.arg("-c").arg(line).env("PATH", path);
        self.surround(command)
    }

    fn surround(&self, mut command: Command) -> Command {
        command.current_dir(&self.directory).env(CLOCK_VARIABLE, self.clock.file());
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs `notary` with words that hold no white space.
    pub fn notary(&self, arguments: &str) -> Outcome {
        self.run(self.command(arguments))
    }

    /// A new key in the keyring of this person; answers its id.
    ///
    /// # Panics
    /// When it is not made.
    #[track_caller]
    pub fn new_key(&self) -> String {
        let key = self.notary("key generate --json").json();
        key["keyid"].as_str().expect("an id").to_owned()
    }

    /// Runs a command to its end, without a terminal.
    pub fn run(&self, mut command: Command) -> Outcome {
        let peak = self.directory.with_extension("peak");
        let _ = std::fs::remove_file(&peak);
        let output = command.env(PEAK_VARIABLE, &peak).stdin(Stdio::null()).output();
        let words = command.get_args().map(|word| word.to_string_lossy().into_owned());
        Outcome {
            command: words.collect::<Vec<_>>().join(" "),
            output: output.expect("cargo built it"),
            peak: std::fs::read_to_string(peak).ok(),
        }
    }
}

fn write_program(path: &Path, script: &str) {
    std::fs::write(path, script).expect("the world's directory");
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(path, mode).expect("their own file");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("nobody else has this name");
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry of it");
        let to = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(std::fs::copy(entry.path(), to).expect("a new file")),
        }
    }
}

/// What became of a command.
#[must_use]
pub struct Outcome {
    command: String,
    output: Output,
    peak: Option<String>,
}

impl Outcome {
    /// Its exit code.
    ///
    /// # Panics
    /// When it was ended by a signal.
    pub fn code(&self) -> i32 {
        self.output.status.code().unwrap_or_else(|| panic!("{self}"))
    }

    /// Whether a signal ended it.
    pub fn was_killed(&self) -> bool {
        self.output.status.code().is_none()
    }

    /// The most memory that `notary` had beside its own code, in MiB.
    ///
    /// # Panics
    /// When it did not end by itself.
    pub fn peak_mib(&self) -> u64 {
        let peak = self.peak.as_deref().unwrap_or_else(|| panic!("no peak of {self}"));
        peak.parse::<u64>().expect("a number of KiB") / 1024
    }

    /// What it printed.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// What it said beside.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// Asserts that it was done, and answers what it printed.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code(), 0, "{self}");
        self.stdout()
    }

    /// Asserts that it was done, and answers the document that it printed.
    #[track_caller]
    pub fn json(self) -> Value {
        assert_eq!(self.code(), 0, "{self}");
        serde_json::from_slice(&self.output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// Asserts an exit code, and answers what it said.
    #[track_caller]
    pub fn exits(self, code: i32) -> String {
        assert_eq!(self.code(), code, "{self}");
        self.stderr()
    }

    /// Asserts that it was refused with these words.
    #[track_caller]
    pub fn refused(self, words: &str) {
        self.fails(1, words);
    }

    /// Asserts an exit code and words.
    #[track_caller]
    pub fn fails(&self, code: i32, words: &str) {
        assert_eq!(self.code(), code, "{self}");
        assert!(self.stderr().contains(words), "{words:?} is not in {self}");
    }

    /// Asserts that it was refused with these words; without words, that it was done. `row` names the
    /// case.
    #[track_caller]
    pub fn is(self, words: &str, row: &str) {
        assert_eq!(self.code(), i32::from(!words.is_empty()), "{row}: {self}");
        assert!(self.stderr().contains(words), "{row}: {words:?} is not in {self}");
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (status, command) = (self.output.status, &self.command);
        write!(f, "notary {command}\n{status}\n{}{}", self.stdout(), self.stderr())
    }
}
