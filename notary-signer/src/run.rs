//! One run of the program: which command it is, and which exit code says what.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::Parts;
use crate::args::{
    AuditCommand, Command, CommandLine, KeyCommand, MemoryCommand, PkiCommand, StoreCommand,
};
use crate::commands::keys::Change;
use crate::commands::memory::MemoryError;
use crate::commands::{self, CommandError, Output};
use crate::config::{Config, ConfigError};
use crate::opening::OpenError;
use crate::panics;
use crate::pki::{PkiError, Usage};
use crate::startup::{self, Cause, StartError};
use crate::tls;

/// The shipped program: the system's clock, and no stop points.
pub fn main() -> ExitCode {
    run(Parts::system())
}

/// The program with another clock or with stop points, for tests.
pub fn run(parts: Parts) -> ExitCode {
    tls::install_provider();
    panics::install_hook();
    let command = match CommandLine::try_parse() {
        Ok(line) => line.command,
        Err(error) => {
            // Help is no mistake and goes to stdout; clap knows which is which.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::USAGE } else { exit::DONE });
        }
    };
    let mut stdout = std::io::stdout().lock();
    match execute(command, parts) {
        Ok(Output { text, good }) => match stdout.write_all(text.as_bytes()) {
            Ok(()) if good => ExitCode::from(exit::DONE),
            _ => ExitCode::from(exit::REFUSED),
        },
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::from(exit_code(&error))
        }
    }
}

fn execute(command: Command, parts: Parts) -> Result<Output, CommandError> {
    let now = (parts.clock)();
    match command {
        Command::Serve { config, address_file } => {
            let config = Config::load(&config.path())?;
            startup::serve(&config, address_file.as_deref(), parts)?;
            Ok(Output::default())
        }
        Command::Check { config, form } => Ok(commands::check::run(&config.path(), now, form.json)),
        Command::Backup { to, config, form } => {
            commands::backup::run(&Config::load(&config.path())?, &to, form.json)
        }
        Command::Pki(PkiCommand::Init { directory }) => {
            commands::certificates::init(&directory, now)
        }
        Command::Pki(PkiCommand::Issue { directory, name, server, client }) => {
            let usage = match (server, client) {
                (None, false) => Usage { server: Some(Vec::new()), client: true },
                (server, client) => Usage { server, client },
            };
            commands::certificates::issue(&directory, &name, &usage, now)
        }
        Command::Pki(PkiCommand::Revoke { directory, name }) => {
            Ok(commands::certificates::revoke(&directory, &name, now)?)
        }
        Command::Key(KeyCommand::List { config, form }) => {
            commands::keys::list(&Config::load(&config.path())?, form.json)
        }
        Command::Key(KeyCommand::Retire { keyid, config }) => {
            commands::keys::change(&Config::load(&config.path())?, &keyid, Change::Retire, now)
        }
        Command::Key(KeyCommand::Restore { keyid, config }) => {
            commands::keys::change(&Config::load(&config.path())?, &keyid, Change::Restore, now)
        }
        Command::Memory(MemoryCommand::Show { gun, config, form }) => {
            commands::memory::show(&Config::load(&config.path())?, &gun, form.json)
        }
        Command::Memory(MemoryCommand::Set { wish, config, form }) => {
            commands::memory::set(&Config::load(&config.path())?, &wish, form.json, now)
        }
        Command::Memory(MemoryCommand::Moved { reason, config }) => {
            commands::moved::run(&Config::load(&config.path())?, &reason, now)
        }
        Command::Store(StoreCommand::Wrap { passphrase_file, config }) => {
            let config = Config::load(&config.path())?;
            commands::store::wrap(&config, passphrase_file.as_deref(), now)
        }
        Command::Audit(AuditCommand::Tail(wish)) => {
            let config = Config::load(&wish.config.path())?;
            commands::audit::tail(&config, &wish, &mut std::io::stdout().lock())?;
            Ok(Output::default())
        }
        Command::Audit(AuditCommand::Verify { noted, config, form }) => {
            commands::audit::verify(&Config::load(&config.path())?, &noted, form.json)
        }
        Command::Audit(AuditCommand::Seal { config, form }) => {
            commands::audit::seal(&Config::load(&config.path())?, now, form.json)
        }
    }
}

/// The codes of all programs of the project, as far as they occur here.
mod exit {
    pub(super) const DONE: u8 = 0;
    pub(super) const REFUSED: u8 = 1;
    pub(super) const USAGE: u8 = 2;
    pub(super) const NOT_FOUND: u8 = 5;
    pub(super) const LOCAL_STATE: u8 = 8;
}

fn exit_code(error: &CommandError) -> u8 {
    match error {
        CommandError::Start(StartError(cause)) => match cause {
            Cause::Config(error) => config_code(error),
            Cause::Log { .. } => exit::USAGE,
            Cause::Run(_) => exit::REFUSED,
            Cause::Tls(_)
            | Cause::Store(_)
            | Cause::Opening(_)
            | Cause::Listen { .. }
            | Cause::AddressFile { .. } => exit::LOCAL_STATE,
        },
        CommandError::Config(error) => config_code(error),
        CommandError::Pki(PkiError::Name(_) | PkiError::Certificate(_)) => exit::USAGE,
        CommandError::Pki(PkiError::NotOurs(_)) => exit::REFUSED,
        CommandError::Opening(OpenError::NoWrapper) => exit::USAGE,
        CommandError::Pki(_)
        | CommandError::Store(_)
        | CommandError::Seal(_)
        | CommandError::Opening(_)
        | CommandError::IsThere(_)
        | CommandError::NoStore => exit::LOCAL_STATE,
        CommandError::Print(_) => exit::REFUSED,
        CommandError::UnknownKey(_) => exit::NOT_FOUND,
        CommandError::Unchanged { .. } => exit::REFUSED,
        CommandError::Memory(error) => match error {
            MemoryError::NothingSigned(_) | MemoryError::UnknownLife(_) => exit::NOT_FOUND,
            MemoryError::SeveralLives { .. } | MemoryError::Twice(_) => exit::USAGE,
            MemoryError::Read { .. } => exit::LOCAL_STATE,
            MemoryError::Unreadable { .. }
            | MemoryError::Remembered(_)
            | MemoryError::NotVerified(_)
            | MemoryError::OtherCollection { .. }
            | MemoryError::Refused(_) => exit::REFUSED,
        },
    }
}

fn config_code(error: &ConfigError) -> u8 {
    match error {
        ConfigError::Parse { .. } | ConfigError::NotInThisBuild(_) => exit::USAGE,
        ConfigError::Absent { .. } | ConfigError::Read { .. } | ConfigError::NoPassphrase => {
            exit::LOCAL_STATE
        }
    }
}
