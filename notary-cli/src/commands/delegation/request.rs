//! What a team asks for: its public keys, and the first file of its role that shows that it holds
//! them.

use std::path::Path;
use std::sync::Arc;

use notary_schema::draft::Draft;
use notary_schema::envelope::Envelope;
use notary_schema::json;
use notary_schema::key::Key;
use notary_schema::name::{Gun, RoleName, Version};
use notary_schema::online::{Lifetimes, expires_after};
use notary_schema::role::{Authority, RoleKeys, Targets};
use notary_schema::threshold;
use notary_schema::wire::DelegationRequest;
use serde_json::json;

use super::history;

use crate::agent;
use crate::args::DelegationRequestArgs;
use crate::exit::{Failure, Outcome};
use crate::keyring::Purpose;
use crate::named;
use crate::session::Session;
use crate::view::View;
use crate::wanted::Wanted;

/// The longest request that is read: it holds a file of a role as text.
const MAX_BYTES: u64 = 64 << 20;

/// Runs `notary delegation request`.
pub(super) async fn request(
    session: &Session,
    args: DelegationRequestArgs,
) -> Result<Outcome, Failure> {
    let DelegationRequestArgs { gun, role, output, .. } = &args;
    role.check_creatable()?;
    let now = session.now();
    let keyring = session.keyring()?;
    let resolve = |key: &String| keyring.resolve(key, Purpose::Delegation);
    let entries = args.key.iter().map(resolve).collect::<Result<Vec<_>, _>>()?;
    let expires = match args.expires {
        Some(when) => when.from(now),
        None => expires_after(now, lifetimes(session, gun).await.targets_seconds),
    };
    let draft = match args.from_history {
        true => {
            let (_, _lock) = session.locked(gun).await?;
            Draft::next(&history::last_file(session, gun, role).await?, expires)?
        }
        false => Draft::from_role(&Targets::empty(next_version(session, gun, role)?, expires)),
    };
    let document = draft.finish();
    let signers: Vec<_> = entries.iter().map(|entry| (&entry.keyid, entry)).collect();
    let file = keyring.sign_with(&document, Purpose::Delegation, &signers)?;
    let request = DelegationRequest {
        collection: gun.clone(),
        role: role.clone(),
        keys: entries.iter().map(|entry| entry.key.clone()).collect(),
        file: String::from_utf8(file).expect("JSON is UTF-8"),
    };
    let text = serde_json::to_vec_pretty(&request).expect("a request is JSON");
    named::write(output, &text)?;
    let ids: Vec<_> = entries.iter().map(|entry| &entry.keyid).collect();
    let value = json!({ "collection": gun, "role": role, "keyids": ids, "file": output });
    let text = format!("wrote {}; hand it to whoever delegates {role}\n", output.display());
    session.output.result(&value, &text)?;
    Ok(Outcome::Done)
}

/// How long metadata of the collection lives, where a server is named that tells. A request can be made
/// without one.
async fn lifetimes(session: &Session, gun: &Gun) -> Lifetimes {
    let Ok(server) = session.server() else { return Lifetimes::default() };
    match server.lifetimes(gun).await {
        Ok(lifetimes) => lifetimes,
        Err(error) => {
            session.output.warn(format_args!(
                "how long metadata of {gun} lives could not be asked, so the first file is signed for \
                 a year (--expires): {error}"
            ));
            Lifetimes::default()
        }
    }
}

/// A role that was published before goes on after its last version.
fn next_version(session: &Session, gun: &Gun, role: &RoleName) -> Result<Version, Failure> {
    let files = session.collection(gun)?.trusted();
    let stored = agent::stored(&files, Wanted::default(), session.now())?;
    let last = stored.and_then(|trusted| View::new(trusted).listed(role));
    Ok(last.map_or(Ok(Version::FIRST), Version::next)?)
}

/// Reads a request and checks that who made it holds every key in it.
pub(super) fn read(path: &Path, gun: &Gun, role: &RoleName) -> Result<DelegationRequest, Failure> {
    let bytes = named::read(path, MAX_BYTES).map_err(|error| Failure::file("read", path, error))?;
    check(&bytes, gun, role).map_err(|why| Failure::Refused(format!("{}: {why}", path.display())))
}

fn check(bytes: &[u8], gun: &Gun, role: &RoleName) -> Result<DelegationRequest, String> {
    let request: DelegationRequest =
        json::read(bytes).map_err(|error| format!("not a delegation request: {error}"))?;
    if request.collection != *gun || request.role != *role {
        let (collection, asked) = (&request.collection, &request.role);
        return Err(format!("it asks for {asked} of {collection}, not for {role} of {gun}"));
    }
    require_distinct(&request.keys)?;
    let file: Arc<[u8]> = request.file.as_bytes().into();
    let file = Envelope::<Targets>::parse(file).map_err(|error| error.to_string())?;
    let keyids = request.keys.iter().map(|key| key.id().clone()).collect();
    let all = u32::try_from(request.keys.len()).map_err(|error| error.to_string())?;
    let signers = RoleKeys::new(keyids, all)?;
    let keys = request.keys.iter().map(|key| (key.id().clone(), Key::clone(key))).collect();
    let authority = Authority { keys: &keys, role: &signers };
    let report = threshold::count(&file, authority);
    match report.is_met() {
        true => Ok(request),
        false => Err("its first file is not signed by every key in it; ask for a new one".into()),
    }
}

/// One key under two ids would seem to be two people.
fn require_distinct(keys: &[Key]) -> Result<(), String> {
    for (index, key) in keys.iter().enumerate() {
        let Some(public) = key.public() else {
            return Err(format!("the key {} is of a kind that is not read here", key.id()));
        };
        if let Some(same) = keys[..index].iter().find(|other| other.public() == Some(public)) {
            return Err(format!(
                "it offers one key twice, as {} and as {}; ask for one that offers it once",
                same.id(),
                key.id()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use notary_schema::role::Expires;
    use notary_signer::keys::Algorithm;
    use notary_signer::keys::private::PrivateKey;

    use super::*;

    fn request(signers: &[&PrivateKey], keys: &[&PrivateKey]) -> Vec<u8> {
        let expires = Expires::try_from("2030-01-01T00:00:00Z".to_owned()).unwrap();
        let document = Draft::first_targets(expires).finish();
        let sign = |key: &&PrivateKey| (key.id(), key.sign(document.message()).unwrap());
        let file = document.with_signatures(&signers.iter().map(sign).collect::<Vec<_>>());
        let request = DelegationRequest {
            collection: Gun::parse("acme/app").unwrap(),
            role: RoleName::parse("docs").unwrap(),
            keys: keys.iter().map(|key| Key::new(key.public().clone())).collect(),
            file: String::from_utf8(file).unwrap(),
        };
        serde_json::to_vec(&request).unwrap()
    }

    #[test]
    fn a_request_is_signed_by_every_key_in_it() {
        let [a, b] = [(); 2].map(|()| PrivateKey::generate(Algorithm::Ed25519).unwrap());
        let (gun, role) = (Gun::parse("acme/app").unwrap(), RoleName::parse("docs").unwrap());
        let check = |bytes: &[u8]| super::check(bytes, &gun, &role);
        check(&request(&[&a], &[&a])).unwrap();
        check(&request(&[&a, &b], &[&a, &b])).unwrap();
        for (signers, keys) in [(vec![&b], vec![&a]), (vec![], vec![&a]), (vec![&a], vec![&a, &b])]
        {
            let refused = check(&request(&signers, &keys)).unwrap_err();
            assert!(refused.contains("not signed by every key"), "{refused}");
        }
        assert!(check(&request(&[], &[])).is_err(), "a request without keys");
        assert!(check(b"{}").is_err());
    }

    #[test]
    fn a_request_counts_for_its_collection_and_role_only() {
        let key = PrivateKey::generate(Algorithm::Ed25519).unwrap();
        let bytes = request(&[&key], &[&key]);
        for (gun, role) in [("acme/other", "docs"), ("acme/app", "other")] {
            let (gun, role) = (Gun::parse(gun).unwrap(), RoleName::parse(role).unwrap());
            assert!(check(&bytes, &gun, &role).is_err());
        }
    }
}
