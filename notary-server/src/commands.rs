//! The command line: `serve`, `check`, `fsck`, `backup`, `restore`, `migrate`, `token`.

mod backup;
mod check;
mod copied;
pub mod fsck;
mod restore;
mod token;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Parser, Subcommand};

use crate::config::{CONFIG_VARIABLE, Config, DEFAULT_PATH};
use crate::service::Service;
use crate::signer_client::HttpSigner;
use crate::startup::serve;
use crate::store::{Database, ServeLock};
use crate::{Parts, telemetry};

/// Connections for reading: more than cores only wait for each other.
const READERS_PER_CORE: usize = 2;

/// Serves and publishes TUF metadata.
#[derive(Debug, Parser)]
#[command(name = "notary-server", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until stopped by SIGTERM or SIGINT
    Serve {
        #[command(flatten)]
        config: ConfigFile,
        /// Write the address here once it is listened to
        #[arg(long, value_name = "FILE")]
        address_file: Option<PathBuf>,
    },
    /// Check configuration, database, certificates and the signer
    Check {
        #[command(flatten)]
        config: ConfigFile,
        /// Also ask the signer for what it must refuse, with the server's own certificate
        #[arg(long)]
        probe: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Verify everything that is stored, from the first root on; also beside a running server
    Fsck {
        #[command(flatten)]
        config: ConfigFile,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Write a copy of the database, and verify it; also beside a running server
    Backup {
        #[command(flatten)]
        config: ConfigFile,
        /// A new file, or the directory for a file that is named after the time
        #[arg(value_name = "FILE|DIR")]
        to: PathBuf,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Put a copy in the place of the database, after it was verified; the server must be stopped
    Restore {
        #[command(flatten)]
        config: ConfigFile,
        /// What `backup` wrote
        #[arg(value_name = "FILE")]
        from: PathBuf,
        /// Also where there is a database: that is kept beside
        #[arg(long)]
        replace: bool,
        /// Also a damaged copy, where there is no other: what is damaged is named, and stays so
        #[arg(long)]
        damaged: bool,
        /// Print one JSON document
        #[arg(long)]
        json: bool,
    },
    /// Create the database, or bring its tables up to date
    Migrate {
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Make, list and revoke API tokens
    #[command(subcommand)]
    Token(token::Command),
}

/// Where the configuration is.
#[derive(Debug, Args)]
struct ConfigFile {
    /// The configuration file [env: NOTARY_SERVER_CONFIG] [default: /etc/notary/server.toml]
    #[arg(long = "config", value_name = "FILE")]
    named: Option<PathBuf>,
}

impl ConfigFile {
    /// The file that the command names, or the environment, or the usual one. An empty variable names
    /// none.
    fn path(&self) -> PathBuf {
        let variable = || std::env::var_os(CONFIG_VARIABLE).filter(|name| !name.is_empty());
        let named = self.named.clone().or_else(|| variable().map(PathBuf::from));
        named.unwrap_or_else(|| DEFAULT_PATH.into())
    }

    fn load(&self) -> Result<Config, String> {
        Config::load(&self.path()).map_err(|error| error.to_string())
    }
}

/// Runs the command of the process.
pub(crate) fn run(parts: Parts) -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Serve { config, address_file } => {
            block_on(run_server(&config, address_file.as_deref(), parts))
        }
        Command::Check { config, probe, json } => {
            return block_on(check::run(&config.path(), probe, json, (parts.clock)()));
        }
        Command::Fsck { config, json } => match block_on(fsck::run(&config, json, (parts.clock)()))
        {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Command::Backup { config, to, json } => {
            match block_on(backup::run(&config, &to, json, (parts.clock)())) {
                Ok(code) => return code,
                Err(error) => Err(error),
            }
        }
        Command::Restore { config, from, replace, damaged, json } => {
            let wish = restore::Wish { from, replace, damaged };
            block_on(restore::run(&config, &wish, json, (parts.clock)()))
        }
        Command::Migrate { config } => migrate(&config),
        Command::Token(command) => block_on(token::run(command, (parts.clock)())),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}

async fn run_server(
    config: &ConfigFile,
    address_file: Option<&Path>,
    parts: Parts,
) -> Result<(), String> {
    let config = config.load()?;
    telemetry::start(&config.log)?;
    let _lock = ServeLock::take(&config.database).map_err(|error| error.to_string())?;
    // A first start needs no other command. Tables of an older program are left to `migrate`: they
    // are changed when the operator says so.
    if !config.database.exists() {
        tracing::warn!(path = %config.database.display(), "creating a new, empty database");
        Database::migrate(&config.database).map_err(|error| error.to_string())?;
    }
    let store = open(&config)?;
    let signer = HttpSigner::new(&config.signer).map_err(|error| error.to_string())?;
    serve(Service::new(config, Arc::new(store), Arc::new(signer), parts), address_file).await
}

fn open(config: &Config) -> Result<Database, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Database::open(&config.database, cores * READERS_PER_CORE).map_err(|error| error.to_string())
}

fn migrate(config: &ConfigFile) -> Result<(), String> {
    let config = config.load()?;
    let applied = Database::migrate(&config.database).map_err(|error| error.to_string())?;
    match applied.is_empty() {
        true => print(&format!("{} is up to date", config.database.display())),
        false => print(&format!("{}: applied {}", config.database.display(), applied.join(", "))),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer of a command")]
fn print(text: &str) {
    println!("{text}");
}

fn complain(error: &str) {
    eprintln!("error: {error}");
}
