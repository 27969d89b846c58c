//! Keys that are in a token, in AWS KMS or behind a program, and stay there.

use notary_signer::keys::pkcs11::Locator;
use notary_signer::keys::{Algorithm, Elsewhere, KeyRef, Place};
use serde_json::json;

use crate::exit::Failure;
use crate::keyring::{KeyEntry, KeyringError};
use crate::session::Session;

/// Makes a key in a place.
pub(super) fn generate(
    session: &Session,
    place: &str,
    algorithm: Option<Algorithm>,
    name: Option<String>,
) -> Result<KeyEntry, Failure> {
    let Elsewhere { place, key } = place.parse().map_err(KeyringError::Key)?;
    let label = label_in_token(&place, key)?;
    let algorithm = algorithm.unwrap_or(Algorithm::EcdsaP256);
    if matches!(place, Place::AwsKms { .. }) && algorithm == Algorithm::Ed25519 {
        return Err(Failure::Usage(
            "KMS signs 4,096 bytes with an Ed25519 key at most, which metadata outgrows: leave \
             --algorithm out, or say --algorithm ecdsa-p256"
                .into(),
        ));
    }
    let purpose = label.or_else(|| name.clone()).unwrap_or_else(|| "notary".to_owned());
    Ok(session.keyring()?.create_in(&place, algorithm, &purpose, name)?)
}

/// The label that the new key shall have in a token; elsewhere the place names its keys itself.
fn label_in_token(place: &Place, key: Option<String>) -> Result<Option<String>, Failure> {
    let Some(key) = key else { return Ok(None) };
    let usage = |text: &str| Err(Failure::Usage(text.to_owned()));
    match place {
        Place::Pkcs11(_) => {
            let locator: Locator = key.parse().map_err(Failure::Usage)?;
            match locator.id {
                None => Ok(locator.label),
                Some(_) => usage("a new key gets its id from here: leave id= out"),
            }
        }
        Place::AwsKms { .. } => {
            usage("a new key gets its id from KMS: say --in awskms: or --in awskms:?region=REGION")
        }
        Place::Exec(_) => usage("a new key gets its name from the program: leave key= out"),
    }
}

/// Lists a key that is there.
pub(super) fn add(
    session: &Session,
    keyref: &str,
    name: Option<String>,
) -> Result<KeyEntry, Failure> {
    let reference = match keyref.parse::<KeyRef>().map_err(KeyringError::Key)? {
        KeyRef::Elsewhere(reference) => reference,
        KeyRef::File(_) | KeyRef::Id(_) => {
            return Err(Failure::Usage(format!(
                "{keyref:?} is no key in a token, in AWS KMS or behind a program: a key file is taken \
                 in with `notary key import`"
            )));
        }
    };
    let (entry, new) = session.keyring()?.add(&reference, name)?;
    if !new {
        session.output.message("the key was there already and stays as it was");
    }
    Ok(entry)
}

/// Forgets where a key is. It stays there, so nothing is lost that `key add` does not bring back.
pub(super) fn forget(
    session: &Session,
    entry: &KeyEntry,
    keyref: &str,
    uses: &[String],
) -> Result<(), Failure> {
    let keyid = &entry.keyid;
    if !session.confirm(&format!("forget {keyid}, which stays in {keyref}?"))? {
        return Err(Failure::Refused("nothing was removed".into()));
    }
    session.keyring()?.remove(entry)?;
    let value =
        json!({ "keyid": keyid, "removed": true, "was_listed_for": uses, "stays_in": keyref });
    let text = format!(
        "forgot {keyid}: the key itself stays, and `notary key add '{keyref}'` brings it back\n"
    );
    Ok(session.output.result(&value, &text)?)
}
