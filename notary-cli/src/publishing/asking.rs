//! What somebody has to agree to before it is signed.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use notary_schema::key::Key;
use notary_schema::name::{KeyId, RoleName, Version};
use notary_schema::publish::check_unsigned;
use notary_schema::role::{Authority, RoleKeys};
use notary_schema::threshold;

use super::Publisher;
use super::plan::refused;
use super::reading::Reading;
use crate::changes::files;
use crate::exit::Failure;
use crate::judging::{batch, judgeable, rules};
use crate::keyring::listed;
use crate::remote::Exempt;
use crate::staged::{Changes, Staged};
use crate::view::View;

/// A question, asked when the files were shown.
#[derive(Debug, Clone)]
pub(crate) struct Act {
    /// What would be done: "make it again".
    pub(crate) what: String,
    /// What to think of.
    pub(crate) why: String,
}

impl Publisher<'_> {
    /// Shows what would be signed, against what is trusted, and asks; nothing where there is no
    /// question.
    ///
    /// # Errors
    /// The rule of publishing that it breaks: that is not asked about. Nobody agrees.
    pub(super) fn agree(
        &self,
        act: Option<&Act>,
        unsigned: &[(RoleName, Arc<[u8]>)],
        exempt: &Exempt,
        reading: &Reading,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let Some(act) = act else { return Ok(()) };
        let batch = batch(unsigned, exempt)?;
        if let Some(head) = judgeable(&reading.view, &batch) {
            let rules = rules(&reading.lifetimes, &batch);
            check_unsigned(Some(&head), &batch, &rules, now).map_err(refused)?;
        }
        let changed = files::changed(&batch, Some(&reading.view));
        self.session.output.preview(&files::contents(&batch, &changed));
        self.session.insist(&act.what, &act.why)
    }

    /// What is signed anew as it is although a key has signed it that goes: nobody but its holder may
    /// have looked at it.
    pub(super) fn signed_anew(&self, view: &View, staged: &Staged) -> Option<Act> {
        let mut all = staged
            .roles
            .iter()
            .flat_map(|(delegator, changes)| self.signed_by_gone(view, delegator, changes, staged));
        let (role, version, keyid) = all.next()?;
        let others = match all.count() {
            0 => String::new(),
            more => format!(" (and {more} more of these roles by such keys)"),
        };
        let gun = self.gun;
        Some(Act {
            what: format!("sign what {role} lists as it is"),
            why: format!(
                "{role} {version} was signed by {keyid}, which goes{others}: look at it with `notary \
                 list {gun} --role {role}`. Where somebody else has that key, `notary revoke {gun} \
                 {keyid}` publishes what is good without it"
            ),
        })
    }

    /// The roles that these changes of their delegator give other signers, and that a key here signs
    /// anew: with the version that is there, and a key of it that goes.
    fn signed_by_gone(
        &self,
        view: &View,
        delegator: &RoleName,
        changes: &Changes,
        staged: &Staged,
    ) -> Vec<(RoleName, Version, KeyId)> {
        let file = view.file(delegator).map(|file| file.signed());
        let Some(before) = file.and_then(|file| file.delegations.as_ref()) else {
            return Vec::new();
        };
        let new = changes.new_keys().map(|key| (key.id().clone(), key.clone()));
        let keys: BTreeMap<KeyId, Key> = before.keys.clone().into_iter().chain(new).collect();
        let is_anew =
            |role: &RoleName| staged.roles.get(role).is_some_and(|it| it.witness.is_some());
        let gone = |role: &RoleName, after: &RoleKeys| {
            // Otherwise whoever signs the proposal looks at it.
            let is_ours = !listed(&self.keys, Authority { keys: &keys, role: after }).is_empty();
            let file = view.file(role).filter(|_| is_ours && is_anew(role))?;
            let valid = threshold::count(file, before.authority(role)?).valid;
            let gone = valid.iter().find(|keyid| !after.keyids.contains(keyid))?;
            Some((role.clone(), file.version(), gone.clone()))
        };
        changes.signers(staged.roles.keys()).filter_map(|(role, after)| gone(role, after)).collect()
    }
}
