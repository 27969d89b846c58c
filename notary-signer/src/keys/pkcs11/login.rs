//! Logins. A PIN has three tries in most tokens, and then the keys are lost or a visit is due: what was
//! tried is remembered for each token, whoever of this process has tried it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::TokenInfo;
use secrecy::{ExposeSecret, SecretString};

use super::super::Trouble;
use super::Token;
use super::session::trouble;

/// How long a token is left alone after a login that failed, though its PIN was right before.
const LOGIN_PAUSE: Duration = Duration::from_secs(5);

/// A PIN of a token.
pub(super) struct Login {
    module: PathBuf,
    /// Label, maker, model and serial number.
    token: [String; 4],
    pin: SecretString,
    tried: Mutex<Tried>,
}

#[derive(Default)]
struct Tried {
    /// A PIN that was refused once is not tried again.
    refused: Option<Trouble>,
    /// Whether the token has taken it before: what fails then is the token.
    is_taken: bool,
    /// When a login failed, and why, while that may have been the PIN.
    failed: Option<(Instant, Trouble)>,
}

impl Login {
    /// What is known of the PIN of a token that was found: the same for all who have the same PIN for
    /// it, as long as any of them is there.
    pub(super) fn of(token: &Token, found: &TokenInfo) -> Arc<Login> {
        static LOGINS: Mutex<Vec<Weak<Login>>> = Mutex::new(Vec::new());
        let mut logins = LOGINS.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|login| login.strong_count() > 0);
        let (module, pin) = (token.module.clone(), token.pin.clone());
        let texts = [found.label(), found.manufacturer_id(), found.model(), found.serial_number()];
        let new = Login { module, token: texts.map(str::to_owned), pin, tried: Mutex::default() };
        if let Some(known) = logins.iter().filter_map(Weak::upgrade).find(|it| it.is(&new)) {
            return known;
        }
        let new = Arc::new(new);
        logins.push(Arc::downgrade(&new));
        new
    }

    fn is(&self, other: &Login) -> bool {
        (&self.module, &self.token) == (&other.module, &other.token)
            && self.pin.expose_secret() == other.pin.expose_secret()
    }

    /// Refuses where the PIN was refused before.
    pub(super) fn require_not_refused(&self) -> Result<(), Trouble> {
        self.tried().require_not_refused()
    }

    /// Logs a session in, unless that would try a refused PIN again. One at a time.
    pub(super) fn log_in(&self, session: &Session) -> Result<(), Trouble> {
        let mut tried = self.tried();
        tried.require_not_refused()?;
        if let Some((at, trouble)) = &tried.failed
            && at.elapsed() < LOGIN_PAUSE
        {
            return Err(trouble.clone());
        }
        match session.login(UserType::User, Some(&self.pin)) {
            // The login is the token's, not the session's.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                (tried.is_taken, tried.failed) = (true, None);
                Ok(())
            }
            Err(error) => {
                let refused = RefusedLogin::of(error);
                match &refused {
                    RefusedLogin::Pin(trouble) => tried.refused = Some(trouble.clone()),
                    RefusedLogin::Unclear(trouble) if tried.is_taken => {
                        tried.failed = Some((Instant::now(), trouble.clone()));
                    }
                    RefusedLogin::Unclear(trouble) => tried.refused = Some(trouble.clone()),
                    RefusedLogin::NotAsked(_) => {}
                }
                Err(refused.trouble())
            }
        }
    }

    fn tried(&self) -> MutexGuard<'_, Tried> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tried {
    fn require_not_refused(&self) -> Result<(), Trouble> {
        self.refused.clone().map_or(Ok(()), Err)
    }
}

/// What a failed login says about the PIN.
enum RefusedLogin {
    /// It is wrong.
    Pin(Trouble),
    /// It may be wrong, and a try may be lost: makers have codes of their own for that.
    Unclear(Trouble),
    /// Nobody has looked at it.
    NotAsked(Trouble),
}

impl RefusedLogin {
    fn of(error: Error) -> RefusedLogin {
        let is_unclear = matches!(&error, Error::Pkcs11(code, _) if !was_not_asked(*code));
        match trouble(error) {
            refused @ Trouble::NotLetIn(_) => RefusedLogin::Pin(refused),
            Trouble::Unreachable(text) if is_unclear => {
                let trouble = format!("the login failed, which may be the PIN: {text}");
                RefusedLogin::Unclear(Trouble::NotLetIn(trouble))
            }
            other => RefusedLogin::NotAsked(other),
        }
    }

    fn trouble(self) -> Trouble {
        let (RefusedLogin::Pin(trouble)
        | RefusedLogin::Unclear(trouble)
        | RefusedLogin::NotAsked(trouble)) = self;
        trouble
    }
}

fn was_not_asked(code: RvError) -> bool {
    matches!(
        code,
        RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::DeviceRemoved
            | RvError::SlotIdInvalid
            | RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::SessionReadOnlyExists
            | RvError::UserAnotherAlreadyLoggedIn
            | RvError::UserTooManyTypes
            | RvError::OperationActive
            | RvError::CryptokiNotInitialized
    )
}
