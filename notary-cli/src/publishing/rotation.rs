//! How the keys of a top-level role are replaced.
//!
//! The next root is built on the newest one, signed by the keys of both that are here, and sent alone.
//! Where it changes who signs targets, the next targets goes before it, signed by the keys of both,
//! and the root waits until no cache holds anything older: whichever of the two roots a client has,
//! it finds a targets that it trusts.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use notary_schema::draft::Draft;
use notary_schema::envelope::{Envelope, Unsigned};
use notary_schema::name::{KeyId, RoleName};
use notary_schema::online::{HeldKeys, LONGEST_CACHE_SECONDS, OnlineRole, expires_after};
use notary_schema::publish::{Batch, Refusal, check};
use notary_schema::role::{Authority, Root, Targets};
use notary_schema::threshold;

use super::in_flight::InFlight;
use super::plan::rules;
use super::reading::{self, Reading};
use super::signers::{Rotation, join};
use super::wanted::Wanted;
use super::{Publisher, Sent};
use crate::exit::Failure;
use crate::keyring::{Purpose, listed};
use crate::remote::Exempt;

/// A root that was published.
pub(crate) struct Rotated {
    /// The root.
    pub(crate) root: Envelope<Root>,
    /// The keys that the role has now and had not before.
    pub(crate) keys_in: Vec<KeyId>,
    /// The keys that it had.
    pub(crate) keys_out: Vec<KeyId>,
}

/// What is to be sent next.
enum Next {
    /// Targets, signed by the keys of both roots.
    Targets(Arc<[u8]>),
    /// The root, and where nobody needs the keys before, targets with it.
    Root(Vec<(RoleName, Arc<[u8]>)>),
}

impl Publisher<'_> {
    /// Sends what an earlier command left in flight; answers its root, where it was one.
    pub(crate) async fn resend_root(&self) -> Result<Option<Envelope<Root>>, Failure> {
        let root = InFlight::load(self.collection)?.and_then(|in_flight| in_flight.root());
        let (answer, _) = self.resend().await?;
        Ok(root.filter(|_| answer.is_some()))
    }

    /// Publishes the root that a rotation asks for; `None` where it changes nothing.
    pub(crate) async fn rotate(&self, rotation: &Rotation) -> Result<Option<Rotated>, Failure> {
        loop {
            let now = self.session.now();
            let reading = reading::read(self.session, self.gun, Wanted::default(), now).await?;
            let before = reading.view.trusted().root().clone();
            let Some(root) = self.next_root(rotation, &reading, now)? else { return Ok(None) };
            let next = self.next(rotation, &reading, &before, &root, now)?;
            let (files, exempt) = match next {
                Next::Targets(file) => (vec![(RoleName::TARGETS, file)], Exempt::default()),
                Next::Root(files) => (files, compromised(rotation)),
            };
            self.judge(&files, &exempt, &reading, now)?;
            let is_last = files.iter().any(|(role, _)| *role == RoleName::ROOT);
            let in_flight = InFlight::new(&files, exempt, [].into());
            in_flight.save(self.collection)?;
            match self.send(&in_flight).await? {
                Sent::Published(answer) => {
                    answer.warnings.iter().for_each(|warning| self.session.output.warn(warning));
                }
                Sent::Overtaken(error) if is_last => {
                    return Err(Failure::Conflict(format!(
                        "somebody else published another root first ({error}); look at it with \
                         `notary info {}`, then rotate again",
                        self.gun
                    )));
                }
                Sent::Overtaken(_) => continue,
            }
            if is_last {
                let root = in_flight.root().expect("it was sent");
                return Ok(Some(Rotated::between(&rotation.role, before.signed(), root)));
            }
            self.wait_for_caches().await;
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
        let usual = || expires_after(now, reading.lifetimes.root_seconds);
        let expires = self.expires.map_or_else(usual, |when| when.from(now));
        let mut draft = Draft::next(before, expires)?;
        draft.set_signers(&rotation.role, &signers, &rotation.new);
        Ok(Some(draft.finish()))
    }

    fn next(
        &self,
        rotation: &Rotation,
        reading: &Reading,
        before: &Envelope<Root>,
        root: &Unsigned,
        now: DateTime<Utc>,
    ) -> Result<Next, Failure> {
        let new: Envelope<Root> = parsed(root);
        let roots = [before.signed(), new.signed()];
        let file = (RoleName::ROOT, self.sign_for(root, &RoleName::ROOT, &roots)?);
        let targets = reading.view.file(&RoleName::TARGETS).ok_or_else(|| {
            Failure::Refused("targets could not be read, so nothing is built on it".into())
        })?;
        let wanted = if rotation.compromised { &roots[1..] } else { &roots[..] };
        if wanted.iter().all(|root| threshold::count(targets, of_targets(root)).is_met()) {
            return Ok(Next::Root(vec![file]));
        }
        let usual = || expires_after(now, reading.lifetimes.targets_seconds);
        let expires = self.expires.map_or_else(usual, |when| when.from(now));
        let next = Draft::next(targets.as_ref(), expires)?.finish();
        let next = self.sign_for(&next, &RoleName::TARGETS, wanted)?;
        Ok(match rotation.compromised {
            true => Next::Root(vec![file, (RoleName::TARGETS, next)]),
            false => {
                require(&next, wanted)?;
                Next::Targets(next)
            }
        })
    }

    /// Signs a document with every key here that one of these roots lists for a role.
    fn sign_for(
        &self,
        document: &Unsigned,
        role: &RoleName,
        roots: &[&Root],
    ) -> Result<Arc<[u8]>, Failure> {
        let authorities = roots.iter().filter_map(|root| root.authority(role));
        let mut keys: Vec<_> =
            authorities.flat_map(|authority| listed(&self.keys, authority)).collect();
        let mut seen = BTreeSet::new();
        keys.retain(|(keyid, _)| seen.insert((*keyid).clone()));
        Ok(self.keyring.sign_with(document, Purpose::of(role), &keys)?.into())
    }

    /// Judges what is about to be sent, as the server will.
    fn judge(
        &self,
        files: &[(RoleName, Arc<[u8]>)],
        exempt: &Exempt,
        reading: &Reading,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut batch = Batch::default();
        batch.compromised = exempt.compromised.clone();
        for (role, bytes) in files {
            batch.add(role.clone(), bytes.clone())?;
        }
        let mut rules = rules(&reading.lifetimes);
        // Whether the signer holds them is the server's to say.
        rules.held_keys = batch.root().map(|root| named(root.signed())).unwrap_or_default();
        let head = reading.view.head().filter(|head| head.missing(&batch).is_empty());
        let Some(head) = head else { return Ok(()) };
        match check(Some(&head), &batch, &rules, now) {
            Ok(_) => Ok(()),
            Err(Refusal::Threshold(missing) | Refusal::OverlapMissing { missing, .. }) => {
                Err(signatures_missing(&missing))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Waits until no cache holds a timestamp from before the last publish.
    async fn wait_for_caches(&self) {
        // Caches count whole seconds.
        let seconds = LONGEST_CACHE_SECONDS + 1;
        self.session.output.message(format_args!(
            "targets is signed by the keys before and after; the root follows in {seconds} s, when \
             caches have it"
        ));
        tokio::time::sleep(Duration::from_secs(seconds)).await;
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

fn compromised(rotation: &Rotation) -> Exempt {
    let roles = rotation.compromised.then(|| rotation.role.clone());
    Exempt { compromised: roles.into_iter().collect(), ..Exempt::default() }
}

fn of_targets(root: &Root) -> Authority<'_> {
    root.authority(&RoleName::TARGETS).expect("a root lists the top-level roles")
}

/// The online keys that a root names.
fn named(root: &Root) -> HeldKeys {
    let roles = [OnlineRole::Snapshot, OnlineRole::Timestamp];
    let keys = |role: OnlineRole| {
        let keyids = root.role_keys(&role.name()).map_or(&[][..], |role| &role.keyids);
        keyids.iter().map(move |keyid| (role, keyid.clone()))
    };
    roles.into_iter().flat_map(keys).collect()
}

/// A targets that all of these roots trust.
fn require(file: &Arc<[u8]>, roots: &[&Root]) -> Result<(), Failure> {
    let file: Envelope<Targets> = Envelope::parse(file.clone()).expect("we wrote it");
    roots.iter().try_for_each(|root| {
        let required =
            threshold::require(&file, &RoleName::TARGETS, &RoleName::ROOT, of_targets(root));
        required.map(drop).map_err(|missing| signatures_missing(&missing))
    })
}

fn signatures_missing(missing: &threshold::ThresholdNotMet) -> Failure {
    let keys = join(&missing.report.missing);
    Failure::SignaturesMissing(format!("{missing}; keys that have not signed: {keys}"))
}

fn parsed(root: &Unsigned) -> Envelope<Root> {
    Envelope::parse(root.with_signatures(&[])).expect("it was read before it was changed")
}
