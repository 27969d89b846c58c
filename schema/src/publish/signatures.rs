//! Whose signatures a batch needs.

use std::num::NonZeroU32;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chain::delegated_parts;
use super::view::View;
use super::{Batch, Head, Refusal, lost};
use crate::envelope::Envelope;
use crate::name::{RoleName, Version};
use crate::role::{Authority, Role, RoleKeys, Root};
use crate::threshold::{self, Report, RevokedKeys, ThresholdNotMet};

/// A threshold that a file of a batch, or the stored `targets` below a new root, has to reach, and
/// how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The role of the file.
    pub role: RoleName,
    /// Who lists the keys.
    pub delegator: RoleName,
    /// The version of the delegator: a new root is signed as the root before it and itself say.
    pub version: Version,
    /// For whom they sign.
    pub purpose: Purpose,
    /// Who has signed and who has not.
    pub report: Report,
}

/// For whom a file is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// For clients that see the whole batch.
    Trust,
    /// For clients that have the root before and ask for the other files when the batch is there.
    Overlap,
}

impl Demand {
    /// Refuses a batch that does not reach it.
    pub(super) fn require(self) -> Result<(), Refusal> {
        let Demand { role, delegator, version, purpose, report } = self;
        if report.is_met() {
            return Ok(());
        }
        let missing = ThresholdNotMet { role, delegator, report };
        match purpose {
            Purpose::Trust => Err(missing.into()),
            Purpose::Overlap => Err(Refusal::OverlapMissing { version, missing }),
        }
    }
}

/// Every threshold that the batch has to reach, one after the other.
pub(super) fn demands<'a>(
    head: Option<&'a Head>,
    batch: &'a Batch,
    view: &'a View<'a>,
) -> impl Iterator<Item = Demand> + 'a {
    let roots = of_roots(head, batch, view.revoked());
    roots.chain(of_targets(head, batch, view)).chain(of_delegated(head, batch, view))
}

/// The first threshold that the batch does not reach.
pub(super) fn require(head: Option<&Head>, batch: &Batch, view: &View<'_>) -> Result<(), Refusal> {
    demands(head, batch, view).try_for_each(Demand::require)
}

/// A root is signed by the threshold of the root before it and by its own (TUF 5.3.4).
fn of_roots<'a>(
    head: Option<&'a Head>,
    batch: &'a Batch,
    revoked: RevokedKeys,
) -> impl Iterator<Item = Demand> + 'a {
    let new = batch.earlier_roots().chain(batch.root()).map(Arc::as_ref);
    let newest = head.map(|head| head.root.as_ref());
    let signed = new.scan(newest, |newest, root| Some((root, newest.replace(root))));
    signed.flat_map(move |(root, before)| of_root(root, before, &revoked))
}

/// The thresholds of one root.
pub(super) fn of_root(
    root: &Envelope<Root>,
    before: Option<&Envelope<Root>>,
    revoked: &RevokedKeys,
) -> impl Iterator<Item = Demand> + use<> {
    let as_before = before.map(|before| of_root_before(root, before, revoked));
    let own = of_file(root, &RoleName::ROOT, (root, Purpose::Trust), revoked);
    as_before.into_iter().flatten().chain([own])
}

/// What the root before asks for.
///
/// Where too few of its keys are left to reach its threshold, those that are revoked count, too,
/// where the new root leaves them out: nobody could replace the root otherwise. Never without one
/// that is not revoked, as long as there is one: whoever stole the others would put its holder out.
fn of_root_before(
    root: &Envelope<Root>,
    before: &Envelope<Root>,
    revoked: &RevokedKeys,
) -> impl Iterator<Item = Demand> + use<> {
    let (name, listed) = (RoleName::ROOT, authority(before, &RoleName::ROOT));
    let left = threshold::reachable_without(listed, revoked);
    let is_enough = left >= listed.role.threshold.get() as usize;
    let of_one = RoleKeys { threshold: NonZeroU32::MIN, ..listed.role.clone() };
    let of_one = Authority { role: &of_one, ..listed };
    let kept = revoked.among(authority(root, &name));
    let all =
        of_file(root, &name, (before, Purpose::Trust), if is_enough { revoked } else { &kept });
    let one = Demand { report: threshold::count_new(root, of_one, revoked), ..all.clone() };
    [all].into_iter().chain((!is_enough && left > 0).then_some(one))
}

/// targets is signed as the root says, also when only the root is new: then it is a stored file, and
/// revoked keys count. Where that root changes who signs targets, the root before it counts, too: a
/// client has it until it asks again.
fn of_targets<'a>(
    head: Option<&'a Head>,
    batch: &'a Batch,
    view: &'a View<'a>,
) -> impl Iterator<Item = Demand> + 'a {
    let role = RoleName::TARGETS;
    let is_here = !view.is_lost(&role);
    let concerned = batch.root().is_some() && is_here || batch.targets(&role).is_some();
    let found = batch.targets(&role);
    let is_found = found.is_some_and(|file| lost::is_found(head, &role, file));
    let before = head.map(|head| head.root.as_ref()).filter(|before| {
        let keys = |root: &Envelope<Root>| root.signed().role_keys(&RoleName::TARGETS).cloned();
        let changed = batch.root().is_some_and(|after| keys(before) != keys(after));
        // What is found was signed for clients of its time.
        changed && !is_found && !batch.compromised.contains(&RoleName::TARGETS)
    });
    let is_new = batch.targets(&role).is_some() && !is_found;
    let revoked = if is_new { view.revoked() } else { RevokedKeys::default() };
    let asked = move || {
        let root = view.root().expect("the first publish has a root");
        [(root, Purpose::Trust)].into_iter().chain(before.map(|root| (root, Purpose::Overlap)))
    };
    concerned.then(asked).into_iter().flatten().map(move |asked| {
        let targets = view.file(&role).expect("the first publish has targets");
        of_file(targets, &role, asked, &revoked)
    })
}

/// A delegated role is signed as everybody says who delegates to it: a client follows the one
/// delegation that leads it there. What was lost and is found is a stored file: revoked keys count.
fn of_delegated<'a>(
    head: Option<&'a Head>,
    batch: &'a Batch,
    view: &'a View<'a>,
) -> impl Iterator<Item = Demand> + 'a {
    let revoked = view.revoked();
    delegated_parts(batch).flat_map(move |(role, file)| {
        let is_found = lost::is_found(head, role, file);
        let revoked = if is_found { RevokedKeys::default() } else { revoked.clone() };
        let delegators = view.delegators(role).into_iter();
        let here = delegators.filter(|delegator| !view.is_lost(delegator.name));
        here.map(move |delegator| Demand {
            role: role.clone(),
            delegator: delegator.name.clone(),
            version: view.version(delegator.name),
            purpose: Purpose::Trust,
            report: threshold::count_new(file, delegator.authority(), &revoked),
        })
    })
}

fn of_file<T: Role>(
    file: &Envelope<T>,
    role: &RoleName,
    (root, purpose): (&Envelope<Root>, Purpose),
    revoked: &RevokedKeys,
) -> Demand {
    Demand {
        role: role.clone(),
        delegator: RoleName::ROOT,
        version: root.version(),
        purpose,
        report: threshold::count_new(file, authority(root, role), revoked),
    }
}

fn authority<'a>(root: &'a Envelope<Root>, role: &RoleName) -> Authority<'a> {
    root.signed().authority(role).expect("a root lists the top-level roles")
}
