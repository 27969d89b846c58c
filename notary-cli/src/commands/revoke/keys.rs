//! The keys that a command names, and the server that takes nothing more of them.

use notary_schema::key::Key;
use notary_schema::name::{Gun, KeyId};
use notary_schema::wire::{NewRevocation, Revocation};

use crate::args::RevokeArgs;
use crate::exit::Failure;
use crate::output::time;
use crate::publishing::revocation::Known;
use crate::session::Session;

/// Has the server take nothing more of these keys. In a dry run they are only looked up. `before` are the
/// keys that were revoked already; where the collection cannot be read, nothing is `known` of it.
pub(super) async fn stop(
    session: &Session,
    args: &RevokeArgs,
    before: &[Revocation],
    known: Option<&Known>,
) -> Result<Vec<Revocation>, Failure> {
    let mut revocations = Vec::new();
    for id in args.keyid.iter().chain(&args.also) {
        revocations.push(stop_one(session, args, id, before, known).await?);
    }
    Ok(revocations)
}

async fn stop_one(
    session: &Session,
    args: &RevokeArgs,
    id: &str,
    before: &[Revocation],
    known: Option<&Known>,
) -> Result<Revocation, Failure> {
    let key = known.map(|known| listed_key(id, known)).transpose()?.flatten();
    let is_it = |one: &&Revocation| match &key {
        Some(key) => one.key.public() == key.public(),
        None => one.keyid.as_str().starts_with(id),
    };
    if let Some(there) = before.iter().find(is_it) {
        let (keyid, since) = (&there.keyid, time(there.at));
        session.output.message(format_args!("{keyid} is revoked since {since}"));
        return Ok(there.clone());
    }
    let keyid = match &key {
        Some(key) => key.id().clone(),
        None => KeyId::parse(id).map_err(|_| unknown(&args.gun, id, known))?,
    };
    if args.dry_run {
        let key = key.ok_or_else(|| unknown(&args.gun, id, known))?;
        return Ok(looked_up(session, keyid, key));
    }
    let reason = reason(session, args)?;
    let new = NewRevocation { keyid: Some(keyid), key, reason };
    let revocation = session.server()?.revoke_key(&args.gun, &new).await?;
    let (gun, keyid) = (&args.gun, &revocation.keyid);
    session.output.message(format_args!("revoked {keyid}: it signs nothing new in {gun}"));
    Ok(revocation)
}

fn reason(session: &Session, args: &RevokeArgs) -> Result<String, Failure> {
    if let Some(reason) = &args.sign.propose.reason {
        return Ok(reason.clone());
    }
    let answer = session.answer("Why? Everybody who may read the collection sees it.")?;
    answer.ok_or_else(|| {
        Failure::Usage("say why with --reason, for those who look at it later".into())
    })
}

/// A revocation that nobody is told of.
fn looked_up(session: &Session, keyid: KeyId, key: Key) -> Revocation {
    let (at, reason, by) = (session.now(), String::new(), String::new());
    let (listed_in, warnings) = Default::default();
    Revocation { keyid, key, reason, at, by, listed_in, warnings }
}

fn unknown(gun: &Gun, id: &str, known: Option<&Known>) -> Failure {
    if known.is_none() {
        return Failure::Usage(format!(
            "{gun} cannot be read; say the whole id of the key that begins with {id}"
        ));
    }
    Failure::NotFound(format!(
        "{gun} lists no key {id}; `notary info {gun}` shows those of its roles, and one that was \
         listed before is named by its whole id"
    ))
}

/// The key that some role lists under an id that begins so, or whose own id does.
fn listed_key(id: &str, known: &Known) -> Result<Option<Key>, Failure> {
    let root = known.present().root.signed();
    let delegations = known.files.values().filter_map(|file| file.signed().delegations.as_ref());
    let listed = root.keys.iter().chain(delegations.flat_map(|all| &all.keys));
    let is_meant = |(listed, key): &(&KeyId, &Key)| {
        listed.as_str().starts_with(id) || key.id().as_str().starts_with(id)
    };
    let mut found: Vec<&Key> = Vec::new();
    for (_, key) in listed.filter(is_meant) {
        if found.iter().all(|other| other.public() != key.public()) {
            found.push(key);
        }
    }
    match &found[..] {
        [] => Ok(None),
        [key] => Ok(Some((*key).clone())),
        several => Err(Failure::Usage(format!(
            "{id:?} begins the ids of {} keys; say more of it",
            several.len()
        ))),
    }
}
