//! What is signed here with keys that are revoked: their signatures are left out where they count for
//! nothing, so that what is missing is asked of others.

use notary_schema::envelope::{Signature, assemble};
use notary_schema::name::{Gun, KeyId, RoleName};
use notary_schema::publish::{Batch, Demand, demands};
use notary_schema::threshold::RevokedKeys;

use super::Publisher;
use super::delivery::Outgoing;
use crate::exit::Failure;
use crate::judging::{batch, judgeable};
use crate::output::joined;
use crate::session::Session;
use crate::view::View;

/// The keys that sign nothing new in a collection, in the server's words.
pub(super) async fn revoked_keys(session: &Session, gun: &Gun) -> Result<RevokedKeys, Failure> {
    let revocations = session.server()?.revocations(gun).await?;
    Ok(revocations.iter().filter_map(|one| one.key.public().cloned()).collect())
}

impl Publisher<'_> {
    /// Leaves out the signatures of revoked keys that count towards no threshold.
    ///
    /// # Errors
    /// Files of which no other key here has signed one, unless they may be proposed without.
    pub(super) fn without_revoked(
        &self,
        outgoing: Outgoing,
        view: &View,
    ) -> Result<Outgoing, Failure> {
        if view.revoked().is_empty() {
            return Ok(outgoing);
        }
        let batch = batch(&outgoing.files, &outgoing.exempt)?;
        // Where it cannot be told, the server is the first to judge.
        let Some(head) = judgeable(view, &batch) else { return Ok(outgoing) };
        let demands = demands(Some(&head), &batch);
        self.without_useless(outgoing, &batch, &demands)
    }

    /// The same of a batch that has to reach these thresholds.
    pub(super) fn without_useless(
        &self,
        mut outgoing: Outgoing,
        batch: &Batch,
        demands: &[Demand],
    ) -> Result<Outgoing, Failure> {
        for (role, bytes) in &mut outgoing.files {
            let (signed, signatures) = signed(batch, role);
            let (out, kept): (Vec<_>, Vec<_>) =
                signatures.iter().partition(|one| is_useless(demands, role, &one.keyid));
            if out.is_empty() {
                continue;
            }
            let kept: Vec<(KeyId, Vec<u8>)> = kept
                .into_iter()
                .filter_map(|one| Some((one.keyid.clone(), one.bytes.clone()?)))
                .collect();
            if kept.is_empty() {
                outgoing.ours.remove(role);
                if outgoing.ours.is_empty() && !self.propose.propose {
                    let out: Vec<KeyId> = out.into_iter().map(|one| one.keyid.clone()).collect();
                    return Err(self.all_revoked(role, &out));
                }
            }
            *bytes = assemble(signed, &kept).into();
        }
        Ok(outgoing)
    }

    fn all_revoked(&self, role: &RoleName, keyids: &[KeyId]) -> Failure {
        let (gun, keyids) = (self.gun, joined(keyids));
        Failure::Refused(format!(
            "every key here that may sign {role} is revoked and signs nothing new: {keyids}; \
             `notary revoke {gun} --list` says why, and with --propose, those who hold the others \
             can sign it"
        ))
    }
}

/// The bytes that are signed in a file of a batch, and who has signed them.
fn signed<'a>(batch: &'a Batch, role: &RoleName) -> (&'a [u8], &'a [Signature]) {
    match batch.root().filter(|_| *role == RoleName::ROOT) {
        Some(root) => (root.signed_text(), root.signatures()),
        None => {
            let file = batch.targets(role).expect("a file of the batch");
            (file.signed_text(), file.signatures())
        }
    }
}

/// Whether a key is revoked and its signature of a role counts nowhere.
fn is_useless(demands: &[Demand], role: &RoleName, keyid: &KeyId) -> bool {
    let mut reports = demands.iter().filter(|one| one.role == *role).map(|one| &one.report);
    let is_revoked = reports.clone().any(|report| report.revoked.contains(keyid));
    is_revoked && !reports.any(|report| report.valid.contains(keyid))
}
