//! Who signs a role after a rotation, as a pure function of who signs it now.

use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::{Authority, RoleKeys};

use crate::exit::Failure;
use crate::output::joined;

/// What shall be different.
pub(crate) struct Rotation {
    /// The role; where `bins` is set, the one whose names are divided.
    pub(crate) role: RoleName,
    /// Whether it is about the bins of the role.
    pub(crate) bins: bool,
    /// Keys that it shall have, too.
    pub(crate) new: Vec<Key>,
    /// Ids, or their beginnings, of keys that it shall not have any more.
    pub(crate) dropped: Vec<String>,
    /// How many must sign.
    pub(crate) threshold: Option<u32>,
    /// Whether somebody else has the keys that go.
    pub(crate) compromised: bool,
}

impl Rotation {
    /// Whether the role is signed as it shall be: a rotation whose answer was not heard.
    pub(crate) fn is_done(&self, now: Authority<'_>) -> bool {
        let listed = |key: &Key| {
            let mut keys = now.role.keyids.iter().filter_map(|keyid| now.keys.get(keyid));
            keys.any(|listed| listed.public() == key.public())
        };
        let is_there =
            |id: &String| now.role.keyids.iter().any(|keyid| keyid.as_str().starts_with(id));
        self.new.iter().all(listed)
            && !self.dropped.iter().any(is_there)
            && self.threshold.is_none_or(|threshold| threshold == now.role.threshold.get())
    }

    /// Who signs the role afterwards.
    ///
    /// # Errors
    /// A key that is named and not there, or named and there already; no key that is left; a
    /// threshold that the keys cannot reach.
    pub(crate) fn signers_after(&self, before: Authority<'_>) -> Result<RoleKeys, Failure> {
        let Rotation { role, new, dropped, .. } = self;
        let mut keyids = before.role.keyids.clone();
        for wanted in dropped {
            let is_it = |id: &&KeyId| id.as_str().starts_with(wanted.as_str());
            let found: Vec<_> = keyids.iter().filter(is_it).cloned().collect();
            let [found] = &found[..] else {
                return Err(Failure::Usage(format!(
                    "{wanted:?} names {} keys of {role}, which has {}",
                    found.len(),
                    joined(&keyids)
                )));
            };
            keyids.retain(|keyid| keyid != found);
        }
        for key in new {
            let is_same = |id: &&KeyId| {
                before.keys.get(*id).is_some_and(|listed| listed.public() == key.public())
            };
            if let Some(keyid) = keyids.iter().find(is_same) {
                return Err(Failure::Usage(format!("{keyid} is a key of {role} already")));
            }
            keyids.push(key.id().clone());
        }
        if keyids.is_empty() {
            return Err(Failure::Usage(format!(
                "{role} would have no key left; name the one that takes over with --new-key"
            )));
        }
        let threshold = self.threshold.unwrap_or(before.role.threshold.get());
        if threshold as usize > keyids.len() {
            return Err(Failure::Usage(format!(
                "{role} would have {} keys and ask for {threshold}; say --threshold, or name more \
                 keys",
                keyids.len()
            )));
        }
        RoleKeys::new(keyids, threshold).map_err(Failure::Usage)
    }
}
