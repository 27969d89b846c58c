//! Opening the software store: with a passphrase, or with a backend that unwraps its key.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use secrecy::SecretString;

use crate::backends;
use crate::config::{Config, ConfigError};
use crate::keys::KeyError;
use crate::keys::bounded::Bounds;
use crate::keys::software::{Origin, SoftwareStore, StoreHeader, StoreKey};
use crate::keys::wrapping::Wrapper;

/// Why the software store does not open.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(
        "the software store is under a passphrase, and the configuration says store.wrapped_by: \
         stop the service and let `notary-signer store wrap` move it"
    )]
    NotWrapped,
    #[error(
        "the software store is wrapped by the key {0}: name its backend in store.wrapped_by, and \
         the key in store.wrapping_key"
    )]
    Wrapped(String),
    #[error("store.wrapped_by and store.wrapping_key say where to, and they are not set")]
    NoWrapper,
    #[error("cannot wait for the backend: {0}")]
    Runtime(std::io::Error),
}

/// The store that a header belongs to.
///
/// # Errors
/// A passphrase or a backend that does not open it; a configuration that names the other way.
pub(crate) fn open(config: &Config, header: &StoreHeader) -> Result<SoftwareStore, OpenError> {
    let key = match (&header.origin, Wrapping::of(config)?) {
        (Origin::Passphrase { rounds, salt }, None) => {
            StoreKey::derived(&config.passphrase()?, *rounds, salt)?
        }
        (Origin::Wrapped { key, wrapped }, Some(wrapping)) => wrapping.unwrap(key, wrapped)?,
        (Origin::Passphrase { .. }, Some(_)) => return Err(OpenError::NotWrapped),
        (Origin::Wrapped { key, .. }, None) => return Err(OpenError::Wrapped(key.clone())),
    };
    Ok(SoftwareStore::open(&key, header)?)
}

/// A new store, and its header, which opens it: keys that go into a store that does not open at the next
/// start are lost.
///
/// # Errors
/// No passphrase, or a backend that does not wrap, or that does not unwrap what it has wrapped.
pub(crate) fn create(config: &Config) -> Result<(SoftwareStore, StoreHeader), OpenError> {
    let Some(wrapping) = Wrapping::of(config)? else {
        let (key, origin) = StoreKey::from_passphrase(&config.passphrase()?)?;
        return Ok(SoftwareStore::create(&key, origin)?);
    };
    let key = StoreKey::random()?;
    let (_, header) = SoftwareStore::create(&key, wrapping.wrap(&key)?)?;
    Ok((open(config, &header)?, header))
}

/// The store of a header, whatever the configuration says of it: it is under a passphrase, or under another
/// wrapping key of the backend that is configured.
///
/// # Errors
/// Those of [`open`]; [`OpenError::NoWrapper`].
pub(crate) fn open_former(
    config: &Config,
    passphrase: impl FnOnce() -> Result<SecretString, ConfigError>,
    header: &StoreHeader,
) -> Result<SoftwareStore, OpenError> {
    let wrapping = Wrapping::of(config)?.ok_or(OpenError::NoWrapper)?;
    let key = match &header.origin {
        Origin::Passphrase { rounds, salt } => StoreKey::derived(&passphrase()?, *rounds, salt)?,
        Origin::Wrapped { key, wrapped } => wrapping.unwrap(key, wrapped)?,
    };
    Ok(SoftwareStore::open(&key, header)?)
}

/// The backend that wraps, and the key that it does it with.
struct Wrapping {
    backend: Arc<dyn Wrapper>,
    name: String,
    key: String,
    bounds: Bounds,
}

impl Wrapping {
    fn of(config: &Config) -> Result<Option<Wrapping>, ConfigError> {
        let (Some(name), Some(key)) = (&config.store.wrapped_by, &config.store.wrapping_key) else {
            return Ok(None);
        };
        let backend = config.backends.get(name).expect("the configuration was checked");
        let bounds = backend.bounds();
        let (name, key) = (name.clone(), key.clone());
        Ok(Some(Wrapping { backend: backends::wrapper(&name, backend)?, name, key, bounds }))
    }

    fn wrap(&self, key: &StoreKey) -> Result<Origin, OpenError> {
        self.wait(|| key.wrap(&*self.backend, &self.key))
    }

    fn unwrap(&self, key: &str, wrapped: &[u8]) -> Result<StoreKey, OpenError> {
        self.wait(|| StoreKey::unwrapped(&*self.backend, key, wrapped))
    }

    /// Waits for a call of the backend, which is tried as often and as long as the configuration says.
    /// The thread is its own, since this one may be that of a runtime.
    fn wait<T: Send, F>(&self, call: impl Fn() -> F + Send) -> Result<T, OpenError>
    where
        F: Future<Output = Result<T, KeyError>>,
    {
        let wait = || -> Result<T, OpenError> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(OpenError::Runtime)?;
            Ok(runtime.block_on(self.bounds.run(&self.name, self.bounds.attempts, call))?)
        };
        thread::scope(|scope| scope.spawn(wait).join()).unwrap_or_else(|panic| {
            std::panic::resume_unwind(panic);
        })
    }
}

/// The passphrase in a file, or else in the environment.
pub(crate) fn passphrase(file: Option<&Path>) -> Result<SecretString, ConfigError> {
    match file {
        Some(path) => crate::config::read_secret(path),
        None => crate::config::passphrase_of_environment(),
    }
}
