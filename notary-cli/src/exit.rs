//! What a command came to, and the only place that knows exit codes.

use std::io;
use std::process::ExitCode;

use notary_schema::name::NameError;
use notary_schema::publish::Refusal;
use notary_schema::trusted::TrustError;
use notary_schema::updater::UpdateError;
use notary_schema::wire::Problem;
use notary_signer::keys::{KeyError, Trouble};
use serde_json::json;

use crate::agent::AgentError;
use crate::keyring::KeyringError;
use crate::output::{Output, one_line};
use crate::remote::{HttpError, RemoteError};
use crate::settings::SettingsError;
use crate::staged::StageError;
use crate::trust_dir::StateError;

const REFUSED: u8 = 1;
const USAGE: u8 = 2;
const CONFLICT: u8 = 3;
const UNREACHABLE: u8 = 4;
const NOT_FOUND: u8 = 5;
const SIGNATURES_MISSING: u8 = 6;
const TO_DO: u8 = 7;
const LOCAL_STATE: u8 = 8;

/// A command that did what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is done.
    Done,
    /// Somebody should act: changes are staged, something expires soon.
    ToDo,
    /// The answer is no: some of what was asked for does not verify.
    NotVerified,
    /// It waits for the signatures of others.
    SignaturesMissing,
}

impl Outcome {
    /// The exit code.
    pub(crate) fn code(self) -> ExitCode {
        ExitCode::from(match self {
            Outcome::Done => 0,
            Outcome::ToDo => TO_DO,
            Outcome::NotVerified => REFUSED,
            Outcome::SignaturesMissing => SIGNATURES_MISSING,
        })
    }
}

/// A command that could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command line asks for something that makes no sense here.
    #[error("{0}")]
    Usage(String),
    /// Not verified, or against a rule.
    #[error("{0}")]
    Refused(String),
    /// Somebody else changed the same thing.
    #[error("{0}")]
    Conflict(String),
    /// What was named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Other keys must sign too.
    #[error("{0}")]
    SignaturesMissing(String),
    /// A file that the user named.
    #[error("could not {action} {path}: {error}")]
    File {
        /// What was tried: "read".
        action: &'static str,
        /// The file.
        path: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// Something that every process is given, such as a poller or a temporary directory.
    #[error("could not {action}: {error}")]
    System {
        /// What was tried: "start".
        action: &'static str,
        /// What the operating system says.
        error: io::Error,
    },
    /// A line of a list.
    #[error("{list}, line {line}: {why}")]
    Line {
        /// The list.
        list: String,
        /// The number of the line, from 1.
        line: u64,
        /// What is wrong with it.
        why: Box<Failure>,
    },
    /// A name in the arguments.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Options, environment, configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The trust directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Keys.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// A change that cannot be staged.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A publish that breaks a rule, found before it was sent.
    #[error(transparent)]
    Rule(#[from] Refusal),
    /// A request to the server.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The client of a repository.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// Metadata that is not trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// stdout is gone.
    #[error("could not print the result: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// A file that the user named.
    pub(crate) fn file(action: &'static str, path: &std::path::Path, error: io::Error) -> Failure {
        Failure::File { action, path: path.display().to_string(), error }
    }

    /// A target that no role of a collection lists.
    pub(crate) fn unlisted(name: String) -> Failure {
        AgentError::NoSuchTarget { name, next: "`notary list` shows what there is" }.into()
    }

    /// The same, where this option names the directory of trusted metadata.
    pub(crate) fn in_directory_of(self, option: &'static str) -> Failure {
        match self {
            Failure::State(error) | Failure::Agent(AgentError::State(error)) => {
                Failure::State(error.in_directory_of(option))
            }
            other => other,
        }
    }

    /// What the server says, where it is the server that refuses.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            Failure::Remote(error) | Failure::Agent(AgentError::Remote(error)) => error.problem(),
            _ => None,
        }
    }

    /// Tells it, and what the command exits with.
    pub(crate) fn tell(&self, output: &Output, exit: u8) {
        // Of the command line and the configuration file alone more than a line is told.
        let text = match self {
            Failure::Usage(_) | Failure::Settings(_) => self.to_string(),
            other => one_line(&other.to_string()),
        };
        let body = json!({
            "error": self.to_string(),
            "exit": exit,
            "code": self.problem().map(|problem| &problem.code),
            "request_id": self.problem().map(|problem| &problem.request_id),
        });
        output.failure(&text, body);
    }

    /// Whether the same request may go better later.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.code() == UNREACHABLE
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) | Failure::Name(_) | Failure::Settings(_) => USAGE,
            Failure::Refused(_) | Failure::Rule(_) | Failure::Trust(_) => REFUSED,
            Failure::Conflict(_) => CONFLICT,
            Failure::NotFound(_) => NOT_FOUND,
            Failure::SignaturesMissing(_) => SIGNATURES_MISSING,
            Failure::State(_) | Failure::System { .. } | Failure::Output(_) => LOCAL_STATE,
            Failure::File { error, .. } if error.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Failure::File { .. } => LOCAL_STATE,
            // The command line is in order; what it names is not.
            Failure::Line { why, .. } if why.code() == USAGE => REFUSED,
            Failure::Line { why, .. } => why.code(),
            Failure::Keyring(error) => keyring_code(error),
            Failure::Stage(error) => stage_code(error),
            Failure::Remote(error) => remote_code(error),
            Failure::Agent(error) => agent_code(error),
        }
    }
}

fn keyring_code(error: &KeyringError) -> u8 {
    match error {
        KeyringError::NoKeyFor { .. } => USAGE,
        KeyringError::UnknownKey(_) => NOT_FOUND,
        KeyringError::Key(
            KeyError::NotAReference(_)
            | KeyError::NotAPlace { .. }
            | KeyError::NoKeyNamed { .. }
            | KeyError::NotAnAlgorithm(_)
            | KeyError::NotInThisBuild(_),
        ) => USAGE,
        KeyringError::Key(KeyError::Io { source, .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            NOT_FOUND
        }
        KeyringError::Unreachable { .. } => UNREACHABLE,
        KeyringError::Elsewhere {
            error: KeyError::Backend { trouble: Trouble::NoSuchKey(_), .. },
            ..
        } => NOT_FOUND,
        KeyringError::NoModule(_) | KeyringError::NotHere { .. } => USAGE,
        KeyringError::Key(_)
        | KeyringError::Elsewhere { .. }
        | KeyringError::PinMissing { .. }
        | KeyringError::NoPinIn { .. }
        | KeyringError::PinEmpty { .. }
        | KeyringError::Thread(_)
        | KeyringError::State(_)
        | KeyringError::PassphraseMissing { .. }
        | KeyringError::PassphraseEmpty { .. }
        | KeyringError::PassphrasesDiffer
        | KeyringError::Terminal(_) => LOCAL_STATE,
    }
}

fn stage_code(error: &StageError) -> u8 {
    match error {
        StageError::SeveralRoles { .. } | StageError::NoRole { .. } => USAGE,
        StageError::NotListed { .. } | StageError::UnknownRole(_) => NOT_FOUND,
        StageError::OutsidePaths { .. }
        | StageError::OutsideParent { .. }
        | StageError::Succinct(_)
        | StageError::Name(_) => REFUSED,
    }
}

fn remote_code(error: &RemoteError) -> u8 {
    match error {
        RemoteError::Http(error) => http_code(error),
        RemoteError::OtherAnswer { .. } => REFUSED,
        RemoteError::Problem(problem) => status_code(problem.status),
        RemoteError::Status { status, .. } => status_code(*status),
    }
}

fn agent_code(error: &AgentError) -> u8 {
    match error {
        AgentError::Update(UpdateError::NotFound(_)) => NOT_FOUND,
        AgentError::Update(_)
        | AgentError::OtherFile { .. }
        | AgentError::NoKnownHash(_)
        | AgentError::Name(_) => REFUSED,
        AgentError::Remote(error) => remote_code(error),
        AgentError::NoSuchTarget { .. } => NOT_FOUND,
        AgentError::State(_) | AgentError::File { .. } => LOCAL_STATE,
    }
}

fn http_code(error: &HttpError) -> u8 {
    match error {
        HttpError::Unreachable { .. }
        | HttpError::Untrusted { .. }
        | HttpError::OtherProtocol { .. } => UNREACHABLE,
        HttpError::TooLong { .. }
        | HttpError::Crumbs { .. }
        | HttpError::Encoded { .. }
        | HttpError::Redirect { .. } => REFUSED,
        HttpError::Insecure { .. } => USAGE,
        HttpError::Certificates(_) | HttpError::Store { .. } => LOCAL_STATE,
    }
}

/// What an HTTP status comes to, after the retries.
fn status_code(status: u16) -> u8 {
    match status {
        404 | 410 => NOT_FOUND,
        409 => CONFLICT,
        502 => REFUSED,
        408 | 429 | 500.. => UNREACHABLE,
        _ => REFUSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_status(status: u16) -> u8 {
        let url = "https://a/".parse().unwrap();
        Failure::Remote(RemoteError::Status { url, status }).code()
    }

    #[test]
    fn each_status_has_the_exit_code_of_the_contract() {
        for (code, statuses) in [
            (1, &[400, 401, 403, 413, 422, 502][..]),
            (3, &[409]),
            (4, &[500, 503, 504]),
            (5, &[404]),
        ] {
            for status in statuses {
                assert_eq!(of_status(*status), code, "status {status}");
            }
        }
    }

    #[test]
    fn what_the_file_system_says_is_told_apart() {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(Failure::file("read", "f".as_ref(), missing).code(), 5);
        assert_eq!(Failure::file("read", "f".as_ref(), denied).code(), 8);
    }
}
