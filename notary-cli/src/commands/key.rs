//! `notary key`.

mod elsewhere;
mod usage;

use std::fmt::Write;
use std::path::Path;

use notary_signer::keys;
use serde_json::json;

use crate::args::{Algorithm, KeyCommand};
use crate::exit::{Failure, Outcome};
use crate::keyring::{KeyEntry, Purpose};
use crate::named;
use crate::session::Session;

impl From<Algorithm> for keys::Algorithm {
    fn from(algorithm: Algorithm) -> keys::Algorithm {
        match algorithm {
            Algorithm::Ed25519 => keys::Algorithm::Ed25519,
            Algorithm::EcdsaP256 => keys::Algorithm::EcdsaP256,
            Algorithm::Rsa3072 => keys::Algorithm::Rsa3072,
        }
    }
}

/// Runs `notary key …`.
pub(crate) fn run(session: &Session, command: KeyCommand) -> Result<Outcome, Failure> {
    match command {
        KeyCommand::Generate { algorithm, place, name, output } => {
            let algorithm = algorithm.map(keys::Algorithm::from);
            let entry = match place {
                Some(place) => elsewhere::generate(session, &place, algorithm, name)?,
                None => {
                    let algorithm = algorithm.unwrap_or_default();
                    session.keyring()?.create(algorithm, name, Purpose::Any)?
                }
            };
            if let Some(output) = output {
                hand_out(session, &entry, &output)?;
            }
            session.output.result(&entry, &format!("{}\n", entry.keyid))?;
        }
        KeyCommand::Add { keyref, name } => {
            let entry = elsewhere::add(session, &keyref, name)?;
            session.output.result(&entry, &format!("{}\n", entry.keyid))?;
        }
        KeyCommand::List => {
            let entries = session.keyring()?.list()?;
            session.output.result(&json!({ "keys": entries }), &table(&entries))?;
        }
        KeyCommand::Export { id, public, output } => {
            export(session, &id, public, output.as_deref())?;
        }
        KeyCommand::Import { file, name } => {
            let (entry, new) = session.keyring()?.import(&file, name)?;
            if !new {
                session.output.message("the key was there already and stays as it was");
            }
            session.output.result(&entry, &format!("{}\n", entry.keyid))?;
        }
        KeyCommand::Passwd { id } => {
            let keyring = session.keyring()?;
            let entry = keyring.entry(&id)?;
            keyring.change_passphrase(&entry)?;
            let text = format!("{} has another passphrase\n", entry.keyid);
            session.output.result(&json!({ "keyid": entry.keyid, "changed": true }), &text)?;
        }
        KeyCommand::Remove { id } => remove(session, &id)?,
    }
    Ok(Outcome::Done)
}

/// Writes the public part of a key that was made just now, which stays where that fails.
fn hand_out(session: &Session, entry: &KeyEntry, output: &Path) -> Result<(), Failure> {
    let keyid = &entry.keyid;
    let written = named::write(output, &public_pem(entry));
    let written = written.map_err(|error| error.in_directory_of("--output"));
    Ok(written.inspect_err(|_| {
        session.output.message(format_args!(
            "the key is made; `notary key export {keyid} --public -o FILE` writes its public part"
        ));
    })?)
}

fn public_pem(entry: &KeyEntry) -> Vec<u8> {
    entry.key.public().map(|public| public.to_pem().into_bytes()).unwrap_or_default()
}

/// A key that metadata still lists is removed only by somebody who has heard what that means.
fn remove(session: &Session, id: &str) -> Result<(), Failure> {
    let keyring = session.keyring()?;
    let entry = keyring.entry(id)?;
    let keyid = &entry.keyid;
    let uses = usage::uses(session, &entry)?;
    if let Some(keyref) = &entry.keyref {
        return elsewhere::forget(session, &entry, keyref, &uses);
    }
    match uses.is_empty() {
        true if !session.confirm(&format!("remove {keyid} for good?"))? => {
            return Err(Failure::Refused("nothing was removed".into()));
        }
        true => {}
        false => session.insist(
            &format!("remove {keyid} for good"),
            &format!(
                "it signs {}; where too few other keys are left, no next version can be signed, and \
                 a root stays as it is forever",
                uses.join(", ")
            ),
        )?,
    }
    keyring.remove(&entry)?;
    let value = json!({ "keyid": keyid, "removed": true, "was_listed_for": uses });
    Ok(session.output.result(&value, &format!("removed {keyid}\n"))?)
}

fn table(entries: &[KeyEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let kind = entry.key.public().map_or("unknown", |public| public.names().1);
        let label = entry.label.as_deref().unwrap_or("");
        let line = format!("{} {kind} {label}", entry.keyid);
        let place = entry.keyref.iter().map(|keyref| format!(" {keyref}")).collect::<String>();
        writeln!(text, "{}{place}", line.trim_end()).expect("a String takes all");
    }
    text
}

fn export(session: &Session, id: &str, public: bool, output: Option<&Path>) -> Result<(), Failure> {
    let keyring = session.keyring()?;
    let entry = keyring.entry(id)?;
    let pem = match public {
        true => public_pem(&entry),
        false => keyring.pem(&entry)?,
    };
    let Some(output) = output else {
        let text = String::from_utf8_lossy(&pem);
        let value = json!({ "keyid": entry.keyid, "pem": text });
        return Ok(session.output.result(&value, &text)?);
    };
    match public {
        true => named::write(output, &pem)?,
        false => named::write_private(output, &pem)?,
    }
    let text = format!("wrote {}\n", output.display());
    Ok(session.output.result(&json!({ "keyid": entry.keyid, "file": output }), &text)?)
}
