//! `notary init`: creates a collection.
//!
//! Own keys are stored before the first request, root 1 and targets 1 are stored byte for byte before
//! they are sent; so whatever is interrupted goes on when `init` is repeated. What other people have to
//! sign waits here, and goes to them in a file ([`ceremony`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::Key;
use notary_schema::name::{Gun, KeyId, RoleName, Version};
use notary_schema::online::{Lifetimes, OnlineRole};
use notary_schema::role::{Expires, RoleKeys, Root, TopLevelRoles};
use notary_signer::keys::Algorithm;

use crate::args::{InitArgs, When};
use crate::exit::{Failure, Outcome};
use crate::keyring::{KeyEntry, Keyring, Purpose};
use crate::proposed::ceremony::{self, FirstRoot};
use crate::publishing::in_flight::InFlight;
use crate::publishing::online_keys::{self, one_of};
use crate::remote::{Exempt, Reservation};
use crate::session::Session;
use crate::trust_dir::{CollectionDir, files};

/// Everything that root 1 names.
struct Keys {
    root: Holders,
    targets: Holders,
    /// One, or one and its stand-by.
    snapshot: Vec<Key>,
    /// The same.
    timestamp: Vec<Key>,
}

/// The keys of a role, of this person and of others.
struct Holders {
    all: Vec<Key>,
    /// Those that can sign here.
    here: Vec<KeyEntry>,
}

/// Runs `notary init`.
pub(crate) async fn run(session: &Session, args: InitArgs) -> Result<Outcome, Failure> {
    let gun = &args.gun;
    let replace = args.replace.as_deref().map(sha256).transpose()?;
    let reservation = Reservation { private: args.private, replace };
    let (collection, _lock) = session.locked(gun).await?;
    let keyring = session.keyring()?;
    let ceremony = FirstRoot { session, gun, collection: &collection, output: &args.output };
    if let Some(pinned) = files::read(&collection.pinned_path())? {
        match &reservation.replace {
            None => return already(session, keyring, &args, &pinned),
            Some(_) if is_accepted(session, gun, &collection).await? => {
                return ceremony.taken().await;
            }
            Some(_) => {}
        }
    }
    let in_flight = signed(session, keyring, &args, &collection, &reservation).await?;
    ceremony.go_on(in_flight).await
}

/// A hash as people write it.
fn sha256(text: &str) -> Result<String, Failure> {
    let digits = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    match digits {
        true => Ok(text.to_ascii_lowercase()),
        false => Err(Failure::Usage(format!("{text:?} is not 64 hexadecimal digits"))),
    }
}

/// Root 1 and targets 1, signed by the keys here: those of an earlier `init` where they are still right.
async fn signed(
    session: &Session,
    keyring: &Keyring,
    args: &InitArgs,
    collection: &CollectionDir,
    reservation: &Reservation,
) -> Result<InFlight, Failure> {
    let gun = &args.gun;
    // Whoever asks for the online keys reserves the name: what is wrong here is found before.
    session.server()?;
    require_reachable(&RoleName::ROOT, &args.root_key, args.root_threshold)?;
    require_reachable(&RoleName::TARGETS, &args.targets_key, args.targets_threshold)?;
    let root = Holders::named(keyring, &args.root_key, &format!("{gun} root"), Purpose::Root)?;
    root.signers(args.root_threshold)?;
    let label = format!("{gun} targets");
    let targets = Holders::named(keyring, &args.targets_key, &label, Purpose::Targets)?;
    targets.signers(args.targets_threshold)?;
    if InFlight::load(collection)?.is_none() {
        keyring.open_all(&root.here, Purpose::Root)?;
        keyring.open_all(&targets.here, Purpose::Targets)?;
    }
    let snapshot = online_keys::first(session, gun, OnlineRole::Snapshot, reservation).await?;
    let timestamp = online_keys::first(session, gun, OnlineRole::Timestamp, reservation).await?;
    let keys = Keys { root, targets, snapshot, timestamp };
    if let Some(in_flight) = resumable(session, args, collection, &keys).await? {
        return Ok(in_flight);
    }
    let in_flight = sign(keyring, &keys, args, session.now())?.creating(reservation);
    in_flight.save(collection)?;
    Ok(in_flight)
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

/// Refuses a threshold before keys are made for it.
fn require_reachable(
    role: &RoleName,
    named: &[String],
    threshold: Option<u32>,
) -> Result<(), Failure> {
    let (keys, threshold) = (named.len().max(1), threshold.unwrap_or(1));
    match threshold as usize {
        0 => Err(Failure::Usage(format!("{role}: a threshold of 0 signs nothing"))),
        wanted if wanted <= keys => Ok(()),
        _ => Err(Failure::Usage(format!(
            "{role} would have {keys} keys and ask for {threshold}; lower --{role}-threshold, or name \
             more keys with --{role}-key"
        ))),
    }
}

impl Holders {
    /// The keys that are named, or the one that an earlier `init` made, or a new one.
    fn named(
        keyring: &Keyring,
        named: &[String],
        label: &str,
        purpose: Purpose,
    ) -> Result<Holders, Failure> {
        if !named.is_empty() {
            return Holders::of(keyring, named, purpose);
        }
        let own = match labelled(keyring, label)? {
            Some(key) => key,
            None => keyring.create(Algorithm::Ed25519, Some(label.to_owned()), purpose)?,
        };
        Ok(Holders { all: vec![own.key.clone()], here: vec![own] })
    }

    /// The keys that are named.
    fn of(keyring: &Keyring, named: &[String], purpose: Purpose) -> Result<Holders, Failure> {
        let mut holders = Holders { all: Vec::new(), here: Vec::new() };
        for reference in named {
            let (key, here) = keyring.public_or_own(reference, purpose)?;
            holders.all.push(key);
            holders.here.extend(here);
        }
        Ok(holders)
    }

    fn keyids(&self) -> Vec<KeyId> {
        self.all.iter().map(|key| key.id().clone()).collect()
    }

    fn signers(&self, threshold: Option<u32>) -> Result<RoleKeys, Failure> {
        RoleKeys::new(self.keyids(), threshold.unwrap_or(1)).map_err(Failure::Usage)
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
    let root = ceremony::read_pinned(session, gun, pinned)?;
    let own: Vec<KeyId> = match args.root_key.is_empty() {
        true => {
            labelled(keyring, &format!("{gun} root"))?.map(|own| own.keyid).into_iter().collect()
        }
        false => Holders::of(keyring, &args.root_key, Purpose::Root)?.keyids(),
    };
    let roles = &root.signed().roles;
    if own.is_empty() || !own.iter().all(|keyid| roles.root.keyids.contains(keyid)) {
        return Err(Failure::Conflict(format!(
            "{gun} exists and its root is not signed by these keys; choose another name"
        )));
    }
    let targets = Holders::of(keyring, &args.targets_key, Purpose::Targets)?;
    let has_others = targets.keyids().iter().any(|keyid| !roles.targets.keyids.contains(keyid));
    for (name, threshold, role, has_others) in [
        (RoleName::ROOT, args.root_threshold, &roles.root, false),
        (RoleName::TARGETS, args.targets_threshold, &roles.targets, has_others),
    ] {
        if has_others || is_other(threshold, role) {
            let (has, keys) = (role.threshold, role.keyids.len());
            return Err(Failure::Conflict(format!(
                "{gun} exists, and its {name} is signed by {has} of {keys} keys, not by these; \
                 `notary rotate {gun} {name}` changes that"
            )));
        }
    }
    session.output.message(format_args!("{gun} was created before"));
    ceremony::report(session, gun, pinned)
}

/// The files of an interrupted `init`, where they are still right: the server answers the online keys
/// that they name, or has a root already, which then must be this one.
async fn resumable(
    session: &Session,
    args: &InitArgs,
    collection: &CollectionDir,
    keys: &Keys,
) -> Result<Option<InFlight>, Failure> {
    let gun = &args.gun;
    let Some(in_flight) = InFlight::load(collection)? else { return Ok(None) };
    let files = in_flight.files();
    let root = files.iter().find(|(role, _)| *role == RoleName::ROOT);
    let Some(root) = root.and_then(|(_, file)| Envelope::<Root>::parse(file.clone()).ok()) else {
        return Ok(None);
    };
    let names = |role: &RoleKeys, keys: &[Key]| role.keyids == one_of(keys).keyids;
    let roles = &root.signed().roles;
    for (named, threshold, role, holders) in [
        (&args.root_key, args.root_threshold, &roles.root, &keys.root),
        (&args.targets_key, args.targets_threshold, &roles.targets, &keys.targets),
    ] {
        let has_others = !named.is_empty() && role.keyids != holders.keyids();
        if has_others || is_other(threshold, role) {
            let what = if has_others { "keys" } else { "thresholds" };
            return Err(Failure::Conflict(format!(
                "a first root of {gun} with other {what} was signed here and is not published; \
                 repeat `notary init` with those, or drop it with `notary reset {gun}`"
            )));
        }
    }
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

/// Whether a threshold was named, and the role has another.
fn is_other(named: Option<u32>, role: &RoleKeys) -> bool {
    named.is_some_and(|threshold| threshold != role.threshold.get())
}

fn sign(
    keyring: &Keyring,
    keys: &Keys,
    args: &InitArgs,
    now: DateTime<Utc>,
) -> Result<InFlight, Failure> {
    let lifetimes = Lifetimes::default();
    let expires = |seconds| When::or_after(args.expires, seconds, now);
    let root = Unsigned::of(&first_root(keys, args, expires(lifetimes.root_seconds))?);
    let targets = Draft::first_targets(expires(lifetimes.targets_seconds)).finish();
    let sign = |document: &Unsigned, purpose, holders: &Holders| {
        let keys: Vec<_> = holders.here.iter().map(|key| (&key.keyid, key)).collect();
        keyring.sign_with(document, purpose, &keys).map(Arc::<[u8]>::from)
    };
    let files = [
        (RoleName::ROOT, sign(&root, Purpose::Root, &keys.root)?),
        (RoleName::TARGETS, sign(&targets, Purpose::Targets, &keys.targets)?),
    ];
    Ok(InFlight::new(&files, Exempt::default(), BTreeMap::new()))
}

fn first_root(keys: &Keys, args: &InitArgs, expires: Expires) -> Result<Root, Failure> {
    let roles = TopLevelRoles {
        root: keys.root.signers(args.root_threshold)?,
        snapshot: one_of(&keys.snapshot),
        targets: keys.targets.signers(args.targets_threshold)?,
        timestamp: one_of(&keys.timestamp),
    };
    let own = keys.root.all.iter().chain(&keys.targets.all);
    let all = own.chain(&keys.snapshot).chain(&keys.timestamp);
    let all = all.map(|key| (key.id().clone(), key.clone())).collect();
    Ok(Root::new(Version::FIRST, expires, all, roles))
}
