//! `notary trust`: which root a person vouches for.

use std::fmt::Write;
use std::path::PathBuf;

use notary_schema::envelope::Envelope;
use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::role::Root;
use notary_schema::trusted::{Expiry, TrustedSet};
use serde_json::{Value, json};

use crate::agent;
use crate::args::TrustCommand;
use crate::exit::{Failure, Outcome};
use crate::named;
use crate::output::joined;
use crate::session::Session;
use crate::trust_dir::{CollectionDir, StateError, files};
use crate::view::View;
use crate::wanted::Wanted;

/// Runs `notary trust …`.
pub(crate) async fn run(session: &Session, command: TrustCommand) -> Result<Outcome, Failure> {
    match command {
        TrustCommand::Add { gun, root, sha256, root_version } => {
            add(session, &gun, root, sha256, root_version).await
        }
        TrustCommand::List => list(session),
        TrustCommand::Show(args) => show(session, &args.gun),
        TrustCommand::Remove(args) => remove(session, &args.gun).await,
    }
}

fn list(session: &Session) -> Result<Outcome, Failure> {
    let (mut pins, mut text) = (Vec::new(), String::new());
    for gun in session.trust_dir()?.collections()? {
        let Some((version, sha256)) = pin(&session.collection(&gun)?)? else { continue };
        writeln!(text, "{gun} root {version}, sha256 {sha256}").expect("a String takes all");
        pins.push(json!({ "collection": gun, "version": version, "sha256": sha256 }));
    }
    session.output.result(&json!({ "pinned": pins }), &text)?;
    Ok(Outcome::Done)
}

/// Version and SHA-256 of the pinned root.
fn pin(collection: &CollectionDir) -> Result<Option<(Version, String)>, Failure> {
    let Some(root) = files::read(&collection.pinned_path())? else { return Ok(None) };
    let file = Envelope::<Root>::parse(root).map_err(|error| StateError::Corrupt {
        path: collection.pinned_path(),
        why: error.to_string(),
    })?;
    Ok(Some((file.version(), file.sha256().to_owned())))
}

fn show(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let collection = session.collection(gun)?;
    let (version, sha256) = pin(&collection)?.ok_or_else(|| not_pinned(gun))?;
    let mut text = format!("pinned root {version}, sha256 {sha256}\n");
    let mut value = json!({
        "collection": gun, "pinned": { "version": version, "sha256": sha256 }, "trusted": Value::Null,
    });
    if let Some(trusted) = agent::stored(&collection.trusted(), Wanted::default(), session.now())? {
        let view = View::new(trusted);
        let files = trusted_files(&view);
        for (role, version, expires) in &files {
            writeln!(text, "trusted {role} {version}, expires {expires}")
                .expect("a String takes all");
        }
        let root = &view.trusted().root().signed().roles.root;
        let (threshold, of) = (root.threshold, root.keyids.len());
        writeln!(text, "root is signed by {threshold} of {of} keys: {}", joined(&root.keyids))
            .expect("a String takes all");
        let file = |(role, version, expires): &(RoleName, Version, String)| json!({ "role": role, "version": version, "expires": expires });
        value["trusted"] = files.iter().map(file).collect();
        value["root_keys"] = json!(root);
    } else {
        text += "no metadata was read yet\n";
    }
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}

fn trusted_files(view: &View) -> Vec<(RoleName, Version, String)> {
    let trusted = view.trusted();
    let root = trusted.root();
    let mut files = vec![(RoleName::ROOT, root.version(), root.expires().to_string())];
    let timestamp = trusted.timestamp().map(|file| (file.version(), file.expires()));
    let snapshot = trusted.snapshot().map(|file| (file.version(), file.expires()));
    let delegated = view.roles().iter().map(|role| {
        let file = view.file(&role.name).map(|file| (file.version(), file.expires()));
        (role.name.clone(), file)
    });
    let online = [(RoleName::TIMESTAMP, timestamp), (RoleName::SNAPSHOT, snapshot)];
    for (role, file) in online.into_iter().chain(delegated) {
        files.extend(file.map(|(version, expires)| (role, version, expires.to_string())));
    }
    files
}

async fn remove(session: &Session, gun: &Gun) -> Result<Outcome, Failure> {
    let (collection, _lock) = session.locked(gun).await?;
    // A damaged root is one more reason to remove it.
    if files::read(&collection.pinned_path())?.is_none() {
        return Err(not_pinned(gun));
    }
    session.insist(
        &format!("forget the root and the metadata of {gun}"),
        "nothing of it is verified until a root is pinned again, and how far its versions had come \
         is forgotten, too",
    )?;
    collection.forget_trust()?;
    let value = json!({ "collection": gun, "removed": true });
    session.output.result(&value, &format!("no root of {gun} is pinned any more\n"))?;
    Ok(Outcome::Done)
}

fn not_pinned(gun: &Gun) -> Failure {
    Failure::NotFound(format!(
        "no root of {gun} is pinned here; `notary trust list` shows those that are"
    ))
}

async fn add(
    session: &Session,
    gun: &Gun,
    root: Option<PathBuf>,
    sha256: Option<String>,
    root_version: Version,
) -> Result<Outcome, Failure> {
    let root = match (root, sha256) {
        (Some(path), _) => {
            let root = named::read(&path, named::MAX_ROOT_BYTES)
                .map_err(|error| Failure::file("read", &path, error))?;
            TrustedSet::new(root.clone(), session.now(), Expiry::Reported).map_err(|error| {
                Failure::Refused(format!("{} is not a root to pin: {error}", path.display()))
            })?;
            root
        }
        (None, Some(sha256)) => by_hash(session, gun, &sha256, root_version).await?,
        (None, None) => {
            return Err(Failure::Usage("name the root: --root FILE, or --sha256 HEX".into()));
        }
    };
    let trusted = TrustedSet::new(root.clone(), session.now(), Expiry::Reported)?;
    let (version, sha256) = (trusted.root().version(), sha256_hex(&root));
    let (collection, _lock) = session.locked(gun).await?;
    match files::read(&collection.pinned_path())? {
        Some(pinned) if pinned != root && !is_trusted(session, &collection, &root)? => {
            return Err(Failure::Conflict(format!(
                "another root of {gun} is pinned, sha256 {}; if it must not be trusted any more, \
                 `notary trust remove {gun}`, then pin again",
                sha256_hex(&pinned)
            )));
        }
        Some(_) => {}
        None => session.pin(&collection, &root)?,
    }
    let offered = version;
    let (version, sha256) = pin(&collection)?.unwrap_or((version, sha256));
    if offered != version {
        session.output.message(format_args!("root {offered} is trusted because of root {version}"));
    }
    let value = json!({ "collection": gun, "version": version, "sha256": sha256 });
    session.output.result(&value, &format!("pinned root {version} of {gun}, sha256 {sha256}\n"))?;
    Ok(Outcome::Done)
}

/// Whether a root is the newest one that is trusted here, or the one after it: then whoever hands it
/// out says nothing else than the pinned root does.
fn is_trusted(session: &Session, collection: &CollectionDir, root: &[u8]) -> Result<bool, Failure> {
    let Some(trusted) = collection.trusted().load("root.json")? else { return Ok(false) };
    if trusted == root {
        return Ok(true);
    }
    let mut set = TrustedSet::new(trusted, session.now(), Expiry::Reported)?;
    Ok(set.update_root(root.to_vec()).is_ok())
}

async fn by_hash(
    session: &Session,
    gun: &Gun,
    sha256: &str,
    version: Version,
) -> Result<Vec<u8>, Failure> {
    let digits = sha256.bytes().all(|b| b.is_ascii_hexdigit());
    if sha256.len() != 64 || !digits {
        return Err(Failure::Usage(format!("{sha256:?} is not 64 hexadecimal digits")));
    }
    let agent = session.agent(gun, session.now())?;
    let root = session.fetch_root(gun, version, &agent).await?;
    let found = sha256_hex(&root);
    match found == sha256.to_ascii_lowercase() {
        true => Ok(root),
        false => Err(Failure::Refused(format!(
            "root {version} of {gun} on the server has the sha256 {found}, not {sha256}"
        ))),
    }
}
