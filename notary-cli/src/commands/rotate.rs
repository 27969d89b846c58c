//! `notary rotate`: other keys, or another threshold, for a role.

use std::fmt::Write;

use notary_schema::envelope::Envelope;
use notary_schema::name::KeyId;
use notary_schema::online::OnlineRole;
use notary_schema::role::Root;
use notary_schema::trusted::Expiry;
use serde_json::json;

use crate::args::RotateArgs;
use crate::exit::{Failure, Outcome};
use crate::publishing::Publisher;
use crate::publishing::rotation::{Rotated, Rotation};
use crate::session::Session;

/// Runs `notary rotate`.
pub(crate) async fn run(session: &Session, args: RotateArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    if !args.role.is_top_level() {
        return Err(Failure::Usage(format!(
            "{} is delegated: its keys are in the file of the role that delegates to it",
            args.role
        )));
    }
    let (collection, _lock) = session.locked(gun).await?;
    let publisher = Publisher::new(session, gun, &collection, &args.sign)?;
    let before = session.refreshed(gun, session.now(), Expiry::Reported).await?;
    let before = before.trusted()?.root().clone();
    // What was asked for before has to be there first; it may be this very rotation.
    if let Some(root) = publisher.resend_root().await? {
        return report(session, &args, &Rotated::between(&args.role, before.signed(), root)).await;
    }
    let rotation = rotation(session, &args, before.signed()).await?;
    match publisher.rotate(&rotation).await? {
        Some(rotated) => report(session, &args, &rotated).await,
        None => {
            session.output.result(
                &json!({ "collection": gun, "role": args.role, "root_version": before.version(),
                         "keys_in": [], "keys_out": [] }),
                "nothing to change\n",
            )?;
            Ok(Outcome::Done)
        }
    }
}

async fn rotation(session: &Session, args: &RotateArgs, root: &Root) -> Result<Rotation, Failure> {
    let online = [OnlineRole::Snapshot, OnlineRole::Timestamp];
    let online = online.into_iter().find(|online| online.name() == args.role);
    let (mut new, mut dropped) = (Vec::new(), args.drop_key.clone());
    match online {
        Some(role) => {
            if !args.new_key.is_empty() {
                return Err(Failure::Usage(format!(
                    "{} is signed by keys of the signer: leave out --new-key, and one is made there",
                    args.role
                )));
            }
            if dropped.is_empty() && args.threshold.is_none() {
                let listed = root.role_keys(&args.role).map_or(&[][..], |keys| &keys.keyids);
                dropped = listed.iter().map(KeyId::to_string).collect();
                new.push(session.server()?.next_online_key(&args.gun, role).await?.key);
            }
        }
        None => {
            let keyring = session.keyring()?;
            for reference in &args.new_key {
                new.push(keyring.public(reference)?);
            }
        }
    }
    let (role, threshold, compromised) = (args.role.clone(), args.threshold, args.compromised);
    Ok(Rotation { role, new, dropped, threshold, compromised })
}

async fn report(
    session: &Session,
    args: &RotateArgs,
    rotated: &Rotated,
) -> Result<Outcome, Failure> {
    let (gun, role) = (&args.gun, &args.role);
    // So that what is staged offline from now on is built on the new root.
    if let Err(failure) = session.refreshed(gun, session.now(), Expiry::Reported).await {
        session.output.warn(format_args!("the new root could not be read yet: {failure}"));
    }
    let root: &Envelope<Root> = &rotated.root;
    let signers = root.signed().role_keys(role).expect("a top-level role");
    let mut text = format!("published root {}\n", root.version());
    for (what, keyids) in [("in", &rotated.keys_in), ("out", &rotated.keys_out)] {
        for keyid in keyids {
            writeln!(text, "{role} {what}: {keyid}").expect("a String takes all");
        }
    }
    let (threshold, keys) = (signers.threshold, signers.keyids.len());
    writeln!(text, "{role} is signed by {threshold} of {keys} keys").expect("a String takes all");
    let value = json!({
        "collection": gun, "role": role, "root_version": root.version(),
        "keys_in": rotated.keys_in, "keys_out": rotated.keys_out, "threshold": threshold,
        "keys": signers.keyids,
    });
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}
