//! `notary trust`: which root a person vouches for.

use notary_schema::key::sha256_hex;
use notary_schema::name::{Gun, Version};
use notary_schema::trusted::{Expiry, TrustedSet};
use serde_json::json;

use crate::agent::Agent;
use crate::args::TrustCommand;
use crate::exit::{Failure, Outcome};
use crate::session::Session;
use crate::trust_dir::files;

/// Runs `notary trust …`.
pub(crate) async fn run(session: &Session, command: TrustCommand) -> Result<Outcome, Failure> {
    let TrustCommand::Add { gun, root, sha256, root_version } = command;
    let root = match (root, sha256) {
        (Some(path), _) => {
            let root = std::fs::read(&path).map_err(|error| Failure::file("read", &path, error))?;
            TrustedSet::new(root.clone(), session.now(), Expiry::Reported).map_err(|error| {
                Failure::Refused(format!("{} is not a root to pin: {error}", path.display()))
            })?;
            root
        }
        (None, Some(sha256)) => by_hash(session, &gun, &sha256, root_version).await?,
        (None, None) => {
            return Err(Failure::Usage("name the root: --root FILE, or --sha256 HEX".into()));
        }
    };
    let trusted = TrustedSet::new(root.clone(), session.now(), Expiry::Reported)?;
    let (version, sha256) = (trusted.root().version(), sha256_hex(&root));
    let (collection, _lock) = session.locked(&gun).await?;
    match files::read(&collection.pinned_path())? {
        Some(pinned) if pinned != root => {
            return Err(Failure::Conflict(format!(
                "another root of {gun} is pinned, sha256 {}; if it must not be trusted any more, \
                 remove {} and the directory _trusted beside it, then pin again",
                sha256_hex(&pinned),
                collection.pinned_path().display()
            )));
        }
        Some(_) => {}
        None => session.pin(&collection, &root)?,
    }
    let value = json!({ "collection": gun, "version": version, "sha256": sha256 });
    session.output.result(&value, &format!("pinned root {version} of {gun}, sha256 {sha256}\n"))?;
    Ok(Outcome::Done)
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
    let server = session.server()?;
    let (base, token) = (server.metadata_url(gun), server.token().cloned());
    let files = session.collection(gun)?.trusted();
    let agent = Agent::new(files, base, token, session.http(), session.now(), Expiry::Reported);
    let root = session.fetch_root(gun, version, &agent).await?;
    let found = sha256_hex(&root);
    match found == sha256.to_ascii_lowercase() {
        true => Ok(root),
        false => Err(Failure::Refused(format!(
            "root {version} of {gun} on the server has the sha256 {found}, not {sha256}"
        ))),
    }
}
