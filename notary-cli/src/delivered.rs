//! What became of signed files, as it is told: published, or proposed to those whose signatures are
//! missing.

use std::fmt::Write;

use notary_schema::name::Gun;
use notary_schema::wire::PublishAnswer;
use serde_json::json;

use crate::args::SignArgs;
use crate::exit::{Failure, Outcome};
use crate::proposed::progress;
use crate::publishing::Publisher;
use crate::publishing::delivery::Delivered;
use crate::session::Session;
use crate::trust_dir::CollectionDir;

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
