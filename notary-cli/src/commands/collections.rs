//! `notary collections`, `delete`, `undelete`: collections as a whole, in the server's words.

use std::fmt::Write;

use notary_schema::name::Gun;
use notary_schema::wire::CollectionLife;
use serde_json::json;

use crate::args::DeleteArgs;
use crate::exit::{Failure, Outcome};
use crate::output::{one_line, time};
use crate::session::Session;

/// Runs `notary collections`.
pub(crate) async fn list(session: &Session) -> Result<Outcome, Failure> {
    let collections = session.server()?.collections().await?;
    let mut text = String::new();
    for collection in &collections {
        let changed = time(collection.changed_at);
        writeln!(
            text,
            "{} root {}, snapshot {}, changed {changed}",
            collection.gun, collection.root, collection.snapshot
        )
        .expect("a String takes all");
    }
    session.output.result(&json!({ "collections": collections }), &text)?;
    Ok(Outcome::Done)
}

/// Runs `notary delete`.
pub(crate) async fn delete(session: &Session, args: DeleteArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    if args.local {
        return delete_here(session, gun).await;
    }
    session.insist(
        &format!("delete {gun}"),
        "everybody who uses it stops at once, until `notary undelete`",
    )?;
    let life = session.server()?.delete(gun).await?;
    let mut text = format!("deleted {gun}\n");
    if let Some(root) = &life.root {
        let (version, sha256) = (root.version, &root.sha256);
        writeln!(text, "its newest root {version} has the sha256 {}", one_line(sha256))
            .expect("a String takes all");
    }
    session.output.result(&life, &text)?;
    session.output.message(format_args!(
        "`notary undelete {gun}` brings it back; `notary init {gun} --replace SHA256` puts another \
         one in its place"
    ));
    Ok(Outcome::Done)
}

/// Forgets a collection in the trust directory. Keys stay: they may be needed elsewhere.
async fn delete_here(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(gun).await?;
    session.insist(
        &format!("forget {gun} here"),
        "its staged changes are lost, and its root must be pinned again before it is used; the \
         server keeps it",
    )?;
    collection.forget_changes()?;
    collection.forget_trust()?;
    let value = json!({ "collection": gun, "forgotten": true });
    session.output.result(&value, &format!("forgot {gun} here; the server was not asked\n"))?;
    Ok(Outcome::Done)
}

/// Runs `notary undelete`.
pub(crate) async fn undelete(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let life: CollectionLife = session.server()?.undelete(gun).await?;
    session.output.result(&life, &format!("{gun} is there again\n"))?;
    Ok(Outcome::Done)
}
