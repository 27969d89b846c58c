//! Who may ask for what: the names in the certificate of a client, and the rules of the
//! configuration. Without rules, every holder of a certificate may create keys and have documents
//! signed; nobody may retire keys unless a rule says so.

use notary_schema::name::Gun;

use crate::config::clients::{ClientRule, Right};
use crate::error::Refusal;
use crate::tls::Peer;

/// The rules.
pub(crate) struct Rights {
    rules: Vec<ClientRule>,
}

impl Rights {
    pub(crate) fn new(rules: Vec<ClientRule>) -> Rights {
        Rights { rules }
    }

    /// Refuses a client that no rule names, whatever it asks for.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub(crate) fn require_known(&self, peer: &Peer) -> Result<(), Refusal> {
        let is_known = self.rules.is_empty() || self.rules_of(peer).next().is_some();
        if is_known { Ok(()) } else { Err(refuse(peer, "ask for anything".to_owned())) }
    }

    /// Refuses a client that does not have a right in a collection.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub(crate) fn require(&self, peer: &Peer, right: Right, gun: &Gun) -> Result<(), Refusal> {
        let has_it = match self.rules.is_empty() {
            true => right != Right::Retire,
            false => self.rules_in(peer, gun).any(|rule| rule.rights.contains(&right)),
        };
        let act = match right {
            Right::Create => "have keys made",
            Right::Sign => "have documents signed",
            Right::Retire => "retire keys",
        };
        if has_it { Ok(()) } else { Err(refuse(peer, format!("{act} in {gun}"))) }
    }

    /// Refuses a client that has no right at all in a collection.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub(crate) fn require_any(&self, peer: &Peer, gun: &Gun) -> Result<(), Refusal> {
        let has_one = self.rules.is_empty() || self.rules_in(peer, gun).next().is_some();
        if has_one { Ok(()) } else { Err(refuse(peer, format!("read anything of {gun}"))) }
    }

    fn rules_of(&self, peer: &Peer) -> impl Iterator<Item = &ClientRule> {
        self.rules.iter().filter(|rule| peer.names.contains(&rule.name))
    }

    fn rules_in(&self, peer: &Peer, gun: &Gun) -> impl Iterator<Item = &ClientRule> {
        self.rules_of(peer).filter(|rule| rule.collections.matches(gun.as_str()))
    }
}

fn refuse(peer: &Peer, act: String) -> Refusal {
    Refusal::Forbidden { who: peer.text.clone(), act }
}
