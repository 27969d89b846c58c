//! `notary policy`: what an administrator decides about a collection.

use std::fmt::Write;

use notary_schema::online::Lifetime;
use notary_schema::wire::{CollectionPolicy, PolicyChange};

use crate::args::{PolicyArgs, PolicyCommand, span, spelled};
use crate::exit::{Failure, Outcome};
use crate::session::Session;

/// What stands for the lifetime of the server.
const DEFAULT: &str = "default";

/// Runs `notary policy`.
pub(crate) async fn run(session: &Session, args: PolicyArgs) -> Result<Outcome, Failure> {
    let policy = match &args.command {
        None => session.server()?.policy(&args.gun).await?,
        Some(PolicyCommand::Set { assignments }) => {
            let change = change(assignments)?;
            session.server()?.set_policy(&args.gun, &change).await?
        }
    };
    session.output.result(&policy, &text(&policy))?;
    Ok(Outcome::Done)
}

/// The keys and values as `set` takes them; what is the collection's own says so.
fn text(policy: &CollectionPolicy) -> String {
    let mut text = format!("public={}\n", policy.public);
    for lifetime in Lifetime::ALL {
        let own = if policy.own_lifetimes.contains_key(&lifetime) { " (its own)" } else { "" };
        let seconds = spelled(policy.lifetimes.seconds(lifetime));
        writeln!(text, "{}={seconds}{own}", key(lifetime)).expect("a string takes all");
    }
    text
}

fn change(assignments: &[String]) -> Result<PolicyChange, Failure> {
    let mut change = PolicyChange::default();
    for assignment in assignments {
        let (name, value) = assignment.split_once('=').unwrap_or((assignment, ""));
        let lifetime = Lifetime::ALL.into_iter().find(|lifetime| key(*lifetime) == name);
        let is_first = match lifetime {
            Some(lifetime) => change.lifetimes.insert(lifetime, seconds(name, value)?).is_none(),
            None if name == "public" => change.public.replace(truth(value)?).is_none(),
            None => {
                let keys = Lifetime::ALL.map(key).join(", ");
                let text = format!("{name:?} is no policy; there are public, {keys}");
                return Err(Failure::Usage(text));
            }
        };
        if !is_first {
            return Err(Failure::Usage(format!("{name} is set twice; say it once")));
        }
    }
    Ok(change)
}

fn truth(value: &str) -> Result<bool, Failure> {
    let refuse = |_| Failure::Usage(format!("public is true or false, not {value:?}"));
    value.parse().map_err(refuse)
}

fn seconds(name: &str, value: &str) -> Result<Option<u64>, Failure> {
    if value == DEFAULT {
        return Ok(None);
    }
    let seconds = span(value).and_then(|span| u64::try_from(span.num_seconds()).ok());
    seconds.map(Some).ok_or_else(|| {
        let text = format!("{name} is a span like 12h or 400d, or {DEFAULT}, not {value:?}");
        Failure::Usage(text)
    })
}

/// How a lifetime is called on the command line: its name without the unit.
fn key(lifetime: Lifetime) -> &'static str {
    lifetime.name().trim_end_matches("_seconds")
}
