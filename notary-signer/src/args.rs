//! The command line, and which exit code says what.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgGroup, Args, Parser, Subcommand};
use notary_schema::name::{Gun, Incarnation, KeyId, Version};
use notary_schema::online::OnlineRole;

use crate::Parts;
use crate::commands::memory::MemoryError;
use crate::commands::{self, Change, CommandError, Output};
use crate::config::{Config, ConfigError, DEFAULT_PATH};
use crate::panics;
use crate::pki::{self, PkiError, Usage};
use crate::startup::{self, Cause, StartError};
use crate::tls;

/// Holds the online keys of TUF collections and signs snapshot and timestamp, within limits.
#[derive(Debug, Parser)]
#[command(name = "notary-signer", version, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers the server until SIGTERM or SIGINT
    Serve {
        #[command(flatten)]
        config: ConfigFile,
        /// Where to write the address once the service listens
        #[arg(long, value_name = "FILE")]
        address_file: Option<PathBuf>,
    },
    /// Looks at configuration, certificates and keys; exit 1 when something is wrong
    Check {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        form: Form,
    },
    /// A small certificate authority for the TLS between server and signer
    #[command(subcommand)]
    Pki(PkiCommand),
    /// The online keys
    #[command(subcommand)]
    Key(KeyCommand),
    /// What was signed last
    #[command(subcommand)]
    Memory(MemoryCommand),
}

#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration
    #[arg(long = "config", value_name = "FILE", default_value = DEFAULT_PATH)]
    path: PathBuf,
}

#[derive(Debug, Args)]
struct Form {
    /// One JSON document instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum PkiCommand {
    /// Makes DIR/ca.pem and DIR/ca.key
    Init {
        /// The directory of the authority
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Makes DIR/NAME.pem and DIR/NAME.key; without --server and --client it is for both
    Issue {
        /// The directory of the authority
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The name of the files, and the owner in the certificate
        name: String,
        /// For a server of these host names and addresses [localhost and 127.0.0.1]
        #[arg(long, value_name = "HOST", num_args = 0..)]
        server: Option<Vec<String>>,
        /// For a client
        #[arg(long)]
        client: bool,
    },
}

#[derive(Debug, Subcommand)]
enum KeyCommand {
    /// Every key, oldest first
    List {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        form: Form,
    },
    /// Lets a key sign nothing any more; `restore` undoes it
    Retire {
        keyid: KeyId,
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Gives a retired key its state back
    Restore {
        keyid: KeyId,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Subcommand)]
enum MemoryCommand {
    /// Version, digest and time of each role of a collection
    Show {
        /// The collection
        #[arg(long)]
        gun: Gun,
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        form: Form,
    },
    /// Puts something else in the place of what was signed last; the service must be stopped
    Set {
        #[command(flatten)]
        wish: Wish,
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        form: Form,
    },
}

/// What a memory is to be set to.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).multiple(true))]
pub(crate) struct Wish {
    /// The collection
    #[arg(long)]
    pub(crate) gun: Gun,
    /// Its life, where the signer knows several [the only one]
    #[arg(long, value_name = "ID")]
    pub(crate) incarnation: Option<Incarnation>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
    /// A snapshot or timestamp that counts as signed last; one of each
    #[arg(long = "file", value_name = "FILE", group = "what")]
    pub(crate) files: Vec<PathBuf>,
    /// The same snapshot as this version
    #[arg(long, value_name = "N", value_parser = Version::parse, group = "what")]
    pub(crate) snapshot_version: Option<Version>,
    /// The same timestamp as this version
    #[arg(long, value_name = "N", value_parser = Version::parse, group = "what")]
    pub(crate) timestamp_version: Option<Version>,
    /// Says that what is remembered of a role at this version is given up
    #[arg(long, value_name = "ROLE=VERSION", value_parser = parse_forget)]
    pub(crate) forget: Vec<(OnlineRole, Version)>,
    /// The higher of what is remembered and what is served, and a gap: this signer is a backup
    #[arg(
        long, group = "what", requires = "root", requires = "from",
        conflicts_with_all = ["files", "snapshot_version", "timestamp_version", "forget"]
    )]
    pub(crate) after_restore: bool,
    /// A root of the collection that you trust
    #[arg(long, value_name = "FILE", requires = "after_restore")]
    pub(crate) root: Option<PathBuf>,
    /// What the server serves now, as `notary export` writes it
    #[arg(long, value_name = "DIR", requires = "after_restore")]
    pub(crate) from: Option<PathBuf>,
}

fn parse_forget(text: &str) -> Result<(OnlineRole, Version), String> {
    let (role, version) = text.split_once('=').unwrap_or((text, ""));
    let role = match role {
        "snapshot" => OnlineRole::Snapshot,
        "timestamp" => OnlineRole::Timestamp,
        _ => return Err("write snapshot=VERSION or timestamp=VERSION".to_owned()),
    };
    Ok((role, Version::parse(version).map_err(|error| error.to_string())?))
}

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
            let config = Config::load(&config.path)?;
            startup::serve(&config, address_file.as_deref(), parts)?;
            Ok(Output::default())
        }
        Command::Check { config, form } => Ok(commands::check(&config.path, now, form.json)),
        Command::Pki(PkiCommand::Init { directory }) => {
            pki::init(&directory, now)?;
            Ok(Output::default())
        }
        Command::Pki(PkiCommand::Issue { directory, name, server, client }) => {
            let usage = match (server, client) {
                (None, false) => Usage { server: Some(Vec::new()), client: true },
                (server, client) => Usage { server, client },
            };
            pki::issue(&directory, &name, &usage, now)?;
            Ok(Output::default())
        }
        Command::Key(KeyCommand::List { config, form }) => {
            commands::list_keys(&Config::load(&config.path)?, form.json)
        }
        Command::Key(KeyCommand::Retire { keyid, config }) => {
            commands::change_key(&Config::load(&config.path)?, &keyid, Change::Retire, now)
        }
        Command::Key(KeyCommand::Restore { keyid, config }) => {
            commands::change_key(&Config::load(&config.path)?, &keyid, Change::Restore, now)
        }
        Command::Memory(MemoryCommand::Show { gun, config, form }) => {
            commands::memory::show(&Config::load(&config.path)?, &gun, form.json)
        }
        Command::Memory(MemoryCommand::Set { wish, config, form }) => {
            commands::memory::set(&Config::load(&config.path)?, &wish, form.json, now)
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
            | Cause::Key(_)
            | Cause::Listen { .. }
            | Cause::AddressFile { .. } => exit::LOCAL_STATE,
        },
        CommandError::Config(error) => config_code(error),
        CommandError::Pki(PkiError::Name(_) | PkiError::Certificate(_)) => exit::USAGE,
        CommandError::Pki(_) | CommandError::Store(_) => exit::LOCAL_STATE,
        CommandError::UnknownKey(_) => exit::NOT_FOUND,
        CommandError::Unchanged { .. } => exit::REFUSED,
        CommandError::Memory(error) => match error {
            MemoryError::NothingSigned(_) | MemoryError::UnknownLife(_) => exit::NOT_FOUND,
            MemoryError::SeveralLives { .. } | MemoryError::Twice(_) => exit::USAGE,
            MemoryError::Read { .. } => exit::LOCAL_STATE,
            MemoryError::Unreadable { .. }
            | MemoryError::NotVerified(_)
            | MemoryError::OtherCollection { .. }
            | MemoryError::Refused(_) => exit::REFUSED,
        },
    }
}

fn config_code(error: &ConfigError) -> u8 {
    match error {
        ConfigError::Parse { .. } => exit::USAGE,
        ConfigError::Read { .. } | ConfigError::NoPassphrase => exit::LOCAL_STATE,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn hosts_follow_server_and_may_be_left_out() {
        let parse = |line: &str| match CommandLine::try_parse_from(line.split(' ')).unwrap().command
        {
            Command::Pki(PkiCommand::Issue { server, client, .. }) => (server, client),
            other => panic!("{other:?}"),
        };
        assert_eq!(parse("x pki issue d n"), (None, false));
        assert_eq!(parse("x pki issue d n --server"), (Some(vec![]), false));
        assert_eq!(parse("x pki issue d n --client"), (None, true));
        let both = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(parse("x pki issue d n --server a b --client"), (both, true));
    }
}
