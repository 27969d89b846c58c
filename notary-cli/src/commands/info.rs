//! `notary info`: a collection in the server's words; nothing here is verified.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use notary_schema::wire::{CollectionInfo, RoleInfo};

use crate::args::InfoArgs;
use crate::exit::{Failure, Outcome};
use crate::session::Session;

/// Runs `notary info`.
pub(crate) async fn run(session: &Session, args: InfoArgs) -> Result<Outcome, Failure> {
    let info = session.server()?.info(&args.gun).await?;
    session.output.result(&info, &text(&info))?;
    if !args.check {
        return Ok(Outcome::Done);
    }
    let soon = expiring(&info, args.within.from(session.now()).time());
    for role in &soon {
        session.output.warn(format_args!("{} expires soon or is expired", role.name));
    }
    Ok(if soon.is_empty() { Outcome::Done } else { Outcome::ToDo })
}

fn expiring(info: &CollectionInfo, by: DateTime<Utc>) -> Vec<&RoleInfo> {
    // Snapshot and timestamp are short-lived and renewed by the server.
    let offline = |role: &&RoleInfo| !matches!(role.name.as_str(), "snapshot" | "timestamp");
    let soon = |role: &&RoleInfo| role.file.as_ref().is_some_and(|f| f.expired || f.expires <= by);
    info.roles.iter().filter(|role| soon(role) && (offline(role) || is_expired(role))).collect()
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
    text
}
