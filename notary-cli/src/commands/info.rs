//! `notary info`: a collection in the server's words; nothing here is verified.

mod waiting;

use std::fmt::Write;

use chrono::{DateTime, Utc};
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::wire::{BinsInfo, CollectionInfo, FileInfo, LostFile, RoleInfo};
use serde::Serialize;
use serde_json::json;

use crate::args::InfoArgs;
use crate::exit::{Failure, Outcome};
use crate::output::{joined, one_line, time};
use crate::publishing::in_flight::InFlight;
use crate::remote::RemoteError;
use crate::session::Session;
use waiting::Waiting;

/// Runs `notary info`.
pub(crate) async fn run(session: &Session, args: InfoArgs) -> Result<Outcome, Failure> {
    let info = session.server()?.info(&args.gun, &[]).await.inspect_err(|error| {
        tell_of_unfinished(session, &args.gun, error);
    })?;
    if args.check {
        return check(session, &info, args.within.from(session.now()).time());
    }
    let proposals = waiting::waiting(session, &args.gun).await?;
    let mut text = text(&info);
    text.extend(proposals.iter().map(Waiting::line));
    session.output.result(&Told { info, proposals }, &text)?;
    Ok(Outcome::Done)
}

/// Says where an `init` that is not finished is the reason that the server has no such collection.
fn tell_of_unfinished(session: &Session, gun: &Gun, error: &RemoteError) {
    let is_unknown = error.problem().is_some_and(|problem| problem.code == "unknown_collection");
    let collection = session.collection(gun).ok().filter(|_| is_unknown);
    let in_flight = collection.and_then(|collection| InFlight::load(&collection).ok().flatten());
    if let Some(in_flight) = in_flight.filter(InFlight::creates) {
        session.output.message(in_flight.next(gun));
    }
}

/// A collection, and what waits for signatures in it.
#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    info: CollectionInfo,
    proposals: Vec<Waiting>,
}

/// Says only what somebody should act on, so that a scheduler stays silent otherwise.
fn check(session: &Session, info: &CollectionInfo, by: DateTime<Utc>) -> Result<Outcome, Failure> {
    let due = due(info, by);
    let stuck = info.unfinished.as_ref().and_then(|unfinished| unfinished.reason.as_ref());
    let mut text: String = due.iter().map(|due| due.line(&info.gun)).collect();
    if let Some(reason) = stuck {
        writeln!(text, "{}: a release waits for the signer: {}", info.gun, one_line(reason))
            .expect("a String takes all");
    }
    let lost = lost(info);
    lost.iter().for_each(|line| text.push_str(&format!("{}: {line}", info.gun)));
    text.extend(not_compared(info).map(|line| format!("{}: {line}", info.gun)));
    let value = json!({
        "collection": info.gun, "by": by, "due": due, "stuck": stuck,
        "lost": info.lost, "lost_root": info.lost_root, "not_compared": info.not_compared,
    });
    session.output.result(&value, &text)?;
    let is_well = due.is_empty() && stuck.is_none() && lost.is_empty() && !info.not_compared;
    Ok(if is_well { Outcome::Done } else { Outcome::ToDo })
}

/// Something that expires soon.
#[derive(Serialize)]
struct Due {
    /// The role, or the prefix of bins.
    name: String,
    expires: DateTime<Utc>,
    expired: bool,
    /// What to do.
    #[serde(skip)]
    next: String,
}

impl Due {
    fn line(&self, gun: &Gun) -> String {
        let what = if self.expired { "EXPIRED at" } else { "expires" };
        let when = time(self.expires);
        format!("{gun}: {} {what} {when}; {}\n", self.name, self.next)
    }
}

fn due(info: &CollectionInfo, by: DateTime<Utc>) -> Vec<Due> {
    let gun = &info.gun;
    let role = |role: &RoleInfo| {
        // What nobody delegates to is read by nobody.
        let file = role.file.as_ref().filter(|_| !role.keyids.is_empty())?;
        let (name, FileInfo { expires, expired, .. }) = (role.name.to_string(), file.clone());
        let (is_due, next) = match name.as_str() {
            // Short-lived, and renewed by the server.
            "snapshot" | "timestamp" => {
                (expired, "see why the server does not renew it: `/readyz`".to_owned())
            }
            _ => (expires <= by, format!("`notary witness {gun} {name} --publish` renews it")),
        };
        (expired || is_due).then_some(Due { name, expires, expired, next })
    };
    let bins = |bins: &BinsInfo| {
        let (expires, owner) = (bins.expires?, &bins.delegated_by);
        let name = format!("{}-…", one_line(&bins.name_prefix));
        let next = format!("`notary witness {gun} {owner} --bins --publish` renews all of them");
        let due = Due { name, expires, expired: bins.expired, next };
        (due.expired || expires <= by).then_some(due)
    };
    info.roles.iter().filter_map(role).chain(info.bins.iter().filter_map(bins)).collect()
}

fn text(info: &CollectionInfo) -> String {
    let mut text = format!("{}, commit {}\n", info.gun, info.seq);
    for role in &info.roles {
        let file = match &role.file {
            Some(file) => {
                let expired = if file.expired { "EXPIRED at" } else { "expires" };
                format!("{}, {expired} {}", file.version, time(file.expires))
            }
            None => "not published yet".to_owned(),
        };
        writeln!(text, "{} {file}", role.name).expect("a String takes all");
        let (threshold, of) = (role.threshold, role.keyids.len());
        match of {
            0 => writeln!(text, "  no keys: nobody delegates to it any more"),
            _ => writeln!(text, "  {threshold} of {of} keys: {}", joined(&role.keyids)),
        }
        .expect("a String takes all");
        text.push_str(&revoked_text(&role.revoked));
        if let Some(delegator) = &role.delegated_by {
            let paths = role.paths.as_ref().or(role.path_hash_prefixes.as_ref());
            let paths = paths.map(|paths| one_line(&paths.join(", "))).unwrap_or_default();
            writeln!(text, "  delegated by {delegator}: {paths}").expect("a String takes all");
        }
    }
    for bins in &info.bins {
        text.push_str(&bins_text(bins));
    }
    text.extend(lost(info));
    text.extend(not_compared(info));
    text
}

/// Why nothing is named as lost yet.
fn not_compared(info: &CollectionInfo) -> Option<String> {
    let text = "NOT COMPARED with the signer since the server started: what is lost is not known \
                yet; `/readyz` says whether the signer is there\n";
    info.not_compared.then(|| text.to_owned())
}

/// What a server lacks whose database was set back.
fn lost(info: &CollectionInfo) -> Vec<String> {
    let next = format!("whoever has it brings it back: `notary repair {}`", info.gun);
    let file = |lost: &LostFile| {
        let sha256 = lost.sha256.as_ref().map_or(String::new(), |it| format!(", sha256 {it}"));
        format!("LOST: {} {}{}; {next}\n", lost.name, lost.version, one_line(&sha256))
    };
    let root = info.roles.iter().find(|role| role.name == RoleName::ROOT);
    let there = root.and_then(|root| root.file.as_ref()).map(|file| file.version);
    let after = there.map_or(String::new(), |version| format!(" after root {version}"));
    let root = info.lost_root.then(|| format!("LOST: a root{after}; {next}\n"));
    info.lost.iter().map(file).chain(root).collect()
}

fn bins_text(bins: &BinsInfo) -> String {
    let BinsInfo { name_prefix, count, delegated_by, threshold, .. } = bins;
    let name_prefix = one_line(name_prefix);
    let first = match (bins.expires, bins.expired) {
        (Some(at), true) => format!("the first EXPIRED at {}", time(at)),
        (Some(at), false) => format!("the first expires {}", time(at)),
        (None, _) => "not published yet".to_owned(),
    };
    let of = bins.keyids.len();
    let revoked = revoked_text(&bins.revoked);
    format!(
        "{count} bins {name_prefix}-…, {first}\n  {threshold} of {of} keys: {}\n{revoked}  delegated \
         by {delegated_by}: names by their hash\n",
        joined(&bins.keyids)
    )
}

fn revoked_text(revoked: &[KeyId]) -> String {
    match revoked.iter().map(|id| one_line(id.as_str())).collect::<Vec<_>>()[..] {
        [] => String::new(),
        ref ids => format!("  revoked: {}\n", ids.join(", ")),
    }
}
