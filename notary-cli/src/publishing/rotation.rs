//! How the keys of a top-level role are replaced.
//!
//! The next root is built on the newest one, and signed by the keys of both that are here. Where it
//! changes who signs targets, the next targets goes with it, signed by the keys of both: whichever of
//! the two roots a client has, it finds a targets that it trusts. The server publishes it some seconds
//! before the root.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{KeyId, RoleName};
use notary_schema::role::{Authority, Root, Targets};
use notary_schema::threshold;
use notary_schema::wire::Proposal;

use super::delivery::{Delivered, Outgoing, Sent};
use super::in_flight::InFlight;
use super::reading::{self, Reading};
use super::signers::Rotation;
use super::{Publisher, Tries};
use crate::args::When;
use crate::exit::Failure;
use crate::keyring::{Purpose, listed};
use crate::wanted::Wanted;

/// What became of a rotation.
pub(crate) enum NewRoot {
    /// Clients see it.
    Published(Box<Rotated>),
    /// It waits for signatures.
    Proposed(Box<Proposal>),
}

/// A root that was published.
pub(crate) struct Rotated {
    /// The root.
    pub(crate) root: Envelope<Root>,
    /// The keys that the role has now and had not before.
    pub(crate) keys_in: Vec<KeyId>,
    /// The keys that it had.
    pub(crate) keys_out: Vec<KeyId>,
}

impl Publisher<'_> {
    /// Sends what an earlier command left in flight; answers what became of its root, where it had
    /// one, or of the proposal that it was making.
    pub(crate) async fn resend_root(
        &self,
        role: &RoleName,
        before: &Root,
    ) -> Result<Option<NewRoot>, Failure> {
        let root = InFlight::load(self.collection)?.and_then(|in_flight| in_flight.root());
        Ok(match (self.resend().await?.0, root) {
            (Some(Delivered::Published(_)), Some(root)) => {
                Some(NewRoot::Published(Rotated::between(role, before, root).into()))
            }
            (Some(Delivered::Proposed(proposal)), _) => Some(NewRoot::Proposed(proposal)),
            _ => None,
        })
    }

    /// Publishes or proposes the root that a rotation asks for; `None` where it changes nothing.
    pub(crate) async fn rotate(&self, rotation: &Rotation) -> Result<Option<NewRoot>, Failure> {
        let mut tries = Tries::new(self.session);
        loop {
            let now = self.session.now();
            let reading = reading::read(self.session, self.gun, Wanted::default(), now).await?;
            let before = reading.view.trusted().root().clone();
            let Some(root) = self.next_root(rotation, &reading, now)? else { return Ok(None) };
            let next = self.next(rotation, &reading, &before, &root, now)?;
            let error = match self.deliver(next, &reading, now).await? {
                Sent::Taken(Delivered::Proposed(proposal)) => {
                    return Ok(Some(NewRoot::Proposed(proposal)));
                }
                Sent::Taken(Delivered::Published(answer)) => {
                    answer.warnings.iter().for_each(|warning| self.session.output.warn(warning));
                    let rotated = Rotated::between(&rotation.role, before.signed(), parsed(&root));
                    return Ok(Some(NewRoot::Published(rotated.into())));
                }
                Sent::Overtaken(error) => error,
            };
            if is_about_root(&error) {
                return Err(Failure::Conflict(format!(
                    "somebody else published another root first ({error}); look at it with \
                     `notary info {}`, then rotate again",
                    self.gun
                )));
            }
            tries.again(error).await?;
        }
    }

    /// The next root, to be signed; `None` where it would say the same.
    fn next_root(
        &self,
        rotation: &Rotation,
        reading: &Reading,
        now: DateTime<Utc>,
    ) -> Result<Option<Unsigned>, Failure> {
        let before = reading.view.trusted().root();
        let authority = before.signed().authority(&rotation.role).expect("a top-level role");
        let signers = rotation.signers_after(authority)?;
        if *authority.role == signers {
            return Ok(None);
        }
        let expires = When::or_after(self.expires, reading.lifetimes.root_seconds, now);
        let mut draft = Draft::next(before, expires)?;
        draft.set_signers(&rotation.role, &signers, &rotation.new);
        Ok(Some(draft.finish()))
    }

    /// What is sent: the root, and the targets that it needs.
    fn next(
        &self,
        rotation: &Rotation,
        reading: &Reading,
        before: &Envelope<Root>,
        root: &Unsigned,
        now: DateTime<Utc>,
    ) -> Result<Outgoing, Failure> {
        let new: Envelope<Root> = parsed(root);
        let roots = [before.signed(), new.signed()];
        let targets = reading.view.file(&RoleName::TARGETS).ok_or_else(|| {
            Failure::Refused("targets could not be read, so nothing is built on it".into())
        })?;
        let wanted = if rotation.compromised { &roots[1..] } else { &roots[..] };
        let mut next = Outgoing { why: why(rotation), ..Outgoing::default() };
        if rotation.compromised {
            next.exempt.compromised.insert(rotation.role.clone());
        }
        let targets = match is_trusted(targets, wanted) {
            true => None,
            false => {
                let expires = When::or_after(self.expires, reading.lifetimes.targets_seconds, now);
                Some(Draft::next(targets.as_ref(), expires)?.finish())
            }
        };
        let targets = targets.as_ref().map(|targets| (RoleName::TARGETS, targets, wanted));
        let documents: Vec<_> =
            targets.into_iter().chain([(RoleName::ROOT, root, &roots[..])]).collect();
        let unsigned = documents
            .iter()
            .map(|(role, document, _)| (role.clone(), document.with_signatures(&[]).into()));
        let unsigned: Vec<_> = unsigned.collect();
        self.agree(self.act.as_ref(), &unsigned, &next.exempt, reading, now)?;
        for (role, document, roots) in documents {
            self.sign_for(document, &role, roots, &mut next)?;
        }
        Ok(next)
    }

    /// Signs a document with every key here that one of these roots lists for a role.
    pub(super) fn sign_for(
        &self,
        document: &Unsigned,
        role: &RoleName,
        roots: &[&Root],
        next: &mut Outgoing,
    ) -> Result<(), Failure> {
        let authorities = roots.iter().filter_map(|root| root.authority(role));
        let mut keys: Vec<_> =
            authorities.flat_map(|authority| listed(&self.keys, authority)).collect();
        let mut seen = BTreeSet::new();
        keys.retain(|(keyid, _)| seen.insert((*keyid).clone()));
        let file = self.keyring.sign_with(document, Purpose::of(role), &keys)?;
        match keys.is_empty() {
            true => {
                let all = roots.iter().filter_map(|root| root.role_keys(role));
                let wanted: BTreeSet<_> = all.flat_map(|role| role.keyids.clone()).collect();
                next.unsigned.push((role.clone(), wanted.into_iter().collect()));
            }
            false => drop(next.ours.insert(role.clone())),
        }
        next.files.push((role.clone(), file.into()));
        Ok(())
    }
}

impl Rotated {
    /// What a published root has changed.
    pub(crate) fn between(role: &RoleName, before: &Root, root: Envelope<Root>) -> Rotated {
        let keys = |root: &Root| root.role_keys(role).map_or(&[][..], |r| &r.keyids).to_vec();
        let (old, new) = (keys(before), keys(root.signed()));
        let keys_in = new.iter().filter(|keyid| !old.contains(keyid)).cloned().collect();
        let keys_out = old.iter().filter(|keyid| !new.contains(keyid)).cloned().collect();
        Rotated { root, keys_in, keys_out }
    }
}

/// Whether another root was there first.
fn is_about_root(overtaken: &Failure) -> bool {
    let Failure::Remote(error) = overtaken else { return false };
    let more = error.problem().map(|problem| &problem.more);
    more.and_then(|more| more.get("role")?.as_str()) == Some(RoleName::ROOT.as_str())
}

/// What the keys that have to sign it are told, where the user gives no reason.
fn why(rotation: &Rotation) -> String {
    let urgent = if rotation.compromised { ", which somebody else has" } else { "" };
    format!("other signers for {} in place of those of now{urgent}", rotation.role)
}

/// Whether clients of all these roots trust a targets.
fn is_trusted(targets: &Envelope<Targets>, roots: &[&Root]) -> bool {
    roots.iter().all(|root| threshold::count(targets, of_targets(root)).is_met())
}

fn of_targets(root: &Root) -> Authority<'_> {
    root.authority(&RoleName::TARGETS).expect("a root lists the top-level roles")
}

fn parsed(root: &Unsigned) -> Envelope<Root> {
    Envelope::parse(root.with_signatures(&[])).expect("it was read before it was changed")
}
