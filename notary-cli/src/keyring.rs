//! The keys of the trust directory, and which of them sign what.
//!
//! `keys/KEYID.pem` is the private key, encrypted (see [`notary_signer::keys::file`]);
//! `keys/KEYID.json` beside it is its public part and its label, so that nothing but signing asks for
//! a passphrase. Only keys that the current metadata lists for a role sign it, never another.

mod changes;
pub(crate) mod memory;
mod passphrases;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::str::FromStr;

use notary_schema::envelope::Unsigned;
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::Authority;
use notary_signer::keys::file::{self, OpenedFile};
use notary_signer::keys::private::PrivateKey;
use notary_signer::keys::{Algorithm, KeyError, KeyRef};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::output::Output;
use crate::output::joined;
use crate::trust_dir::{StateError, files};

pub(crate) use passphrases::Purpose;

/// What went wrong with the keys of this user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringError {
    /// A key file.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The files beside it.
    #[error(transparent)]
    State(#[from] StateError),
    /// A key id, or the beginning of one, that is not exactly one key.
    #[error("{0:?} names no key of the trust directory, or several; `notary key list` shows them")]
    UnknownKey(String),
    /// No key may sign a role.
    #[error(
        "none of the keys here may sign {role}; one of these would do: {}", joined(.wanted)
    )]
    NoKeyFor {
        /// The role.
        role: RoleName,
        /// The keys that the metadata lists for it.
        wanted: Vec<KeyId>,
    },
    /// Nobody can be asked.
    #[error("the passphrase of {what} is needed: set NOTARY_{variable}PASSPHRASE")]
    PassphraseMissing {
        /// The key.
        what: String,
        /// `ROOT_`, `TARGETS_`, `DELEGATION_` or nothing.
        variable: &'static str,
    },
    /// A passphrase that protects nothing.
    #[error("the passphrase of {what} is empty, which protects nothing; set another one")]
    PassphraseEmpty {
        /// The key.
        what: String,
    },
    /// Two different passphrases for a new key.
    #[error("the two passphrases differ; try again")]
    PassphrasesDiffer,
    /// The terminal.
    #[error("could not ask for a passphrase: {0}")]
    Terminal(std::io::Error),
}

/// The public part of a key, as it stands beside the private one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyEntry {
    /// Its id.
    pub(crate) keyid: KeyId,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// The key object, as metadata lists it.
    pub(crate) key: Key,
}

/// Where a key is that a person names.
enum Reference {
    /// In the trust directory.
    Entry(Box<KeyEntry>),
    /// Not here.
    Elsewhere(KeyRef),
}

/// The keys of one user.
pub(crate) struct Keyring {
    directory: PathBuf,
    passphrases: BTreeMap<&'static str, SecretString>,
    interactive: bool,
    output: Rc<Output>,
    /// Keys whose passphrase was given: none is asked for twice.
    opened: RefCell<BTreeMap<KeyId, Rc<PrivateKey>>>,
}

impl Keyring {
    /// The keys in a directory, which need not exist yet.
    pub(crate) fn new(
        directory: PathBuf,
        passphrases: BTreeMap<&'static str, SecretString>,
        interactive: bool,
        output: Rc<Output>,
    ) -> Keyring {
        Keyring { directory, passphrases, interactive, output, opened: RefCell::default() }
    }

    /// Every key, in the order of the ids.
    pub(crate) fn list(&self) -> Result<Vec<KeyEntry>, KeyringError> {
        let directory = match std::fs::read_dir(&self.directory) {
            Ok(directory) => directory,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StateError::io("read", &self.directory, error).into()),
        };
        let mut entries = Vec::new();
        for file in directory {
            let file = file.map_err(|error| StateError::io("read", &self.directory, error))?;
            if file.path().extension().is_some_and(|extension| extension == "json") {
                entries.extend(files::read_json::<KeyEntry>(&file.path())?);
            }
        }
        entries.sort_by(|a, b| a.keyid.cmp(&b.keyid));
        Ok(entries)
    }

    /// The key with this id, or the only one whose id starts so.
    pub(crate) fn entry(&self, id: &str) -> Result<KeyEntry, KeyringError> {
        let unknown = || KeyringError::UnknownKey(id.to_owned());
        let entries = self.list()?.into_iter().filter(|e| e.keyid.as_str().starts_with(id));
        match <[KeyEntry; 1]>::try_from(entries.collect::<Vec<_>>()) {
            Ok([entry]) if !id.is_empty() => Ok(entry),
            _ => Err(unknown()),
        }
    }

    /// The encrypted file of a key.
    pub(crate) fn pem(&self, id: &KeyId) -> Result<Vec<u8>, KeyringError> {
        let path = self.pem_path(id);
        files::read(&path)?.ok_or_else(|| KeyringError::UnknownKey(id.to_string()))
    }

    /// Makes a key and stores it durably.
    pub(crate) fn create(
        &self,
        algorithm: Algorithm,
        label: Option<String>,
        purpose: Purpose,
    ) -> Result<KeyEntry, KeyringError> {
        let what = label.clone().unwrap_or_else(|| "the new key".to_owned());
        let passphrase = self.new_passphrase(&what, purpose)?;
        let private = PrivateKey::generate(algorithm)?;
        let entry =
            KeyEntry { keyid: private.id(), label, key: Key::new(private.public().clone()) };
        files::create_dir(&self.directory)?;
        // The public part comes last: a key is listed only when it is there.
        file::write(&self.pem_path(&entry.keyid), &private, &passphrase)?;
        files::write_json(&self.entry_path(&entry.keyid), &entry)?;
        self.opened.borrow_mut().insert(entry.keyid.clone(), Rc::new(private));
        Ok(entry)
    }

    /// The public parts of the keys that may be used: those that are named, or else all of the trust
    /// directory. A key in a file elsewhere is opened to know its id.
    pub(crate) fn available(&self, references: &[String]) -> Result<Vec<KeyEntry>, KeyringError> {
        if references.is_empty() {
            return self.list();
        }
        references.iter().map(|reference| self.resolve(reference, Purpose::Any)).collect()
    }

    /// The public part of a key that is named.
    pub(crate) fn resolve(
        &self,
        reference: &str,
        purpose: Purpose,
    ) -> Result<KeyEntry, KeyringError> {
        let reference = match self.reference(reference)? {
            Reference::Entry(entry) => return Ok(*entry),
            Reference::Elsewhere(reference) => reference,
        };
        let path = reference.file(|id| self.pem_path(id))?;
        let private = self.open_file(&path, None, purpose)?;
        let key = Key::new(private.public().clone());
        let keyid = private.id();
        self.opened.borrow_mut().insert(keyid.clone(), private);
        Ok(KeyEntry { keyid, label: None, key })
    }

    /// What a person means: the id of a key here, or its beginning where no file has this name.
    fn reference(&self, text: &str) -> Result<Reference, KeyringError> {
        let is_id = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match KeyRef::from_str(text)? {
            KeyRef::Id(id) => Ok(Reference::Entry(Box::new(self.entry(id.as_str())?))),
            KeyRef::File(path) if is_id && !path.exists() => {
                Ok(Reference::Entry(Box::new(self.entry(text)?)))
            }
            other => Ok(Reference::Elsewhere(other)),
        }
    }

    /// The public key of somebody: a PEM file, or a key of the trust directory.
    pub(crate) fn public(&self, reference: &str) -> Result<Key, KeyringError> {
        let reference = match self.reference(reference)? {
            Reference::Entry(entry) => return Ok(entry.key),
            Reference::Elsewhere(reference) => reference,
        };
        let path = reference.file(|id| self.pem_path(id))?;
        let unreadable = |source| KeyError::Io { action: "read", path: path.clone(), source };
        let text = std::fs::read_to_string(&path).map_err(unreadable)?;
        let public = PublicKey::from_pem(&text).map_err(|error| KeyError::NotAPublicKey {
            input: path.display().to_string(),
            problem: error.to_string(),
        });
        Ok(Key::new(public?))
    }

    /// Signs a document with every available key that the authority lists.
    pub(crate) fn sign(
        &self,
        document: &Unsigned,
        role: &RoleName,
        available: &[KeyEntry],
        authority: Authority<'_>,
    ) -> Result<Vec<u8>, KeyringError> {
        let keys = listed(available, authority);
        if keys.is_empty() {
            let wanted = authority.role.keyids.clone();
            return Err(KeyringError::NoKeyFor { role: role.clone(), wanted });
        }
        self.sign_with(document, Purpose::of(role), &keys)
    }

    /// Signs a document with all of these keys, each under the id that metadata lists it with.
    pub(crate) fn sign_with(
        &self,
        document: &Unsigned,
        purpose: Purpose,
        keys: &[(&KeyId, &KeyEntry)],
    ) -> Result<Vec<u8>, KeyringError> {
        Ok(document.with_signatures(&self.signatures(document.message(), purpose, keys)?))
    }

    /// The signatures of all of these keys over some bytes.
    pub(crate) fn signatures(
        &self,
        message: &[u8],
        purpose: Purpose,
        keys: &[(&KeyId, &KeyEntry)],
    ) -> Result<Vec<(KeyId, Vec<u8>)>, KeyringError> {
        let sign = |(listed_as, key): &(&KeyId, &KeyEntry)| {
            let signature = self.open(key, purpose)?.sign(message)?;
            Ok(((*listed_as).clone(), signature))
        };
        keys.iter().map(sign).collect()
    }

    /// A key that is named, with its private half where that is here.
    pub(crate) fn public_or_own(
        &self,
        reference: &str,
        purpose: Purpose,
    ) -> Result<(Key, Option<KeyEntry>), KeyringError> {
        match self.public(reference) {
            Ok(key) => {
                let own = self.list()?.into_iter().find(|entry| entry.key == key);
                Ok((key, own))
            }
            Err(KeyringError::Key(KeyError::NotAPublicKey { .. })) => {
                let own = self.resolve(reference, purpose)?;
                Ok((own.key.clone(), Some(own)))
            }
            Err(error) => Err(error),
        }
    }

    /// Opens all of these keys: what is missing or wrong is found before anything is asked for.
    pub(crate) fn open_all(&self, keys: &[KeyEntry], purpose: Purpose) -> Result<(), KeyringError> {
        keys.iter().try_for_each(|key| self.open(key, purpose).map(drop))
    }

    fn open(&self, key: &KeyEntry, purpose: Purpose) -> Result<Rc<PrivateKey>, KeyringError> {
        if let Some(private) = self.opened.borrow().get(&key.keyid) {
            return Ok(private.clone());
        }
        let private = self.open_file(&self.pem_path(&key.keyid), Some(&key.keyid), purpose)?;
        self.opened.borrow_mut().insert(key.keyid.clone(), private.clone());
        Ok(private)
    }

    fn open_file(
        &self,
        path: &Path,
        wanted: Option<&KeyId>,
        purpose: Purpose,
    ) -> Result<Rc<PrivateKey>, KeyringError> {
        let (opened, _) = self.unlock(path, wanted, purpose)?;
        for weakness in opened.weaknesses {
            self.output.warn(format_args!("{}: {weakness}", path.display()));
        }
        Ok(Rc::new(opened.key))
    }

    /// Opens a key file; answers the passphrase, too, where it has one.
    fn unlock(
        &self,
        path: &Path,
        wanted: Option<&KeyId>,
        purpose: Purpose,
    ) -> Result<(OpenedFile, Option<SecretString>), KeyringError> {
        match file::read(path, None, wanted) {
            Err(KeyError::PassphraseMissing(_)) => {}
            opened => return Ok((opened?, None)),
        }
        // Before the key is known, any passphrase of the environment may be its own.
        for passphrase in self.passphrases.values().filter(|_| purpose == Purpose::Any) {
            if let Ok(opened) = file::read(path, Some(passphrase), wanted) {
                return Ok((opened, Some(passphrase.clone())));
            }
        }
        let passphrase = self.passphrase(&path.display().to_string(), purpose)?;
        Ok((file::read(path, Some(&passphrase), wanted)?, Some(passphrase)))
    }

    fn pem_path(&self, id: &KeyId) -> PathBuf {
        self.directory.join(format!("{id}.pem"))
    }

    fn entry_path(&self, id: &KeyId) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }
}

/// The available keys that an authority lists, in its order, each with the id that it lists.
pub(crate) fn listed<'a>(
    available: &'a [KeyEntry],
    authority: Authority<'a>,
) -> Vec<(&'a KeyId, &'a KeyEntry)> {
    let of_id = |id: &'a KeyId| {
        let public = authority.keys.get(id)?.public()?;
        Some((id, available.iter().find(|entry| entry.key.public() == Some(public))?))
    };
    authority.role.keyids.iter().filter_map(of_id).collect()
}

#[cfg(test)]
mod tests;
