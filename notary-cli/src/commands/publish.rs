//! `notary publish`.

use std::fmt::Write;

use serde_json::json;

use crate::args::PublishArgs;
use crate::delivered;
use crate::exit::{Failure, Outcome};
use crate::publishing::Publisher;
use crate::publishing::plan::Plan;
use crate::session::Session;

/// Runs `notary publish`.
pub(crate) async fn run(session: &Session, args: PublishArgs) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(&args.gun).await?;
    if !args.dry_run {
        return delivered::publish(session, &args.gun, &collection, &args.sign).await;
    }
    let publisher = Publisher::new(session, &args.gun, &collection, &args.sign)?;
    let Some((plan, warnings)) = publisher.dry_run().await? else {
        session.output.result(&json!({ "roles": [] }), "nothing to publish\n")?;
        return Ok(Outcome::Done);
    };
    for warning in &warnings {
        session.output.warn(warning);
    }
    let (value, text) = describe(&plan, &warnings);
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}

fn describe(plan: &Plan, warnings: &[String]) -> (serde_json::Value, String) {
    let mut text = String::new();
    let mut roles = Vec::new();
    for part in &plan.parts {
        let bytes = part.document.signed().len();
        let from = part.current.map_or("none".to_owned(), |version| version.to_string());
        writeln!(text, "{} {from} -> {}, {bytes} bytes before signatures", part.role, part.version)
            .expect("a String takes all");
        roles.push(json!({
            "name": part.role, "current": part.current, "version": part.version, "bytes": bytes,
        }));
    }
    for (role, file) in &plan.first_files {
        writeln!(text, "{role}: the first file of the team, {} bytes", file.len())
            .expect("a String takes all");
    }
    for role in &plan.exempt.pending {
        writeln!(text, "{role}: delegated, without a file yet").expect("a String takes all");
    }
    for role in &plan.exempt.orphan {
        writeln!(text, "{role}: not delegated to any more").expect("a String takes all");
    }
    let first: Vec<_> = plan.first_files.iter().map(|(role, _)| role).collect();
    let value = json!({
        "roles": roles, "first_files": first, "pending": plan.exempt.pending,
        "orphan": plan.exempt.orphan, "warnings": warnings,
    });
    (value, text)
}
