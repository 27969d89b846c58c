//! `notary key`.

use std::fmt::Write;
use std::path::Path;

use notary_signer::keys;
use serde_json::json;

use crate::args::{Algorithm, KeyCommand};
use crate::exit::{Failure, Outcome};
use crate::keyring::{KeyEntry, Purpose};
use crate::session::Session;
use crate::trust_dir::files;

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
        KeyCommand::Generate { algorithm, name } => {
            let entry = session.keyring()?.create(algorithm.into(), name, Purpose::Any)?;
            session.output.result(&entry, &format!("{}\n", entry.keyid))?;
        }
        KeyCommand::List => {
            let entries = session.keyring()?.list()?;
            session.output.result(&json!({ "keys": entries }), &table(&entries))?;
        }
        KeyCommand::Export { id, public, output } => {
            export(session, &id, public, output.as_deref())?;
        }
    }
    Ok(Outcome::Done)
}

fn table(entries: &[KeyEntry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let kind = entry.key.public().map_or("unknown", |public| public.names().1);
        let label = entry.label.as_deref().unwrap_or("");
        let line = format!("{} {kind} {label}", entry.keyid);
        writeln!(text, "{}", line.trim_end()).expect("a String takes all");
    }
    text
}

fn export(session: &Session, id: &str, public: bool, output: Option<&Path>) -> Result<(), Failure> {
    let keyring = session.keyring()?;
    let entry = keyring.entry(id)?;
    let pem = match public {
        true => entry.key.public().map(|public| public.to_pem().into_bytes()).unwrap_or_default(),
        false => keyring.pem(&entry.keyid)?,
    };
    let Some(output) = output else {
        let text = String::from_utf8_lossy(&pem);
        let value = json!({ "keyid": entry.keyid, "pem": text });
        return Ok(session.output.result(&value, &text)?);
    };
    match public {
        true => files::write(output, &pem)?,
        false => files::write_private(output, &pem)?,
    }
    let text = format!("wrote {}\n", output.display());
    Ok(session.output.result(&json!({ "keyid": entry.keyid, "file": output }), &text)?)
}
