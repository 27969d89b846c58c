//! The smallest update agent.

use clap::Args;

use super::{Interval, PullArgs};

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(crate) pull: PullArgs,
    /// Run this once the file has changed: a program and its arguments, without a shell; the file is
    /// in its environment as NOTARY_FILE, with NOTARY_GUN, _NAME, _ROLE, _LENGTH and _SHA256
    #[arg(long, value_name = "CMD", value_parser = Exec::parse)]
    pub(crate) exec: Option<Exec>,
    /// How often to look, up to a tenth sooner or later
    #[arg(long, value_name = "SPAN", default_value = "5m")]
    pub(crate) interval: Interval,
    /// Look once, and say by the exit code what came of it
    #[arg(long)]
    pub(crate) once: bool,
}

/// A program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Exec {
    /// The program: a path, or a name that is looked for in PATH.
    pub(crate) program: String,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
}

impl Exec {
    /// Words are divided by white space; there are no quotes.
    fn parse(text: &str) -> Result<Exec, &'static str> {
        let mut words = text.split_whitespace().map(str::to_owned);
        let program = words.next().ok_or("no program is named")?;
        Ok(Exec { program, arguments: words.collect() })
    }
}
