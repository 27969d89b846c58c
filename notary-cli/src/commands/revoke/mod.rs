//! `notary revoke`: a key signs nothing new, and the collection goes on without it.
//!
//! First the server is told: from then on nothing that the key signs is taken. Then every role that
//! lists it gets other signers, and where the key alone has signed what is there now, the last version
//! that stands without it is published again, unless somebody decides otherwise. Each step may be
//! repeated: the command does what is left to do, and says so where nothing is.

mod report;
mod ways_out;

use std::collections::BTreeSet;

use notary_schema::key::Key;
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::revocation::{Choices, Content, Revoked, listings};
use notary_schema::role::{Authority, Targets};
use notary_schema::threshold::RevokedKeys;
use notary_schema::wire::{NewRevocation, Revocation};
use serde_json::json;

use crate::args::{OfRole, RevokeArgs};
use crate::exit::{Failure, Outcome};
use crate::output::{one_line, time};
use crate::publishing::revocation::{Became, Collected, Wish};
use crate::publishing::{Publisher, Tries};
use crate::session::Session;
use report::Report;
use ways_out::WaysOut;

/// Runs `notary revoke`.
pub(crate) async fn run(session: &Session, args: RevokeArgs) -> Result<Outcome, Failure> {
    if args.list {
        return list(session, &args.gun).await;
    }
    if let Some(key) = &args.undo {
        return undo(session, &args.gun, key).await;
    }
    let gun = &args.gun;
    let (collection, _lock) = session.locked(gun).await?;
    let publisher = Publisher::new(session, gun, &collection, &args.sign)?;
    let known = session.server()?.revocations(gun).await?;
    // What is wrong with the collection, or with an earlier command, keeps no key in it.
    let read = publisher.collect().await;
    let revoked = revoke(session, &args, &known, read.as_ref().ok()).await?;
    let mut collected = read.inspect_err(|_| unreadable(session, &args))?;
    let is_new = |one: &Revocation| known.iter().all(|old| old.keyid != one.keyid);
    if !args.dry_run && (publisher.settle().await? || revoked.iter().any(is_new)) {
        // What the key has signed since it was read is there by now, and nothing more will be.
        collected = publisher.collect().await?;
    }
    let mut wish = wish(session, &args, &revoked, &known, &collected)?;
    let (mut tries, mut agreed, mut asked) = (Tries::new(session), None, BTreeSet::new());
    loop {
        let mut ways_out = WaysOut { session, args: &args, revoked: &revoked, asked: &mut asked };
        let plan = ways_out.plan(&publisher, &mut wish, &mut collected).await?;
        publisher.look_back_at_left_out(&wish, &mut collected).await?;
        let report = Report::new(gun, &revoked, &wish, &collected, &plan);
        if plan.is_empty() || args.dry_run {
            return report.show(session, &args);
        }
        let preview = report.preview();
        if agreed.as_ref() != Some(&preview) {
            agree(session, &report, &preview)?;
            agreed = Some(preview);
        }
        publisher.online_keys(&plan, &mut wish).await?;
        let plan = publisher.plan_without(&mut wish, &mut collected).await?;
        let report = Report::new(gun, &revoked, &wish, &collected, &plan);
        match publisher.publish_without(&plan, &wish, &collected).await? {
            Became::Published => return report.show(session, &args),
            Became::Proposed(proposal) => return report.proposed(session, gun, &proposal),
            Became::Overtaken(error) => {
                tries.again(error).await?;
                collected = publisher.collect().await?;
            }
        }
    }
}

/// What is done, and what is left to do, where the collection cannot be read.
fn unreadable(session: &Session, args: &RevokeArgs) {
    let gun = &args.gun;
    if !args.dry_run {
        session.output.message(format_args!(
            "roles go on to list the key until {gun} can be read: `notary repair {gun}` brings back \
             what its server has lost, then say this again"
        ));
    }
}

/// Has the server take nothing more of these keys. In a dry run they are only looked up.
async fn revoke(
    session: &Session,
    args: &RevokeArgs,
    known: &[Revocation],
    collected: Option<&Collected>,
) -> Result<Vec<Revocation>, Failure> {
    let named = args.keyid.iter().chain(&args.also);
    let mut revocations = Vec::new();
    for id in named {
        let key = collected.map(|collected| named_key(id, collected)).transpose()?.flatten();
        let is_it = |one: &&Revocation| match &key {
            Some(key) => one.key.public() == key.public(),
            None => one.keyid.as_str().starts_with(id.as_str()),
        };
        if let Some(there) = known.iter().find(is_it) {
            let (keyid, since) = (&there.keyid, time(there.at));
            session.output.message(format_args!("{keyid} is revoked since {since}"));
            revocations.push(there.clone());
            continue;
        }
        let keyid = match &key {
            Some(key) => key.id().clone(),
            None => KeyId::parse(id).map_err(|_| unknown(&args.gun, id, collected))?,
        };
        if args.dry_run {
            let key = key.ok_or_else(|| unknown(&args.gun, id, collected))?;
            revocations.push(preview(session, keyid, key));
            continue;
        }
        let reason = match &args.sign.propose.reason {
            Some(reason) => reason.clone(),
            None => session
                .answer("Why? Everybody who may read the collection sees it.")?
                .ok_or_else(|| {
                    Failure::Usage("say why with --reason, for those who look at it later".into())
                })?,
        };
        let new = NewRevocation { keyid: Some(keyid), key, reason };
        let revocation = session.server()?.revoke_key(&args.gun, &new).await?;
        let (gun, keyid) = (&args.gun, &revocation.keyid);
        session.output.message(format_args!("revoked {keyid}: it signs nothing new in {gun}"));
        revocations.push(revocation);
    }
    Ok(revocations)
}

/// A revocation that nobody is told of.
fn preview(session: &Session, keyid: KeyId, key: Key) -> Revocation {
    let (at, reason, by) = (session.now(), String::new(), String::new());
    let (listed_in, warnings) = Default::default();
    Revocation { keyid, key, reason, at, by, listed_in, warnings }
}

fn unknown(gun: &Gun, id: &str, collected: Option<&Collected>) -> Failure {
    if collected.is_none() {
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
fn named_key(id: &str, collected: &Collected) -> Result<Option<Key>, Failure> {
    let root = collected.present().root.signed();
    let delegations =
        collected.files.values().filter_map(|file| file.signed().delegations.as_ref());
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

/// What was decided on the command line.
fn wish(
    session: &Session,
    args: &RevokeArgs,
    asked: &[Revocation],
    known: &[Revocation],
    collected: &Collected,
) -> Result<Wish, Failure> {
    let keyring = session.keyring()?;
    let new_keys = args.new_key.iter().map(|reference| keyring.public(reference));
    let public = |one: &Revocation| one.key.public().cloned();
    let now: RevokedKeys = asked.iter().filter_map(public).collect();
    let revoked = Revoked::new(now, known.iter().filter_map(public).collect());
    let listed = listings(collected.present(), &revoked);
    let roles: BTreeSet<&RoleName> = listed.iter().map(|(_, role, _)| role).collect();
    let only = roles.iter().filter(|role| role.is_targets_role());
    let only: Vec<&RoleName> = only.copied().collect();
    let place = |of: &OfRole| match (&of.role, &only[..]) {
        (Some(role), _) => Ok(role.clone()),
        (None, [role]) => Ok((*role).clone()),
        (None, roles) => Err(Failure::Usage(format!(
            "{} roles list the key; say which one is meant: ROLE={}",
            roles.len(),
            of.version
        ))),
    };
    let mut choices = Choices {
        new_keys: new_keys.collect::<Result<_, _>>()?,
        threshold: args.threshold,
        roles: args.roles.iter().cloned().collect(),
        ..Choices::default()
    };
    let reviewed = args.reviewed.iter().map(|of| (of, Content::Reviewed(of.version)));
    let restored = args.restore.iter().map(|of| (of, Content::Of(of.version)));
    // Where no role lists the key, all was done, and nothing is left to decide.
    for (of, content) in reviewed.chain(restored).filter(|_| !listed.is_empty()) {
        choices.content.insert(place(of)?, content);
    }
    let is_known = |one: &&Revocation| known.iter().any(|old| old.keyid == one.keyid);
    let before = asked.iter().filter(is_known).map(|one| one.keyid.clone()).collect();
    Ok(Wish { revoked, before, choices, empty: args.empty, max_versions: args.versions })
}

/// Shows what is about to happen and asks, where somebody can be asked. Delegations are taken out
/// only where that is said.
fn agree(session: &Session, report: &Report, preview: &str) -> Result<(), Failure> {
    preview.lines().for_each(|line| session.output.message(line));
    for role in report.taken_out() {
        session.insist(
            &format!("take out the delegation to {role}"),
            "no key is left that signs it, and nothing that it lists is found any more; a key that \
             takes over is named with --new-key",
        )?;
    }
    match session.confirm("publish this?")? {
        true => Ok(()),
        false => Err(Failure::Refused(
            "nothing was published; the key signs nothing new all the same".into(),
        )),
    }
}

async fn list(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
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

async fn undo(session: &Session, gun: &Gun, id: &str) -> Result<Outcome, Failure> {
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

/// Whether a role names a key.
fn names(file: &Targets, key: &Key) -> bool {
    let Some(delegations) = &file.delegations else { return false };
    let lists = |authority: Authority<'_>| {
        let keys = authority.role.keyids.iter().filter_map(|id| authority.keys.get(id));
        keys.into_iter().any(|listed| listed.public() == key.public())
    };
    let first = delegations.succinct().map(|succinct| succinct.bins.name(0));
    let mut roles = delegations.listed().iter().map(|role| &role.name).chain(&first);
    roles.any(|role| delegations.authority(role).is_some_and(lists))
}
