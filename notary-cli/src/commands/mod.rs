//! The commands, one file for each group. A command decides and asks; the rules are elsewhere.

mod adopt;
mod client;
mod collections;
mod completion;
mod delegation;
mod diff;
#[cfg(feature = "doctor")]
mod doctor;
mod export;
mod info;
mod init;
mod key;
mod log;
mod lookup;
mod policy;
mod proposal;
mod publish;
mod pull;
mod recover;
mod repair;
mod revoke;
mod rotate;
mod stage;
mod token;
mod trust;
mod witness;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::process::ExitCode;
use std::rc::Rc;

use clap::{CommandFactory, Parser};
use tokio::runtime::{self, Runtime};

use crate::Parts;
use crate::args::{Cli, Command};
use crate::exit::{Failure, Outcome};
use crate::output::Output;
use crate::session::Session;

/// Runs one command.
pub(crate) fn run(parts: Parts) -> ExitCode {
    let output = Rc::new(Output::new(parts.stdout, parts.stderr));
    let is_client = names_client(&parts.arguments);
    let exit = |failure: &Failure| if is_client { 1 } else { failure.code() };
    let fail = |failure: &Failure| {
        failure.tell(&output, exit(failure));
        ExitCode::from(exit(failure))
    };
    let cli = match Cli::try_parse_from(&parts.arguments) {
        Ok(cli) => cli,
        Err(help) if !help.use_stderr() => {
            let printed = output.raw(help.to_string().as_bytes()).map_err(Failure::from);
            return printed
                .map_or_else(|failure| ExitCode::from(exit(&failure)), |()| ExitCode::SUCCESS);
        }
        Err(error) => {
            output.configure(parts.arguments.iter().any(|argument| argument == "--json"), false);
            let text = error.to_string();
            let failure = Failure::Usage(text.trim_start_matches("error: ").to_owned());
            return fail(&failure);
        }
    };
    output.configure(cli.options.json, cli.options.verbose);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::System { action: "start", error };
            return fail(&failure);
        }
    };
    let session = Session::new(
        &cli.options,
        &parts.environment,
        parts.clock,
        parts.interactive,
        output.clone(),
    );
    let session = session.map(|session| session.stopping_at(parts.stop));
    let outcome = session.and_then(|session| runtime.block_on(dispatch(&session, cli.command)));
    match outcome {
        Ok(outcome) => outcome.code(),
        // Whoever reads the result has seen enough of it: what was to be done is done.
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => fail(&failure),
    }
}

/// What the command runs on. Without descriptors for its signals tokio panics, so they are counted
/// before it starts.
fn runtime() -> io::Result<Runtime> {
    #[cfg(unix)]
    {
        const TAKEN_AT_START: usize = 6;
        let free = (0..TAKEN_AT_START).map(|_| std::fs::File::open("/dev/null"));
        free.collect::<io::Result<Vec<_>>>()?;
    }
    // Timers are looked at after each turn of a task: answers without an end make a turn last seconds.
    runtime::Builder::new_current_thread().event_interval(1).enable_all().build()
}

/// Whether the command is `client`, which knows only two exit codes, also when the rest of the
/// command line is wrong: whether that is the first word that is neither an option nor its value.
fn names_client(arguments: &[OsString]) -> bool {
    let command = Cli::command();
    let takes_value = |name: &str| {
        let mut options = command.get_arguments();
        options.any(|option| option.get_long() == Some(name) && option.get_action().takes_values())
    };
    let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
    while let Some(word) = words.next() {
        match word.strip_prefix("--") {
            Some(name) if takes_value(name) => drop(words.next()),
            None if !word.starts_with('-') => return word == "client",
            _ => {}
        }
    }
    false
}

async fn dispatch(session: &Session, command: Command) -> Result<Outcome, Failure> {
    match command {
        Command::Key(command) => key::run(session, command),
        Command::Init(args) => init::run(session, args).await,
        Command::Adopt(args) => adopt::run(session, args).await,
        Command::Info(args) => info::run(session, args).await,
        Command::Collections => collections::list(session).await,
        Command::Log(args) => log::run(session, args).await,
        Command::Diff(args) => diff::run(session, args).await,
        Command::Add(args) => stage::add(session, args).await,
        Command::Addhash(args) => stage::addhash(session, args).await,
        Command::Import(args) => stage::import(session, args).await,
        Command::Remove(args) => stage::remove(session, args).await,
        Command::Witness(args) => witness::run(session, args).await,
        Command::Status(args) => stage::status(session, &args.gun),
        Command::Reset(args) => stage::reset(session, &args.gun).await,
        Command::Publish(args) => publish::run(session, args).await,
        Command::Proposal(command) => proposal::run(session, command).await,
        Command::List(args) => lookup::list(session, args).await,
        Command::Lookup(args) => lookup::lookup(session, args).await,
        Command::Delegation(command) => delegation::run(session, command).await,
        Command::Trust(command) => trust::run(session, command).await,
        Command::Verify(args) => pull::verify(session, args).await,
        Command::Pull(args) => pull::pull(session, args).await,
        Command::Watch(args) => pull::watch(session, args).await,
        #[cfg(feature = "doctor")]
        Command::Doctor(args) => doctor::run(session, args).await,
        Command::Export(args) => export::run(session, args).await,
        Command::Repair(args) => repair::run(session, args).await,
        Command::Rotate(args) => rotate::run(session, args).await,
        Command::Recover(args) => recover::run(session, args).await,
        Command::Revoke(args) => revoke::run(session, args).await,
        Command::Delete(args) => collections::delete(session, args).await,
        Command::Undelete(args) => collections::undelete(session, &args.gun).await,
        Command::Policy(args) => policy::run(session, args).await,
        Command::Token(command) => token::run(session, command).await,
        Command::Whoami => token::whoami(session).await,
        Command::Completion { shell } => completion::run(session, shell),
        Command::Client(args) => client::run(session, args).await,
    }
}

#[cfg(test)]
mod tests;
