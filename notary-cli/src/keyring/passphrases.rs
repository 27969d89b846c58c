//! Where the passphrase of a key comes from: the environment, by what the key is used for, or a person.

use notary_schema::name::RoleName;
use secrecy::{ExposeSecret, SecretString};

use super::{Keyring, KeyringError};

/// The passphrase that replaces another one.
const NEW_PASSPHRASE: &str = "NOTARY_NEW_PASSPHRASE";

/// What a key is used for, which says which passphrase opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// root.
    Root,
    /// targets.
    Targets,
    /// A delegated role.
    Delegation,
    /// Not known yet.
    Any,
}

impl Purpose {
    /// The purpose of a key that signs a role.
    pub(crate) fn of(role: &RoleName) -> Purpose {
        match role.as_str() {
            "root" => Purpose::Root,
            "targets" => Purpose::Targets,
            _ => Purpose::Delegation,
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Purpose::Root => "ROOT_",
            Purpose::Targets => "TARGETS_",
            Purpose::Delegation => "DELEGATION_",
            Purpose::Any => "",
        }
    }
}

impl Keyring {
    /// The passphrase of a new key; one that is typed is asked for twice.
    pub(super) fn new_passphrase(
        &self,
        what: &str,
        purpose: Purpose,
    ) -> Result<SecretString, KeyringError> {
        if let Some(passphrase) = self.passphrase_set(purpose) {
            return not_empty(what, passphrase);
        }
        let passphrase = self.passphrase(what, purpose)?;
        confirmed(what, passphrase)
    }

    /// From the environment for the purpose, from the environment for all, or from a person.
    pub(super) fn passphrase(
        &self,
        what: &str,
        purpose: Purpose,
    ) -> Result<SecretString, KeyringError> {
        if let Some(passphrase) = self.passphrase_set(purpose) {
            return not_empty(what, passphrase);
        }
        if !self.interactive {
            let (what, variable) = (what.to_owned(), purpose.variable());
            return Err(KeyringError::PassphraseMissing { what, variable });
        }
        not_empty(what, ask(&format!("passphrase of {what}: "))?)
    }

    fn passphrase_set(&self, purpose: Purpose) -> Option<SecretString> {
        let own = format!("NOTARY_{}PASSPHRASE", purpose.variable());
        let found = self.passphrases.get(own.as_str());
        found.or_else(|| self.passphrases.get("NOTARY_PASSPHRASE")).cloned()
    }

    /// The passphrase that replaces another one, where the environment names it.
    pub(super) fn next_passphrase(&self, what: &str) -> Result<Option<SecretString>, KeyringError> {
        let next = self.passphrases.get(NEW_PASSPHRASE).cloned();
        next.map(|next| not_empty(what, next)).transpose()
    }
}

fn not_empty(what: &str, passphrase: SecretString) -> Result<SecretString, KeyringError> {
    match passphrase.expose_secret().is_empty() {
        true => Err(KeyringError::PassphraseEmpty { what: what.to_owned() }),
        false => Ok(passphrase),
    }
}

/// A new passphrase, asked for twice.
pub(super) fn ask_twice(what: &str) -> Result<SecretString, KeyringError> {
    confirmed(what, not_empty(what, ask(&format!("passphrase of {what}: "))?)?)
}

/// A new passphrase is typed twice: a slip would lock the key away.
fn confirmed(what: &str, passphrase: SecretString) -> Result<SecretString, KeyringError> {
    let again = ask(&format!("passphrase of {what} again: "))?;
    match passphrase.expose_secret() == again.expose_secret() {
        true => Ok(passphrase),
        false => Err(KeyringError::PassphrasesDiffer),
    }
}

pub(super) fn ask(prompt: &str) -> Result<SecretString, KeyringError> {
    rpassword::prompt_password(prompt).map(SecretString::from).map_err(KeyringError::Terminal)
}
