//! `notary info`: a collection in the server's words; nothing here is verified.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use notary_schema::wire::{BinsInfo, CollectionInfo, RoleInfo};

use crate::args::InfoArgs;
use crate::exit::{Failure, Outcome};
use crate::session::Session;

/// Runs `notary info`.
pub(crate) async fn run(session: &Session, args: InfoArgs) -> Result<Outcome, Failure> {
    let info = session.server()?.info(&args.gun, &[]).await?;
    session.output.result(&info, &text(&info))?;
    if !args.check {
        return Ok(Outcome::Done);
    }
    let soon = expiring(&info, args.within.from(session.now()).time());
    for role in &soon {
        session.output.warn(format_args!("{role} expires soon or is expired"));
    }
    Ok(if soon.is_empty() { Outcome::Done } else { Outcome::ToDo })
}

/// What expires by a time, in words.
fn expiring(info: &CollectionInfo, by: DateTime<Utc>) -> Vec<String> {
    // Snapshot and timestamp are short-lived and renewed by the server.
    let offline = |role: &&RoleInfo| !matches!(role.name.as_str(), "snapshot" | "timestamp");
    let soon = |role: &&RoleInfo| role.file.as_ref().is_some_and(|f| f.expired || f.expires <= by);
    let roles = info.roles.iter().filter(|role| soon(role) && (offline(role) || is_expired(role)));
    let bins = info.bins.iter().filter(|b| b.expired || b.expires.is_some_and(|at| at <= by));
    let bins = bins.map(|bins| format!("the first of the bins {}-…", bins.name_prefix));
    roles.map(|role| role.name.to_string()).chain(bins).collect()
}

fn is_expired(role: &RoleInfo) -> bool {
    role.file.as_ref().is_some_and(|file| file.expired)
}

fn text(info: &CollectionInfo) -> String {
    let mut text = format!("{}, commit {}\n", info.gun, info.seq);
    for role in &info.roles {
        let file = match &role.file {
            Some(file) => {
                let expired = if file.expired { "EXPIRED at" } else { "expires" };
                format!("{}, {expired} {}", file.version, file.expires.format("%Y-%m-%dT%H:%M:%SZ"))
            }
            None => "not published yet".to_owned(),
        };
        writeln!(text, "{} {file}", role.name).expect("a String takes all");
        let keys: Vec<&str> = role.keyids.iter().map(|id| id.as_str()).collect();
        let (threshold, of) = (role.threshold, keys.len());
        writeln!(text, "  {threshold} of {of} keys: {}", keys.join(", "))
            .expect("a String takes all");
        if let Some(delegator) = &role.delegated_by {
            let paths = role.paths.as_ref().or(role.path_hash_prefixes.as_ref());
            let paths = paths.map(|paths| paths.join(", ")).unwrap_or_default();
            writeln!(text, "  delegated by {delegator}: {paths}").expect("a String takes all");
        }
    }
    for bins in &info.bins {
        text.push_str(&bins_text(bins));
    }
    text
}

fn bins_text(bins: &BinsInfo) -> String {
    let BinsInfo { name_prefix, count, delegated_by, threshold, .. } = bins;
    let keys: Vec<&str> = bins.keyids.iter().map(|id| id.as_str()).collect();
    let first = match (bins.expires, bins.expired) {
        (Some(at), true) => format!("the first EXPIRED at {}", at.format("%Y-%m-%dT%H:%M:%SZ")),
        (Some(at), false) => format!("the first expires {}", at.format("%Y-%m-%dT%H:%M:%SZ")),
        (None, _) => "not published yet".to_owned(),
    };
    let of = keys.len();
    format!(
        "{count} bins {name_prefix}-…, {first}\n  {threshold} of {of} keys: {}\n  delegated by \
         {delegated_by}: names by their hash\n",
        keys.join(", ")
    )
}
