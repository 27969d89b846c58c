//! Sessions with a token: opened when they are needed, logged in once, kept, and given up together
//! when the token forgets them.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::ObjectHandle;
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;

use super::super::Trouble;
use super::{Locator, Token};

/// How long a token is left alone after a login that failed, though its PIN was right before.
const LOGIN_PAUSE: Duration = Duration::from_secs(5);

/// The sessions of one token.
pub(super) struct Sessions {
    token: Token,
    state: Mutex<State>,
}

/// A session that is logged in, with the keys that it was asked for: in a token of many keys, looking
/// for one takes many times as long as signing.
pub(super) struct LoggedIn {
    pub(super) session: Session,
    /// Private keys by their names. What a token calls them ends with its sessions.
    pub(super) keys: HashMap<Locator, ObjectHandle>,
}

#[derive(Default)]
struct State {
    idle: Vec<LoggedIn>,
    /// Counts how often all sessions were given up: one that was in use then does not come back.
    life: u64,
    /// A PIN that was refused once is not tried again: three tries lock most tokens for good.
    pin_refused: Option<Trouble>,
    /// Whether the token has taken the PIN before: what fails then is the token.
    pin_taken: bool,
    /// When a login failed, and why, while that may have been the PIN.
    failed_login: Option<(Instant, Trouble)>,
}

impl Sessions {
    pub(super) fn new(token: Token) -> Sessions {
        Sessions { token, state: Mutex::default() }
    }

    /// Runs work with a session that is logged in. Blocks.
    pub(super) fn run<T>(
        &self,
        work: impl FnOnce(&mut LoggedIn) -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let (life, idle) = {
            let mut state = self.state();
            if let Some(trouble) = &state.pin_refused {
                return Err(trouble.clone());
            }
            (state.life, state.idle.pop())
        };
        let mut session = match idle {
            Some(session) => session,
            None => LoggedIn { session: self.open()?, keys: HashMap::new() },
        };
        let done = work(&mut session);
        let mut state = self.state();
        match &done {
            // The others are lost, too: the handles of sessions and objects die with the login.
            Err(Trouble::Unreachable(_)) if state.life == life => {
                state.life += 1;
                state.idle.clear();
            }
            _ if state.life == life => state.idle.push(session),
            _ => {}
        }
        done
    }

    fn open(&self) -> Result<Session, Trouble> {
        let module = module(&self.token.module)?;
        let slot = self.slot(&module)?;
        let info = module.get_token_info(slot).map_err(trouble)?;
        if info.user_pin_locked() {
            return Err(Trouble::NotLetIn("the PIN is locked".to_owned()));
        }
        if info.user_pin_final_try() {
            let problem = "one try is left before the PIN locks: log in once by hand";
            return Err(Trouble::NotLetIn(problem.to_owned()));
        }
        let session = module.open_rw_session(slot).map_err(trouble)?;
        // One login at a time: a second one would try a refused PIN again.
        let mut state = self.state();
        if let Some(trouble) = &state.pin_refused {
            return Err(trouble.clone());
        }
        if let Some((at, trouble)) = &state.failed_login
            && at.elapsed() < LOGIN_PAUSE
        {
            return Err(trouble.clone());
        }
        match session.login(UserType::User, Some(&self.token.pin)) {
            // The login is the token's, not the session's.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {
                (state.pin_taken, state.failed_login) = (true, None);
                Ok(session)
            }
            Err(error) => {
                let refused = RefusedLogin::of(error);
                match &refused {
                    RefusedLogin::Pin(trouble) => state.pin_refused = Some(trouble.clone()),
                    RefusedLogin::Unclear(trouble) if state.pin_taken => {
                        state.failed_login = Some((Instant::now(), trouble.clone()));
                    }
                    RefusedLogin::Unclear(trouble) => state.pin_refused = Some(trouble.clone()),
                    RefusedLogin::NotAsked(_) => {}
                }
                Err(refused.trouble())
            }
        }
    }

    fn slot(&self, module: &Pkcs11) -> Result<Slot, Trouble> {
        let mut found = Vec::new();
        let mut labels = Vec::new();
        for slot in module.get_slots_with_token().map_err(trouble)? {
            // A token of others that is broken or was pulled out is none of ours.
            let Ok(info) = module.get_token_info(slot) else { continue };
            if !info.token_initialized() {
                continue;
            }
            if self.token.name.fits(&info) {
                found.push(slot);
            }
            labels.push(format!("{:?}", info.label()));
        }
        match found[..] {
            [slot] => Ok(slot),
            [] => Err(Trouble::Unreachable(format!(
                "there is no token {}; there is: {}",
                self.token.name,
                if labels.is_empty() { "none".to_owned() } else { labels.join(", ") },
            ))),
            _ => Err(Trouble::NotSupported(format!(
                "there are {} tokens {}: give each another label",
                found.len(),
                self.token.name
            ))),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Sessions {
    /// Ends the login, which is that of all sessions.
    pub(super) fn log_out(&self) {
        self.state().idle.last().expect("a session is idle").session.logout().unwrap();
    }

    pub(super) fn idle(&self) -> usize {
        self.state().idle.len()
    }
}

/// Whether the token still knows the session, and the login. Without it private keys are not there,
/// and nothing else says why.
pub(super) fn check(session: &Session) -> Result<(), Trouble> {
    match session.get_session_info().map_err(trouble)?.session_state() {
        SessionState::RwUser | SessionState::RoUser => Ok(()),
        _ => Err(Trouble::Unreachable("the token has forgotten the login".to_owned())),
    }
}

/// The library of this path. A process can start each only once, and no library can be relied on to
/// start again after its end: they stay until the process ends.
fn module(path: &Path) -> Result<Pkcs11, Trouble> {
    static MODULES: Mutex<BTreeMap<PathBuf, Pkcs11>> = Mutex::new(BTreeMap::new());
    let mut modules = MODULES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let unreachable = |error: Error| {
        Trouble::Unreachable(format!("{} cannot be loaded: {error}", path.display()))
    };
    let module = Pkcs11::new(path).map_err(unreachable)?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(unreachable(error)),
    }
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
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

/// What a failed call says about the token.
pub(super) fn trouble(error: Error) -> Trouble {
    let Error::Pkcs11(code, function) = error else {
        return Trouble::WrongAnswer(error.to_string());
    };
    // The name of the code; the library's text for it is a paragraph of the standard.
    let text = format!("C_{function:?} answers {code:?}");
    match code {
        RvError::PinIncorrect => Trouble::NotLetIn("the PIN is wrong".to_owned()),
        RvError::PinLocked => Trouble::NotLetIn("the PIN is locked".to_owned()),
        RvError::PinInvalid
        | RvError::PinLenRange
        | RvError::PinExpired
        | RvError::UserPinNotInitialized => Trouble::NotLetIn(text),
        RvError::MechanismInvalid
        | RvError::MechanismParamInvalid
        | RvError::FunctionNotSupported
        | RvError::CurveNotSupported
        | RvError::DomainParamsInvalid
        | RvError::KeySizeRange
        | RvError::TokenWriteProtected => Trouble::NotSupported(text),
        RvError::KeyFunctionNotPermitted | RvError::KeyTypeInconsistent => {
            Trouble::KeyUnusable(text)
        }
        RvError::HostMemory | RvError::DeviceMemory | RvError::SessionCount => {
            Trouble::Throttled(text)
        }
        // Sessions and handles that are gone, a token that was pulled out, errors of the device:
        // what helps is to begin anew.
        _ => Trouble::Unreachable(text),
    }
}
