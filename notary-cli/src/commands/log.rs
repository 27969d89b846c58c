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
    let mut place = Place { after: args.after, feed: None };
    if args.follow {
        return follow(session, &args.gun, place).await;
    }
    let (mut events, mut text) = (Vec::new(), String::new());
    loop {
        let (page, more) = page(session, &args.gun, &mut place).await?;
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
/// Where numbers begin to repeat, all is told anew.
async fn follow(session: &Session, gun: &Gun, mut place: Place) -> Result<Outcome, Failure> {
    session.output.go_on_without_end();
    let mut was_there = false;
    loop {
        let more = match page(session, gun, &mut place).await {
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
            Err(failure) if place.is_gone(&failure) => {
                session.output.warn(format_args!("{failure}; all events follow"));
                place = Place::default();
                true
            }
            Err(failure) => return Err(failure),
        };
        if !more {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A place in a changefeed.
#[derive(Default)]
struct Place {
    /// Behind this event.
    after: u64,
    /// Of this feed; not known before the first page.
    feed: Option<String>,
}

impl Place {
    /// Whether the server says that this feed has no such place, which has one at its start.
    fn is_gone(&self, failure: &Failure) -> bool {
        let is_start = self.after == 0 && self.feed.is_none();
        !is_start && failure.problem().is_some_and(|problem| problem.code == "feed_restarted")
    }
}

/// The events after a place, which moves on behind them, and whether there are more.
async fn page(
    session: &Session,
    gun: &Gun,
    place: &mut Place,
) -> Result<(Vec<Event>, bool), Failure> {
    let Place { after, feed } = place;
    let page = session.server()?.events(gun, *after, feed.as_deref()).await?;
    *feed = Some(page.feed).filter(|feed| !feed.is_empty());
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
        EventKind::Restored => "restored",
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
    if event.kind == EventKind::Restored {
        line += &format!(
            ": the database was set back; `notary info {gun}` names what is lost, whoever has it \
             brings it back with `notary repair {gun}`",
            gun = event.collection
        );
    }
    line + "\n"
}
