//! Private keys, opened: files decrypted, keys elsewhere found. Each is opened once for a command.

use std::path::Path;
use std::rc::Rc;

use notary_schema::key::Key;
use notary_schema::name::KeyId;
use notary_signer::keys::file::{self, OpenedFile};
use notary_signer::keys::private::PrivateKey;
use notary_signer::keys::{Elsewhere, KeyError};
use secrecy::SecretString;

use super::places::Attached;
use super::{KeyEntry, Keyring, KeyringError, Purpose};

/// A key that signs.
pub(super) enum Opened {
    /// In the memory of this process.
    Here(PrivateKey),
    /// In its place.
    There(Attached),
}

impl Keyring {
    /// The signature of one key.
    pub(super) fn sign_one(
        &self,
        key: &KeyEntry,
        message: &[u8],
        purpose: Purpose,
    ) -> Result<Vec<u8>, KeyringError> {
        match &*self.open(key, purpose)? {
            Opened::Here(private) => Ok(private.sign(message)?),
            Opened::There(attached) => self.places.sign(attached, message),
        }
    }

    /// Opens all of these keys: what is missing or wrong is found before anything is asked for.
    pub(crate) fn open_all(&self, keys: &[KeyEntry], purpose: Purpose) -> Result<(), KeyringError> {
        keys.iter().try_for_each(|key| self.open(key, purpose).map(drop))
    }

    /// Finds a key elsewhere, and answers what an entry says of it.
    pub(super) fn attach(
        &self,
        reference: &Elsewhere,
        label: Option<String>,
    ) -> Result<KeyEntry, KeyringError> {
        let attached = self.places.attach(reference, label.as_deref().unwrap_or("notary"))?;
        Ok(self.keep_attached(attached, label))
    }

    pub(super) fn keep_attached(&self, attached: Attached, label: Option<String>) -> KeyEntry {
        let stored = attached.key();
        let keyref = Some(attached.reference().to_string());
        let key = Key::new(stored.public.clone());
        let entry = KeyEntry { keyid: stored.id(), label, keyref, key };
        self.keep(&entry.keyid, Opened::There(attached));
        entry
    }

    pub(super) fn keep(&self, id: &KeyId, opened: Opened) -> Rc<Opened> {
        let opened = Rc::new(opened);
        self.opened.borrow_mut().insert(id.clone(), opened.clone());
        opened
    }

    fn open(&self, key: &KeyEntry, purpose: Purpose) -> Result<Rc<Opened>, KeyringError> {
        if let Some(opened) = self.opened.borrow().get(&key.keyid) {
            return Ok(opened.clone());
        }
        let wanted = &key.keyid;
        let Some(keyref) = &key.keyref else {
            let private = self.open_file(&self.pem_path(wanted), Some(wanted), purpose)?;
            return Ok(self.keep(wanted, Opened::Here(private)));
        };
        let reference: Elsewhere = keyref.parse()?;
        let attached = self.places.attach(&reference, key.label.as_deref().unwrap_or("notary"))?;
        if attached.key().public != *key.key.public().unwrap_or(&attached.key().public) {
            return Err(KeyError::OtherKey {
                input: keyref.clone(),
                wanted: wanted.clone(),
                found: attached.key().id(),
            }
            .into());
        }
        Ok(self.keep(wanted, Opened::There(attached)))
    }

    pub(super) fn open_file(
        &self,
        path: &Path,
        wanted: Option<&KeyId>,
        purpose: Purpose,
    ) -> Result<PrivateKey, KeyringError> {
        let (opened, _) = self.unlock(path, wanted, purpose)?;
        for weakness in opened.weaknesses {
            self.output.warn(format_args!("{}: {weakness}", path.display()));
        }
        Ok(opened.key)
    }

    /// Opens a key file; answers the passphrase, too, where it has one.
    pub(super) fn unlock(
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
}
