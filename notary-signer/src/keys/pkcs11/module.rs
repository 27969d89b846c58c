//! The libraries of tokens. A process can start each only once, whoever works with it; so they are
//! shared, and stay until the process ends.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};

use super::super::Trouble;

/// A library that is started, while somebody works with it.
#[derive(Clone)]
pub(super) struct Module {
    library: Pkcs11,
    users: Arc<()>,
    /// Which start of a library it is, of all in this process.
    pub(super) life: u64,
}

/// The library of a path, once it is started. One that hangs keeps those of other paths from nothing.
type Place = Arc<Mutex<Option<Module>>>;

impl Module {
    /// The library of this path.
    pub(super) fn of(path: &Path) -> Result<Module, Trouble> {
        let place = place(path);
        let mut place = lock(&place);
        if let Some(module) = &*place {
            return Ok(module.clone());
        }
        let library = Pkcs11::new(path).map_err(|error| unreachable(path, &error))?;
        let mut module = Module { library, users: Arc::default(), life: 0 };
        module.start(path)?;
        Ok(place.insert(module).clone())
    }

    /// Ends a life of the library, and starts another one unless somebody works with it; says whether
    /// that life is over.
    pub(super) fn end(path: &Path, life: u64) -> Result<bool, Trouble> {
        let place = place(path);
        let mut place = lock(&place);
        let Some(module) = &mut *place else { return Ok(true) };
        if module.life != life {
            return Ok(true);
        }
        if Arc::strong_count(&module.users) > 1 {
            return Ok(false);
        }
        match module.library.clone().finalize() {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiNotInitialized, _)) => {}
            Err(error) => return Err(unreachable(path, &error)),
        }
        let started = module.start(path);
        if started.is_err() {
            // Whoever asks next starts it.
            *place = None;
        }
        started.map(|()| true)
    }

    fn start(&mut self, path: &Path) -> Result<(), Trouble> {
        static LIVES: AtomicU64 = AtomicU64::new(0);
        self.life = LIVES.fetch_add(1, Ordering::Relaxed);
        let threads = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        match self.library.initialize(threads) {
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => Ok(()),
            Err(error) => Err(unreachable(path, &error)),
        }
    }
}

impl Deref for Module {
    type Target = Pkcs11;
    fn deref(&self) -> &Pkcs11 {
        &self.library
    }
}

fn unreachable(path: &Path, error: &Error) -> Trouble {
    let error = match error {
        // The name of the code; the library's text for it is a paragraph of the standard.
        Error::Pkcs11(code, function) => format!("C_{function:?} answers {code:?}"),
        other => other.to_string(),
    };
    Trouble::Unreachable(format!("{} cannot be loaded: {error}", path.display()))
}

fn place(path: &Path) -> Place {
    static PLACES: Mutex<BTreeMap<PathBuf, Place>> = Mutex::new(BTreeMap::new());
    // By whatever path: to end it by one of them ends it for the others.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    lock(&PLACES).entry(path).or_default().clone()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
