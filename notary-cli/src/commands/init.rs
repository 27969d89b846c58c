//! `notary init`: creates a collection.
//!
//! Own keys are stored before the first request, root 1 and targets 1 are stored byte for byte before
//! they are sent; so whatever is interrupted goes on when `init` is repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, KeyId, RoleName, Version};
use notary_schema::online::{HeldKeys, Lifetimes, OnlineRole, expires_after};
use notary_schema::role::{Expires, RoleKeys, Root, TopLevelRoles};
use notary_schema::trusted::Expiry;
use notary_schema::wire::OnlineKey;
use notary_signer::keys::Algorithm;
use serde_json::json;

use crate::args::InitArgs;
use crate::exit::{Failure, Outcome};
use crate::keyring::{KeyEntry, Keyring, Purpose};
use crate::publishing::in_flight::InFlight;
use crate::remote::{Exempt, Reservation};
use crate::session::Session;
use crate::trust_dir::{CollectionDir, StateError, files};

/// Everything that root 1 names.
struct Keys {
    root: Vec<KeyEntry>,
    targets: Vec<KeyEntry>,
    snapshot: OnlineKey,
    timestamp: OnlineKey,
}

/// Runs `notary init`.
pub(crate) async fn run(session: &Session, args: InitArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let replace = args.replace.as_deref().map(sha256).transpose()?;
    let reservation = Reservation { private: args.private, replace };
    let (collection, _lock) = session.locked(gun).await?;
    let keyring = session.keyring()?;
    if let Some(pinned) = files::read(&collection.pinned_path())? {
        match &reservation.replace {
            None => return already(session, &keyring, &args, &pinned),
            Some(_) if is_accepted(session, gun, &collection).await? => {}
            Some(_) => send(session, &keyring, &args, &collection, &reservation).await?,
        }
    } else {
        send(session, &keyring, &args, &collection, &reservation).await?;
    }
    let sent = InFlight::load(&collection)?.expect("it is kept until here").files();
    let root = &sent[0].1;
    if reservation.replace.is_some() {
        // What was trusted of the collection that is gone; its pin is replaced last.
        collection.forget_metadata()?;
        collection.forget_signed()?;
    }
    session.pin(&collection, root)?;
    // Pinned first: a crash in between repeats the request, which is harmless.
    InFlight::settle(&collection)?;
    // So that changes can be staged offline from now on.
    if let Err(failure) = session.refreshed(gun, session.now(), Expiry::Reported).await {
        session.output.warn(format_args!("the new collection could not be read yet: {failure}"));
    }
    report(session, gun, root)
}

/// A hash as people write it.
fn sha256(text: &str) -> Result<String, Failure> {
    let digits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match digits {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(Failure::Usage(format!("{text:?} is not 64 hexadecimal digits"))),
    }
}

/// Sends root 1 and targets 1. What is in flight stays stored when they are accepted.
async fn send(
    session: &Session,
    keyring: &Keyring,
    args: &InitArgs,
    collection: &CollectionDir,
    reservation: &Reservation,
) -> Result<(), Failure> {
    let gun = &args.gun;
    let server = session.server()?;
    let root = own_keys(keyring, &args.root_key, &format!("{gun} root"), Purpose::Root)?;
    let label = format!("{gun} targets");
    let targets = own_keys(keyring, &args.targets_key, &label, Purpose::Targets)?;
    let snapshot = online_key(session, gun, OnlineRole::Snapshot, reservation).await?;
    let timestamp = online_key(session, gun, OnlineRole::Timestamp, reservation).await?;
    let keys = Keys { root, targets, snapshot, timestamp };
    let in_flight = match resumable(session, gun, collection, &keys).await? {
        Some(in_flight) => in_flight,
        None => {
            let in_flight = sign(keyring, &keys, args, session.now())?;
            in_flight.save(collection)?;
            in_flight
        }
    };
    match server.create(gun, &in_flight.files(), reservation).await {
        Ok(answer) => {
            if answer.warnings.is_empty() && args.root_threshold == 1 {
                session
                    .output
                    .warn("root has a threshold of 1: one stolen key takes the collection");
            }
            for warning in &answer.warnings {
                session.output.warn(warning);
            }
            Ok(())
        }
        Err(error) => {
            if error.is_definite() {
                InFlight::settle(collection)?;
            }
            if error.problem().is_some_and(|problem| problem.code == "version_conflict") {
                return Err(Failure::Conflict(format!(
                    "{gun} exists already with another root ({error}); choose another name, or pin \
                     its root with `notary trust add`"
                )));
            }
            Err(error.into())
        }
    }
}

/// Whether the server has taken the root that is in flight: then a replacement is done, and asking
/// for it again would be refused.
async fn is_accepted(
    session: &Session,
    gun: &Gun,
    collection: &CollectionDir,
) -> Result<bool, Failure> {
    let Some(in_flight) = InFlight::load(collection)? else { return Ok(false) };
    let files = in_flight.files();
    let Some((_, root)) = files.iter().find(|(role, _)| *role == RoleName::ROOT) else {
        return Ok(false);
    };
    let agent = session.agent(gun, session.now())?;
    match session.fetch_root(gun, Version::FIRST, &agent).await {
        Ok(served) => Ok(served == root[..]),
        Err(Failure::NotFound(_)) => Ok(false),
        Err(failure) => Err(failure),
    }
}

fn report(session: &Session, gun: &Gun, root: &[u8]) -> Result<Outcome, Failure> {
    let file = read_pinned(session, gun, root)?;
    let (version, sha256, roles) = (file.version(), sha256_hex(root), &file.signed().roles);
    let join = |ids: &[KeyId]| ids.iter().map(KeyId::as_str).collect::<Vec<_>>().join(", ");
    let text = format!(
        "created {gun}\nroot {version} has the sha256 {sha256}\nroot keys: {}\ntargets keys: {}\n",
        join(&roles.root.keyids),
        join(&roles.targets.keyids)
    );
    let value = json!({
        "collection": gun, "root_version": version, "root_sha256": sha256,
        "root_keys": roles.root.keyids, "targets_keys": roles.targets.keyids,
    });
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}

fn read_pinned(session: &Session, gun: &Gun, root: &[u8]) -> Result<Envelope<Root>, Failure> {
    let path = session.collection(gun)?.pinned_path();
    Envelope::<Root>::parse(root.to_vec())
        .map_err(|error| StateError::Corrupt { path, why: error.to_string() }.into())
}

/// The keys that are named, or the one that an earlier `init` made, or a new one.
fn own_keys(
    keyring: &Keyring,
    named: &[String],
    label: &str,
    purpose: Purpose,
) -> Result<Vec<KeyEntry>, Failure> {
    if !named.is_empty() {
        let resolve = |key: &String| keyring.resolve(key, purpose);
        return Ok(named.iter().map(resolve).collect::<Result<_, _>>()?);
    }
    match labelled(keyring, label)? {
        Some(key) => Ok(vec![key]),
        None => Ok(vec![keyring.create(Algorithm::Ed25519, Some(label.to_owned()), purpose)?]),
    }
}

fn labelled(keyring: &Keyring, label: &str) -> Result<Option<KeyEntry>, Failure> {
    Ok(keyring.list()?.into_iter().find(|key| key.label.as_deref() == Some(label)))
}

/// A collection whose root is pinned here exists: with these root keys it was made here.
fn already(
    session: &Session,
    keyring: &Keyring,
    args: &InitArgs,
    pinned: &[u8],
) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let root = read_pinned(session, gun, pinned)?;
    let own = match args.root_key.is_empty() {
        true => labelled(keyring, &format!("{gun} root"))?.into_iter().collect(),
        false => own_keys(keyring, &args.root_key, "", Purpose::Root)?,
    };
    let listed = &root.signed().roles.root.keyids;
    if own.is_empty() || !own.iter().all(|key| listed.contains(&key.keyid)) {
        return Err(Failure::Conflict(format!(
            "{gun} exists and its root is not signed by these keys; choose another name"
        )));
    }
    session.output.message(format_args!("{gun} was created before"));
    report(session, gun, pinned)
}

async fn online_key(
    session: &Session,
    gun: &Gun,
    role: OnlineRole,
    reservation: &Reservation,
) -> Result<OnlineKey, Failure> {
    let key = session.server()?.online_key(gun, role, reservation).await?;
    match key.keyid == *key.key.id() && key.key.public().is_some() {
        true => Ok(key),
        false => Err(Failure::Refused(format!(
            "the server's key for {} is not one that this program can read",
            role.name()
        ))),
    }
}

/// The files of an interrupted `init`, where they are still right: the server answers the online keys
/// that they name, or has a root already, which then must be this one.
async fn resumable(
    session: &Session,
    gun: &Gun,
    collection: &CollectionDir,
    keys: &Keys,
) -> Result<Option<InFlight>, Failure> {
    let Some(in_flight) = InFlight::load(collection)? else { return Ok(None) };
    let files = in_flight.files();
    let root = files.iter().find(|(role, _)| *role == RoleName::ROOT);
    let Some(root) = root.and_then(|(_, file)| Envelope::<Root>::parse(file.clone()).ok()) else {
        return Ok(None);
    };
    let names = |role: &RoleKeys, key: &OnlineKey| role.keyids == [key.keyid.clone()];
    let roles = &root.signed().roles;
    if names(&roles.snapshot, &keys.snapshot) && names(&roles.timestamp, &keys.timestamp) {
        return Ok(Some(in_flight));
    }
    let agent = session.agent(gun, session.now())?;
    match session.fetch_root(gun, Version::FIRST, &agent).await {
        Ok(_) => Ok(Some(in_flight)),
        Err(Failure::NotFound(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

fn sign(
    keyring: &Keyring,
    keys: &Keys,
    args: &InitArgs,
    now: DateTime<Utc>,
) -> Result<InFlight, Failure> {
    let lifetimes = Lifetimes::default();
    let expires =
        |seconds| args.expires.map_or_else(|| expires_after(now, seconds), |when| when.from(now));
    let root = Unsigned::of(&first_root(keys, args, expires(lifetimes.root_seconds))?);
    let targets = Draft::first_targets(expires(lifetimes.targets_seconds)).finish();
    let sign = |document: &Unsigned, purpose, keys: &[KeyEntry]| {
        let keys: Vec<_> = keys.iter().map(|key| (&key.keyid, key)).collect();
        keyring.sign_with(document, purpose, &keys).map(Arc::<[u8]>::from)
    };
    let files = [
        (RoleName::ROOT, sign(&root, Purpose::Root, &keys.root)?),
        (RoleName::TARGETS, sign(&targets, Purpose::Targets, &keys.targets)?),
    ];
    check(&files, keys, now)?;
    Ok(InFlight::new(&files, Exempt::default(), BTreeMap::new()))
}

fn first_root(keys: &Keys, args: &InitArgs, expires: Expires) -> Result<Root, Failure> {
    let ids = |keys: &[KeyEntry]| keys.iter().map(|key| key.keyid.clone()).collect();
    let role = |ids, threshold| RoleKeys::new(ids, threshold).map_err(Failure::Usage);
    let roles = TopLevelRoles {
        root: role(ids(&keys.root), args.root_threshold)?,
        snapshot: role(vec![keys.snapshot.keyid.clone()], 1)?,
        targets: role(ids(&keys.targets), args.targets_threshold)?,
        timestamp: role(vec![keys.timestamp.keyid.clone()], 1)?,
    };
    let own = keys.root.iter().chain(&keys.targets).map(|key| (key.keyid.clone(), key.key.clone()));
    let online = [&keys.snapshot, &keys.timestamp];
    let online = online.map(|key| (key.keyid.clone(), key.key.clone()));
    Ok(Root::new(Version::FIRST, expires, own.chain(online).collect(), roles))
}

/// Judges the first publish before it is sent.
fn check(files: &[(RoleName, Arc<[u8]>)], keys: &Keys, now: DateTime<Utc>) -> Result<(), Failure> {
    use notary_schema::publish::{Batch, Refusal, Rules, check};
    let mut batch = Batch::default();
    for (role, file) in files {
        batch.add(role.clone(), file.clone())?;
    }
    let rules = Rules {
        offline_max_seconds: Lifetimes::default().offline_max_seconds,
        held_keys: HeldKeys::from_iter([
            (OnlineRole::Snapshot, keys.snapshot.keyid.clone()),
            (OnlineRole::Timestamp, keys.timestamp.keyid.clone()),
        ]),
        ..Rules::default()
    };
    match check(None, &batch, &rules, now) {
        Ok(_) => Ok(()),
        Err(Refusal::Threshold(missing)) => Err(Failure::SignaturesMissing(missing.to_string())),
        Err(refusal) => Err(refusal.into()),
    }
}
