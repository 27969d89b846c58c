//! Keys behind a program: for clouds and vaults that have no code here, and for what an operator has
//! of their own. The program gets requests as lines of JSON and runs on until it ends by itself, answers
//! nobody any more, or this process ends; the next call starts another.

mod pipes;
mod process;
mod protocol;
mod running;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use notary_schema::key::PublicKey;
use zeroize::Zeroizing;

use self::process::Process;
use self::protocol::{Answer, Call};
use super::named::NamedKey;
use super::wrapping::Wrapper;
use super::{Algorithm, KeyError, KeyHandle, KeyStore, StoredKey, Trouble};

/// A signing program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file, or a name that `PATH` leads to.
    pub path: PathBuf,
    /// Its arguments. Secrets do not belong here: everybody on the machine sees them.
    pub arguments: Vec<String>,
    /// Where what it says on stderr goes.
    pub messages: Messages,
}

/// Where the stderr of a [`Program`] goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Messages {
    /// Into the log, line by line: for a service.
    #[default]
    Logged,
    /// To the stderr of this process: for a person, whom the program may want to tell what to do.
    Shown,
}

impl Program {
    /// A program without arguments.
    pub fn new(path: PathBuf) -> Program {
        Program { path, arguments: Vec::new(), messages: Messages::default() }
    }
}

/// Keys behind a [`Program`].
pub struct ExecStore {
    name: String,
    program: Program,
    process: Mutex<Option<Arc<Process>>>,
}

impl ExecStore {
    /// `name` is what people call it in errors. Nothing is started yet.
    pub fn new(name: &str, program: Program) -> ExecStore {
        ExecStore { name: name.to_owned(), program, process: Mutex::new(None) }
    }

    async fn ask(&self, call: Call) -> Result<Answer, KeyError> {
        let process = self.process().map_err(|trouble| self.error(trouble))?;
        process.ask(&call).await.map_err(|trouble| self.error(trouble))
    }

    /// The program that runs; started where none does.
    fn process(&self) -> Result<Arc<Process>, Trouble> {
        let mut running = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(process) = running.as_ref().filter(|process| process.runs()) {
            return Ok(process.clone());
        }
        let process = Arc::new(Process::start(&self.program)?);
        Ok(running.insert(process).clone())
    }

    async fn describe(&self, name: &str) -> Result<PublicKey, KeyError> {
        let answer = self.ask(Call::Describe { key: name.to_owned() }).await?;
        answer.public().map_err(|trouble| self.error(trouble))
    }

    fn error(&self, trouble: Trouble) -> KeyError {
        KeyError::Backend { backend: self.name.clone(), trouble }
    }
}

#[async_trait]
impl KeyStore for ExecStore {
    async fn create(&self, algorithm: Algorithm, purpose: &str) -> Result<StoredKey, KeyError> {
        let answer = self.ask(Call::create(algorithm, purpose)).await?;
        let key = answer.key().and_then(|name| Ok(NamedKey { name, public: answer.public()? }));
        Ok(key.map_err(|trouble| self.error(trouble))?.stored(purpose))
    }

    async fn attach(&self, name: &str, purpose: &str) -> Result<StoredKey, KeyError> {
        let public = self.describe(name).await?;
        Ok(NamedKey { name: name.to_owned(), public }.stored(purpose))
    }

    async fn check(&self) -> Result<(), KeyError> {
        self.ask(Call::Check).await.map(|_| ())
    }

    async fn public(&self, handle: &KeyHandle) -> Result<PublicKey, KeyError> {
        self.describe(&NamedKey::of(handle)?.name).await
    }

    async fn sign(&self, handle: &KeyHandle, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let NamedKey { name, public } = NamedKey::of(handle)?;
        let answer = self.ask(Call::sign(name, &handle.purpose, &public, message)).await?;
        answer.signature().map_err(|trouble| self.error(trouble))
    }
}

#[async_trait]
impl Wrapper for ExecStore {
    async fn wrap(&self, key: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        let answer = self.ask(Call::wrap(key, secret)).await?;
        answer.wrapped().map_err(|trouble| self.error(trouble))
    }

    async fn unwrap(&self, key: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let answer = self.ask(Call::unwrap(key, wrapped)).await?;
        answer.secret().map_err(|trouble| self.error(trouble))
    }
}

#[cfg(test)]
mod tests;
