//! What a role has published before nobody delegated to it any more: the snapshot goes on listing it,
//! and with its hash the file can be believed whoever signed it.

use notary_schema::draft::Draft;
use notary_schema::envelope::Envelope;
use notary_schema::key::Key;
use notary_schema::name::{Gun, RoleName};
use notary_schema::online::expires_after;
use notary_schema::role::{Authority, RoleKeys, Targets};
use notary_schema::threshold;
use notary_schema::trusted::Expiry;
use notary_schema::updater::remote_name;

use crate::exit::Failure;
use crate::keyring::{Purpose, listed};
use crate::session::Session;

/// The longest file that is brought back.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// The last file of a role, as the snapshot lists it.
///
/// # Errors
/// A role that was never published, a bin (which is listed without its hash), a server that has
/// another file.
pub(super) async fn last_file(
    session: &Session,
    gun: &Gun,
    role: &RoleName,
) -> Result<Envelope<Targets>, Failure> {
    let agent = session.refreshed(gun, session.now(), Expiry::Reported).await?;
    let entry = agent.trusted()?.snapshot().and_then(|file| file.signed().entry(role));
    let entry = entry
        .ok_or_else(|| Failure::NotFound(format!("{role} of {gun} has never been published")))?;
    let refuse = |why: &str| Failure::Refused(format!("{role} {} of {gun} {why}", entry.version));
    let Some(sha256) = entry.hashes.as_ref().and_then(|hashes| hashes.sha256()) else {
        return Err(refuse("is listed without its hash, so nobody can say what was in it"));
    };
    let name = remote_name(role, Some(entry.version));
    let bytes = agent.fetch(&name, MAX_FILE_BYTES).await?;
    let bytes = bytes.ok_or_else(|| Failure::NotFound(format!("the server has no {name}")))?;
    let file = Envelope::parse(bytes).map_err(|error| refuse(&error.to_string()))?;
    match file.sha256() == sha256 && file.version() == entry.version {
        true => Ok(file),
        false => Err(refuse("is another file on the server than the snapshot lists")),
    }
}

/// The next version with what was in the last one, signed by those of these keys that are here; `None`
/// where they have signed the last one, which is trusted again as it is.
///
/// # Errors
/// Those of [`last_file`], and too few keys.
pub(super) async fn next_file(
    session: &Session,
    gun: &Gun,
    role: &RoleName,
    keys: &[Key],
    threshold: u32,
) -> Result<Option<String>, Failure> {
    let file = last_file(session, gun, role).await?;
    let keyids = keys.iter().map(|key| key.id().clone()).collect();
    let signers = RoleKeys::new(keyids, threshold).map_err(Failure::Usage)?;
    let keys = keys.iter().map(|key| (key.id().clone(), key.clone())).collect();
    let authority = Authority { keys: &keys, role: &signers };
    if threshold::count(&file, authority).is_met() {
        return Ok(None);
    }
    let keyring = session.keyring()?;
    let available = keyring.available(&[])?;
    let here = listed(&available, authority);
    if here.len() < threshold as usize {
        return Err(Failure::SignaturesMissing(format!(
            "{role} {} is signed by other keys, and {} of the {threshold} that would have to sign its \
             next version are here; whoever has them writes it with `notary delegation request {gun} \
             {role} --from-history`",
            file.version(),
            here.len()
        )));
    }
    let lifetimes = session.server()?.lifetimes(gun).await?;
    let expires = expires_after(session.now(), lifetimes.targets_seconds);
    let next = Draft::next(&file, expires)?.finish();
    let signed = keyring.sign_with(&next, Purpose::Delegation, &here)?;
    Ok(Some(String::from_utf8(signed).expect("JSON is UTF-8")))
}
