//! The command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, value_parser};
use notary_schema::name::{Gun, Incarnation, KeyId, Version};
use notary_schema::online::OnlineRole;
use notary_schema::reason::Reason;

use crate::config::{CONFIG_VARIABLE, DEFAULT_PATH};
use crate::store::audit_lines::Head;

/// Holds the online keys of TUF collections and signs snapshot and timestamp, within limits.
#[derive(Debug, Parser)]
#[command(name = "notary-signer", version, max_term_width = 100)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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
    /// Writes a copy of keys, memory and audit, also beside a running service
    Backup {
        /// A new file
        #[arg(value_name = "FILE")]
        to: PathBuf,
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
    /// The software store
    #[command(subcommand)]
    Store(StoreCommand),
    /// Who asked for what
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration [env: NOTARY_SIGNER_CONFIG] [default: /etc/notary/signer.toml]
    #[arg(long = "config", value_name = "FILE")]
    named: Option<PathBuf>,
}

impl ConfigFile {
    /// The file that the command names, or the environment, or the usual one. An empty variable names
    /// none.
    pub(crate) fn path(&self) -> PathBuf {
        let variable = || std::env::var_os(CONFIG_VARIABLE).filter(|name| !name.is_empty());
        let named = self.named.clone().or_else(|| variable().map(PathBuf::from));
        named.unwrap_or_else(|| DEFAULT_PATH.into())
    }
}

#[derive(Debug, Args)]
pub(crate) struct Form {
    /// One JSON document instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PkiCommand {
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
    /// Puts the certificate DIR/NAME.pem on the list DIR/ca.crl: its holder is answered no more
    Revoke {
        /// The directory of the authority
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// The name of the files
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
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
pub(crate) enum MemoryCommand {
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
    /// Says that the database was moved here, and that nobody signs with the original any more
    Moved {
        /// Why, for the audit: one line
        #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
        reason: Reason,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Puts the store under the wrapping key of the configuration; the service must be stopped
    Wrap {
        /// The passphrase that the store is under; without it, `NOTARY_SIGNER_PASSPHRASE`
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigFile,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// The newest lines
    Tail(Tail),
    /// Follows the chain of all lines, and holds what is remembered against it; exit 1 where it breaks
    Verify {
        /// An end of the chain that was noted before, as `verify` and the log name it
        #[arg(long = "noted", value_name = "NUMBER:HASH", value_parser = parse_noted)]
        noted: Vec<Head>,
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        form: Form,
    },
    /// Moves old lines to files now; the service does so each minute
    Seal {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        form: Form,
    },
}

/// Which lines are shown.
#[derive(Debug, Args)]
pub(crate) struct Tail {
    /// How many
    #[arg(short = 'n', long, default_value_t = 20, value_parser = value_parser!(u32).range(1..=100_000))]
    pub(crate) lines: u32,
    /// Those of a collection
    #[arg(long)]
    pub(crate) gun: Option<Gun>,
    /// Goes on with each further line until it is stopped
    #[arg(long)]
    pub(crate) follow: bool,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
    /// One JSON document for each line
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Why, for the audit: one line
    #[arg(long, value_name = "TEXT", value_parser = Reason::parse)]
    pub(crate) reason: Reason,
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
    /// Nothing was signed where nothing is remembered: this signer is a backup, and the server has no
    /// such collection
    #[arg(
        long, group = "what",
        conflicts_with_all = [
            "after_restore", "files", "snapshot_version", "timestamp_version", "forget",
        ]
    )]
    pub(crate) nothing_signed: bool,
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

fn parse_noted(text: &str) -> Result<Head, String> {
    let (seq, hash) = text.split_once(':').ok_or("write NUMBER:HASH")?;
    let seq = seq.parse().map_err(|error| format!("{seq:?}: {error}"))?;
    let is_digest = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_digest {
        return Err(format!("{hash:?} is no SHA-256 in hexadecimal"));
    }
    Ok(Head { seq, hash: hash.to_ascii_lowercase() })
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
