//! The keys of the trust directory, and which of them sign what.
//!
//! `keys/KEYID.pem` is the private key, encrypted (see [`notary_signer::keys::file`]);
//! `keys/KEYID.json` beside it is its public part and its label, so that nothing but signing asks for
//! a passphrase. A key in a token, in AWS KMS or behind a program has the second file alone, which says
//! where it is. Only keys that the current metadata lists for a role sign it, never another.

mod changes;
pub(crate) mod memory;
mod opening;
mod passphrases;
pub(crate) mod places;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::str::FromStr;

use notary_schema::envelope::Unsigned;
use notary_schema::key::{Key, PublicKey};
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::Authority;
use notary_signer::keys::file;
use notary_signer::keys::private::PrivateKey;
use notary_signer::keys::{Algorithm, Elsewhere, KeyError, KeyRef};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::named;
use crate::output::Output;
use crate::output::joined;
use crate::trust_dir::{StateError, files};

use opening::Opened;
pub(crate) use passphrases::Purpose;
use places::Places;

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
    #[error("could not ask for a passphrase or a PIN: {0}")]
    Terminal(std::io::Error),
    /// A key elsewhere, for another reason than the network.
    #[error("{error}; {next}")]
    Elsewhere {
        /// What its place says.
        error: KeyError,
        /// What to do.
        next: &'static str,
    },
    /// A key elsewhere, because of the network.
    #[error("{error}; {next}")]
    Unreachable {
        /// What was tried.
        error: KeyError,
        /// What to do.
        next: &'static str,
    },
    /// A token whose library is not known.
    #[error(
        "no library is named for the token {0}: add ?module-path=/usr/lib/…/LIBRARY.so to its \
         reference, or set NOTARY_PKCS11_MODULE or pkcs11_module in cli.toml"
    )]
    NoModule(String),
    /// Nobody can be asked for a PIN.
    #[error("the PIN of {what} is needed: add ?pin-source=file:PATH or ?pin-source=env:VARIABLE")]
    PinMissing {
        /// The token.
        what: String,
    },
    /// A variable that should hold a PIN.
    #[error("the PIN of {what} is needed: {variable} is not set, or empty")]
    NoPinIn {
        /// The token.
        what: String,
        /// The variable.
        variable: String,
    },
    /// A PIN that is none.
    #[error("the PIN of {what} is empty")]
    PinEmpty {
        /// The token.
        what: String,
    },
    /// What needs the private key itself.
    #[error("the private key of {keyid} is not here and does not come out of {keyref}; {next}")]
    NotHere {
        /// The key.
        keyid: KeyId,
        /// Where it is.
        keyref: String,
        /// What to do.
        next: &'static str,
    },
    /// The system gives no thread, or none to wait with.
    #[error("could not start a thread: {0}")]
    Thread(std::io::Error),
}

/// The public part of a key, as it stands beside the private one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyEntry {
    /// Its id.
    pub(crate) keyid: KeyId,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// Where the private key is, unless it is in a file beside this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) keyref: Option<String>,
    /// The key object, as metadata lists it.
    pub(crate) key: Key,
}

impl KeyEntry {
    /// Refuses what needs the private key where that is elsewhere.
    fn require_here(&self, next: &'static str) -> Result<(), KeyringError> {
        match self.keyref.clone() {
            None => Ok(()),
            Some(keyref) => Err(KeyringError::NotHere { keyid: self.keyid.clone(), keyref, next }),
        }
    }
}

/// Where a key is that a person names.
enum Reference {
    /// In the trust directory.
    Entry(Box<KeyEntry>),
    /// In a file.
    File(PathBuf),
    /// In a place outside this process.
    Elsewhere(Elsewhere),
}

/// The keys of one user.
pub(crate) struct Keyring {
    directory: PathBuf,
    passphrases: BTreeMap<&'static str, SecretString>,
    interactive: bool,
    output: Rc<Output>,
    places: Places,
    /// Keys that were opened: no passphrase is asked for twice.
    opened: RefCell<BTreeMap<KeyId, Rc<Opened>>>,
}

impl Keyring {
    /// The keys in a directory, which need not exist yet.
    pub(crate) fn new(
        directory: PathBuf,
        passphrases: BTreeMap<&'static str, SecretString>,
        places: Places,
        interactive: bool,
        output: Rc<Output>,
    ) -> Keyring {
        let opened = RefCell::default();
        Keyring { directory, passphrases, interactive, output, places, opened }
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
    pub(crate) fn pem(&self, entry: &KeyEntry) -> Result<Vec<u8>, KeyringError> {
        entry.require_here("say --public for its public part")?;
        let path = self.pem_path(&entry.keyid);
        files::read(&path)?.ok_or_else(|| KeyringError::UnknownKey(entry.keyid.to_string()))
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
        let entry = KeyEntry {
            keyid: private.id(),
            label,
            keyref: None,
            key: Key::new(private.public().clone()),
        };
        files::create_dir(&self.directory)?;
        // The public part comes last: a key is listed only when it is there.
        file::write(&self.pem_path(&entry.keyid), &private, &passphrase)?;
        files::write_json(&self.entry_path(&entry.keyid), &entry)?;
        self.keep(&entry.keyid, Opened::Here(private));
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
        let path = match self.reference(reference)? {
            Reference::Entry(entry) => return Ok(*entry),
            Reference::Elsewhere(elsewhere) => return self.attach(&elsewhere, None),
            Reference::File(path) => path,
        };
        let private = self.open_file(&path, None, purpose)?;
        let key = Key::new(private.public().clone());
        let keyid = private.id();
        self.keep(&keyid, Opened::Here(private));
        Ok(KeyEntry { keyid, label: None, keyref: None, key })
    }

    /// What a person means: the id of a key here, or its beginning where no file has this name.
    fn reference(&self, text: &str) -> Result<Reference, KeyringError> {
        let is_id = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match KeyRef::from_str(text)? {
            KeyRef::Id(id) => Ok(Reference::Entry(Box::new(self.entry(id.as_str())?))),
            KeyRef::File(path) if is_id && !path.exists() => {
                Ok(Reference::Entry(Box::new(self.entry(text)?)))
            }
            KeyRef::File(path) => Ok(Reference::File(path)),
            KeyRef::Elsewhere(elsewhere) => Ok(Reference::Elsewhere(elsewhere)),
        }
    }

    /// The public key of somebody: a PEM file, a key of the trust directory, or one elsewhere.
    pub(crate) fn public(&self, reference: &str) -> Result<Key, KeyringError> {
        let path = match self.reference(reference)? {
            Reference::Entry(entry) => return Ok(entry.key),
            Reference::Elsewhere(elsewhere) => return Ok(self.attach(&elsewhere, None)?.key),
            Reference::File(path) => path,
        };
        let unreadable = |source| KeyError::Io { action: "read", path: path.clone(), source };
        let text = named::read_text(&path, named::MAX_KEY_BYTES).map_err(unreadable)?;
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
            Ok(((*listed_as).clone(), self.sign_one(key, message, purpose)?))
        };
        keys.iter().map(sign).collect()
    }

    /// A key that is named, with its private half where that is here.
    pub(crate) fn public_or_own(
        &self,
        reference: &str,
        purpose: Purpose,
    ) -> Result<(Key, Option<KeyEntry>), KeyringError> {
        if let Reference::Elsewhere(elsewhere) = self.reference(reference)? {
            let own = self.attach(&elsewhere, None)?;
            return Ok((own.key.clone(), Some(own)));
        }
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
