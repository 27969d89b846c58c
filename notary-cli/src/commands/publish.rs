//! `notary publish`.

use std::fmt::Write;

use notary_schema::name::Gun;
use notary_schema::wire::PublishAnswer;
use serde_json::json;

use crate::args::{PublishArgs, SignArgs};
use crate::exit::{Failure, Outcome};
use crate::proposed::progress;
use crate::publishing::Publisher;
use crate::publishing::delivery::Delivered;
use crate::publishing::plan::Plan;
use crate::session::Session;
use crate::trust_dir::CollectionDir;

/// Runs `notary publish`.
pub(crate) async fn run(session: &Session, args: PublishArgs) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(&args.gun).await?;
    if !args.dry_run {
        return publish(session, &args.gun, &collection, &args.sign).await;
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

/// Publishes what is staged, with the collection's lock held.
pub(crate) async fn publish(
    session: &Session,
    gun: &Gun,
    collection: &CollectionDir,
    sign: &SignArgs,
) -> Result<Outcome, Failure> {
    let delivered = Publisher::new(session, gun, collection, sign)?.publish().await?;
    report(session, gun, delivered)
}

/// Shows what became of a publish.
pub(crate) fn report(
    session: &Session,
    gun: &Gun,
    delivered: Option<Delivered>,
) -> Result<Outcome, Failure> {
    match delivered {
        Some(Delivered::Published(answer)) => published(session, &answer),
        Some(Delivered::Proposed(proposal)) => progress::made(session, gun, &proposal),
        None => {
            session.output.result(&json!({ "roles": [] }), "nothing to publish\n")?;
            Ok(Outcome::Done)
        }
    }
}

/// Shows what was published.
fn published(session: &Session, answer: &PublishAnswer) -> Result<Outcome, Failure> {
    for warning in &answer.warnings {
        session.output.warn(warning);
    }
    for role in &answer.expired {
        session.output.warn(format_args!("{role} is expired"));
    }
    let mut text = String::new();
    for role in &answer.roles {
        let what = if role.published { "published" } else { "was there already:" };
        writeln!(text, "{what} {} {}", role.name, role.version).expect("a String takes all");
    }
    writeln!(text, "snapshot {}, timestamp {}", answer.snapshot, answer.timestamp)
        .expect("a String takes all");
    session.output.result(answer, &text)?;
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
