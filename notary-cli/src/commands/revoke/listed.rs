//! `notary revoke --list` and `--undo`: keys that are revoked.

use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::wire::Revocation;
use serde_json::json;

use crate::exit::{Failure, Outcome};
use crate::output::{one_line, time};
use crate::session::Session;

/// Runs `notary revoke --list`.
pub(super) async fn list(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let revoked = session.server()?.revocations(gun).await?;
    let line = |one: &Revocation| {
        let Revocation { keyid, reason, at, listed_in, .. } = one;
        let listed: Vec<&str> = listed_in.iter().map(RoleName::as_str).collect();
        let still = match &listed[..] {
            [] => String::new(),
            roles => format!(", still listed in {}", roles.join(", ")),
        };
        one_line(&format!("{keyid} {} {reason}{still}", time(*at))) + "\n"
    };
    let text: String = match &revoked[..] {
        [] => "no key is revoked\n".into(),
        revoked => revoked.iter().map(line).collect(),
    };
    session.output.result(&json!({ "collection": gun, "revocations": revoked }), &text)?;
    Ok(Outcome::Done)
}

/// Runs `notary revoke --undo`.
pub(super) async fn undo(session: &Session, gun: &Gun, id: &str) -> Result<Outcome, Failure> {
    let revoked = session.server()?.revocations(gun).await?;
    let found: Vec<&KeyId> =
        revoked.iter().map(|one| &one.keyid).filter(|key| key.as_str().starts_with(id)).collect();
    let keyid = match &found[..] {
        [keyid] => *keyid,
        found => {
            let count = found.len();
            return Err(Failure::NotFound(format!(
                "{id:?} names {count} revoked keys of {gun}; `notary revoke {gun} --list` shows them"
            )));
        }
    };
    session.insist(
        &format!("let {keyid} sign again in {gun}"),
        "whoever has the key signs whatever lists it",
    )?;
    session.server()?.undo_revocation(gun, keyid).await?;
    let text = format!(
        "{keyid} may sign again where it is listed; what left it out stays so until somebody adds it \
         again with `notary rotate`\n"
    );
    session
        .output
        .result(&json!({ "collection": gun, "keyid": keyid, "revoked": false }), &text)?;
    Ok(Outcome::Done)
}
