//! `notary rotate`: other keys, or another threshold, for a role.

use std::fmt::Write;

use notary_schema::envelope::Envelope;
use notary_schema::name::KeyId;
use notary_schema::online::OnlineRole;
use notary_schema::role::{RoleKeys, Root};
use notary_schema::trusted::Expiry;
use notary_schema::wire::PublishedRole;
use serde_json::json;

use crate::args::RotateArgs;
use crate::exit::{Failure, Outcome};
use crate::proposed::progress;
use crate::publishing::Publisher;
use crate::publishing::delivery::Delivered;
use crate::publishing::online_keys;
use crate::publishing::rotation::{NewRoot, Rotated};
use crate::publishing::signers::Rotation;
use crate::session::Session;

/// Runs `notary rotate`.
pub(crate) async fn run(session: &Session, args: RotateArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let (collection, _lock) = session.locked(gun).await?;
    let publisher = Publisher::new(session, gun, &collection, &args.sign)?;
    if args.bins || !args.role.is_top_level() {
        return delegated(session, &args, &publisher).await;
    }
    // While targets is lost this goes on, so that the next step can be named.
    let before = session.refreshed_to_publish(gun, session.now()).await?;
    let before = before.trusted()?.root().clone();
    // What was asked for before has to be there first; it may be this very rotation.
    let delivered = match publisher.resend_root(&args.role, before.signed()).await? {
        Some(delivered) => Some(delivered),
        None => {
            let rotation = rotation(session, &args, before.signed()).await?;
            publisher.rotate(&rotation).await?
        }
    };
    match delivered {
        Some(NewRoot::Published(rotated)) => report(session, &args, &rotated).await,
        Some(NewRoot::Proposed(proposal)) => progress::made(session, gun, &proposal),
        None => nothing(session, &args),
    }
}

/// A role whose keys stand in the file of another targets role.
async fn delegated(
    session: &Session,
    args: &RotateArgs,
    publisher: &Publisher<'_>,
) -> Result<Outcome, Failure> {
    let (gun, role) = (&args.gun, &args.role);
    if args.bins && !role.is_targets_role() {
        return Err(Failure::Usage(format!("{role} lists no targets, so it has no bins")));
    }
    if args.compromised {
        return Err(Failure::Usage(format!(
            "the keys of {role} change for every client at once; leave out --compromised"
        )));
    }
    let rotation = Rotation { bins: args.bins, ..own_keys(session, args)? };
    let Some(replaced) = publisher.rotate_delegated(&rotation).await? else {
        return nothing(session, args);
    };
    let (before, after) = (&replaced.before.keyids, &replaced.after);
    let answer = match &replaced.delivered {
        Delivered::Published(answer) => answer,
        Delivered::Proposed(proposal) => return progress::made(session, gun, proposal),
    };
    let of = |some: &[KeyId], others: &[KeyId]| -> Vec<KeyId> {
        some.iter().filter(|keyid| !others.contains(keyid)).cloned().collect()
    };
    let (keys_in, keys_out) = (of(&after.keyids, before), of(before, &after.keyids));
    answer.warnings.iter().for_each(|warning| session.output.warn(warning));
    let who = if args.bins { format!("each bin of {role}") } else { role.to_string() };
    let mut text = match args.bins {
        true => format!("published {} files\n", answer.roles.len()),
        false => {
            let published =
                |part: &PublishedRole| format!("published {} {}\n", part.name, part.version);
            answer.roles.iter().map(published).collect()
        }
    };
    text += &signers_text(&who, &keys_in, &keys_out, after);
    let value = json!({
        "collection": gun, "role": role, "bins": args.bins, "roles": answer.roles,
        "keys_in": keys_in, "keys_out": keys_out, "threshold": after.threshold,
        "keys": after.keyids, "snapshot": answer.snapshot, "timestamp": answer.timestamp,
    });
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}

fn nothing(session: &Session, args: &RotateArgs) -> Result<Outcome, Failure> {
    let value = json!({
        "collection": args.gun, "role": args.role, "keys_in": [], "keys_out": [],
    });
    session.output.result(&value, "nothing to change\n")?;
    Ok(Outcome::Done)
}

fn signers_text(who: &str, keys_in: &[KeyId], keys_out: &[KeyId], after: &RoleKeys) -> String {
    let mut text = String::new();
    for (what, keyids) in [("in", keys_in), ("out", keys_out)] {
        for keyid in keyids {
            writeln!(text, "{who} {what}: {keyid}").expect("a String takes all");
        }
    }
    let (threshold, keys) = (after.threshold, after.keyids.len());
    writeln!(text, "{who} is signed by {threshold} of {keys} keys").expect("a String takes all");
    text
}

/// A rotation of keys that are made here or by other people.
fn own_keys(session: &Session, args: &RotateArgs) -> Result<Rotation, Failure> {
    let keyring = session.keyring()?;
    let new = args.new_key.iter().map(|reference| keyring.public(reference));
    Ok(Rotation {
        role: args.role.clone(),
        bins: false,
        new: new.collect::<Result<_, _>>()?,
        dropped: args.drop_key.clone(),
        threshold: args.threshold,
        compromised: args.compromised,
    })
}

async fn rotation(session: &Session, args: &RotateArgs, root: &Root) -> Result<Rotation, Failure> {
    let online = OnlineRole::BOTH;
    let Some(role) = online.into_iter().find(|online| online.name() == args.role) else {
        return own_keys(session, args);
    };
    if !args.new_key.is_empty() {
        return Err(Failure::Usage(format!(
            "{} is signed by keys of the signer: leave out --new-key, and one is made there",
            args.role
        )));
    }
    let mut rotation = own_keys(session, args)?;
    if rotation.dropped.is_empty() && args.threshold.is_none() {
        let listed = root.role_keys(&args.role).map_or(&[][..], |keys| &keys.keyids);
        rotation.dropped = listed.iter().map(KeyId::to_string).collect();
        rotation.new = online_keys::next(session, &args.gun, role).await?;
    }
    Ok(rotation)
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
    text += &signers_text(role.as_str(), &rotated.keys_in, &rotated.keys_out, signers);
    let value = json!({
        "collection": gun, "role": role, "root_version": root.version(),
        "keys_in": rotated.keys_in, "keys_out": rotated.keys_out, "threshold": signers.threshold,
        "keys": signers.keyids,
    });
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}
