//! Keys that come from elsewhere, change their passphrase, or go.

use std::path::Path;

use notary_schema::key::Key;
use notary_signer::keys::file::{self, Weakness};
use notary_signer::keys::{Algorithm, Elsewhere, Place};

use super::passphrases::ask_twice;
use super::{KeyEntry, Keyring, KeyringError, Purpose};
use crate::trust_dir::files;

impl Keyring {
    /// Takes in the private key of a file, encrypted as we do. Answers its entry, and whether it is
    /// new here. The passphrase stays, unless `NOTARY_NEW_PASSPHRASE` names another one.
    pub(crate) fn import(
        &self,
        path: &Path,
        label: Option<String>,
    ) -> Result<(KeyEntry, bool), KeyringError> {
        let (opened, passphrase) = self.unlock(path, None, Purpose::Any)?;
        let private = opened.key;
        for weakness in &opened.weaknesses {
            let copied = match weakness {
                Weakness::OthersMayRead(_) => "",
                _ => "; the copy in the trust directory is better protected, remove this one",
            };
            self.output.warn(format_args!("{}: {weakness}{copied}", path.display()));
        }
        let keyid = private.id();
        if let Some(entry) = self.list()?.into_iter().find(|entry| entry.keyid == keyid) {
            return Ok((entry, false));
        }
        let what = format!("the key {keyid}");
        let passphrase = match (self.next_passphrase(&what)?, passphrase) {
            (Some(next), _) => next,
            (None, Some(same)) => same,
            (None, None) => self.new_passphrase(&what, Purpose::Any)?,
        };
        let entry =
            KeyEntry { keyid, label, keyref: None, key: Key::new(private.public().clone()) };
        files::create_dir(&self.directory)?;
        let pem = file::to_pem(&private, &passphrase, &what)?;
        files::write_private(&self.pem_path(&entry.keyid), pem.as_bytes())?;
        files::write_json(&self.entry_path(&entry.keyid), &entry)?;
        Ok((entry, true))
    }

    /// Lists a key elsewhere, which stays where it is. Answers its entry, and whether it is new here.
    pub(crate) fn add(
        &self,
        reference: &Elsewhere,
        label: Option<String>,
    ) -> Result<(KeyEntry, bool), KeyringError> {
        let entry = self.attach(reference, label)?;
        if let Some(there) = self.list()?.into_iter().find(|there| there.keyid == entry.keyid) {
            return Ok((there, false));
        }
        self.register(&entry)?;
        Ok((entry, true))
    }

    /// Makes a key in a place outside this process, and lists it.
    pub(crate) fn create_in(
        &self,
        place: &Place,
        algorithm: Algorithm,
        purpose: &str,
        label: Option<String>,
    ) -> Result<KeyEntry, KeyringError> {
        let made = self.places.create(place, algorithm, purpose)?;
        let entry = self.keep_attached(made, label);
        self.register(&entry).inspect_err(|_| {
            let keyref = entry.keyref.as_deref().unwrap_or_default();
            self.output.message(format_args!(
                "the key is made; `notary key add '{keyref}'` lists it in the trust directory"
            ));
        })?;
        Ok(entry)
    }

    fn register(&self, entry: &KeyEntry) -> Result<(), KeyringError> {
        files::create_dir(&self.directory)?;
        Ok(files::write_json(&self.entry_path(&entry.keyid), entry)?)
    }

    /// Encrypts a key under another passphrase. The file is replaced at once or not at all, and only
    /// by one that was seen to open.
    pub(crate) fn change_passphrase(&self, entry: &KeyEntry) -> Result<(), KeyringError> {
        entry.require_here("what protects it there is changed with the tools of that place")?;
        let path = self.pem_path(&entry.keyid);
        let (opened, _) = self.unlock(&path, Some(&entry.keyid), Purpose::Any)?;
        let what = format!("the key {}", entry.keyid);
        let passphrase = match self.next_passphrase(&what)? {
            Some(next) => next,
            None if !self.interactive => {
                return Err(KeyringError::PassphraseMissing { what, variable: "NEW_" });
            }
            None => ask_twice(&format!("{what}, the new one"))?,
        };
        let pem = file::to_pem(&opened.key, &passphrase, &what)?;
        file::from_pem(pem.as_bytes(), Some(&passphrase), Some(&entry.keyid), &what)?;
        Ok(files::write_private(&path, pem.as_bytes())?)
    }

    /// Removes a key. What lists it goes first, so that no key is ever listed that is not there.
    pub(crate) fn remove(&self, entry: &KeyEntry) -> Result<(), KeyringError> {
        files::remove(&self.entry_path(&entry.keyid))?;
        Ok(files::remove(&self.pem_path(&entry.keyid))?)
    }
}
