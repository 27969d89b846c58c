//! Sessions with a token: opened when they are needed, logged in once, kept, and given up together
//! when the token forgets them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::object::{ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState};
use cryptoki::slot::Slot;

use super::super::Trouble;
use super::login::Login;
use super::module::Module;
use super::objects::find;
use super::{Locator, Token};

/// How many keys are kept in mind to see whether a token still has what it had.
const KNOWN: usize = 4;

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
    /// Let go of after the session.
    module: Module,
}

#[derive(Default)]
struct State {
    idle: Vec<LoggedIn>,
    /// Counts how often all sessions were given up: one that was in use then does not come back.
    life: u64,
    /// Of the token that was found last.
    login: Option<Arc<Login>>,
    /// Keys that have signed.
    known: Vec<Locator>,
    /// In which life of the library none of them was there any more.
    lost_in: Option<u64>,
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
            if let Some(login) = &state.login {
                login.require_not_refused()?;
            }
            (state.life, state.idle.pop())
        };
        let mut session = match idle {
            Some(session) => session,
            None => self.open()?,
        };
        let mut done = work(&mut session);
        if let Err(Trouble::NoSuchKey(_)) = done {
            done = self.require_known(&session).and(done);
        }
        let mut state = self.state();
        match &done {
            // The others are lost, too: the handles of sessions and objects die with the login.
            Err(Trouble::Unreachable(_)) if state.life == life => {
                state.life += 1;
                state.idle.clear();
            }
            _ if state.life == life => {
                state.learn(&session);
                state.idle.push(session);
            }
            _ => {}
        }
        done
    }

    /// Whether the token is there, lets us in, and has what it had. Blocks.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        self.run(|logged_in| {
            check(&logged_in.session)?;
            self.require_known(logged_in)
        })
    }

    /// Refuses where none of the keys is there that were. Of one key that is missing, somebody has
    /// deleted it; but a library may go on with what it once read of a token that was replaced under it,
    /// or was away for a moment, and then has nothing. That ends only with its next start.
    fn require_known(&self, logged_in: &LoggedIn) -> Result<(), Trouble> {
        let known = self.state().known.clone();
        for key in &known {
            if !find(&logged_in.session, ObjectClass::PRIVATE_KEY, key)?.is_empty() {
                return Ok(());
            }
        }
        if known.is_empty() {
            return Ok(());
        }
        self.state().lost_in = Some(logged_in.module.life);
        Err(Trouble::Unreachable(format!(
            "the token has no key {} any more; its library starts anew once nobody uses it",
            known[0]
        )))
    }

    fn open(&self) -> Result<LoggedIn, Trouble> {
        let lost_in = self.state().lost_in;
        let is_anew = lost_in.map(|life| Module::end(&self.token.module, life)).transpose()?;
        let module = Module::of(&self.token.module)?;
        let slot = self.slot(&module).inspect_err(|_| {
            // Nor may it see, in this life, that a token is back.
            let mut state = self.state();
            if !state.known.is_empty() {
                state.lost_in = Some(module.life);
            }
        })?;
        let info = module.get_token_info(slot).map_err(trouble)?;
        if info.user_pin_locked() {
            return Err(Trouble::NotLetIn("the PIN is locked".to_owned()));
        }
        if info.user_pin_final_try() {
            let problem = "one try is left before the PIN locks: log in once by hand";
            return Err(Trouble::NotLetIn(problem.to_owned()));
        }
        let login = Login::of(&self.token, &info);
        self.state().login = Some(login.clone());
        let session = module.open_rw_session(slot).map_err(trouble)?;
        login.log_in(&session)?;
        let logged_in = LoggedIn { session, keys: HashMap::new(), module };
        if is_anew == Some(true) {
            self.state().known.clear();
        }
        // While others keep the library from its end, what is there is there for new keys.
        if is_anew.is_some() && self.require_known(&logged_in).is_ok() {
            self.state().lost_in = None;
        }
        Ok(logged_in)
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

impl State {
    /// Keeps some keys in mind that a session has found.
    fn learn(&mut self, session: &LoggedIn) {
        for key in session.keys.keys() {
            if self.known.len() == KNOWN {
                return;
            }
            if !self.known.contains(key) {
                self.known.push(key.clone());
            }
        }
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
