//! Keys in places outside this process: tokens, AWS KMS, programs. Each place is opened once for all
//! keys in it, so that its PIN is asked for once.
//!
//! Whoever signs for a person does one thing after the other, so the keyring blocks, as it does while a
//! person types. The places do not: what they do runs on a thread beside the one of the command.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notary_signer::keys::bounded::{Bounded, Bounds};
use notary_signer::keys::exec::{ExecStore, Messages, Program};
use notary_signer::keys::pkcs11::{PinSource, Pkcs11Store, Token, TokenName, TokenUri};
use notary_signer::keys::{
    Algorithm, Elsewhere, KeyError, KeyStore, Place, StoredKey, Trouble, without_line_end,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::runtime::{self, Runtime};

use super::KeyringError;
use super::passphrases::ask;
use crate::named;

/// How long a place has for one call: a person has to see that a token wants to be touched.
const PATIENCE: Duration = Duration::from_secs(60);

/// The places that were opened, and what opening another one takes.
pub(crate) struct Places {
    environment: BTreeMap<OsString, OsString>,
    /// The library for tokens whose reference names none.
    pkcs11_module: Option<PathBuf>,
    interactive: bool,
    runtime: OnceCell<Runtime>,
    open: RefCell<Vec<(Place, Arc<Bounded>)>>,
}

/// A key that was found in its place.
pub(super) struct Attached {
    reference: Elsewhere,
    store: Arc<Bounded>,
    key: StoredKey,
}

impl Attached {
    pub(super) fn key(&self) -> &StoredKey {
        &self.key
    }

    /// The reference that leads to this key from every directory, whatever else gets its name there.
    pub(super) fn reference(&self) -> Elsewhere {
        let key = self.key.name_in_place().or_else(|| self.reference.key.clone());
        let mut place = self.reference.place.clone();
        // A name alone is looked for where the system has libraries and programs.
        let is_path = |path: &&mut PathBuf| path.components().count() > 1;
        let paths = match &mut place {
            Place::Pkcs11(uri) => {
                let pin = uri.pin.as_mut().and_then(|pin| match pin {
                    PinSource::File(path) => Some(path),
                    PinSource::Variable(_) => None,
                });
                [uri.module.as_mut().filter(is_path), pin]
            }
            Place::AwsKms { .. } => [None, None],
            Place::Exec(program) => [Some(&mut program.path).filter(is_path), None],
        };
        for path in paths.into_iter().flatten() {
            *path = std::path::absolute(&*path).unwrap_or_else(|_| path.clone());
        }
        Elsewhere { place, key }
    }
}

impl Places {
    /// Nothing is opened yet. `interactive` says whether a person can be asked.
    pub(crate) fn new(
        environment: BTreeMap<OsString, OsString>,
        pkcs11_module: Option<PathBuf>,
        interactive: bool,
    ) -> Places {
        let (runtime, open) = (OnceCell::new(), RefCell::default());
        Places { environment, pkcs11_module, interactive, runtime, open }
    }

    /// A key that is there; `purpose` says in words what it is for.
    pub(super) fn attach(
        &self,
        reference: &Elsewhere,
        purpose: &str,
    ) -> Result<Attached, KeyringError> {
        let store = self.store(&reference.place)?;
        let name = reference.key.as_deref().unwrap_or_default();
        let key = self.wait(store.attach(name, purpose))?;
        let key = key.map_err(|error| in_place(&reference.place, error))?;
        Ok(Attached { reference: reference.clone(), store, key })
    }

    /// A new key, made there.
    pub(super) fn create(
        &self,
        place: &Place,
        algorithm: Algorithm,
        purpose: &str,
    ) -> Result<Attached, KeyringError> {
        let store = self.store(place)?;
        let key = self.wait(store.create(algorithm, purpose))?;
        let key = key.map_err(|error| in_place(place, error))?;
        let reference = Elsewhere { place: place.clone(), key: None };
        Ok(Attached { reference, store, key })
    }

    pub(super) fn sign(&self, key: &Attached, message: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let signature = self.wait(key.key.sign(&*key.store, message))?;
        signature.map_err(|error| in_place(&key.reference.place, error))
    }

    fn store(&self, place: &Place) -> Result<Arc<Bounded>, KeyringError> {
        if let Some((_, store)) = self.open.borrow().iter().find(|(open, _)| open == place) {
            return Ok(store.clone());
        }
        let name = name_of(place);
        let store: Arc<dyn KeyStore> = match place {
            Place::Pkcs11(uri) => Arc::new(Pkcs11Store::new(&name, self.token(uri)?)),
            #[cfg(feature = "aws-kms")]
            Place::AwsKms { region, profile } => {
                use notary_signer::keys::aws_kms::{Account, AwsKmsStore};
                let (region, profile) = (region.clone(), profile.clone());
                Arc::new(AwsKmsStore::new(&name, Account { region, profile, endpoint_url: None }))
            }
            #[cfg(not(feature = "aws-kms"))]
            Place::AwsKms { .. } => return Err(KeyError::NotInThisBuild("AWS KMS").into()),
            Place::Exec(program) => {
                let program = Program { messages: Messages::Shown, ..program.clone() };
                Arc::new(ExecStore::new(&name, program))
            }
        };
        // One command asks a place a few times: there is nothing to learn from its failures.
        let bounds = Bounds { total: PATIENCE, failures: u32::MAX, ..Bounds::default() };
        let store = Arc::new(Bounded::new(&name, store, bounds));
        self.open.borrow_mut().push((place.clone(), store.clone()));
        Ok(store)
    }

    fn token(&self, uri: &TokenUri) -> Result<Token, KeyringError> {
        let name = uri.token.clone();
        let module = uri.module.clone().or_else(|| self.pkcs11_module.clone());
        let module = module.ok_or_else(|| KeyringError::NoModule(name.to_string()))?;
        Ok(Token { module, pin: self.pin(uri)?, name, sessions: 1 })
    }

    fn pin(&self, uri: &TokenUri) -> Result<SecretString, KeyringError> {
        let what = name_of(&Place::Pkcs11(uri.clone()));
        let pin = match &uri.pin {
            Some(PinSource::File(path)) => {
                let io = |source| KeyError::Io { action: "read", path: path.clone(), source };
                named::read_secret(path).map_err(io)?.into()
            }
            Some(PinSource::Variable(name)) => {
                let value = self.environment.get(OsStr::new(name));
                let value = value.and_then(|value| value.to_str()).filter(|pin| !pin.is_empty());
                SecretString::from(value.ok_or_else(|| KeyringError::NoPinIn {
                    what: what.clone(),
                    variable: name.clone(),
                })?)
            }
            None if self.interactive => ask(&format!("PIN of {what}: "))?,
            None => return Err(KeyringError::PinMissing { what }),
        };
        match without_line_end(pin.expose_secret()) {
            "" => Err(KeyringError::PinEmpty { what }),
            pin => Ok(pin.into()),
        }
    }

    /// Runs what a place does to its end.
    fn wait<T: Send>(&self, done: impl Future<Output = T> + Send) -> Result<T, KeyringError> {
        let runtime = match self.runtime.get() {
            Some(runtime) => runtime,
            None => {
                let runtime = runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(KeyringError::Thread)?;
                self.runtime.get_or_init(|| runtime)
            }
        };
        std::thread::scope(|scope| {
            let beside = std::thread::Builder::new();
            let beside = beside.spawn_scoped(scope, || runtime.block_on(done));
            let ended = beside.map_err(KeyringError::Thread)?.join();
            Ok(ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }
}

impl Drop for Places {
    /// A token that hangs is not waited for.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What people call a place, in errors.
fn name_of(place: &Place) -> String {
    match place {
        Place::Pkcs11(uri) => {
            let TokenName { label, serial, .. } = &uri.token;
            format!("the token {:?}", label.as_ref().or(serial.as_ref()).map_or("", String::as_str))
        }
        Place::AwsKms { region: Some(region), .. } => format!("AWS KMS in {region}"),
        Place::AwsKms { region: None, .. } => "AWS KMS".to_owned(),
        Place::Exec(program) => format!("the program {}", program.path.display()),
    }
}

fn in_place(place: &Place, error: KeyError) -> KeyringError {
    let KeyError::Backend { trouble, .. } = &error else { return error.into() };
    let next = next_step(place, trouble);
    let is_away = matches!(
        trouble,
        Trouble::Unreachable(_) | Trouble::TimedOut(_) | Trouble::Throttled(_) | Trouble::Queue(_)
    );
    match place {
        Place::AwsKms { .. } if is_away => KeyringError::Unreachable { error, next },
        _ => KeyringError::Elsewhere { error, next },
    }
}

/// What to do about it.
fn next_step(place: &Place, trouble: &Trouble) -> &'static str {
    match (trouble, place) {
        (Trouble::Unreachable(_), Place::Pkcs11(_)) => {
            "put the token in, or name its library by module-path, and say the same again; --key names \
             the keys that shall sign"
        }
        (Trouble::Unreachable(_), Place::AwsKms { .. }) => {
            "look at the network and the region, and say the same again"
        }
        (Trouble::Unreachable(_), Place::Exec(_)) => "see that the program is there and runs",
        (Trouble::TimedOut(_), Place::Pkcs11(_)) => {
            "say the same again, and touch the token if it waits for that"
        }
        (Trouble::TimedOut(_) | Trouble::Throttled(_) | Trouble::Queue(_), _) => {
            "wait a moment and say the same again"
        }
        (Trouble::LeftAlone(trouble), _) => next_step(place, trouble),
        (Trouble::NotLetIn(_), Place::Pkcs11(_)) => {
            "make sure of the PIN before the next try: most tokens lock after three wrong ones"
        }
        (Trouble::NotLetIn(_), Place::AwsKms { .. }) => {
            "set or renew the credentials, or have kms:DescribeKey, kms:GetPublicKey and kms:Sign allowed"
        }
        (Trouble::NotLetIn(_), Place::Exec(_)) => "give the program what it logs in with",
        (Trouble::NoSuchKey(_), Place::Pkcs11(_)) => {
            "`p11tool --login --list-privkeys` shows the keys of a token"
        }
        (Trouble::NoSuchKey(_), Place::AwsKms { .. }) => {
            "look at its name, the account and the region"
        }
        (Trouble::NoSuchKey(_), Place::Exec(_)) => "look at its name after key=",
        (Trouble::KeyUnusable(_), Place::AwsKms { .. }) => {
            "enable it or cancel its deletion in KMS, have kms:DescribeKey, kms:GetPublicKey and kms:Sign \
             allowed on it, or sign with another key"
        }
        (Trouble::KeyUnusable(_), _) => "sign with another key",
        (Trouble::NotSupported(_), Place::AwsKms { .. }) => {
            "a reference names its region by ?region=NAME; P-256 and RSA keys sign everything"
        }
        (Trouble::NotSupported(_), _) => "name another key, or another algorithm",
        (Trouble::WrongAnswer(_), _) => "nothing was signed with it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_cloud_that_is_away_counts_as_the_network() {
        let place = |text: &str| text.parse::<Elsewhere>().unwrap().place;
        let error = |place: &Place, trouble: Trouble| {
            in_place(place, KeyError::Backend { backend: name_of(place), trouble })
        };
        let (kms, token) = (place("awskms:alias/a?region=eu-west-1"), place("pkcs11:token=a"));
        let away = || Trouble::Unreachable("nobody listens".into());
        let told = error(&kms, away());
        assert!(matches!(told, KeyringError::Unreachable { .. }), "{told}");
        assert!(told.to_string().starts_with("AWS KMS in eu-west-1 is not reached"), "{told}");
        let throttled = error(&kms, Trouble::Throttled("ThrottlingException".into()));
        assert!(matches!(throttled, KeyringError::Unreachable { .. }), "{throttled}");
        for (place, trouble) in
            [(&kms, Trouble::NotLetIn("ExpiredTokenException".into())), (&token, away())]
        {
            let told = error(place, trouble);
            assert!(matches!(told, KeyringError::Elsewhere { .. }), "{told}");
        }
    }
}
