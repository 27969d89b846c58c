//! `notary log`: what happened to a collection, in the server's words.

use std::time::Duration;

use notary_schema::name::Gun;
use notary_schema::wire::{Event, EventKind, EventRevocation};
use serde_json::json;

use crate::args::LogArgs;
use crate::exit::{Failure, Outcome};
use crate::output::{one_line, time};
use crate::session::Session;

/// How long `--follow` waits before it asks again.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs `notary log`.
pub(crate) async fn run(session: &Session, args: LogArgs) -> Result<Outcome, Failure> {
    let mut after = args.after;
    if args.follow {
        return follow(session, &args.gun, after).await;
    }
    let (mut events, mut text) = (Vec::new(), String::new());
    loop {
        let (page, more) = page(session, &args.gun, &mut after).await?;
        text.extend(page.iter().map(line));
        events.extend(page);
        if !more {
            break;
        }
    }
    session.output.result(&json!({ "events": events }), &text)?;
    Ok(Outcome::Done)
}

/// Prints each event as it comes, until somebody ends the program. A server that is away for a while
/// is waited for; that it was never there is an error.
async fn follow(session: &Session, gun: &Gun, mut after: u64) -> Result<Outcome, Failure> {
    session.output.go_on_without_end();
    let mut was_there = false;
    loop {
        let more = match page(session, gun, &mut after).await {
            Ok((events, more)) => {
                was_there = true;
                for event in &events {
                    session.output.one_of_many(event, &line(event))?;
                }
                more
            }
            Err(failure) if was_there && failure.is_unreachable() => {
                session.output.warn(format_args!("{failure}; still trying"));
                false
            }
            Err(failure) => return Err(failure),
        };
        if !more {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The events after a number, which moves on behind them, and whether there are more.
async fn page(
    session: &Session,
    gun: &Gun,
    after: &mut u64,
) -> Result<(Vec<Event>, bool), Failure> {
    let page = session.server()?.events(gun, *after).await?;
    let last = page.items.iter().map(|event| event.seq).max();
    let next = page.next.as_ref().and_then(|next| next.parse().ok());
    let before = *after;
    *after = next.or(last).unwrap_or(before).max(before);
    // A page that leads nowhere is the last one, whatever it says.
    Ok((page.items, page.next.is_some() && *after > before))
}

fn line(event: &Event) -> String {
    let kind = match event.kind {
        EventKind::Publish => "publish",
        EventKind::Refresh => "refresh",
        EventKind::Delete => "delete",
        EventKind::Undelete => "undelete",
        EventKind::Policy => "policy",
        EventKind::Revoke => "revoke",
        EventKind::Unrevoke => "unrevoke",
    };
    let mut line = format!("{} {} {kind}", event.seq, time(event.at));
    let roles: Vec<_> =
        event.roles.iter().map(|file| format!("{} {}", file.name, file.version)).collect();
    if !roles.is_empty() {
        line += &format!(": {}", roles.join(", "));
    }
    if let Some(EventRevocation { keyid, reason }) = &event.revocation {
        line += &format!(": {keyid}: {}", one_line(reason));
    }
    if let Some(by) = &event.by {
        line += &format!(" (by {})", one_line(by));
    }
    line + "\n"
}
