//! A next root where nothing else of the collection may be readable: expired, or with versions that
//! this client refuses since it has seen higher ones. Roots alone are read and sent.

use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::key::Key;
use notary_schema::name::RoleName;
use notary_schema::online::{OnlineRole, expires_after};
use notary_schema::publish::demands_of_root;
use notary_schema::publish::proposal::is_met;
use notary_schema::role::Root;

use super::Publisher;
use super::delivery::{Delivered, Outgoing, Sent};
use super::online_keys::one_of;
use super::revoked::revoked_keys;
use super::rotation::{NewRoot, Rotated};
use crate::exit::Failure;
use crate::judging::batch;

impl Publisher<'_> {
    /// Publishes or proposes the root whose snapshot and timestamp have these keys and no others:
    /// clients forget what the ones before have signed (TUF 5.3.11), and those sign nothing more.
    pub(crate) async fn recover(&self, new: &[(OnlineRole, Vec<Key>)]) -> Result<NewRoot, Failure> {
        let (before, mut draft) = self.next_draft().await?;
        let mut outgoing = Outgoing {
            why: "all keys of snapshot and timestamp are replaced, for a recovery".to_owned(),
            ..Outgoing::default()
        };
        for (role, keys) in new {
            draft.set_signers(&role.name(), &one_of(keys), keys);
            outgoing.exempt.compromised.insert(role.name());
        }
        self.send_root(&before, &draft.finish(), outgoing).await
    }

    /// Publishes or proposes the next root with the same keys and a new date.
    pub(crate) async fn renew_root(&self) -> Result<NewRoot, Failure> {
        let (before, draft) = self.next_draft().await?;
        let why = "the same keys, for longer".to_owned();
        self.send_root(&before, &draft.finish(), Outgoing { why, ..Outgoing::default() }).await
    }

    /// The newest root, and the next one as it would say the same.
    async fn next_draft(&self) -> Result<(Envelope<Root>, Draft), Failure> {
        let now = self.session.now();
        let before = self.session.newest_root(self.gun, now).await?;
        let expires = match self.expires {
            Some(when) => when.from(now),
            None => {
                let lifetimes = self.session.server()?.lifetimes(self.gun).await?;
                expires_after(now, lifetimes.root_seconds)
            }
        };
        let draft = Draft::next(&before, expires)?;
        Ok((before, draft))
    }

    async fn send_root(
        &self,
        before: &Envelope<Root>,
        document: &Unsigned,
        mut outgoing: Outgoing,
    ) -> Result<NewRoot, Failure> {
        let unsigned = Envelope::<Root>::parse(document.with_signatures(&[]));
        let roots = [before.signed(), unsigned.expect("we wrote it").signed()].map(Root::clone);
        let [old, new] = &roots;
        self.sign_for(document, &RoleName::ROOT, &[old, new], &mut outgoing)?;
        let revoked = revoked_keys(self.session, self.gun).await?;
        let batch = batch(&outgoing.files, &outgoing.exempt)?;
        let root = batch.root().expect("it was just signed").as_ref().clone();
        let demands = demands_of_root(before, &root, &revoked);
        let outgoing = self.without_useless(outgoing, &batch, &demands)?;
        match self.deliver_unjudged(outgoing, is_met(&demands)).await? {
            Sent::Taken(Delivered::Proposed(proposal)) => Ok(NewRoot::Proposed(proposal)),
            Sent::Taken(Delivered::Published(answer)) => {
                answer.warnings.iter().for_each(|warning| self.session.output.warn(warning));
                let rotated = Rotated::between(&RoleName::SNAPSHOT, old, root);
                Ok(NewRoot::Published(rotated.into()))
            }
            Sent::Overtaken(Failure::Remote(error)) => Err(Failure::Conflict(format!(
                "somebody else published another root first ({error}); look at it with \
                 `notary info {}`, then say it again",
                self.gun
            ))),
            Sent::Overtaken(failure) => Err(failure),
        }
    }
}
