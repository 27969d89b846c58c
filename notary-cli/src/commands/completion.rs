//! `notary completion`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use serde_json::json;

use crate::args::Cli;
use crate::exit::{Failure, Outcome};
use crate::session::Session;

/// Runs `notary completion`.
pub(crate) fn run(session: &Session, shell: Shell) -> Result<Outcome, Failure> {
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), "notary", &mut script);
    let text = String::from_utf8_lossy(&script);
    let value = json!({ "shell": shell.to_string(), "script": text });
    session.output.document(&value, &script)?;
    Ok(Outcome::Done)
}
