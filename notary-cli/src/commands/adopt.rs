//! `notary adopt`: takes over a TUF repository of somebody else, with its keys and its history.
//!
//! Theirs is only read, ours has a reserved name and nothing more, until their root keys have signed
//! the root that names our online keys. That root lies in a file, which may go around between those
//! who hold the keys; the command is repeated until it has all signatures, and when it was interrupted.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::Key;
use notary_schema::name::{Gun, KeyId, RoleName, Version};
use notary_schema::online::{Lifetimes, OnlineRole, expires_after};
use notary_schema::publish::{Batch, Refusal, Rules, check};
use notary_schema::role::Root;
use notary_schema::trusted::{Expiry, TrustedSet};
use notary_schema::updater::{local_name, remote_name};
use serde_json::json;
use url::Url;

use crate::agent::Agent;
use crate::agent::whole::{self, Whole, no_place, read_whole, static_place};
use crate::args::AdoptArgs;
use crate::exit::{Failure, Outcome};
use crate::keyring::{Purpose, listed};
use crate::named;
use crate::publishing::online_keys::{self, one_of};
use crate::remote::Reservation;
use crate::session::Session;
use crate::trust_dir::{MetadataDir, files};

/// The online keys of the new collection: of a role one, or one and its stand-by.
type OnlineKeys = Vec<(OnlineRole, Vec<Key>)>;
/// Who has signed, and what.
type Signatures = Vec<(KeyId, Vec<u8>)>;

/// Runs `notary adopt`.
pub(crate) async fn run(session: &Session, args: AdoptArgs) -> Result<Outcome, Failure> {
    let (gun, now) = (&args.gun, session.now());
    let pinned = named::read(&args.root, named::MAX_ROOT_BYTES);
    let pinned = pinned.map_err(|error| Failure::file("read", &args.root, error))?;
    let pinned = TrustedSet::new(pinned, now, Expiry::Reported).map_err(|error| {
        let file = args.root.display();
        Failure::Refused(format!(
            "{file} is no root to trust: {error}; --root names a root.json of theirs"
        ))
    })?;
    let pinned = pinned.root();
    let new_root = args.new_root.clone();
    let new_root = new_root.unwrap_or_else(|| files::named_after(gun, "adopting-root.json"));
    let (collection, _lock) = session.locked(gun).await?;
    let whole = read(session, &args.from, pinned, now).await?;
    let reservation = Reservation { private: args.private, replace: None };
    let mut online = OnlineKeys::new();
    for role in OnlineRole::BOTH {
        online.push((role, online_keys::first(session, gun, role, &reservation).await?));
    }
    let root = next_root(session, &args, &new_root, &whole, &online, now)?;
    let files = files_of(&whole, &root);
    judge(&files, &online, now).map_err(|refusal| match refusal {
        Refusal::Threshold(missing) => Failure::SignaturesMissing(format!(
            "{missing}; nothing was sent: have {} signed by more of their root keys, and say the \
             same again",
            new_root.display()
        )),
        refusal => refusal.into(),
    })?;
    let answer = session.server()?.adopt(gun, &files).await?;
    answer.warnings.iter().for_each(|warning| session.output.warn(warning));
    session.pin(&collection, pinned.bytes())?;
    session.refreshed(gun, now, Expiry::Reported).await?;
    report(session, gun, &whole, &root, (answer.snapshot, answer.timestamp))
}

/// Reads all of their repository, starting with the root that is trusted.
async fn read(
    session: &Session,
    from: &str,
    pinned: &Envelope<Root>,
    now: DateTime<Utc>,
) -> Result<Whole, Failure> {
    let here = tempfile::tempdir();
    let action = "make a temporary directory";
    let here = here.map_err(|error| Failure::System { action, error })?;
    let metadata = MetadataDir::new(here.path().to_owned());
    metadata.save(&local_name(&RoleName::ROOT), pinned.bytes())?;
    let http = session.http();
    let mut agent = Agent::new(metadata, place(from)?, None, http, now, Expiry::Reported);
    agent.refresh().await?;
    let whole = read_whole(&mut agent, &session.output, now).await?;
    let at = usize::try_from(pinned.version().get() - 1).unwrap_or(usize::MAX);
    let same =
        whole.roots.files.get(at).and_then(|root| Envelope::<Root>::parse(root.clone()).ok());
    if !whole.roots.gaps.is_empty() || same.is_none_or(|root| root.message() != pinned.message()) {
        return Err(Failure::Refused(format!(
            "{from} has no chain of roots from root 1 on through the one that is trusted; clients \
             of older roots could not follow"
        )));
    }
    if let Some(name) = whole.left_out.first() {
        return Err(Failure::Refused(format!(
            "the snapshot of {from} lists {name}, for which neither a key nor a hash vouches; have \
             it published again there"
        )));
    }
    check_names(session, from, &whole)?;
    Ok(whole)
}

/// Says before anything is made what names of their roles lead to.
///
/// # Errors
/// A role that is called like a file of another one: the server takes its file for that.
fn check_names(session: &Session, from: &str, whole: &Whole) -> Result<(), Failure> {
    for (role, version, _) in &whole.files {
        let name = role.as_str();
        if let Some(other) = RoleName::meant_by(name) {
            let file = remote_name(role, whole::named(&whole.trusted, *version));
            return Err(Failure::Refused(format!(
                "{from} has a role {name:?}, in {file}: here that is the name of a file of the role \
                 {other:?}, so nobody could publish it; have its delegator there publish it under \
                 another name, and say the same again"
            )));
        }
        // Ours has consistent snapshots.
        if static_place(role, Some(*version)).is_none() {
            session.output.warn(format_args!(
                "{}: `notary export` will refuse the collection as long as it has that role",
                no_place(role)
            ));
        }
    }
    Ok(())
}

/// A URL, or a directory.
fn place(from: &str) -> Result<Url, Failure> {
    if !Path::new(from).is_dir() {
        return Url::parse(from).map_err(|_| {
            Failure::NotFound(format!(
                "there is no directory {from}; a repository elsewhere is named by its URL, with https://"
            ))
        });
    }
    let path = std::fs::canonicalize(from);
    let path = path.map_err(|error| Failure::file("read", Path::new(from), error))?;
    Url::from_directory_path(&path)
        .map_err(|()| Failure::Usage(format!("no URL names the directory {from}")))
}

/// The root that names our online keys, with every signature that there is: those in its file, and
/// those of the keys here that their root lists. It is written before anything is sent.
fn next_root(
    session: &Session,
    args: &AdoptArgs,
    new_root: &Path,
    whole: &Whole,
    online: &OnlineKeys,
    now: DateTime<Utc>,
) -> Result<Envelope<Root>, Failure> {
    let before = whole.trusted.root();
    let (document, signatures) = match files::read(new_root)? {
        Some(there) => opened(new_root, there, before, online)?,
        None => (draft(before, online, now)?, Vec::new()),
    };
    let keyring = session.keyring()?;
    let available = keyring.available(&args.key)?;
    let unsigned = parsed(document.with_signatures(&[]));
    let authorities = [before.signed(), unsigned.signed()];
    let authorities = authorities.iter().filter_map(|root| root.authority(&RoleName::ROOT));
    let mut keys: Vec<(KeyId, _)> = authorities
        .flat_map(|authority| listed(&available, authority))
        .map(|(keyid, key)| (keyid.clone(), key))
        .collect();
    keys.retain(|(keyid, _)| signatures.iter().all(|(signed, _)| signed != keyid));
    let mut seen = BTreeSet::new();
    keys.retain(|(keyid, _)| seen.insert(keyid.clone()));
    let keys: Vec<_> = keys.iter().map(|(keyid, key)| (keyid, *key)).collect();
    let own = parsed(keyring.sign_with(&document, Purpose::Root, &keys)?);
    let signatures: Vec<_> = signatures.into_iter().chain(signatures_of(&own)).collect();
    let file = document.with_signatures(&signatures);
    files::write(new_root, &file)?;
    Ok(parsed(file))
}

/// The root of an earlier run, and who has signed it.
fn opened(
    path: &Path,
    file: Vec<u8>,
    before: &Envelope<Root>,
    online: &OnlineKeys,
) -> Result<(Unsigned, Signatures), Failure> {
    let other = |why: String| {
        Failure::Conflict(format!(
            "{} is not the root after theirs that names our online keys: {why}; move it away, and a \
             new one is made",
            path.display()
        ))
    };
    let root = Envelope::<Root>::parse(file).map_err(|error| other(error.to_string()))?;
    if Ok(root.version()) != before.version().next() {
        return Err(other(format!("it is root {}, theirs {}", root.version(), before.version())));
    }
    for (role, keys) in online {
        if role.listed_by(root.signed()).keyids != one_of(keys).keyids {
            return Err(other(format!("it names other keys for {}", role.name())));
        }
    }
    Ok((Unsigned::new(&root.document()), signatures_of(&root)))
}

fn draft(
    before: &Envelope<Root>,
    online: &OnlineKeys,
    now: DateTime<Utc>,
) -> Result<Unsigned, Failure> {
    let expires = expires_after(now, Lifetimes::default().root_seconds);
    let mut draft = Draft::next(before, expires)?;
    for (role, keys) in online {
        draft.set_signers(&role.name(), &one_of(keys), keys);
    }
    draft.set_consistent_snapshot();
    Ok(draft.finish())
}

fn parsed(root: Vec<u8>) -> Envelope<Root> {
    Envelope::parse(root).expect("it was read before it was signed")
}

fn signatures_of(root: &Envelope<Root>) -> Signatures {
    let signatures = root.signatures().iter();
    signatures.filter_map(|one| Some((one.keyid.clone(), one.bytes.clone()?))).collect()
}

/// All that is sent: what they have published, and the new root.
fn files_of(whole: &Whole, root: &Envelope<Root>) -> Vec<(RoleName, Arc<[u8]>)> {
    let read = "a refresh ends with snapshot and timestamp";
    let (snapshot, timestamp) = (whole.trusted.snapshot(), whole.trusted.timestamp());
    let earlier = (1..).zip(&whole.roots.files).map(|(version, root): (u64, _)| {
        let name = RoleName::parse(&format!("{version}.root")).expect("a number and a name");
        (name, root.clone())
    });
    let roles = whole.files.iter().map(|(role, _, file)| (role.clone(), file.clone()));
    let own = [
        (RoleName::SNAPSHOT, snapshot.expect(read).bytes().clone()),
        (RoleName::TIMESTAMP, timestamp.expect(read).bytes().clone()),
        (RoleName::ROOT, root.bytes().clone()),
    ];
    earlier.chain(roles).chain(own).collect()
}

/// Judges what is about to be sent, as the server will.
fn judge(
    files: &[(RoleName, Arc<[u8]>)],
    online: &OnlineKeys,
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let mut batch = Batch::adopting();
    for (role, file) in files {
        batch.add(role.clone(), file.clone())?;
    }
    let held =
        online.iter().flat_map(|(role, keys)| keys.iter().map(|key| (*role, key.id().clone())));
    let rules = Rules {
        offline_max_seconds: Lifetimes::default().offline_max_seconds,
        held_keys: held.collect(),
        ..Rules::default()
    };
    check(None, &batch, &rules, now).map(drop)
}

fn report(
    session: &Session,
    gun: &Gun,
    whole: &Whole,
    root: &Envelope<Root>,
    (snapshot, timestamp): (Version, Version),
) -> Result<Outcome, Failure> {
    let (roles, root) = (whole.files.len(), root.version());
    let text = format!(
        "adopted {gun}: roots 1 to {root}, {roles} roles, snapshot {snapshot}, timestamp {timestamp}\n"
    );
    let value = json!({
        "collection": gun, "root_version": root, "roles": roles, "snapshot": snapshot,
        "timestamp": timestamp,
    });
    session.output.result(&value, &text)?;
    session.output.message(format_args!(
        "publish nothing more to the old place; serve `notary export {gun}` there, or redirect"
    ));
    Ok(Outcome::Done)
}
